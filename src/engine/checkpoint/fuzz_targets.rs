//! Fuzz targets: the readers of checkpoints, applied to arbitrary bytes, and tests that replay the corpora.

use super::bundle::{BEST, Bundle, OPTIMIZER, TRAINING};
use super::manifest::{DatasetInfo, DeviceInfo, FORMAT_VERSION};
use super::torch::read_state_dict;
use super::{Manifest, SavedTraining, import_weights, recognize};
use crate::config::Config;
use crate::model::Weights;
use crate::train::{EpochRecord, History, Scaling, TrainingPosition, TrainingState};
use ndarray::{Array3, ArrayD, IxDyn};
use num_complex::Complex32;
use ptychoscope_base::testing::Target;
use std::collections::BTreeMap;
use std::io::{Cursor, Write};
use std::path::Path;
use std::sync::OnceLock;
use zip::write::SimpleFileOptions;
use zip::{CompressionMethod, ZipWriter};

/// Name and reader of each target.
pub const TARGETS: &[Target] = &[
    ("bundle", bundle),
    ("member", member),
    ("torch", torch),
    ("torch_pickle", torch_pickle),
    ("safetensors", weights),
];

fn with_file(bytes: &[u8], reader: impl FnOnce(&Path)) {
    let Ok(mut file) = tempfile::NamedTempFile::new() else { return };
    if file.write_all(bytes).is_ok() {
        reader(file.path());
    }
}

/// A bundle, or any file given as one.
fn bundle(bytes: &[u8]) {
    let _kind = recognize(bytes);
    if let Ok(bundle) = Bundle::from_bytes(bytes) {
        assert!(bundle.to_bytes().is_ok());
    }
}

/// One member of a bundle or a saved training, with updated hashes and seal, which would otherwise reject a changed file.
fn member(bytes: &[u8]) {
    let Some((&which, content)) = bytes.split_first() else { return };
    let members = ["config.toml", "history.csv", "probe.npy", "weights.safetensors", BEST, OPTIMIZER, TRAINING];
    let file = match members.get(usize::from(which)) {
        Some(name) => saved().with_member(name, content),
        // The manifest itself: its hashes are those of the given bytes.
        None => super::bundle::sealed(&[("manifest.json", content.to_vec())]),
    };
    if let Ok(file) = file {
        with_file(&file, |path| {
            let _bundle = Bundle::load(path);
            let _training = SavedTraining::load(path);
        });
    }
    let _manifest = Manifest::from_json(content);
    if let Ok(text) = std::str::from_utf8(content)
        && let Ok(history) = History::from_csv(text)
    {
        let _best = (history.best(), history.to_csv());
    }
    let folder = tempfile::tempdir();
    if let Ok(folder) = folder
        && which > 100
    {
        let (job, lock) = (folder.path().join("job.json"), folder.path().join("run.lock"));
        if std::fs::write(&job, content).is_ok() && std::fs::write(lock, content).is_ok() {
            let _job = super::JobRecord::load(&job);
            let _lock = super::RunLock::take(folder.path());
        }
    }
}

/// Weights from another program.
fn torch(bytes: &[u8]) {
    let _tensors = read_state_dict(bytes);
    with_file(bytes, |path| {
        let _imported = import_weights(path, &[]);
    });
}

/// The pickle of a PyTorch archive, where a checksum would otherwise reject changes.
fn torch_pickle(bytes: &[u8]) {
    let mut archive = ZipWriter::new(Cursor::new(Vec::new()));
    let options = SimpleFileOptions::default().compression_method(CompressionMethod::Stored);
    let values: Vec<u8> = (0..64u8).collect();
    for (name, content) in [("a/data.pkl", bytes), ("a/data/0", &values), ("a/data/1", &values[..8])] {
        if archive.start_file(name, options).is_err() || archive.write_all(content).is_err() {
            return;
        }
    }
    if let Ok(archive) = archive.finish() {
        let _tensors = read_state_dict(archive.get_ref());
    }
}

fn weights(bytes: &[u8]) {
    let _weights = Weights::from_bytes(bytes);
    let _tensors = Weights::state_dict(bytes);
}

/// A small saved training, the members of which are replaced one at a time.
fn saved() -> &'static SavedTraining {
    static SAVED: OnceLock<SavedTraining> = OnceLock::new();
    SAVED.get_or_init(|| {
        let mut config = Config::default();
        config.data.neighbor_count = 4;
        let record = EpochRecord {
            epoch: 1,
            step: 3,
            train_loss: 0.5,
            val_loss: None,
            learning_rate: 1e-3,
            gradient_norm: 0.7,
            elapsed_s: 1.5,
        };
        let weights = Weights(BTreeMap::from([("a".to_owned(), ArrayD::from_elem(IxDyn(&[2, 3]), 0.5f32))]));
        let manifest = Manifest {
            format_version: FORMAT_VERSION,
            app_version: "0".to_owned(),
            created: String::new(),
            device: DeviceInfo::default(),
            reduced_capability: true,
            dataset: DatasetInfo { patch_size: 4, ..DatasetInfo::default() },
            further_datasets: Vec::new(),
            seeds: config.execution.seeds,
            scaling: Scaling { normalization: 1.0, probe_factor: 1.0, nphotons: 1e6 },
            steps: 3,
            epochs: 1,
            outcome: "autosave".to_owned(),
            sha256: BTreeMap::new(),
        };
        let probe = Array3::from_elem((1, 4, 4), Complex32::new(1.0, 0.0));
        let position = TrainingPosition {
            optimizer_steps: 3,
            experiment_steps: 0,
            steps: 3,
            epochs: 1,
            patterns: 12,
            seconds: 1.5,
            shuffle_words: 12,
            order: vec![0, 1, 2],
        };
        let best = Weights(BTreeMap::from([("a".to_owned(), ArrayD::from_elem(IxDyn(&[2, 3]), 0.25f32))]));
        SavedTraining {
            bundle: Bundle { manifest, config, weights, history: History(vec![record]), probe },
            state: TrainingState { moments: [vec![0.0; 6], vec![0.0; 6]], position },
            best: Some((1, best)),
        }
    })
}

#[cfg(test)]
mod tests {
    #[test]
    fn the_corpora_are_read_without_panics() {
        ptychoscope_base::testing::replay(super::TARGETS);
    }

    #[test]
    #[ignore = "rewrites tests/fuzz/corpus/bundle/seed-small"]
    fn regenerate_the_seed_bundle() {
        let path = ptychoscope_base::testing::repository().join("tests/fuzz/corpus/bundle/seed-small");
        assert!(super::saved().save(path).is_ok());
    }

    #[test]
    fn a_member_replaced_by_itself_is_read() {
        let saved = super::saved();
        let csv = saved.bundle.history.to_csv().into_bytes();
        let file = saved.with_member("history.csv", &csv).unwrap_or_default();
        super::with_file(&file, |path| {
            let read = super::SavedTraining::load(path).map(|read| (read.bundle.weights, read.state, read.best));
            assert_eq!(read, Ok((saved.bundle.weights.clone(), saved.state.clone(), saved.best.clone())));
        });
    }
}
