#!/usr/bin/env python3
"""Time from `kill -9` of one of the workers to the next step that the survivors apply, and until the worker is back.

  recovery.py PROGRAM DATA [--workers 4] [--repeats 30] [--set KEY=VALUE ...]

PROGRAM is a built fratmae, DATA a prepared data set with the grid of configs/invariance.toml. One run is disturbed
again and again, as long as its steps last. Times are the coordinator's, from its log in JSON; a step that was
already on its way to the coordinator when the worker was killed does not count.
Steps redone and steps missing are counted over the whole run. Signals go only to processes that this script started.
"""
import argparse
import datetime
import json
import os
import random
import signal
import statistics
import subprocess
import tempfile
import threading
import time

# Seconds of life after which a worker is started again at once.
OLD_ENOUGH = 10.5
HERE = os.path.dirname(os.path.abspath(__file__))


def parse(line):
    try:
        event = json.loads(line)
    except ValueError:
        return None
    stamp = event.get("timestamp")
    if event.get("target") != "run" or not stamp:
        return None
    at = datetime.datetime.fromisoformat(stamp.replace("Z", "+00:00")).timestamp()
    return at, event


class Log:
    """The events of a run, collected by a thread."""

    def __init__(self, stream):
        self.events = []
        self.grown = threading.Condition()
        threading.Thread(target=self.collect, args=(stream,), daemon=True).start()

    def collect(self, stream):
        for line in stream:
            event = parse(line)
            if event:
                with self.grown:
                    self.events.append(event)
                    self.grown.notify_all()

    def first(self, after, message, is_wanted=lambda fields: True, patience=60):
        """The first event of a kind from a place on; gives its place too."""
        deadline = time.monotonic() + patience
        with self.grown:
            place = after
            while True:
                while place < len(self.events):
                    at, fields = self.events[place]
                    place += 1
                    if fields["message"] == message and is_wanted(fields):
                        return place, at, fields
                if time.monotonic() > deadline:
                    raise TimeoutError(message)
                self.grown.wait(1)


def children(pid):
    with open(f"/proc/{pid}/task/{pid}/children") as text:
        return [int(child) for child in text.read().split()]


def age(pid):
    """Seconds since a process started."""
    with open(f"/proc/{pid}/stat") as text:
        started = int(text.read().rsplit(")", 1)[1].split()[19])
    return time.clock_gettime(time.CLOCK_BOOTTIME) - started / os.sysconf("SC_CLK_TCK")


def disturb(process, log, workers, rng):
    """One kill; gives seconds to the next step, to the killed worker's new process in the group, and the step time."""
    victim = children(process.pid)[0]
    # One that dies soon after it was started waits before it is started again.
    time.sleep(max(0, OLD_ENOUGH - age(victim)))
    with log.grown:
        place = len(log.events)
    # In the middle of a step, at a moment unlike the last one.
    place, _, fields = log.first(place, "step applied")
    time.sleep(rng.random() * fields["seconds"])
    killed = time.time()
    os.kill(victim, signal.SIGKILL)
    place, _, _ = log.first(place, "generation began", lambda f: f["members"].count('"') == 2 * (workers - 1))
    place, next_step, _ = log.first(place, "step applied")
    place, back, _ = log.first(place, "generation began", lambda f: f["members"].count('"') == 2 * workers)
    place, _, _ = log.first(place, "step applied")
    log.first(place, "step applied")
    return next_step - killed, back - killed, fields["seconds"]


def percentile(values, share):
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))]


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("program")
    parser.add_argument("data")
    parser.add_argument("--workers", type=int, default=4)
    parser.add_argument("--repeats", type=int, default=30)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--set", action="append", default=[], metavar="KEY=VALUE")
    options = parser.parse_args()
    steps = 400 * options.repeats
    with tempfile.TemporaryDirectory(prefix="recovery-") as folder:
        command = [options.program, "pretrain", "--json", "--log", "json", "--data", options.data,
                   "--config", os.path.join(HERE, "..", "configs", "invariance.toml"),
                   "--run", os.path.join(folder, "run"), "--workers", str(options.workers)]
        for setting in [f"train.steps={steps}", "checkpoint.every=100", "workers.threads=1",
                        "workers.restarts_per_hour=1000", *options.set]:
            command += ["--set", setting]
        process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        log, rng = Log(process.stderr), random.Random(options.seed)
        log.first(0, "step applied", lambda fields: fields["step"] >= 5)
        figures = [disturb(process, log, options.workers, rng) for _ in range(options.repeats)]
        process.send_signal(signal.SIGTERM)
        process.communicate()
        applied = [fields["step"] for _, fields in log.events if fields["message"] == "step applied"]
    next_step, back, step = zip(*figures)
    print(json.dumps({
        "workers": options.workers, "repeats": options.repeats, "step_s": round(statistics.median(step), 4),
        "next_step_s": {"p50": round(statistics.median(next_step), 3), "p99": round(percentile(next_step, 0.99), 3)},
        "back_s": {"p50": round(statistics.median(back), 3), "p99": round(percentile(back, 0.99), 3)},
        "steps_redone": len(applied) - len(set(applied)),
        "steps_missing": max(applied) - len(set(applied)),
    }))


if __name__ == "__main__":
    main()
