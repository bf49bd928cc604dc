//! A data set is plain Parquet: pyarrow, polars and DuckDB open it and see what `fratmae dataset inspect` says.

use fratmae_tests::{call_python, fratmae, phantoms, python, skip};
use serde_json::Value;

/// The readers, at the versions that were tried, and the numbers they speak.
const PACKAGES: [&str; 4] = [
    "pyarrow==26.0.1",
    "polars==2.1.0",
    "duckdb==2.0.1",
    "numpy==2.4.6",
];

fn number(value: &Value) -> f64 {
    value
        .as_f64()
        .unwrap_or_else(|| panic!("{value} is no number"))
}

/// Compares what a reader found in one volume with the inspection, of whose numbers 32 bits are told.
fn assert_agree(found: &Value, inspected: &Value, voxels: f64, name: &str) {
    for end in ["min", "max"] {
        let (found, inspected) = (number(&found[end]), number(&inspected[end]));
        assert_eq!(found as f32, inspected as f32, "{end} of {name}");
    }
    let (sum, mean) = (number(&found["sum"]), number(&inspected["mean"]));
    let apart = (sum / voxels - mean).abs();
    assert!(
        apart <= 1e-6 * mean.abs(),
        "the mean of {name} is {apart} apart"
    );
}

#[test]
fn other_readers_see_what_inspect_says() {
    let probe = "import duckdb, numpy, polars, pyarrow";
    let python = match python("readers-venv", &PACKAGES, probe) {
        Ok(python) => python,
        Err(reason) => return skip("other readers of Parquet", &reason),
    };
    let data = &phantoms().data;
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/readers.py");
    let found = call_python(&python, &[script, &data.display().to_string()]).unwrap();
    let found: Value = serde_json::from_str(&found).unwrap();
    let inspection = fratmae(["dataset", "inspect", "--json"]).and(data).run();
    let inspection = inspection.succeeded().json();
    let [side_r, rows, side_s] = [0, 1, 2].map(|axis| inspection["grid"][axis].as_u64().unwrap());
    let cases = inspection["cases"].as_array().unwrap();
    for reader in ["pyarrow", "polars", "duckdb"] {
        let read = found[reader]["cases"].as_array().unwrap();
        assert_eq!(read.len(), cases.len(), "cases in {reader}");
        for (at, (read, case)) in read.iter().zip(cases).enumerate() {
            assert_eq!(read["case_id"], case["case_id"], "{reader}");
            assert_eq!(read["rows"], rows, "{reader}");
            for volume in ["pet", "ct"] {
                let name = format!("{volume} of {} in {reader}", case["case_id"]);
                assert_eq!(read[volume]["values_per_row"], side_r * side_s, "{name}");
                let voxels = (rows * side_r * side_s) as f64;
                assert_agree(&read[volume], &case[volume], voxels, &name);
            }
            // The same numbers, summed in the same order.
            assert_eq!(read, &found["pyarrow"]["cases"][at], "{reader}");
        }
    }
}
