"""Times a training step here and in PyTorch, eager and compiled, turn by turn on the same threads.

    python benches/step.py [--presets tiny small base] [--batches 1 4] [--pairs 7] [--threads 2]

Needs torch in the Python that runs it (and a C++ compiler for torch.compile); builds the Rust side itself. One pair is
one step of each, the one right after the other, so that what else the machine does falls on both; the ratio is the
median over pairs. Peak memory is that of the whole process. `floor` is the time of the step's matrix products at this
machine's own rate for large ones, by PyTorch, on the same threads: what no implementation in f32 goes below.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import time
from pathlib import Path

HERE = Path(__file__).resolve().parent
PATCHES, VOXELS, KEPT, WORDS = 240, 4096, 120, 20


class Program:
    """A process that takes a step for each line."""

    def __init__(self, command, threads):
        settings = {"OMP_NUM_THREADS": str(threads), "RAYON_NUM_THREADS": str(threads)}
        self.process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=os.environ | settings
        )

    def step(self):
        self.process.stdin.write("\n")
        self.process.stdin.flush()
        line = self.process.stdout.readline()
        if not line:
            sys.exit(f"{self.process.args} ended with {self.process.wait()}")
        # Idle threads of the one must not spin into the other's step.
        time.sleep(0.25)
        return json.loads(line)

    def end(self):
        self.process.stdin.close()
        self.process.wait()


def build():
    command = ["cargo", "build", "--release", "--workspace", "--bin", "fratmae-benches", "--message-format=json"]
    out = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True, cwd=HERE.parent).stdout
    built = [json.loads(line) for line in out.splitlines()]
    return [m["executable"] for m in built if m.get("executable") and m["target"]["name"] == "fratmae-benches"][-1]


def flops(preset, batch):
    """Multiplications and additions of a step's matrix products; the backward pass takes twice those of the forward pass."""
    sys.path.insert(0, str(HERE))
    from twin import PRESETS

    (d, depth, _), (e, decoders, _), (t, layers, _) = PRESETS[preset]

    def block(n, m, d, cross=False):
        own = 4 * n * d * d + 2 * n * n * d + 8 * n * d * d
        return own + (2 * (n + m) * d * d + 2 * n * m * d if cross else 0)

    kept, all_ = KEPT + 1, PATCHES + 1
    encoders = sum(n * VOXELS * d for n in (KEPT, PATCHES)) + depth * (block(kept, kept, d) + block(all_, all_, d))
    # The patches themselves need no gradient.
    saved = sum(n * VOXELS * d for n in (KEPT, PATCHES)) / 3
    decoder = (kept + all_) * d * e + decoders * block(all_, all_, e, True) + (PATCHES - KEPT) * e * VOXELS
    text = layers * block(WORDS, WORDS, t)
    return {
        "encoders": 6 * (encoders - saved) * batch,
        "decoder": 6 * decoder * batch,
        "text": 6 * text * batch,
    }


def rate(threads):
    """Operations a second of a large matrix product."""
    import torch

    torch.set_num_threads(threads)
    a, b = torch.rand(1024, 1024), torch.rand(1024, 1024)
    times = []
    for _ in range(15):
        begin = time.perf_counter()
        a @ b
        times.append(time.perf_counter() - begin)
    return 2 * 1024**3 / min(times)


def median(steps, key):
    return statistics.median(step[key] for step in steps)


def compare(binary, preset, batch, options):
    rows = []
    ours = [binary, "step", "--preset", preset, "--batch", str(batch)]
    for kind in ("eager", "compile"):
        theirs = [sys.executable, str(HERE / "twin.py"), preset, str(batch), kind, str(options.threads)]
        pair = [Program(ours, options.threads), Program(theirs, options.threads)]
        for _ in range(2):
            [program.step() for program in pair]
        steps = [[program.step() for program in pair] for _ in range(options.pairs)]
        [program.end() for program in pair]
        mine, other = zip(*steps)
        ratio = {key: statistics.median(a[key] / b[key] for a, b in steps) for key in ("seconds", "cpu")}
        memory = mine[-1]["peak_mib"] / other[-1]["peak_mib"]
        rows.append(
            f"| {preset} | {batch} | {kind} | {median(mine, 'seconds'):.3f} | {median(other, 'seconds'):.3f} | "
            f"{ratio['seconds']:.2f} | {ratio['cpu']:.2f} | {mine[-1]['peak_mib']} | {other[-1]['peak_mib']} | {memory:.2f} |"
        )
        print(rows[-1], flush=True)
    parts = {key: median(mine, key) for key in ("forward", "backward", "optimizer")}
    return parts


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--presets", nargs="+", default=["tiny", "small", "base"])
    parser.add_argument("--batches", nargs="+", type=int, default=[1, 4])
    parser.add_argument("--pairs", type=int, default=7)
    parser.add_argument("--threads", type=int, default=2)
    options = parser.parse_args()
    binary, speed = build(), rate(options.threads)
    print("| preset | batch | PyTorch | here, s | there, s | ratio | ratio of CPU s | here, MiB | there, MiB | ratio |")
    print("|---|---|---|---|---|---|---|---|---|---|")
    breakdown = {}
    for preset in options.presets:
        for batch in options.batches:
            breakdown[preset, batch] = compare(binary, preset, batch, options)
    print(f"\nLarge matrix products run at {speed / 1e9:.0f} GFLOP/s on {options.threads} threads.\n")
    print("| preset | batch | forward | backward | optimizer | floor of it all: encoders | decoder | text |")
    print("|---|---|---|---|---|---|---|---|")
    for (preset, batch), parts in breakdown.items():
        floors = [part / speed for part in flops(preset, batch).values()]
        cells = " | ".join(f"{seconds:.3f}" for seconds in [*parts.values(), *floors])
        print(f"| {preset} | {batch} | {cells} |")


if __name__ == "__main__":
    main()
