//! `bench`: each measurement in its own process, and a table of the results.

use super::console::{print_error, print_line};
use crate::bench::{self, Measurement, Setup, Stage};
use crate::config::{Accelerator, Config, Preset};
use crate::error::{Error, Problem, Result};
use std::process::{Command, Stdio};

/// Arguments of `bench`.
#[derive(Debug, Clone, Default, clap::Args)]
pub(super) struct BenchArgs {
    /// Only these measurements, separated by commas
    #[arg(long, value_name = "STAGES", value_delimiter = ',', value_parser = stage)]
    pub only: Vec<Stage>,
    /// Device; auto measures the CPU and the best GPU
    #[arg(long, value_name = "DEVICE", default_value = "auto", value_parser = accelerator)]
    pub accelerator: Accelerator,
    /// Preset to start from: recipe or reference
    #[arg(long, value_name = "NAME", default_value = "recipe", value_parser = preset)]
    pub preset: Preset,
    /// Side of the patterns: 64, 128 or 256
    #[arg(long = "size", short = 'N', value_name = "PIXELS", default_value_t = 64)]
    pub patch: usize,
    /// Grid size: gridsize² patterns per group
    #[arg(long, value_name = "N", default_value_t = 1)]
    pub gridsize: usize,
    /// Groups per step; several values separated by commas
    #[arg(long, value_name = "N", default_value = "16", value_delimiter = ',')]
    pub batch_size: Vec<usize>,
    /// Scale factor of the number of filters in the network
    #[arg(long, value_name = "N", default_value_t = 1)]
    pub filters: usize,
    /// Patterns in the simulated dataset
    #[arg(long, value_name = "N", default_value_t = 512)]
    pub patterns: usize,
    /// Approximate duration of one measurement
    #[arg(long, value_name = "SECONDS", default_value_t = 8.0)]
    pub seconds: f64,
    /// Measure the cost as a function of the number of patterns, from 250 to 16 000
    #[arg(long)]
    pub scaling: bool,
    /// Print JSON, one measurement per line
    #[arg(long)]
    pub json: bool,
    /// Stage and setup of one measurement as JSON, for the process that performs it.
    #[arg(long, hide = true)]
    pub one: Option<String>,
}

fn stage(text: &str) -> std::result::Result<Stage, String> {
    serde_json::from_value(serde_json::Value::String(text.to_ascii_lowercase()))
        .map_err(|_| "expected arithmetic, train, epoch, predict, stitch, group, load or cycle".to_owned())
}

fn preset(text: &str) -> std::result::Result<Preset, String> {
    Preset::from_name(text).map_err(|error| error.to_string())
}

fn accelerator(text: &str) -> std::result::Result<Accelerator, String> {
    let mut config = Config::default();
    config.set("execution.accelerator", text).map_err(|error| error.to_string())?;
    Ok(config.execution.accelerator)
}

/// Numbers of patterns for `--scaling`.
const SCALING: [usize; 4] = [250, 1000, 4000, 16_000];

/// Runs all measurements and prints them; returns the exit code.
pub(super) fn bench(args: &BenchArgs) -> Result<u8> {
    if let Some(text) = &args.one {
        let (stage, setup): (Stage, Setup) =
            serde_json::from_str(text).map_err(|e| Error::bad_input(format!("Invalid value of --one ({e})")))?;
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
        print_line(
            "Other programs running on this machine slow down every measurement; publish only results from an idle machine.",
        );
    }
    let mut failed = false;
    let devices = bench::devices(args.accelerator);
    for setup in setups {
        for (number, &device) in devices.iter().enumerate() {
            for &stage in &stages {
                // Stages that use only the processor are measured once, with the first device.
                if !stage.uses_device() && number > 0 {
                    continue;
                }
                match measure_in_subprocess(stage, &Setup { accelerator: device, ..setup }) {
                    Ok(measurement) if args.json => print_line(&json(&measurement)?),
                    Ok(measurement) => print_line(&rows(&measurement, args.scaling)),
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

/// One setup per combination of batch size and number of patterns.
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

fn measure_in_subprocess(stage: Stage, setup: &Setup) -> Result<Measurement> {
    let program = std::env::current_exe()
        .map_err(|e| Error::failed(format!("Cannot locate the ptychoscope executable ({e})")))?;
    let child = Command::new(program)
        .args(["bench", "--one", &json(&(stage, setup))?])
        .stdin(Stdio::null())
        .stderr(Stdio::piped())
        .output()
        .map_err(|e| Error::failed(format!("Cannot start a process for {stage:?} ({e})")))?;
    let output = String::from_utf8_lossy(&child.stdout);
    serde_json::from_str(output.trim()).map_err(|_| {
        let message = String::from_utf8_lossy(&child.stderr);
        let message = message.trim().trim_start_matches("Error: ");
        let reason = if message.is_empty() { "the process printed nothing" } else { message };
        Error::Failed(Problem::new(format!("{stage:?} could not be measured: {reason}")))
    })
}

fn json(value: &impl serde::Serialize) -> Result<String> {
    serde_json::to_string(value).map_err(|e| Error::failed(format!("Cannot write the result as JSON ({e})")))
}

/// One measurement as text: a heading, then one row per quantity.
fn rows(measurement: &Measurement, with_patterns: bool) -> String {
    let setup = &measurement.setup;
    let mut lines = Vec::new();
    let mut head = format!("{:?}", measurement.stage);
    if let Some(device) = &measurement.device {
        head += &format!(" on {device}");
    }
    head += &match measurement.stage {
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
    if with_patterns && measurement.stage.uses_device() {
        head += &format!(" patterns={}", setup.patterns);
    }
    lines.push(head);
    for quantity in &measurement.quantities {
        lines.push(format!("  {:<42} {:>12} {}", quantity.name, number(quantity.value), quantity.unit));
    }
    if let Some(bytes) = measurement.peak_memory {
        lines.push(format!("  {:<42} {:>12} MB", "peak memory", number(bytes as f64 / 1e6)));
    }
    lines.join("\n")
}

/// Up to three significant digits below 1000, four decimals below 1.
fn number(value: f64) -> String {
    match value.abs() {
        v if v >= 100.0 => format!("{value:.0}"),
        v if v >= 10.0 => format!("{value:.1}"),
        v if v >= 1.0 => format!("{value:.2}"),
        _ => format!("{value:.4}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_combination_has_a_setup() {
        let args = BenchArgs { batch_size: vec![16, 64], ..BenchArgs::default() };
        assert_eq!(setups(&args).iter().map(|s| s.batch).collect::<Vec<_>>(), [16, 64]);
        let args = BenchArgs { scaling: true, ..args };
        assert_eq!(setups(&args).len(), 2 * SCALING.len());
    }

    #[test]
    fn rows_contain_numbers_and_units() {
        let measurement =
            bench::measure(Stage::Group, &Setup { patterns: 50, seconds: 0.01, ..Setup::default() }).unwrap();
        let text = rows(&measurement, false);
        assert!(text.starts_with("Group, N=64 patterns=50") && text.contains("positions/s"), "{text}");
    }
}
