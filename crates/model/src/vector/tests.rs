//! Transfers of vectors, and the update on a device against the one in memory.

use super::*;
use crate::FratMae;
use crate::tests::tiny;

fn wave(n: usize, pace: f32) -> Vec<f32> {
    (0..n).map(|i| (i as f32 * pace).sin()).collect()
}

const FACTORS: UpdateFactors = UpdateFactors {
    beta1: 0.9,
    beta2: 0.95,
    epsilon: 1e-8,
    rate: 1e-3,
    scale: 1.2,
    keep: 0.9995,
    clip: 0.7,
};

#[test]
fn numbers_come_back_as_they_went() {
    let device = Device::flex();
    let vector = DeviceVector::new(wave(1000, 0.1), &device);
    assert_eq!(vector.len(), 1000);
    assert_eq!(vector.read(10..20).unwrap(), wave(1000, 0.1)[10..20]);
    assert!(vector.read(1000..1000).unwrap().is_empty());
    assert!(vector.read(990..1001).is_err());
    let changed = vector.clone().with_number(3, |x| x + 1.0).unwrap();
    assert_eq!(changed.read(3..5).unwrap()[0], wave(1000, 0.1)[3] + 1.0);
    assert_eq!(changed.read(4..5).unwrap(), vector.read(4..5).unwrap());
    let sum = vector.clone().plus(changed).read(3..4).unwrap();
    assert_eq!(sum[0], 2.0 * wave(1000, 0.1)[3] + 1.0);
    assert_eq!(vector.bit_sum().unwrap(), bit_sum(&wave(1000, 0.1)));
    let norm = wave(1000, 0.1).iter().map(|x| x * x).sum::<f32>().sqrt();
    assert!((vector.norm().unwrap() - f64::from(norm)).abs() < 1e-4);
    assert_eq!(vector.into_vec().unwrap(), wave(1000, 0.1));
}

#[test]
fn the_update_on_the_cpu_has_the_bits_of_the_one_in_memory_and_leaves_what_others_hold() {
    let n = 100_003;
    let [mut parameters, mut first, gradient] = [0.1, 0.2, 0.3].map(|pace| wave(n, pace));
    let mut second: Vec<f32> = wave(n, 0.4).iter().map(|x| x.abs()).collect();
    let decays: Vec<f32> = (0..n).map(|i| f32::from(u8::from(i % 3 == 0))).collect();
    let device = Device::flex();
    let on_device = [&parameters, &first, &second].map(|v| DeviceVector::new(v.clone(), &device));
    let others = on_device.clone();
    let updated = FACTORS.update_on_device(
        on_device,
        DeviceVector::new(gradient.clone(), &device),
        &DeviceVector::new(decays.clone(), &device),
    );
    for (other, before) in others.into_iter().zip([&parameters, &first, &second]) {
        assert_eq!(other.into_vec().unwrap(), *before);
    }
    for (i, decays) in decays.into_iter().enumerate() {
        let keep = if decays > 0.0 { FACTORS.keep } else { 1.0 };
        let at = i..i + 1;
        FACTORS.update(
            keep,
            &mut parameters[at.clone()],
            &mut first[at.clone()],
            &mut second[at.clone()],
            &gradient[at],
        );
    }
    for (updated, expected) in updated.into_iter().zip([parameters, first, second]) {
        assert_eq!(bit_sum(&updated.into_vec().unwrap()), bit_sum(&expected));
    }
}

#[test]
fn a_gradient_is_spread_over_what_never_changes() {
    let model = FratMae::new(&tiny::config(), 7, &tiny::device());
    let layout = model.parameters();
    let n: usize = layout
        .iter()
        .map(|parameter| parameter.gradient.len())
        .sum();
    let gradient: Vec<f32> = (1..=n).map(|i| i as f32).collect();
    let device = Device::flex();
    let spread = DeviceVector::new(gradient.clone(), &device).spread(&layout);
    let spread = spread.into_vec().unwrap();
    assert_eq!(
        spread.len(),
        layout.iter().map(Parameter::len).sum::<usize>()
    );
    for parameter in &layout {
        let found = &spread[parameter.offset..][..parameter.len()];
        match parameter.learns() {
            true => assert_eq!(found, &gradient[parameter.gradient.clone()]),
            false => assert!(found.iter().all(|number| *number == 0.0)),
        }
    }
    let decays = DeviceVector::decays(&layout, &device).into_vec().unwrap();
    for parameter in layout {
        let expected = f32::from(u8::from(parameter.update == Update::Decay));
        let found = &decays[parameter.offset..][..parameter.len()];
        assert!(found.iter().all(|found| *found == expected));
    }
}
