//! The thread that owns the device and every tensor.
//!
//! Commands in, events out. No tensor crosses a thread (Burn's stream id is thread-local); only plain arrays leave it. The
//! command line and the window consume the same events.

mod context;
pub mod control;
pub mod device;
mod diagnosis;
pub mod estimate;
pub(crate) mod guard;
mod jobs;
pub(crate) mod live_preview;
pub mod message;
mod pace;
mod predict;
mod recorder;
pub mod slot;
pub mod summary;
mod training_observer;
mod watch_folder;
mod watched_file;

pub use context::{Context, Wake};
pub use control::Switch;
pub use message::{Command, Control, Event, EventKind, Job, Picture};
pub use predict::{Predicted, predict_file};
pub use slot::Slot;
pub use summary::{JobKind, JobOutcome, Summary};

use crate::error::{Error, Result};
use crate::system;
use pace::{LivePace, Pace};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread::JoinHandle;
use std::time::Instant;

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
/// The system cannot start a thread.
pub fn spawn(wake: Wake) -> Result<Worker> {
    spawn_with(wake, jobs::perform)
}

/// As [`spawn`], at low priority, so that the window stays responsive.
///
/// # Errors
/// The system cannot start a thread.
pub fn spawn_behind(wake: Wake) -> Result<Worker> {
    system::lower_pool_priority();
    spawn_with(wake, |job, context| {
        system::lower_thread_priority();
        jobs::perform(job, context)
    })
}

/// As [`spawn`], with `body` performing the jobs.
fn spawn_with<F>(wake: Wake, mut body: F) -> Result<Worker>
where
    F: FnMut(&Job, &Context<'_>) -> Result<Summary> + Send + 'static,
{
    let (command_in, command_out) = channel::<Command>();
    let (event_in, event_out) = channel::<Event>();
    let (switch, pictures, pace) = (Switch::default(), Slot::default(), Pace::default());
    let shared = (switch.clone(), pictures.clone(), pace.clone());
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
                switch: shared.0.clone(),
                pictures: shared.1.clone(),
                pace: shared.2.clone(),
            };
            context.emit(EventKind::Started { kind: job.kind() });
            context.emit(match guard::guarded(|| body(&job, &context)) {
                Ok(summary) => EventKind::Finished(Box::new(summary)),
                Err(error) => EventKind::Failed(error.into()),
            });
        }
    };
    let thread = std::thread::Builder::new()
        .name("ptycho-worker".to_owned())
        .spawn(work)
        .map_err(|error| Error::failed(format!("Cannot start the worker thread ({error})")))?;
    Ok(Worker { commands: Some(command_in), events: event_out, switch, pictures, pace, thread: Some(thread) })
}

impl Worker {
    /// Adds a job to the queue.
    ///
    /// # Errors
    /// The thread has ended.
    pub fn submit(&self, job: Job) -> Result<()> {
        let sent = self.commands.as_ref().map(|commands| commands.send(Command::Do(job)));
        if matches!(sent, Some(Ok(()))) { Ok(()) } else { Err(Error::failed("The worker thread has ended")) }
    }

    /// The events, in order.
    pub fn events(&self) -> &Receiver<Event> {
        &self.events
    }

    /// The switch that pauses or stops the running job. It keeps its state: reset it before the next job.
    pub fn switch(&self) -> Switch {
        self.switch.clone()
    }

    /// The mailbox for the newest picture.
    pub fn pictures(&self) -> Slot<Picture> {
        self.pictures.clone()
    }

    /// Sets the frequency of live pictures during training; off by default.
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
                    if context.switch.get().stops_now() {
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
        // The last wake follows the last event: wait for the thread to end.
        drop(worker);
        assert_eq!(wakes.load(Ordering::Relaxed), events.len());
    }

    fn is_end(event: &Event) -> bool {
        matches!(event.kind, EventKind::Finished(_) | EventKind::Failed(_))
    }

    /// Jobs that succeed, fail, panic or wait to be stopped, in random number and order, with the switch set and the worker
    /// dropped at random moments.
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
            let (mut running, mut started, mut ended) = (None, 0, 0);
            while ended < count {
                // Releases jobs that wait for the switch.
                let Ok(event) = worker.events().recv_timeout(Duration::from_micros(200)) else {
                    worker.switch().set(Control::Stop);
                    continue;
                };
                if matches!(event.kind, EventKind::Started { .. }) {
                    assert_eq!(running.replace(event.job), None, "sequence {sequence}");
                    assert_eq!((event.job, started), (ended + 1, ended), "sequence {sequence}");
                    started += 1;
                } else {
                    assert_eq!(running, Some(event.job), "sequence {sequence}");
                    assert_eq!((event.job, started), (started, ended + 1), "sequence {sequence}");
                    ended += u64::from(is_end(&event));
                    running = running.filter(|_| !is_end(&event));
                }
            }
            jobs += count;
            assert!(worker.events().try_recv().is_err(), "sequence {sequence}");
        }
        println!("{jobs} jobs, {dropped} workers dropped while working");
    }

    /// The switch is set between the last step and the end of a training that runs its full length.
    #[test]
    fn a_stop_request_just_before_the_regular_end_of_a_training_does_not_skip_the_reconstruction() {
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
        let dataset = ptychoscope_base::testing::fixture("siemens_star_n64.npz");
        let output_dir = Some(folder.path().join("run")).into();
        let job = Job::Run { dataset, validation: None, output_dir, config: Box::new(config) };
        let (event_in, event_out) = channel::<Event>();
        let switch = Switch::default();
        let other = switch.clone();
        let wake: Wake = Box::new(move || {
            if event_out.try_iter().any(|event| matches!(event.kind, EventKind::Epoch(_))) {
                other.set(Control::Stop);
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
        assert_eq!(switch.get(), Control::Run, "the stop was never requested, or not handled");
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
