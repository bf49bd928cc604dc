#!/usr/bin/env python3
"""What the coordinator costs the steps: the same workers' steps beside it and without it, turn by turn.

  overhead.py PROGRAM DATA [--workers 4] [--rounds 12] [--seconds 8] [--set KEY=VALUE ...]

PROGRAM is a built fratmae, DATA a prepared data set with the grid of configs/invariance.toml. In each round the
coordinator leads for some seconds, is killed, and the workers train on alone for as long, until the next one takes
over and hears how long each step took. The workers' processes are the same all along. Signals go only to processes
that this script started. The first steps after each change are left out.
"""
import json
import pathlib
import statistics
import subprocess
import tempfile
import time

from small_run import Leader, arguments, coordinator_command, worker_command

# Steps at each end of a turn that belong to neither.
MARGIN = 3


def turns(start, rounds, seconds):
    """Step times led and alone, a pair of medians a round; and the share of a core that the coordinator took."""
    pairs, cpu = [], []
    coordinator, alone_from = start(), None
    while len(pairs) < rounds:
        place, _, _ = coordinator.log.first(0, "step applied")
        if alone_from is not None:
            # What was done alone is told in one burst, soon after the first of it.
            time.sleep(1)
            heard = dict(coordinator.steps())
            until = max(heard) - round(2 / led)
            alone = [heard[step] for step in range(alone_from + MARGIN, until - MARGIN) if step in heard]
            pairs.append((led, statistics.median(alone)))
            print(json.dumps({"led_ms": 1e3 * led, "alone_ms": 1e3 * pairs[-1][1], "steps_alone": len(alone)}), flush=True)
        first = max(step for step, _ in coordinator.steps())
        time.sleep(seconds)
        led_steps = [took for step, took in coordinator.steps() if step > first + MARGIN]
        led = statistics.median(led_steps)
        alone_from = max(step for step, _ in coordinator.steps())
        cpu.append(coordinator.kill())
        time.sleep(seconds)
        coordinator = start()
    coordinator.kill()
    return pairs, statistics.median(cpu)


def main():
    parser = arguments(__doc__)
    parser.add_argument("--rounds", type=int, default=12)
    parser.add_argument("--seconds", type=float, default=8)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="overhead-") as folder:
        settings = ["train.steps=1000000", "checkpoint.every=1000000"]
        command = coordinator_command(options, pathlib.Path(folder) / "run", settings)
        worker = worker_command(options)
        first = Leader(command)
        first.log.first(0, "serving workers")
        workers = [subprocess.Popen(worker, stderr=subprocess.DEVNULL) for _ in range(options.workers)]
        started = iter([first])
        try:
            pairs, cpu = turns(lambda: next(started, None) or Leader(command), options.rounds, options.seconds)
        finally:
            for process in workers:
                process.kill()
    ratios = sorted(led / alone for led, alone in pairs)
    print(json.dumps({
        "workers": options.workers, "rounds": len(pairs),
        "led_ms": round(1e3 * statistics.median(led for led, _ in pairs), 2),
        "alone_ms": round(1e3 * statistics.median(alone for _, alone in pairs), 2),
        "overhead_percent": round(100 * (statistics.median(ratios) - 1), 2),
        "ratios": [round(ratio, 4) for ratio in ratios],
        "coordinator_cpu_s_a_turn": round(cpu, 3),
    }))


if __name__ == "__main__":
    main()
