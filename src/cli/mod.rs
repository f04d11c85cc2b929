//! The command line: a consumer of the worker's events, without knowledge of the device.
//!
//! Standard output carries results (and events with `--json`), standard error everything else. Exit codes: 0 done,
//! 1 failed, 2 bad usage or input, 3 stopped by the user with the result kept, 4 requested device not available.

pub mod args;
mod bench;
mod compare;
mod evaluate;
mod export;
mod export_weights;
mod halves;
mod import_weights;
mod jobs;
mod predict;
mod prepare;
mod progress;
mod report;
mod run;
mod settings;
mod show;
mod simulate;
mod sweep;
mod watch;

use crate::error::Error;
use args::{Args, Task};
use std::ffi::OsString;
use std::io::Write;

/// Does what the words of the command line say; gives back the exit code. Errors are printed here, once.
pub fn main(words: impl IntoIterator<Item = OsString>) -> u8 {
    let args = match Args::read(words) {
        Ok(args) => args,
        Err(error) => {
            let _closed = error.print();
            return u8::try_from(error.exit_code()).unwrap_or(2);
        }
    };
    let result = match args.command {
        None => run::window(None),
        Some(Task::Gui { file }) => run::window(file),
        Some(Task::Run(args)) => run::train(args, true),
        Some(Task::Train(args)) => run::train(args, false),
        Some(Task::Infer(args)) => run::infer(args),
        Some(Task::Polish(args)) => run::polish(args),
        Some(Task::Evaluate(args)) => evaluate::evaluate(&args),
        Some(Task::Compare(args)) => compare::compare(&args),
        Some(Task::Sweep(args)) => sweep::sweep(&args),
        Some(Task::Inspect(args)) => show::inspect(&args),
        Some(Task::Simulate(args)) => simulate::simulate(args),
        Some(Task::Devices { json }) => show::devices(json),
        Some(Task::Bench(args)) => bench::bench(&args),
        Some(Task::Config(args)) => show::config(&args),
        Some(Task::Predict(args)) => predict::predict(&args),
        Some(Task::ImportWeights(args)) => import_weights::import_weights(&args),
        Some(Task::ExportWeights(args)) => export_weights::export_weights(&args),
        Some(Task::Export(args)) => export::export(&args),
        Some(Task::Prepare { tool }) => prepare::prepare(tool),
    };
    result.unwrap_or_else(|error| {
        print_error(&error);
        error.exit_code()
    })
}

/// One paragraph on standard error.
fn print_error(error: &Error) {
    tell(&format!("Error: {error}"));
}

/// Prints a line on standard error; one that is closed is no error of ours.
fn tell(text: &str) {
    let _closed = writeln!(std::io::stderr(), "{text}");
}

/// Prints a line on standard output; a closed pipe (`| head`) is no error of ours.
fn print_line(text: &str) {
    let _closed = writeln!(std::io::stdout(), "{text}");
}
