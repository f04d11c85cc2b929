//! The real program in a virtual display, driven by the keyboard: example → train → stop → result → export.
//!
//! A second one simulates a dataset and trains on it. Needs Xvfb and xdotool. Screenshots are kept in the folder that cargo
//! gives tests, below the target folder, as `window*/*.png`. What happened is judged by the title of the window, the files left behind and the screenshots.
#![cfg(target_os = "linux")]
#![allow(clippy::unwrap_used, clippy::expect_used)]

use crate::display;

use display::{Display, SCREEN, on_display};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

/// Places in a window of 1280 × 800: the field for the folder and the button that starts, in the panel of the watch.
const WATCH_FOLDER: (u32, u32) = (420, 187);
const WATCH_START: (u32, u32) = (1180, 738);

/// The program in its window.
struct Program<'a> {
    display: &'a Display,
    child: Child,
    window: String,
    pictures: PathBuf,
    size: (u32, u32),
    log: PathBuf,
}

impl<'a> Program<'a> {
    /// Starts it in this folder, which is also its home, and waits for the window.
    fn start(display: &'a Display, folder: &Path, pictures: &Path) -> Self {
        let log = folder.join("stderr.txt");
        let mut command = Command::new(env!("CARGO_BIN_EXE_ptychoscope"));
        on_display(command.arg("gui"), display, folder);
        let child = command.stdout(Stdio::null()).stderr(std::fs::File::create(&log).unwrap()).spawn().unwrap();
        let mut program =
            Self { display, child, window: String::new(), pictures: pictures.to_path_buf(), size: (1280, 800), log };
        program.wait("a window", 180, |program| {
            let pid = program.child.id().to_string();
            let found = program.display.tool(&["search", "--onlyvisible", "--pid", &pid, "--name", "Ptychoscope"]);
            program.window = found.lines().next().unwrap_or_default().to_owned();
            !program.window.is_empty()
        });
        program.focus();
        program
    }

    /// Without a window manager nobody else gives the window the keyboard.
    fn focus(&self) {
        self.display.tool(&["windowmove", &self.window, "0", "0"]);
        self.display.tool(&["windowfocus", "--sync", &self.window]);
        sleep(Duration::from_millis(300));
    }

    fn title(&self) -> String {
        self.display.tool(&["getwindowname", &self.window])
    }

    fn keys(&self, keys: &str) {
        self.display.tool(&["key", "--clearmodifiers", keys]);
        sleep(Duration::from_millis(350));
    }

    fn type_text(&self, text: &str) {
        self.display.tool(&["type", "--delay", "4", text]);
        sleep(Duration::from_millis(300));
    }

    /// Clicks at a place of the window.
    fn click(&self, (x, y): (u32, u32)) {
        self.display.tool(&["mousemove", "--sync", &x.to_string(), &y.to_string()]);
        sleep(Duration::from_millis(300));
        self.display.tool(&["click", "1"]);
        sleep(Duration::from_millis(700));
    }

    fn resize(&mut self, (width, height): (u32, u32)) {
        self.display.tool(&["windowsize", "--sync", &self.window, &width.to_string(), &height.to_string()]);
        self.size = (width, height);
        self.focus();
    }

    /// Waits until something holds; fails with the window's last picture and words otherwise.
    fn wait(&mut self, what: &str, seconds: u64, mut holds: impl FnMut(&mut Self) -> bool) {
        let began = Instant::now();
        while !holds(self) {
            let ended = self.child.try_wait().unwrap();
            if ended.is_some() || began.elapsed() > Duration::from_secs(seconds) {
                self.display.picture().save(self.pictures.join("failed.png")).unwrap();
                let said = std::fs::read_to_string(&self.log).unwrap_or_default();
                panic!("waited {seconds} s for {what}; ended: {ended:?}, title {:?}, said: {said}", self.title());
            }
            sleep(Duration::from_millis(150));
        }
    }

    /// Keeps what the window shows, and checks that it shows something.
    fn picture(&mut self, name: &str) {
        sleep(Duration::from_millis(500));
        let picture = self.display.picture();
        let picture = image::imageops::crop_imm(&picture, 0, 0, self.size.0, self.size.1).to_image();
        let path = self.pictures.join(format!("{name}-{}x{}.png", self.size.0, self.size.1));
        picture.save(&path).unwrap();
        let mut counts = std::collections::BTreeMap::<[u8; 3], usize>::new();
        picture.pixels().for_each(|pixel| *counts.entry(pixel.0).or_default() += 1);
        let most = counts.values().max().copied().unwrap_or_default();
        let pixels = (self.size.0 * self.size.1) as usize;
        assert!(counts.len() > 30, "{} shows {} colours", path.display(), counts.len());
        assert!(most < pixels * 98 / 100, "{} shows a single colour", path.display());
    }

    /// Quits by the keyboard; the program has to end by itself and well.
    fn quit(mut self) {
        self.keys("ctrl+q");
        let began = Instant::now();
        let status = loop {
            if let Some(status) = self.child.try_wait().unwrap() {
                break status;
            }
            assert!(began.elapsed() < Duration::from_secs(20), "it does not end");
            sleep(Duration::from_millis(100));
        };
        let said = std::fs::read_to_string(&self.log).unwrap_or_default();
        assert!(status.success(), "{status}: {said}");
        assert!(!said.contains("panicked"), "{said}");
    }
}

impl Drop for Program<'_> {
    fn drop(&mut self) {
        let _gone = self.child.kill();
        let _gone = self.child.wait();
    }
}

/// The run folders.
fn run_folders(folder: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(folder.join("runs")).map(|entries| entries.flatten().map(|entry| entry.path()));
    entries.map(Iterator::collect).unwrap_or_default()
}

/// The only run folder, once there is one.
fn run_folder(folder: &Path) -> Option<PathBuf> {
    run_folders(folder).into_iter().next()
}

/// A display and a folder for pictures; none where the tools are not there.
fn stage(frame: &Path, name: &str) -> Option<(Display, PathBuf)> {
    let display = display::display(frame)?;
    let pictures = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
    let _not_there = std::fs::remove_dir_all(&pictures);
    std::fs::create_dir_all(&pictures).unwrap();
    Some((display, pictures))
}

/// Has a folder watched with the model that was trained; a dataset arrives, and a file that is none.
fn watch_a_folder(program: &mut Program<'_>, folder: &Path, dataset: &Path) {
    let arriving = folder.join("arriving");
    std::fs::create_dir(&arriving).unwrap();
    program.keys("ctrl+8");
    sleep(Duration::from_secs(1));
    program.picture("9-watch");
    program.click(WATCH_FOLDER);
    program.keys("ctrl+a");
    program.type_text(arriving.to_str().unwrap());
    program.click(WATCH_START);
    program.wait("the watch", 20, |program| program.title().contains("Watching"));
    std::fs::copy(dataset, arriving.join("scan.npz")).unwrap();
    std::fs::write(arriving.join("letter.npz"), "no dataset").unwrap();
    let result = arriving.join("reconstructed/scan/summary.json");
    program.wait("the result of the file that arrived", 180, |_| result.exists());
    let list = arriving.join("reconstructed/watch.csv");
    let has_both = |text: String| text.contains("\"scan.npz\",done") && text.contains("\"letter.npz\",bad");
    program.wait("both files in the list", 180, |_| std::fs::read_to_string(&list).is_ok_and(has_both));
    sleep(Duration::from_secs(1));
    program.picture("9-watching");
    program.resize(SCREEN);
    program.picture("9-watching");
    program.resize((1280, 800));
    program.keys("ctrl+period");
    program.wait("the end of the watch", 10, |program| !program.title().contains("Watching"));
}

#[test]
fn a_dataset_is_simulated_and_trained_on_to_the_end_of_an_epoch() {
    let (folder, frame) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let Some((display, pictures)) = stage(frame.path(), "window-simulation") else { return };
    let config = folder.path().join("small.toml");
    let text = "[simulation]\nn_images = 60\nscan = \"spiral\"\n\
                [model]\nn_filters_scale = 1\nhead_filters = 8\n\
                [training]\nbatch_size = 8\nepochs = 1000\ntime_budget_s = \"none\"\nteacher_share = 0.0\n";
    std::fs::write(&config, text).unwrap();

    let mut program = Program::start(&display, folder.path(), &pictures);
    program.keys("ctrl+o");
    program.keys("ctrl+a");
    program.type_text(config.to_str().unwrap());
    program.keys("Return");
    sleep(Duration::from_secs(1));
    program.picture("1-configuration-by-path");
    program.keys("ctrl+7");
    sleep(Duration::from_secs(2));
    program.picture("2-simulate");
    program.resize(SCREEN);
    program.picture("2-simulate");
    program.resize((1280, 800));

    // The one button that is not on the keyboard: at the lower right end of the panel.
    let made = folder.path().join("made here.npz");
    program.click((1180, 738));
    program.picture("3-place");
    program.keys("ctrl+a");
    program.type_text(made.to_str().unwrap());
    program.keys("Return");
    program.wait("the simulated file", 180, |_| made.exists());
    program.wait("the simulated dataset", 30, |program| program.title().contains("made here"));
    sleep(Duration::from_secs(3));
    program.picture("4-data");

    program.keys("ctrl+Return");
    program.wait("the training", 180, |program| program.title().contains("Training"));
    program.keys("ctrl+shift+Return");
    program.picture("5-finishing-the-epoch");
    program.wait("the end of the epoch", 120, |program| !program.title().contains("Training"));
    let run = run_folder(folder.path()).expect("a run folder");
    program.wait("the summary", 180, |_| run.join("summary.json").exists());
    program.wait("the end of the job", 20, |program| !program.title().contains('%'));
    sleep(Duration::from_secs(2));
    program.picture("6-result");

    // Some epochs of the direct solver from there; the one before stands beside it.
    program.keys("ctrl+shift+r");
    program.wait("the polished run", 180, |_| run_folders(folder.path()).len() == 2);
    let polished = run_folders(folder.path()).into_iter().find(|other| *other != run).unwrap();
    program.wait("the summary of the polish", 120, |_| polished.join("summary.json").exists());
    program.wait("the end of the polish", 20, |program| !program.title().contains('%'));
    sleep(Duration::from_secs(2));
    program.picture("8-polished");
    let misfit = |name: &str| {
        let summary: serde_json::Value =
            serde_json::from_slice(&std::fs::read(polished.join("summary.json")).unwrap()).unwrap();
        summary[name].as_f64().unwrap()
    };
    assert!(misfit("consistency_r") < misfit("consistency_r_before"), "polish makes the misfit smaller");

    watch_a_folder(&mut program, folder.path(), &made);

    program.keys("ctrl+4");
    program.keys("ctrl+t");
    program.keys("ctrl+t");
    program.picture("7-light-result");
    program.keys("ctrl+7");
    sleep(Duration::from_secs(1));
    program.picture("7-light-simulate");
    program.keys("ctrl+1");
    program.picture("7-light-data");
    program.quit();

    let summary: serde_json::Value = serde_json::from_slice(&std::fs::read(run.join("summary.json")).unwrap()).unwrap();
    let (steps, epochs) = (summary["steps"].as_u64().unwrap(), summary["epochs"].as_u64().unwrap());
    assert_eq!(summary["outcome"], "stopped");
    assert!(epochs >= 1 && steps.is_multiple_of(epochs), "{steps} steps in {epochs} epochs are not whole ones");
    for name in ["model.ptycho", "reconstruction.npz"] {
        assert!(run.join(name).metadata().unwrap().len() > 0, "{name}");
    }
}

#[test]
#[allow(clippy::too_many_lines, reason = "one session of a user")]
fn a_person_with_a_keyboard_gets_from_the_example_to_an_exported_picture() {
    let (folder, frame) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let Some((display, pictures)) = stage(frame.path(), "window") else { return };

    let mut program = Program::start(&display, folder.path(), &pictures);
    program.picture("1-welcome");
    program.keys("ctrl+e");
    program.wait("the example", 30, |program| program.title().contains("siemens_star_n64"));
    sleep(Duration::from_secs(3));
    program.picture("2-data");
    program.keys("ctrl+2");
    program.picture("3-configure");
    program.keys("ctrl+3");
    program.picture("4-before-training");

    // On a busy machine a key press can get lost; a person presses it again.
    let mut pressed = None;
    program.wait("the training", 180, |program| {
        if pressed.is_none_or(|at: Instant| at.elapsed() > Duration::from_secs(30)) {
            program.keys("ctrl+Return");
            pressed = Some(Instant::now());
        }
        program.title().contains("Training")
    });
    let folder_of_run = |folder: &Path| run_folder(folder).expect("a run folder");
    program.wait("a first percent", 180, |program| !program.title().starts_with("0 %"));
    sleep(Duration::from_secs(8));
    program.picture("5-training");
    program.keys("ctrl+space");
    sleep(Duration::from_millis(500));
    program.picture("6-paused");
    program.keys("ctrl+space");
    program.resize(SCREEN);
    program.picture("5-training");
    program.resize((1280, 800));

    let asked = Instant::now();
    program.keys("ctrl+period");
    program.wait("the end of the training", 5, |program| !program.title().contains("Training"));
    println!("stopped after {:.1} s", asked.elapsed().as_secs_f64());
    program.wait("the summary", 180, |_| folder_of_run(folder.path()).join("summary.json").exists());
    program.wait("the end of the job", 20, |program| !program.title().contains('%'));
    sleep(Duration::from_secs(2));
    program.picture("7-result");
    program.keys("ctrl+3");
    program.picture("8-done");
    program.keys("ctrl+5");
    program.keys("ctrl+l");
    program.picture("9-runs");
    program.keys("ctrl+6");
    program.picture("10-log");

    program.keys("ctrl+4");
    let exported = folder.path().join("exported picture.png");
    program.keys("ctrl+shift+e");
    sleep(Duration::from_secs(1));
    program.picture("11-export");
    program.keys("ctrl+a");
    program.type_text(exported.to_str().unwrap());
    program.keys("Return");
    program.wait("the exported picture", 20, |_| exported.exists());

    let config = folder.path().join("saved.toml");
    program.keys("ctrl+s");
    program.keys("ctrl+a");
    program.type_text(config.to_str().unwrap());
    program.keys("Return");
    program.wait("the saved configuration", 10, |_| config.exists());

    program.keys("ctrl+p");
    program.picture("12-palette");
    program.keys("Escape");
    program.resize(SCREEN);
    program.keys("ctrl+1");
    sleep(Duration::from_secs(1));
    program.picture("2-data");
    for (keys, name) in [("ctrl+2", "3-configure"), ("ctrl+3", "8-done"), ("ctrl+4", "7-result"), ("ctrl+5", "9-runs")]
    {
        program.keys(keys);
        program.picture(name);
    }
    program.keys("ctrl+t");
    program.keys("ctrl+t");
    program.keys("ctrl+4");
    program.picture("13-light-result");
    program.keys("ctrl+3");
    program.picture("13-light-done");
    program.quit();

    let run = folder_of_run(folder.path());
    let summary: serde_json::Value = serde_json::from_slice(&std::fs::read(run.join("summary.json")).unwrap()).unwrap();
    assert_eq!(summary["outcome"], "stopped");
    assert!(summary["steps"].as_u64().unwrap() > 0 && summary["consistency_r"].as_f64().unwrap() > 0.0, "{summary}");
    for name in ["config.toml", "model.ptycho", "reconstruction.npz", "amplitude.png", "phase.png", "log.txt"] {
        assert!(run.join(name).metadata().unwrap().len() > 0, "{name}");
    }
    let picture = image::open(&exported).unwrap().to_rgb8();
    let colors: std::collections::BTreeSet<[u8; 3]> = picture.pixels().map(|pixel| pixel.0).collect();
    assert!(
        picture.width() > 50 && colors.len() > 30,
        "{} x {}, {} colours",
        picture.width(),
        picture.height(),
        colors.len()
    );
    assert!(std::fs::read_to_string(&config).unwrap().contains("[training]"));

    // A second start remembers the size of the window and what was opened.
    let mut again = Program::start(&display, folder.path(), &pictures);
    again.size = SCREEN;
    again.picture("14-second-start");
    again.quit();
}
