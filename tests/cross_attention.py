#!/usr/bin/env python3
"""Whether a trained model looks at the other modality: what it rebuilds must get worse if that is another patient's.

  cross_attention.py PROGRAM WEIGHTS DATA [--cases 40] [--keep 0.25]

PROGRAM is a built fratmae, WEIGHTS an export, DATA a prepared data set with the grid of the model's stacks. Each case
is rebuilt twice, from the same visible tokens of the masked modality: beside its own other modality, and beside that
of each of three other cases. Fails unless the others' are worse, for PET and for CT. Needs numpy, pyarrow, safetensors.
"""
import argparse
import json
import os
import subprocess
import tempfile

import numpy
import pyarrow.parquet
from safetensors.numpy import load_file, save_file

SHIFTS = (1, 2, 3)
# The defaults of data.stride, data.suv_window and data.hu_window.
STRIDE = 2
WINDOWS = {"pet": (0.0, 20.0), "ct": (-1000.0, 1000.0)}


def windowed(voxels, window):
    low, high = window
    return numpy.clip((voxels.astype(numpy.float32) - low) / (high - low), 0, 1)


def stacks(data, config, n):
    """PET and CT [n, depth, R, S]: every second slice around the middle of each body."""
    manifest = json.load(open(os.path.join(data, "manifest.json")))
    depth, height, width = config["stack"]
    span = STRIDE * depth
    found = []
    for case in manifest["cases"][:n]:
        shard = pyarrow.parquet.ParquetFile(os.path.join(data, "shards", f"shard-{case['shard']:05d}.parquet"))
        table = shard.read_row_group(case["row_group"], columns=["pet", "ct"])
        first = min(max(sum(case["body"]) // 2 - span // 2, 0), manifest["grid"][1] - span)
        pair = []
        for name in ("pet", "ct"):
            column = table.column(name).combine_chunks().flatten().to_numpy().reshape(-1, height, width)
            pair.append(windowed(column[first : first + span : STRIDE], WINDOWS[name]))
        found.append(pair)
    return [numpy.stack(volumes) for volumes in zip(*found)]


def errors(options, pet, ct, modality, keep):
    inputs = {"pet": pet, "ct": ct, "masked_modality": numpy.full(len(pet), modality, numpy.int64), "keep": keep}
    with tempfile.TemporaryDirectory() as folder:
        given, made = os.path.join(folder, "in.safetensors"), os.path.join(folder, "out.safetensors")
        save_file({name: numpy.ascontiguousarray(values) for name, values in inputs.items()}, given)
        words = ["model", "forward", "--weights", options.weights, "--inputs", given, "--out", made]
        subprocess.run([options.program, *words], check=True)
        return load_file(made)["mse"]


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("program")
    parser.add_argument("weights")
    parser.add_argument("data")
    parser.add_argument("--cases", type=int, default=40)
    parser.add_argument("--keep", type=float, default=0.25)
    options = parser.parse_args()
    config = json.load(open(os.path.join(options.weights, "config.json")))
    pet, ct = stacks(options.data, config, options.cases)
    n_tokens = int(numpy.prod(numpy.array(config["stack"]) // config["patch"]))
    draw = numpy.random.default_rng(0)
    keep = numpy.stack([draw.permutation(n_tokens)[: round(options.keep * n_tokens)] for _ in pet]).astype(numpy.int64)
    print("| rebuilt | beside its own | beside another's | ratio | cases that get worse |")
    print("|---|---|---|---|---|")
    is_used = True
    for modality, name in enumerate(("PET", "CT")):
        own = errors(options, pet, ct, modality, keep)
        others = []
        for shift in SHIFTS:
            rolled = [numpy.roll(volume, shift, axis=0) for volume in (pet, ct)]
            mixed = (pet, rolled[1]) if modality == 0 else (rolled[0], ct)
            others.append(errors(options, *mixed, modality, keep))
        other = numpy.mean(others, axis=0)
        ratio, worse = other.mean() / own.mean(), int((other > own).sum())
        print(f"| {name} | {own.mean():.6f} | {other.mean():.6f} | {ratio:.3f} | {worse} of {len(own)} |")
        is_used &= ratio > 1 and worse > len(own) / 2
    if not is_used:
        raise SystemExit("the other modality makes no difference")


if __name__ == "__main__":
    main()
