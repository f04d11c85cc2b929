//! The bundle `model.ptycho`: everything that inference needs, in one file that is verified as a whole.
//!
//! A zip archive of uncompressed members. The manifest holds the SHA-256 of each other member; the archive comment holds
//! that of all bytes before it, so that no byte of the file can change unnoticed.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::io::{Cursor, Read, Write};
use std::path::Path;

use ndarray::Array3;
use npyz::WriterBuilder;
use num_complex::Complex32;
use sha2::{Digest, Sha256};
use zip::write::SimpleFileOptions;
use zip::{CompressionMethod, ZipArchive, ZipWriter};

use super::atomic::write_atomic;
use super::foreign::recognize;
use super::manifest::Manifest;
use crate::config::Config;
use crate::error::{Error, Problem, Result};
use crate::model::Weights;
use crate::train::History;

const MANIFEST: &str = "manifest.json";
const CONFIG: &str = "config.toml";
const WEIGHTS: &str = "weights.safetensors";
const HISTORY: &str = "history.csv";
const PROBE: &str = "probe.npy";
/// Members other than the manifest, in file order.
const HASHED: [&str; 4] = [CONFIG, HISTORY, PROBE, WEIGHTS];
/// Additional members of an unfinished training.
pub(super) const BEST: &str = "best.safetensors";
pub(super) const OPTIMIZER: &str = "optimizer.safetensors";
pub(super) const TRAINING: &str = "training.json";
const EXTRA: [&str; 3] = [BEST, OPTIMIZER, TRAINING];
/// Contents of additional members, by name.
pub(super) type Extras = BTreeMap<String, Vec<u8>>;
/// Start of the archive comment; 64 hexadecimal digits follow.
const SEAL: &str = "ptychoscope sha256 ";
const SEAL_DIGITS: usize = 64;
/// Largest accepted file, in bytes.
const MAX_BYTES: u64 = 8 << 30;
/// Remedy for a bundle that was changed or damaged.
const REMEDY: &str = "Take another copy, or train again";

/// A trained network with everything that inference needs.
#[derive(Debug, Clone, PartialEq)]
pub struct Bundle {
    /// Description of the bundle. Its hashes are those of the file it was loaded from.
    pub manifest: Manifest,
    /// Configuration of the run.
    pub config: Config,
    /// Parameters of the network.
    pub weights: Weights,
    /// Record of the training.
    pub history: History,
    /// Probe (modes, N, N) in the scale of the network, complex64; no modes for an imported network, whose probe is unknown.
    pub probe: Array3<Complex32>,
}

impl Bundle {
    /// Writes the bundle atomically and durably.
    ///
    /// # Errors
    /// [`Error::BadInput`] if a value is not finite or parts do not match, [`Error::Failed`] if it cannot be written.
    pub fn save(&self, path: impl AsRef<Path>) -> Result<()> {
        let path = path.as_ref();
        write_atomic(path, &self.to_bytes().map_err(|error| error.at(path))?)
    }

    /// Reads and verifies a bundle.
    ///
    /// # Errors
    /// [`Error::BadInput`] that names the file and the defect: another kind of file, another format version, unknown,
    /// missing or changed members, values that are not finite or do not match.
    pub fn load(path: impl AsRef<Path>) -> Result<Self> {
        Self::load_with_extras(path.as_ref()).map(|(bundle, _)| bundle)
    }

    /// As [`Bundle::load`], with the additional members by name.
    ///
    /// # Errors
    /// As [`Bundle::load`].
    pub(super) fn load_with_extras(path: &Path) -> Result<(Self, Extras)> {
        let information = std::fs::metadata(path).map_err(|error| Error::reading(path, &error))?;
        if information.is_dir() {
            let inside = path.join("model.ptycho");
            let hint = if inside.is_file() {
                format!("Give {}", inside.display())
            } else {
                "Give the model.ptycho written by `ptychoscope train`".to_owned()
            };
            return Err(Problem::new("This is a folder, not a model").hint(hint).at(path).into());
        }
        if information.len() > MAX_BYTES {
            return Err(Problem::new(format!("The file has {} bytes", information.len()))
                .expected("a model.ptycho of less than 8 GiB")
                .hint("Check that the model and the dataset were not interchanged")
                .at(path)
                .into());
        }
        let bytes = crate::formats::read_file(path).map_err(|error| Error::reading(path, &error))?;
        Self::read(&bytes).map_err(|error| error.at(path))
    }

    /// Bytes of the file; the same bundle gives the same bytes.
    ///
    /// # Errors
    /// As [`Bundle::save`].
    pub fn to_bytes(&self) -> Result<Vec<u8>> {
        self.to_bytes_with(Vec::new())
    }

    /// As [`Bundle::to_bytes`], with some members of `EXTRA` at the end.
    ///
    /// # Errors
    /// As [`Bundle::save`].
    pub(super) fn to_bytes_with(&self, extras: Vec<(&'static str, Vec<u8>)>) -> Result<Vec<u8>> {
        self.check()?;
        pack(&self.manifest, self.members(extras)?)
    }

    /// Members other than the manifest, in file order.
    pub(super) fn members(&self, extras: Vec<(&'static str, Vec<u8>)>) -> Result<Vec<(&'static str, Vec<u8>)>> {
        let config = toml::to_string(&self.config)
            .map_err(|error| Error::failed(format!("Cannot write the configuration as TOML ({error})")))?;
        let mut members = vec![
            (CONFIG, config.into_bytes()),
            (HISTORY, self.history.to_csv().into_bytes()),
            (PROBE, probe_to_npy(&self.probe)?),
            (WEIGHTS, self.weights.to_bytes()?),
        ];
        members.extend(extras);
        Ok(members)
    }

    /// Reads and verifies the bytes of a file.
    ///
    /// # Errors
    /// As [`Bundle::load`], without the path.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self> {
        Self::read(bytes).map(|(bundle, _)| bundle)
    }

    fn read(bytes: &[u8]) -> Result<(Self, Extras)> {
        if let Some(foreign) = recognize(bytes) {
            return Err(Problem::new(format!("The file is {}", foreign.what()))
                .expected("a Ptychoscope model (model.ptycho)")
                .hint(foreign.hint())
                .into());
        }
        let mut members = read_members(bytes)?;
        let mut take = |name: &str| {
            members
                .remove(name)
                .ok_or_else(|| Error::from(Problem::new(format!("The model has no {name}")).hint(REMEDY)))
        };
        let manifest = Manifest::from_json(&take(MANIFEST)?)?;
        let mut checked = |name: &str| {
            let bytes = take(name)?;
            match manifest.sha256.get(name) {
                Some(expected) if *expected == sha256(&bytes) => Ok(bytes),
                Some(_) => Err(damaged(format!("The member {name} of the model was changed (its SHA-256 differs)"))),
                None => Err(damaged(format!("The manifest of the model has no SHA-256 for {name}"))),
            }
        };
        let (config, history, probe, weights) =
            (checked(CONFIG)?, checked(HISTORY)?, checked(PROBE)?, checked(WEIGHTS)?);
        let mut extras = Extras::new();
        for name in EXTRA {
            if manifest.sha256.contains_key(name) {
                extras.insert(name.to_owned(), checked(name)?);
            }
        }
        if let Some(name) = members.keys().next() {
            return Err(Problem::new(format!("The model has an unknown member {name:?}"))
                .expected(format!("{MANIFEST}, {}", HASHED.join(", ")))
                .hint(REMEDY)
                .into());
        }
        if manifest.sha256.len() != HASHED.len() + extras.len() {
            return Err(damaged("The manifest of the model lists members that are missing"));
        }
        check_seal(bytes)?;

        let text = |name: &str, bytes| {
            String::from_utf8(bytes).map_err(|_| damaged(format!("The member {name} of the model is not UTF-8 text")))
        };
        let config = toml::from_str(&text(CONFIG, config)?).map_err(|error| {
            Error::from(
                Problem::new(format!("config.toml of the model cannot be read ({})", error.message())).hint(REMEDY),
            )
        })?;
        let history = History::from_csv(&text(HISTORY, history)?)?;
        let bundle =
            Self { manifest, config, weights: Weights::from_bytes(&weights)?, history, probe: probe_from_npy(&probe)? };
        bundle.check()?;
        Ok((bundle, extras))
    }

    /// Checks the conditions that hold before writing and after reading.
    fn check(&self) -> Result<()> {
        self.manifest.check()?;
        self.weights.check()?;
        let side = self.manifest.dataset.patch_size;
        let (modes, rows, columns) = self.probe.dim();
        if rows != side || columns != side || side == 0 {
            return Err(Problem::new(format!("The probe of the model has shape ({modes}, {rows}, {columns})"))
                .expected(format!("(modes, {side}, {side}), as the patches"))
                .into());
        }
        if !self.probe.iter().all(|v| v.re.is_finite() && v.im.is_finite()) {
            return Err(Error::bad_input("The probe of the model contains NaN or infinity"));
        }
        Ok(())
    }
}

fn damaged(title: impl Into<String>) -> Error {
    Problem::new(title).hint(REMEDY).into()
}

/// File of these members, with a manifest that holds their hashes first.
pub(super) fn pack(manifest: &Manifest, members: Vec<(&'static str, Vec<u8>)>) -> Result<Vec<u8>> {
    let mut manifest = manifest.clone();
    manifest.sha256 = members.iter().map(|(name, bytes)| ((*name).to_owned(), sha256(bytes))).collect();
    let manifest = (MANIFEST, manifest.to_json()?);
    sealed(&std::iter::once(manifest).chain(members).collect::<Vec<_>>())
}

/// Archive of these members, with the hash of all bytes at the end.
pub(super) fn sealed(members: &[(&'static str, Vec<u8>)]) -> Result<Vec<u8>> {
    let failed = |error: zip::result::ZipError| Error::failed(format!("Cannot pack the model ({error})"));
    let mut writer = ZipWriter::new(Cursor::new(Vec::new()));
    let options = SimpleFileOptions::default().compression_method(CompressionMethod::Stored);
    for (name, bytes) in members {
        writer.start_file(*name, options.large_file(bytes.len() as u64 >= u64::from(u32::MAX))).map_err(failed)?;
        writer.write_all(bytes).map_err(|error| failed(error.into()))?;
    }
    writer.set_comment(format!("{SEAL}{}", "0".repeat(SEAL_DIGITS))).map_err(failed)?;
    let mut bytes = writer.finish().map_err(failed)?.into_inner();
    bytes.truncate(bytes.len() - SEAL_DIGITS);
    let seal = sha256(&bytes);
    bytes.extend_from_slice(seal.as_bytes());
    Ok(bytes)
}

/// Members by name. They are uncompressed, so that none can be larger than the file.
fn read_members(bytes: &[u8]) -> Result<BTreeMap<String, Vec<u8>>> {
    let broken = |error: &dyn std::fmt::Display| damaged(format!("The model is damaged or incomplete ({error})"));
    let mut archive = ZipArchive::new(Cursor::new(bytes)).map_err(|error| broken(&error))?;
    let mut members = BTreeMap::new();
    let mut total = 0_u64;
    for index in 0..archive.len() {
        let mut member = archive.by_index(index).map_err(|error| broken(&error))?;
        let name = String::from_utf8_lossy(member.name_raw()).into_owned();
        total = total.saturating_add(member.size());
        if member.compression() != CompressionMethod::Stored || total > bytes.len() as u64 {
            return Err(damaged(format!("The member {name:?} of the model is not stored uncompressed")));
        }
        let mut content = Vec::with_capacity(usize::try_from(member.size()).unwrap_or_default());
        member
            .read_to_end(&mut content)
            .map_err(|error| damaged(format!("The member {name:?} of the model was changed ({error})")))?;
        if members.insert(name.clone(), content).is_some() {
            return Err(damaged(format!("The member {name:?} occurs twice in the model")));
        }
    }
    Ok(members)
}

/// Compares the hash at the end with the bytes before it.
fn check_seal(bytes: &[u8]) -> Result<()> {
    let split = bytes.len().checked_sub(SEAL_DIGITS).and_then(|at| bytes.split_at_checked(at));
    match split {
        Some((body, seal)) if body.ends_with(SEAL.as_bytes()) && seal == sha256(body).as_bytes() => Ok(()),
        _ => Err(damaged("The model was packed again or changed outside of its members (SHA-256 of the file differs)")),
    }
}

fn sha256(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(SEAL_DIGITS);
    for byte in Sha256::digest(bytes) {
        let _ = write!(text, "{byte:02x}");
    }
    text
}

/// (modes, N, N) complex64 as NPY, C order, little endian.
fn probe_to_npy(probe: &Array3<Complex32>) -> Result<Vec<u8>> {
    let failed = |error: std::io::Error| Error::failed(format!("Cannot write the probe as NPY ({error})"));
    let shape: Vec<u64> = probe.shape().iter().map(|side| *side as u64).collect();
    let mut bytes = Vec::new();
    let mut writer = npyz::WriteOptions::<Complex32>::new()
        .default_dtype()
        .shape(&shape)
        .writer(&mut bytes)
        .begin_nd()
        .map_err(failed)?;
    writer.extend(probe.iter().copied()).map_err(failed)?;
    writer.finish().map_err(failed)?;
    Ok(bytes)
}

/// Reads the output of [`probe_to_npy`].
fn probe_from_npy(bytes: &[u8]) -> Result<Array3<Complex32>> {
    let broken = |what: String| damaged(format!("probe.npy of the model cannot be read: {what}"));
    // Later versions of the format state the length of the header in four bytes, and the library allocates it at once.
    if bytes.get(6) != Some(&1) {
        return Err(broken("its header does not have version 1".to_owned()));
    }
    let mut rest = bytes;
    let header = npyz::NpyHeader::from_reader(&mut rest).map_err(|error| broken(error.to_string()))?;
    let sides: Vec<usize> = header.shape().iter().filter_map(|side| usize::try_from(*side).ok()).collect();
    let [modes, rows, columns] = sides[..] else {
        return Err(broken(format!("shape {:?}", header.shape())));
    };
    let size = modes.checked_mul(rows).and_then(|p| p.checked_mul(columns)).and_then(|p| p.checked_mul(8));
    if size != Some(rest.len()) || header.order() != npyz::Order::C {
        return Err(broken(format!("shape {:?} with {} bytes of values", header.shape(), rest.len())));
    }
    let values = npyz::NpyFile::with_header(header, rest)
        .data::<Complex32>()
        .map_err(|error| broken(error.to_string()))?
        .collect::<std::io::Result<Vec<_>>>()
        .map_err(|error| broken(error.to_string()))?;
    Array3::from_shape_vec((modes, rows, columns), values).map_err(|error| broken(error.to_string()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::checkpoint::FORMAT_VERSION;
    use crate::checkpoint::testing::bundle;

    /// A bundle with changed members and a correct seal.
    fn repacked(change: impl Fn(&mut Vec<(String, Vec<u8>)>)) -> Vec<u8> {
        let mut members: Vec<_> = read_members(&bundle().to_bytes().unwrap()).unwrap().into_iter().collect();
        change(&mut members);
        let mut writer = ZipWriter::new(Cursor::new(Vec::new()));
        for (name, bytes) in members {
            let options = SimpleFileOptions::default().compression_method(CompressionMethod::Stored);
            writer.start_file(name, options).unwrap();
            writer.write_all(&bytes).unwrap();
        }
        writer.set_comment(SEAL).unwrap();
        let mut bytes = writer.finish().unwrap().into_inner();
        // Room for the digits of the seal.
        let length = bytes.len() - SEAL.len() - 2;
        bytes[length..length + 2].copy_from_slice(&((SEAL.len() + SEAL_DIGITS) as u16).to_le_bytes());
        let seal = sha256(&bytes);
        bytes.extend_from_slice(seal.as_bytes());
        bytes
    }

    fn refused(bytes: &[u8]) -> String {
        let error = Bundle::from_bytes(bytes).unwrap_err();
        assert!(matches!(error, Error::BadInput(_)), "{error:?}");
        error.to_string()
    }

    #[test]
    fn a_bundle_is_read_back_exactly() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("model.ptycho");
        let bundle = bundle();
        bundle.save(&path).unwrap();
        let mut read = Bundle::load(&path).unwrap();
        assert_eq!(read.manifest.sha256.keys().collect::<Vec<_>>(), HASHED);
        assert_eq!(
            read.to_bytes().unwrap(),
            std::fs::read(&path).unwrap(),
            "reading and writing again changes nothing"
        );
        read.manifest.sha256.clear();
        assert_eq!(read, bundle);
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1, "no temporary file remains");
        assert!(recognize(&bundle.to_bytes().unwrap()).is_none());
        assert_eq!(Bundle::from_bytes(&repacked(|_| ())).map(|b| b.weights), Ok(bundle.weights));
    }

    #[test]
    fn no_byte_of_the_file_can_change_or_be_missing() {
        let bytes = bundle().to_bytes().unwrap();
        for i in 0..bytes.len() {
            let mut changed = bytes.clone();
            changed[i] ^= 1 << (i % 8);
            refused(&changed);
        }
        for length in (0..bytes.len()).step_by(37).chain([bytes.len() - 1]) {
            refused(&bytes[..length]);
        }
        refused(&[&bytes[..], b"\0"].concat());
    }

    #[test]
    fn a_changed_member_is_named() {
        for name in HASHED {
            let text = refused(&repacked(|members| {
                let member = members.iter_mut().find(|(n, _)| n == name).unwrap();
                let middle = member.1.len() / 2;
                member.1[middle] ^= 4;
            }));
            assert!(text.contains(name) && text.contains("SHA-256"), "{text}");
        }
        let bytes = bundle().to_bytes().unwrap();
        let at = bytes.windows(10).position(|w| w == b"epoch,step").unwrap();
        let mut changed = bytes.clone();
        changed[at] ^= 1;
        assert!(refused(&changed).contains("history.csv"), "{}", refused(&changed));
    }

    #[test]
    fn missing_unknown_and_repeated_members_are_named() {
        for name in HASHED {
            let text = refused(&repacked(|members| members.retain(|(n, _)| n != name)));
            assert!(text.contains(&format!("no {name}")), "{text}");
        }
        let text = refused(&repacked(|members| members.push(("extra.bin".into(), vec![1]))));
        assert!(text.contains("extra.bin"), "{text}");
        let text = refused(&repacked(|members| members.retain(|(n, _)| n != MANIFEST)));
        assert!(text.contains("zip archive without a manifest.json"), "{text}");
        let text = refused(&repacked(|members| members.retain(|(n, _)| n == MANIFEST)));
        assert!(text.contains("no config.toml"), "{text}");
    }

    #[test]
    fn another_version_is_reported_before_anything_else() {
        let text = refused(&repacked(|members| {
            let manifest = members.iter_mut().find(|(n, _)| n == MANIFEST).unwrap();
            let written = String::from_utf8(manifest.1.clone()).unwrap();
            let from = format!("\"format_version\": {FORMAT_VERSION}");
            manifest.1 = written.replace(&from, "\"format_version\": 99").into_bytes();
            members.push(("new_in_99.bin".into(), vec![]));
        }));
        assert!(text.contains("format version 99") && text.contains("Update"), "{text}");
    }

    #[test]
    fn a_bundle_packed_again_with_compression_is_refused() {
        let mut writer = ZipWriter::new(Cursor::new(Vec::new()));
        for (name, bytes) in read_members(&bundle().to_bytes().unwrap()).unwrap() {
            let options = SimpleFileOptions::default().compression_method(CompressionMethod::Deflated);
            writer.start_file(name, options).unwrap();
            writer.write_all(&bytes).unwrap();
        }
        let text = refused(&writer.finish().unwrap().into_inner());
        assert!(text.contains("not stored"), "{text}");
    }

    #[test]
    fn an_unusable_bundle_is_not_written_and_leaves_the_old_file() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("model.ptycho");
        bundle().save(&path).unwrap();
        let old = std::fs::read(&path).unwrap();
        let mut broken = [bundle(), bundle(), bundle(), bundle()];
        broken[0].probe[(0, 0, 0)].re = f32::NAN;
        broken[1].probe = Array3::zeros((1, 7, 8));
        broken[2].weights.0.clear();
        broken[3].manifest.scaling.probe_factor = f64::NAN;
        for bundle in broken {
            let error = bundle.save(&path).unwrap_err();
            assert_eq!(error.problem().path.as_deref(), Some(path.as_path()), "{error}");
        }
        assert_eq!(std::fs::read(&path).unwrap(), old);
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1);
    }

    #[test]
    fn a_missing_file_and_a_run_folder_are_named() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("model.ptycho");
        assert!(Bundle::load(&path).unwrap_err().to_string().contains("no such file"));
        assert!(Bundle::load(folder.path()).unwrap_err().to_string().contains("a folder"));
        bundle().save(&path).unwrap();
        assert!(Bundle::load(folder.path()).unwrap_err().to_string().contains("Give "));
    }

    #[test]
    fn archives_of_the_original_are_identified() {
        let shared = ptychoscope_base::testing::repository().join("../shared");
        if !shared.exists() {
            assert!(std::env::var_os("PTYCHOSCOPE_REQUIRE_SHARED").is_none(), "../shared is missing");
            eprintln!("skipped: ../shared is missing");
            return;
        }
        for (file, expected) in [
            ("golden/gs1_nfs1_state_dict.pt", "a PyTorch archive"),
            ("golden/gs1_nfs1_wts.h5.zip", "a PtychoPINN bundle (wts.h5.zip) of the PyTorch backend"),
            ("golden/gs1_nfs1_last.ckpt.gz", "compressed with gzip"),
            ("golden/metrics.npz", "a NumPy archive"),
            ("data/cnm235_mini_n64.npz", "a dataset"),
            ("data/W250_truePos_ptychodus_product.hdf5", "an HDF5 file"),
        ] {
            let error = Bundle::load(shared.join(file)).unwrap_err();
            let text = error.to_string();
            assert!(text.contains(expected) && text.contains(file), "{text}");
            assert_eq!(error.exit_code(), 2);
        }
    }

    #[test]
    fn a_lightning_checkpoint_is_distinguished_from_a_state_dict() {
        let mut writer = ZipWriter::new(Cursor::new(Vec::new()));
        writer.start_file("archive/data.pkl", SimpleFileOptions::default()).unwrap();
        writer.write_all(b"\x80\x02}(X\x19\0\0\0pytorch-lightning_versionX\x05\0\0\x002.5.1u.").unwrap();
        let text = refused(&writer.finish().unwrap().into_inner());
        assert!(text.contains("PyTorch Lightning"), "{text}");
    }
}
