//! The exponential and the normal distribution as polynomials without branches, so that compilers make vectors of them.
#![expect(clippy::excessive_precision, reason = "the coefficients as published")]

/// e^x within two units in the last place; below -87 it is the smallest normal number, above 88 about e^88.
///
/// Cody and Waite's reduction by ln 2 in two parts, then Cephes' polynomial of degree five.
#[inline(always)]
pub(super) fn exp(x: f32) -> f32 {
    /// Adding and taking it off again rounds to a whole number; its last nine bits are zeros.
    const ROUND: f32 = 12_582_912.0;
    let x = x.clamp(-87.0, 88.0);
    let rounded = x.mul_add(std::f32::consts::LOG2_E, ROUND);
    let n = rounded - ROUND;
    let r = n.mul_add(-0.693_359_375, x);
    let r = n.mul_add(2.121_944_4e-4, r);
    let p = 1.987_569_15e-4_f32
        .mul_add(r, 1.398_199_950_7e-3)
        .mul_add(r, 8.333_451_907_3e-3)
        .mul_add(r, 4.166_579_589_4e-2)
        .mul_add(r, 1.666_666_545_9e-1)
        .mul_add(r, 5.000_000_120_1e-1);
    let fraction = (p * r).mul_add(r, r) + 1.0;
    // The whole number stands in the last bits of the sum it was rounded by.
    let power = f32::from_bits(rounded.to_bits().wrapping_add(127) << 23);
    power * fraction
}

/// The normal distribution's CDF at x, with a relative error of about 1e-6 also far below zero.
///
/// The complementary error function is Numerical Recipes' `erfcc`, a Chebyshev fit of relative error 1.2e-7.
#[inline(always)]
pub(super) fn normal_cdf(x: f32) -> f32 {
    let z = x.abs() * std::f32::consts::FRAC_1_SQRT_2;
    let t = 1.0 / z.mul_add(0.5, 1.0);
    let fit = 0.170_872_77_f32
        .mul_add(t, -0.822_152_23)
        .mul_add(t, 1.488_515_87)
        .mul_add(t, -1.135_203_98)
        .mul_add(t, 0.278_868_07)
        .mul_add(t, -0.186_288_06)
        .mul_add(t, 0.096_784_18)
        .mul_add(t, 0.374_091_96)
        .mul_add(t, 1.000_023_68)
        .mul_add(t, -1.265_512_23);
    let tail = 0.5 * t * exp((-z).mul_add(z, fit));
    if x < 0.0 { tail } else { 1.0 - tail }
}

/// The normal distribution's density at x.
#[inline(always)]
pub(super) fn normal_pdf(x: f32) -> f32 {
    const AT_ZERO: f32 = 0.398_942_28;
    AT_ZERO * exp(-0.5 * x * x)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_exponential_is_right_to_the_last_digits() {
        for i in -8_600..8_700 {
            let x = i as f32 * 0.01;
            let exact = f64::from(x).exp();
            let relative = (f64::from(exp(x)) / exact - 1.0).abs();
            assert!(relative < 2.5e-7, "exp({x}): {relative}");
        }
    }

    #[test]
    fn the_normal_distribution_is_right_far_into_its_tail() {
        // From a table of the complementary error function, to ten digits.
        let table = [
            (0.0, 0.5),
            (1.0, 0.841_344_746_1),
            (-1.0, 0.158_655_253_9),
            (-2.0, 0.022_750_131_95),
            (-4.0, 3.167_124_183e-5),
            (-6.0, 9.865_876_45e-10),
        ];
        for (x, exact) in table {
            let relative = (f64::from(normal_cdf(x)) / exact - 1.0_f64).abs();
            assert!(relative < 1.5e-6, "below {x}: {relative}");
        }
        assert!((normal_pdf(0.0) - 0.398_942_28).abs() < 1e-7);
        assert!((normal_pdf(1.0) - 0.241_970_72).abs() < 1e-7);
    }
}
