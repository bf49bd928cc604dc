//! The name of the kernels that this machine's CPU runs: two machines of the same name come to the same bits.
//! It picks none: each kernel, and the matrix products, do that by the same features.

/// The architecture, and of the features that kernels are compiled for those that this CPU has.
#[must_use]
pub fn kernel_set() -> String {
    std::iter::once(std::env::consts::ARCH)
        .chain(features())
        .collect::<Vec<_>>()
        .join("+")
}

#[cfg(target_arch = "x86_64")]
fn features() -> impl Iterator<Item = &'static str> {
    let wide = [
        ("avx512f", std::is_x86_feature_detected!("avx512f")),
        ("avx512bw", std::is_x86_feature_detected!("avx512bw")),
        ("avx512cd", std::is_x86_feature_detected!("avx512cd")),
        ("avx512dq", std::is_x86_feature_detected!("avx512dq")),
        ("avx512vl", std::is_x86_feature_detected!("avx512vl")),
    ];
    // What the `gemm` crate asks for before it takes its kernels for AVX-512.
    let has_all = wide.iter().all(|(_, has)| *has);
    [
        ("avx2", std::is_x86_feature_detected!("avx2")),
        ("fma", std::is_x86_feature_detected!("fma")),
    ]
    .into_iter()
    .chain(wide)
    .chain([("products-avx512", has_all)])
    .filter(|(_, has)| *has)
    .map(|(name, _)| name)
}

#[cfg(not(target_arch = "x86_64"))]
fn features() -> impl Iterator<Item = &'static str> {
    std::iter::empty()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_name_begins_with_the_architecture_and_stays_the_same() {
        assert!(kernel_set().starts_with(std::env::consts::ARCH));
        assert_eq!(kernel_set(), kernel_set());
    }
}
