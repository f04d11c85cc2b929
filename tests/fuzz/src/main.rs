//! One program for all campaigns; the environment variable `PTYCHOSCOPE_FUZZ` names the reader.
//!
//! The rooms that read files are compiled into it with coverage; Burn and the window are not needed for them. A panic that
//! is not caught, more memory than [`memory::MOST`] and more time than `-timeout` end the campaign with a finding.
#![no_main]
#![allow(dead_code, unused_imports)]

#[path = "../../../src/checkpoint/mod.rs"]
pub mod checkpoint;
#[path = "../../../src/config/mod.rs"]
pub mod config;
#[path = "../../../src/data/mod.rs"]
pub mod data;
#[path = "../../../src/error.rs"]
pub mod error;
#[path = "../../../src/fourier.rs"]
pub mod fourier;
mod memory;
pub mod model;
#[path = "../../../src/system/mod.rs"]
pub mod system;
pub mod train;

use std::sync::OnceLock;

type Reader = fn(&[u8]);

fn reader() -> Reader {
    static READER: OnceLock<Reader> = OnceLock::new();
    *READER.get_or_init(|| {
        // libFuzzer ends the process at any panic; one that the program catches is none that a user meets.
        let _libfuzzers = std::panic::take_hook();
        let wanted = std::env::var("PTYCHOSCOPE_FUZZ").unwrap_or_default();
        let targets = [config::hostile::TARGETS, data::hostile::TARGETS, checkpoint::hostile::TARGETS].concat();
        match targets.iter().find(|(name, _)| *name == wanted) {
            Some((_, reader)) => *reader,
            None => {
                let names: Vec<&str> = targets.iter().map(|(name, _)| *name).collect();
                eprintln!("PTYCHOSCOPE_FUZZ names none of {}", names.join(", "));
                std::process::exit(2);
            }
        }
    })
}

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| reader()(bytes));
