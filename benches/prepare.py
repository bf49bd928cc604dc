#!/usr/bin/env python3
"""Puts `fratmae prepare` beside a script of nibabel and scipy that does the same, in one run.

Both read whole-body studies as scanners' archives keep them (gzip, CT as int16, PET as float32 with noise), bring PET
and CT to one grid over the PET's box (averaging where it shrinks, linear where it grows), labels by the nearest voxel,
and write 16-bit floats. Ours also hashes and compresses; the script saves arrays as they are, which favours it.

    python3 benches/prepare.py --fratmae target/release/fratmae

It needs numpy, nibabel, scipy, and pyarrow to compare the results. What it prints is a table: cases a minute of wall
time, CPU seconds a case, and the largest memory of a process over its threads. Rounds take turns, so that what else the
machine does falls on both.
"""

import argparse
import json
import multiprocessing
import os
import pathlib
import shutil
import statistics
import subprocess
import sys
import tempfile
import time

import nibabel
import numpy
from scipy import ndimage

GRID = (160, 160, 192)


def canonical(path, kind):
    image = nibabel.as_closest_canonical(nibabel.load(path))
    return numpy.asarray(image.dataobj, dtype=kind), image.affine


def resampled(voxels, affine, grid_affine, order, outside):
    """Averages over about as many voxels as one of the grid covers, then interpolates."""
    to_voxel = numpy.linalg.inv(affine) @ grid_affine
    step, offset = numpy.diag(to_voxel)[:3], to_voxel[:3, 3]
    if order > 0:
        for axis, length in enumerate(step):
            size = round(float(length))
            if size > 1:
                voxels = ndimage.uniform_filter1d(voxels, size, axis=axis, mode="nearest")
    return ndimage.affine_transform(
        voxels, step, offset, GRID, order=order, mode="grid-constant" if order == 0 else "nearest", cval=outside
    )


def prepare_case(names):
    """Prepares one case as a careful user of nibabel and scipy would."""
    case_id, source, out = names
    images = pathlib.Path(source) / "imagesTr"
    pet, affine = canonical(images / f"{case_id}_0001.nii.gz", numpy.float32)
    grid_affine = affine.copy()
    for axis in range(3):
        step = pet.shape[axis] / GRID[axis]
        grid_affine[:3, axis] *= step
        grid_affine[:3, 3] += affine[:3, axis] * (step / 2 - 0.5)
    pet = resampled(pet, affine, grid_affine, 1, 0)
    ct = resampled(*canonical(images / f"{case_id}_0000.nii.gz", numpy.float32), grid_affine, 1, -1024)
    labels = pathlib.Path(source) / "labelsTr" / f"{case_id}.nii.gz"
    label = resampled(*canonical(labels, numpy.uint8), grid_affine, 0, 0)
    coronal = lambda values, kind: numpy.ascontiguousarray(values.transpose(1, 0, 2).astype(kind))
    numpy.savez(
        pathlib.Path(out) / f"{case_id}.npz",
        pet=coronal(pet.clip(0, 60000), numpy.float16),
        ct=coronal(ct.clip(-1024, 3071), numpy.float16),
        label=coronal(label, numpy.uint8),
    )


def case_ids(source):
    return sorted(path.name.removesuffix("_0001.nii.gz") for path in (source / "imagesTr").glob("*_0001.nii.gz"))


def peer(source, out, processes):
    """The whole run of the peer; called in a process of its own."""
    work = [(case_id, str(source), str(out)) for case_id in case_ids(source)]
    if processes == 1:
        list(map(prepare_case, work))
        return
    with multiprocessing.get_context("spawn").Pool(processes) as pool:
        pool.map(prepare_case, work, chunksize=1)


def as_scanned(folder):
    """Puts noise to the last bit into phantoms, which store coarse values to be small, as nibabel packs by default."""
    draw = numpy.random.default_rng(0)
    for path in sorted((folder / "imagesTr").glob("*.nii.gz")):
        image = nibabel.load(path)
        voxels = numpy.asarray(image.dataobj)
        noise = draw.random(voxels.shape, dtype=numpy.float32)
        if path.name.endswith("_0001.nii.gz"):
            voxels = (voxels + noise * (0.02 + 0.01 * voxels)).astype(numpy.float32)
        else:
            voxels = (voxels + 30 * noise - 15).clip(-1024, 3071).astype(numpy.int16)
        nibabel.save(nibabel.Nifti1Image(voxels, image.affine), path)


def measured(command, cores):
    """Runs a command on some cores; gives wall seconds, CPU seconds, and the most memory of any one process in MiB."""
    start = time.monotonic()
    child = subprocess.Popen(
        command, stdout=subprocess.DEVNULL, preexec_fn=lambda: os.sched_setaffinity(0, cores)
    )
    _, status, usage = os.wait4(child.pid, 0)
    if status != 0:
        sys.exit(f"error: {command[0]} failed with status {status}")
    return time.monotonic() - start, usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1024


def agreement(source, ours, theirs):
    """Compares the PET and CT of one case: the mean of both, and the median difference where there is tissue."""
    import pyarrow.dataset

    case_id = case_ids(source)[0]
    shards = [str(path) for path in sorted((ours / "shards").glob("*.parquet"))]
    table = pyarrow.dataset.dataset(shards, format="parquet").to_table(
        filter=pyarrow.dataset.field("case_id") == case_id, columns=["pet", "ct"]
    )
    peer_case = numpy.load(theirs / f"{case_id}.npz")
    lines = []
    for name in ("pet", "ct"):
        values = numpy.concatenate([chunk.flatten().to_numpy() for chunk in table[name].chunks]).astype(numpy.float64)
        other = peer_case[name].astype(numpy.float64).ravel()
        lines.append(
            f"{name}: means {values.mean():.4f} and {other.mean():.4f},"
            f" median difference {numpy.median(numpy.abs(values - other)):.4f}"
        )
    return "; ".join(lines)


def compare(arguments, work):
    source = work / "source"
    shape, spacing = arguments.shape, arguments.spacing
    phantom = [arguments.fratmae, "phantom", "--cases", str(arguments.cases), "--out", str(source)]
    subprocess.run([*phantom, "--shape", shape, "--spacing", spacing], check=True, stdout=subprocess.DEVNULL)
    as_scanned(source)
    packed = sum(path.stat().st_size for path in source.rglob("*.nii.gz")) / 2**20
    print(f"{arguments.cases} cases of {shape} voxels, {packed:.0f} MiB packed", flush=True)
    found = {}
    for _ in range(arguments.rounds):
        for threads in (1, 2):
            cores = sorted(os.sched_getaffinity(0))[:threads]
            ours, theirs = work / "ours", work / "theirs"
            shutil.rmtree(ours, ignore_errors=True)
            shutil.rmtree(theirs, ignore_errors=True)
            theirs.mkdir()
            commands = {
                "fratmae": [arguments.fratmae, "prepare", str(source), "--out", str(ours), "-q"],
                "nibabel + scipy": [sys.executable, __file__, "--peer", str(source), str(theirs), str(threads)],
            }
            for name, command in commands.items():
                wall, cpu, memory = measured(command, cores)
                # Threads share a process; the peer's processes are counted one by one.
                shared = threads if name == "fratmae" else 1
                found.setdefault((threads, name), []).append((wall, cpu, memory / shared))
    print(agreement(source, work / "ours", work / "theirs"))
    report(arguments, found)


def report(arguments, found):
    rows = []
    print(f"{'threads':>7}  {'':16}{'cases/min':>10}{'CPU s/case':>12}{'MiB/thread':>12}")
    for (threads, name), runs in sorted(found.items()):
        wall, cpu, memory = (statistics.median(values) for values in zip(*runs))
        row = {
            "threads": threads,
            "name": name,
            "cases_per_minute": 60 * arguments.cases / wall,
            "cpu_seconds_per_case": cpu / arguments.cases,
            "mebibytes_per_thread": memory,
        }
        rows.append(row)
        print(f"{threads:>7}  {name:16}{row['cases_per_minute']:>10.1f}{row['cpu_seconds_per_case']:>12.2f}{memory:>12.0f}")
    for threads in (1, 2):
        ours, theirs = (row for row in rows if row["threads"] == threads)
        wall = ours["cases_per_minute"] / theirs["cases_per_minute"]
        cpu = theirs["cpu_seconds_per_case"] / ours["cpu_seconds_per_case"]
        print(f"{threads} threads: {wall:.2f} times the cases a minute, {cpu:.2f} times the cases a CPU second")
    if arguments.json:
        pathlib.Path(arguments.json).write_text(json.dumps(rows, indent=1) + "\n")


def main():
    if sys.argv[1:2] == ["--peer"]:
        return peer(pathlib.Path(sys.argv[2]), pathlib.Path(sys.argv[3]), int(sys.argv[4]))
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--fratmae", default="target/release/fratmae", help="the program")
    parser.add_argument("--cases", type=int, default=4)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--shape", default="400x400x326")
    parser.add_argument("--spacing", default="2.04x2.04x3")
    parser.add_argument("--json", help="also write the figures here")
    arguments = parser.parse_args()
    arguments.fratmae = str(pathlib.Path(arguments.fratmae).resolve())
    with tempfile.TemporaryDirectory() as work:
        compare(arguments, pathlib.Path(work))


if __name__ == "__main__":
    main()
