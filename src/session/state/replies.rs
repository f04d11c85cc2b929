//! Replies of the library.

use super::{OpenBundle, OpenDataset, State};
use crate::config::Method;
use crate::library::{ArraySummary, Reply, RunInfo};
use crate::session::action::{Action, Effect, Level, Step};
use crate::session::file_settings::is_setup;
use crate::session::wording::in_window;
use crate::system::file_name;
use std::path::Path;

impl State {
    /// Applies a reply of the library and returns the resulting effects. Replies about a dataset that is no longer open are
    /// ignored.
    #[allow(clippy::too_many_lines, reason = "one short arm for each reply")]
    pub fn on_reply(&mut self, reply: Reply) -> Vec<Effect> {
        match reply {
            Reply::Headers { path, arrays } => {
                // Read again, the values known from the last time stay until the new ones are there.
                let same = |a: &[ArraySummary], b: &[ArraySummary]| {
                    a.len() == b.len() && a.iter().zip(b).all(|(a, b)| a.key == b.key && a.shape == b.shape)
                };
                if let Some(dataset) = self.dataset_at(&path).filter(|dataset| !same(&dataset.arrays, &arrays)) {
                    dataset.arrays = arrays;
                }
            }
            Reply::Raw { path, raw } => {
                let mapping = self.draft.config().data.mapping.clone();
                if let Some(dataset) = self.dataset_at(&path) {
                    (dataset.raw, dataset.raw_mapping) = (Some(raw), mapping);
                }
            }
            Reply::Inspected(inspection) => {
                if let Some(dataset) = self.dataset_at(&inspection.path) {
                    dataset.arrays.clone_from(&inspection.arrays);
                    dataset.inspection = Some(inspection);
                }
            }
            Reply::Opened(patterns) => {
                if let Some(dataset) = self.dataset_at(&patterns.dataset.path) {
                    dataset.loading = false;
                    dataset.failure = None;
                    dataset.selected = dataset.selected.min(patterns.dataset.len().saturating_sub(1));
                    dataset.patterns = Some(patterns);
                    dataset.orientations = None;
                    let path = dataset.path.clone();
                    self.remember(path);
                }
            }
            Reply::Preview { path, picture, misfit } => {
                if let Some(dataset) = self.dataset_at(&path) {
                    dataset.preview = Some((picture, misfit));
                }
            }
            Reply::PreviewStage { path, stage } => {
                if let Some(dataset) = self.dataset_at(&path) {
                    dataset.preview_stage = stage;
                }
            }
            Reply::Object { folder, object } => {
                if let Some(run) = self.compared.iter_mut().find(|run| run.folder == folder) {
                    run.object = Some(object);
                }
            }
            Reply::Devices(devices) => {
                let best = devices.iter().find(|device| device.usable && device.kind.is_hardware());
                let text = match best {
                    Some(best) => format!("Graphics device: {} ({}, {})", best.name, best.backend, best.driver),
                    None => "No suitable graphics device was found; the CPU is used".to_owned(),
                };
                let has_gpu = best.is_some();
                self.add_log(None, if has_gpu { Level::Info } else { Level::Warning }, text);
                self.devices = Some(devices);
                if !has_gpu && std::mem::take(&mut self.may_choose_method) {
                    return self.polish_by_default();
                }
            }
            Reply::Orientations { path, found } => {
                if let Some(dataset) = self.dataset_at(&path) {
                    dataset.orientations = found;
                }
            }
            Reply::Bundle { path, manifest, config } => {
                self.add_log(None, Level::Info, format!("Loaded model {}", path.display()));
                self.bundle = Some(OpenBundle { path, manifest, config });
            }
            Reply::Config { path, config, notes, unknown } => {
                for text in notes {
                    self.add_log(None, Level::Info, text);
                }
                let step = if is_setup(&config) { Step::Data } else { Step::Configure };
                let mut effects = self.use_config(config_name(&path), *config);
                effects.extend(self.go(step));
                if !unknown.is_empty() {
                    let text = format!("Unknown settings were left out: {}", unknown.join(", "));
                    effects.extend(self.notify(Level::Warning, text));
                }
                return effects;
            }
            Reply::Result { result, beside } => {
                self.reading_result = false;
                if beside {
                    self.beside = Some(result);
                } else {
                    self.result = Some(result);
                }
                return self.go(Step::Result);
            }
            Reply::IsDataset { path } => {
                self.reading_result = false;
                return self.open_dataset(path);
            }
            Reply::Presets(presets) => self.presets = presets,
            Reply::SimulationPreview(preview) => self.on_simulation_preview(preview),
            Reply::Runs(runs) => {
                let first = !std::mem::replace(&mut self.runs_listed, true);
                self.runs = runs;
                // Reported once, at the start.
                if first && !self.is_busy() && self.runs.iter().any(RunInfo::is_interrupted) {
                    let mut effects = self.notify(Level::Warning, "A run was interrupted".to_owned());
                    effects.push(Effect::OfferRuns);
                    return effects;
                }
            }
            Reply::Example(path) => return self.dispatch(Action::Open(path)),
            // Notes are saved while typing; a message each time would be noise.
            Reply::Written { path } if path.ends_with("note.txt") => {}
            Reply::Written { path } => return self.notify(Level::Success, format!("Saved {}", path.display())),
            Reply::RunsChanged => return self.dispatch(Action::RefreshRuns),
            Reply::Failed { path, failure } => {
                self.reading_result = false;
                let on_page = self.step == Step::Data;
                let shown = on_page && self.dataset.as_ref().is_some_and(|dataset| dataset.path == path);
                if let Some(dataset) = self.dataset_at(&path) {
                    dataset.loading = false;
                    dataset.patterns = None;
                    dataset.failure = Some(failure.clone());
                }
                let title = failure.problem().title.clone();
                self.add_log(None, Level::Error, in_window(&failure.message));
                // The page in front says it already.
                return if shown { Vec::new() } else { vec![Effect::Toast { level: Level::Error, text: title }] };
            }
        }
        Vec::new()
    }

    /// Without a GPU a network rarely gets far in its time budget, so its object is polished unless the user decides otherwise.
    fn polish_by_default(&mut self) -> Vec<Effect> {
        let epochs = self.draft.config().direct.epochs;
        if self.draft.config().training.method == Method::Direct || self.draft.config().inference.polish_epochs > 0 {
            return Vec::new();
        }
        self.draft.set("inference.polish_epochs", &epochs.to_string());
        let text = "No graphics device: the object of a network will be polished by the direct solver, which takes some more \
                    seconds. Configure has the choice.";
        self.notify(Level::Info, text.to_owned())
    }

    /// The open dataset, if it is the one at this path.
    fn dataset_at(&mut self, path: &Path) -> Option<&mut OpenDataset> {
        self.dataset.as_mut().filter(|dataset| dataset.path == path)
    }
}

/// Name of a configuration: that of its run folder or file.
fn config_name(path: &Path) -> String {
    match path.parent().map(file_name) {
        Some(run) if file_name(path) == "config.toml" && !run.is_empty() => run,
        _ => file_name(path),
    }
}
