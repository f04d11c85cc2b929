//! Undo and redo of configuration changes.

use super::Draft;

/// Maximum number of changes kept.
const MAX_CHANGES: usize = 100;

/// A configuration change.
#[derive(Debug, Clone, PartialEq)]
pub struct Change {
    /// Description of the change, in a few words.
    pub label: String,
    /// True if it fixes a problem found in the data.
    pub is_fix: bool,
    /// Dotted path, if a single field was changed: consecutive changes of one field are undone together.
    field: Option<String>,
    /// The configuration before the change; after it, once undone.
    other: Draft,
}

/// Changes that can be undone and redone.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Changes {
    done: Vec<Change>,
    undone: Vec<Change>,
}

impl Changes {
    /// The change to undo next.
    pub fn last(&self) -> Option<&Change> {
        self.done.last()
    }

    /// The change to redo next.
    pub fn last_undone(&self) -> Option<&Change> {
        self.undone.last()
    }

    /// Records a change from `before`; `field` if it is of a single field.
    pub(super) fn record(&mut self, label: String, field: Option<&str>, is_fix: bool, before: Draft) {
        self.undone.clear();
        if field.is_some() && self.done.last().is_some_and(|last| last.field.as_deref() == field) {
            return;
        }
        if self.done.len() >= MAX_CHANGES {
            self.done.remove(0);
        }
        self.done.push(Change { label, is_fix, field: field.map(str::to_owned), other: before });
    }

    /// Forgets all changes: those of one dataset do not apply to the next.
    pub(super) fn clear(&mut self) {
        *self = Self::default();
    }

    /// Undoes the latest change; returns the configuration before it.
    pub(super) fn undo(&mut self, now: &Draft) -> Option<Draft> {
        swap_latest(&mut self.done, &mut self.undone, now)
    }

    /// Redoes the change undone last; returns the configuration after it.
    pub(super) fn redo(&mut self, now: &Draft) -> Option<Draft> {
        swap_latest(&mut self.undone, &mut self.done, now)
    }
}

/// Moves the latest change to the other list; returns its configuration and stores the current one in it.
fn swap_latest(from: &mut Vec<Change>, to: &mut Vec<Change>, now: &Draft) -> Option<Draft> {
    let mut change = from.pop()?;
    let draft = std::mem::replace(&mut change.other, now.clone());
    to.push(change);
    Some(draft)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn draft(text: &str) -> Draft {
        let mut draft = Draft::default();
        draft.set("training.batch_size", text);
        draft
    }

    #[test]
    fn consecutive_changes_of_one_field_are_undone_and_redone_together() {
        let mut changes = Changes::default();
        let path = Some("training.batch_size");
        changes.record("Batch size".into(), path, false, draft("8"));
        changes.record("Batch size".into(), path, false, draft("1"));
        changes.record("Counts".into(), None, true, draft("12"));
        assert_eq!((changes.last().unwrap().label.as_str(), changes.last().unwrap().is_fix), ("Counts", true));
        assert_eq!(changes.undo(&draft("20")), Some(draft("12")));
        assert_eq!(changes.undo(&draft("12")), Some(draft("8")));
        assert_eq!((changes.undo(&draft("8")), changes.last_undone().unwrap().label.as_str()), (None, "Batch size"));
        assert_eq!(changes.redo(&draft("8")), Some(draft("12")));
        assert_eq!(changes.redo(&draft("12")), Some(draft("20")));
        assert_eq!(changes.redo(&draft("20")), None);
        changes.undo(&draft("20"));
        changes.record("Other".into(), Some("model.gridsize"), false, draft("12"));
        assert_eq!(changes.redo(&draft("3")), None, "a new change clears the redo list");
    }
}
