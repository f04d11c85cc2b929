//! Optional values in files: TOML has no null, so "none" stands for it; a missing key keeps its default.

use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error as _};

#[derive(Deserialize)]
#[serde(untagged)]
enum NoneOr<T> {
    Value(T),
    Word(String),
}

/// Serializes the value, or the word "none".
pub(super) fn serialize<T: Serialize, S: Serializer>(value: &Option<T>, serializer: S) -> Result<S::Ok, S::Error> {
    match value {
        Some(value) => value.serialize(serializer),
        None => serializer.serialize_str("none"),
    }
}

/// Deserializes a value, or the word "none".
pub(super) fn deserialize<'de, T: Deserialize<'de>, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<Option<T>, D::Error> {
    match NoneOr::deserialize(deserializer)? {
        NoneOr::Value(value) => Ok(Some(value)),
        NoneOr::Word(word) if word == "none" => Ok(None),
        NoneOr::Word(word) => Err(D::Error::custom(format!("expected a number or \"none\", found {word:?}"))),
    }
}
