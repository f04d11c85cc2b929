//! `torch.save`: a zip archive of one pickle, which describes the tensors, and one member for each storage.

use super::{MAX_BYTES, SUPPORTED, damaged};
use crate::error::{Problem, Result};
use crate::formats::pickle::{Call, Id, Pickle, Value};
use half::{bf16, f16};
use ndarray::ArrayD;
use std::collections::BTreeMap;
use std::io::{Cursor, Read};
use zip::ZipArchive;

/// Longest pickle read, in bytes; that of a checkpoint with its optimizer has some ten thousand.
const LONGEST_PICKLE: u64 = 64 << 20;

/// An open archive.
pub(in crate::checkpoint) struct Archive<'a> {
    zip: ZipArchive<Cursor<&'a [u8]>>,
    /// Prefix of the names of the members, with the slash.
    prefix: String,
    pickle: Pickle,
    little_endian: bool,
    /// Bytes that may still be unpacked: tensors may share a storage, and each unpacks it.
    left: u64,
}

/// Type of the values in a storage.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Element {
    F64,
    F32,
    F16,
    Bf16,
    I64,
    I32,
}

impl Element {
    fn of(name: &str) -> Option<Self> {
        Some(match name {
            "torch.DoubleStorage" => Self::F64,
            "torch.FloatStorage" => Self::F32,
            "torch.HalfStorage" => Self::F16,
            "torch.BFloat16Storage" => Self::Bf16,
            "torch.LongStorage" => Self::I64,
            "torch.IntStorage" => Self::I32,
            _ => return None,
        })
    }

    fn width(self) -> usize {
        match self {
            Self::F64 | Self::I64 => 8,
            Self::F32 | Self::I32 => 4,
            Self::F16 | Self::Bf16 => 2,
        }
    }

    /// Value of `width` little-endian bytes.
    fn value(self, bytes: &[u8]) -> f32 {
        let mut wide = [0u8; 8];
        wide.iter_mut().zip(bytes).for_each(|(to, from)| *to = *from);
        let bits = u64::from_le_bytes(wide);
        match self {
            Self::F64 => f64::from_bits(bits) as f32,
            Self::F32 => f32::from_bits(bits as u32),
            Self::F16 => f16::from_bits(bits as u16).into(),
            Self::Bf16 => bf16::from_bits(bits as u16).into(),
            Self::I64 => bits.cast_signed() as f32,
            Self::I32 => (bits as u32).cast_signed() as f32,
        }
    }
}

/// Location of the values of a tensor.
struct Placed {
    storage: String,
    element: Element,
    offset: usize,
    shape: Vec<usize>,
    strides: Vec<usize>,
}

impl<'a> Archive<'a> {
    pub fn open(bytes: &'a [u8]) -> Result<Self> {
        let broken = |error: &dyn std::fmt::Display| damaged(format!("The PyTorch archive cannot be read ({error})"));
        let mut zip = ZipArchive::new(Cursor::new(bytes)).map_err(|error| broken(&error))?;
        let names: Vec<_> = zip.file_names_raw().map(|name| String::from_utf8_lossy(name).into_owned()).collect();
        let name = names.into_iter().find(|name| name == "data.pkl" || name.ends_with("/data.pkl"));
        let Some(name) = name else { return Err(broken(&"it has no data.pkl")) };
        let prefix = name.trim_end_matches("data.pkl").to_owned();
        let mut text = Vec::new();
        let member = zip.by_name(&name).map_err(|error| broken(&error))?;
        if member.size() > LONGEST_PICKLE {
            return Err(broken(&format!("its pickle has {} bytes", member.size())));
        }
        member.take(LONGEST_PICKLE).read_to_end(&mut text).map_err(|error| broken(&error))?;
        let pickle = Pickle::read(&text).map_err(|error| broken(&error))?;
        let mut order = String::new();
        if let Ok(member) = zip.by_name(&format!("{prefix}byteorder")) {
            let _unreadable = member.take(16).read_to_string(&mut order);
        }
        Ok(Self { zip, prefix, pickle, little_endian: order.trim() != "big", left: MAX_BYTES })
    }

    pub fn pickle(&self) -> &Pickle {
        &self.pickle
    }

    /// Tensors of the `state_dict`, which may be part of a checkpoint.
    pub fn state_dict(&mut self) -> Result<BTreeMap<String, ArrayD<f32>>> {
        let root = self.pickle.root();
        if let Some(class) = is_whole_module(&self.pickle) {
            return Err(Problem::new(format!(
                "The file holds a whole pickled object ({class}), which cannot be loaded without running its code"
            ))
            .expected(SUPPORTED)
            .hint("Save its weights alone: torch.save(model.state_dict(), \"weights.pt\")")
            .into());
        }
        if self.pickle.entry(root, "_sentinel").is_some() {
            return Err(Problem::new("The file is a placeholder of a PtychoPINN bundle, without weights")
                .expected("diffraction_to_obj/model.pth, or the whole wts.h5.zip")
                .into());
        }
        let inside = ["state_dict", "model_state_dict"].iter().find_map(|key| self.pickle.entry(root, key));
        let entries = self.pickle.entries(inside.unwrap_or(root)).unwrap_or_default().to_vec();
        let mut tensors = BTreeMap::new();
        for (key, value) in entries {
            let Some(name) = self.pickle.text(key).map(str::to_owned) else { continue };
            let Some(placed) = self.placed(value).map_err(|what| damaged(format!("The tensor {name:?} {what}")))?
            else {
                continue;
            };
            let values = self.values(&placed).map_err(|what| damaged(format!("The tensor {name:?} {what}")))?;
            // A gate without hidden units has empty tensors.
            if !values.is_empty() {
                tensors.insert(name, values);
            }
        }
        if tensors.is_empty() {
            return Err(Problem::new("The PyTorch archive contains no named tensors").expected(SUPPORTED).into());
        }
        Ok(tensors)
    }

    /// Location of the values of a tensor; `None` for anything else.
    fn placed(&self, id: Id) -> std::result::Result<Option<Placed>, String> {
        let pickle = &self.pickle;
        let Value::Call(call) = pickle.get(id) else { return Ok(None) };
        let arguments = pickle.parts(call.arguments);
        match pickle.called(call) {
            "torch._utils._rebuild_tensor_v2" => self.rebuilt(arguments).map(Some),
            "torch._utils._rebuild_parameter" | "torch._utils._rebuild_parameter_with_state" => {
                // A parameter wraps a tensor, never another parameter.
                match arguments.first().map(|inner| pickle.get(*inner)) {
                    Some(Value::Call(inner)) if pickle.called(inner) == "torch._utils._rebuild_tensor_v2" => {
                        self.rebuilt(pickle.parts(inner.arguments)).map(Some)
                    }
                    _ => Err("does not wrap a tensor".into()),
                }
            }
            other if other.contains("_rebuild_") => Err(format!("is of an unsupported kind ({other})")),
            _ => Ok(None),
        }
    }

    /// Location from the arguments storage, offset, shape, strides, ….
    fn rebuilt(&self, arguments: &[Id]) -> std::result::Result<Placed, String> {
        let pickle = &self.pickle;
        let [storage, offset, shape, strides, ..] = arguments else { return Err("has too few arguments".into()) };
        let Value::Outside(name) = pickle.get(*storage) else { return Err("has no storage".into()) };
        let [_, kind, key, ..] = pickle.parts(*name) else { return Err("has a storage without name".into()) };
        let Value::Name(kind) = pickle.get(*kind) else { return Err("has a storage without type".into()) };
        let element = Element::of(kind).ok_or_else(|| format!("has values of the unsupported type {kind}"))?;
        let number = |id: &Id| match pickle.get(*id) {
            Value::Int(n) => usize::try_from(*n).map_err(|_| format!("has a size of {n}")),
            other => Err(format!("has a size of {other:?}")),
        };
        let numbers = |id: &Id| pickle.parts(*id).iter().map(number).collect::<std::result::Result<Vec<_>, _>>();
        let (shape, strides) = (numbers(shape)?, numbers(strides)?);
        if shape.len() != strides.len() {
            return Err("has more axes than strides".into());
        }
        let storage = pickle.text(*key).ok_or("has a storage without key")?.to_owned();
        Ok(Placed { storage, element, offset: number(offset)?, shape, strides })
    }

    /// Values of a tensor in C order.
    fn values(&mut self, placed: &Placed) -> std::result::Result<ArrayD<f32>, String> {
        let Placed { storage, element, offset, shape, strides } = placed;
        let count = shape.iter().try_fold(1usize, |product, side| product.checked_mul(*side));
        let count = count.ok_or_else(|| format!("has an impossible shape {shape:?}"))?;
        if count == 0 {
            return Ok(ArrayD::zeros(shape.clone()));
        }
        let name = format!("{}data/{storage}", self.prefix);
        let mut bytes = Vec::new();
        let member = self.zip.by_name(&name).map_err(|_| format!("lacks its values ({name})"))?;
        let size = member.size();
        self.left = self.left.checked_sub(size).ok_or("needs more memory than any network")?;
        member.take(size).read_to_end(&mut bytes).map_err(|error| format!("cannot be unpacked ({error})"))?;
        let width = element.width();
        // Weights are not a few values repeated many times.
        if count > bytes.len() / width {
            return Err(format!("of shape {shape:?} has more values than are stored"));
        }
        let mut values = Vec::with_capacity(count.min(bytes.len()));
        let mut index = vec![0usize; shape.len()];
        for _ in 0..count {
            let at =
                index.iter().zip(strides).try_fold(*offset, |at, (i, stride)| at.checked_add(i.checked_mul(*stride)?));
            let from = at.and_then(|at| at.checked_mul(width));
            let piece = from.and_then(|from| bytes.get(from..from.checked_add(width)?));
            let piece = piece.ok_or("reaches beyond its values")?;
            values.push(if self.little_endian {
                element.value(piece)
            } else {
                element.value(&piece.iter().rev().copied().collect::<Vec<_>>())
            });
            for (i, side) in index.iter_mut().zip(shape).rev() {
                *i += 1;
                if *i < *side {
                    break;
                }
                *i = 0;
            }
        }
        ArrayD::from_shape_vec(shape.clone(), values).map_err(|error| error.to_string())
    }
}

/// Class of the object that a pickle contains in place of a dictionary; `None` if it contains a dictionary.
fn is_whole_module(pickle: &Pickle) -> Option<String> {
    let Value::Call(call @ Call { .. }) = pickle.get(pickle.root()) else { return None };
    match pickle.called(call) {
        "collections.OrderedDict" => None,
        // Constructors that do not call the class directly: the class is the first argument.
        "copyreg._reconstructor" | "copy_reg._reconstructor" | "copyreg.__newobj__" => {
            match pickle.parts(call.arguments).first().map(|id| pickle.get(*id)) {
                Some(Value::Name(class)) => Some(class.clone()),
                _ => Some("an object".to_owned()),
            }
        }
        class => Some(class.to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_of_every_type_are_read() {
        let half = |bits: u16| Element::F16.value(&bits.to_le_bytes());
        assert_eq!(half(0x3c00), 1.0);
        assert_eq!(half(0xc500), -5.0);
        assert_eq!(half(0x0001), 2f32.powi(-24));
        assert_eq!(half(0x7bff), 65504.0);
        assert!(half(0x7c00).is_infinite() && half(0x7e00).is_nan());
        assert_eq!(Element::Bf16.value(&[0x80, 0x3f]), 1.0);
        assert_eq!(Element::F64.value(&0.25f64.to_le_bytes()), 0.25);
        assert_eq!(Element::I32.value(&(-3i32).to_le_bytes()), -3.0);
    }

    #[test]
    fn an_archive_of_something_else_is_an_error() {
        assert!(Archive::open(b"PK").is_err());
        let error = Archive::open(b"").err().unwrap();
        assert!(error.to_string().contains("PyTorch archive"), "{error}");
    }
}
