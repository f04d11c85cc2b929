//! The one thread that owns the device and every tensor.
//!
//! Commands go in, events come out; no tensor crosses a thread (Burn's stream id is thread-local), only plain arrays
//! leave it. The command line and the window are two consumers of the same events.

pub mod control;
pub mod device;
pub mod estimate;
mod example;
mod guard;
mod incoming;
mod jobs;
mod live;
mod memory;
pub mod message;
mod predicting;
mod presets;
pub mod reader;
mod recorder;
mod resuming;
mod simulating;
pub mod slot;
mod solving;
pub mod summary;
mod watch;
mod watching;

pub use control::Switch;
pub use message::{Command, Control, Event, EventKind, Job, Picture};
pub use predicting::{Predicted, predict_file};
pub use slot::Slot;
pub use summary::{JobOutcome, Summary};

use crate::error::{Error, Result};
use crate::system;
use live::{LivePace, Pace};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread::JoinHandle;
use std::time::Instant;

/// Called after each event: `request_repaint` of a window, or nothing.
pub type Wake = Box<dyn Fn() + Send>;

/// What a job has at hand: where its events go and what it is asked to do.
pub struct Context<'a> {
    job: u64,
    started: Instant,
    events: &'a Sender<Event>,
    wake: &'a Wake,
    /// Run, pause or stop.
    pub switch: Switch,
    /// The newest picture.
    pub pictures: Slot<Picture>,
    /// How often a picture is taken while a network trains.
    pub pace: Pace,
}

impl Context<'_> {
    /// Number of the job.
    pub fn job(&self) -> u64 {
        self.job
    }

    /// Sends an event; a consumer that has gone is no error, the job goes on to its result.
    pub fn emit(&self, kind: EventKind) {
        let _gone = self.events.send(Event { job: self.job, at: self.started.elapsed(), kind });
        (self.wake)();
    }

    /// Wakes the consumer without an event: a new picture is there.
    pub fn wake(&self) {
        (self.wake)();
    }

    /// Sends a note.
    pub fn note(&self, text: impl Into<String>) {
        self.emit(EventKind::Note { text: text.into() });
    }
}

/// The worker thread and its two channels. Dropping it stops the running job and joins the thread.
pub struct Worker {
    commands: Option<Sender<Command>>,
    events: Receiver<Event>,
    switch: Switch,
    pictures: Slot<Picture>,
    pace: Pace,
    thread: Option<JoinHandle<()>>,
}

/// Starts the thread `ptycho-worker`; `wake` is called after each event.
///
/// # Errors
/// The system gives no thread.
pub fn spawn(wake: Wake) -> Result<Worker> {
    spawn_with(wake, jobs::perform)
}

/// As [`spawn`], for a worker that lets a window come first.
///
/// # Errors
/// The system gives no thread.
pub fn spawn_behind(wake: Wake) -> Result<Worker> {
    system::calculate_in_background();
    spawn_with(wake, |job, context| {
        system::step_back();
        jobs::perform(job, context)
    })
}

/// As [`spawn`], with what a job does put in from outside.
fn spawn_with<F>(wake: Wake, mut body: F) -> Result<Worker>
where
    F: FnMut(&Job, &Context<'_>) -> Result<Summary> + Send + 'static,
{
    let (command_in, command_out) = channel::<Command>();
    let (event_in, event_out) = channel::<Event>();
    let (switch, pictures, pace) = (Switch::default(), Slot::default(), Pace::default());
    let (its_switch, its_pictures, its_pace) = (switch.clone(), pictures.clone(), pace.clone());
    let started = Instant::now();
    let work = move || {
        let mut job_number = 0;
        while let Ok(Command::Do(job)) = command_out.recv() {
            job_number += 1;
            let context = Context {
                job: job_number,
                started,
                events: &event_in,
                wake: &wake,
                switch: its_switch.clone(),
                pictures: its_pictures.clone(),
                pace: its_pace.clone(),
            };
            context.emit(EventKind::Started { name: job.name().to_owned() });
            context.emit(match guard::guarded(|| body(&job, &context)) {
                Ok(summary) => EventKind::Finished(Box::new(summary)),
                Err(error) => EventKind::Failed(error.into()),
            });
        }
    };
    let thread = std::thread::Builder::new()
        .name("ptycho-worker".to_owned())
        .spawn(work)
        .map_err(|error| Error::failed(format!("The worker thread could not be started ({error})")))?;
    Ok(Worker { commands: Some(command_in), events: event_out, switch, pictures, pace, thread: Some(thread) })
}

impl Worker {
    /// Puts a job in the queue.
    ///
    /// # Errors
    /// The thread has ended.
    pub fn submit(&self, job: Job) -> Result<()> {
        let sent = self.commands.as_ref().map(|commands| commands.send(Command::Do(job)));
        if matches!(sent, Some(Ok(()))) { Ok(()) } else { Err(Error::failed("The worker thread has ended")) }
    }

    /// Its events, in order.
    pub fn events(&self) -> &Receiver<Event> {
        &self.events
    }

    /// The switch that pauses or stops the running job; it stays as set, so set it back to run before the next job.
    pub fn switch(&self) -> Switch {
        self.switch.clone()
    }

    /// The newest picture.
    pub fn pictures(&self) -> Slot<Picture> {
        self.pictures.clone()
    }

    /// Sets how often a picture is taken while a network trains; off unless set.
    pub fn set_pace(&self, pace: LivePace) {
        self.pace.set(pace);
    }
}

impl Drop for Worker {
    fn drop(&mut self) {
        self.switch.set(Control::Stop);
        if let Some(commands) = self.commands.take() {
            let _gone = commands.send(Command::Shutdown);
        }
        if let Some(thread) = self.thread.take() {
            let _panicked = thread.join();
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used)]
mod tests {
    use super::*;
    use std::path::PathBuf;
    use std::sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    };
    use std::time::Duration;

    fn job(name: &str) -> Job {
        Job::Infer { model: name.into(), dataset: "d.npz".into(), output_dir: None.into(), settings: Vec::new() }
    }

    fn body(job: &Job, context: &Context<'_>) -> Result<Summary> {
        assert_eq!(std::thread::current().name(), Some("ptycho-worker"));
        let Job::Infer { model, .. } = job else { return Err(Error::failed("another job")) };
        context.note("working");
        match model.to_str() {
            Some("fails") => Err(Error::bad_input("No probe")),
            Some("panics") => panic!("no such adapter"),
            // Without the hook, which would print each of thousands.
            Some("dies") => std::panic::resume_unwind(Box::new("the device was lost")),
            Some("steps") => {
                for _ in 0..3 {
                    context.emit(EventKind::Stage { stage: message::Stage::Training });
                    if context.switch.get().ends_now() {
                        return Ok(Summary { outcome: JobOutcome::Stopped, ..Summary::default() });
                    }
                }
                Ok(Summary::default())
            }
            Some("waits") => {
                while context.switch.get() != Control::Stop {
                    std::thread::sleep(Duration::from_millis(1));
                }
                Ok(Summary { outcome: JobOutcome::Stopped, ..Summary::default() })
            }
            _ => Ok(Summary { model: Some(PathBuf::from(model)), ..Summary::default() }),
        }
    }

    #[test]
    fn exactly_one_end_follows_each_start_and_a_panic_does_not_stop_the_next_job() {
        let wakes = Arc::new(AtomicUsize::new(0));
        let counter = Arc::clone(&wakes);
        let wake: Wake = Box::new(move || {
            counter.fetch_add(1, Ordering::Relaxed);
        });
        let worker = spawn_with(wake, body).unwrap();
        let names = ["works", "fails", "panics", "works"];
        for name in names {
            worker.submit(job(name)).unwrap();
        }
        let mut events = Vec::new();
        while events.iter().filter(|e: &&Event| is_end(e)).count() < names.len() {
            events.push(worker.events().recv_timeout(Duration::from_secs(20)).unwrap());
        }
        for (number, name) in (1u64..).zip(names) {
            let of_job: Vec<_> = events.iter().filter(|event| event.job == number).collect();
            assert!(matches!(of_job.first().unwrap().kind, EventKind::Started { .. }), "{name}");
            assert!(is_end(of_job.last().unwrap()), "{name}");
            assert_eq!(of_job.iter().filter(|event| is_end(event)).count(), 1, "{name}");
            let failed = matches!(of_job.last().unwrap().kind, EventKind::Failed(_));
            assert_eq!(failed, name != "works", "{name}");
        }
        assert!(events.windows(2).all(|pair| pair[0].at <= pair[1].at && pair[0].job <= pair[1].job));
        // The last wake follows the last event, so the thread has to be through.
        drop(worker);
        assert_eq!(wakes.load(Ordering::Relaxed), events.len());
    }

    fn is_end(event: &Event) -> bool {
        matches!(event.kind, EventKind::Finished(_) | EventKind::Failed(_))
    }

    /// Jobs that end well, badly, by a panic or only when they are stopped, in random number and order, with the switch set at
    /// random moments, and a worker that is dropped at random moments.
    #[test]
    fn ten_thousand_random_sequences_of_commands_give_one_end_for_each_start() {
        use rand::{RngExt, SeedableRng};
        let mut rng = rand_chacha::ChaCha8Rng::seed_from_u64(1);
        let names = ["works", "fails", "dies", "steps", "waits"];
        let controls = [Control::Run, Control::Pause, Control::StopAfterEpoch, Control::Stop, Control::Discard];
        let (mut jobs, mut dropped) = (0, 0);
        for sequence in 0..10_000 {
            let worker = spawn_with(Box::new(|| ()), body).unwrap();
            let count = rng.random_range(0..=4u64);
            for _ in 0..count {
                worker.submit(job(names[rng.random_range(0..names.len())])).unwrap();
                if rng.random::<bool>() {
                    worker.switch().set(controls[rng.random_range(0..controls.len())]);
                }
            }
            if rng.random_range(0..4) == 0 {
                dropped += 1;
                continue;
            }
            let (mut session, mut started, mut ended) = (crate::session::Session::default(), 0, 0);
            while ended < count {
                // Those that wait are let go at some time.
                let Ok(event) = worker.events().recv_timeout(Duration::from_micros(200)) else {
                    worker.switch().set(Control::Stop);
                    continue;
                };
                session.apply(&event);
                if matches!(event.kind, EventKind::Started { .. }) {
                    assert_eq!((event.job, started), (ended + 1, ended), "sequence {sequence}");
                    started += 1;
                } else {
                    assert_eq!((event.job, started), (started, ended + 1), "sequence {sequence}");
                    ended += u64::from(is_end(&event));
                    assert_eq!(session.has_ended(), is_end(&event), "sequence {sequence}");
                }
            }
            jobs += count;
            assert!(worker.events().try_recv().is_err(), "sequence {sequence}");
        }
        println!("{jobs} jobs, {dropped} workers dropped on the way");
    }

    /// The wish is set between the last step and the end of a training that nothing else cuts short.
    #[test]
    fn a_wish_to_stop_that_comes_as_a_training_ends_by_itself_does_not_cost_the_picture() {
        let folder = tempfile::tempdir().unwrap();
        let mut config = crate::config::Config::default();
        for (field, value) in [
            ("execution.accelerator", "cpu"),
            ("model.n_filters_scale", "1"),
            ("model.head_filters", "2"),
            ("data.n_subsample", "8"),
            ("training.teacher_share", "0"),
            ("training.epochs", "1"),
            ("training.time_budget_s", "none"),
        ] {
            config.set(field, value).unwrap();
        }
        let dataset = concat!(env!("CARGO_MANIFEST_DIR"), "/fixtures/siemens_star_n64.npz").into();
        let output_dir = Some(folder.path().join("run")).into();
        let job = Job::Run { dataset, validation: None, output_dir, config: Box::new(config) };
        let (event_in, event_out) = channel::<Event>();
        let switch = Switch::default();
        let its_switch = switch.clone();
        let wake: Wake = Box::new(move || {
            if event_out.try_iter().any(|event| matches!(event.kind, EventKind::Epoch(_))) {
                its_switch.set(Control::Stop);
            }
        });
        let context = Context {
            job: 1,
            started: Instant::now(),
            events: &event_in,
            wake: &wake,
            switch: switch.clone(),
            pictures: Slot::default(),
            pace: Pace::default(),
        };
        let summary = jobs::perform(&job, &context).unwrap();
        assert_eq!(switch.get(), Control::Run, "the wish was never set, or has not been met");
        assert_eq!(summary.outcome, JobOutcome::Completed);
        assert!(folder.path().join("run/reconstruction.npz").exists());
    }

    #[test]
    fn dropping_the_worker_stops_its_job_and_joins_the_thread() {
        let worker = spawn_with(Box::new(|| ()), body).unwrap();
        worker.submit(job("waits")).unwrap();
        let started = worker.events().recv_timeout(Duration::from_secs(20)).unwrap();
        assert!(matches!(started.kind, EventKind::Started { .. }));
        drop(worker);
    }
}
