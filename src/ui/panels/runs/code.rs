//! The job of a run as code for other places: a command, Python, a notebook.

use crate::library::RunInfo;
use crate::session::{Action, script};
use crate::ui::widgets::background::key_of;
use eframe::egui::Ui;

/// The code of the selected run, made once for each run.
#[derive(Default)]
pub(super) struct Code {
    of: u64,
    texts: Option<Texts>,
}

/// What makes a run again.
struct Texts {
    command: String,
    python: String,
    notebook: String,
}

impl Code {
    /// The menu for the selected run; otherwise the reason why there is none.
    pub(super) fn menu(&mut self, ui: &mut Ui, single: Result<&RunInfo, &'static str>, actions: &mut Vec<Action>) {
        let texts = single.and_then(|run| Ok((run, self.of(run).ok_or("The inputs of this run are not known")?)));
        let menu = ui.add_enabled_ui(texts.is_ok(), |ui| {
            ui.menu_button("As code ▾", |ui| {
                if let Ok((run, texts)) = texts {
                    texts.entries(ui, run, actions);
                }
            })
        });
        if let Err(reason) = texts {
            menu.inner.response.on_disabled_hover_text(reason);
        }
    }

    /// The code of a run; `None` if its inputs are not known.
    fn of(&mut self, run: &RunInfo) -> Option<&Texts> {
        let key = key_of((&run.folder, run.changed));
        if self.of != key {
            self.of = key;
            self.texts = script::job_of(run).map(|job| Texts {
                command: script::command(&job),
                python: script::python(&job),
                notebook: script::notebook(run, &job),
            });
        }
        self.texts.as_ref()
    }
}

impl Texts {
    fn entries(&self, ui: &mut Ui, run: &RunInfo, actions: &mut Vec<Action>) {
        for (text, code) in [("Copy as command", &self.command), ("Copy as Python", &self.python)] {
            if ui.button(text).on_hover_text(code).clicked() {
                ui.ctx().copy_text(code.clone());
                ui.close();
            }
        }
        let help = "Write a Jupyter notebook that opens this run and makes it again to its folder";
        if ui.button("Save as notebook").on_hover_text(help).clicked() {
            let (path, bytes) = (run.folder.join("notebook.ipynb"), self.notebook.clone().into_bytes());
            actions.push(Action::Export { path, bytes });
            ui.close();
        }
    }
}
