//! A virtual display for the tests that need a window. Needs Xvfb and xdotool.
#![allow(dead_code, missing_docs, clippy::unwrap_used, clippy::expect_used)]

use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

/// Size of the virtual screen, and of the window after it was enlarged.
pub const SCREEN: (u32, u32) = (1920, 1080);

/// A virtual display whose content is a file in `folder`.
pub struct Display {
    server: Child,
    /// Such as `:99`.
    pub name: String,
    frame: PathBuf,
}

impl Display {
    /// Starts Xvfb on a free display; none where it is not installed.
    pub fn start(folder: &Path) -> Option<Self> {
        let screen = format!("{}x{}x24", SCREEN.0, SCREEN.1);
        let server = Command::new("Xvfb")
            .args(["-displayfd", "1", "-nolisten", "tcp", "-screen", "0", &screen, "-fbdir"])
            .arg(folder)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn();
        let mut server = server.ok()?;
        let mut number = String::new();
        BufReader::new(server.stdout.take().unwrap()).read_line(&mut number).unwrap();
        let number = number.trim().to_owned();
        assert!(!number.is_empty(), "Xvfb gave no display");
        Some(Self { server, name: format!(":{number}"), frame: folder.join("Xvfb_screen0") })
    }

    /// Runs xdotool; gives back what it said.
    pub fn tool(&self, arguments: &[&str]) -> String {
        let output = Command::new("xdotool").env("DISPLAY", &self.name).args(arguments).output().unwrap();
        String::from_utf8_lossy(&output.stdout).trim().to_owned()
    }

    /// What is on the screen, from the frame buffer, which is an XWD file.
    pub fn picture(&self) -> image::RgbImage {
        let bytes = std::fs::read(&self.frame).unwrap();
        let word = |index: usize| u32::from_be_bytes(bytes[4 * index..4 * index + 4].try_into().unwrap()) as usize;
        let (header, width, height) = (word(0), word(4), word(5));
        let (little_endian, bits, line, colors) = (word(7) == 0, word(11), word(12), word(19));
        assert!(bits == 32 && width == SCREEN.0 as usize && height == SCREEN.1 as usize);
        let start = header + 12 * colors;
        image::RgbImage::from_fn(SCREEN.0, SCREEN.1, |x, y| {
            let at = start + y as usize * line + 4 * x as usize;
            let mut pixel: [u8; 4] = bytes[at..at + 4].try_into().unwrap();
            if little_endian {
                pixel.reverse();
            }
            image::Rgb([pixel[1], pixel[2], pixel[3]])
        })
    }
}

impl Drop for Display {
    fn drop(&mut self) {
        let _gone = self.server.kill();
        let _gone = self.server.wait();
    }
}

/// Whether a program is installed.
pub fn has(program: &str) -> bool {
    Command::new(program).arg("-help").stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).status().is_ok()
}

/// A display in this folder; none, with a message, where the tools are not there.
///
/// # Panics
/// When they are absent although `PTYCHOSCOPE_REQUIRE_ADAPTER` is set.
pub fn display(folder: &Path) -> Option<Display> {
    for program in ["Xvfb", "xdotool"] {
        if !has(program) {
            assert!(std::env::var_os("PTYCHOSCOPE_REQUIRE_ADAPTER").is_none(), "{program} is not installed");
            println!("skipped: {program} is not installed");
            return None;
        }
    }
    Some(Display::start(folder).expect("Xvfb starts"))
}

/// The window of a command (`program gui …`) on this display, with everything it keeps in `home`; the environment is else
/// empty.
pub fn on_display(command: &mut Command, display: &Display, home: &Path) {
    let at = |name: &str| {
        let path = home.join(name);
        std::fs::create_dir_all(&path).unwrap();
        path
    };
    command
        .current_dir(home)
        .env_clear()
        .env("PATH", std::env::var_os("PATH").unwrap_or_default())
        .env("DISPLAY", &display.name)
        .env("HOME", home)
        .env("XDG_DATA_HOME", at("data"))
        .env("XDG_CONFIG_HOME", at("config"))
        .env("XDG_CACHE_HOME", at("cache"))
        .env("XDG_RUNTIME_DIR", at("runtime"))
        .stdin(Stdio::null());
}
