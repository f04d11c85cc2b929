//! Identity of processes, and whether they are running.
//!
//! Hazard: process numbers are reused, in a container from 1 at each start. Remedy: a process is identified by its number
//! together with its start time.

use serde::{Deserialize, Serialize};
use std::sync::OnceLock;
use sysinfo::{Pid, ProcessRefreshKind, ProcessStatus, ProcessesToUpdate, System};

/// A running or former process.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Process {
    /// Process number.
    pub pid: u32,
    /// Start time, seconds since 1970; 0 if the system does not report it.
    pub started: u64,
}

impl Process {
    /// This process.
    pub fn current() -> Self {
        static CURRENT: OnceLock<Process> = OnceLock::new();
        *CURRENT.get_or_init(|| {
            let pid = std::process::id();
            Self { pid, started: start_time(pid).unwrap_or(0) }
        })
    }

    /// True if it is running on this computer; `None` if the system does not report that.
    pub fn is_running(self) -> Option<bool> {
        let current = Self::current();
        if self == current {
            return Some(true);
        }
        // A system that does not report the start time of this process does not report that of others.
        (current.started > 0).then(|| start_time(self.pid) == Some(self.started))
    }
}

/// Start time of a running process. A dead one that its parent has not waited for does not count.
fn start_time(pid: u32) -> Option<u64> {
    let pid = Pid::from_u32(pid);
    let mut system = System::new();
    let kind = ProcessRefreshKind::nothing().without_tasks();
    system.refresh_processes_specifics(ProcessesToUpdate::Some(&[pid]), true, kind);
    let process = system.process(pid)?;
    let is_dead = matches!(process.status(), ProcessStatus::Zombie | ProcessStatus::Dead);
    (!is_dead).then(|| process.start_time())
}

/// Name of this computer, for messages.
pub fn host_name() -> String {
    System::host_name().filter(|name| !name.is_empty()).unwrap_or_else(|| "this computer".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    #[cfg(target_os = "linux")]
    fn a_process_runs_until_it_is_killed_and_its_number_alone_does_not_identify_it() {
        let this = Process::current();
        assert!(this.started > 0);
        assert_eq!(this.is_running(), Some(true));
        assert_eq!(Process { started: this.started + 1, ..this }.is_running(), Some(false));
        let mut child = std::process::Command::new("sleep").arg("60").spawn().unwrap();
        let process = Process { pid: child.id(), started: start_time(child.id()).unwrap() };
        assert_eq!(process.is_running(), Some(true));
        child.kill().unwrap();
        child.wait().unwrap();
        assert_eq!(process.is_running(), Some(false));
        assert!(!host_name().is_empty());
    }
}
