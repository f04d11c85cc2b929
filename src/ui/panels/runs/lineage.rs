//! Lineage of the runs: dataset, runs on it, and runs that go on from others, with what changed; and a paragraph for a paper.

use crate::library::RunInfo;
use crate::system::file_name;
use crate::ui::theme;
use crate::ui::widgets::background::key_of;
use crate::ui::widgets::numbers::{count_of, grouped, short};
use crate::ui::widgets::{duration, elided};
use crate::worker::message::JobKind;
use eframe::egui::{self, Button, Frame, RichText, ScrollArea, Ui};
use std::path::{Path, PathBuf};

/// Indentation per generation, in points.
const INDENT: f32 = 22.0;
/// Settings named in a line; the others are counted.
const NAMED: usize = 3;

/// A line of the tree.
#[derive(Debug, Clone, PartialEq)]
enum Line {
    /// A dataset and its number of runs.
    Dataset(PathBuf, usize),
    /// Index of a run, its generation from 1, and what changed from its parent.
    Run(usize, usize, String),
}

/// The tree, rebuilt when the runs change.
#[derive(Debug, Default)]
pub(super) struct Lineage {
    of: u64,
    lines: Vec<Line>,
    /// Folder of the selected run, and its methods paragraph.
    methods: Option<(PathBuf, String)>,
}

impl Lineage {
    /// Draws the tree and, for a single selected run, its methods paragraph.
    pub(super) fn show(&mut self, ui: &mut Ui, runs: &[RunInfo], selected: &mut Vec<PathBuf>, height: f32) {
        let key = key_of(runs.iter().map(|run| (&run.folder, run.changed)).collect::<Vec<_>>());
        if self.of != key {
            (self.of, self.lines, self.methods) = (key, tree(runs), None);
        }
        let palette = theme::palette(ui);
        let single = match selected.as_slice() {
            [folder] => runs.iter().find(|run| run.folder == *folder),
            _ => None,
        };
        let below = if single.is_some() { 108.0 } else { 0.0 };
        let mut chosen = None;
        ScrollArea::both().id_salt("lineage").max_height((height - below).max(100.0)).auto_shrink([false, true]).show(
            ui,
            |ui| {
                for line in &self.lines {
                    ui.horizontal(|ui| match line {
                        Line::Dataset(path, count) => {
                            ui.label(RichText::new(file_name(path)).strong()).on_hover_text(path.display().to_string());
                            ui.label(RichText::new(count_of(*count, "run")).color(palette.weak));
                        }
                        Line::Run(index, depth, change) => {
                            let Some(run) = runs.get(*index) else { return };
                            ui.add_space(INDENT * *depth as f32);
                            ui.label(RichText::new("└").monospace().color(palette.weak));
                            let is_chosen = selected.contains(&run.folder);
                            let button = ui.add(Button::selectable(is_chosen, elided(&run.name, 40)));
                            if button.on_hover_text(run.folder.display().to_string()).clicked() {
                                chosen = Some(run.folder.clone());
                            }
                            ui.label(method(run));
                            if let Some(misfit) = run.consistency_r {
                                ui.label(format!("misfit {}", short(misfit)));
                            }
                            ui.label(RichText::new(change).color(palette.weak));
                        }
                    });
                }
            },
        );
        if let Some(folder) = chosen {
            *selected = vec![folder];
        }
        if let Some(run) = single {
            if self.methods.as_ref().is_none_or(|(of, _)| *of != run.folder) {
                self.methods = Some((run.folder.clone(), methods(run, runs)));
            }
            let text = self.methods.as_ref().map(|(_, text)| text.as_str()).unwrap_or_default();
            Frame::group(ui.style()).inner_margin(8).show(ui, |ui| {
                ui.set_width(ui.available_width());
                ui.horizontal(|ui| {
                    ui.label(RichText::new("Methods").strong());
                    if ui.button("Copy").on_hover_text("Copy the paragraph for a paper or a logbook").clicked() {
                        ui.ctx().copy_text(text.to_owned());
                    }
                });
                ScrollArea::vertical().id_salt("methods").max_height(56.0).show(ui, |ui| {
                    ui.add(egui::Label::new(text).wrap().selectable(true));
                });
            });
        }
    }
}

/// What a run did, in a word or two.
fn method(run: &RunInfo) -> &'static str {
    match run.command {
        Some(JobKind::Polish) => "polish",
        Some(JobKind::Infer) => "trained model",
        _ if run.steps.is_some() => "network",
        Some(_) => "direct solver",
        None => "unfinished",
    }
}

/// Index of the run from which one goes on: polished, or trained further, or using its model.
fn parent(run: &RunInfo, runs: &[RunInfo]) -> Option<usize> {
    let start = run.settings.iter().find_map(|line| line.strip_prefix("training.start_from = "));
    let start = start.map(|path| PathBuf::from(path.trim_matches('"')));
    let model = run.model.clone().filter(|_| run.command == Some(JobKind::Infer));
    let from_model = start.or(model).and_then(|model| model.parent().map(Path::to_path_buf));
    let from = run.polished_from.clone().or(from_model)?;
    let same = |other: &RunInfo| other.folder == from || file_name(&other.folder) == file_name(&from);
    runs.iter().position(|other| other.folder != run.folder && same(other))
}

/// Lines of the tree: datasets in the order of their latest runs, below each its runs, oldest first.
fn tree(runs: &[RunInfo]) -> Vec<Line> {
    let parents: Vec<Option<usize>> = runs.iter().map(|run| parent(run, runs)).collect();
    let mut datasets: Vec<&PathBuf> = Vec::new();
    for run in runs {
        if !datasets.contains(&&run.dataset) {
            datasets.push(&run.dataset);
        }
    }
    let mut lines = Vec::new();
    for dataset in datasets {
        let of_dataset = |index: &usize| runs.get(*index).is_some_and(|run| run.dataset == *dataset);
        let all: Vec<usize> = (0..runs.len()).filter(of_dataset).collect();
        lines.push(Line::Dataset(dataset.clone(), all.len()));
        // The list is newest first.
        let is_root = |index: &usize| parents[*index].is_none_or(|parent| !all.contains(&parent));
        let mut before = None;
        for root in all.iter().rev().copied().filter(is_root) {
            descend(root, 1, before, &parents, runs, &mut lines);
            before = Some(root);
        }
    }
    lines
}

fn descend(
    index: usize,
    depth: usize,
    before: Option<usize>,
    parents: &[Option<usize>],
    runs: &[RunInfo],
    lines: &mut Vec<Line>,
) {
    // A chain of folders that name one another in a circle ends.
    if depth > runs.len() {
        return;
    }
    let change = match (runs.get(index), before.and_then(|before| runs.get(before))) {
        (Some(run), Some(before)) => changes(run, before),
        _ => String::new(),
    };
    lines.push(Line::Run(index, depth, change));
    for child in (0..runs.len()).rev().filter(|child| parents[*child] == Some(index) && *child != index) {
        descend(child, depth + 1, Some(index), parents, runs, lines);
    }
}

/// Settings in which a run differs from another.
fn changes(run: &RunInfo, from: &RunInfo) -> String {
    let name = |line: &String| line.split(" = ").next().unwrap_or_default().to_owned();
    let mut changed: Vec<String> = run.settings.iter().filter(|line| !from.settings.contains(line)).cloned().collect();
    let gone = from.settings.iter().filter(|line| !run.settings.iter().any(|own| name(own) == name(line)));
    changed.extend(gone.map(|line| format!("{} = default", name(line))));
    changed.retain(|line| !line.starts_with("training.start_from"));
    let more = changed.len().saturating_sub(NAMED);
    changed.truncate(NAMED);
    match (changed.is_empty(), more) {
        (true, _) => "same settings".to_owned(),
        (false, 0) => changed.join(", "),
        (false, more) => format!("{} and {more} more", changed.join(", ")),
    }
}

/// A paragraph on how the object of a run was obtained, from the first of its ancestors on.
fn methods(run: &RunInfo, runs: &[RunInfo]) -> String {
    let mut chain = vec![run];
    while let Some(before) = chain.first().and_then(|first| parent(first, runs)).and_then(|index| runs.get(index)) {
        if chain.iter().any(|known| known.folder == before.folder) {
            break;
        }
        chain.insert(0, before);
    }
    let first = chain.first().copied().unwrap_or(run);
    let side = first.side.map_or_else(String::new, |side| format!(" of {side} × {side} pixels"));
    let mut text = format!(
        "The diffraction patterns{side} in {} were reconstructed with Ptychoscope {}.",
        file_name(&first.dataset),
        env!("CARGO_PKG_VERSION")
    );
    for step in &chain {
        text += " ";
        text += &sentence(step);
    }
    let settings = run.settings.iter().filter(|line| !line.starts_with("training.start_from"));
    let settings: Vec<&str> = settings.map(String::as_str).collect();
    if !settings.is_empty() {
        text += &format!(" Settings other than the defaults: {}.", settings.join(", "));
    }
    text
}

/// What a run did, as a sentence.
fn sentence(run: &RunInfo) -> String {
    let time = run.train_seconds.map_or_else(String::new, |seconds| format!(" in {}", duration(seconds)));
    let device = if run.device.is_empty() { String::new() } else { format!(" on {}", run.device) };
    let setting = |path: &str| {
        let line = run.settings.iter().find_map(|line| line.strip_prefix(path)?.strip_prefix(" = "));
        line.is_some_and(|text| text == "true")
    };
    let mut refined: Vec<&str> = Vec::new();
    for (path, name) in [
        ("direct.refine_probe", "probe"),
        ("direct.refine_positions", "positions"),
        ("direct.refine_intensity", "intensities"),
    ] {
        if setting(path) {
            refined.push(name);
        }
    }
    let with =
        if refined.is_empty() { String::new() } else { format!(", with refinement of {}", refined.join(" and ")) };
    let done = match (run.command, run.steps) {
        (Some(JobKind::Polish), _) => format!("The object was refined by accelerated gradient descent{with}"),
        (Some(JobKind::Infer), _) => "A network trained before predicted the object".to_owned(),
        (_, Some(steps)) => format!(
            "A convolutional network was trained on the patterns with a physical model of the measurement, without labeled data, \
             for {} steps{time}{device}",
            grouped(steps)
        ),
        _ => format!(
            "The object was found by accelerated gradient descent on the misfit of the patterns{with}{time}{device}"
        ),
    };
    let misfit = run.consistency_r.map_or_else(String::new, |r| format!(" (misfit Σ(|F| − √I)²/ΣI = {})", short(r)));
    format!("{done}{misfit}.")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn run(name: &str, dataset: &str, settings: &[&str]) -> RunInfo {
        RunInfo {
            folder: format!("runs/{name}").into(),
            name: name.to_owned(),
            dataset: dataset.into(),
            command: Some(JobKind::Run),
            settings: settings.iter().map(|line| (*line).to_owned()).collect(),
            ..RunInfo::default()
        }
    }

    /// Newest first, as listed.
    fn family() -> Vec<RunInfo> {
        let mut polished = run("polished", "a.npz", &["direct.refine_probe = true"]);
        (polished.command, polished.polished_from) = (Some(JobKind::Polish), Some("runs/first".into()));
        let mut further = run("further", "a.npz", &["training.start_from = runs/first/model.ptycho", "data.crop = 64"]);
        (further.steps, further.consistency_r) = (Some(900), Some(0.02));
        let mut first = run("first", "a.npz", &["data.crop = 64"]);
        (first.steps, first.side) = (Some(200), Some(64));
        vec![polished, further, run("other", "b.npz", &[]), run("second", "a.npz", &[]), first]
    }

    #[test]
    fn runs_hang_below_those_they_go_on_from_with_what_changed() {
        let runs = family();
        let text = |at: &str| PathBuf::from(at);
        assert_eq!(
            tree(&runs),
            [
                Line::Dataset(text("a.npz"), 4),
                Line::Run(4, 1, String::new()),
                Line::Run(1, 2, "same settings".into()),
                Line::Run(0, 2, "direct.refine_probe = true, data.crop = default".into()),
                Line::Run(3, 1, "data.crop = default".into()),
                Line::Dataset(text("b.npz"), 1),
                Line::Run(2, 1, String::new()),
            ]
        );
    }

    #[test]
    fn the_methods_tell_the_whole_chain() {
        let runs = family();
        let text = methods(&runs[0], &runs);
        for part in [
            "patterns of 64 × 64 pixels in a.npz",
            "for 200 steps",
            "with refinement of probe",
            "direct.refine_probe = true",
        ] {
            assert!(text.contains(part), "{part} is not in {text}");
        }
        assert!(methods(&runs[1], &runs).contains("misfit Σ(|F| − √I)²/ΣI = 0.02"));
        let mut circle = family();
        circle[4].polished_from = Some("runs/polished".into());
        assert!(!methods(&circle[0], &circle).is_empty() && tree(&circle).len() < 20);
    }
}
