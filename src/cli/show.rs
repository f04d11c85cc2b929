//! `inspect`, `devices`, `config` and the usage: what is told without a job.

use super::args::{ConfigArgs, ConfigFormat, ConfigTool, ConvertArgs, InspectArgs};
use super::{print_line, settings, tell};
use crate::checkpoint::{self, write_atomic};
use crate::config::{self, Config, Format, Kind, Layout, Preset};
use crate::data::{self, Dataset, Inspection, Status};
use crate::error::{Error, Problem, Result};
use crate::worker::device::{self, AdapterInfo};
use crate::worker::message::{Orientations, score_orientations};
use serde::Serialize;
use serde_json::json;

/// What a dataset holds and whether it is usable; exit code 2 if it is not.
pub(super) fn inspect(args: &InspectArgs) -> Result<u8> {
    let unit = ("data.diffraction_unit".to_owned(), args.diffraction_unit.clone());
    let base = args.config.as_ref().map_or_else(|| Ok(Config::default()), Config::load)?;
    let unit = if args.diffraction_unit == "auto" { Vec::new() } else { vec![unit] };
    let config = settings::data_config(base, &args.set, unit)?;
    let inspection = data::inspect_with(&args.file, &config.data)?;
    let usable = inspection.status() != Status::Fail;
    let scored = if args.orientations && usable { Some(orientations(args, &config)?) } else { None };
    match (args.json, &scored) {
        (true, Some(found)) => {
            let suggestion = found.as_ref().and_then(Orientations::suggestion);
            print_json(&json!({ "inspection": inspection, "orientations": found, "suggestion": suggestion }))?;
        }
        (true, None) => print_json(&inspection)?,
        (false, _) => print_line(&findings(&inspection)),
    }
    if let (Some(found), false) = (&scored, args.json) {
        print_line(&in_words(found.as_ref()));
    }
    if let Some(path) = &args.save_mapping {
        if usable {
            write_atomic(path, config.changed_toml(&Config::default(), "data")?.as_bytes())?;
            tell(&format!("How the file is read was written to {0}; give it as --config {0}.", path.display()));
        } else {
            tell("How the file is read was not written: the file cannot be used in this way.");
        }
    }
    Ok(if inspection.status() == Status::Fail { 2 } else { 0 })
}

/// How well each orientation explains the patterns; none for too few of them.
fn orientations(args: &InspectArgs, config: &Config) -> Result<Option<Orientations>> {
    let dataset = Dataset::load(&args.file, &config.data, config.execution.seeds.subsample)?;
    score_orientations(&dataset, config.data.orientation, &mut |_| true)
}

/// The eight orientations, best first, and what to do.
fn in_words(found: Option<&Orientations>) -> String {
    let Some(found) = found else { return "\nThere are too few patterns to tell how the scan lies.".to_owned() };
    let mut lines = vec![format!("\n  How the scan lies: misfit of {} patterns after a few epochs", found.patterns)];
    for score in found.best_first() {
        let now = if score.orientation == found.now { "  as it is read now" } else { "" };
        lines.push(format!("  {:<13} {:.4}{now}", score.orientation.name(), score.misfit));
    }
    lines.push(String::new());
    lines.push(match found.suggestion() {
        Some(best) => {
            let twin = found.twin_of(best).map_or_else(String::new, |twin| {
                format!(" So does {}: the probe cannot tell the two apart.", twin.name())
            });
            format!("{name} explains the patterns better: --orientation {name}.{twin}", name = best.name())
        }
        None if !found.stands_out() => {
            "No orientation stands out: look at the positions and their unit, and at the probe.".to_owned()
        }
        None => match found.twin_of(found.now) {
            Some(twin) => format!(
                "The present orientation explains the patterns; {} does as well, the probe cannot tell the two apart.",
                twin.name()
            ),
            None => "The present orientation explains the patterns best.".to_owned(),
        },
    });
    lines.join("\n")
}

/// Arrays, then verdicts, then what is done on reading.
fn findings(inspection: &Inspection) -> String {
    let mut lines = vec![inspection.path.display().to_string(), String::new()];
    let width = inspection.arrays.iter().map(|array| array.key.chars().count()).max().unwrap_or(0);
    for array in &inspection.arrays {
        let shape = match array.shape.as_slice() {
            [length] => format!("{length},"),
            lengths => lengths.iter().map(usize::to_string).collect::<Vec<_>>().join(", "),
        };
        let range = array.range.map_or_else(String::new, |(low, high)| format!("  {low:.6} to {high:.6}"));
        let problem = array.problem.as_ref().map_or_else(String::new, |problem| format!("  {problem}"));
        lines.push(format!("  {:<width$}  ({shape})  {}{range}{problem}", array.key, array.dtype));
    }
    lines.push(String::new());
    for verdict in &inspection.verdicts {
        lines.push(format!("  {verdict}"));
        if verdict.status != Status::Pass && !verdict.expected.is_empty() {
            lines.push(format!("        expected {}", verdict.expected));
        }
        if verdict.status != Status::Pass && !verdict.advice.is_empty() {
            lines.push(format!("        {}", verdict.advice));
        }
    }
    if !inspection.notes.is_empty() {
        lines.push(String::new());
        lines.extend(inspection.notes.iter().map(|note| format!("  {note}")));
    }
    lines.push(String::new());
    lines.push(match inspection.status() {
        Status::Pass => "The file can be used.".to_owned(),
        Status::Warn => "The file can be used; look at the warnings.".to_owned(),
        Status::Fail => "The file cannot be used as it is.".to_owned(),
    });
    lines.join("\n")
}

/// The devices the program can use.
pub(super) fn devices(json: bool) -> Result<u8> {
    let adapters = device::list();
    if json {
        print_json(&adapters)?;
    } else {
        print_line(&table(&adapters));
    }
    Ok(0)
}

fn table(adapters: &[AdapterInfo]) -> String {
    let mut lines = Vec::new();
    for adapter in adapters {
        lines.push(format!("{} ({})", adapter.name, adapter.kind.label()));
        lines.push(format!("  backend   {}", adapter.backend));
        lines.push(format!("  driver    {}", adapter.driver));
        if let Some(limits) = &adapter.limits {
            lines.push(format!(
                "  limits    buffer {} MiB, storage binding {} MiB, {} invocations per work group, texture side {} px",
                limits.max_buffer_bytes >> 20,
                limits.max_storage_binding_bytes >> 20,
                limits.max_invocations_per_workgroup,
                limits.max_texture_side
            ));
        }
        if !adapter.usable {
            lines.push("  usable    no: it cannot run compute kernels".to_owned());
        } else if !adapter.kind.is_hardware() && adapter.limits.is_some() {
            lines.push("  usable    with --accelerator wgpu only: slower than the CPU backend".to_owned());
        }
    }
    let hardware = adapters.iter().any(|adapter| adapter.kind.is_hardware() && adapter.usable);
    lines.push(if hardware {
        "--accelerator auto takes the best GPU above.".to_owned()
    } else {
        "No usable GPU was found: --accelerator auto takes the CPU (reduced capability). For a GPU, install its driver \
         and the Vulkan loader (Debian: libvulkan1, mesa-vulkan-drivers; NVIDIA: its own driver)."
            .to_owned()
    });
    lines.join("\n")
}

/// The effective configuration as TOML, or its fields explained.
pub(super) fn config(args: &ConfigArgs) -> Result<u8> {
    match &args.tool {
        Some(ConfigTool::Convert(args)) => return convert(args),
        Some(ConfigTool::Names) => return names(),
        None => {}
    }
    let (config, _) = settings::effective(args.preset.as_deref(), &args.settings)?;
    if !args.fields {
        print_line(config.to_toml()?.trim_end());
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
        print_line(&format!("    {} Takes {}.", field.help, field.range_in_words()));
        if let Kind::Choice { options, .. } = field.kind {
            for (name, meaning) in options {
                print_line(&format!("      {name}: {meaning}"));
            }
        }
    }
    Ok(0)
}

/// The names of PtychoPINN as a table in Markdown, which can also be read as it is.
fn names() -> Result<u8> {
    print_line("| PtychoPINN | here | remark |\n|---|---|---|");
    for config::Entry { names, here, remark } in config::dictionary() {
        print_line(&format!("| {names} | {here} | {remark} |"));
    }
    Ok(0)
}

/// Writes a configuration in another format.
fn convert(args: &ConvertArgs) -> Result<u8> {
    let preset = args.preset.as_deref().map(Preset::from_name).transpose()?;
    let imported = Config::import(&args.file, preset, &[])?;
    let of_name = Format::of_extension(&args.output);
    let layout = match (args.to, of_name) {
        (Some(ConfigFormat::Toml), _) => Layout::Ours(Format::Toml),
        (Some(ConfigFormat::Yaml), _) => Layout::Ours(Format::Yaml),
        (Some(ConfigFormat::Json), _) => Layout::Ours(Format::Json),
        (Some(ConfigFormat::Legacy), Some(Format::Json)) => Layout::Legacy(Format::Json),
        (Some(ConfigFormat::Legacy), _) => Layout::Legacy(Format::Yaml),
        (None, Some(format)) => Layout::Ours(format),
        (None, None) => {
            return Err(Problem::new("The name of the output does not say its format")
                .expected("a name that ends in .toml, .yaml or .json")
                .hint("Give --to toml, yaml, json or legacy")
                .at(&args.output)
                .into());
        }
    };
    let (text, lost) = config::write(&imported.config, &imported.places, layout)?;
    checkpoint::write_atomic(&args.output, text.as_bytes())?;
    if !args.quiet {
        tell(&imported.in_words(&args.file));
        imported.notes.iter().chain(&lost).for_each(|note| tell(note));
        // A configuration can be translated before it is put right.
        if let Err(error) = imported.config.validate() {
            tell(&format!("It cannot be used as it is: {error}"));
        }
        print_line(&format!("Written: {}", args.output.display()));
    }
    Ok(0)
}

fn print_json(value: &impl Serialize) -> Result<()> {
    let text = serde_json::to_string_pretty(value)
        .map_err(|error| Error::failed(format!("The answer cannot be written as JSON ({error})")))?;
    print_line(&text);
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::worker::device::{AdapterKind, AdapterLimits};

    #[test]
    fn the_list_of_devices_says_what_auto_takes() {
        let cpu = AdapterInfo {
            name: "Some CPU".into(),
            backend: "flex".into(),
            driver: "Burn Flex".into(),
            kind: AdapterKind::Cpu,
            limits: None,
            usable: true,
        };
        let software = AdapterInfo {
            name: "llvmpipe".into(),
            kind: AdapterKind::Software,
            limits: Some(AdapterLimits {
                max_buffer_bytes: 1 << 30,
                max_storage_binding_bytes: 128 << 20,
                max_invocations_per_workgroup: 256,
                max_texture_side: 8192,
            }),
            ..cpu.clone()
        };
        let text = table(&[software, cpu.clone()]);
        assert!(text.contains("takes the CPU") && text.contains("--accelerator wgpu only") && text.contains("128 MiB"));
        let gpu = AdapterInfo { kind: AdapterKind::Discrete, ..cpu };
        assert!(table(&[gpu]).contains("best GPU"));
    }
}
