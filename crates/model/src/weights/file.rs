//! A safetensors file in memory: tensors by name, floats as f32 and whole numbers as i64. It opens nothing on a disk.

use std::borrow::Cow;
use std::collections::{BTreeMap, HashMap};

use safetensors::{Dtype, SafeTensors, View};

use super::error::WeightsError;

/// Named tensors, and a few words about them.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct TensorFile {
    /// The path that messages name.
    pub name: String,
    /// The tensors by name.
    pub tensors: BTreeMap<String, FileTensor>,
    /// What the file says of itself.
    pub notes: BTreeMap<String, String>,
}

/// One tensor of a file, row-major.
#[derive(Debug, Clone, PartialEq)]
pub struct FileTensor {
    /// Its shape; empty for a scalar.
    pub shape: Vec<usize>,
    pub values: TensorValues,
}

/// The numbers of a tensor.
#[derive(Debug, Clone, PartialEq)]
pub enum TensorValues {
    /// Stored as f64, f32, f16 or bf16.
    Float(Vec<f32>),
    /// Stored as i64, i32 or u8.
    Whole(Vec<i64>),
}

impl FileTensor {
    /// A tensor of floats; the caller's numbers fill the shape.
    pub fn float(shape: impl Into<Vec<usize>>, values: Vec<f32>) -> Self {
        Self {
            shape: shape.into(),
            values: TensorValues::Float(values),
        }
    }

    /// A tensor of whole numbers, likewise.
    pub fn whole(shape: impl Into<Vec<usize>>, values: Vec<i64>) -> Self {
        Self {
            shape: shape.into(),
            values: TensorValues::Whole(values),
        }
    }
}

impl TensorFile {
    /// Reads a safetensors file's bytes; `name` is its path in messages.
    ///
    /// Tensors of other types than those of [`TensorValues`] are passed over: nobody can ask for their numbers.
    ///
    /// # Errors
    ///
    /// [`WeightsError::Damaged`] for bytes that are no such file.
    pub fn read(name: &str, bytes: &[u8]) -> Result<Self, WeightsError> {
        let damaged = |error: safetensors::SafeTensorError| WeightsError::Damaged {
            file: name.to_owned(),
            reason: error.to_string(),
        };
        let (_, header) = SafeTensors::read_metadata(bytes).map_err(damaged)?;
        let file = SafeTensors::deserialize(bytes).map_err(damaged)?;
        let tensors = file.iter().filter_map(|(tensor, view)| {
            let (shape, values) = (view.shape().to_vec(), decode(view.dtype(), view.data())?);
            Some((tensor.to_owned(), FileTensor { shape, values }))
        });
        Ok(Self {
            name: name.to_owned(),
            tensors: tensors.collect(),
            notes: header.metadata().iter().flatten().map(owned).collect(),
        })
    }

    /// Writes the bytes of a safetensors file: floats as f32, whole numbers as i64.
    ///
    /// # Errors
    ///
    /// [`WeightsError::Unwritable`] when shapes and numbers do not fit together.
    pub fn to_bytes(&self) -> Result<Vec<u8>, WeightsError> {
        let notes: HashMap<String, String> = self.notes.iter().map(owned).collect();
        safetensors::serialize(&self.tensors, Some(notes)).map_err(|error| {
            WeightsError::Unwritable {
                reason: error.to_string(),
            }
        })
    }

    /// The floats of a tensor, whose shape the caller has in mind or looks at.
    ///
    /// # Errors
    ///
    /// [`WeightsError::NoTensor`] and [`WeightsError::Type`].
    pub fn floats(&self, tensor: &str) -> Result<(&[usize], &[f32]), WeightsError> {
        let found = self.tensor(tensor)?;
        match &found.values {
            TensorValues::Float(values) => Ok((&found.shape, values)),
            TensorValues::Whole(_) => Err(self.of_type(tensor, "whole numbers", "floats")),
        }
    }

    /// The whole numbers of a tensor, likewise.
    ///
    /// # Errors
    ///
    /// [`WeightsError::NoTensor`] and [`WeightsError::Type`].
    pub fn wholes(&self, tensor: &str) -> Result<(&[usize], &[i64]), WeightsError> {
        let found = self.tensor(tensor)?;
        match &found.values {
            TensorValues::Whole(values) => Ok((&found.shape, values)),
            TensorValues::Float(_) => Err(self.of_type(tensor, "floats", "whole numbers")),
        }
    }

    fn tensor(&self, tensor: &str) -> Result<&FileTensor, WeightsError> {
        self.tensors
            .get(tensor)
            .ok_or_else(|| WeightsError::NoTensor {
                file: self.name.clone(),
                tensor: tensor.to_owned(),
            })
    }

    fn of_type(&self, tensor: &str, found: &str, expected: &'static str) -> WeightsError {
        WeightsError::Type {
            file: self.name.clone(),
            tensor: tensor.to_owned(),
            found: found.to_owned(),
            expected,
        }
    }
}

fn owned((key, value): (&String, &String)) -> (String, String) {
    (key.clone(), value.clone())
}

fn decode(dtype: Dtype, bytes: &[u8]) -> Option<TensorValues> {
    use TensorValues::{Float, Whole};
    Some(match dtype {
        Dtype::F64 => Float(numbers(bytes, |b| f64::from_le_bytes(b) as f32)),
        Dtype::F32 => Float(numbers(bytes, f32::from_le_bytes)),
        Dtype::F16 => Float(numbers(bytes, |b| half::f16::from_le_bytes(b).to_f32())),
        Dtype::BF16 => Float(numbers(bytes, |b| half::bf16::from_le_bytes(b).to_f32())),
        Dtype::I64 => Whole(numbers(bytes, i64::from_le_bytes)),
        Dtype::I32 => Whole(numbers(bytes, |b| i32::from_le_bytes(b).into())),
        Dtype::U8 => Whole(numbers(bytes, |[b]: [u8; 1]| b.into())),
        _ => return None,
    })
}

fn numbers<const N: usize, T>(bytes: &[u8], read: impl Fn([u8; N]) -> T) -> Vec<T> {
    let (words, _) = bytes.as_chunks();
    words.iter().map(|word| read(*word)).collect()
}

impl View for &FileTensor {
    fn dtype(&self) -> Dtype {
        match self.values {
            TensorValues::Float(_) => Dtype::F32,
            TensorValues::Whole(_) => Dtype::I64,
        }
    }

    fn shape(&self) -> &[usize] {
        &self.shape
    }

    fn data(&self) -> Cow<'_, [u8]> {
        Cow::Owned(match &self.values {
            TensorValues::Float(values) => values.iter().flat_map(|x| x.to_le_bytes()).collect(),
            TensorValues::Whole(values) => values.iter().flat_map(|x| x.to_le_bytes()).collect(),
        })
    }

    fn data_len(&self) -> usize {
        match &self.values {
            TensorValues::Float(values) => size_of_val(values.as_slice()),
            TensorValues::Whole(values) => size_of_val(values.as_slice()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sample() -> TensorFile {
        let mut file = TensorFile {
            name: "f".to_owned(),
            ..TensorFile::default()
        };
        let floats = FileTensor::float([2, 1], vec![0.5, -3.0]);
        file.tensors.insert("a".to_owned(), floats);
        let wholes = FileTensor::whole([2], vec![7, -1]);
        file.tensors.insert("b".to_owned(), wholes);
        file.notes.insert("grid".to_owned(), "1x2x3".to_owned());
        file
    }

    #[test]
    fn a_file_reads_back_as_it_was() {
        let bytes = sample().to_bytes().unwrap();
        let read = TensorFile::read("f", &bytes).unwrap();
        assert_eq!(read, sample());
        assert_eq!(read.floats("a").unwrap(), (&[2, 1][..], &[0.5, -3.0][..]));
        assert_eq!(read.wholes("b").unwrap().1, [7, -1]);
    }

    #[test]
    fn a_tensor_that_is_not_there_or_of_another_type_is_named() {
        let line = |error: WeightsError| error.to_string();
        let file = sample();
        assert_eq!(line(file.floats("c").unwrap_err()), "f has no tensor c");
        assert!(line(file.floats("b").unwrap_err()).contains("tensor b of f is of type whole"));
        assert!(line(file.wholes("a").unwrap_err()).contains("tensor a of f is of type floats"));
    }

    #[test]
    fn half_precision_and_small_numbers_are_widened() {
        let half = half::f16::from_f32(1.5).to_le_bytes();
        assert_eq!(
            decode(Dtype::F16, &half),
            Some(TensorValues::Float(vec![1.5]))
        );
        let brain = half::bf16::from_f32(-2.0).to_le_bytes();
        assert_eq!(
            decode(Dtype::BF16, &brain),
            Some(TensorValues::Float(vec![-2.0]))
        );
        assert_eq!(decode(Dtype::U8, &[9]), Some(TensorValues::Whole(vec![9])));
        assert_eq!(decode(Dtype::BOOL, &[1]), None);
    }

    #[test]
    fn broken_bytes_are_refused_and_never_panic() {
        let bytes = sample().to_bytes().unwrap();
        for length in 0..bytes.len() {
            assert!(TensorFile::read("f", &bytes[..length]).is_err(), "{length}");
        }
        for index in 0..bytes.len() {
            let mut bad = bytes.clone();
            bad[index] ^= 0xff;
            let _never_panics = TensorFile::read("f", &bad);
        }
    }
}
