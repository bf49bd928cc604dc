#!/usr/bin/env python3
"""What it costs the steps, and the record of them, when the coordinator is killed again and again.

  coordinator_kills.py PROGRAM DATA [--workers 4] [--minutes 10] [--every 3] [--set KEY=VALUE ...]

PROGRAM is a built fratmae, DATA a prepared data set with the grid of configs/invariance.toml. Turns take turns: in one
the coordinator is killed every few seconds and started again at once, in the next, half as long, it is left alone. The
workers' processes are the same all along. Compared are steps a second, of each pair of turns. At the end the run is
asked to stop, and its history and journal are read: every step there once, every checkpoint committed once.
Signals go only to processes that this script started.
"""
import collections
import json
import pathlib
import statistics
import subprocess
import tempfile
import time

from small_run import Leader, arguments, coordinator_command, stop, worker_command

# Seconds a turn of kills lasts.
TURN = 60


def last_step(coordinator):
    """When the newest step was told of, and its number."""
    at, event = coordinator.log.all("step applied")[-1]
    return at, event["step"]


def rate(begin, end):
    return (end[1] - begin[1]) / (end[0] - begin[0])


def turns(coordinator, start, minutes, every):
    """Steps a second with kills and without, a pair a turn; the number of kills; and the coordinator that is there."""
    pairs, kills = [], 0
    for _ in range(round(60 * minutes / TURN)):
        begin = last_step(coordinator)
        for _ in range(round(TURN / every)):
            coordinator.kill()
            coordinator = start()
            kills += 1
            time.sleep(every)
        killed_until = last_step(coordinator)
        time.sleep(TURN / 2)
        calm_until = last_step(coordinator)
        pairs.append((rate(begin, killed_until), rate(killed_until, calm_until)))
        print(json.dumps({"steps_per_s_killed": pairs[-1][0], "steps_per_s_calm": pairs[-1][1]}), flush=True)
    return pairs, kills, coordinator


def wrong_counts(numbers):
    """How many are missing between the first and the last, and how many are there twice."""
    counts = collections.Counter(numbers)
    missing = max(counts) - min(counts) + 1 - len(counts)
    return missing, sum(count - 1 for count in counts.values())


def main():
    parser = arguments(__doc__)
    parser.add_argument("--minutes", type=float, default=10, help="of kills")
    parser.add_argument("--every", type=float, default=3, help="seconds from one kill to the next")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="kills-") as folder:
        run = pathlib.Path(folder) / "run"
        settings = ["train.steps=1000000", "checkpoint.every=500"]
        start = lambda: Leader(coordinator_command(options, run, settings))
        coordinator = start()
        coordinator.log.first(0, "serving workers")
        workers = [subprocess.Popen(worker_command(options), stderr=subprocess.DEVNULL) for _ in range(options.workers)]
        try:
            coordinator.log.first(0, "step applied")
            time.sleep(20)
            pairs, kills, coordinator = turns(coordinator, start, options.minutes, options.every)
            stop(coordinator.process)
        finally:
            coordinator.process.kill()
            still_there = sum(process.poll() is None for process in workers)
            for process in workers:
                process.kill()
        answer = subprocess.run(
            [options.program, "status", str(run), "--json", "--history"], check=True, stdout=subprocess.PIPE, text=True
        ).stdout
        steps = [row["step"] for row in json.loads(answer)["history"]]
        records = [json.loads(path.read_text())["record"] for path in (run / "journal").glob("*.json")]
    commits = [record["step"] for record in records if record["kind"] == "commit"]
    missing, twice = wrong_counts(steps)
    shares = sorted(killed / calm for killed, calm in pairs)
    print(json.dumps({
        "workers": options.workers, "kills": kills, "turns": len(pairs),
        "throughput_percent": round(100 * statistics.median(shares), 2),
        "shares": [round(share, 4) for share in shares],
        "steps": len(steps), "steps_missing": missing, "steps_twice": twice,
        "commits": len(commits), "commits_twice": len(commits) - len(set(commits)),
        "generations": sum(record["kind"] == "generation" for record in records),
        "workers_left_after_stop": still_there,
    }))


if __name__ == "__main__":
    main()
