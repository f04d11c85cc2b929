//! The simulation as it is being set up.

use super::action::Source;
use super::{Action, Effect, Level, State};
use crate::config::{Config, ObjectKind, ProbeKind, ScanKind, SimulationConfig};
use crate::worker::message::{Control, Failure, Job, Request, ScenePreview, Sources};
use std::path::PathBuf;
use std::sync::Arc;

/// What decides how a simulation looks.
#[derive(Debug, Clone, PartialEq)]
struct Setting {
    simulation: SimulationConfig,
    gridsize: usize,
    seed: u64,
    sources: Sources,
}

/// What is known of the simulation that is being set up.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct OpenScene {
    /// Files for object, probe and positions; also those that are not used.
    pub sources: Sources,
    /// What it will look like; the one before while a newer one is made.
    pub preview: Option<Arc<ScenePreview>>,
    /// Why that cannot be said.
    pub failure: Option<Failure>,
    /// What was last asked for, and how many answers are to come.
    asked: Option<Box<Setting>>,
    waiting: usize,
}

impl OpenScene {
    /// Whether an answer is to come.
    pub fn is_waiting(&self) -> bool {
        self.waiting > 0
    }
}

/// The files that are to be chosen with this configuration, in order.
pub(super) fn wanted(simulation: &SimulationConfig) -> Vec<Source> {
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
    /// The files that the simulation starts from: those that are chosen and used.
    pub fn sources(&self) -> Sources {
        let (mut chosen, mut used) = (self.scene.sources.clone(), Sources::default());
        for source in wanted(&self.draft.config().simulation) {
            *source.of(&mut used) = source.of(&mut chosen).take();
        }
        used
    }

    /// The files that are to be chosen for the simulation.
    pub fn wanted_sources(&self) -> Vec<Source> {
        wanted(&self.draft.config().simulation)
    }

    /// Whether the preview of the simulation is that of another configuration, and none is on its way.
    pub fn is_preview_stale(&self) -> bool {
        !self.scene.is_waiting() && self.scene.asked.as_deref() != Some(&self.setting())
    }

    /// Why nothing can be simulated, in words; none if it can.
    pub fn why_not_simulate(&self) -> Option<String> {
        if self.is_busy() {
            return Some("A job is running".to_owned());
        }
        let complaint = Config::fields()
            .into_iter()
            .filter(|field| field.group() == "simulation")
            .find_map(|field| self.draft.complaint(field.path));
        if let Some(complaint) = complaint {
            return Some(complaint.to_owned());
        }
        let mut sources = self.sources();
        let missing = self.wanted_sources().into_iter().find(|source| source.of(&mut sources).is_none());
        if let Some(source) = missing {
            return Some(format!("Choose a file first: {}", source.label().to_lowercase()));
        }
        let checked = self.draft.config().simulation.check().and_then(|()| self.draft.config().validate());
        checked.err().map(|error| error.to_string())
    }

    fn setting(&self) -> Setting {
        let config = self.draft.config();
        Setting {
            simulation: config.simulation.clone(),
            gridsize: config.model.gridsize,
            seed: config.execution.seeds.noise,
            sources: self.sources(),
        }
    }

    pub(super) fn set_source(&mut self, source: Source, path: PathBuf) {
        *source.of(&mut self.scene.sources) = Some(path).filter(|path| !path.as_os_str().is_empty());
    }

    pub(super) fn preview_scene(&mut self) -> Vec<Effect> {
        let setting = self.setting();
        self.scene.waiting += 1;
        let sources = Box::new(setting.sources.clone());
        self.scene.asked = Some(Box::new(setting));
        vec![Effect::Read(Request::Scene { config: Box::new(self.draft.config().clone()), sources })]
    }

    pub(super) fn see_scene(&mut self, scene: Result<Arc<ScenePreview>, Failure>) {
        self.scene.waiting = self.scene.waiting.saturating_sub(1);
        match scene {
            Ok(preview) => (self.scene.preview, self.scene.failure) = (Some(preview), None),
            Err(failure) => (self.scene.preview, self.scene.failure) = (None, Some(failure)),
        }
    }

    pub(super) fn simulate(&mut self, output: PathBuf) -> Vec<Effect> {
        if let Some(reason) = self.why_not_simulate() {
            return self.act(Action::Say { level: Level::Warning, text: reason });
        }
        let output = if output.extension().is_some() { output } else { output.with_extension("npz") };
        self.starting = true;
        self.control = Control::Run;
        let (sources, config) = (Box::new(self.sources()), Box::new(self.draft.config().clone()));
        vec![Effect::Control(Control::Run), Effect::Submit(Job::Simulate { output, sources, config })]
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used)]
mod tests {
    use super::*;
    use crate::error::Error;
    use crate::worker::message::{Event, EventKind, Summary, SummaryDataset};
    use std::time::Duration;

    fn set(state: &mut State, path: &str, text: &str) {
        state.act(Action::SetField { path: path.into(), text: text.into() });
    }

    #[test]
    fn only_files_that_are_used_go_into_a_simulation_and_missing_ones_are_named() {
        let mut state = State::default();
        assert_eq!(state.why_not_simulate(), None);
        state.act(Action::SetSource(Source::Positions, "scan.txt".into()));
        assert_eq!(state.sources(), Sources::default());
        set(&mut state, "simulation.scan", "file");
        assert_eq!(state.sources().positions, Some("scan.txt".into()));
        set(&mut state, "simulation.object", "image");
        assert!(state.why_not_simulate().unwrap().contains("picture of the object"));
        assert!(matches!(state.act(Action::Simulate("a.npz".into())).as_slice(), [Effect::Toast { .. }]));
        state.act(Action::SetSource(Source::Picture, "a.png".into()));
        assert_eq!(state.why_not_simulate(), None);
        state.act(Action::SetSource(Source::Picture, PathBuf::new()));
        assert!(state.why_not_simulate().is_some());
    }

    #[test]
    fn a_preview_is_asked_for_once_for_each_setting() {
        let mut state = State::default();
        assert!(state.is_preview_stale());
        assert!(matches!(state.act(Action::PreviewScene).as_slice(), [Effect::Read(Request::Scene { .. })]));
        assert!(!state.is_preview_stale() && state.scene.is_waiting());
        set(&mut state, "simulation.n_images", "40");
        assert!(!state.is_preview_stale(), "one is on its way");
        let failure = Failure::from(Error::bad_input("No light"));
        state.learn(crate::worker::message::Reply::Scene(Err(failure)));
        assert!(state.is_preview_stale() && state.scene.failure.is_some());
        state.act(Action::PreviewScene);
        state.learn(crate::worker::message::Reply::Scene(Err(Error::bad_input("No light").into())));
        assert!(!state.is_preview_stale());
        set(&mut state, "training.batch_size", "3");
        assert!(!state.is_preview_stale(), "the training says nothing about a simulation");
    }

    #[test]
    fn what_was_simulated_is_opened_as_the_dataset() {
        let mut state = State::default();
        let effects = state.act(Action::Simulate("made".into()));
        let job = effects.iter().find_map(|effect| match effect {
            Effect::Submit(Job::Simulate { output, .. }) => Some(output.clone()),
            _ => None,
        });
        assert_eq!(job, Some("made.npz".into()));
        assert!(state.is_busy());
        let event = |kind| Event { job: 1, at: Duration::from_secs(1), kind };
        state.hear(&event(EventKind::Started { name: "simulate".into() }));
        let dataset = SummaryDataset { path: "made.npz".into(), ..SummaryDataset::default() };
        let summary = Summary { command: "simulate".into(), dataset, ..Summary::default() };
        state.hear(&event(EventKind::Finished(Box::new(summary))));
        assert_eq!(state.dataset.unwrap().path, PathBuf::from("made.npz"));
    }
}
