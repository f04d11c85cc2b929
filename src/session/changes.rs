//! The changes of the configuration, to be taken back.

use super::Draft;

/// Most changes kept.
const MOST: usize = 100;

/// A change, with what was before it.
#[derive(Debug, Clone, PartialEq)]
pub struct Change {
    /// What was changed, in a few words.
    pub what: String,
    /// Whether it was a remedy for what was found in the data.
    pub is_remedy: bool,
    /// The field, where it is a single one: changes of one field in a row are one change.
    field: Option<String>,
    /// The configuration at the other side of the change.
    other: Draft,
}

/// Changes that can be taken back, and those that were.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Changes {
    done: Vec<Change>,
    undone: Vec<Change>,
}

impl Changes {
    /// The last change.
    pub fn last(&self) -> Option<&Change> {
        self.done.last()
    }

    /// The change that was taken back last.
    pub fn last_undone(&self) -> Option<&Change> {
        self.undone.last()
    }

    /// Keeps a change from `before`, of this field if it is of a single one.
    pub(super) fn keep(&mut self, what: String, field: Option<&str>, is_remedy: bool, before: Draft) {
        self.undone.clear();
        if field.is_some() && self.done.last().is_some_and(|last| last.field.as_deref() == field) {
            return;
        }
        if self.done.len() >= MOST {
            self.done.remove(0);
        }
        self.done.push(Change { what, is_remedy, field: field.map(str::to_owned), other: before });
    }

    /// Takes the last change back; gives the configuration before it.
    pub(super) fn undo(&mut self, now: &Draft) -> Option<Draft> {
        turn(&mut self.done, &mut self.undone, now)
    }

    /// Makes the change that was taken back last again; gives the configuration after it.
    pub(super) fn redo(&mut self, now: &Draft) -> Option<Draft> {
        turn(&mut self.undone, &mut self.done, now)
    }
}

fn turn(from: &mut Vec<Change>, to: &mut Vec<Change>, now: &Draft) -> Option<Draft> {
    let mut change = from.pop()?;
    let draft = std::mem::replace(&mut change.other, now.clone());
    to.push(change);
    Some(draft)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn draft(text: &str) -> Draft {
        let mut draft = Draft::default();
        draft.set("training.batch_size", text);
        draft
    }

    #[test]
    fn changes_of_one_field_in_a_row_are_taken_back_together_and_made_again() {
        let mut changes = Changes::default();
        let path = Some("training.batch_size");
        changes.keep("Batch size".into(), path, false, draft("8"));
        changes.keep("Batch size".into(), path, false, draft("1"));
        changes.keep("Counts".into(), None, true, draft("12"));
        assert_eq!((changes.last().unwrap().what.as_str(), changes.last().unwrap().is_remedy), ("Counts", true));
        assert_eq!(changes.undo(&draft("20")), Some(draft("12")));
        assert_eq!(changes.undo(&draft("12")), Some(draft("8")));
        assert_eq!((changes.undo(&draft("8")), changes.last_undone().unwrap().what.as_str()), (None, "Batch size"));
        assert_eq!(changes.redo(&draft("8")), Some(draft("12")));
        assert_eq!(changes.redo(&draft("12")), Some(draft("20")));
        assert_eq!(changes.redo(&draft("20")), None);
        changes.undo(&draft("20"));
        changes.keep("Other".into(), Some("model.gridsize"), false, draft("12"));
        assert_eq!(changes.redo(&draft("3")), None, "a new change ends what could be made again");
    }
}
