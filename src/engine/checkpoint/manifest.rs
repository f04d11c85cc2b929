//! Manifest of a bundle.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::config::Seeds;
use crate::error::{Error, Problem, Result};
use crate::train::Scaling;

/// Version of the bundle's format that this program writes, and the only one it reads.
pub const FORMAT_VERSION: u32 = 1;

/// Device on which a network was trained.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DeviceInfo {
    /// Name of the adapter or processor.
    pub name: String,
    /// Backend: "cpu", "vulkan", "metal", …
    pub backend: String,
    /// Driver and its version; empty for the CPU.
    pub driver: String,
    /// "cpu", "discrete gpu", "integrated gpu", "software", …
    pub kind: String,
}

/// Dataset on which a network was trained.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DatasetInfo {
    /// Path as given.
    pub path: String,
    /// Fingerprint of the content.
    pub fingerprint: String,
    /// Number of patterns.
    pub n: usize,
    /// Side N of a pattern and of a patch, in pixels.
    pub patch_size: usize,
}

/// `manifest.json` of a bundle.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Manifest {
    /// [`FORMAT_VERSION`] of the program that wrote the bundle.
    pub format_version: u32,
    /// Version of the program that wrote the bundle.
    pub app_version: String,
    /// Time of writing, UTC, ISO 8601.
    pub created: String,
    /// Device of the training.
    pub device: DeviceInfo,
    /// True if training fell back to the CPU.
    pub reduced_capability: bool,
    /// Dataset of the training.
    pub dataset: DatasetInfo,
    /// Further datasets of the training.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub further_datasets: Vec<DatasetInfo>,
    /// Seeds of the training.
    pub seeds: Seeds,
    /// Factors between the units of the data and of the network.
    pub scaling: Scaling,
    /// Number of optimizer steps.
    pub steps: usize,
    /// Number of epochs.
    pub epochs: usize,
    /// End of the training: "completed", "stopped", …
    pub outcome: String,
    /// SHA-256 of every other member by name, hexadecimal. Filled in on saving.
    #[serde(default)]
    pub sha256: BTreeMap<String, String>,
}

/// Fields common to all versions.
#[derive(Deserialize)]
struct Version {
    format_version: u64,
    #[serde(default)]
    app_version: String,
}

impl Manifest {
    /// Manifest as indented JSON.
    ///
    /// # Errors
    /// [`Error::Failed`] if a number cannot be written as JSON.
    pub fn to_json(&self) -> Result<Vec<u8>> {
        let mut bytes = serde_json::to_vec_pretty(self)
            .map_err(|error| Error::failed(format!("Cannot write the manifest as JSON ({error})")))?;
        bytes.push(b'\n');
        Ok(bytes)
    }

    /// Reads and checks a manifest of this version.
    ///
    /// # Errors
    /// Another format version (named, with a remedy), missing or unknown fields, invalid values.
    pub fn from_json(bytes: &[u8]) -> Result<Self> {
        let broken = |error: serde_json::Error| {
            Error::from(
                Problem::new(format!("manifest.json cannot be read ({error})"))
                    .hint("Take another copy, or train again"),
            )
        };
        let version: Version = serde_json::from_slice(bytes).map_err(broken)?;
        if version.format_version != u64::from(FORMAT_VERSION) {
            let newer = version.format_version > u64::from(FORMAT_VERSION);
            return Err(Problem::new(format!(
                "The model has format version {} (written by Ptychoscope {})",
                version.format_version,
                if version.app_version.is_empty() { "of unknown version" } else { &version.app_version }
            ))
            .expected(format!("format version {FORMAT_VERSION}"))
            .hint(if newer {
                "Update Ptychoscope to read it"
            } else {
                "Train again, or use the version of Ptychoscope that wrote it"
            })
            .into());
        }
        let manifest: Self = serde_json::from_slice(bytes).map_err(broken)?;
        manifest.check()?;
        Ok(manifest)
    }

    /// Checks that the scaling factors are finite and positive.
    ///
    /// # Errors
    /// [`Error::BadInput`] that names the factor.
    pub fn check(&self) -> Result<()> {
        let Scaling { normalization, probe_factor, nphotons } = self.scaling;
        for (name, value) in [("normalization", normalization), ("probe_factor", probe_factor), ("nphotons", nphotons)]
        {
            if !(value.is_finite() && value > 0.0) {
                return Err(Problem::new(format!("The scaling factor {name} of the model is {value}"))
                    .expected("a finite positive number")
                    .into());
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::checkpoint::testing::manifest;

    #[test]
    fn a_manifest_is_read_back_exactly() {
        let manifest = manifest(64);
        let read = Manifest::from_json(&manifest.to_json().unwrap()).unwrap();
        assert_eq!(read, manifest);
        assert_eq!(read.scaling.normalization.to_bits(), (0.1_f64 + 0.2).to_bits());
    }

    #[test]
    fn another_version_is_named_with_a_remedy() {
        let newer = br#"{"format_version": 7, "app_version": "3.1.4", "something": "new"}"#;
        let text = Manifest::from_json(newer).unwrap_err().to_string();
        assert!(text.contains("version 7") && text.contains("3.1.4") && text.contains("Update"), "{text}");
        let older = br#"{"format_version": 0}"#;
        assert!(Manifest::from_json(older).unwrap_err().to_string().contains("Train again"));
    }

    #[test]
    fn unknown_or_missing_fields_and_invalid_factors_are_refused() {
        let text = String::from_utf8(manifest(64).to_json().unwrap()).unwrap();
        for broken in [
            text.replacen('{', "{\"extra\": 1,", 1),
            text.replace("\"steps\": 1234,", ""),
            text.replace("\"nphotons\": 1000000.0", "\"nphotons\": 0.0"),
            text.replace("\"nphotons\": 1000000.0", "\"nphotons\": -1.0"),
            text.replace("\"nphotons\": 1000000.0", "\"nphotons\": 1e999"),
            String::from("[]"),
        ] {
            assert_ne!(broken, text);
            assert!(Manifest::from_json(broken.as_bytes()).is_err(), "{broken}");
        }
    }
}
