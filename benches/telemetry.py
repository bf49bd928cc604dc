#!/usr/bin/env python3
"""What telemetry costs the steps and the memory of a run: exporters whose receiver works, or fails in one of three ways.

  telemetry.py PROGRAM DATA [--receiver URL] [--workers 2] [--steps 250] [--rounds 4] [--set KEY=VALUE ...]

PROGRAM is a built fratmae, DATA a prepared data set with the grid of configs/invariance.toml. In each round every case
has a run of its own, in an order that turns around from round to round:

  none         no exporter
  unreachable  no packet is answered (the receiver's queue of connections is full)
  silent       it accepts connections and never reads
  refusing     it answers 503
  working      the receiver at URL, with /metrics served beside it and read once a second; left out without --receiver

Reported are the median over rounds of a case's median step by that of `none` in the same round, the largest resident
memory of a worker above that of `none`, and the lines that say that telemetry is not taken.
"""
import http.server
import json
import os
import pathlib
import re
import socket
import socketserver
import statistics
import subprocess
import tempfile
import threading
import time
import urllib.request

from small_run import arguments, children, leader_command, parse

# The first steps of a run are no measure.
FIRST = 10


class Silent(socketserver.BaseRequestHandler):
    def handle(self):
        threading.Event().wait()


class Refusing(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_POST(self):
        self.rfile.read(int(self.headers.get("content-length", 0)))
        self.send_response(503)
        self.send_header("content-length", "0")
        self.end_headers()

    def log_message(self, *_):
        pass


def unreachable():
    """A port of this machine that answers no packet, as the kernel drops what finds the queue full; and what fills it."""
    listener = socket.socket()
    listener.bind(("127.0.0.1", 0))
    listener.listen(0)
    filling = []
    for _ in range(4):
        client = socket.socket()
        client.setblocking(False)
        client.connect_ex(listener.getsockname())
        filling.append(client)
    return f"http://127.0.0.1:{listener.getsockname()[1]}", (listener, filling)


def serve(handler):
    """Serves on a free port for as long as the script runs; gives the address."""
    server = socketserver.ThreadingTCPServer(("127.0.0.1", 0), handler)
    server.daemon_threads = True
    threading.Thread(target=server.serve_forever, daemon=True).start()
    return "http://127.0.0.1:%d" % server.server_address[1]


def resident(pid):
    try:
        status = pathlib.Path(f"/proc/{pid}/status").read_text()
    except OSError:
        return 0.0
    peak = re.search(r"VmHWM:\s+(\d+)", status)
    return int(peak[1]) / 1024 if peak else 0.0


def scrape(address):
    try:
        urllib.request.urlopen(address, timeout=1).read()
    except OSError:
        pass


def measure(options, target, run):
    """The median step, the largest memory of a worker, and how often it was said that telemetry is not taken."""
    settings = [f"train.steps={options.steps}", "checkpoint.every=1000000", "workers.threads=1"]
    command = leader_command(options, "pretrain", run, settings)
    environment = {key: value for key, value in os.environ.items() if not key.startswith("OTEL_")}
    if target:
        environment |= {"OTEL_EXPORTER_OTLP_ENDPOINT": target, "OTEL_EXPORTER_OTLP_TIMEOUT": "5000",
                        "OTEL_BSP_SCHEDULE_DELAY": "1000", "OTEL_METRIC_EXPORT_INTERVAL": "2000"}
        command += ["--metrics", "127.0.0.1:0"]
    steps, warnings, memory, metrics = [], 0, 0.0, None
    process = subprocess.Popen(command, env=environment, stderr=subprocess.PIPE, stdout=subprocess.DEVNULL, text=True)
    seen = time.monotonic()
    for line in process.stderr:
        warnings += "telemetry is not taken" in line
        event = parse(line)
        if event and event[1].get("note", "").startswith("metrics are at "):
            metrics = event[1]["note"].removeprefix("metrics are at ")
        if event and event[1]["message"] == "step applied":
            steps.append(event[1]["seconds"])
            if time.monotonic() - seen > 1:
                seen = time.monotonic()
                memory = max([memory, *map(resident, children(process.pid))])
                if metrics:
                    threading.Thread(target=scrape, args=(metrics,), daemon=True).start()
    if process.wait():
        raise SystemExit(f"{' '.join(command)}: exit status {process.returncode}")
    return statistics.median(steps[FIRST:]), memory, warnings


def main():
    parser = arguments(__doc__)
    parser.set_defaults(workers=2)
    parser.add_argument("--receiver", metavar="URL")
    parser.add_argument("--steps", type=int, default=250)
    parser.add_argument("--rounds", type=int, default=4)
    options = parser.parse_args()
    vanishing, _queue = unreachable()
    targets = {"none": None, "unreachable": vanishing, "silent": serve(Silent), "refusing": serve(Refusing)}
    if options.receiver:
        targets["working"] = options.receiver
    found = {case: [] for case in targets}
    with tempfile.TemporaryDirectory(prefix="telemetry-") as folder:
        for number in range(options.rounds):
            order = list(targets) if number % 2 == 0 else list(reversed(targets))
            for case in order:
                run = pathlib.Path(folder) / f"{case}-{number}"
                found[case].append(measure(options, targets[case], run))
    usual = max(memory for _, memory, _ in found["none"])
    for case, rounds in found.items():
        ratios = sorted(step / none for (step, *_), (none, *_) in zip(rounds, found["none"]))
        print(json.dumps({
            "case": case, "step_ms": round(1e3 * statistics.median(step for step, *_ in rounds), 3),
            "ratio": round(statistics.median(ratios), 4), "ratios": [round(ratio, 4) for ratio in ratios],
            "memory_above_none_mib": round(max(memory for _, memory, _ in rounds) - usual, 1),
            "warnings": [warnings for *_, warnings in rounds],
        }), flush=True)


if __name__ == "__main__":
    main()
