//! One program for all campaigns; the environment variable `PTYCHOSCOPE_FUZZ` names the reader.
//!
//! The crates that read files are compiled with coverage; those that need Burn only with the feature `engine`. A panic that is
//! not caught, more memory than [`memory::MOST`] and more time than `-timeout` end the campaign with a finding.
#![no_main]

mod memory;

use std::sync::OnceLock;

type Reader = fn(&[u8]);

fn reader() -> Reader {
    static READER: OnceLock<Reader> = OnceLock::new();
    *READER.get_or_init(|| {
        // libFuzzer ends the process at any panic; one that the program catches is none that a user meets.
        let _libfuzzers = std::panic::take_hook();
        let wanted = std::env::var("PTYCHOSCOPE_FUZZ").unwrap_or_default();
        let targets =
            [ptychoscope_base::config::fuzz_targets::TARGETS, ptychoscope_host::data::fuzz_targets::TARGETS].concat();
        #[cfg(feature = "engine")]
        let targets = [&targets[..], ptychoscope_engine::checkpoint::fuzz_targets::TARGETS].concat();
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
