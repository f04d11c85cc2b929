//! Panics as errors.
//!
//! Hazard: Burn panics on shape errors and GPU failures. Remedy: each job runs under `catch_unwind`; the panic message
//! becomes an error of the job, and the thread survives.

use crate::error::{Error, Problem, Result};
use std::panic::{AssertUnwindSafe, catch_unwind};

/// Runs `body`; a panic becomes an [`Error::Failed`].
///
/// # Errors
/// Errors of the body, and panics in it.
pub(crate) fn guarded<T>(body: impl FnOnce() -> Result<T>) -> Result<T> {
    catch_unwind(AssertUnwindSafe(body)).unwrap_or_else(|payload| {
        let message = payload
            .downcast_ref::<String>()
            .map(String::as_str)
            .or_else(|| payload.downcast_ref::<&str>().copied())
            .unwrap_or("no message");
        let message = message.lines().next().unwrap_or("no message");
        Err(Error::Failed(
            Problem::new(format!("Internal error ({message})"))
                .hint("Try a smaller --batch-size or --accelerator cpu; please report the error if it persists"),
        ))
    })
}

#[cfg(test)]
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
