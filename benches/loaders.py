"""Puts the loader beside litData, Mosaic Streaming, WebDataset and a bare pyarrow reader, in one run and one table.

    cargo build --release --workspace --bin fratmae-benches
    python benches/loaders.py --peers FOLDER [--n 200] [--repeats 5] [--workers 0,2] [--only ours,mds-none]

FOLDER holds loaders.py and s3srv.py: they make the samples, the other projects' data sets and their epochs, and start
SeaweedFS on loopback. Needs what they need, and nibabel. Everything runs in rotation, each epoch in a process of its own
with empty caches, so that a noisy minute hits all.

Ours is prepared, as by `fratmae prepare`, from the same arrays as NIfTI, is read shuffled and ahead, checked against its
checksums, and handed over as windowed float32; the others hand over the stored float16. Its windows are powers of two wide,
so that the sum over the stored bits can be taken of it too, but for a negative zero, which preparing makes a zero.

Two rows are no loaders but limits: the decompressor alone over the same pages in memory, and one socket that gets the
same bytes in as many requests and throws them away.
"""

import argparse
import json
import os
import resource
import shutil
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from types import SimpleNamespace
from urllib.parse import urlsplit

OURS, DECOMPRESSOR, SOCKET = "ours", "limit: decompressor", "limit: socket"
LIMITS = [DECOMPRESSOR, SOCKET]
ROOT = Path(__file__).resolve().parent.parent
TIME_OUT = 600
URL = f"s3://data/{OURS}"


def arguments():
    target = Path(os.environ.get("CARGO_TARGET_DIR", ROOT / "target")) / "release"
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--peers", required=True, help="folder of the other loaders' scripts")
    parser.add_argument("--n", type=int, default=200, help="samples")
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--workers", default="0,2", help="of the other loaders")
    parser.add_argument("--only", help="some of the rows, by comma: ours, limits, or a name of the other loaders")
    parser.add_argument("--dir", default=os.path.join(tempfile.gettempdir(), "fratmae-loaders"), help="kept between runs")
    parser.add_argument("--json", help="file to which each epoch adds a line")
    parser.add_argument("--benches", default=str(target / "fratmae-benches"))
    parser.add_argument("--get", nargs=2, help=argparse.SUPPRESS)
    parser.add_argument("--prepare-at", help=argparse.SUPPRESS)
    return parser.parse_args()


def sources(options):
    """Yields the arrays of each sample."""
    import numpy

    for i in range(options.n):
        sample = numpy.load(os.path.join(options.dir, "raw", f"{i:05d}.npz"))
        yield i, sample["pet"], sample["ct"]


def prepare(options, peers, s3_class):
    """Makes the samples and all data sets, but for those that are there; in a process of its own, as it takes memory
    that Linux would count as that of every process started later."""
    s3 = SimpleNamespace(endpoint=options.prepare_at)
    s3.client = lambda: s3_class.client(s3)
    others = [name for name in chosen_rows(options, peers) if name in peers.NAMES]
    theirs = peers.prepare(argparse.Namespace(n=options.n, dir=options.dir, only=",".join(others) or "none"), s3)
    ours = prepare_ours(options, peers, s3)
    json.dump({"theirs": theirs, "ours": ours}, open(prepared(options), "w"))


def prepared(options):
    return os.path.join(options.dir, "prepared.json")


def prepare_ours(options, peers, s3):
    """Prepares our data set on the store, once; returns its size, its checksum and what each request asks for."""
    import nibabel
    import numpy

    known = os.path.join(options.dir, "ours.json")
    built = os.path.getmtime(options.benches)
    if os.path.exists(known):
        found = json.load(open(known))
        if found["n"] == options.n and found["built"] == built:
            return found
    for entry in listed(s3):
        s3.client().delete_object(Bucket="data", Key=entry["Key"])
    images = os.path.join(options.dir, "nifti")
    shutil.rmtree(images, ignore_errors=True)
    os.makedirs(images)
    table, total = ["case_id,pet,ct"], 0
    for i, *pair in sources(options):
        paths = [os.path.join(images, f"{i:05d}_{name}.nii") for name in ("pet", "ct")]
        for path, voxels in zip(paths, pair):
            volume = voxels.astype(numpy.float32).transpose(1, 0, 2)
            nibabel.save(nibabel.Nifti1Image(volume, numpy.diag([4.0, 4.0, 4.0, 1.0])), path)
        table.append(",".join([f"case-{i:05d}", *paths]))
        total += peers.checksum(*[numpy.where(voxels == 0, numpy.float16(0), voxels) for voxels in pair])
    sheet = os.path.join(options.dir, "ours.csv")
    Path(sheet).write_text("\n".join(table) + "\n")
    depth, height, width = peers.SHAPE
    grid = [str(side) for side in (height, depth, width)]
    subprocess.run([options.benches, "loaders", "prepare", sheet, URL, *grid], check=True)
    shutil.rmtree(images)
    shards = {entry["Key"]: entry["Size"] for entry in listed(s3) if entry["Key"].endswith(".parquet")}
    manifest = s3.client().get_object(Bucket="data", Key=f"{OURS}/manifest.json")["Body"].read()
    found = {"n": options.n, "built": built, "size": sum(entry["Size"] for entry in listed(s3)), "sum": total}
    found["requests"] = requests(json.loads(manifest)["cases"], shards)
    json.dump(found, open(known, "w"))
    return found


def listed(s3):
    pages = s3.client().get_paginator("list_objects_v2").paginate(Bucket="data", Prefix=f"{OURS}/")
    return [entry for page in pages for entry in page.get("Contents", [])]


def requests(cases, shards):
    """Cuts each shard into as many ranges as it has cases."""
    ranges = []
    for shard in sorted({case["shard"] for case in cases}):
        key = f"{OURS}/shards/shard-{shard:05d}.parquet"
        size, n = shards[key], sum(case["shard"] == shard for case in cases)
        ranges += [(key, size * i // n, size * (i + 1) // n) for i in range(n)]
    return ranges


def cpu_seconds():
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime


def get_and_discard(endpoint, known):
    """The limit of a socket: plain HTTP over one connection, received into one buffer."""
    address, wanted = urlsplit(endpoint), json.load(open(known))
    buffer = memoryview(bytearray(1 << 20))
    connection = socket.create_connection((address.hostname, address.port))
    cpu, begin, bodies = cpu_seconds(), time.perf_counter(), 0
    for key, first, end in wanted["requests"]:
        request = f"GET /data/{key} HTTP/1.1\r\nHost: {address.netloc}\r\nRange: bytes={first}-{end - 1}\r\n\r\n"
        connection.sendall(request.encode())
        bodies += receive(connection, buffer, end - first)
    print(json.dumps({"n": wanted["n"], "bytes": bodies, "wall": time.perf_counter() - begin, "cpu": cpu_seconds() - cpu}))


def receive(connection, buffer, length):
    head = b""
    while b"\r\n\r\n" not in head:
        head += connection.recv(4096)
    head, body = head.split(b"\r\n\r\n", 1)
    if b" 206 " not in head.split(b"\r\n")[0]:
        raise SystemExit(f"the store answered {head[:200]!r}")
    got = len(body)
    while got < length:
        received = connection.recv_into(buffer)
        if not received:
            raise SystemExit("the store closed the connection")
        got += received
    return got


def command(options, row, workers, endpoint):
    if row == OURS:
        depth = str(options.shape[0])
        return [options.benches, "loaders", "epoch", URL, depth]
    if row == DECOMPRESSOR:
        return [options.benches, "loaders", "decompressor", URL]
    if row == SOCKET:
        known = os.path.join(options.dir, "ours.json")
        return [sys.executable, __file__, "--peers", options.peers, "--get", endpoint, known]
    script = os.path.join(options.peers, "loaders.py")
    return [sys.executable, script, "--epoch", row, str(workers), endpoint, str(options.n)]


def run_epoch(options, s3, row, workers):
    before = s3.cpu()
    words = command(options, row, workers, s3.endpoint)
    try:
        done = subprocess.run(words, capture_output=True, text=True, timeout=TIME_OUT)
    except subprocess.TimeoutExpired:
        print(f"{row} workers {workers}: nothing within {TIME_OUT} s", flush=True)
        return None
    lines = [line.removeprefix("RESULT ") for line in done.stdout.splitlines()]
    lines = [line for line in lines if line.startswith("{")]
    if done.returncode or not lines:
        print(f"{row} workers {workers} failed: {(done.stderr or done.stdout)[-600:]}", flush=True)
        return None
    found = json.loads(lines[-1])
    found |= {"row": row, "workers": workers, "server_cpu": s3.cpu() - before, "load": os.getloadavg()[0]}
    print(f"{row:20} {workers} {found['n'] / found['wall']:7.1f} samples/s {1e3 * found['cpu'] / found['n']:6.2f} CPU ms", flush=True)
    return found


def rotation(rows, turn):
    turn %= len(rows)
    return rows[turn:] + rows[:turn]


def table(options, results, sizes, sums):
    columns = "loader|workers|stored MB|samples/s|samples per CPU s|CPU ms a sample|server CPU s|first sample s|peak RSS MB|checksum"
    print(f"\n{options.n} samples, {options.n * options.raw / 1e6:.0f} MB raw, medians of {options.repeats} cold epochs\n")
    print("| " + columns.replace("|", " | ") + " |\n" + "|---" * (columns.count("|") + 1) + "|")
    for row, workers in dict.fromkeys((found["row"], found["workers"]) for found in results):
        of = [found for found in results if (found["row"], found["workers"]) == (row, workers)]

        def median(value, digits):
            values = [value(found) for found in of]
            return "-" if None in values else f"{statistics.median(values):.{digits}f}"

        right = {found["sum"] == sums.get(row, sums["peers"]) for found in of if "sum" in found}
        cells = [
            row,
            "-" if workers is None else str(workers),
            f"{sizes.get(row, sizes[OURS]) / 1e6:.0f}",
            median(lambda found: found["n"] / found["wall"], 1),
            median(lambda found: found["n"] / found["cpu"], 1),
            median(lambda found: 1e3 * found["cpu"] / found["n"], 2),
            "-" if row == DECOMPRESSOR else median(lambda found: found["server_cpu"], 2),
            median(lambda found: found.get("first"), 3),
            median(lambda found: found.get("rss_mb"), 0),
            {frozenset(): "-", frozenset([True]): "right"}.get(frozenset(right), "WRONG"),
        ]
        print("| " + " | ".join(cells) + " |")


def main():
    options = arguments()
    if options.get:
        return get_and_discard(*options.get)
    sys.path.insert(0, options.peers)
    import loaders as peers
    from s3srv import KEY, S3, SECRET

    options.shape, options.raw = peers.SHAPE, peers.RAW
    if options.prepare_at:
        return prepare(options, peers, S3)
    chosen = chosen_rows(options, peers)
    os.makedirs(options.dir, exist_ok=True)
    s3 = S3(os.path.join(options.dir, "weed"))
    os.environ |= {
        "AWS_ENDPOINT_URL": s3.endpoint,
        "AWS_ACCESS_KEY_ID": KEY,
        "AWS_SECRET_ACCESS_KEY": SECRET,
        "AWS_REGION": "us-east-1",
    }
    results = []
    try:
        subprocess.run([sys.executable, *sys.argv, "--prepare-at", s3.endpoint], check=True)
        known = json.load(open(prepared(options)))
        ours, theirs = known["ours"], known["theirs"]
        workers = [int(word) for word in options.workers.split(",")]
        rows = [(row, None) for row in chosen if row not in peers.NAMES]
        rows += [(row, n) for row in chosen if row in peers.NAMES for n in workers]
        for turn in range(options.repeats):
            for row, n in rotation(rows, turn):
                found = run_epoch(options, s3, row, n)
                if found:
                    results.append(found)
                    if options.json:
                        with open(options.json, "a") as file:
                            file.write(json.dumps(found) + "\n")
        sizes = theirs["sizes"] | {OURS: ours["size"]}
        table(options, results, sizes, {OURS: ours["sum"], "peers": theirs["sum"]})
    finally:
        s3.stop()


def chosen_rows(options, peers):
    every = [OURS, *LIMITS, *(name for name in peers.NAMES if name != "wds-npz")]
    chosen = options.only.replace("limits", ",".join(LIMITS)).split(",") if options.only else every
    if unknown := set(chosen) - {OURS, *LIMITS, *peers.NAMES}:
        raise SystemExit(f"there is no loader {sorted(unknown)}: choose of {OURS}, limits, {', '.join(peers.NAMES)}")
    return chosen


if __name__ == "__main__":
    main()
