//! What can be written on the command line.
//!
//! The flags of configuration fields are made from the fields' own metadata ([`Field`]), so a field, its range and its
//! flag are declared once. Names of the Python tools are accepted beside ours (A§12).

use crate::bench::Stage;
use crate::config::{Accelerator, Config, Field, Preset};
use crate::worker::message::settable_in_inference;
use clap::parser::ValueSource;
use clap::{Arg, ArgAction, ArgMatches, Command, FromArgMatches, Parser, Subcommand};
use std::ffi::OsString;
use std::path::PathBuf;

/// Everything on the command line.
#[derive(Debug, Parser)]
#[command(name = "ptychoscope", version, about, max_term_width = 110)]
pub struct Args {
    /// What to do.
    #[command(subcommand)]
    pub command: Option<Task>,
}

/// What to do.
#[derive(Debug, Subcommand)]
pub enum Task {
    /// Open the window, with this file in it if one is given; so does the program without any words
    Gui {
        /// Dataset, model, configuration or run folder
        file: Option<PathBuf>,
    },
    /// Train on a dataset, reconstruct it and write pictures
    Run(TrainArgs),
    /// Train on a dataset and write the bundle model.ptycho
    Train(TrainArgs),
    /// Reconstruct a dataset with a trained bundle
    Infer(InferArgs),
    /// Improve the object of a finished run by some epochs of the direct solver
    Polish(PolishArgs),
    /// Judge reconstructions: numbers, pictures and curves
    Evaluate(EvaluateArgs),
    /// Reconstruct one test set with several bundles and judge the results side by side
    Compare(CompareArgs),
    /// Do one run for every combination of settings, resumable, with one report over all
    Sweep(SweepArgs),
    /// Say what a dataset holds and whether it is usable
    Inspect(InspectArgs),
    /// Simulate a dataset with a known object
    Simulate(SimulateArgs),
    /// List the devices the program can use
    Devices {
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
    /// Measure how fast the program is on this machine
    Bench(BenchArgs),
    /// Print the effective configuration, or explain its fields
    Config(ConfigArgs),
    /// Write reconstructions in other formats: TIFF, PNG, NPY, CXI, Ptychodus product
    Export(ExportArgs),
    /// Run the network alone on a batch: images in; object, amplitude and phase out
    Predict(PredictArgs),
    /// Turn weights of PtychoPINN's PyTorch backend into a bundle
    ImportWeights(ImportWeightsArgs),
    /// Write the weights of a bundle as a state_dict that PtychoPINN can load (safetensors)
    ExportWeights(ExportWeightsArgs),
    /// Change a dataset and write it as NPZ: crop, bin, shuffle, split, subset, transpose, to-amplitude, merge, stats
    Prepare {
        /// What to do.
        #[command(subcommand)]
        tool: PrepareTool,
    },
}

impl Args {
    /// Reads a command line; a flag may be written with `_` for `-`, as in the Python tools.
    ///
    /// # Errors
    /// Words that cannot be understood, and requests for help.
    pub fn read(words: impl IntoIterator<Item = OsString>) -> Result<Self, clap::Error> {
        let mut only_values = false;
        let words = words.into_iter().map(|word| {
            only_values |= word == "--";
            match word.to_str() {
                Some(text) if text.starts_with("--") && !only_values => {
                    let (name, rest) = text.split_at(text.find('=').unwrap_or(text.len()));
                    OsString::from(format!("{}{rest}", name.replace('_', "-")))
                }
                _ => word,
            }
        });
        Self::try_parse_from(words.collect::<Vec<_>>())
    }
}

/// How output looks.
#[derive(Debug, Clone, Copy, Default, clap::Args)]
pub struct OutputArgs {
    /// Print nothing but errors
    #[arg(long, conflicts_with = "json")]
    pub quiet: bool,
    /// Print one event per line as JSON on standard output
    #[arg(long)]
    pub json: bool,
}

/// Where settings come from: preset < file < flags.
#[derive(Debug, clap::Args)]
pub struct SettingArgs<const TRAINING: bool> {
    /// Configuration file (TOML, YAML or JSON, also of PtychoPINN), over the preset
    #[arg(long, value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// Set one field, over everything else; may be repeated
    #[arg(long = "set", value_name = "FIELD=VALUE")]
    pub set: Vec<String>,
    /// Seed of everything random
    #[arg(long, value_name = "N")]
    pub seed: Option<String>,
    /// Flags of single fields.
    #[command(flatten)]
    pub fields: FieldFlags<TRAINING>,
    /// Flags of the Python tools.
    #[command(flatten)]
    pub legacy: LegacyFlags<TRAINING>,
}

/// Arguments of `train` and `run`.
#[derive(Debug, clap::Args)]
pub struct TrainArgs {
    /// Dataset (NPZ)
    #[arg(value_name = "DATASET", required_unless_present_any = ["train_data_file", "resume", "config"])]
    pub dataset: Option<PathBuf>,
    /// Go on with the training in this run folder, which was cut off or stopped; of the settings only --accelerator, --epochs
    /// and --time-budget can be changed, DATASET only says where the dataset is now
    #[arg(long, value_name = "RUN_FOLDER", conflicts_with_all = ["output_dir", "validation", "preset", "config", "seed"])]
    pub resume: Option<PathBuf>,
    /// Dataset, under its name in the Python tools
    #[arg(long = "train-data-file", id = "train_data_file", hide = true)]
    #[arg(conflicts_with = "dataset")]
    pub train_data_file: Option<PathBuf>,
    /// Second dataset for the validation loss
    #[arg(long, alias = "test-data-file", value_name = "FILE")]
    pub validation: Option<PathBuf>,
    /// Run folder; without it a new one below runs/
    #[arg(long, value_name = "FOLDER")]
    pub output_dir: Option<PathBuf>,
    /// Named starting point of the configuration: recipe or reference [default: recipe; reference for a configuration of
    /// PtychoPINN]
    #[arg(long, value_name = "NAME")]
    pub preset: Option<String>,
    /// Settings.
    #[command(flatten)]
    pub settings: SettingArgs<true>,
    /// How output looks.
    #[command(flatten)]
    pub output: OutputArgs,
}

/// Arguments of `infer`.
#[derive(Debug, clap::Args)]
pub struct InferArgs {
    /// Trained bundle (model.ptycho, or the run folder that holds it)
    #[arg(value_name = "MODEL", required_unless_present = "model_path")]
    pub model: Option<PathBuf>,
    /// Dataset (NPZ)
    #[arg(value_name = "DATASET", required_unless_present_any = ["test_data", "model_path", "watch"])]
    pub dataset: Option<PathBuf>,
    /// Reconstruct the datasets in this folder and those that still arrive, until Ctrl-C
    #[arg(long, value_name = "FOLDER", conflicts_with_all = ["dataset", "test_data"])]
    pub watch: Option<PathBuf>,
    /// With --watch: end when all that is there is done
    #[arg(long, requires = "watch", conflicts_with_all = ["dataset", "test_data"])]
    pub once: bool,
    /// With --watch: seconds for which a file must not have changed before it is read
    #[arg(long, value_name = "SECONDS", requires = "watch", default_value_t = 2.0)]
    pub settle: f64,
    /// Bundle, under its name in the Python tools
    #[arg(long = "model-path", id = "model_path", hide = true)]
    pub model_path: Option<PathBuf>,
    /// Dataset, under its name in the Python tools
    #[arg(long = "test-data", alias = "test-data-file", id = "test_data", hide = true)]
    pub test_data: Option<PathBuf>,
    /// Run folder; without it a new one below runs/. With --watch the folder that holds one for each file; without it
    /// `reconstructed` in the folder that is watched
    #[arg(long, value_name = "FOLDER")]
    pub output_dir: Option<PathBuf>,
    /// Settings.
    #[command(flatten)]
    pub settings: SettingArgs<false>,
    /// How output looks.
    #[command(flatten)]
    pub output: OutputArgs,
}

/// Arguments of `polish`.
#[derive(Debug, clap::Args)]
pub struct PolishArgs {
    /// Run folder, or the reconstruction.npz in it; --polish says for how many epochs
    #[arg(value_name = "RUN")]
    pub run: PathBuf,
    /// Run folder of the polished object; without it a new one below runs/
    #[arg(long, value_name = "FOLDER")]
    pub output_dir: Option<PathBuf>,
    /// Settings.
    #[command(flatten)]
    pub settings: SettingArgs<false>,
    /// How output looks.
    #[command(flatten)]
    pub output: OutputArgs,
}

/// How reconstructions are judged, and where the result goes.
#[derive(Debug, Clone, clap::Args)]
pub struct JudgingArgs {
    /// What to compare with instead of the dataset's object: a reconstruction, a run folder or a dataset
    #[arg(long, value_name = "OTHER")]
    pub reference: Option<PathBuf>,
    /// How to place a reconstruction over the known object: registered (moved by the cross-correlation) or origin
    #[arg(long, value_name = "HOW", default_value = "registered")]
    pub align: String,
    /// What the numbers in the diffraction array are: auto, amplitude or counts
    #[arg(long, value_name = "UNIT", default_value = "auto")]
    pub diffraction_unit: String,
    /// Write a page with pictures and curves that needs nothing beside itself
    #[arg(long, value_name = "FILE")]
    pub html: Option<PathBuf>,
    /// Write the metrics as a table: model, metric, amplitude, phase, object
    #[arg(long, value_name = "FILE")]
    pub csv: Option<PathBuf>,
    /// Print everything as JSON
    #[arg(long)]
    pub json: bool,
    /// Print nothing but errors
    #[arg(long, conflicts_with = "json")]
    pub quiet: bool,
}

/// Arguments of `evaluate`.
#[derive(Debug, clap::Args)]
pub struct EvaluateArgs {
    /// Reconstructions (a reconstruction.npz, or the folder of a run) and their dataset, in any order; without a dataset
    /// that of the first run
    #[arg(value_name = "RECONSTRUCTION... [DATASET]", required = true)]
    pub files: Vec<PathBuf>,
    /// Reconstruct even and odd patterns too, with the bundle of each run, and tell how far they agree
    #[arg(long)]
    pub split_half: bool,
    /// Device for --split-half: auto, cpu, gpu or wgpu
    #[arg(long, value_name = "DEVICE", requires = "split_half")]
    pub accelerator: Option<String>,
    /// Judging.
    #[command(flatten)]
    pub judging: JudgingArgs,
}

/// Arguments of `compare`.
#[derive(Debug, clap::Args)]
pub struct CompareArgs {
    /// Trained bundles (model.ptycho, or the run folder that holds it), then the dataset
    #[arg(value_name = "MODEL... DATASET", required = true, num_args = 3..)]
    pub files: Vec<PathBuf>,
    /// Folder with a run folder for each bundle, the page and the metrics; without it a new one below runs/
    #[arg(long, value_name = "FOLDER")]
    pub output_dir: Option<PathBuf>,
    /// Device: auto, cpu, gpu or wgpu
    #[arg(long, value_name = "DEVICE")]
    pub accelerator: Option<String>,
    /// Judging.
    #[command(flatten)]
    pub judging: JudgingArgs,
}

/// Arguments of `sweep`.
#[derive(Debug, clap::Args)]
pub struct SweepArgs {
    /// Dataset
    #[arg(value_name = "DATASET")]
    pub dataset: PathBuf,
    /// Values of a setting: a configuration field, photons (mean per pattern, fresh noise) or overlap (mean, positions left
    /// out); may be repeated, all combinations are run
    #[arg(long, value_name = "PATH=VALUE,VALUE…")]
    pub vary: Vec<String>,
    /// Folder of the sweep, with a run folder for each combination; finished ones are skipped [default: runs/sweep-DATASET]
    #[arg(long, value_name = "FOLDER")]
    pub output_dir: Option<PathBuf>,
    /// Do only every n-th run, from the i-th: for array jobs, --task $SLURM_ARRAY_TASK_ID/$SLURM_ARRAY_TASK_COUNT
    #[arg(long, value_name = "I/N")]
    pub task: Option<String>,
    /// Named starting point of the configuration: recipe or reference [default: recipe; reference for a configuration of
    /// PtychoPINN]
    #[arg(long, value_name = "NAME")]
    pub preset: Option<String>,
    /// Settings.
    #[command(flatten)]
    pub settings: SettingArgs<true>,
    /// How output looks.
    #[command(flatten)]
    pub output: OutputArgs,
}

/// Arguments of `inspect`.
#[derive(Debug, clap::Args)]
pub struct InspectArgs {
    /// Dataset (NPZ, CXI, HDF5)
    #[arg(value_name = "FILE")]
    pub file: PathBuf,
    /// What the numbers in the diffraction array are: auto, amplitude or counts
    #[arg(long, value_name = "UNIT", default_value = "auto")]
    pub diffraction_unit: String,
    /// How the file is read: data fields of the configuration; may be repeated
    #[arg(long = "set", value_name = "FIELD=VALUE")]
    pub set: Vec<String>,
    /// Configuration file whose data fields say how the file is read, before --set
    #[arg(long, value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// Write how the file is read (mapping, units, crop, …) to this configuration file, for --config of any command
    #[arg(long, value_name = "FILE")]
    pub save_mapping: Option<PathBuf>,
    /// Try the eight ways to lay the scan, and tell which one explains the patterns best
    #[arg(long)]
    pub orientations: bool,
    /// Print JSON
    #[arg(long)]
    pub json: bool,
}

/// Arguments of `simulate`.
#[derive(Debug, clap::Args)]
pub struct SimulateArgs {
    /// Dataset to write (NPZ)
    #[arg(long, visible_alias = "output-file", value_name = "FILE")]
    pub output: PathBuf,
    /// Take object and probe from this dataset, unless --object or --probe say otherwise (NPZ)
    #[arg(long, value_name = "FILE")]
    pub input_file: Option<PathBuf>,
    /// Take the object from this picture (PNG)
    #[arg(long, value_name = "FILE")]
    pub object_image: Option<PathBuf>,
    /// Take the probe from this dataset (NPZ)
    #[arg(long, value_name = "FILE")]
    pub probe_file: Option<PathBuf>,
    /// Take the positions from this file: xcoords and ycoords (NPZ), or x and y in two columns (text)
    #[arg(long, value_name = "FILE")]
    pub positions_file: Option<PathBuf>,
    /// Configuration file (TOML, YAML or JSON), over the defaults
    #[arg(long, value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// Set one field, over everything else; may be repeated
    #[arg(long = "set", value_name = "FIELD=VALUE")]
    pub set: Vec<String>,
    /// Seed of everything random
    #[arg(long, value_name = "N")]
    pub seed: Option<String>,
    /// Write a picture beside the dataset, FILE_visualization.png: object, probe and two patterns
    #[arg(long)]
    pub visualize: bool,
    /// Flags of single fields.
    #[command(flatten)]
    pub fields: super::simulate::SimulationFlags,
    /// How output looks.
    #[command(flatten)]
    pub output_style: OutputArgs,
}

/// A format to export to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum ExportFormat {
    /// Amplitude and phase as 32-bit floating point TIFF, with the resolution.
    Tiff,
    /// Amplitude and phase as 16-bit gray PNG.
    Png,
    /// The complex object as one NumPy array.
    Npy,
    /// The complex object as image 1 of a CXI file.
    Cxi,
    /// Positions, probe and object as a Ptychodus product (needs --dataset and a pixel size).
    Product,
}

/// Arguments of `export`.
#[derive(Debug, clap::Args)]
pub struct ExportArgs {
    /// Reconstructions (reconstruction.npz, or the run folders that hold them)
    #[arg(value_name = "RECONSTRUCTION", required = true)]
    pub reconstructions: Vec<PathBuf>,
    /// Formats, separated by commas
    #[arg(long, value_name = "FORMATS", value_enum, value_delimiter = ',', default_value = "tiff")]
    pub format: Vec<ExportFormat>,
    /// Folder for the files; without it they stand beside each reconstruction
    #[arg(long, value_name = "FOLDER")]
    pub output_dir: Option<PathBuf>,
    /// Dataset that was reconstructed: positions and probe of a product, and the pixel size if it knows it
    #[arg(long, value_name = "DATASET")]
    pub dataset: Option<PathBuf>,
    /// Side of an object pixel in metres, if neither file knows it
    #[arg(long, value_name = "METRES")]
    pub pixel_size: Option<f64>,
    /// How the dataset is read: data fields of the configuration
    #[arg(long = "set", value_name = "FIELD=VALUE")]
    pub set: Vec<String>,
}

/// Arguments of `predict`.
#[derive(Debug, clap::Args)]
pub struct PredictArgs {
    /// Bundle (model.ptycho, or the run folder that holds it)
    #[arg(long, value_name = "MODEL")]
    pub model: PathBuf,
    /// Batch (NPZ): images (n, C, N, N), normalised amplitudes as the network takes them
    #[arg(long, value_name = "BATCH")]
    pub input: PathBuf,
    /// File to write (NPZ): object, amplitude and phase, (n, C, N, N) each
    #[arg(long, short, value_name = "FILE")]
    pub output: PathBuf,
    /// Device: auto, cpu, gpu or wgpu
    #[arg(long, value_name = "DEVICE", default_value = "auto")]
    pub accelerator: String,
    /// Print nothing but errors
    #[arg(long)]
    pub quiet: bool,
}

/// Arguments of `import-weights`.
#[derive(Debug, clap::Args)]
pub struct ImportWeightsArgs {
    /// Weights: a Lightning checkpoint (.ckpt), a state_dict (.pt, .pth, .safetensors) or a wts.h5.zip of PyTorch
    #[arg(value_name = "FILE")]
    pub file: PathBuf,
    /// Bundle to write
    #[arg(long, short, value_name = "MODEL")]
    pub output: PathBuf,
    /// Set what the file does not tell, for example model.amp_activation=sigmoid; may be repeated
    #[arg(long = "set", value_name = "FIELD=VALUE")]
    pub set: Vec<String>,
    /// Print nothing but errors
    #[arg(long)]
    pub quiet: bool,
}

/// Arguments of `export-weights`.
#[derive(Debug, clap::Args)]
pub struct ExportWeightsArgs {
    /// Bundle (model.ptycho, or the run folder that holds it)
    #[arg(value_name = "MODEL")]
    pub model: PathBuf,
    /// File to write (.safetensors)
    #[arg(long, short, value_name = "FILE")]
    pub output: PathBuf,
    /// Print nothing but errors
    #[arg(long)]
    pub quiet: bool,
}

/// What `prepare` works on.
#[derive(Debug, clap::Args)]
pub struct PrepareFiles {
    /// Dataset (NPZ, CXI, HDF5)
    #[arg(value_name = "DATASET")]
    pub dataset: PathBuf,
    /// File to write (NPZ)
    #[arg(long, short, value_name = "FILE")]
    pub output: PathBuf,
    /// How the dataset is read: data fields of the configuration
    #[arg(long = "set", value_name = "FIELD=VALUE")]
    pub set: Vec<String>,
}

/// A preparation tool.
#[derive(Debug, Subcommand)]
pub enum PrepareTool {
    /// Cut out the central square of every pattern
    Crop {
        /// Side of the square, pixels.
        side: usize,
        /// Files.
        #[command(flatten)]
        files: PrepareFiles,
    },
    /// Sum detector pixels along each axis
    Bin {
        /// Pixels summed along each axis.
        factor: usize,
        /// Files.
        #[command(flatten)]
        files: PrepareFiles,
    },
    /// Put the patterns in random order
    Shuffle {
        /// Seed.
        #[arg(long, default_value_t = 42)]
        seed: u64,
        /// Files.
        #[command(flatten)]
        files: PrepareFiles,
    },
    /// Write two datasets, for training and for testing, as FILE_train and FILE_test
    Split {
        /// Fraction of the patterns for testing.
        #[arg(long, default_value_t = 0.2)]
        fraction: f64,
        /// Test on the right (x) or the lower (y) part of the scan instead of random patterns.
        #[arg(long, value_name = "AXIS", value_parser = ["x", "y"], conflicts_with = "seed")]
        by: Option<String>,
        /// Seed.
        #[arg(long, default_value_t = 42)]
        seed: u64,
        /// Files.
        #[command(flatten)]
        files: PrepareFiles,
    },
    /// Keep some of the patterns
    Subset {
        /// Number of patterns kept.
        count: usize,
        /// Keep the first ones instead of random ones.
        #[arg(long)]
        first: bool,
        /// Seed.
        #[arg(long, default_value_t = 42)]
        seed: u64,
        /// Files.
        #[command(flatten)]
        files: PrepareFiles,
    },
    /// Exchange x and y everywhere
    Transpose {
        /// Files.
        #[command(flatten)]
        files: PrepareFiles,
    },
    /// Take patterns for counts, whatever their type, and write their square root
    ToAmplitude {
        /// Files.
        #[command(flatten)]
        files: PrepareFiles,
    },
    /// Append the patterns of other datasets
    Merge {
        /// Files.
        #[command(flatten)]
        files: PrepareFiles,
        /// Datasets to append.
        #[arg(long = "with", value_name = "DATASET", required = true)]
        others: Vec<PathBuf>,
    },
    /// Print counts, positions and sizes of a dataset
    Stats {
        /// Dataset (NPZ, CXI, HDF5).
        dataset: PathBuf,
        /// How the dataset is read: data fields of the configuration.
        #[arg(long = "set", value_name = "FIELD=VALUE")]
        set: Vec<String>,
        /// Print JSON.
        #[arg(long)]
        json: bool,
    },
}

/// Arguments of `bench`.
#[derive(Debug, Clone, Default, clap::Args)]
pub struct BenchArgs {
    /// Only these measurements, separated by commas
    #[arg(long, value_name = "STAGES", value_delimiter = ',', value_parser = bench_stage)]
    pub only: Vec<Stage>,
    /// Device; auto measures the CPU and the best GPU
    #[arg(long, value_name = "DEVICE", default_value = "auto", value_parser = accelerator)]
    pub accelerator: Accelerator,
    /// Named starting point of the configuration: recipe or reference
    #[arg(long, value_name = "NAME", default_value = "recipe", value_parser = preset)]
    pub preset: Preset,
    /// Side of the patterns: 64, 128 or 256
    #[arg(long = "size", short = 'N', value_name = "PIXELS", default_value_t = 64)]
    pub patch: usize,
    /// Gridsize
    #[arg(long, value_name = "N", default_value_t = 1)]
    pub gridsize: usize,
    /// Groups in a step; several separated by commas
    #[arg(long, value_name = "N", default_value = "16", value_delimiter = ',')]
    pub batch_size: Vec<usize>,
    /// Factor of the network's filters
    #[arg(long, value_name = "N", default_value_t = 1)]
    pub filters: usize,
    /// Patterns of the simulated dataset
    #[arg(long, value_name = "N", default_value_t = 512)]
    pub patterns: usize,
    /// Time of one measurement, about
    #[arg(long, value_name = "SECONDS", default_value_t = 8.0)]
    pub seconds: f64,
    /// Show how cost grows with the number of patterns, from 250 to 16 000
    #[arg(long)]
    pub scaling: bool,
    /// Print JSON, one measurement a line
    #[arg(long)]
    pub json: bool,
    /// One measurement, for the process that does it.
    #[arg(long, hide = true)]
    pub one: Option<String>,
}

fn bench_stage(text: &str) -> Result<Stage, String> {
    serde_json::from_value(serde_json::Value::String(text.to_ascii_lowercase()))
        .map_err(|_| "one of arithmetic, train, epoch, predict, stitch, group, load, cycle".to_owned())
}

fn preset(text: &str) -> Result<Preset, String> {
    Preset::from_name(text).map_err(|error| error.to_string())
}

fn accelerator(text: &str) -> Result<Accelerator, String> {
    let mut config = Config::default();
    config.set("execution.accelerator", text).map_err(|error| error.to_string())?;
    Ok(config.execution.accelerator)
}

/// Arguments of `config`.
#[derive(Debug, clap::Args)]
#[command(args_conflicts_with_subcommands = true)]
pub struct ConfigArgs {
    /// What else to do.
    #[command(subcommand)]
    pub tool: Option<ConfigTool>,
    /// Explain every field: what it does, its range, unit and flag
    #[arg(long)]
    pub fields: bool,
    /// Named starting point of the configuration: recipe or reference [default: recipe; reference for a configuration of
    /// PtychoPINN]
    #[arg(long, value_name = "NAME")]
    pub preset: Option<String>,
    /// Settings.
    #[command(flatten)]
    pub settings: SettingArgs<true>,
}

/// What can be done with a configuration.
#[derive(Debug, Subcommand)]
pub enum ConfigTool {
    /// Write a configuration, ours or one of PtychoPINN, in another format
    Convert(ConvertArgs),
    /// Every name in PtychoPINN's configurations, and what becomes of it here
    Names,
}

/// Arguments of `config convert`.
#[derive(Debug, clap::Args)]
pub struct ConvertArgs {
    /// Configuration file (TOML, YAML or JSON, also of PtychoPINN)
    #[arg(value_name = "FILE")]
    pub file: PathBuf,
    /// File to write
    #[arg(long, short, value_name = "FILE")]
    pub output: PathBuf,
    /// Format, legacy being the flat dictionary of PtychoPINN; without it the extension of the output says it
    #[arg(long, value_name = "FORMAT", value_enum)]
    pub to: Option<ConfigFormat>,
    /// Preset that the file stands over [default: recipe; reference for a configuration of PtychoPINN]
    #[arg(long, value_name = "NAME")]
    pub preset: Option<String>,
    /// Print nothing but errors
    #[arg(long)]
    pub quiet: bool,
}

/// A format of `config convert`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum ConfigFormat {
    /// TOML with our groups and names.
    Toml,
    /// YAML with our groups and names.
    Yaml,
    /// JSON with our groups and names.
    Json,
    /// The flat dictionary of PtychoPINN, in JSON if the output is called .json, else in YAML.
    Legacy,
}

/// Values of the flags that set one field each, in the order of the fields; all fields, or those that inference uses.
#[derive(Debug, Clone, Default)]
pub struct FieldFlags<const TRAINING: bool>(pub Vec<(String, String)>);

/// Names of the Python tools for a field, where they are not ours.
fn python_names(path: &str) -> &'static [&'static str] {
    match path {
        "training.epochs" => &["nepochs", "max-epochs"],
        "training.learning_rate" => &["torch-learning-rate"],
        "training.schedule" => &["torch-scheduler"],
        "training.loss" => &["torch-loss-mode"],
        "training.gradient_clip" => &["gradient-clip-val"],
        "training.accum_steps" => &["accumulate-grad-batches", "torch-accumulate-grad-batches"],
        "training.plateau_factor" => &["torch-plateau-factor"],
        "training.plateau_patience" => &["torch-plateau-patience"],
        "training.plateau_min_lr" => &["torch-plateau-min-lr"],
        "training.plateau_threshold" => &["torch-plateau-threshold"],
        "training.scale_contract" => &["measurement-domain"],
        "training.logger" => &["torch-logger"],
        "inference.batch_size" => &["torch-inference-batch-size"],
        "inference.stitch_weighting" => &["patch-weighting"],
        "execution.accelerator" => &["torch-accelerator", "device"],
        "simulation.n_photons" => &["nphotons"],
        "simulation.pattern_size" => &["probe-size"],
        _ => &[],
    }
}

/// The fields that `holds` and that have a flag, with its name.
fn flags(holds: fn(&Field) -> bool) -> impl Iterator<Item = (&'static Field, &'static str)> {
    Config::fields()
        .into_iter()
        .filter(move |field| holds(field))
        .filter_map(|field| Some((field, field.flag?.trim_start_matches("--"))))
}

/// Adds a flag for each field that `holds`, described by the field itself.
pub(super) fn add_field_flags(mut command: Command, holds: fn(&Field) -> bool) -> Command {
    for (field, flag) in flags(holds) {
        let argument = Arg::new(field.path)
            .long(flag)
            .value_name(if field.unit.is_empty() { "VALUE" } else { field.unit })
            .help(format!("{} ({})", field.help.trim_end_matches('.'), field.range_in_words()))
            .allow_negative_numbers(true);
        command = command.arg(argument.aliases(python_names(field.path).iter().copied()));
    }
    command
}

/// The values that were given to the flags of [`add_field_flags`], in the order of the fields.
pub(super) fn field_values(matches: &ArgMatches, holds: fn(&Field) -> bool) -> Vec<(String, String)> {
    flags(holds)
        .filter_map(|(field, _)| Some((field.path.to_owned(), matches.get_one::<String>(field.path)?.clone())))
        .collect()
}

impl<const TRAINING: bool> FieldFlags<TRAINING> {
    fn holds(field: &Field) -> bool {
        field.group() != "simulation" && (TRAINING || settable_in_inference(field.path))
    }
}

impl<const TRAINING: bool> clap::Args for FieldFlags<TRAINING> {
    fn augment_args(command: Command) -> Command {
        add_field_flags(command, Self::holds)
    }

    fn augment_args_for_update(command: Command) -> Command {
        Self::augment_args(command)
    }
}

impl<const TRAINING: bool> FromArgMatches for FieldFlags<TRAINING> {
    fn from_arg_matches(matches: &ArgMatches) -> Result<Self, clap::Error> {
        Ok(Self(field_values(matches, Self::holds)))
    }

    fn update_from_arg_matches(&mut self, matches: &ArgMatches) -> Result<(), clap::Error> {
        self.0.extend(field_values(matches, Self::holds));
        Ok(())
    }
}

/// Flags of the Python tools that set something in another way, or have no effect here; each is answered by a note.
#[derive(Debug, Clone, Default)]
pub struct LegacyFlags<const TRAINING: bool> {
    /// Settings they stand for.
    pub settings: Vec<(String, String)>,
    /// What to say about them.
    pub notes: Vec<String>,
}

/// Path and flag of the field that `--n-images` stands for.
const fn n_images(training: bool) -> (&'static str, &'static str) {
    if training { ("data.n_groups", "n-groups") } else { ("data.n_subsample", "n-subsample") }
}

/// A flag that has no effect here: its name, other names, whether it takes a value, and why it has none.
type WithoutEffect = (&'static str, &'static [&'static str], bool, &'static str);

const WITHOUT_EFFECT: &[WithoutEffect] = &[
    ("disable-mlflow", &[], false, "nothing is sent to MLflow"),
    ("do-stitching", &[], false, "`run` and `infer` always stitch"),
    ("backend", &[], true, "there is one engine"),
    ("deterministic", &["torch-deterministic", "no-deterministic"], false, "the same seeds are always used"),
    ("num-workers", &["torch-num-workers"], true, "the dataset is kept on the device"),
    ("enable-checkpointing", &["disable-checkpointing"], false, "the last and the best bundle are kept"),
    ("checkpoint-save-top-k", &["torch-checkpoint-save-top-k"], true, "the last and the best bundle are kept"),
    ("checkpoint-monitor", &["torch-checkpoint-monitor"], true, "the validation loss judges an epoch, if there is one"),
    ("checkpoint-mode", &[], true, "the best epoch is that of the lowest loss"),
    ("strategy", &[], true, "one device works"),
    ("positions-provided", &[], true, "the positions are always those of the dataset"),
    (
        "torch-recon-log-every-n-epochs",
        &[
            "torch-recon-log-num-patches",
            "torch-recon-log-fixed-indices",
            "torch-recon-log-stitch",
            "torch-recon-log-max-stitch-samples",
        ],
        true,
        "nothing is sent to MLflow",
    ),
    ("torch-enable-checkpointing", &[], true, "the last and the best bundle are kept"),
    ("console-level", &[], true, "the log of a run is log.txt in its folder"),
    ("verbose", &["debug"], false, "the log of a run is log.txt in its folder"),
];

impl<const TRAINING: bool> clap::Args for LegacyFlags<TRAINING> {
    fn augment_args(mut command: Command) -> Command {
        for (name, aliases, takes_value, _) in WITHOUT_EFFECT {
            let argument = Arg::new(*name).long(*name).aliases(aliases.iter().copied()).hide(true);
            let action = if *takes_value { ArgAction::Append } else { ArgAction::Count };
            command = command.arg(argument.action(action));
        }
        let hidden = |name: &'static str| Arg::new(name).long(name).value_name("VALUE").hide(true);
        command
            .arg(
                Arg::new("n-images")
                    .long("n-images")
                    .value_name("N")
                    .help(format!("Deprecated name of --{}", n_images(TRAINING).1))
                    .conflicts_with(n_images(TRAINING).0),
            )
            .arg(hidden("subsample-seed"))
            .arg(hidden("sequential-sampling"))
    }

    fn augment_args_for_update(command: Command) -> Command {
        Self::augment_args(command)
    }
}

impl<const TRAINING: bool> FromArgMatches for LegacyFlags<TRAINING> {
    fn from_arg_matches(matches: &ArgMatches) -> Result<Self, clap::Error> {
        let mut flags = Self::default();
        for (name, _, _, reason) in WITHOUT_EFFECT {
            if matches.value_source(name) == Some(ValueSource::CommandLine) {
                flags.notes.push(format!("--{name} has no effect here: {reason}."));
            }
        }
        if let Some(n) = matches.get_one::<String>("n-images") {
            let (path, flag) = n_images(TRAINING);
            flags.settings.push((path.to_owned(), n.clone()));
            flags.notes.push(format!("--n-images is the deprecated name of --{flag}."));
        }
        if let Some(seed) = matches.get_one::<String>("subsample-seed") {
            flags.settings.push(("execution.seeds.subsample".to_owned(), seed.clone()));
        }
        if let Some(value) = matches.get_one::<String>("sequential-sampling") {
            let sampling = if value.eq_ignore_ascii_case("true") { "sequential" } else { "random" };
            if TRAINING {
                flags.settings.push(("data.sampling".to_owned(), sampling.to_owned()));
            }
        }
        Ok(flags)
    }

    fn update_from_arg_matches(&mut self, matches: &ArgMatches) -> Result<(), clap::Error> {
        *self = Self::from_arg_matches(matches)?;
        Ok(())
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used)]
mod tests {
    use super::*;
    use clap::CommandFactory;

    fn read(words: &[&str]) -> Result<Args, clap::Error> {
        Args::read([&["ptychoscope"], words].concat().into_iter().map(OsString::from))
    }

    fn train_args(words: &[&str]) -> TrainArgs {
        let args = read(&[&["train"], words].concat()).unwrap();
        let Some(Task::Train(args)) = args.command else { panic!("not train") };
        args
    }

    #[test]
    fn the_argument_parser_has_no_clashes() {
        Args::command().debug_assert();
    }

    #[test]
    fn the_flags_of_the_python_tools_are_understood() {
        let args = train_args(&[
            "--train_data_file",
            "a.npz",
            "--test_data_file",
            "b.npz",
            "--output_dir",
            "out",
            "--max_epochs",
            "2",
            "--n_images",
            "64",
            "--gridsize",
            "1",
            "--batch_size",
            "4",
            "--accelerator",
            "cpu",
            "--disable_mlflow",
            "--quiet",
        ]);
        assert_eq!(args.train_data_file, Some("a.npz".into()));
        assert_eq!(args.output_dir, Some("out".into()));
        assert_eq!(args.validation, Some("b.npz".into()));
        let value = |path: &str| args.settings.fields.0.iter().find(|(p, _)| p == path).map(|(_, v)| v.as_str());
        assert_eq!(value("training.epochs"), Some("2"));
        assert_eq!(value("training.batch_size"), Some("4"));
        assert_eq!(args.settings.legacy.settings, [("data.n_groups".to_owned(), "64".to_owned())]);
        assert_eq!(args.settings.legacy.notes.len(), 2, "{:?}", args.settings.legacy.notes);
    }

    #[test]
    fn a_flag_without_effect_does_not_swallow_the_dataset() {
        let args = train_args(&["--disable_mlflow", "a.npz", "--epochs", "3"]);
        assert_eq!(args.dataset, Some("a.npz".into()));
    }

    #[test]
    fn underscores_in_values_and_after_two_dashes_are_kept() {
        let args = train_args(&["--set", "training.batch_size=8", "--output_dir=a_b", "--", "--c_d.npz"]);
        assert_eq!(args.settings.set, ["training.batch_size=8"]);
        assert_eq!(args.output_dir, Some("a_b".into()));
        assert_eq!(args.dataset, Some("--c_d.npz".into()));
    }

    #[test]
    fn a_training_is_resumed_without_a_dataset_and_without_another_preset() {
        let args = train_args(&["--resume", "runs/a"]);
        assert_eq!((args.resume, args.dataset), (Some("runs/a".into()), None));
        let moved = train_args(&["b.npz", "--resume", "runs/a", "--epochs", "9"]);
        assert_eq!(moved.dataset, Some("b.npz".into()));
        for other in ["--output-dir", "--preset", "--config", "--seed", "--validation"] {
            assert!(read(&["train", "--resume", "runs/a", other, "1"]).is_err(), "{other}");
        }
    }

    #[test]
    fn inference_takes_no_flag_of_training() {
        assert!(read(&["infer", "m", "d", "--epochs", "3"]).is_err());
        assert!(read(&["infer", "m", "d", "--n-groups", "3"]).is_err());
        assert!(read(&["infer", "m", "d", "--n_images", "3"]).is_ok());
        assert!(read(&["infer", "--model_path", "m", "--test_data", "d"]).is_ok());
        assert!(read(&["infer", "d", "--model_path", "m"]).is_ok());
        assert!(read(&["infer", "m"]).is_err());
        assert!(read(&["infer", "m", "--watch", "f", "--once", "--polish", "3"]).is_ok());
        assert!(read(&["infer", "m", "d", "--watch", "f"]).is_err() && read(&["infer", "m", "d", "--once"]).is_err());
        assert!(
            read(&["polish", "run", "--polish", "3"]).is_ok() && read(&["polish", "run", "--epochs", "3"]).is_err()
        );
    }

    #[test]
    fn a_dataset_is_asked_for_once() {
        assert!(read(&["train"]).is_err());
        assert!(read(&["train", "a.npz", "--train_data_file", "b.npz"]).is_err());
    }
}
