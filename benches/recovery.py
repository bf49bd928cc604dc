#!/usr/bin/env python3
"""Time from the loss of one of the workers to the verdict on it, to the survivors' next step, and until it is back.

  recovery.py PROGRAM DATA [--fault kill|stop|cut] [--workers 4] [--repeats 30] [--set KEY=VALUE ...]

PROGRAM is a built fratmae, DATA a prepared data set with the grid of configs/invariance.toml. `kill` sends SIGKILL and
`stop` SIGSTOP to a worker of this machine, which is started again once it has ended; `cut` gives each process a host of
its own and cuts one off, so that its packets vanish and no connection is closed; it needs root.

One run is disturbed again and again, as long as its steps last. Times are the coordinator's, from its log in JSON; a
step that was already on its way to the coordinator does not count. A verdict is right if the first after a fault names
whom it hit, wrong if it names anybody else or anybody twice. Steps redone and missing are counted over the whole run.
Signals go only to processes that this script started.
"""
import collections
import json
import os
import pathlib
import random
import re
import signal
import statistics
import subprocess
import tempfile
import time

from hosts import Hosts
from small_run import Leader, arguments, children, coordinator_command, leader_command, marks, stop, worker_command

# Seconds of life after which a worker is started again at once.
OLD_ENOUGH = 10.5


class Local:
    """Workers of this machine, whose leader starts those again that have ended."""

    def __init__(self, options, run, settings):
        self.signal = {"kill": signal.SIGKILL, "stop": signal.SIGSTOP}[options.fault]
        self.leader = Leader(leader_command(options, "pretrain", run, settings))

    def choose(self):
        """The next to be struck; gives its name."""
        self.victim = children(self.leader.process.pid)[0]
        # One that dies soon after it was started waits before it is started again.
        time.sleep(max(0, OLD_ENOUGH - age(self.victim)))
        words = pathlib.Path(f"/proc/{self.victim}/cmdline").read_text().split("\0")
        return words[words.index("--name") + 1]

    def strike(self):
        os.kill(self.victim, self.signal)

    def replace(self):
        """Nothing is to be done here."""

    def end(self):
        stop(self.leader.process)


class Spread:
    """A host for each worker and one for the coordinator."""

    def __init__(self, options, run, settings, hosts):
        self.options, self.hosts, self.place = options, hosts, 0
        own = hosts.on(0)
        self.leader = Leader(own + coordinator_command(options, run, settings, hosts.address(0)))
        self.leader.log.first(0, "serving workers")
        self.workers = {place: self.start(place) for place in range(1, options.workers + 1)}

    def start(self, place):
        command = worker_command(self.options, self.hosts.address(0))
        command += ["--name", f"host-{place}", "--listen", f"{self.hosts.address(place)}:0"]
        return subprocess.Popen(self.hosts.on(place) + command, stderr=subprocess.DEVNULL)

    def choose(self):
        self.place = self.place % self.options.workers + 1
        return f"host-{self.place}"

    def strike(self):
        self.hosts.cut(self.place)

    def replace(self):
        self.workers[self.place].kill()
        self.workers[self.place].wait()
        self.hosts.mend(self.place)
        self.workers[self.place] = self.start(self.place)

    def end(self):
        stop(self.leader.process, self.workers.values())


def age(pid):
    """Seconds since a process started."""
    started = int(pathlib.Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[19])
    return time.clock_gettime(time.CLOCK_BOOTTIME) - started / os.sysconf("SC_CLK_TCK")


def disturb(crew, workers, rng):
    """One fault: seconds to the verdict, the next step and the worker's return; whom it hit, who was named and why."""
    log, victim = crew.leader.log, crew.choose()
    # In the middle of a step, at a moment unlike the last one.
    place, _, step = log.first(log.place(), "step applied")
    time.sleep(rng.random() * step["seconds"])
    struck = time.time()
    crew.strike()
    place, judged, verdict = log.first(place, "worker in trouble")
    place, _, _ = log.first(place, "generation began", lambda f: len(f["members"]) == workers - 1)
    place, stepped, _ = log.first(place, "step applied")
    crew.replace()
    place, back, _ = log.first(place, "generation began", lambda f: len(f["members"]) == workers)
    for _ in range(2):
        place, _, _ = log.first(place, "step applied")
    figures = {
        "verdict_s": judged - struck, "next_step_s": stepped - struck, "back_s": back - struck,
        "step_s": step["seconds"], "victim": victim, "named": verdict["worker"], "reason": verdict["reason"],
    }
    print(json.dumps(figures), flush=True)
    return figures


def summary(options, figures, log):
    """All repeats in one row."""
    column = lambda key: [row[key] for row in figures]
    applied = [fields["step"] for _, fields in log.all("step applied")]
    named = collections.Counter(fields["worker"] for _, fields in log.all("worker in trouble"))
    # How long a worker may be silent, where that was the reason.
    silences = [re.match(r"nothing was heard of it for ([0-9.]+) s", reason) for reason in column("reason")]
    return {
        "fault": options.fault, "workers": options.workers, "repeats": len(figures),
        "step_s": round(statistics.median(column("step_s")), 4),
        "verdict_s": marks(column("verdict_s")), "next_step_s": marks(column("next_step_s")),
        "back_s": marks(column("back_s")),
        "silence_allowed_s": sorted({float(silence[1]) for silence in silences if silence}),
        "verdicts_right": sum(row["named"] == row["victim"] for row in figures),
        "verdicts_wrong": (named - collections.Counter(column("victim"))).total(),
        "steps_redone": len(applied) - len(set(applied)), "steps_missing": max(applied) - len(set(applied)),
    }


def measure(options, crew):
    rng = random.Random(options.seed)
    try:
        crew.leader.log.first(0, "step applied", lambda fields: fields["step"] >= 5)
        # From then on the run knows how often its workers are heard.
        time.sleep(15)
        figures = [disturb(crew, options.workers, rng) for _ in range(options.repeats)]
    finally:
        crew.end()
    print(json.dumps(summary(options, figures, crew.leader.log)))


def main():
    parser = arguments(__doc__)
    parser.add_argument("--fault", choices=["kill", "stop", "cut"], default="kill")
    parser.add_argument("--repeats", type=int, default=30)
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    settings = [f"train.steps={600 * (options.repeats + 1)}", "checkpoint.every=100", "workers.threads=1",
                "workers.restarts_per_hour=1000"]
    with tempfile.TemporaryDirectory(prefix="recovery-") as folder:
        run = pathlib.Path(folder) / "run"
        if options.fault != "cut":
            return measure(options, Local(options, run, settings))
        with Hosts(options.workers + 1) as hosts:
            measure(options, Spread(options, run, settings, hosts))


if __name__ == "__main__":
    main()
