#!/usr/bin/env python3
"""What the coordinator costs the steps: the same workers' steps beside it and without it, turn by turn.

  overhead.py PROGRAM DATA [--workers 4] [--rounds 12] [--seconds 8] [--set KEY=VALUE ...]

PROGRAM is a built fratmae, DATA a prepared data set with the grid of configs/invariance.toml. In each round the
coordinator leads for some seconds, is killed, and the workers train on alone for as long, until the next one takes
over and hears how long each step took. The workers' processes are the same all along. Signals go only to processes
that this script started. The first steps after each change are left out.
"""
import argparse
import json
import os
import signal
import statistics
import subprocess
import tempfile
import time

from recovery import HERE, Log

PORT = 7741
# Steps at each end of a turn that belong to neither.
MARGIN = 3


class Coordinator:
    """One coordinator's process, with what it logs."""

    def __init__(self, command):
        self.process = subprocess.Popen(command, stderr=subprocess.PIPE, stdout=subprocess.DEVNULL, text=True)
        self.log = Log(self.process.stderr)

    def steps(self):
        """(number, seconds) of every step it has heard of."""
        with self.log.grown:
            events = list(self.log.events)
        return [(event["step"], event["seconds"]) for _, event in events if event["message"] == "step applied"]

    def kill(self):
        ticks = open(f"/proc/{self.process.pid}/stat").read().rsplit(")", 1)[1].split()[11:13]
        self.process.send_signal(signal.SIGKILL)
        self.process.wait()
        return sum(map(int, ticks)) / os.sysconf("SC_CLK_TCK")


def coordinator_command(options, run, settings):
    """A coordinator of the small job, for workers that come from elsewhere."""
    command = [options.program, "coordinator", "--log", "json", "--data", options.data,
               "--config", os.path.join(HERE, "..", "configs", "invariance.toml"),
               "--run", str(run), "--workers", str(options.workers), "--listen", f"127.0.0.1:{PORT}"]
    for setting in settings:
        command += ["--set", setting]
    return command


def worker_command(options):
    return [options.program, "worker", "--quiet", "--coordinator", f"http://127.0.0.1:{PORT}", "--threads", "1"]


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
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("program")
    parser.add_argument("data")
    parser.add_argument("--workers", type=int, default=4)
    parser.add_argument("--rounds", type=int, default=12)
    parser.add_argument("--seconds", type=float, default=8)
    parser.add_argument("--set", action="append", default=[], metavar="KEY=VALUE")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="overhead-") as folder:
        settings = ["train.steps=1000000", "checkpoint.every=1000000", *options.set]
        command = coordinator_command(options, os.path.join(folder, "run"), settings)
        worker = worker_command(options)
        first = Coordinator(command)
        first.log.first(0, "serving workers")
        workers = [subprocess.Popen(worker, stderr=subprocess.DEVNULL) for _ in range(options.workers)]
        started = iter([first])
        try:
            pairs, cpu = turns(lambda: next(started, None) or Coordinator(command), options.rounds, options.seconds)
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
