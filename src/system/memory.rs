//! Main memory: how much there is, and how much of it the program takes.

use sysinfo::{MemoryRefreshKind, ProcessRefreshKind, ProcessesToUpdate, System, get_current_pid};

/// Main memory of this machine, or of the container that the program runs in if that has less; bytes, 0 where the system
/// does not tell.
pub fn total_memory() -> u64 {
    let mut system = System::new();
    system.refresh_memory_specifics(MemoryRefreshKind::nothing().with_ram());
    let total = system.total_memory();
    match system.cgroup_limits().map(|limits| limits.total_memory) {
        Some(limit) if limit > 0 => limit.min(total),
        _ => total,
    }
}

/// Resident memory of this process in bytes; none where the system does not tell it.
pub fn resident_memory() -> Option<u64> {
    let own = get_current_pid().ok()?;
    let mut system = System::new();
    let kind = ProcessRefreshKind::nothing().with_memory().without_tasks();
    system.refresh_processes_specifics(ProcessesToUpdate::Some(&[own]), true, kind);
    system.process(own).map(sysinfo::Process::memory)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn this_program_takes_some_of_what_there_is() {
        let (taken, total) = (resident_memory().unwrap_or_default(), total_memory());
        assert!(taken > 1_000_000 && taken < total, "{taken} of {total}");
    }
}
