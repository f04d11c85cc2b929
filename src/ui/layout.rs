//! The tiles: the four steps and the other panels. Each can be dragged elsewhere.

use super::panels::Views;
use super::theme;
use crate::session::{Action, State, Status, Step};
use crate::worker::message::JobKind;
use eframe::egui::{self, RichText, WidgetText};
use egui_tiles::{Behavior, SimplificationOptions, Tabs, TileId, Tiles, Tree, UiResponse};
use serde::{Deserialize, Serialize};

/// Panel in a tile.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Pane {
    /// Dataset.
    Data,
    /// Configuration.
    Configure,
    /// Running or latest job.
    Train,
    /// Stitched object.
    Result,
    /// Run folders.
    Runs,
    /// Log.
    Log,
    /// Simulation of a dataset.
    Simulate,
    /// Watched folder.
    Watch,
    /// Queue of reconstructions.
    Queue,
}

impl Pane {
    /// All panels, in the order of their tabs.
    pub const ALL: [Self; 9] = [
        Self::Data,
        Self::Configure,
        Self::Train,
        Self::Result,
        Self::Queue,
        Self::Runs,
        Self::Log,
        Self::Simulate,
        Self::Watch,
    ];

    /// Panel of a step.
    pub fn of(step: Step) -> Self {
        match step {
            Step::Data => Self::Data,
            Step::Configure => Self::Configure,
            Step::Train => Self::Train,
            Step::Result => Self::Result,
        }
    }

    fn step(self) -> Option<Step> {
        Step::ALL.into_iter().find(|step| Self::of(*step) == self)
    }

    fn label(self) -> &'static str {
        match self {
            Self::Data => "1  Data",
            Self::Configure => "2  Configure",
            Self::Train => "3  Train",
            Self::Result => "4  Result",
            Self::Runs => "Runs",
            Self::Log => "Log",
            Self::Simulate => "Simulate",
            Self::Watch => "Watch",
            Self::Queue => "Queue",
        }
    }
}

/// Default layout: all panels in one group of tabs, the first step in front.
pub(super) fn default_tree() -> Tree<Pane> {
    Tree::new_tabs(egui::Id::unique("tiles"), Pane::ALL.to_vec())
}

/// Layout with the dataset, the running job and the result side by side; the other panels are tabs of the first.
pub(super) fn side_by_side_tree() -> Tree<Pane> {
    let mut tiles = Tiles::default();
    let mut tabs = |panes: &[Pane]| {
        let panes = panes.iter().map(|pane| tiles.insert_pane(*pane)).collect();
        tiles.insert_tab_tile(panes)
    };
    let others = Pane::ALL.into_iter().filter(|pane| !matches!(pane, Pane::Train | Pane::Result));
    let groups = vec![tabs(&others.collect::<Vec<_>>()), tabs(&[Pane::Train]), tabs(&[Pane::Result])];
    let root = tiles.insert_horizontal_tile(groups);
    Tree::new(egui::Id::unique("tiles"), root, tiles)
}

/// True if each panel is in the tree exactly once, which may not hold for a tree stored by another version.
pub(super) fn is_complete(tree: &Tree<Pane>) -> bool {
    Pane::ALL.into_iter().all(|pane| tree.tiles.tiles().filter(|tile| is_pane(tile, pane)).count() == 1)
}

fn is_pane(tile: &egui_tiles::Tile<Pane>, pane: Pane) -> bool {
    matches!(tile, egui_tiles::Tile::Pane(this) if *this == pane)
}

/// Brings a panel to the front.
pub(super) fn show(tree: &mut Tree<Pane>, pane: Pane) {
    tree.make_active(|_, tile| is_pane(tile, pane));
}

/// The panel in front; of several side by side, the first.
pub(super) fn active(tree: &Tree<Pane>) -> Option<Pane> {
    let panes = tree.active_tiles().into_iter().filter_map(|id| match tree.tiles.get(id) {
        Some(egui_tiles::Tile::Pane(pane)) => Some(*pane),
        _ => None,
    });
    panes.into_iter().next()
}

/// Draws the tiles.
pub(super) struct Drawer<'a> {
    pub state: &'a State,
    pub views: &'a mut Views,
    pub actions: &'a mut Vec<Action>,
}

impl Behavior<Pane> for Drawer<'_> {
    fn pane_ui(&mut self, ui: &mut egui::Ui, _: TileId, pane: &mut Pane) -> UiResponse {
        egui::Frame::central_panel(ui.style()).inner_margin(12).show(ui, |ui| {
            self.views.show(*pane, ui, self.state, self.actions);
            // A panel fills its tile regardless of its content.
            ui.allocate_space(ui.available_size().max(egui::Vec2::ZERO));
        });
        UiResponse::None
    }

    fn tab_title_for_pane(&mut self, pane: &Pane) -> WidgetText {
        let done = match pane.step() {
            Some(Step::Data) => self.state.dataset.as_ref().is_some_and(|dataset| dataset.patterns.is_some()),
            Some(Step::Train) => {
                let other = matches!(self.state.job.kind, Some(JobKind::Simulate | JobKind::Watch | JobKind::Diagnose));
                matches!(self.state.job.status, Status::Finished(_)) && !other && self.state.job_is_of_dataset()
            }
            Some(Step::Result) => self.state.has_result_of_dataset(),
            Some(Step::Configure) | None => false,
        };
        let busy = self.state.is_busy();
        let watching = self.state.is_watching();
        let running = busy && *pane == if watching { Pane::Watch } else { Pane::Train };
        let mark = if running {
            "  ▶"
        } else if done {
            "  ●"
        } else {
            ""
        };
        let mark = if *pane == Pane::Queue { super::panels::queue::badge(self.state) } else { mark.to_owned() };
        RichText::new(format!("{}{mark}", pane.label())).size(14.0).into()
    }

    fn simplification_options(&self) -> SimplificationOptions {
        SimplificationOptions { all_panes_must_have_tabs: true, ..SimplificationOptions::default() }
    }

    fn tab_bar_height(&self, _: &egui::Style) -> f32 {
        32.0
    }

    fn tab_bar_color(&self, visuals: &egui::Visuals) -> egui::Color32 {
        visuals.window_fill
    }

    fn tab_title_spacing(&self, _: &egui::Visuals) -> f32 {
        14.0
    }

    fn tab_text_color(
        &self,
        visuals: &egui::Visuals,
        _: &Tiles<Pane>,
        _: TileId,
        state: &egui_tiles::TabState,
    ) -> egui::Color32 {
        if state.active { visuals.strong_text_color() } else { visuals.weak_text_color() }
    }

    fn top_bar_right_ui(&mut self, tiles: &Tiles<Pane>, ui: &mut egui::Ui, _: TileId, tabs: &Tabs, _: &mut f32) {
        // The next step is offered at the right end of the tabs, only in the group that holds all four steps.
        if tabs.children.len() < Step::ALL.len() {
            return;
        }
        // A panel that is no step, such as the log, has no next step.
        let Some(step) = tabs.active.and_then(|active| match tiles.get(active) {
            Some(egui_tiles::Tile::Pane(pane)) => pane.step(),
            _ => None,
        }) else {
            return;
        };
        let next = self.state.next_step_after(step);
        if next == step {
            return;
        }
        ui.add_space(8.0);
        let palette = theme::palette(ui);
        let text = RichText::new(format!("Next: {} ▸", next.label())).color(palette.on_accent).strong();
        if ui.add(egui::Button::new(text).fill(palette.accent)).clicked() {
            self.actions.push(Action::Go(next));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_result_of_another_dataset_is_no_next_step() {
        use crate::ui::panels::harness::{fixture, opened};
        use crate::ui::panels::result::example_result;
        let path = fixture("siemens_star_n64.npz");
        let mut state = opened(&path);
        let of = |path: &std::path::Path| {
            let summary = serde_json::json!({"dataset": {"path": path}});
            Some(std::sync::Arc::new(crate::library::ResultData { summary: Some(summary), ..example_result(32) }))
        };
        state.result = of(&path);
        assert_eq!(state.next_step_after(state.step), Step::Result);
        state.result = of(std::path::Path::new("another.npz"));
        assert!(!state.has_result_of_dataset());
        assert_eq!(state.next_step_after(state.step), Step::Configure);
    }

    #[test]
    fn the_default_layout_has_every_panel_once_and_a_damaged_one_is_detected() {
        assert!(is_complete(&default_tree()) && is_complete(&side_by_side_tree()));
        assert!(!is_complete(&Tree::new_tabs(egui::Id::unique("x"), vec![Pane::Data, Pane::Data, Pane::Log])));
    }
}
