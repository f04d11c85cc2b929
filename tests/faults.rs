//! What goes wrong outside of the program: full disks, folders that vanish, lost devices, closed pipes, two programs in one
//! folder. Each is said in plain words, and what was learnt so far is kept.
#![allow(clippy::unwrap_used, clippy::expect_used, missing_docs)]

mod common;

use common::{TINY, fixture, program, tiny_dataset, tiny_flags};
use ptychoscope::checkpoint::{Bundle, SavedTraining};
use ptychoscope::config::Config;
use ptychoscope::data::Reconstruction;
use ptychoscope::session::JobProgress;
use ptychoscope::worker::message::JobKind;
use ptychoscope::worker::message::{Control, Event, EventKind, Job, JobOutcome};
use ptychoscope::worker::{self, Worker};
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

fn said(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

fn train(folder: &Path, data: &Path, epochs: usize) -> Command {
    let mut command = program();
    command.arg("train").arg(data).args(["--epochs", &epochs.to_string(), "--set", "training.teacher_share=0"]);
    command.args(tiny_flags()).arg("--output-dir").arg(folder);
    command
}

/// A dataset and a place for run folders.
fn place(patterns: usize) -> (tempfile::TempDir, PathBuf) {
    let root = tempfile::tempdir().unwrap();
    let data = root.path().join("tiny.npz");
    tiny_dataset(&data, patterns);
    (root, data)
}

fn until(what: &str, mut holds: impl FnMut() -> bool) {
    let began = Instant::now();
    while !holds() {
        assert!(began.elapsed() < Duration::from_secs(60), "{what} did not come");
        std::thread::sleep(Duration::from_millis(2));
    }
}

fn temporary_files(folder: &Path) -> usize {
    let names = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap());
    names.filter(|name| name.ends_with(".part") || name == "run.lock").count()
}

/// A small file system of its own, which root can make.
struct Disk(PathBuf);

impl Disk {
    fn new(at: &Path, options: &str) -> Option<Self> {
        std::fs::create_dir_all(at).unwrap();
        let mount = Command::new("mount").args(["-t", "tmpfs", "-o", options, "tmpfs"]).arg(at).output();
        if mount.is_ok_and(|output| output.status.success()) {
            return Some(Self(at.to_path_buf()));
        }
        println!("skipped: only root can make a small file system");
        None
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        let _busy = Command::new("umount").arg("-l").arg(&self.0).status();
    }
}

#[test]
fn a_disk_that_fills_up_on_the_way_costs_the_autosave_and_not_the_training() {
    let (root, data) = place(8);
    let whole = root.path().join("whole");
    assert!(train(&whole, &data, 3).output().unwrap().status.success());
    let model = whole.join("model.ptycho").metadata().unwrap().len();
    // There is room for model and best model, not for the autosave, which is three or four times as large.
    let Some(disk) = Disk::new(&root.path().join("disk"), &format!("size={}", 5 * model / 2)) else { return };
    let folder = disk.0.join("run");
    let output = train(&folder, &data, 3).output().unwrap();
    assert_eq!(output.status.code(), Some(0), "{}", said(&output));
    assert_eq!(said(&output).matches("Cannot autosave").count(), 1, "{}", said(&output));
    let weights = |folder: &Path| Bundle::load(folder.join("model.ptycho")).unwrap().weights;
    assert_eq!(weights(&folder), weights(&whole));
    assert_eq!(temporary_files(&folder), 0);
}

#[test]
fn a_model_that_finds_no_room_is_saved_elsewhere_and_said_to_be() {
    let (root, data) = place(8);
    let whole = root.path().join("whole");
    assert!(train(&whole, &data, 3).output().unwrap().status.success());
    let Some(disk) = Disk::new(&root.path().join("disk"), "size=256k") else { return };
    let (folder, elsewhere) = (disk.0.join("run"), root.path().join("elsewhere"));
    std::fs::create_dir(&elsewhere).unwrap();
    let output = train(&folder, &data, 3).env("TMPDIR", &elsewhere).output().unwrap();
    assert_eq!(output.status.code(), Some(1), "{}", said(&output));
    let text = said(&output);
    assert!(text.contains("No space left") && text.contains("the model was saved as"), "{text}");
    let saved: Vec<_> = std::fs::read_dir(&elsewhere).unwrap().map(|entry| entry.unwrap().path()).collect();
    let [saved] = saved.as_slice() else { panic!("{saved:?}") };
    assert!(text.contains(saved.to_str().unwrap()), "{text}");
    assert_eq!(Bundle::load(saved).unwrap().weights, Bundle::load(whole.join("model.ptycho")).unwrap().weights);
    assert_eq!(temporary_files(&folder), 0);
}

/// The writer fails as on a full disk, without being root: no file may grow beyond a limit.
#[cfg(unix)]
#[test]
fn a_writer_that_fails_is_told_of_and_the_old_result_stays() {
    let (root, data) = place(8);
    let (folder, elsewhere) = (root.path().join("run"), root.path().join("elsewhere"));
    std::fs::create_dir(&elsewhere).unwrap();
    assert!(train(&folder, &data, 2).output().unwrap().status.success());
    let before = std::fs::read(folder.join("model.ptycho")).unwrap();
    let mut again = train(&folder, &data, 3);
    let words: Vec<_> = again.get_args().map(|word| word.to_str().unwrap().to_owned()).collect();
    again = Command::new("sh");
    // 64 KiB, in blocks of 512 or 1024 bytes.
    again.args(["-c", "trap '' XFSZ; ulimit -f 64; exec \"$@\"", "sh", env!("CARGO_BIN_EXE_ptychoscope")]).args(words);
    let output = again.env("TMPDIR", &elsewhere).output().unwrap();
    assert_eq!(output.status.code(), Some(1), "{}", said(&output));
    assert!(said(&output).contains("Cannot write the file"), "{}", said(&output));
    assert_eq!(std::fs::read(folder.join("model.ptycho")).unwrap(), before, "the old model stays whole");
    assert_eq!(temporary_files(&folder), 0);
    assert_eq!(std::fs::read_dir(&elsewhere).unwrap().count(), 0, "nothing half written there either");
}

#[cfg(unix)]
#[test]
fn a_folder_that_cannot_be_written_is_said_before_any_work() {
    use std::os::unix::fs::PermissionsExt;
    let (root, data) = place(8);
    let folder = root.path().join("run");
    // Root may write everywhere, but not where nothing can be written.
    let disk = Disk::new(&folder, "ro,size=1m");
    std::fs::set_permissions(&folder, std::fs::Permissions::from_mode(0o555)).ok();
    if disk.is_none() && std::fs::write(folder.join("try"), "x").is_ok() {
        println!("skipped: this user may write everywhere");
        return;
    }
    let output = train(&folder, &data, 100_000).output().unwrap();
    assert_eq!(output.status.code(), Some(1), "{}", said(&output));
    assert!(said(&output).contains("Cannot write") && said(&output).contains(folder.to_str().unwrap()));
    assert_eq!(std::fs::read_dir(&folder).unwrap().count(), 0);
}

#[test]
fn a_run_folder_that_vanishes_is_made_again_with_what_was_learnt() {
    let (root, data) = place(4);
    let folder = root.path().join("run");
    let child = train(&folder, &data, 30).stderr(Stdio::piped()).spawn().unwrap();
    until("an autosave", || folder.join("autosave.ptycho").exists());
    // The program may be writing into it at this moment.
    until("the end of the folder", || std::fs::remove_dir_all(&folder).is_ok() || !folder.exists());
    let output = child.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(0), "{}", said(&output));
    assert!(said(&output).contains("Cannot autosave"), "{}", said(&output));
    assert!(said(&output).contains("had been deleted and was recreated"), "{}", said(&output));
    assert_eq!(Bundle::load(folder.join("model.ptycho")).unwrap().manifest.epochs, 30);
    for name in ["best.ptycho", "history.csv", "config.toml", "summary.json"] {
        assert!(folder.join(name).is_file(), "{name}");
    }
    assert_eq!(temporary_files(&folder), 0);
}

/// Starts a training that lasts until it is killed, and waits until it has saved something.
fn busy(folder: &Path, data: &Path) -> Child {
    let child = train(folder, data, 1_000_000).stderr(Stdio::null()).spawn().unwrap();
    until("an autosave", || folder.join("autosave.ptycho").exists());
    child
}

#[test]
fn a_second_program_in_a_run_folder_is_told_whose_it_is_and_the_lock_of_a_dead_one_is_taken_over() {
    use ptychoscope::library::{Reply, Request};
    let (root, data) = place(8);
    let folder = root.path().join("run");
    let mut first = busy(&folder, &data);
    let runs = || {
        let reader = ptychoscope::library::Library::spawn(Box::new(|| ())).unwrap();
        reader.request(Request::Runs { parent: root.path().to_path_buf() });
        let Reply::Runs(runs) = reader.replies().recv_timeout(Duration::from_secs(20)).unwrap() else { panic!() };
        runs.into_iter().next().unwrap()
    };
    let shown = runs();
    assert!(shown.in_use && !shown.resumable && !shown.is_interrupted(), "a living program's run is not interrupted");
    let mut resume = program();
    resume.args(["train", "--resume"]).arg(&folder);
    for mut command in [train(&folder, &data, 2), resume] {
        let output = command.output().unwrap();
        assert_eq!(output.status.code(), Some(2), "{}", said(&output));
        let owner = format!("process {} on ", first.id());
        assert!(said(&output).contains("Another program uses this run folder"), "{}", said(&output));
        assert!(said(&output).contains(&owner), "{}", said(&output));
    }
    first.kill().unwrap();
    first.wait().unwrap();
    let shown = runs();
    assert!(!shown.in_use && shown.resumable && shown.is_interrupted());
    assert_eq!(shown.dataset, data);
    assert!(folder.join("run.lock").exists(), "a killed program leaves its lock");
    let output = program().args(["train", "--epochs", "1", "--resume"]).arg(&folder).output().unwrap();
    assert!(output.status.success(), "{}", said(&output));
    assert!(said(&output).contains("was killed (process"), "{}", said(&output));
    assert_eq!(temporary_files(&folder), 0);
    let shown = runs();
    assert!(!shown.resumable && !shown.is_interrupted() && shown.command == Some(JobKind::Train));
}

#[cfg(unix)]
#[test]
fn a_closed_pipe_is_no_panic() {
    let star = fixture("siemens_star_n64.npz");
    let star = star.to_str().unwrap();
    for arguments in [&["inspect", star][..], &["config", "--fields"], &["inspect", star, "--json"], &["--help"]] {
        let mut child = program().args(arguments).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let mut first = String::new();
        // Dropping the reader closes the pipe, as `head -1` does.
        BufReader::with_capacity(16, child.stdout.take().unwrap()).read_line(&mut first).unwrap();
        let output = child.wait_with_output().unwrap();
        assert!(!first.is_empty() && !said(&output).contains("panicked"), "{arguments:?}: {}", said(&output));
        assert_eq!(output.status.code(), Some(0), "{arguments:?}");
    }
    // Nobody listens to either; the work is done all the same.
    let (root, data) = place(8);
    let folder = root.path().join("run");
    let mut child =
        train(&folder, &data, 5).arg("--json").stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    drop((child.stdout.take(), child.stderr.take()));
    assert_eq!(child.wait().unwrap().code(), Some(0));
    assert!(folder.join("summary.json").is_file());
    let mut child = program().args(["inspect", star]).stdout(Stdio::piped()).spawn().unwrap();
    drop(child.stdout.take());
    assert_eq!(child.wait().unwrap().code(), Some(0));
    let mut child = program().args(["inspect", "absent.npz"]).stderr(Stdio::piped()).spawn().unwrap();
    drop(child.stderr.take());
    assert_eq!(child.wait().unwrap().code(), Some(2), "an error that nobody hears has its exit code");
}

fn tiny_config(epochs: usize) -> Config {
    let mut config = Config::default();
    let epochs = epochs.to_string();
    let more = [
        ("training.epochs", epochs.as_str()),
        ("training.time_budget_s", "none"),
        ("training.teacher_share", "0"),
        ("inference.polish_epochs", "0"),
    ];
    for (field, value) in TINY.iter().chain(&more) {
        config.set(field, value).unwrap();
    }
    config
}

/// The events of a job to its end.
fn events(worker: &Worker) -> Vec<Event> {
    let mut events = Vec::new();
    loop {
        let event = worker.events().recv_timeout(Duration::from_secs(60)).unwrap();
        let ends = is_end(&event);
        events.push(event);
        if ends {
            return events;
        }
    }
}

fn is_end(event: &Event) -> bool {
    matches!(event.kind, EventKind::Finished(_) | EventKind::Failed(_))
}

/// A lost device, or one out of memory, is a panic on the worker's thread in the middle of a step.
#[test]
fn a_training_that_loses_its_device_can_be_resumed_in_the_same_program() {
    let (root, data) = place(16);
    let (folder, undisturbed) = (root.path().join("lost"), root.path().join("undisturbed"));
    let job = |output_dir: &Path| Job::Run {
        dataset: data.clone(),
        validation: None,
        output_dir: Some(output_dir.to_path_buf()).into(),
        config: Box::new(tiny_config(8)),
    };
    let lost = Arc::new(AtomicBool::new(false));
    let (has_been_lost, history) = (Arc::clone(&lost), folder.join("history.csv"));
    let wake = move || {
        let epochs = std::fs::read_to_string(&history).map_or(0, |text| text.lines().count());
        assert!(epochs < 4 || has_been_lost.swap(true, Ordering::SeqCst), "the device was lost");
    };
    let worker = worker::spawn(Box::new(wake)).unwrap();
    worker.submit(job(&folder)).unwrap();
    let first = events(&worker);
    let EventKind::Failed(failure) = &first.last().unwrap().kind else { panic!("{:?}", first.last()) };
    assert!(lost.load(Ordering::SeqCst) && failure.message.contains("the device was lost"), "{}", failure.message);
    let note = |event: &Event| matches!(&event.kind, EventKind::Note { text } if text.contains("--resume"));
    assert!(first.iter().any(note), "it is said how to go on");
    let saved = SavedTraining::load(folder.join("autosave.ptycho")).unwrap();
    assert!((3..8).contains(&saved.state.position.epochs));

    let resume = Job::Resume { folder: folder.clone(), dataset: None, reconstruct: None, settings: Vec::new() };
    worker.submit(resume).unwrap();
    let second = events(&worker);
    let EventKind::Finished(summary) = &second.last().unwrap().kind else { panic!("{:?}", second.last()) };
    assert_eq!((summary.outcome, summary.command), (JobOutcome::Completed, JobKind::Run));
    let epochs: Vec<usize> = second
        .iter()
        .filter_map(|event| if let EventKind::Epoch(point) = &event.kind { Some(point.epoch) } else { None })
        .collect();
    assert_eq!(epochs, (1..=8).collect::<Vec<_>>(), "a window draws the whole curve");
    worker.submit(job(&undisturbed)).unwrap();
    assert!(matches!(events(&worker).last().unwrap().kind, EventKind::Finished(_)));
    let weights = |folder: &Path| Bundle::load(folder.join("model.ptycho")).unwrap().weights;
    assert_eq!(weights(&folder), weights(&undisturbed));
}

/// Real jobs in random order, with the switch set at random moments.
#[test]
fn each_job_that_starts_ends_once_whatever_is_asked_for() {
    let (root, data) = place(4);
    let mut rng = ChaCha8Rng::seed_from_u64(77);
    let worker = worker::spawn(Box::new(|| ())).unwrap();
    let mut ended = [0usize; 2];
    for sequence in 0..40u64 {
        let count = rng.random_range(1..=3);
        for number in 0..count {
            let folder = root.path().join(format!("{sequence}-{number}"));
            let (dataset, output_dir) = (data.clone(), Some(folder.clone()).into());
            let config = Box::new(tiny_config(rng.random_range(1..=6)));
            worker
                .submit(match rng.random_range(0..6) {
                    0 => Job::Infer { model: folder.join("absent.ptycho"), dataset, output_dir, settings: Vec::new() },
                    1 => Job::Resume { folder, dataset: None, reconstruct: None, settings: Vec::new() },
                    2 => Job::Train { dataset: folder.join("absent.npz"), validation: None, output_dir, config },
                    3 => Job::Run { dataset, validation: None, output_dir, config },
                    _ => Job::Train { dataset, validation: None, output_dir, config },
                })
                .unwrap();
        }
        let mut session = JobProgress::default();
        let (mut starts, mut ends) = (0, 0);
        while ends < count {
            let controls =
                [Control::Run, Control::Pause, Control::StopAfterEpoch, Control::Stop, Control::Discard, Control::Run];
            if rng.random_range(0..3) == 0 {
                worker.switch().set(controls[rng.random_range(0..controls.len())]);
            }
            // A pause without end is nobody's wish.
            let Ok(event) = worker.events().recv_timeout(Duration::from_millis(50)) else {
                worker.switch().set(Control::Run);
                continue;
            };
            session.apply(&event);
            match &event.kind {
                EventKind::Started { .. } => {
                    assert_eq!(starts, ends, "a job starts when the one before has ended");
                    starts += 1;
                }
                EventKind::Finished(_) | EventKind::Failed(_) => {
                    ended[usize::from(matches!(event.kind, EventKind::Failed(_)))] += 1;
                    ends += 1;
                    assert_eq!(starts, ends);
                    assert!(session.has_ended());
                }
                _ => assert_eq!(starts, ends + 1, "between start and end"),
            }
        }
        worker.switch().set(Control::Run);
    }
    assert!(worker.events().try_recv().is_err(), "nothing comes after the end");
    println!("{} jobs finished, {} failed", ended[0], ended[1]);
    assert!(ended[0] > 10 && ended[1] > 10, "{ended:?}");
}

#[test]
#[ignore = "64 processes at once: a gigabyte or two and half a minute"]
fn sixty_four_inferences_at_once_leave_sixty_four_whole_results() {
    const PROGRAMS: usize = 64;
    let (root, data) = place(16);
    let trained = root.path().join("trained");
    assert!(train(&trained, &data, 2).output().unwrap().status.success());
    let infer = || {
        let mut command = program();
        command.current_dir(root.path()).arg("infer").arg(trained.join("model.ptycho")).arg(&data);
        command.args(["--accelerator", "cpu", "--quiet"]).stderr(Stdio::piped());
        command
    };
    let alone = root.path().join("alone");
    assert!(infer().arg("--output-dir").arg(&alone).output().unwrap().status.success());
    let expected = Reconstruction::load(&alone.join("reconstruction.npz")).unwrap();
    let began = Instant::now();
    let children: Vec<Child> = (0..PROGRAMS).map(|_| infer().spawn().unwrap()).collect();
    for child in children {
        let output = child.wait_with_output().unwrap();
        assert_eq!(output.status.code(), Some(0), "{}", said(&output));
    }
    let folders: Vec<_> =
        std::fs::read_dir(root.path().join("runs")).unwrap().map(|entry| entry.unwrap().path()).collect();
    assert_eq!(folders.len(), PROGRAMS);
    for folder in &folders {
        assert!(Reconstruction::load(&folder.join("reconstruction.npz")).unwrap() == expected, "{}", folder.display());
        let summary = std::fs::read_to_string(folder.join("summary.json")).unwrap();
        assert!(summary.contains(folder.file_name().unwrap().to_str().unwrap()), "its summary is its own");
        for name in ["amplitude.png", "phase.png"] {
            assert!(image::open(folder.join(name)).is_ok());
        }
        assert_eq!(temporary_files(folder), 0);
    }
    println!("{PROGRAMS} inferences at once took {:.1} s", began.elapsed().as_secs_f64());
}
