#!/usr/bin/env python3
"""Measures the program on a machine with an NVIDIA card, and says what is right and what is fast there.

  gpu.py [--program FILE] [--out DIR] [--parts NAME ...] [--dry-run]

`cargo xtask gpu build` packs it with the program; nothing but Python is needed where it runs. The parts:

  parity   losses of twenty steps on the card, in f32 and in bf16, beside those on the CPU in f32, of two networks
  speed    steps a second and the share of the card's peak (MFU) for `small` and `base`, in f32 and in bf16, with the
           phases of a step; the last with the state in host memory as well
  nccl     a run of one rank over NCCL; two ranks on one card where NCCL allows it (2.30.3): their losses where NCCL adds
           in the card's memory, and kill -9 in a reduction, where the hosts add and where NCCL does
  torch    the same network in PyTorch, eager and compiled, in f32 and under autocast to bf16, if this Python has it

A table goes to standard output as soon as a part is done, everything to DIR/gpu.json. It fails if a part does, or if a
figure is missing. `--dry-run` goes through every part on the CPU with little work; there the card's driver and NCCL are
a stand-in (--library, libfratmae_nccl_standin.so beside the program), f32 stands for bf16 except in PyTorch, and the
figures mean nothing.
"""
import argparse
import importlib.util
import json
import math
import os
import random
import re
import signal
import statistics
import subprocess
import sys
import time
from pathlib import Path

from small_run import Log, children

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent
# What a loss may differ by from that on the CPU in f32, relatively.
TOLERANCES = {"f32": 1e-3, "bf16": 2e-2}
# Dense peak of the tensor cores in TFLOP/s in TF32, which burn takes for products in f32, and in bf16, by a word in the
# card's name.
PEAKS = {"H200": (494.0, 989.0), "H100": (494.0, 989.0), "A100": (156.0, 312.0), "L40S": (183.0, 362.0), "L4": (60.0, 121.0)}
# What a whole measurement has.
FIGURES = {
    "parity": ("precision", "worst_relative", "steps"),
    "speed": ("precision", "step_s", "steps_per_s", "mfu", "phases"),
    "nccl": ("one_rank_same_bits", "two_ranks"),
    "torch": ("found",),
}


class Failed(Exception):
    pass


def run(command, patience, variables=None, lines=""):
    """A program's standard output and error; its own last words are the reason if it fails."""
    try:
        ended = subprocess.run(command, input=lines, capture_output=True, text=True, timeout=patience,
                               env=os.environ | (variables or {}))
    except FileNotFoundError:
        raise Failed(f"there is no {command[0]}") from None
    except subprocess.TimeoutExpired:
        raise Failed(f"{' '.join(map(str, command[:3]))} takes longer than {patience} s") from None
    if ended.returncode != 0:
        last = [line for line in ended.stderr.splitlines() if line.strip()][-3:]
        raise Failed(f"{' '.join(map(str, command[:3]))} ended with {ended.returncode}: {' / '.join(last)}")
    return ended.stdout, ended.stderr


class Bench:
    def __init__(self, options):
        self.options, self.dry, self.out = options, options.dry_run, options.out
        self.program = str(options.program)
        self.out.mkdir(parents=True, exist_ok=True)
        # A dry run has a card in no part but NCCL's, where it is a stand-in.
        self.device = "cpu" if self.dry else "cuda"

    def card(self):
        """Name, peak rates and driver; in a dry run the CPU and what it multiplies in f32."""
        if self.dry:
            rate = self.costs("tiny")["flops_per_second"] / 1e12
            return {"name": "CPU (dry run)", "driver": "none", "peak_f32_tflops": rate, "peak_bf16_tflops": rate}
        query = ["nvidia-smi", "--query-gpu=name,driver_version,memory.total", "--format=csv,noheader"]
        name, driver, memory = run(query, 60)[0].splitlines()[0].split(", ")
        peaks = next((peaks for word, peaks in PEAKS.items() if word in name), None)
        peaks = self.options.peak_tflops or peaks
        if not peaks:
            raise Failed(f"the peak of {name} is not known here: give --peak-tflops F32 BF16")
        return {"name": name, "driver": driver, "memory": memory, "peak_f32_tflops": peaks[0], "peak_bf16_tflops": peaks[1]}

    def costs(self, preset):
        return json.loads(run([self.program, "model", "--json", "--set", f"model.preset={preset}"], 120)[0])

    def command(self, job, run_name, settings, workers=1):
        """A call of the program for the tiny job or, without a job file, for a preset on stacks of the paper's size."""
        command = [self.program, "pretrain", "--json", "--log", "json", "--data", str(self.out / f"data-{job}"),
                   "--run", str(self.out / run_name), "--workers", str(workers)]
        common = {"data.source": str(self.out / f"phantoms-{job}"), "checkpoint.every": 1_000_000}
        if job == "tiny":
            command += ["--config", str(ROOT / "configs/invariance.toml")]
        else:
            common |= {"data.phantoms": 4 if self.dry else 16}
        for key, value in (common | settings).items():
            command += ["--set", f"{key}={value}"]
        return command

    def train(self, job, run_name, settings, workers=1, variables=None):
        """A whole run; gives its result, the rows of its steps and what it logged."""
        stdout, stderr = run(self.command(job, run_name, settings, workers), self.options.patience, variables)
        return json.loads(stdout.splitlines()[-1]), self.history(run_name), stderr

    def history(self, run_name):
        status = run([self.program, "status", str(self.out / run_name), "--json", "--history"], 60)[0]
        return json.loads(status)["history"]

    def on_card(self, precision):
        """Settings for the card in a precision; in a dry run for the CPU, which has f32 alone."""
        return {"workers.device": self.device, "train.precision": "f32" if self.dry else precision}

    def parity(self):
        """The largest relative difference of a step's loss between the card, in each precision, and the CPU in f32."""
        steps = 4 if self.dry else 20
        rows, failures = [], []
        small = {"model.preset": "small", "train.batch": 4, "train.slots": 2}
        for job, name, settings in [("tiny", "tiny job", {}), ("whole", "small", small)]:
            reference = self.losses(job, f"parity-{job}-reference", settings | {"workers.device": "cpu"}, steps)
            found = {precision: self.losses(job, f"parity-{job}-{precision}", settings | self.on_card(precision), steps)
                     for precision in TOLERANCES}
            for precision, losses in found.items():
                worst = max(abs(b - a) / abs(a) for a, b in zip(reference, losses))
                rows.append({"network": name, "precision": precision, "steps": steps, "worst_relative": worst,
                             "first": losses[0], "last": losses[-1]})
                if not worst <= TOLERANCES[precision]:
                    failures.append(f"{name} in {precision} differs by more than {TOLERANCES[precision]}")
            if found["f32"] == found["bf16"] and not self.dry:
                failures.append(f"{name} has the same losses in bf16 as in f32: nothing was rounded")
        table("Losses on the card beside the CPU in f32",
              ["network", "precision", "steps", "worst_relative", "first", "last"], rows)
        if failures:
            raise Failed("; ".join(failures), rows)
        return rows

    def losses(self, job, run_name, settings, steps):
        """The loss of each step of a run."""
        losses = [row["loss"] for row in self.train(job, run_name, settings | {"train.steps": steps})[1]]
        if len(losses) != steps:
            raise Failed(f"{run_name} has {len(losses)} losses of {steps}")
        return losses

    def speed(self, card):
        rows, profiles = [], []
        batches = {"tiny": [2]} if self.dry else {"small": [8, 32], "base": [8, 32]}
        for preset, sizes in batches.items():
            flops = self.costs(preset)["total"]["step_gflop"] * 1e9
            for batch in sizes:
                runs = [(precision, "device") for precision in TOLERANCES]
                if (preset, batch) == (list(batches)[-1], sizes[-1]):
                    runs.append(("bf16", "host"))
                for precision, state in runs:
                    row, profile = self.timed(preset, batch, precision, state, flops, card)
                    rows.append(row)
                    profiles.append(profile)
        run = ["preset", "batch", "precision", "state"]
        table("Steps", [*run, "step_s", "steps_per_s", "samples_per_s", "mfu"], rows)
        phases = sorted({phase for profile in profiles for phase in profile if phase not in run})
        table("Milliseconds of a step by phase", [*run, *phases], profiles)
        return rows

    def timed(self, preset, batch, precision, state, flops, card):
        """One run; its first steps compile kernels and do not count."""
        warm, steps = (1, 4) if self.dry else (10, 40)
        settings = {"model.preset": preset, "train.batch": batch, "train.slots": 1, "train.steps": steps, "workers.state": state,
                    "coordinator.worker_timeout_s": 300, "collective.deadline_s": 300}
        history = self.train("whole", f"speed-{preset}-{batch}-{precision}-{state}", settings | self.on_card(precision))[1][warm:]
        seconds = statistics.median(row["seconds"] for row in history)
        rate = flops * batch / seconds / 1e12
        names = {name for row in history for name in row["phases"]}
        phases = {name: 1e3 * statistics.median(row["phases"].get(name, 0) for row in history) for name in names}
        # The sums over the weights' bits, and their way to the device and back where they are in host memory.
        phases["rest"] = 1e3 * statistics.median(row["seconds"] - sum(row["phases"].values()) for row in history)
        run = {"preset": preset, "batch": batch, "precision": precision, "state": state}
        row = run | {"step_s": seconds, "steps_per_s": 1 / seconds, "samples_per_s": batch / seconds,
                     "mfu": rate / card[f"peak_{precision}_tflops"], "phases": phases}
        return row, run | phases

    def libraries(self):
        """Settings for NCCL, its version, and variables."""
        if self.dry:
            library = self.options.library or Path(self.program).with_name("libfratmae_nccl_standin.so")
            if not Path(library).is_file():
                raise Failed(f"{library} is not there: cargo build --release -p fratmae-nccl-standin, or --library FILE")
            both = {key: str(library) for key in ("collective.nccl_library", "collective.cuda_library")}
            return both, {"FRATMAE_STANDIN": "device=7,delay=20"}
        library = self.options.library or find_nccl()
        return {"collective.nccl_library": str(library)} if library else {}, {}

    def nccl(self):
        libraries, variables = self.libraries()
        over_nccl = libraries | {"collective.backend": "nccl", "workers.device": self.device, "workers.threads": 1}
        over_tcp = {"workers.device": self.device, "workers.threads": 1, "collective.backend": "tcp"}
        steps = {"train.steps": 20}
        reference, _, _ = self.train("tiny", "nccl-reference", over_tcp | steps)
        result, _, said = self.train("tiny", "nccl-one", over_nccl | steps, 1, variables)
        version = re.search(r'"version":"([0-9.]+)"', said)
        outcome = {"version": version and version[1],
                   "one_rank_same_bits": result["weights_digest"] == reference["weights_digest"]}
        if "gradients go over NCCL" not in said:
            raise Failed("one rank did not use NCCL")
        if version and tuple(map(int, version[1].split("."))) < (2, 30, 3):
            outcome["two_ranks"] = f"not tried: NCCL {version[1]} lets one rank alone use a card; 2.30.3 is the first that does"
        else:
            variables |= {"NCCL_MULTI_RANK_GPU_ENABLE": "1"}
            outcome["two_ranks"] = "tried"
            fast = over_nccl | {"collective.reduction": "fast"}
            losses = [row["loss"] for row in self.history("nccl-reference")]
            added = [row["loss"] for row in self.train("tiny", "nccl-fast", fast | steps, 2, variables)[1]]
            outcome["fast_worst_relative"] = max(abs(b - a) / abs(a) for a, b in zip(losses, added))
            for name, settings in [("exact", over_nccl), ("fast", fast)]:
                killed = self.killed(name, settings, variables)
                outcome |= {f"{name}_{key}": value for key, value in killed.items()}
        table("NCCL", list(outcome), [outcome])
        if not outcome.get("fast_worst_relative", 0) <= TOLERANCES["f32"]:
            raise Failed("two ranks whose gradients NCCL adds have other losses than one", [outcome])
        return [outcome]

    def killed(self, name, over_nccl, variables):
        """Kills one of two ranks again and again until it died in the reduction, and stops the run."""
        settings = {"train.steps": 100_000, "workers.restarts_per_hour": 1000, "coordinator.heartbeat_ms": 20}
        command = self.command("tiny", f"nccl-killed-{name}", over_nccl | settings, 2)
        process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True,
                                   env=os.environ | variables)
        log, chance, phases = Log(process.stderr), random.Random(1), []
        try:
            place, _, _ = log.first(0, "step applied", lambda event: event["step"] >= 5)
            while "reduce" not in phases and len(phases) < 8:
                # In the middle of a step, at a moment unlike the last one.
                _, _, step = log.first(len(log.events), "step applied")
                time.sleep(chance.random() * step["seconds"])
                os.kill(children(process.pid)[0], signal.SIGKILL)
                place, _, verdict = log.first(place, "worker in trouble")
                phases.append(verdict["phase"])
                place, _, _ = log.first(place, "generation began", lambda event: len(event["members"]) == 2)
                place, _, _ = log.first(place, "step applied")
            process.send_signal(signal.SIGTERM)
            process.wait(60)
        except TimeoutError as silence:
            raise Failed(f"the run of two ranks did not tell `{silence}`; it was killed in {phases}") from None
        finally:
            process.kill()
        applied = [event["step"] for _, event in log.events if event["message"] == "step applied"]
        return {"killed_in": ", ".join(phases), "steps_redone": len(applied) - len(set(applied)),
                "steps_missing": max(applied) - len(set(applied))}

    def torch(self):
        """The network of benches/twin.py on the same card."""
        if importlib.util.find_spec("torch") is None:
            print("\nPyTorch: not in this Python\n")
            return [{"found": False}]
        rows = []
        for preset, batch in [("tiny", 2)] if self.dry else [("small", 8), ("small", 32), ("base", 8), ("base", 32)]:
            for precision in TOLERANCES:
                for kind in ("eager", "compile"):
                    run = {"found": True, "preset": preset, "batch": batch, "precision": precision, "kind": kind}
                    rows.append(run | self.twin(preset, batch, kind, precision))
        columns = ["preset", "batch", "precision", "kind", "step_s", "forward_s"]
        table("The network in PyTorch on the card, autocast where it is in bf16", columns, rows)
        return rows

    def twin(self, preset, batch, kind, precision):
        steps = 3 if self.dry else 30
        command = [sys.executable, str(HERE / "twin.py"), preset, str(batch), kind, "2", self.device, precision]
        timed = run(command, self.options.patience, lines="\n" * steps)[0].splitlines()
        timed = [json.loads(line) for line in timed][steps // 3:]
        return {"step_s": statistics.median(step["seconds"] for step in timed),
                "forward_s": statistics.median(step["forward"] for step in timed)}


def find_nccl():
    """The library of PyTorch's NCCL package, if this Python has it; else the system is asked."""
    for folder in map(Path, sys.path):
        for file in sorted(folder.glob("nvidia/nccl/lib/libnccl.so.2")):
            return file
    return None


def text(value):
    return f"{value:.4g}" if isinstance(value, float) else str(value)


def table(title, columns, rows):
    print(f"\n{title}\n\n| {' | '.join(columns)} |\n|{'---|' * len(columns)}")
    for row in rows:
        print(f"| {' | '.join(text(row.get(column, '')) for column in columns)} |")
    print(flush=True)


def missing(part, rows):
    """Figures that should be there and are not, or are no numbers."""
    def lacks(value):
        return value is None or isinstance(value, float) and not math.isfinite(value)
    return [f"{part}: {key}" for row in rows for key in FIGURES[part] if lacks(row.get(key))]


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--program", type=Path, default=ROOT / "fratmae")
    parser.add_argument("--out", type=Path, default=Path("fratmae-gpu-out"))
    parser.add_argument("--parts", nargs="+", choices=FIGURES, default=list(FIGURES))
    parser.add_argument("--library", type=Path, help="NCCL's library")
    parser.add_argument("--peak-tflops", nargs=2, type=float, metavar=("F32", "BF16"))
    parser.add_argument("--patience", type=int, default=300, help="seconds that one run may take")
    parser.add_argument("--dry-run", action="store_true")
    options = parser.parse_args()
    options.out = options.out.resolve()
    bench = Bench(options)
    try:
        card = bench.card()
    except Failed as failure:
        sys.exit(f"no card to measure: {failure.args[0]}; without one: --dry-run")
    found, failures = {"card": card}, []
    print(f"{card['name']}, driver {card['driver']}")
    for part in options.parts:
        begin = time.monotonic()
        try:
            found[part] = bench.speed(card) if part == "speed" else getattr(bench, part)()
            failures += [f"no figure for {name}" for name in missing(part, found[part])]
        except Failed as failure:
            failures.append(f"{part}: {failure.args[0]}")
            found[part] = failure.args[1] if len(failure.args) > 1 else []
        print(f"{part}: {time.monotonic() - begin:.0f} s", flush=True)
        (options.out / "gpu.json").write_text(json.dumps(found, indent=1))
    for failure in failures:
        print(f"FAILED {failure}")
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())
