//! The network's parameters on the host, and as safetensors.
//!
//! The format is simple enough to be read safely from untrusted files: 8 bytes of header length, a JSON header, then
//! the values. All claims of the header are checked against the actual bytes before anything is allocated.

use std::collections::{BTreeMap, BTreeSet};

use ndarray::ArrayD;
use serde::Deserialize;
use serde::de::{MapAccess, Visitor};

use crate::error::{Error, Problem, Result};

/// Longest accepted header, in bytes; a network with a thousand parameters needs about 0.1 MB.
const MAX_HEADER_BYTES: usize = 16 << 20;

/// Parameters of a network by name, row-major.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Weights(pub BTreeMap<String, ArrayD<f32>>);

/// Entry of the header for one tensor.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Entry {
    dtype: String,
    shape: Vec<usize>,
    data_offsets: [usize; 2],
}

/// The header in file order: serde's maps would hide duplicate names.
struct Header {
    entries: Vec<(String, Entry)>,
    metadata: BTreeMap<String, String>,
}

impl<'de> Deserialize<'de> for Header {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> std::result::Result<Self, D::Error> {
        struct Entries;
        impl<'de> Visitor<'de> for Entries {
            type Value = Header;
            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("an object of tensors")
            }
            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> std::result::Result<Header, A::Error> {
                let (mut entries, mut metadata) = (Vec::new(), BTreeMap::new());
                while let Some(name) = map.next_key::<String>()? {
                    if name == "__metadata__" {
                        metadata = map.next_value()?;
                    } else {
                        entries.push((name, map.next_value()?));
                    }
                }
                Ok(Header { entries, metadata })
            }
        }
        deserializer.deserialize_map(Entries)
    }
}

impl Weights {
    /// Total number of values.
    pub fn parameter_count(&self) -> usize {
        self.0.values().map(ArrayD::len).sum()
    }

    /// Checks that there are parameters and all their values are finite.
    ///
    /// # Errors
    /// [`Error::BadInput`]: there are no parameters, or the named one is empty or contains NaN or infinity.
    pub fn check(&self) -> Result<()> {
        if self.0.is_empty() {
            return Err(Error::bad_input("The weights contain no parameters"));
        }
        for (name, values) in &self.0 {
            if values.is_empty() {
                return Err(Error::bad_input(format!("The parameter {name:?} is empty, shape {:?}", values.shape())));
            }
            if !values.iter().all(|v| v.is_finite()) {
                return Err(Error::bad_input(format!("The parameter {name:?} contains NaN or infinity")));
            }
        }
        Ok(())
    }

    /// Bytes of a safetensors file: sorted by name, f32 little endian; equal weights give equal bytes.
    ///
    /// # Errors
    /// As [`Weights::check`].
    pub fn to_bytes(&self) -> Result<Vec<u8>> {
        self.check()?;
        let tensors = self.0.iter().map(|(name, values)| {
            let bytes = values.iter().flat_map(|value| value.to_le_bytes()).collect();
            RawTensor { name: name.clone(), dtype: "F32", shape: values.shape().to_vec(), bytes }
        });
        Ok(safetensors(&tensors.collect::<Vec<_>>(), None))
    }

    /// Reads a safetensors file of f32 parameters.
    ///
    /// # Errors
    /// The file contains anything other than finite f32 values without gaps, overlaps or duplicate names; names the
    /// problem.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self> {
        let weights = Self(read_safetensors(bytes, |dtype| dtype == "F32")?.tensors);
        weights.check()?;
        Ok(weights)
    }

    /// Reads a safetensors file of another program: f32, and integers as counters; empty tensors are skipped.
    ///
    /// # Errors
    /// As [`Weights::from_bytes`], except that integers and values that are not finite are accepted.
    pub fn state_dict(bytes: &[u8]) -> Result<StateDict> {
        let mut read = read_safetensors(bytes, |dtype| matches!(dtype, "F32" | "I64"))?;
        read.tensors.retain(|_, values| !values.is_empty());
        Ok(read)
    }
}

/// Contents of a safetensors file.
#[derive(Debug, Clone, Default)]
pub struct StateDict {
    /// Tensors by name.
    pub tensors: BTreeMap<String, ArrayD<f32>>,
    /// Metadata of the header by name.
    pub metadata: BTreeMap<String, String>,
}

/// One tensor of a safetensors file.
#[derive(Debug, Clone)]
pub struct RawTensor {
    /// Name in the file.
    pub name: String,
    /// `F32` or `I64`.
    pub dtype: &'static str,
    /// Shape, row-major.
    pub shape: Vec<usize>,
    /// Values, little endian, row-major.
    pub bytes: Vec<u8>,
}

/// Bytes of a safetensors file with these tensors, in this order, and optional metadata.
pub fn safetensors(tensors: &[RawTensor], metadata: Option<BTreeMap<String, String>>) -> Vec<u8> {
    let mut header = serde_json::Map::new();
    if let Some(metadata) = metadata {
        header.insert("__metadata__".to_owned(), serde_json::json!(metadata));
    }
    let mut end = 0;
    for RawTensor { name, dtype, shape, bytes } in tensors {
        let start = end;
        end += bytes.len();
        let entry = serde_json::json!({ "dtype": dtype, "shape": shape, "data_offsets": [start, end] });
        header.insert(name.clone(), entry);
    }
    let mut header = serde_json::Value::Object(header).to_string();
    // The values start at a multiple of 8 bytes.
    while !header.len().is_multiple_of(8) {
        header.push(' ');
    }
    let mut bytes = Vec::with_capacity(8 + header.len() + end);
    bytes.extend_from_slice(&(header.len() as u64).to_le_bytes());
    bytes.extend_from_slice(header.as_bytes());
    for tensor in tensors {
        bytes.extend_from_slice(&tensor.bytes);
    }
    bytes
}

/// Reads a safetensors file whose data types are all `known`.
fn read_safetensors(bytes: &[u8], known: impl Fn(&str) -> bool) -> Result<StateDict> {
    let broken = |what: String| {
        Error::from(
            Problem::new(format!("The weights are not a valid safetensors file: {what}"))
                .hint("The file is damaged or has another format; train again, or use another copy"),
        )
    };
    let Some((length, rest)) = bytes.split_first_chunk::<8>() else {
        return Err(broken(format!("it has {} bytes", bytes.len())));
    };
    let length = u64::from_le_bytes(*length);
    let header_length = usize::try_from(length).ok().filter(|l| *l <= rest.len() && *l <= MAX_HEADER_BYTES);
    let Some((header, data)) = header_length.and_then(|l| rest.split_at_checked(l)) else {
        return Err(broken(format!("its header claims {length} of {} bytes", bytes.len())));
    };
    let Header { mut entries, metadata } =
        serde_json::from_slice(header).map_err(|error| broken(format!("its header cannot be read ({error})")))?;
    entries.sort_by_key(|(_, entry)| entry.data_offsets);

    let mut names = BTreeSet::new();
    let mut weights = BTreeMap::new();
    let mut position = 0;
    for (name, Entry { dtype, shape, data_offsets: [start, end] }) in entries {
        if !known(&dtype) {
            return Err(broken(format!("parameter {name:?} has type {dtype}; only F32 is supported")));
        }
        let width = if dtype == "I64" { 8_usize } else { 4 };
        let size = shape.iter().try_fold(width, |product, side| product.checked_mul(*side));
        if start != position || end < start || size != Some(end - start) {
            return Err(broken(format!(
                "parameter {name:?} of shape {shape:?} is at bytes {start} to {end}, after {position} used bytes"
            )));
        }
        let Some(values) = data.get(start..end) else {
            return Err(broken(format!("parameter {name:?} ends at byte {end} of {}", data.len())));
        };
        position = end;
        let values: Vec<f32> = if width == 8 {
            values.as_chunks::<8>().0.iter().map(|b| i64::from_le_bytes(*b) as f32).collect()
        } else {
            values.as_chunks::<4>().0.iter().map(|b| f32::from_le_bytes(*b)).collect()
        };
        let values = ArrayD::from_shape_vec(shape, values).map_err(|error| broken(format!("{name:?}: {error}")))?;
        if !names.insert(name.clone()) {
            return Err(broken(format!("parameter {name:?} occurs twice")));
        }
        weights.insert(name, values);
    }
    if position != data.len() {
        return Err(broken(format!("{} bytes belong to no parameter", data.len() - position)));
    }
    Ok(StateDict { tensors: weights, metadata })
}

#[cfg(test)]
mod tests {
    use super::*;
    use ndarray::{Dimension, IxDyn};

    fn weights() -> Weights {
        let array = |shape: &[usize], from: f32| {
            ArrayD::from_shape_fn(IxDyn(shape), |i| {
                from + i.as_array_view().iter().fold(0.0, |a, b| a * 10.0 + *b as f32)
            })
        };
        Weights(BTreeMap::from([
            ("decoder.0.bias".to_owned(), array(&[3], -1.0)),
            ("decoder.0.weight".to_owned(), array(&[3, 2, 3, 3], 0.5)),
            ("alpha".to_owned(), array(&[], 1e-30)),
        ]))
    }

    fn file(header: &str, data: &[u8]) -> Vec<u8> {
        [&(header.len() as u64).to_le_bytes()[..], header.as_bytes(), data].concat()
    }

    #[test]
    fn weights_survive_a_round_trip_including_transposed_ones() {
        let mut weights = weights();
        let transposed = weights.0["decoder.0.weight"].clone().permuted_axes(IxDyn(&[3, 2, 1, 0]));
        weights.0.insert("transposed".to_owned(), transposed);
        let bytes = weights.to_bytes().unwrap();
        assert_eq!(Weights::from_bytes(&bytes).unwrap(), weights);
        assert_eq!(weights.to_bytes().unwrap(), bytes);
        assert_eq!(weights.parameter_count(), 3 + 54 + 1 + 54);
    }

    #[test]
    fn the_reference_implementation_reads_the_file_and_writes_the_same_bytes() {
        use ::safetensors::{Dtype, SafeTensors, tensor::TensorView};
        let weights = weights();
        let bytes = weights.to_bytes().unwrap();
        let read = SafeTensors::deserialize(&bytes).unwrap();
        assert_eq!(read.len(), weights.0.len());
        let views = weights.0.iter().map(|(name, values)| {
            let tensor = read.tensor(name).unwrap();
            assert_eq!((tensor.dtype(), tensor.shape()), (Dtype::F32, values.shape()));
            (name, TensorView::new(Dtype::F32, values.shape().to_vec(), tensor.data()).unwrap())
        });
        assert_eq!(::safetensors::serialize(views, None).unwrap(), bytes);
    }

    #[test]
    fn a_file_of_another_program_is_read_with_any_order_of_its_header() {
        let header = r#"{"__metadata__":{"format":"pt"},"b":{"dtype":"F32","shape":[1],"data_offsets":[8,12]},"a":{"dtype":"F32","shape":[2,1],"data_offsets":[0,8]}}  "#;
        let data: Vec<u8> = [1.0_f32, 2.0, 3.0].iter().flat_map(|v| v.to_le_bytes()).collect();
        let read = Weights::from_bytes(&file(header, &data)).unwrap();
        assert_eq!(read.0["a"], ndarray::arr2(&[[1.0_f32], [2.0]]).into_dyn());
        assert_eq!(read.0["b"], ndarray::arr1(&[3.0_f32]).into_dyn());
    }

    #[test]
    fn every_defect_of_a_file_is_named() {
        let one = 1.0_f32.to_le_bytes();
        let nan = f32::NAN.to_le_bytes();
        let big = format!(r#"{{"a":{{"dtype":"F32","shape":[{0},{0}],"data_offsets":[0,4]}}}}"#, usize::MAX);
        let cases: [(Vec<u8>, &str); 12] = [
            (vec![1, 2], "2 bytes"),
            (file("{}", &[]), "no parameters"),
            (u64::MAX.to_le_bytes().to_vec(), "its header claims"),
            (file("[1]", &[]), "cannot be read"),
            (file(r#"{"a":{"dtype":"F16","shape":[1],"data_offsets":[0,2]}}"#, &one[..2]), "type F16"),
            (file(r#"{"a":{"dtype":"F32","shape":[2],"data_offsets":[0,4]}}"#, &one), "bytes 0 to 4"),
            (file(r#"{"a":{"dtype":"F32","shape":[1],"data_offsets":[4,8]}}"#, &[one, one].concat()), "bytes 4 to 8"),
            (file(r#"{"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4]}}"#, &[]), "ends at byte 4 of 0"),
            (file(r#"{"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4]}}"#, &[one, one].concat()), "no parameter"),
            (file(r#"{"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4]}}"#, &nan), "NaN"),
            (
                file(
                    r#"{"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4]},"a":{"dtype":"F32","shape":[1],"data_offsets":[4,8]}}"#,
                    &[one, one].concat(),
                ),
                "twice",
            ),
            (file(&big, &one), "bytes 0 to 4"),
        ];
        for (bytes, expected) in cases {
            let error = Weights::from_bytes(&bytes).unwrap_err().to_string();
            assert!(error.contains(expected), "{expected}: {error}");
        }
    }

    #[test]
    fn no_flipped_or_missing_byte_causes_a_panic() {
        let bytes = weights().to_bytes().unwrap();
        for i in 0..bytes.len() {
            for bit in [1, 0x20, 0x80] {
                let mut changed = bytes.clone();
                changed[i] ^= bit;
                let _ = Weights::from_bytes(&changed);
            }
            assert!(Weights::from_bytes(&bytes[..i]).is_err());
        }
    }

    #[test]
    fn weights_that_are_not_finite_are_not_written() {
        let mut weights = weights();
        weights.0.insert("bad".to_owned(), ndarray::arr1(&[f32::INFINITY]).into_dyn());
        assert!(weights.to_bytes().unwrap_err().to_string().contains("\"bad\""));
        assert!(Weights::default().to_bytes().is_err());
    }
}
