//! `simulate`: its flags, and the job they stand for.

use super::args::{SimulateArgs, add_field_flags, field_values};
use super::{print_line, run};
use crate::checkpoint::write_atomic;
use crate::config::{Config, Field, Preset};
use crate::data::Dataset;
use crate::error::{Error, Problem, Result};
use crate::imaging::{self, Colormap, Labels, Limits};
use crate::worker::message::{Job, Sources};
use clap::{ArgMatches, Command, FromArgMatches};
use image::RgbaImage;
use ndarray::{Array2, Axis};
use std::f64::consts::PI;
use std::path::{Path, PathBuf};

/// Values of the flags of simulation fields (and of the gridsize), in the order of the fields.
#[derive(Debug, Clone, Default)]
pub struct SimulationFlags(pub Vec<(String, String)>);

fn holds(field: &Field) -> bool {
    field.group() == "simulation" || field.path == "model.gridsize"
}

impl clap::Args for SimulationFlags {
    fn augment_args(command: Command) -> Command {
        add_field_flags(command, holds)
    }

    fn augment_args_for_update(command: Command) -> Command {
        Self::augment_args(command)
    }
}

impl FromArgMatches for SimulationFlags {
    fn from_arg_matches(matches: &ArgMatches) -> std::result::Result<Self, clap::Error> {
        Ok(Self(field_values(matches, holds)))
    }

    fn update_from_arg_matches(&mut self, matches: &ArgMatches) -> std::result::Result<(), clap::Error> {
        self.0.extend(field_values(matches, holds));
        Ok(())
    }
}

/// Simulates a dataset; gives back the exit code.
pub(super) fn simulate(args: SimulateArgs) -> Result<u8> {
    let (output, visualize, path) = (args.output_style, args.visualize, args.output.clone());
    let code = run::perform(job(args)?, &[], output)?;
    if visualize && code == 0 {
        let picture = visualization(&path)?;
        if !output.quiet && !output.json {
            print_line(&format!(
                "  picture      {}: object, probe (amplitude, phase), mean and first pattern (logarithmic)",
                picture.display()
            ));
        }
    }
    Ok(code)
}

/// Writes `FILE_visualization.png` beside a simulated dataset; gives back its path.
fn visualization(path: &Path) -> Result<PathBuf> {
    let dataset = Dataset::load(path, &Config::default().data, 0)?;
    let stem = path.file_stem().map_or_else(String::new, |stem| stem.to_string_lossy().into_owned());
    let picture = path.with_file_name(format!("{stem}_visualization.png"));
    let mut drawn = Vec::new();
    let first_mode = dataset.probe.index_axis(Axis(0), 0);
    for complex in dataset.object.iter().map(|object| object.view()).chain([first_mode]) {
        let amplitude = complex.mapv(|value| value.norm());
        drawn.push(drawing(&amplitude)?);
        // Where there is no amplitude, the phase means nothing.
        let floor = 0.02 * amplitude.iter().fold(0.0f32, |a, &b| a.max(b));
        let seen = amplitude.mapv(|value| value > floor);
        let limits = Limits { low: -PI, high: PI };
        let phase = complex.mapv(|value| value.arg());
        drawn.push(imaging::render(phase.view(), seen.view(), limits, Colormap::Cyclic, Labels::Bar("rad"))?);
    }
    if let Some(mean) = dataset.diffraction.mapv(|value| value * value).mean_axis(Axis(0)) {
        let first = dataset.diffraction.index_axis(Axis(0), 0).mapv(|value| value * value);
        for counts in [mean, first] {
            drawn.push(drawing(&counts.mapv(|value| (1.0 + value).log10()))?);
        }
    }
    write_atomic(&picture, &imaging::encode_rgba(imaging::arrange(&drawn, 2))?)?;
    Ok(picture)
}

fn drawing(values: &Array2<f32>) -> Result<RgbaImage> {
    let seen = Array2::from_elem(values.dim(), true);
    let limits = imaging::robust_limits(values.view(), seen.view(), 0.001, 0.999);
    imaging::render(values.view(), seen.view(), limits, Colormap::Gray, Labels::Bar(""))
}

/// The job: defaults < file < flags < `--set`; a file for object, probe or positions chooses that it is used.
fn job(args: SimulateArgs) -> Result<Job> {
    let mut settings: Vec<(String, String)> = Vec::new();
    let mut choose = |path: &str, value: &str| settings.push((path.to_owned(), value.to_owned()));
    if args.input_file.is_some() {
        choose("simulation.object", "file");
        choose("simulation.probe", "file");
    }
    if args.object_image.is_some() {
        choose("simulation.object", "image");
    }
    if args.probe_file.is_some() {
        choose("simulation.probe", "file");
    }
    if args.positions_file.is_some() {
        choose("simulation.scan", "file");
    }
    if let Some(seed) = &args.seed {
        for purpose in ["weights", "subsample", "grouping", "shuffle", "noise"] {
            choose(&format!("execution.seeds.{purpose}"), seed);
        }
    }
    settings.extend(args.fields.0);
    for text in &args.set {
        let Some((path, value)) = text.split_once('=') else {
            return Err(Error::BadInput(
                Problem::new(format!("--set {text:?} has no \"=\""))
                    .expected("FIELD=VALUE, for example --set simulation.spherical=0.5"),
            ));
        };
        settings.push((path.trim().to_owned(), value.trim().to_owned()));
    }
    let preset = Preset::default();
    let config = match &args.config {
        None => Config::layered(preset, None, &settings)?,
        Some(path) => Config::import(path, Some(preset), &settings)?.config,
    };
    config.validate()?;
    let sources = Sources {
        input: args.input_file,
        object_image: args.object_image,
        probe: args.probe_file,
        positions: args.positions_file,
    };
    Ok(Job::Simulate { output: args.output, sources: Box::new(sources), config: Box::new(config) })
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used)]
mod tests {
    use super::*;
    use crate::cli::args::{Args, Task};
    use crate::config::{ObjectKind, ProbeKind, ScanKind};

    fn job_of(words: &[&str]) -> Result<(PathBuf, Sources, Config)> {
        let words = [&["ptychoscope", "simulate"], words].concat();
        let Some(Task::Simulate(args)) = Args::read(words.into_iter().map(Into::into)).unwrap().command else {
            panic!("not simulate")
        };
        match job(args)? {
            Job::Simulate { output, sources, config } => Ok((output, *sources, *config)),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn the_flags_of_the_python_simulator_are_understood() {
        let (output, sources, config) = job_of(&[
            "--input-file",
            "in.npz",
            "--output-file",
            "out.npz",
            "--n-images",
            "20",
            "--n-photons",
            "1e9",
            "--gridsize",
            "2",
            "--seed",
            "7",
            "--buffer",
            "40",
        ])
        .unwrap();
        assert_eq!((output, sources.input), ("out.npz".into(), Some("in.npz".into())));
        let simulation = config.simulation;
        assert_eq!((simulation.object, simulation.probe), (ObjectKind::File, ProbeKind::File));
        assert_eq!((simulation.n_images, simulation.n_photons, simulation.buffer), (Some(20), 1e9, Some(40.0)));
        assert_eq!((config.model.gridsize, config.execution.seeds.noise), (2, 7));
    }

    #[test]
    fn a_flag_wins_over_what_a_file_chooses_and_set_over_both() {
        let words = ["--output", "o.npz", "--input-file", "i.npz", "--probe", "disk", "--positions-file", "p.csv"];
        let (_, sources, config) = job_of(&words).unwrap();
        assert_eq!((config.simulation.object, config.simulation.probe), (ObjectKind::File, ProbeKind::Disk));
        assert_eq!((config.simulation.scan, sources.positions), (ScanKind::File, Some("p.csv".into())));
        let (_, _, config) = job_of(&[
            "--output",
            "o.npz",
            "--object-image",
            "a.png",
            "--phase_min",
            "-2",
            "--set",
            "simulation.coma_x=-0.5",
        ])
        .unwrap();
        assert_eq!(config.simulation.object, ObjectKind::Image);
        assert_eq!((config.simulation.phase_min, config.simulation.coma_x), (-2.0, -0.5));
        assert!(job_of(&["--output", "o.npz", "--overlap", "2"]).unwrap_err().to_string().contains("--overlap"));
    }
}
