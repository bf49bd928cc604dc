#!/usr/bin/env python3
"""What a coordinator takes for more and more workers of one machine.

  fleet.py PROGRAM DATA [--workers-list 1,2,4,8,16] [--seconds 20] [--job configs/invariance.toml] [--set KEY=VALUE ...]

PROGRAM is a built fratmae, DATA a prepared data set with the job's grid. Each number of workers has a run of its own, of as
many slots as the longest list has workers. Reported are the median step, what the coordinator took of a core in a second
and in a step, and its largest memory.
"""
import json
import pathlib
import statistics
import tempfile
import time

from small_run import Leader, arguments, leader_command, stop

# The first steps of a run are no measure.
FIRST = 10


def memory_mib(process):
    """The largest memory that a process has had."""
    for line in open(f"/proc/{process}/status"):
        if line.startswith("VmHWM"):
            return int(line.split()[1]) / 1024
    raise SystemExit(f"/proc/{process}/status does not tell its memory")


def measure(options, slots, count, run):
    options.workers = count
    settings = ["train.steps=1000000", "checkpoint.every=1000000", "workers.threads=1", f"train.slots={slots}",
                f"train.batch={slots}"]
    leader = Leader(leader_command(options, "pretrain", run, settings))
    while len(leader.steps()) < FIRST:
        if leader.process.poll() is not None:
            raise SystemExit(f"the run of {count} workers ended")
        time.sleep(0.1)
    before, began = leader.core_seconds(), time.monotonic()
    known = len(leader.steps())
    time.sleep(options.seconds)
    took, lasted = leader.core_seconds() - before, time.monotonic() - began
    steps = leader.steps()[known:]
    memory = memory_mib(leader.process.pid)
    stop(leader.process)
    return {
        "workers": count, "steps_per_s": round(len(steps) / lasted, 2),
        "step_ms": round(1e3 * statistics.median(seconds for _, seconds in steps), 2),
        "coordinator_cores": round(took / lasted, 4), "coordinator_ms_per_step": round(1e3 * took / len(steps), 3),
        "coordinator_mib": round(memory, 1),
    }


def main():
    parser = arguments(__doc__)
    parser.add_argument("--workers-list", default="1,2,4,8,16")
    parser.add_argument("--seconds", type=float, default=20)
    options = parser.parse_args()
    counts = [int(count) for count in options.workers_list.split(",")]
    with tempfile.TemporaryDirectory(prefix="fleet-") as folder:
        for count in counts:
            run = pathlib.Path(folder) / f"of-{count}"
            print(json.dumps(measure(options, max(counts), count, run)), flush=True)


if __name__ == "__main__":
    main()
