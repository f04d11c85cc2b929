//! `config`: the effective configuration, its fields, and conversion between formats.

use super::console::{print_json, print_line, print_message};
use super::flags::SettingArgs;
use super::settings;
use crate::checkpoint;
use crate::config::{self, Config, Field, Format, Kind, Layout, Preset, Setup};
use crate::error::{Problem, Result};
use clap::Subcommand;
use serde_json::json;
use std::path::PathBuf;

/// Arguments of `config`.
#[derive(Debug, clap::Args)]
#[command(args_conflicts_with_subcommands = true)]
pub(super) struct ConfigArgs {
    /// Operation other than printing.
    #[command(subcommand)]
    pub tool: Option<ConfigTool>,
    /// Describe every field: purpose, range, unit and flag
    #[arg(long)]
    pub fields: bool,
    /// With --fields: print JSON
    #[arg(long, requires = "fields")]
    pub json: bool,
    /// Preset to start from: recipe or reference [default: recipe; reference for a configuration from PtychoPINN]
    #[arg(long, value_name = "NAME")]
    pub preset: Option<String>,
    /// Configuration.
    #[command(flatten)]
    pub settings: SettingArgs<true>,
}

/// An operation on configurations.
#[derive(Debug, Subcommand)]
pub(super) enum ConfigTool {
    /// Convert a configuration, ours or from PtychoPINN, to another format
    Convert(ConvertArgs),
    /// List every name in PtychoPINN's configurations with its equivalent here
    Names,
    /// List the shipped set-ups of instruments for --config, or print one as a file to adapt
    Setups {
        /// Set-up to print
        #[arg(value_name = "NAME")]
        name: Option<String>,
    },
}

/// Arguments of `config convert`.
#[derive(Debug, clap::Args)]
pub(super) struct ConvertArgs {
    /// Configuration file (TOML, YAML or JSON, also from PtychoPINN)
    #[arg(value_name = "FILE")]
    pub file: PathBuf,
    /// File to write
    #[arg(long, short, value_name = "FILE")]
    pub output: PathBuf,
    /// Output format; legacy is the flat dictionary of PtychoPINN [default: from the extension of the output]
    #[arg(long, value_name = "FORMAT", value_enum)]
    pub to: Option<ConfigFormat>,
    /// Preset that the file overrides [default: recipe; reference for a configuration from PtychoPINN]
    #[arg(long, value_name = "NAME")]
    pub preset: Option<String>,
    /// Print only errors
    #[arg(long)]
    pub quiet: bool,
}

/// An output format of `config convert`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub(super) enum ConfigFormat {
    /// TOML with our groups and names.
    Toml,
    /// YAML with our groups and names.
    Yaml,
    /// JSON with our groups and names.
    Json,
    /// PtychoPINN's flat dictionary: JSON if the output ends in .json, otherwise YAML.
    Legacy,
}

/// Prints the effective configuration as TOML or describes its fields, or runs a subcommand; returns the exit code.
pub(super) fn config(args: &ConfigArgs) -> Result<u8> {
    match &args.tool {
        Some(ConfigTool::Convert(args)) => return convert(args),
        Some(ConfigTool::Names) => return names(),
        Some(ConfigTool::Setups { name }) => return setups(name.as_deref()),
        None => {}
    }
    let (config, _) = settings::effective(args.preset.as_deref(), &args.settings)?;
    if !args.fields {
        print_line(config.to_toml()?.trim_end());
        return Ok(0);
    }
    if args.json {
        print_json(&fields(&config)?)?;
        return Ok(0);
    }
    let mut group = "";
    for field in Config::fields() {
        if field.group() != group {
            group = field.group();
            print_line(&format!("[{group}]"));
        }
        let unit = if field.unit.is_empty() { String::new() } else { format!(" {}", field.unit) };
        let flag = field.flag.map_or_else(String::new, |flag| format!("  ({flag})"));
        print_line(&format!("{} = {}{unit}{flag}", field.path, config.get(field.path)?));
        print_line(&format!("    {} Takes {}.", field.help, field.range_text()));
        if let Kind::Choice { options, .. } = field.kind {
            for (name, meaning) in options {
                print_line(&format!("      {name}: {meaning}"));
            }
        }
    }
    Ok(0)
}

/// Description of every field and its value in `config`.
fn fields(config: &Config) -> Result<Vec<serde_json::Value>> {
    let describe = |field: &Field| {
        let options: serde_json::Map<_, _> = match field.kind {
            Kind::Choice { options, .. } => {
                options.iter().map(|(name, text)| ((*name).to_owned(), json!(text))).collect()
            }
            _ => serde_json::Map::new(),
        };
        Ok(json!({
            "path": field.path,
            "label": field.label,
            "value": config.get(field.path)?,
            "help": field.help,
            "unit": field.unit,
            "takes": field.range_text(),
            "options": options,
            "flag": field.flag,
            "in_inference": field.settable_in_inference,
        }))
    };
    Config::fields().into_iter().map(describe).collect()
}

/// Prints the shipped set-ups, or the text of one.
fn setups(name: Option<&str>) -> Result<u8> {
    if let Some(name) = name {
        print_line(Setup::named(name)?.text.trim_end());
        return Ok(0);
    }
    for setup in Setup::ALL {
        print_line(&format!("{:<16} {}", setup.name, setup.about()));
    }
    Ok(0)
}

/// Prints the names in PtychoPINN's configurations as a Markdown table.
fn names() -> Result<u8> {
    print_line("| PtychoPINN | here | remark |\n|---|---|---|");
    for config::Entry { names, field, remark } in config::dictionary() {
        print_line(&format!("| {names} | {field} | {remark} |"));
    }
    Ok(0)
}

/// Converts a configuration to another format.
fn convert(args: &ConvertArgs) -> Result<u8> {
    let preset = args.preset.as_deref().map(Preset::from_name).transpose()?;
    let imported = Config::import(&args.file, preset, &[])?;
    let from_extension = Format::of_extension(&args.output);
    let layout = match (args.to, from_extension) {
        (Some(ConfigFormat::Toml), _) => Layout::Native(Format::Toml),
        (Some(ConfigFormat::Yaml), _) => Layout::Native(Format::Yaml),
        (Some(ConfigFormat::Json), _) => Layout::Native(Format::Json),
        (Some(ConfigFormat::Legacy), Some(Format::Json)) => Layout::Legacy(Format::Json),
        (Some(ConfigFormat::Legacy), _) => Layout::Legacy(Format::Yaml),
        (None, Some(format)) => Layout::Native(format),
        (None, None) => {
            return Err(Problem::new("The output format cannot be inferred from the file name")
                .expected("a name that ends in .toml, .yaml or .json")
                .hint("Specify --to toml, yaml, json or legacy")
                .at(&args.output)
                .into());
        }
    };
    let (text, lost) = config::write(&imported.config, &imported.paths, layout)?;
    checkpoint::write_atomic(&args.output, text.as_bytes())?;
    if !args.quiet {
        print_message(&imported.description(&args.file));
        imported.notes.iter().chain(&lost).for_each(|note| print_message(note));
        // A configuration can be converted before it is valid.
        if let Err(error) = imported.config.validate() {
            print_message(&format!("The configuration cannot be used as it is: {error}"));
        }
        print_line(&format!("Wrote {}", args.output.display()));
    }
    Ok(0)
}
