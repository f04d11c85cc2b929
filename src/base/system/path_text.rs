//! Paths as text in JSON files, also those that are no valid text.
//!
//! On Unix a path is any bytes. Those that are not UTF-8 become characters U+EF80 to U+EFFF of the private use area, and become
//! the same bytes again when the text is read.

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use std::path::{Path, PathBuf};

/// First of the characters that stand for the bytes 0x80 to 0xFF.
#[cfg(unix)]
const FIRST: u32 = 0xEF80;

/// A path as text.
pub fn to_text(path: &Path) -> String {
    if let Some(text) = path.to_str() {
        return text.to_owned();
    }
    #[cfg(unix)]
    {
        use std::os::unix::ffi::OsStrExt;
        let mut text = String::new();
        for chunk in path.as_os_str().as_bytes().utf8_chunks() {
            text.push_str(chunk.valid());
            let bytes = chunk.invalid().iter().map(|byte| FIRST + u32::from(*byte) - 0x80);
            text.extend(bytes.filter_map(char::from_u32));
        }
        text
    }
    #[cfg(not(unix))]
    path.to_string_lossy().into_owned()
}

/// The path of a text.
pub fn from_text(text: &str) -> PathBuf {
    #[cfg(unix)]
    {
        use std::os::unix::ffi::OsStringExt;
        let mut bytes = Vec::with_capacity(text.len());
        for c in text.chars() {
            match u32::from(c).checked_sub(FIRST).filter(|offset| *offset < 0x80) {
                Some(offset) => bytes.push(0x80 + offset as u8),
                None => bytes.extend(c.encode_utf8(&mut [0; 4]).as_bytes()),
            }
        }
        std::ffi::OsString::from_vec(bytes).into()
    }
    #[cfg(not(unix))]
    PathBuf::from(text)
}

/// A path in a list or an option, for serde.
#[derive(Serialize, Deserialize)]
#[serde(transparent)]
struct Text(#[serde(with = "self")] PathBuf);

/// Writes a path as text.
///
/// # Errors
/// Those of the serializer.
pub fn serialize<S: Serializer>(path: &Path, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(&to_text(path))
}

/// Reads a path from text.
///
/// # Errors
/// Those of the deserializer.
pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<PathBuf, D::Error> {
    Ok(from_text(&String::deserialize(deserializer)?))
}

/// The same for paths that may be missing.
pub mod option {
    use super::{Deserialize, Deserializer, PathBuf, Serialize, Serializer, Text};

    /// Writes a path as text.
    ///
    /// # Errors
    /// Those of the serializer.
    pub fn serialize<S: Serializer>(path: &Option<PathBuf>, serializer: S) -> Result<S::Ok, S::Error> {
        path.clone().map(Text).serialize(serializer)
    }

    /// Reads a path from text.
    ///
    /// # Errors
    /// Those of the deserializer.
    pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<PathBuf>, D::Error> {
        Ok(Option::<Text>::deserialize(deserializer)?.map(|Text(path)| path))
    }
}

/// The same for lists of paths.
pub mod list {
    use super::{Deserialize, Deserializer, PathBuf, Serialize, Serializer, Text};

    /// Writes the paths as texts.
    ///
    /// # Errors
    /// Those of the serializer.
    pub fn serialize<S: Serializer>(paths: &[PathBuf], serializer: S) -> Result<S::Ok, S::Error> {
        paths.iter().cloned().map(Text).collect::<Vec<_>>().serialize(serializer)
    }

    /// Reads the paths from texts.
    ///
    /// # Errors
    /// Those of the deserializer.
    pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<PathBuf>, D::Error> {
        Ok(Vec::<Text>::deserialize(deserializer)?.into_iter().map(|Text(path)| path).collect())
    }
}

#[cfg(all(test, unix))]
mod tests {
    use super::*;
    use std::ffi::OsStr;
    use std::os::unix::ffi::OsStrExt;

    #[test]
    fn any_path_survives_as_text() {
        for bytes in [&b"plain/a.npz"[..], "Größe.npz".as_bytes(), b"bad\xff\x80x\xe2\x82.npz", b"\xc3\xb6\xc3"] {
            let path = Path::new(OsStr::from_bytes(bytes));
            assert_eq!(from_text(&to_text(path)), path);
            let json = serde_json::to_string(&Text(path.to_owned())).unwrap();
            let Text(read) = serde_json::from_str(&json).unwrap();
            assert_eq!(read, path, "{json}");
        }
        assert_eq!(to_text(Path::new("a/b")), "a/b");
    }
}
