//! Which program this is, and whether another one still runs.
//!
//! Hazard: numbers of processes are given out again, in a container from 1 at each start. Remedy: a program is its number
//! together with the moment it was started, where the system tells it.

use serde::{Deserialize, Serialize};

/// A running program, or one that ran.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Program {
    /// Number of the process.
    pub pid: u32,
    /// When it was started, in the system's clock ticks since it was booted; 0 where the system does not tell.
    pub started: u64,
}

impl Program {
    /// This one.
    pub fn this() -> Self {
        let pid = std::process::id();
        Self { pid, started: ticks(pid).unwrap_or(0) }
    }

    /// Whether it runs on this computer; none where the system does not tell.
    pub fn is_running(self) -> Option<bool> {
        if self == Self::this() {
            return Some(true);
        }
        // Without a start time of our own there is no /proc.
        ticks(std::process::id())?;
        Some(ticks(self.pid) == Some(self.started))
    }
}

/// Field 22 of `/proc/PID/stat`: when the process was started. A dead one that nobody has waited for does not count.
fn ticks(pid: u32) -> Option<u64> {
    let text = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    // The name of the program, in parentheses, may hold anything.
    let (_, rest) = text.rsplit_once(')')?;
    let mut fields = rest.split_whitespace();
    let state = fields.next()?;
    if matches!(state, "Z" | "X") { None } else { fields.nth(18)?.parse().ok() }
}

/// The name of this computer, for messages.
pub fn host_name() -> String {
    let file = |path: &str| std::fs::read_to_string(path).ok();
    let variable = |name: &str| std::env::var(name).ok();
    [file("/proc/sys/kernel/hostname"), file("/etc/hostname"), variable("HOSTNAME"), variable("COMPUTERNAME")]
        .into_iter()
        .flatten()
        .map(|name| name.trim().to_owned())
        .find(|name| !name.is_empty())
        .unwrap_or_else(|| "this computer".to_owned())
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    #[cfg(target_os = "linux")]
    fn a_program_runs_until_it_is_killed_and_another_with_its_number_is_another() {
        let this = Program::this();
        assert!(this.started > 0);
        assert_eq!(this.is_running(), Some(true));
        assert_eq!(Program { started: this.started + 1, ..this }.is_running(), Some(false));
        let mut child = std::process::Command::new("sleep").arg("60").spawn().unwrap();
        let program = Program { pid: child.id(), started: ticks(child.id()).unwrap() };
        assert_eq!(program.is_running(), Some(true));
        child.kill().unwrap();
        child.wait().unwrap();
        assert_eq!(program.is_running(), Some(false));
        assert!(!host_name().is_empty());
    }
}
