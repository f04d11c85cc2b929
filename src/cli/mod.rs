//! The command line: it consumes the worker's events and knows nothing of the device.
//!
//! Standard output carries results (and events with `--json`), standard error everything else. Exit codes: 0 done,
//! 1 failed, 2 bad usage or input, 3 stopped by the user with the result kept, 4 requested device not available.
//!
//! Each subcommand has one file with its arguments and its code. `args` lists the subcommands; `flags`, `legacy_flags`,
//! `settings`, `jobs`, `progress`, `report`, `interrupt`, `paths` and `console` are shared.

mod args;
mod bench;
mod compare;
mod completions;
mod config;
mod console;
mod devices;
mod diagnose;
mod evaluate;
mod export;
mod export_weights;
mod flags;
mod gui;
mod import_weights;
mod infer;
mod inspect;
mod interrupt;
mod jobs;
mod legacy_flags;
mod man;
mod paths;
mod polish;
mod predict;
mod prepare;
mod progress;
mod ptychodus;
mod report;
mod settings;
mod simulate;
mod split_half;
mod sweep;
mod train;
mod watch;

use crate::error::Result;
use args::{Args, Task};
use std::ffi::OsString;
use std::path::PathBuf;

/// Limit on the size of files, in bytes, below which results are likely to exceed it.
const SMALL_FILES: u64 = 1 << 28;

/// Runs the program with these command-line arguments and returns its exit code. Errors are printed here, once.
pub fn main(arguments: impl IntoIterator<Item = OsString>) -> u8 {
    let arguments: Vec<OsString> = arguments.into_iter().collect();
    let json = arguments.iter().take_while(|argument| *argument != "--").any(|argument| argument == "--json");
    let args = match Args::read(arguments) {
        Ok(args) => args,
        Err(error) => {
            console::note_failure(error.print());
            if json && error.use_stderr() {
                console::print_failure(&args::problem(&error));
            }
            return console::checked(u8::try_from(error.exit_code()).unwrap_or(2));
        }
    };
    crate::system::messages::receive();
    if let Some(limit) = crate::system::file_size_limit().filter(|limit| *limit < SMALL_FILES) {
        console::print_message(&format!(
            "Warning: The system limits files to {limit} bytes (ulimit -f). This program would be ended at a larger one."
        ));
    }
    let file = args.file;
    let result = crate::system::check_threads().and_then(|()| start(args.command, file));
    console::checked(result.unwrap_or_else(|error| {
        console::print_error(&error);
        if json {
            console::print_failure(&error);
        }
        error.exit_code()
    }))
}

/// Runs a subcommand, or opens the window; returns the exit code.
fn start(task: Option<Task>, file: Option<PathBuf>) -> Result<u8> {
    match task {
        None => gui::gui(file),
        Some(Task::Gui(args)) => gui::gui(args.file),
        Some(Task::Run(args)) => train::train(args, true),
        Some(Task::Train(args)) => {
            let stitch = args.settings.legacy.stitch;
            train::train(args, stitch)
        }
        Some(Task::Infer(args)) => infer::infer(args),
        Some(Task::Polish(args)) => polish::polish(args),
        Some(Task::Evaluate(args)) => evaluate::evaluate(&args),
        Some(Task::Compare(args)) => compare::compare(&args),
        Some(Task::Sweep(args)) => sweep::sweep(&args),
        Some(Task::Diagnose(args)) => diagnose::diagnose(args),
        Some(Task::Inspect(args)) => inspect::inspect(&args),
        Some(Task::Simulate(args)) => simulate::simulate(args),
        Some(Task::Devices(args)) => devices::devices(&args),
        Some(Task::Bench(args)) => bench::bench(&args),
        Some(Task::Config(args)) => config::config(&args),
        Some(Task::Predict(args)) => predict::predict(&args),
        Some(Task::ImportWeights(args)) => import_weights::import_weights(&args),
        Some(Task::ExportWeights(args)) => export_weights::export_weights(&args),
        Some(Task::Export(args)) => export::export(&args),
        Some(Task::Prepare { tool }) => prepare::prepare(tool),
        Some(Task::Ptychodus(args)) => ptychodus::ptychodus(&args),
        Some(Task::Completions(args)) => completions::completions(&args),
        Some(Task::Man(args)) => man::man(&args),
    }
}
