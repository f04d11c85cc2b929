//! Setup of a simulation.

use super::action::Source;
use super::{Action, Effect, Level, State};
use crate::config::{Config, ObjectKind, ProbeKind, ScanKind, SimulationConfig};
use crate::library::{Request, SimulationPreview};
use crate::worker::message::{Control, Failure, Job, Sources};
use std::path::PathBuf;
use std::sync::Arc;

/// Settings that a preview depends on.
#[derive(Debug, Clone, PartialEq)]
struct PreviewSettings {
    simulation: SimulationConfig,
    gridsize: usize,
    seed: u64,
    sources: Sources,
}

/// A simulation being set up.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct SimulationSetup {
    /// Files for object, probe and positions, including unused ones.
    pub sources: Sources,
    /// Latest preview; the previous one while a new one is computed.
    pub preview: Option<Arc<SimulationPreview>>,
    /// Reason why there is no preview.
    pub failure: Option<Failure>,
    /// Settings of the latest request.
    requested: Option<Box<PreviewSettings>>,
    /// Number of outstanding replies.
    pending: usize,
}

impl SimulationSetup {
    /// True while a preview is computed.
    pub fn is_waiting(&self) -> bool {
        self.pending > 0
    }
}

/// Files required by a configuration, in order.
fn required_sources(simulation: &SimulationConfig) -> Vec<Source> {
    let object = match simulation.object {
        ObjectKind::File => Some(Source::Object),
        ObjectKind::Image => Some(Source::Picture),
        _ => None,
    };
    let probe = (simulation.probe == ProbeKind::File).then_some(Source::Probe);
    let scan = (simulation.scan == ScanKind::File).then_some(Source::Positions);
    [object, probe, scan].into_iter().flatten().collect()
}

impl State {
    /// Files chosen for the simulation, without unused ones.
    pub fn sources(&self) -> Sources {
        let (mut chosen, mut used) = (self.simulation.sources.clone(), Sources::default());
        for source in required_sources(&self.draft.config().simulation) {
            *source.of(&mut used) = source.of(&mut chosen).take();
        }
        used
    }

    /// Files required for the simulation, in order.
    pub fn required_sources(&self) -> Vec<Source> {
        required_sources(&self.draft.config().simulation)
    }

    /// True if the preview belongs to other settings and no new one is being computed.
    pub fn is_preview_stale(&self) -> bool {
        !self.simulation.is_waiting() && self.simulation.requested.as_deref() != Some(&self.preview_settings())
    }

    /// Reason why the simulation cannot start; `None` if it can.
    pub fn why_not_simulate(&self) -> Option<String> {
        if self.is_busy() {
            return Some("A job is running".to_owned());
        }
        let error = Config::fields()
            .into_iter()
            .filter(|field| field.group() == "simulation")
            .find_map(|field| self.draft.field_error(field.path));
        if let Some(error) = error {
            return Some(error.to_owned());
        }
        let mut sources = self.sources();
        let missing = self.required_sources().into_iter().find(|source| source.of(&mut sources).is_none());
        if let Some(source) = missing {
            return Some(format!("Choose a file first: {}", source.label().to_lowercase()));
        }
        let checked = self.draft.config().simulation.check().and_then(|()| self.draft.config().validate());
        checked.err().map(|error| error.to_string())
    }

    fn preview_settings(&self) -> PreviewSettings {
        let config = self.draft.config();
        PreviewSettings {
            simulation: config.simulation.clone(),
            gridsize: config.model.gridsize,
            seed: config.execution.seeds.noise,
            sources: self.sources(),
        }
    }

    pub(super) fn set_source(&mut self, source: Source, path: PathBuf) {
        *source.of(&mut self.simulation.sources) = Some(path).filter(|path| !path.as_os_str().is_empty());
    }

    pub(super) fn request_simulation_preview(&mut self) -> Vec<Effect> {
        let settings = self.preview_settings();
        self.simulation.pending += 1;
        let sources = Box::new(settings.sources.clone());
        self.simulation.requested = Some(Box::new(settings));
        vec![Effect::Library(Request::SimulationPreview { config: Box::new(self.draft.config().clone()), sources })]
    }

    pub(super) fn on_simulation_preview(&mut self, preview: Result<Arc<SimulationPreview>, Failure>) {
        self.simulation.pending = self.simulation.pending.saturating_sub(1);
        match preview {
            Ok(preview) => (self.simulation.preview, self.simulation.failure) = (Some(preview), None),
            Err(failure) => (self.simulation.preview, self.simulation.failure) = (None, Some(failure)),
        }
    }

    pub(super) fn simulate(&mut self, output: PathBuf) -> Vec<Effect> {
        if let Some(reason) = self.why_not_simulate() {
            return self.dispatch(Action::Notify { level: Level::Warning, text: reason });
        }
        let output = if output.extension().is_some() { output } else { output.with_extension("npz") };
        self.starting = true;
        self.control = Control::Run;
        let (sources, config) = (Box::new(self.sources()), Box::new(self.draft.config().clone()));
        vec![Effect::Control(Control::Run), Effect::Submit(Job::Simulate { output, sources, config })]
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::Error;
    use crate::worker::message::{Event, EventKind, JobKind, Summary, SummaryDataset};
    use std::time::Duration;

    fn set(state: &mut State, path: &str, text: &str) {
        state.dispatch(Action::SetField { path: path.into(), text: text.into() });
    }

    #[test]
    fn only_required_files_are_used_and_missing_ones_are_named() {
        let mut state = State::default();
        assert_eq!(state.why_not_simulate(), None);
        state.dispatch(Action::SetSource(Source::Positions, "scan.txt".into()));
        assert_eq!(state.sources(), Sources::default());
        set(&mut state, "simulation.scan", "file");
        assert_eq!(state.sources().positions, Some("scan.txt".into()));
        set(&mut state, "simulation.object", "image");
        assert!(state.why_not_simulate().unwrap().contains("object image"));
        assert!(matches!(state.dispatch(Action::Simulate("a.npz".into())).as_slice(), [Effect::Toast { .. }]));
        state.dispatch(Action::SetSource(Source::Picture, "a.png".into()));
        assert_eq!(state.why_not_simulate(), None);
        state.dispatch(Action::SetSource(Source::Picture, PathBuf::new()));
        assert!(state.why_not_simulate().is_some());
    }

    #[test]
    fn a_preview_is_requested_once_for_each_setting() {
        let mut state = State::default();
        assert!(state.is_preview_stale());
        assert!(matches!(
            state.dispatch(Action::PreviewSimulation).as_slice(),
            [Effect::Library(Request::SimulationPreview { .. })]
        ));
        assert!(!state.is_preview_stale() && state.simulation.is_waiting());
        set(&mut state, "simulation.n_images", "40");
        assert!(!state.is_preview_stale(), "one is being computed");
        let failure = Failure::from(Error::bad_input("No light"));
        state.on_reply(crate::library::Reply::SimulationPreview(Err(failure)));
        assert!(state.is_preview_stale() && state.simulation.failure.is_some());
        state.dispatch(Action::PreviewSimulation);
        state.on_reply(crate::library::Reply::SimulationPreview(Err(Error::bad_input("No light").into())));
        assert!(!state.is_preview_stale());
        set(&mut state, "training.batch_size", "3");
        assert!(!state.is_preview_stale(), "training settings do not affect a simulation");
    }

    #[test]
    fn the_simulated_dataset_is_opened() {
        let mut state = State::default();
        let effects = state.dispatch(Action::Simulate("made".into()));
        let job = effects.iter().find_map(|effect| match effect {
            Effect::Submit(Job::Simulate { output, .. }) => Some(output.clone()),
            _ => None,
        });
        assert_eq!(job, Some("made.npz".into()));
        assert!(state.is_busy());
        let event = |kind| Event { job: 1, at: Duration::from_secs(1), kind };
        state.on_event(&event(EventKind::Started { kind: JobKind::Simulate }));
        let dataset = SummaryDataset { path: "made.npz".into(), ..SummaryDataset::default() };
        let summary = Summary { command: JobKind::Simulate, dataset, ..Summary::default() };
        state.on_event(&event(EventKind::Finished(Box::new(summary))));
        assert_eq!(state.dataset.unwrap().path, PathBuf::from("made.npz"));
    }
}
