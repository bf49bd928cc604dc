#!/usr/bin/env python3
"""How soon a run answers Ctrl-C and how soon it ends, at random moments.

  stops.py PROGRAM DATA --folder FOLDER [--moments 20] [--within 60] [--second] [--endpoint URL --bucket s3://NAME]
           [--set KEY=VALUE ...]

PROGRAM is a built fratmae, DATA a prepared data set with the grid of the job, which is that of configs/invariance.toml
with the settings given: a step can be made long with train.batch. Every moment starts `pretrain` on one run, waits for
a random time, sends SIGINT, and measures the time to the first line after it and to the end. With --second a second
SIGINT follows the answer. With --endpoint the run lies in the bucket, behind a proxy that from the moment of the first
SIGINT on holds every byte back. A run ends well with 75, or with 130 after the second SIGINT.
Signals go only to processes that this script started.
"""
import argparse
import json
import os
import random
import selectors
import signal
import socket
import statistics
import subprocess
import threading
import time

from small_run import JOB


class Proxy:
    """Passes bytes on until it is told to hold them."""

    def __init__(self, endpoint):
        host, port = endpoint.split("//")[1].rstrip("/").split(":")
        self.upstream, self.holds = (host, int(port)), False
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.endpoint = f"http://127.0.0.1:{self.listener.getsockname()[1]}"
        threading.Thread(target=self.accept, daemon=True).start()

    def accept(self):
        while True:
            client, _ = self.listener.accept()
            threading.Thread(target=self.pass_on, args=(client,), daemon=True).start()

    def pass_on(self, client):
        with client, socket.create_connection(self.upstream) as store, selectors.DefaultSelector() as ready:
            ready.register(client, selectors.EVENT_READ, store)
            ready.register(store, selectors.EVENT_READ, client)
            while True:
                for key, _ in ready.select():
                    try:
                        data = key.fileobj.recv(1 << 16)
                        while self.holds:
                            time.sleep(0.05)
                        if not data:
                            return
                        key.data.sendall(data)
                    except OSError:
                        return


class Run:
    """A `pretrain` that runs, with the times of its lines."""

    def __init__(self, options, run, environment):
        command = [options.program, "pretrain", "--config", str(JOB), "--data", options.data, "--run", run]
        for setting in options.set:
            command += ["--set", setting]
        self.process = subprocess.Popen(
            command, stderr=subprocess.PIPE, stdout=subprocess.DEVNULL, text=True, env=environment,
            start_new_session=True)
        self.lines = []
        self.reader = threading.Thread(target=self.read)
        self.reader.start()

    def read(self):
        for line in self.process.stderr:
            self.lines.append((time.monotonic(), line.rstrip()))

    def answer(self, since):
        """When it answered: by a line about the stop, or by its end."""
        while True:
            ended = self.process.poll() is not None
            if ended:
                self.reader.join()
            for at, line in list(self.lines):
                if at >= since and line.startswith("stopp"):
                    return at
            if ended:
                return time.monotonic()
            time.sleep(0.005)


def moment(options, run, wait, proxy, environment):
    if proxy:
        proxy.holds = False
    running = Run(options, run, environment)
    try:
        running.process.wait(wait)
    except subprocess.TimeoutExpired:
        pass
    if proxy:
        proxy.holds = True
        time.sleep(0.5)
    began = time.monotonic()
    os.killpg(running.process.pid, signal.SIGINT)
    answered = running.answer(began)
    if options.second and running.process.poll() is None:
        os.killpg(running.process.pid, signal.SIGINT)
        began_again = time.monotonic()
    else:
        began_again = began
    code = running.process.wait()
    ended = time.monotonic()
    running.reader.join()
    last = running.lines[-1][1] if running.lines else ""
    return {"after_s": round(wait, 2), "answered_s": round(answered - began, 3),
            "ended_s": round(ended - began_again, 3), "code": code, "last": last}


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("program")
    parser.add_argument("data")
    parser.add_argument("--folder", required=True)
    parser.add_argument("--moments", type=int, default=20)
    parser.add_argument("--within", type=float, default=60, help="seconds within which the moments lie")
    parser.add_argument("--second", action="store_true", help="send a second SIGINT after the answer")
    parser.add_argument("--endpoint", help="of an S3 store, which is then reached through a proxy that holds bytes back")
    parser.add_argument("--bucket", help="where the run lies behind it")
    parser.add_argument("--set", action="append", default=[], metavar="KEY=VALUE")
    parser.add_argument("--seed", type=int, default=15)
    options = parser.parse_args()
    draw, proxy, environment, run = random.Random(options.seed), None, None, f"{options.folder}/run"
    if options.endpoint:
        proxy = Proxy(options.endpoint)
        environment = {**os.environ, "AWS_ENDPOINT_URL": proxy.endpoint}
        run = f"{options.bucket}/{os.path.basename(options.folder)}"
    moments = []
    for _ in range(options.moments):
        moments.append(moment(options, run, draw.uniform(0, options.within), proxy, environment))
        print(json.dumps(moments[-1]), flush=True)
    answers = sorted(one["answered_s"] for one in moments)
    ends = sorted(one["ended_s"] for one in moments)
    codes = sorted({one["code"] for one in moments})
    print(json.dumps({"moments": len(moments), "answered_s_median": statistics.median(answers),
                      "answered_s_max": answers[-1], "ended_s_median": statistics.median(ends),
                      "ended_s_max": ends[-1], "codes": codes}))
    os._exit(0 if set(codes) <= {75, 130} else 1)


if __name__ == "__main__":
    main()
