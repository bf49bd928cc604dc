#!/usr/bin/env python3
"""What keys cost the steps of a run: nothing sealed, sealed, and sealed and encrypted.

  keys.py PROGRAM DATA [--job configs/invariance.toml] [--workers 4] [--steps 250] [--rounds 4] [--set KEY=VALUE ...]

PROGRAM is a built fratmae, DATA a prepared data set with the job's grid. In each round every case has a run of its own on
loopback, in an order that turns around from round to round:

  none           no keys: what workers send each other goes as it is
  authenticated  keys, collective.encrypt=false
  encrypted      keys

Reported are the median over rounds of a case's median step, and its ratio to that of `none` in the same round.
"""
import json
import pathlib
import statistics
import subprocess
import tempfile

from small_run import arguments, leader_command, parse

# The first steps of a run are no measure.
FIRST = 10
CASES = {"none": [], "authenticated": ["collective.encrypt=false"], "encrypted": []}


def measure(options, case, keys, run):
    """The median step of a run, in seconds."""
    settings = [f"train.steps={options.steps}", "checkpoint.every=1000000", "workers.threads=1", *CASES[case]]
    command = leader_command(options, "pretrain", run, settings)
    if case != "none":
        command += ["--keys", str(keys)]
    process = subprocess.Popen(command, stderr=subprocess.PIPE, stdout=subprocess.DEVNULL, text=True)
    events = [event for _, event in filter(None, map(parse, process.stderr))]
    if process.wait():
        raise SystemExit(f"{' '.join(command)}: exit status {process.returncode}")
    steps = [event["seconds"] for event in events if event["message"] == "step applied"]
    return statistics.median(steps[FIRST:])


def main():
    parser = arguments(__doc__)
    parser.add_argument("--steps", type=int, default=250)
    parser.add_argument("--rounds", type=int, default=4)
    options = parser.parse_args()
    found = {case: [] for case in CASES}
    with tempfile.TemporaryDirectory(prefix="keys-") as folder:
        keys = pathlib.Path(folder) / "keys"
        subprocess.run([options.program, "keys", "make", str(keys)], check=True, stdout=subprocess.DEVNULL)
        for number in range(options.rounds):
            order = list(CASES) if number % 2 == 0 else list(reversed(CASES))
            for case in order:
                run = pathlib.Path(folder) / f"{case}-{number}"
                found[case].append(measure(options, case, keys, run))
    for case, rounds in found.items():
        ratios = sorted(step / none for step, none in zip(rounds, found["none"]))
        print(json.dumps({
            "case": case, "step_ms": round(1e3 * statistics.median(rounds), 3),
            "ratio": round(statistics.median(ratios), 4), "ratios": [round(ratio, 4) for ratio in ratios],
        }), flush=True)


if __name__ == "__main__":
    main()
