//! What a panic said.
//!
//! Hazard: shape errors and GPU failures are panics in Burn. Remedy: each job runs under `catch_unwind`, and the
//! message becomes an error of the job; the thread lives on.

use crate::error::{Error, Problem, Result};
use std::panic::{AssertUnwindSafe, catch_unwind};

/// Runs `body`; a panic becomes an [`Error::Failed`].
///
/// # Errors
/// Those of the body, and a panic in it.
pub(super) fn guarded<T>(body: impl FnOnce() -> Result<T>) -> Result<T> {
    catch_unwind(AssertUnwindSafe(body)).unwrap_or_else(|payload| {
        let message = payload
            .downcast_ref::<String>()
            .map(String::as_str)
            .or_else(|| payload.downcast_ref::<&str>().copied())
            .unwrap_or("no message");
        let message = message.lines().next().unwrap_or("no message");
        Err(Error::Failed(
            Problem::new(format!("The computation broke off inside ({message})"))
                .hint("Try a smaller --batch-size or --accelerator cpu, and report it if it stays"),
        ))
    })
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn a_panic_becomes_an_error_with_its_message() {
        let error = guarded::<()>(|| panic!("shape {} does not fit", 3)).unwrap_err();
        assert_eq!(error.exit_code(), 1);
        assert!(error.to_string().contains("shape 3 does not fit"), "{error}");
        assert_eq!(guarded(|| Ok(5)).unwrap(), 5);
    }
}
