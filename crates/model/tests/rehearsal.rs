//! Vectors on a GPU rehearsed on the CPU: the kernels of `vector/gpu.rs` through burn's fusion, as CUDA gets them, beside
//! what the CPU makes of the same numbers. `cargo xtask gpu rehearse` builds and runs it.

#![expect(clippy::float_cmp, reason = "what is only moved keeps its bits")]

#[path = "../src/tests/tiny_slot.rs"]
mod tiny_slot;

use fratmae_model::{
    Device, DeviceVector, FratMae, Masks, Modality, PatchGrid, SlotBatch, UpdateFactors,
};

const FACTORS: UpdateFactors = UpdateFactors {
    beta1: 0.9,
    beta2: 0.95,
    epsilon: 1e-8,
    rate: 1e-3,
    scale: 1.2,
    keep: 0.9995,
    clip: 0.7,
};

fn wave(n: usize, pace: f32) -> Vec<f32> {
    (0..n).map(|i| (i as f32 * pace).sin()).collect()
}

/// The length of the difference over that of the expected vector.
fn apart(found: &[f32], expected: &[f32]) -> f64 {
    assert_eq!(found.len(), expected.len());
    let length = |of: fn(f32, f32) -> f32| {
        let pairs = found.iter().zip(expected);
        let squares = pairs.map(|(a, b)| f64::from(of(*a, *b)).powi(2));
        squares.sum::<f64>().sqrt()
    };
    length(|a, b| a - b) / length(|_, b| b)
}

#[test]
fn a_vector_comes_back_is_added_and_changed_in_one_place() {
    let gpu = Device::cpu();
    let numbers = wave(100_003, 0.1);
    let vector = DeviceVector::new(numbers.clone(), &gpu);
    assert!(vector.on_cpu().is_none());
    assert_eq!(vector.read(5..1000).unwrap(), numbers[5..1000]);
    let changed = vector.clone().with_number(70_000, |x| x + 1.0).unwrap();
    assert_eq!(
        changed.read(70_000..70_001).unwrap(),
        [numbers[70_000] + 1.0]
    );
    assert_eq!(changed.read(70_001..100_003).unwrap(), numbers[70_001..]);
    let both = vector.clone().plus(changed).read(69_999..70_001).unwrap();
    assert_eq!(both[0], 2.0 * numbers[69_999]);
    assert!((both[1] - 2.0 * numbers[70_000] - 1.0).abs() < 1e-6);
    let expected = numbers.iter().map(|x| f64::from(x * x)).sum::<f64>().sqrt();
    assert!((vector.norm().unwrap() / expected - 1.0).abs() < 1e-5);
    assert_eq!(vector.into_vec().unwrap(), numbers);
}

#[test]
fn each_flipped_bit_changes_the_sum_and_equal_vectors_have_one() {
    let gpu = Device::cpu();
    // More numbers than there are running sums, so that some take in two.
    let numbers = wave(300_001, 0.37);
    let sum = |numbers: Vec<f32>| DeviceVector::new(numbers, &gpu).bit_sum().unwrap();
    let before = sum(numbers.clone());
    assert_eq!(sum(numbers.clone()), before);
    for (place, bit) in [(0, 0), (131_071, 31), (131_072, 7), (300_000, 13)] {
        let mut flipped = numbers.clone();
        flipped[place] = f32::from_bits(numbers[place].to_bits() ^ 1 << bit);
        assert_ne!(sum(flipped), before, "bit {bit} of {place}");
    }
}

#[test]
fn a_vector_has_an_address_where_its_numbers_are() {
    let gpu = Device::cpu();
    let numbers = wave(1000, 0.2);
    let ones = DeviceVector::new(vec![1.0; 1000], &gpu);
    let vector = DeviceVector::new(numbers.clone(), &gpu).plus(ones);
    let memory = vector.in_gpu_memory().unwrap();
    assert_eq!(memory.floats, 1000);
    let address = std::ptr::with_exposed_provenance::<f32>(memory.address as usize);
    #[expect(unsafe_code, reason = "the rehearsed GPU has the host's memory")]
    // SAFETY: `memory` keeps it there, and nobody writes to it.
    let there = unsafe { std::slice::from_raw_parts(address, memory.floats) };
    let mut pairs = there.iter().zip(&numbers);
    assert!(pairs.all(|(there, x)| *there == x + 1.0));
}

#[test]
fn the_update_is_the_cpus_within_rounding_and_leaves_what_others_hold() {
    let n = 100_003;
    let positive = wave(n, 0.4).iter().map(|x| x.abs()).collect();
    let numbers = [wave(n, 0.1), wave(n, 0.2), positive];
    let gradient = wave(n, 0.3);
    let decays: Vec<f32> = (0..n).map(|i| f32::from(u8::from(i % 3 == 0))).collect();
    let updated = |device: &Device| {
        let on = |numbers: &Vec<f32>| DeviceVector::new(numbers.clone(), device);
        let state = numbers.each_ref().map(on);
        let others = state.clone();
        let updated = FACTORS.update_on_device(state, on(&gradient), &on(&decays));
        for (other, before) in others.into_iter().zip(&numbers) {
            assert_eq!(other.into_vec().unwrap(), *before);
        }
        updated.map(|vector| vector.into_vec().unwrap())
    };
    let (gpu, cpu) = (updated(&Device::cpu()), updated(&Device::flex()));
    for (found, expected) in gpu.iter().zip(&cpu) {
        assert!(apart(found, expected) < 1e-6, "{}", apart(found, expected));
    }
    assert!(updated(&Device::cpu()) == gpu, "the same bits each time");
}

#[test]
fn the_gradient_on_the_device_is_the_one_that_is_read_back() {
    let (mut config, gpu) = (tiny_slot::config(), Device::cpu().autodiff());
    // A second block has the same kernels.
    config.encoder.depth = 1;
    let layout = FratMae::layout(&config);
    let flat = FratMae::first_values(&layout, &config, 11);
    let mut model = FratMae::zeros(&config, &gpu);
    model
        .load_on_device(&DeviceVector::new(flat, &gpu))
        .unwrap();
    let batch = tiny_slot::slot(&config, &[Modality::Pet]);
    let grads = wave(config.embedding, 0.5);
    let embeddings = Some((grads.as_slice(), grads.as_slice()));
    let forward = || model.forward(&batch, &gpu).unwrap();
    let read = model.backward(forward(), 0.5, embeddings, Vec::new());
    let there = model.backward_on_device(forward(), 0.5, embeddings);
    let (read, there) = (read.unwrap(), there.unwrap());
    let spread = there.clone().spread(&layout).into_vec().unwrap();
    let there = there.into_vec().unwrap();
    assert!(apart(&there, &read) < 1e-5, "{}", apart(&there, &read));
    for parameter in &layout {
        let found = &spread[parameter.offset..][..parameter.len()];
        match parameter.learns() {
            true => assert_eq!(found, &there[parameter.gradient.clone()]),
            false => assert!(found.iter().all(|x| *x == 0.0), "{}", parameter.name),
        }
    }
}
