#!/usr/bin/env python3
"""What a checkpoint costs the training around it, here and with torch.distributed.checkpoint, turn by turn.

  ckpt.py PROGRAM PEER [--python PYTHON] [--preset base] [--rounds 3] [--ticks 100] [--modes thread,sync] [--to DIR]

PROGRAM is a built fratmae-benches; PEER a script that saves a state of as many parameters with torch and prints rows
(`--params M --repeats 1 --modes .. --to DIR --json FILE`), run by PYTHON, which has torch. Both train on one thread and
write to the same disk with fsync. The peer's step is arithmetic alone and leaves the state as it is; here the state is
updated in every step, after `--ticks` products of about the same time: so each side has real work, and only here has
the copy to be whole before the state changes.

`stall` is what the training thread waits, `lost` all time beyond what the same steps take without a checkpoint: here by
the mean of steps before and after it, there by the median before. `drift` is how much longer the steps after it took
than as many before it: no figure of `lost` is better known than that.
"""
import argparse
import json
import os
import statistics
import subprocess
import tempfile

PARAMETERS_M = {"tiny": 1, "small": 21, "base": 283}


def rows_of_peer(options, folder):
    rows = os.path.join(folder, "peer.jsonl")
    if os.path.exists(rows):
        os.remove(rows)
    command = [options.python, options.peer, "--params", str(PARAMETERS_M[options.preset]), "--repeats", "1"]
    command += ["--modes", options.modes, "--to", folder, "--json", rows]
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    with open(rows) as lines:
        return [json.loads(line) for line in lines]


def rows_of_ours(options, folder):
    command = [options.program, "checkpoint", os.path.join(folder, "ours"), "--preset", options.preset]
    command += ["--ticks", str(options.ticks), "--repeats", "2"]
    environment = os.environ | {"RAYON_NUM_THREADS": str(options.threads)}
    out = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True, env=environment).stdout
    rows = [json.loads(line) for line in out.splitlines()]
    # The first one of a process takes its memory from the system.
    return [row | {"mode": mode} for row, mode in zip(rows, ["ours, first", "ours, again"])]


def table(rows):
    print("| mode | n | GB | stall s p50 | worst | lost s p50 | worst | total s p50 | slowdown | extra MiB |")
    print("|---|---|---|---|---|---|---|---|---|---|")
    for mode in dict.fromkeys(row["mode"] for row in rows):
        mine = [row for row in rows if row["mode"] == mode]
        both = lambda key: (statistics.median(row[key] for row in mine), max(row[key] for row in mine))
        slowdown = statistics.median(row.get("slowdown", float("nan")) for row in mine)
        extra = max(row.get("extra_mib", -1) for row in mine)
        (stall, worst_stall), (lost, worst_lost) = both("stall"), both("lost")
        print(
            f"| {mode} | {len(mine)} | {mine[0]['bytes'] / 1e9:.2f} | {stall:.3f} | {worst_stall:.3f} | {lost:.2f} | "
            f"{worst_lost:.2f} | {both('total')[0]:.1f} | {100 * slowdown:.1f} % | {extra if extra >= 0 else '-'} |"
        )


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("program")
    parser.add_argument("peer")
    parser.add_argument("--python", default="python3")
    parser.add_argument("--preset", default="base", choices=PARAMETERS_M)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--ticks", type=int, default=100)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--modes", default="thread,sync")
    parser.add_argument("--to", default=tempfile.gettempdir())
    options = parser.parse_args()
    rows = []
    with tempfile.TemporaryDirectory(dir=options.to) as folder:
        for _ in range(options.rounds):
            for row in rows_of_peer(options, folder) + rows_of_ours(options, folder):
                rows.append(row)
                print(json.dumps(row), flush=True)
    table(rows)


if __name__ == "__main__":
    main()
