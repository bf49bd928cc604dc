"""The small run that scripts beside this one disturb: how its processes are started, and what its coordinator logs.

The job is that of configs/invariance.toml, on a prepared data set of its grid. Times are the coordinator's own.
"""
import argparse
import datetime
import json
import os
import pathlib
import signal
import statistics
import subprocess
import threading
import time

JOB = pathlib.Path(__file__).resolve().parent.parent / "configs" / "invariance.toml"
PORT = 7741


def arguments(doc):
    """A script's arguments, to which it adds its own."""
    parser = argparse.ArgumentParser(description=doc.splitlines()[0])
    parser.add_argument("program")
    parser.add_argument("data")
    parser.add_argument("--job", default=str(JOB))
    parser.add_argument("--workers", type=int, default=4)
    parser.add_argument("--set", action="append", default=[], metavar="KEY=VALUE")
    return parser


def leader_command(options, verb, run, settings):
    """`pretrain`, or a coordinator for workers that come from elsewhere."""
    command = [options.program, verb, "--log", "json", "--data", options.data, "--config", options.job,
               "--run", str(run), "--workers", str(options.workers)]
    for setting in [*settings, *options.set]:
        command += ["--set", setting]
    return command


def coordinator_command(options, run, settings, host="127.0.0.1"):
    return [*leader_command(options, "coordinator", run, settings), "--listen", f"{host}:{PORT}",
            "--keys", "none"]


def worker_command(options, host="127.0.0.1"):
    return [options.program, "worker", "--quiet", "--coordinator", f"http://{host}:{PORT}", "--threads", "1",
            "--keys", "none"]


class Leader:
    """The process that coordinates, with what it logs."""

    def __init__(self, command):
        self.process = subprocess.Popen(command, stderr=subprocess.PIPE, stdout=subprocess.DEVNULL, text=True)
        self.log = Log(self.process.stderr)

    def steps(self):
        """(number, seconds) of every step it has heard of."""
        return [(event["step"], event["seconds"]) for _, event in self.log.all("step applied")]

    def core_seconds(self):
        """What it has taken of a core."""
        ticks = open(f"/proc/{self.process.pid}/stat").read().rsplit(")", 1)[1].split()[11:13]
        return sum(map(int, ticks)) / os.sysconf("SC_CLK_TCK")

    def kill(self):
        """Kills it; gives the seconds of a core that it took."""
        took = self.core_seconds()
        self.process.send_signal(signal.SIGKILL)
        self.process.wait()
        return took


def stop(leader, workers=()):
    """Asks a run to stop, and waits for its processes; one that does not end is killed."""
    leader.send_signal(signal.SIGTERM)
    for process in [leader, *workers]:
        try:
            process.wait(60)
        except subprocess.TimeoutExpired:
            process.kill()


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

    def place(self):
        """The place after the newest event."""
        with self.grown:
            return len(self.events)

    def all(self, message):
        """When each event of a kind was, and what it says."""
        with self.grown:
            return [(at, fields) for at, fields in self.events if fields["message"] == message]

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


def children(pid):
    with open(f"/proc/{pid}/task/{pid}/children") as text:
        return [int(child) for child in text.read().split()]


def marks(values):
    """The median, and the value that 99 of a hundred do not exceed."""
    ordered = sorted(values)
    worst = ordered[min(len(ordered) - 1, int(0.99 * len(ordered)))]
    return {"p50": round(statistics.median(ordered), 3), "p99": round(worst, 3)}
