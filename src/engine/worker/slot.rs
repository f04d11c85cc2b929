//! A mailbox that holds only the newest value: a slow reader neither blocks a fast writer nor accumulates memory.

use std::sync::{Arc, Mutex, PoisonError};

/// A mailbox that holds only the newest value. Clones share it.
#[derive(Debug)]
pub struct Slot<T>(Arc<Mutex<Option<T>>>);

impl<T> Clone for Slot<T> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

impl<T> Default for Slot<T> {
    fn default() -> Self {
        Self(Arc::new(Mutex::new(None)))
    }
}

impl<T> Slot<T> {
    /// Stores a value; an older one not yet taken is dropped.
    pub fn put(&self, value: T) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(value);
    }

    /// Takes the newest value, if not yet taken.
    pub fn take(&self) -> Option<T> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).take()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_newest_value_is_taken_and_only_once() {
        let slot = Slot::default();
        let writer = slot.clone();
        assert_eq!(slot.take(), None);
        writer.put(1);
        writer.put(2);
        assert_eq!(slot.take(), Some(2));
        assert_eq!(slot.take(), None);
    }
}
