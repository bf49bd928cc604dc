//! The first value of every parameter, a pure function of its name, the config and a seed. No backend's generator is used.

use crate::ModelConfig;
use crate::flat::Parameter;
use crate::patchify::PatchGrid;
use crate::positions::sine_cosine;

/// CLIP's first log inverse temperature, ln(1 / 0.07).
const LOGIT_SCALE: f32 = 2.659_26;

/// Standard deviation of class and mask tokens (MAE) and of CLIP's word table.
const TOKEN_DEVIATION: f64 = 0.02;

/// The first values of all parameters, in the layout's order.
///
/// Each parameter draws from a stream of its own, so that its values do not depend on which others exist. Only exact
/// operations are used (no logarithm, no cosine), so that they are the same bits on every machine; the fixed positions
/// are the exception.
pub(crate) fn first_values(layout: &[Parameter], config: &ModelConfig, seed: u64) -> Vec<f32> {
    let mut values = Vec::with_capacity(layout.iter().map(Parameter::len).sum());
    for parameter in layout {
        let mut stream = Stream::new(seed, &parameter.name);
        let n = parameter.len();
        match rule(parameter, config) {
            Rule::Constant(value) => values.resize(values.len() + n, value),
            Rule::Uniform(bound) => values.extend((0..n).map(|_| stream.uniform(bound))),
            Rule::Normal(deviation) => values.extend((0..n).map(|_| stream.normal(deviation))),
            Rule::Positions(width) => {
                values.extend(sine_cosine(PatchGrid::new(config).counts(), width));
            }
        }
    }
    values
}

#[derive(Debug, Clone, Copy, PartialEq)]
enum Rule {
    Constant(f32),
    /// Between minus and plus the bound.
    Uniform(f64),
    /// Mean zero, this standard deviation.
    Normal(f64),
    /// The sine-cosine table of this width.
    Positions(usize),
}

fn rule(parameter: &Parameter, config: &ModelConfig) -> Rule {
    let name = parameter.name.as_str();
    let last = name.rsplit('.').next().unwrap_or(name);
    match (last, parameter.shape.as_slice()) {
        ("bias", _) => Rule::Constant(0.0),
        ("logit_scale", _) => Rule::Constant(LOGIT_SCALE),
        ("pos_embed", &[.., width]) => Rule::Positions(width),
        ("cls_token" | "mask_token", _) => Rule::Normal(TOKEN_DEVIATION),
        // A weight of one axis is a norm's.
        (_, [_]) => Rule::Constant(1.0),
        _ if name.starts_with("text.") => Rule::Normal(text_deviation(name, config)),
        (_, &[n_in, n_out]) => Rule::Uniform((6.0 / (n_in + n_out) as f64).sqrt()),
        _ => Rule::Constant(0.0),
    }
}

/// CLIP's standard deviations, which shrink the residual branches with depth.
fn text_deviation(name: &str, config: &ModelConfig) -> f64 {
    let width = config.text.width as f64;
    let narrow = 1.0 / width.sqrt();
    let residual = narrow / (2.0 * config.text.depth as f64).sqrt();
    let ends = |part: &str| name.ends_with(part);
    if ends("token_embedding.weight") {
        TOKEN_DEVIATION
    } else if ends("position_embedding.weight") {
        TOKEN_DEVIATION / 2.0
    } else if ends("out_proj.weight") || ends("fc2.weight") {
        residual
    } else if ends("fc1.weight") {
        1.0 / (2.0 * width).sqrt()
    } else {
        narrow
    }
}

/// A stream of numbers of one parameter: splitmix64 from the seed and the name.
struct Stream(u64);

impl Stream {
    fn new(seed: u64, name: &str) -> Self {
        // FNV-1a over the name, then one round of mixing with the seed.
        let hash = name.bytes().fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
            (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3)
        });
        let mut seeded = Self(seed);
        Self(seeded.next() ^ hash)
    }

    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    fn uniform(&mut self, bound: f64) -> f32 {
        let unit = ((self.next() >> 11) as f64 + 0.5) / (1_u64 << 53) as f64;
        ((2.0 * unit - 1.0) * bound) as f32
    }

    /// The sum of twelve uniform numbers: mean zero, variance one, and never past six deviations.
    fn normal(&mut self, deviation: f64) -> f32 {
        let mut sum = 0_u64;
        for _ in 0..3 {
            let word = self.next();
            sum += (0..4)
                .map(|part| (word >> (16 * part)) & 0xffff)
                .sum::<u64>();
        }
        let centred = (sum as f64 + 6.0) / 65_536.0 - 6.0;
        (centred * deviation) as f32
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::flat::Update;
    use crate::tests::tiny;

    fn parameter(name: &str, shape: &[usize]) -> Parameter {
        Parameter {
            name: name.to_owned(),
            shape: shape.to_vec(),
            offset: 0,
            gradient: 0..0,
            update: Update::Decay,
        }
    }

    fn rule_of(name: &str, shape: &[usize]) -> Rule {
        rule(&parameter(name, shape), &ModelConfig::default())
    }

    #[test]
    fn every_kind_of_parameter_has_its_rule() {
        let xavier = Rule::Uniform((6.0_f64 / 3072.0).sqrt());
        assert_eq!(
            rule_of("pet_encoder.blocks.0.attn.qkv.weight", &[768, 2304]),
            xavier
        );
        assert_eq!(
            rule_of("ct_encoder.norm.weight", &[768]),
            Rule::Constant(1.0)
        );
        assert_eq!(rule_of("ct_encoder.norm.bias", &[768]), Rule::Constant(0.0));
        assert_eq!(rule_of("logit_scale", &[1]), Rule::Constant(LOGIT_SCALE));
        assert_eq!(
            rule_of("pet_decoder.mask_token", &[1, 1, 384]),
            Rule::Normal(0.02)
        );
        assert_eq!(
            rule_of("pet_decoder.pos_embed", &[1, 241, 384]),
            Rule::Positions(384)
        );
        let layer = "text.text_model.encoder.layers.3";
        let deviation = 1.0 / 512_f64.sqrt();
        assert_eq!(
            rule_of(&format!("{layer}.self_attn.q_proj.weight"), &[512, 512]),
            Rule::Normal(deviation)
        );
        assert_eq!(
            rule_of(&format!("{layer}.mlp.fc2.weight"), &[2048, 512]),
            Rule::Normal(deviation / 24_f64.sqrt())
        );
    }

    #[test]
    fn uniform_numbers_fill_their_range() {
        let mut stream = Stream::new(1, "a");
        let drawn: Vec<f32> = (0..20_000).map(|_| stream.uniform(0.5)).collect();
        let mean = drawn.iter().sum::<f32>() / 20_000.0;
        assert!(mean.abs() < 0.01, "{mean}");
        assert!(drawn.iter().all(|x| x.abs() <= 0.5));
        assert!(drawn.iter().any(|x| *x > 0.49) && drawn.iter().any(|x| *x < -0.49));
    }

    #[test]
    fn normal_numbers_have_their_deviation() {
        let mut stream = Stream::new(1, "a");
        let drawn: Vec<f32> = (0..20_000).map(|_| stream.normal(2.0)).collect();
        let mean = drawn.iter().sum::<f32>() / 20_000.0;
        let variance = drawn.iter().map(|x| x * x).sum::<f32>() / 20_000.0;
        assert!(mean.abs() < 0.05, "{mean}");
        assert!((variance - 4.0).abs() < 0.15, "{variance}");
        let within = drawn.iter().filter(|x| x.abs() < 2.0).count();
        assert!((13_300..14_000).contains(&within), "{within}");
    }

    #[test]
    fn a_parameters_values_do_not_depend_on_its_neighbours() {
        let config = tiny::config();
        let layout = [
            parameter("a.weight", &[2, 3]),
            parameter("b.weight", &[3, 2]),
        ];
        let both = first_values(&layout, &config, 7);
        assert_eq!(both[6..], first_values(&layout[1..], &config, 7));
        assert_ne!(both[..6], both[6..]);
        assert_ne!(both, first_values(&layout, &config, 8));
    }

    #[test]
    fn the_stream_is_frozen() {
        let mut stream = Stream(0);
        assert_eq!(stream.next(), 0xe220_a839_7b1d_cdaf);
    }
}
