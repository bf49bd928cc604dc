"""Opens the shards of a data set with readers that know nothing of fratmae: readers.py DATA_SET

Prints one JSON object: for each reader its version and, for each case in order, what it read: rows, values a row, and
smallest, largest and summed value of PET and CT. It compares nothing; whoever calls it does.
"""

import glob
import json
import os
import sys

import duckdb
import numpy
import polars
import pyarrow
import pyarrow.parquet


def summary(case_id, rows, pet, ct):
    def of(values):
        values = numpy.asarray(values, dtype=numpy.float64)
        return {
            "values_per_row": values.size // rows,
            "min": float(values.min()),
            "max": float(values.max()),
            "sum": float(values.sum()),
        }

    return {"case_id": case_id, "rows": rows, "pet": of(pet), "ct": of(ct)}


def with_pyarrow(shards):
    for shard in shards:
        file = pyarrow.parquet.ParquetFile(shard)
        for group in range(file.num_row_groups):
            table = file.read_row_group(group)
            check_slices(table["slice"].to_numpy())
            voxels = [
                table[name].combine_chunks().flatten().to_numpy(zero_copy_only=False)
                for name in ("pet", "ct")
            ]
            yield summary(table["case_id"][0].as_py(), table.num_rows, *voxels)


def with_polars(shards):
    frame = polars.read_parquet(shards)
    for (case_id,), case in frame.group_by("case_id", maintain_order=True):
        check_slices(case["slice"].to_numpy())
        voxels = [case[name].explode().to_numpy() for name in ("pet", "ct")]
        yield summary(case_id, case.height, *voxels)


def with_duckdb(shards):
    connection = duckdb.connect()
    cases = connection.execute(
        "select distinct case_id from read_parquet(?) order by case_id", [shards]
    ).fetchall()
    for (case_id,) in cases:
        found = connection.execute(
            "select slice, pet, ct from read_parquet(?) where case_id = ? order by slice",
            [shards, case_id],
        ).fetchnumpy()
        check_slices(found["slice"])
        voxels = [numpy.concatenate(list(found[name])) for name in ("pet", "ct")]
        yield summary(case_id, len(found["slice"]), *voxels)


def check_slices(slices):
    if list(slices) != list(range(len(slices))):
        raise SystemExit(f"slices {list(slices)} do not count from 0")


READERS = {
    "pyarrow": (with_pyarrow, pyarrow.__version__),
    "polars": (with_polars, polars.__version__),
    "duckdb": (with_duckdb, duckdb.__version__),
}


def main():
    shards = sorted(glob.glob(os.path.join(sys.argv[1], "shards", "*.parquet")))
    found = {
        name: {"version": version, "cases": list(read(shards))}
        for name, (read, version) in READERS.items()
    }
    print(json.dumps(found))


if __name__ == "__main__":
    main()
