//! `bench`: each measurement in a process of its own, and a table of what they came to.

use super::args::BenchArgs;
use super::{print_error, print_line};
use crate::bench::{self, Measurement, Setup, Stage};
use crate::error::{Error, Problem, Result};
use std::process::{Command, Stdio};

/// Numbers of patterns of the table that shows how cost grows.
const SCALING: [usize; 4] = [250, 1000, 4000, 16_000];

/// Measures and prints; gives back the exit code.
pub(super) fn bench(args: &BenchArgs) -> Result<u8> {
    if let Some(text) = &args.one {
        let (stage, setup): (Stage, Setup) =
            serde_json::from_str(text).map_err(|e| Error::bad_input(format!("--one cannot be read ({e})")))?;
        print_line(&json(&bench::measure(stage, &setup)?)?);
        return Ok(0);
    }
    let setups = setups(args);
    let stages: Vec<Stage> = if args.scaling {
        vec![Stage::Epoch, Stage::Predict, Stage::Stitch, Stage::Group, Stage::Load]
    } else if args.only.is_empty() {
        Stage::ALL.to_vec()
    } else {
        args.only.clone()
    };
    if !args.json {
        print_line(&format!("Processor: {}", bench::processor()));
        print_line("Other work on the machine makes every number worse; quote runs on a quiet one.");
    }
    let mut failed = false;
    let devices = bench::devices(args.accelerator);
    for setup in setups {
        for (place, &device) in devices.iter().enumerate() {
            for &stage in &stages {
                // What only uses the processor is measured once, beside the first device.
                if !stage.uses_device() && place > 0 {
                    continue;
                }
                match in_a_process_of_its_own(stage, &Setup { accelerator: device, ..setup }) {
                    Ok(found) if args.json => print_line(&json(&found)?),
                    Ok(found) => print_line(&rows(&found, args.scaling)),
                    Err(error) => {
                        failed = true;
                        print_error(&error);
                    }
                }
            }
        }
    }
    Ok(u8::from(failed))
}

/// One setup for each combination of batch and number of patterns.
fn setups(args: &BenchArgs) -> Vec<Setup> {
    let patterns = if args.scaling { SCALING.to_vec() } else { vec![args.patterns] };
    let with = |patterns: usize, batch: usize| Setup {
        accelerator: args.accelerator,
        preset: args.preset,
        patch: args.patch,
        gridsize: args.gridsize,
        batch,
        n_filters_scale: args.filters,
        patterns,
        seconds: args.seconds,
    };
    patterns.iter().flat_map(|&n| args.batch_size.iter().map(move |&batch| with(n, batch))).collect()
}

fn in_a_process_of_its_own(stage: Stage, setup: &Setup) -> Result<Measurement> {
    let program =
        std::env::current_exe().map_err(|e| Error::failed(format!("The program does not find itself ({e})")))?;
    let child = Command::new(program)
        .args(["bench", "--one", &json(&(stage, setup))?])
        .stdin(Stdio::null())
        .stderr(Stdio::piped())
        .output()
        .map_err(|e| Error::failed(format!("A process for {stage:?} could not be started ({e})")))?;
    let told = String::from_utf8_lossy(&child.stdout);
    serde_json::from_str(told.trim()).map_err(|_| {
        let said = String::from_utf8_lossy(&child.stderr);
        let said = said.trim().trim_start_matches("Error: ");
        let title =
            format!("{stage:?} could not be measured: {}", if said.is_empty() { "it said nothing" } else { said });
        Error::Failed(Problem::new(title))
    })
}

fn json(value: &impl serde::Serialize) -> Result<String> {
    serde_json::to_string(value).map_err(|e| Error::failed(format!("Cannot be written as JSON ({e})")))
}

/// The rows of one measurement.
fn rows(found: &Measurement, with_patterns: bool) -> String {
    let setup = &found.setup;
    let mut lines = Vec::new();
    let mut head = format!("{:?}", found.stage);
    if let Some(device) = &found.device {
        head += &format!(" on {device}");
    }
    head += &match found.stage {
        Stage::Arithmetic | Stage::Train | Stage::Epoch | Stage::Predict => format!(
            ", {} network, N={} gridsize={} batch={} filters={}",
            setup.preset.name(),
            setup.patch,
            setup.gridsize,
            setup.batch,
            setup.n_filters_scale
        ),
        Stage::Cycle => String::new(),
        Stage::Stitch | Stage::Group | Stage::Load => format!(", N={} patterns={}", setup.patch, setup.patterns),
    };
    if with_patterns && found.stage.uses_device() {
        head += &format!(" patterns={}", setup.patterns);
    }
    lines.push(head);
    for quantity in &found.quantities {
        lines.push(format!("  {:<42} {:>12} {}", quantity.name, number(quantity.value), quantity.unit));
    }
    if let Some(bytes) = found.peak_memory {
        lines.push(format!("  {:<42} {:>12} MB", "peak memory", number(bytes as f64 / 1e6)));
    }
    lines.join("\n")
}

/// Three or four significant digits.
fn number(value: f64) -> String {
    match value.abs() {
        v if v >= 100.0 => format!("{value:.0}"),
        v if v >= 10.0 => format!("{value:.1}"),
        v if v >= 1.0 => format!("{value:.2}"),
        _ => format!("{value:.4}"),
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used)]
mod tests {
    use super::*;

    #[test]
    fn every_combination_is_measured() {
        let args = BenchArgs { batch_size: vec![16, 64], ..BenchArgs::default() };
        assert_eq!(setups(&args).iter().map(|s| s.batch).collect::<Vec<_>>(), [16, 64]);
        let args = BenchArgs { scaling: true, ..args };
        assert_eq!(setups(&args).len(), 2 * SCALING.len());
    }

    #[test]
    fn rows_hold_the_numbers_with_their_units() {
        let found = bench::measure(Stage::Group, &Setup { patterns: 50, seconds: 0.01, ..Setup::default() }).unwrap();
        let text = rows(&found, false);
        assert!(text.starts_with("Group, N=64 patterns=50") && text.contains("positions/s"), "{text}");
    }
}
