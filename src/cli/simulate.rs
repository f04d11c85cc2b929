//! `simulate`: a simulated dataset with a known object.

use super::console::print_line;
use super::flags::{OutputArgs, add_field_flags, field_values};
use super::jobs;
use crate::checkpoint::write_atomic;
use crate::config::{Config, Field, Preset};
use crate::data::Dataset;
use crate::error::{Error, Problem, Result};
use crate::imaging::{self, Colormap, Labels, Limits};
use crate::system::file_stem;
use crate::worker::message::{Job, Sources};
use clap::{ArgMatches, Command, FromArgMatches};
use image::RgbaImage;
use ndarray::{Array2, Axis};
use std::f64::consts::PI;
use std::path::{Path, PathBuf};

/// Arguments of `simulate`.
#[derive(Debug, clap::Args)]
pub(super) struct SimulateArgs {
    /// Dataset to write (NPZ)
    #[arg(long, visible_alias = "output-file", value_name = "FILE")]
    pub output: PathBuf,
    /// Use object and probe of this dataset (NPZ), unless --object or --probe select others
    #[arg(long, value_name = "FILE")]
    pub input_file: Option<PathBuf>,
    /// Use this image as the object (PNG)
    #[arg(long, value_name = "FILE")]
    pub object_image: Option<PathBuf>,
    /// Use the probe of this dataset (NPZ)
    #[arg(long, value_name = "FILE")]
    pub probe_file: Option<PathBuf>,
    /// Use the positions in this file: xcoords and ycoords (NPZ), or x and y in two columns (text)
    #[arg(long, value_name = "FILE")]
    pub positions_file: Option<PathBuf>,
    /// Configuration file (TOML, YAML or JSON); overrides the defaults
    #[arg(long, value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// Set one configuration field; overrides everything else; repeatable
    #[arg(long = "set", value_name = "FIELD=VALUE")]
    pub set: Vec<String>,
    /// Seed of all random numbers
    #[arg(long, value_name = "N")]
    pub seed: Option<String>,
    /// Also write an image, FILE_visualization.png: object, probe and two patterns
    #[arg(long)]
    pub visualize: bool,
    /// Flags of single fields.
    #[command(flatten)]
    pub fields: SimulationFlags,
    /// Output.
    #[command(flatten)]
    pub output_style: OutputArgs,
}

/// Path and value of each simulation field (and of the grid size) set by its own flag, in the order of the fields.
#[derive(Debug, Clone, Default)]
pub(super) struct SimulationFlags(pub Vec<(String, String)>);

fn includes(field: &Field) -> bool {
    field.group() == "simulation" || field.path == "model.gridsize"
}

impl clap::Args for SimulationFlags {
    fn augment_args(command: Command) -> Command {
        add_field_flags(command, includes)
    }

    fn augment_args_for_update(command: Command) -> Command {
        Self::augment_args(command)
    }
}

impl FromArgMatches for SimulationFlags {
    fn from_arg_matches(matches: &ArgMatches) -> std::result::Result<Self, clap::Error> {
        Ok(Self(field_values(matches, includes)))
    }

    fn update_from_arg_matches(&mut self, matches: &ArgMatches) -> std::result::Result<(), clap::Error> {
        self.0.extend(field_values(matches, includes));
        Ok(())
    }
}

/// Simulates a dataset; returns the exit code.
pub(super) fn simulate(args: SimulateArgs) -> Result<u8> {
    let (mut output, visualize, path) = (args.output_style, args.visualize, args.output.clone());
    // Standard output carries the file itself.
    output.quiet |= path == Path::new("-") || path.starts_with("/dev");
    let code = jobs::run_one(job(args)?, &[], output)?;
    if visualize && code == 0 {
        let image_path = visualization(&path)?;
        if !output.is_silent() {
            print_line(&format!(
                "  image        {}: object, probe (amplitude, phase), mean and first pattern (logarithmic)",
                image_path.display()
            ));
        }
    }
    Ok(code)
}

/// Writes `FILE_visualization.png` beside a simulated dataset; returns its path.
fn visualization(path: &Path) -> Result<PathBuf> {
    let dataset = Dataset::load(path, &Config::default().data, 0)?;
    let image_path = path.with_file_name(format!("{}_visualization.png", file_stem(path)));
    let mut images = Vec::new();
    let first_mode = dataset.probe.index_axis(Axis(0), 0);
    for complex in dataset.object.iter().map(|object| object.view()).chain([first_mode]) {
        let amplitude = complex.mapv(|value| value.norm());
        images.push(grayscale(&amplitude)?);
        // The phase is undefined where the amplitude vanishes.
        let floor = 0.02 * amplitude.iter().fold(0.0f32, |a, &b| a.max(b));
        let visible = amplitude.mapv(|value| value > floor);
        let limits = Limits { low: -PI, high: PI };
        let phase = complex.mapv(|value| value.arg());
        images.push(imaging::render(phase.view(), visible.view(), limits, Colormap::Cyclic, Labels::Bar("rad"))?);
    }
    if let Some(mean) = dataset.diffraction.mapv(|value| value * value).mean_axis(Axis(0)) {
        let first = dataset.diffraction.index_axis(Axis(0), 0).mapv(|value| value * value);
        for counts in [mean, first] {
            images.push(grayscale(&counts.mapv(|value| (1.0 + value).log10()))?);
        }
    }
    write_atomic(&image_path, &imaging::encode_rgba(imaging::arrange(&images, 2))?)?;
    Ok(image_path)
}

fn grayscale(values: &Array2<f32>) -> Result<RgbaImage> {
    let visible = Array2::from_elem(values.dim(), true);
    let limits = imaging::robust_limits(values.view(), visible.view(), 0.001, 0.999);
    imaging::render(values.view(), visible.view(), limits, Colormap::Gray, Labels::Bar(""))
}

/// The job, from defaults < file < flags < `--set`. A file given for object, probe or positions selects its use.
fn job(args: SimulateArgs) -> Result<Job> {
    let mut settings: Vec<(String, String)> = Vec::new();
    let mut set = |path: &str, value: &str| settings.push((path.to_owned(), value.to_owned()));
    if args.input_file.is_some() {
        set("simulation.object", "file");
        set("simulation.probe", "file");
    }
    if args.object_image.is_some() {
        set("simulation.object", "image");
    }
    if args.probe_file.is_some() {
        set("simulation.probe", "file");
    }
    if args.positions_file.is_some() {
        set("simulation.scan", "file");
    }
    if let Some(seed) = &args.seed {
        for purpose in ["weights", "subsample", "grouping", "shuffle", "noise"] {
            set(&format!("execution.seeds.{purpose}"), seed);
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
    fn a_flag_overrides_the_choice_made_by_a_file_and_set_overrides_both() {
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
