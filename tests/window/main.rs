//! The real window on a virtual display, and how it closes. Needs Xvfb and xdotool.
#![allow(clippy::unwrap_used, clippy::expect_used)]

#[path = "../common/mod.rs"]
mod common;
#[cfg(target_os = "linux")]
#[path = "../common/display.rs"]
mod display;

mod closing;
mod window;
