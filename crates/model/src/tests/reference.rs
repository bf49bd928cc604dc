//! FratMAE written a second time, in plain loops over doubles and by parameter names, to check the tensors against.

use crate::flat::Parameter;
use crate::masking::Modality;
use crate::slot::SlotBatch;
use crate::{FratMae, ModelConfig};

type Rows = Vec<Vec<f64>>;

/// What the reference makes of one sample.
pub(super) struct Sample {
    pub(super) error: f64,
    pub(super) pet_embedding: Vec<f64>,
    pub(super) text_embedding: Vec<f64>,
}

pub(super) struct Reference {
    config: ModelConfig,
    layout: Vec<Parameter>,
    flat: Vec<f32>,
}

impl Reference {
    pub(super) fn new(model: &FratMae, config: &ModelConfig) -> Self {
        Self {
            config: config.clone(),
            layout: model.parameters(),
            flat: model.to_flat(),
        }
    }

    pub(super) fn sample(&self, batch: &SlotBatch, sample: usize) -> Sample {
        let keep = &batch.masks.keep[sample];
        let all: Vec<u32> = (0..12).collect();
        let hidden: Vec<u32> = all.iter().copied().filter(|t| !keep.contains(t)).collect();
        let (masked, other, stack, twin) = match batch.masks.modality[sample] {
            Modality::Pet => ("pet", "ct", &batch.pet, &batch.ct),
            Modality::Ct => ("ct", "pet", &batch.ct, &batch.pet),
        };
        let visible = self.encode(masked, &self.patches(stack, sample, keep), keep);
        let whole = self.encode(other, &self.patches(twin, sample, &all), &all);
        let class = if masked == "pet" { &visible } else { &whole }[0].clone();
        let predicted = self.decode(masked, &visible, &whole, keep, &hidden);
        let target = self.patches(stack, sample, &hidden);
        let squares = predicted.iter().flatten().zip(target.iter().flatten());
        let error = squares.map(|(a, b)| (a - b).powi(2)).sum::<f64>() / (hidden.len() * 32) as f64;
        Sample {
            error,
            pet_embedding: unit(&self.linear("pet_projection", &[class])[0]),
            text_embedding: unit(&self.read(&batch.tokens[sample])),
        }
    }

    /// Patches of 2x4x4 voxels out of a 4x8x12 stack, tokens over a 2x2x3 grid.
    fn patches(&self, stacks: &[f32], sample: usize, tokens: &[u32]) -> Rows {
        let voxel = |token: u32, at: usize| {
            let (d, h, w) = (
                token as usize / 6,
                token as usize / 3 % 2,
                token as usize % 3,
            );
            let (d, h, w) = (2 * d + at / 16, 4 * h + at / 4 % 4, 4 * w + at % 4);
            f64::from(stacks[((sample * 4 + d) * 8 + h) * 12 + w])
        };
        let patch = |&token: &u32| (0..32).map(|at| voxel(token, at)).collect();
        tokens.iter().map(patch).collect()
    }

    fn encode(&self, name: &str, patches: &Rows, tokens: &[u32]) -> Rows {
        let prefix = format!("{name}_encoder");
        let positions = self.rows(&format!("{prefix}.pos_embed"));
        let mut x = self.rows(&format!("{prefix}.cls_token"));
        let embedded = self.linear(&format!("{prefix}.patch_embed.proj"), patches);
        for (row, &token) in embedded.iter().zip(tokens) {
            x.push(add(row, &positions[1 + token as usize]));
        }
        for block in 0..self.config.encoder.depth {
            let block = format!("{prefix}.blocks.{block}");
            let normed = self.norm(&format!("{block}.norm1"), &x, 1e-6);
            x = sum(
                &x,
                &self.self_attention(&block, &normed, self.config.encoder.heads),
            );
            let normed = self.norm(&format!("{block}.norm2"), &x, 1e-6);
            x = sum(&x, &self.mlp(&block, &normed, gelu));
        }
        self.norm(&format!("{prefix}.norm"), &x, 1e-6)
    }

    fn decode(
        &self,
        name: &str,
        visible: &Rows,
        whole: &Rows,
        keep: &[u32],
        hidden: &[u32],
    ) -> Rows {
        let prefix = format!("{name}_decoder");
        let positions = self.rows(&format!("{prefix}.pos_embed"));
        let visible = self.linear(&format!("{prefix}.embed"), visible);
        let mut x = vec![self.rows(&format!("{prefix}.mask_token"))[0].clone(); 13];
        x[0].clone_from(&visible[0]);
        for (place, &token) in keep.iter().enumerate() {
            x[1 + token as usize].clone_from(&visible[1 + place]);
        }
        let mut x = sum(&x, &positions);
        let memory = self.linear(&format!("{prefix}.memory_embed"), whole);
        let memory = sum(&memory, &positions);
        for block in 0..self.config.decoder.depth {
            let block = format!("{prefix}.blocks.{block}");
            let heads = self.config.decoder.heads;
            let normed = self.norm(&format!("{block}.norm1"), &x, 1e-6);
            x = sum(&x, &self.self_attention(&block, &normed, heads));
            let normed = self.norm(&format!("{block}.norm2"), &x, 1e-6);
            let heard = self.norm(&format!("{block}.norm_y"), &memory, 1e-6);
            let part = |part, rows: &Rows| self.linear(&format!("{block}.cross_attn.{part}"), rows);
            let (q, k, v) = (
                part("projq", &normed),
                part("projk", &heard),
                part("projv", &heard),
            );
            x = sum(&x, &part("proj", &attention(&q, &k, &v, heads, false)));
            let normed = self.norm(&format!("{block}.norm3"), &x, 1e-6);
            x = sum(&x, &self.mlp(&block, &normed, gelu));
        }
        let hidden: Rows = hidden
            .iter()
            .map(|&token| x[1 + token as usize].clone())
            .collect();
        let normed = self.norm(&format!("{prefix}.norm"), &hidden, 1e-6);
        self.linear(&format!("{prefix}.pred"), &normed)
    }

    fn read(&self, ids: &[u32]) -> Vec<f64> {
        let words = self.rows("text.text_model.embeddings.token_embedding.weight");
        let places = self.rows("text.text_model.embeddings.position_embedding.weight");
        let placed = ids.iter().zip(&places);
        let mut x: Rows = placed
            .map(|(&id, place)| add(&words[id as usize], place))
            .collect();
        for layer in 0..self.config.text.depth {
            let layer = format!("text.text_model.encoder.layers.{layer}");
            let normed = self.norm(&format!("{layer}.layer_norm1"), &x, 1e-5);
            let part = |part, rows: &Rows| self.linear(&format!("{layer}.self_attn.{part}"), rows);
            let (q, k, v) = (
                part("q_proj", &normed),
                part("k_proj", &normed),
                part("v_proj", &normed),
            );
            let seen = attention(&q, &k, &v, self.config.text.heads, true);
            x = sum(&x, &part("out_proj", &seen));
            let normed = self.norm(&format!("{layer}.layer_norm2"), &x, 1e-5);
            x = sum(
                &x,
                &self.mlp(&layer, &normed, |x| x / (1.0 + (-1.702 * x).exp())),
            );
        }
        let x = self.norm("text.text_model.final_layer_norm", &x, 1e-5);
        let end = ids.iter().position(|&id| id == 49407).unwrap();
        self.linear("text.text_projection", &[x[end].clone()])
            .remove(0)
    }

    fn self_attention(&self, block: &str, x: &Rows, heads: usize) -> Rows {
        let width = x[0].len();
        let qkv = self.linear(&format!("{block}.attn.qkv"), x);
        let part = |at: usize| -> Rows {
            qkv.iter()
                .map(|row| row[at * width..][..width].to_vec())
                .collect()
        };
        let seen = attention(&part(0), &part(1), &part(2), heads, false);
        self.linear(&format!("{block}.attn.proj"), &seen)
    }

    fn mlp(&self, block: &str, x: &Rows, activation: fn(f64) -> f64) -> Rows {
        let mut wide = self.linear(&format!("{block}.mlp.fc1"), x);
        wide.iter_mut().flatten().for_each(|x| *x = activation(*x));
        self.linear(&format!("{block}.mlp.fc2"), &wide)
    }

    fn linear(&self, name: &str, x: &[Vec<f64>]) -> Rows {
        let weight = self.rows(&format!("{name}.weight"));
        let bias = self.find(&format!("{name}.bias"));
        let bias = bias.unwrap_or_else(|| vec![0.0; weight[0].len()]);
        let through = |row: &Vec<f64>| {
            let out = 0..bias.len();
            out.map(|o| bias[o] + row.iter().zip(&weight).map(|(x, w)| x * w[o]).sum::<f64>())
                .collect()
        };
        x.iter().map(through).collect()
    }

    fn norm(&self, name: &str, x: &Rows, epsilon: f64) -> Rows {
        let weight = self.find(&format!("{name}.weight")).unwrap();
        let bias = self.find(&format!("{name}.bias")).unwrap();
        let normed = |row: &Vec<f64>| {
            let n = row.len() as f64;
            let mean = row.iter().sum::<f64>() / n;
            let variance = row.iter().map(|x| (x - mean).powi(2)).sum::<f64>() / n;
            let scaled = row.iter().map(|x| (x - mean) / (variance + epsilon).sqrt());
            scaled
                .zip(weight.iter().zip(&bias))
                .map(|(x, (w, b))| x * w + b)
                .collect()
        };
        x.iter().map(normed).collect()
    }

    fn rows(&self, name: &str) -> Rows {
        let parameter = self.layout.iter().find(|p| p.name == name).unwrap();
        let width = parameter.shape[parameter.shape.len() - 1];
        self.find(name)
            .unwrap()
            .chunks(width)
            .map(<[f64]>::to_vec)
            .collect()
    }

    fn find(&self, name: &str) -> Option<Vec<f64>> {
        let parameter = self.layout.iter().find(|p| p.name == name)?;
        let values = &self.flat[parameter.offset..][..parameter.len()];
        Some(values.iter().map(|&x| f64::from(x)).collect())
    }
}

fn attention(q: &Rows, k: &Rows, v: &Rows, heads: usize, causal: bool) -> Rows {
    let size = q[0].len() / heads;
    let seen_by = |(place, query): (usize, &Vec<f64>)| {
        let n_seen = if causal { place + 1 } else { k.len() };
        (0..heads)
            .flat_map(|head| {
                let own = head * size..(head + 1) * size;
                let score = |key: &Vec<f64>| {
                    let products = query[own.clone()].iter().zip(&key[own.clone()]);
                    (products.map(|(a, b)| a * b).sum::<f64>() / (size as f64).sqrt()).exp()
                };
                let weights: Vec<f64> = k[..n_seen].iter().map(score).collect();
                let total: f64 = weights.iter().sum();
                own.map(|c| weights.iter().zip(v).map(|(w, v)| w * v[c]).sum::<f64>() / total)
                    .collect::<Vec<_>>()
            })
            .collect()
    };
    q.iter().enumerate().map(seen_by).collect()
}

/// x times the normal distribution's mass below x, by Simpson's rule.
fn gelu(x: f64) -> f64 {
    let density = |t: f64| (-t * t / 2.0).exp() / std::f64::consts::TAU.sqrt();
    let h = x / 200.0;
    let inner = (1..200).map(|i| f64::from(2 + 2 * (i % 2)) * density(f64::from(i) * h));
    let mass = (density(0.0) + inner.sum::<f64>() + density(x)) * h / 3.0;
    x * (0.5 + mass)
}

fn unit(row: &[f64]) -> Vec<f64> {
    let length = row.iter().map(|x| x * x).sum::<f64>().sqrt();
    row.iter().map(|x| x / length).collect()
}

fn add(a: &[f64], b: &[f64]) -> Vec<f64> {
    a.iter().zip(b).map(|(a, b)| a + b).collect()
}

fn sum(a: &Rows, b: &Rows) -> Rows {
    a.iter().zip(b).map(|(a, b)| add(a, b)).collect()
}
