//! Diagnosis of a scan: quick trials, each with one change, and the settings that help.

use super::common::{fail_if_stopped, finish, load_part, new_summary};
use super::large_dataset::{LargeDataset, Purpose};
use super::probe;
use crate::checkpoint::{Destination, RunFolder};
use crate::config::{Accelerator, Config, DataConfig, DirectConfig, Orientation};
use crate::data::{self, Dataset};
use crate::direct::{self, Attempt};
use crate::error::{Error, Problem, Result};
use crate::fourier::Propagation;
use crate::worker::device;
use crate::worker::diagnosis::{Diagnosis, Thumbnail, Trial};
use crate::worker::message::{EventKind, Job, Progress, Stage};
use crate::worker::recorder::Recorder;
use crate::worker::summary::{JobOutcome, Summary};
use std::cell::Cell;
use std::path::Path;
use std::time::{Duration, Instant};

/// Epochs of a trial, and of one that refines something.
const EPOCHS: usize = 20;
const REFINING_EPOCHS: usize = 60;
/// Largest shift of a position in a trial, pixels.
const MAX_SHIFT: f64 = 10.0;
/// A trial that leaves less than these shares unexplained, relative to the data as they are and in all, has found the fault: no
/// probe is searched.
const FOUND: [f64; 2] = [0.6, 0.7];
/// Trials planned, for the progress.
const PLANNED: f64 = 18.0;
/// Minimum time between two reports of the progress.
const REPORT_INTERVAL: Duration = Duration::from_millis(100);
/// Columns of the contact sheet.
const COLUMNS: usize = 5;

/// Settings as dotted paths and values.
type Settings = Vec<(String, String)>;

fn setting(path: &str, value: impl ToString) -> (String, String) {
    (path.to_owned(), value.to_string())
}

/// Runs the trials; writes their table and pictures if there is an output folder.
pub(super) fn diagnose(
    recorder: &Recorder<'_>,
    job: &Job,
    path: &Path,
    output_dir: Option<&Destination>,
    config: &Config,
) -> Result<Summary> {
    config.validate()?;
    let large = LargeDataset::detect(path, config, Purpose::Training)?;
    let dataset = load_part(recorder, path, config, large.as_ref())?;
    let folder = output_dir.map(|destination| RunFolder::create(destination, path)).transpose()?;
    if let Some(folder) = &folder {
        recorder.open_folder(folder)?;
        recorder.write(&folder.config(), config.to_toml()?.as_bytes())?;
    }
    recorder.emit(EventKind::Stage { stage: Stage::Diagnosing });
    let reader = |data: &DataConfig| match &large {
        Some(large) => Dataset::load_rows(path, data, large.part(0), Some(&dataset.fingerprint)),
        None => Dataset::load(path, data, config.execution.seeds.subsample),
    };
    let mut diagnosing = Diagnosing {
        recorder,
        config,
        dataset: &dataset,
        read: &reader,
        trials: Vec::new(),
        started: Instant::now(),
        reported: Cell::new(None),
        failures: Vec::new(),
    };
    diagnosing.all()?;
    let Diagnosing { trials, failures, .. } = diagnosing;
    for failure in failures {
        recorder.note(failure);
    }
    if trials.is_empty() {
        fail_if_stopped(recorder)?;
        return Err(Error::BadInput(
            Problem::new(format!("{} patterns are too few for trials", dataset.len()))
                .expected("at least 16 patterns")
                .at(path),
        ));
    }
    let diagnosis = Diagnosis::of(trials);
    let cpu = device::select(Accelerator::Cpu)?;
    let place = folder.clone().unwrap_or_else(|| RunFolder::at(Path::new("")));
    let mut summary = new_summary(job, &dataset, path, &cpu, &place);
    summary.diagnosis = Some(diagnosis.clone());
    if recorder.context().switch.get().stops_now() {
        summary.outcome = JobOutcome::Stopped;
    }
    let Some(folder) = folder else { return Ok(summary) };
    recorder.emit(EventKind::Stage { stage: Stage::Saving });
    let json = serde_json::to_vec_pretty(&diagnosis)
        .map_err(|error| Error::failed(format!("Cannot write the diagnosis as JSON ({error})")))?;
    recorder.write(&folder.path().join("diagnosis.json"), &json)?;
    recorder.write(&folder.path().join("diagnosis.csv"), diagnosis.to_csv().as_bytes())?;
    recorder.write(&folder.path().join("diagnosis.png"), &diagnosis.contact_sheet(COLUMNS)?)?;
    finish(recorder, summary, &folder)
}

/// The trials of a dataset.
struct Diagnosing<'a> {
    recorder: &'a Recorder<'a>,
    config: &'a Config,
    dataset: &'a Dataset,
    /// Reads the same patterns with other settings.
    read: &'a dyn Fn(&DataConfig) -> Result<Dataset>,
    trials: Vec<Trial>,
    started: Instant,
    /// Time of the last report of the progress.
    reported: Cell<Option<Instant>>,
    /// Trials that were not possible, as sentences.
    failures: Vec<String>,
}

impl Diagnosing<'_> {
    /// True while the job goes on; reports the progress.
    fn go_on(&self, share: f64) -> bool {
        if self.reported.get().is_some_and(|reported| reported.elapsed() < REPORT_INTERVAL) {
            return self.recorder.context().switch.wait_while_paused();
        }
        self.reported.set(Some(Instant::now()));
        let fraction = ((self.trials.len() as f64 + share) / PLANNED).min(1.0);
        let elapsed_s = self.started.elapsed().as_secs_f64();
        self.recorder.emit(EventKind::Progress(Progress {
            fraction,
            loss: self.trials.last().map(|trial| trial.held_out_misfit),
            elapsed_s,
            remaining_s: (fraction > 0.0).then(|| elapsed_s * (1.0 - fraction) / fraction),
            ..Progress::default()
        }));
        self.recorder.context().switch.wait_while_paused()
    }

    /// Makes a trial and reports it; a trial that is not possible is noted.
    fn attempt(&mut self, name: &str, settings: Settings, dataset: &Dataset, config: &DirectConfig) {
        let found = direct::attempt(dataset, config, &mut |share| self.go_on(share));
        match found {
            Ok(Some(found)) => self.add(name, settings, &found),
            Ok(None) => {}
            Err(error) => self.failures.push(format!("The trial “{name}” was not possible. {error}")),
        }
    }

    fn add(&mut self, name: &str, settings: Settings, found: &Attempt) {
        let plain = self.trials.first().map_or(found.unexplained, |plain| plain.unexplained);
        let trial = Trial {
            name: name.to_owned(),
            settings,
            held_out_misfit: found.held_out_misfit,
            misfit: found.misfit,
            unexplained: found.unexplained,
            relative: found.unexplained / plain,
            picture: Thumbnail::of(&found.object, &found.inside),
        };
        self.recorder.emit(EventKind::Trial(Box::new(trial.clone())));
        self.trials.push(trial);
    }

    fn all(&mut self) -> Result<()> {
        let plain = DirectConfig { epochs: EPOCHS, ..DirectConfig::default() };
        self.attempt("As it is", Vec::new(), self.dataset, &plain);
        let steps = [Self::unit, Self::mask, Self::orientations, Self::scale, Self::exclusions, Self::refinements];
        for step in steps {
            if !self.go_on(0.0) {
                return Ok(());
            }
            step(self, &plain)?;
        }
        Ok(())
    }

    /// The other unit of the patterns.
    fn unit(&mut self, plain: &DirectConfig) -> Result<()> {
        for (value, name) in [("amplitude", "Patterns are amplitudes"), ("counts", "Patterns are counts")] {
            self.reread(name, setting("data.diffraction_unit", value), plain)?;
        }
        Ok(())
    }

    /// The other sense of the mask.
    fn mask(&mut self, plain: &DirectConfig) -> Result<()> {
        let mapping = &self.config.data.mapping;
        if self.dataset.mask.is_none() && mapping.mask.is_empty() && mapping.mask_file.is_empty() {
            return Ok(());
        }
        for (value, name) in [("zero", "Mask: 0 is good"), ("non_zero", "Mask: 0 is bad")] {
            self.reread(name, setting("data.mapping.mask_good", value), plain)?;
        }
        Ok(())
    }

    /// A trial of the data read with one more setting, unless that changes nothing.
    fn reread(&mut self, name: &str, setting: (String, String), plain: &DirectConfig) -> Result<()> {
        let mut config = self.config.clone();
        config.set(&setting.0, &setting.1)?;
        match (self.read)(&config.data) {
            Ok(other)
                if other.mask != self.dataset.mask
                    || other.pattern_masks != self.dataset.pattern_masks
                    || other.diffraction != self.dataset.diffraction =>
            {
                self.attempt(name, vec![setting], &other, plain);
            }
            Ok(_) => {}
            Err(error) => self.failures.push(format!("The trial “{name}” was not possible. {error}")),
        }
        Ok(())
    }

    fn orientations(&mut self, plain: &DirectConfig) -> Result<()> {
        let now = self.config.data.orientation;
        for orientation in Orientation::ALL.into_iter().filter(|one| *one != now) {
            let mut other = self.dataset.clone();
            data::reorient(&mut other.positions, now, orientation);
            let name = format!("Orientation {}", orientation.name().replace('_', " "));
            self.attempt(&name, vec![setting("data.orientation", orientation.name())], &other, plain);
        }
        Ok(())
    }

    fn scale(&mut self, plain: &DirectConfig) -> Result<()> {
        let Some(factor) = direct::search_scale(self.dataset, &mut |share| self.go_on(share))? else { return Ok(()) };
        if (factor - 1.0).abs() < 0.01 {
            return Ok(());
        }
        let text = self.config.data.mapping.position_matrix.clone();
        let now: Vec<f64> = text.split([',', ' ']).filter_map(|number| number.trim().parse().ok()).collect();
        let now = <[f64; 4]>::try_from(now).unwrap_or([1.0, 0.0, 0.0, 1.0]);
        let matrix: Vec<String> = now.iter().map(|number| rounded(number * factor)).collect();
        let settings = vec![setting("data.mapping.position_matrix", matrix.join(","))];
        let other = direct::scaled(self.dataset, factor);
        self.attempt(&format!("Positions × {}", rounded(factor)), settings, &other, plain);
        Ok(())
    }

    /// Without the patterns that do not fit to the others.
    fn exclusions(&mut self, plain: &DirectConfig) -> Result<()> {
        let Some(found) = direct::outliers(self.dataset, &mut |share| self.go_on(share))? else { return Ok(()) };
        if found.is_empty() {
            return Ok(());
        }
        let kept: Vec<usize> = (0..self.dataset.len()).filter(|at| !found.contains(at)).collect();
        let rows = found.iter().filter_map(|at| self.dataset.rows.get(*at).copied()).collect();
        let text = data::excluding(&self.config.data.exclude, &rows);
        let name = format!("Without {} patterns that do not fit", found.len());
        self.attempt(&name, vec![setting("data.exclude", text)], &self.dataset.subset(&kept), plain);
        Ok(())
    }

    /// Refinement of probe and positions, more modes, and another probe.
    fn refinements(&mut self, plain: &DirectConfig) -> Result<()> {
        let on = |path: &str| setting(path, true);
        let refining = DirectConfig { epochs: REFINING_EPOCHS, ..plain.clone() };
        let positions = DirectConfig { refine_positions: true, max_shift: MAX_SHIFT, ..refining.clone() };
        let settings = vec![on("direct.refine_positions"), setting("direct.max_shift", MAX_SHIFT)];
        self.attempt("Positions refined", settings, self.dataset, &positions);
        let probe = DirectConfig { refine_probe: true, ..refining };
        self.attempt("Probe refined", vec![on("direct.refine_probe")], self.dataset, &probe);
        let given = self.dataset.probe.dim().0;
        for modes in [given + 1, given + 2] {
            let more = DirectConfig { probe_modes: Some(modes), ..probe.clone() };
            let settings = vec![on("direct.refine_probe"), setting("direct.probe_modes", modes)];
            self.attempt(&format!("{modes} probe modes"), settings, self.dataset, &more);
        }
        // The search takes longer than all the others together, and is for the far field only.
        let found = |trial: &Trial| trial.relative < FOUND[0] && trial.unexplained < FOUND[1];
        if self.dataset.propagation != Propagation::FarField || self.trials.iter().any(found) {
            return Ok(());
        }
        let found = direct::search_probe(self.dataset, &mut |share, _| self.go_on(share))?;
        let Some(found) = found else { return Ok(()) };
        let mut other = self.dataset.clone();
        other.probe.clone_from(&found.probe);
        let few = DirectConfig { epochs: REFINING_EPOCHS / 2, ..plain.clone() };
        let settled = probe::settings(&few, self.dataset, Some(&found));
        self.attempt("Probe searched", vec![setting("direct.probe_search", "always")], &other, &settled);
        Ok(())
    }
}

/// A number with four significant digits.
fn rounded(value: f64) -> String {
    let digits = (3 - value.abs().max(1e-9).log10().floor() as i32).max(0) as usize;
    let text = format!("{value:.digits$}");
    if text.contains('.') { text.trim_end_matches('0').trim_end_matches('.').to_owned() } else { text }
}
