#!/usr/bin/env python3
"""What floods from the network cost a run: its coordinator's memory, and its steps per second.

  floods.py PROGRAM DATA BENCHES [--kinds KIND ...] [--seconds 10] [--repeats 3] [--workers 2] [--set KEY=VALUE ...]

PROGRAM is a built fratmae, DATA a prepared data set with the grid of configs/invariance.toml, BENCHES the built
fratmae-benches, which sends the floods. Every kind of flood has a run of its own. Seconds without and with the flood
take turns, so that both see the same machine. The flood's own program runs at the lowest priority, and its share of the
cores is reported: on a machine of few cores it takes from the run what another host's flood would not.
Memory is the coordinator's resident memory at its largest, above that before the first flood.
Signals go only to processes that this script started.
"""
import json
import pathlib
import resource
import statistics
import subprocess
import tempfile
import time

from small_run import PORT, Leader, arguments, coordinator_command, stop, worker_command

KINDS = ["connections", "large", "small", "registrations", "members", "figures", "silent"]


def memory(pid, key):
    """Resident memory of a process now (VmRSS) or at its largest (VmHWM), in MiB."""
    for line in pathlib.Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith(key):
            return int(line.split()[1]) / 1024
    raise LookupError(key)


def pace(leader, seconds):
    """Steps per second over some seconds, by what the coordinator logs."""
    before, began = len(leader.log.all("step applied")), time.monotonic()
    time.sleep(seconds)
    return (len(leader.log.all("step applied")) - before) / (time.monotonic() - began)


def flooded(options, leader, kind):
    """Steps per second while a flood lasts, the cores that it takes itself, and what it says."""
    seconds = options.seconds + 2
    command = ["nice", "-n", "19", options.benches, "flood", kind, f"http://127.0.0.1:{PORT}", str(seconds)]
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    flood = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    time.sleep(1)
    steps = pace(leader, options.seconds)
    said, _ = flood.communicate()
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    used = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return steps, used / seconds, said.strip()


def measure(options, kind, folder):
    run = pathlib.Path(folder) / kind
    settings = ["train.steps=1000000", "checkpoint.every=500", "workers.threads=1", *options.set]
    leader = Leader(coordinator_command(options, run, settings))
    workers = []
    try:
        leader.log.first(0, "serving workers")
        workers = [subprocess.Popen(worker_command(options), stderr=subprocess.DEVNULL) for _ in range(options.workers)]
        leader.log.first(0, "step applied", lambda fields: fields["step"] >= 20)
        pid, rows = leader.process.pid, []
        start = memory(pid, "VmRSS")
        for _ in range(options.repeats):
            calm = pace(leader, options.seconds)
            steps, cores, said = flooded(options, leader, kind)
            rows.append((calm, steps, cores))
        figures = {
            "flood": kind, "said": said, "start_mib": round(start, 1),
            "memory_above_start_mib": round(memory(pid, "VmHWM") - start, 1),
            "steps_per_s_calm": round(statistics.median(row[0] for row in rows), 2),
            "steps_per_s_flooded": round(statistics.median(row[1] for row in rows), 2),
            "flooded_of_calm": round(statistics.median(row[1] / row[0] for row in rows), 3),
            "cores_of_the_flood": round(statistics.median(row[2] for row in rows), 2),
            "events": leader.log.place(), "verdicts": len(leader.log.all("worker in trouble")),
            "is_alive": leader.process.poll() is None,
        }
        print(json.dumps(figures), flush=True)
    finally:
        stop(leader.process, workers)


def main():
    parser = arguments(__doc__)
    parser.add_argument("benches")
    parser.add_argument("--kinds", nargs="+", choices=KINDS, default=KINDS)
    parser.add_argument("--seconds", type=float, default=10)
    parser.add_argument("--repeats", type=int, default=3)
    parser.set_defaults(workers=2)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="floods-") as folder:
        for kind in options.kinds:
            measure(options, kind, folder)


if __name__ == "__main__":
    main()
