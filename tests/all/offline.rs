//! Nothing is ever fetched or sent: the program works where there is no network, and opens no socket of one.
//!
//! The first is seen in a network namespace of its own (`unshare`), the second by the system calls (`strace`); what is not
//! allowed or not installed is left out, with a message.
#![cfg(target_os = "linux")]
#![allow(clippy::unwrap_used, clippy::expect_used)]

use crate::common;
use crate::display;

use common::{at_home, fixture, tiny_dataset, tiny_flags};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

fn works(words: &[&str]) -> bool {
    let output = Command::new(words[0]).args(&words[1..]).arg("true").stdin(Stdio::null()).output();
    output.is_ok_and(|output| output.status.success())
}

/// What comes before the program: no network, and a record of sockets.
struct Watched {
    without_network: Vec<String>,
    with_record: bool,
    record: PathBuf,
}

impl Watched {
    fn new(record: PathBuf) -> Self {
        let ways: [&[&str]; 2] = [&["unshare", "-n"], &["unshare", "-rn"]];
        let way = ways.into_iter().find(|way| works(way)).unwrap_or_else(|| {
            println!("skipped: a network namespace cannot be made here");
            &[]
        });
        let with_record = works(&["strace", "-f", "-qq", "-o", "/dev/null"]);
        if !with_record {
            println!("skipped: strace is not installed, or not allowed here");
        }
        Self { without_network: way.iter().map(ToString::to_string).collect(), with_record, record }
    }

    fn program(&self) -> Command {
        let mut words = self.without_network.clone();
        if self.with_record {
            let _none = std::fs::remove_file(&self.record);
            let record = self.record.display().to_string();
            words
                .extend(["strace", "-f", "-qq", "-e", "trace=socket,connect,sendto", "-o", &record].map(str::to_owned));
        }
        words.push(env!("CARGO_BIN_EXE_ptychoscope").to_owned());
        let mut command = Command::new(&words[0]);
        command.args(&words[1..]);
        at_home(&mut command);
        command
    }

    /// Sockets within this computer, such as that of the display, are none of a network.
    fn check(&self, what: &str) {
        if !self.with_record {
            return;
        }
        let calls = std::fs::read_to_string(&self.record).unwrap_or_default();
        let network: Vec<&str> = calls
            .lines()
            .filter(|line| ["AF_INET", "AF_PACKET", "AF_VSOCK"].iter().any(|name| line.contains(name)))
            .collect();
        assert!(network.is_empty(), "{what}: {network:#?}");
        println!("{what}: {} calls of sockets, none of a network", calls.lines().count());
    }
}

#[test]
fn every_way_to_start_the_program_works_without_a_network_and_asks_for_none() {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    let data = at("tiny.npz");
    tiny_dataset(&data, 16);
    let watched = Watched::new(at("calls.txt"));
    let text = |path: &Path| path.to_str().unwrap().to_owned();
    let (run, star) = (text(&at("run")), text(&fixture("siemens_star_n64.npz")));
    let mut train = ["run", &text(&data), "--epochs", "2", "--output-dir", &run].map(str::to_owned).to_vec();
    train.extend(tiny_flags());
    let of = |words: &[&str]| words.iter().map(ToString::to_string).collect::<Vec<_>>();
    let model = text(&at("run/model.ptycho"));
    let jobs = [
        of(&["inspect", &star]),
        of(&["devices"]),
        train,
        of(&["infer", &model, &text(&data), "--output-dir", &text(&at("inferred")), "--accelerator", "cpu"]),
        of(&["simulate", "--output", &text(&at("made.npz")), "--n-images", "4"]),
        of(&["evaluate", &run, "--html", &text(&at("page.html"))]),
        of(&["export", &run, "--format", "png"]),
    ];
    for words in &jobs {
        let output = watched.program().args(words).current_dir(folder.path()).output().unwrap();
        assert!(output.status.success(), "{words:?}: {}", String::from_utf8_lossy(&output.stderr));
        watched.check(&words[0]);
    }
    // A page that is looked at offline has everything in it.
    let page = std::fs::read_to_string(at("page.html")).unwrap();
    for outside in ["src=\"http", "href=\"http", "url(http", "@import"] {
        assert!(!page.contains(outside), "the page fetches {outside}");
    }

    let frame = tempfile::tempdir().unwrap();
    let Some(screen) = display::display(frame.path()) else { return };
    let home = at("home");
    std::fs::create_dir(&home).unwrap();
    let mut command = watched.program();
    display::on_display(command.arg("gui").arg(&star), &screen, &home);
    let mut child = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
    let began = Instant::now();
    while screen.tool(&["search", "--onlyvisible", "--name", "siemens_star_n64"]).is_empty() {
        assert!(began.elapsed() < Duration::from_secs(120) && child.try_wait().unwrap().is_none(), "no window");
        std::thread::sleep(Duration::from_millis(200));
    }
    std::thread::sleep(Duration::from_secs(2));
    let window = screen.tool(&["search", "--onlyvisible", "--name", "Ptychoscope"]);
    screen.tool(&["windowfocus", "--sync", &window]);
    screen.tool(&["key", "--clearmodifiers", "ctrl+q"]);
    while child.try_wait().unwrap().is_none() {
        if began.elapsed() > Duration::from_secs(180) {
            let _gone = child.kill();
            panic!("the window does not close");
        }
        std::thread::sleep(Duration::from_millis(200));
    }
    assert!(child.wait().unwrap().success());
    watched.check("gui");
}
