//! Inputs for a network, as safetensors: a header in JSON, then the numbers.

use std::path::Path;

use serde_json::{Value, json};

/// Writes one sample that fits the network of an export.
pub(crate) fn write_inputs(weights: &Path, place: &Path) {
    let Ok(text) = std::fs::read(weights.join("config.json")) else {
        return;
    };
    let config: Value = serde_json::from_slice(&text).expect("an export's config");
    let sides = |key: &str| -> Vec<usize> {
        serde_json::from_value(config[key].clone()).expect("three sides")
    };
    let (stack, patch) = (sides("stack"), sides("patch"));
    let tokens: usize = stack
        .iter()
        .zip(&patch)
        .map(|(side, patch)| side / patch)
        .product();
    let voxels: usize = stack.iter().product();
    let shape = [vec![1], stack].concat();
    let image = |phase: usize| -> Vec<u8> {
        let value = |voxel| ((voxel * 7 + phase) % 100) as f32 / 100.0;
        (0..voxels)
            .flat_map(|voxel| value(voxel).to_le_bytes())
            .collect()
    };
    let numbers = |numbers: &mut dyn Iterator<Item = i64>| -> Vec<u8> {
        numbers.flat_map(i64::to_le_bytes).collect()
    };
    let keep = tokens / 2;
    let parts = [
        ("pet", "F32", json!(shape), image(3)),
        ("ct", "F32", json!(shape), image(50)),
        (
            "masked_modality",
            "I64",
            json!([1]),
            numbers(&mut [0].into_iter()),
        ),
        (
            "keep",
            "I64",
            json!([1, keep]),
            numbers(&mut (0..keep as i64)),
        ),
        (
            "tokens",
            "I64",
            json!([1, 3]),
            numbers(&mut [49_406, 320, 49_407].into_iter()),
        ),
    ];
    let (mut header, mut bytes) = (serde_json::Map::new(), Vec::new());
    for (name, kind, shape, part) in parts {
        let begin = bytes.len();
        bytes.extend(part);
        header.insert(
            name.to_owned(),
            json!({"dtype": kind, "shape": shape, "data_offsets": [begin, bytes.len()]}),
        );
    }
    let header = Value::Object(header).to_string();
    let length = (header.len() as u64).to_le_bytes();
    std::fs::write(place, [&length[..], header.as_bytes(), &bytes].concat()).expect("a file");
}
