//! Main memory: total, and used by this process.

use sysinfo::{MemoryRefreshKind, ProcessRefreshKind, ProcessesToUpdate, System, get_current_pid};

/// Main memory of this machine, or of the container if that has less, in bytes; 0 if the system does not report it.
pub fn total_memory() -> u64 {
    let mut system = System::new();
    system.refresh_memory_specifics(MemoryRefreshKind::nothing().with_ram());
    let total = system.total_memory();
    match system.cgroup_limits().map(|limits| limits.total_memory) {
        Some(limit) if limit > 0 => limit.min(total),
        _ => total,
    }
}

/// Resident memory of this process in bytes; `None` if the system does not report it.
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
    fn this_process_uses_a_part_of_the_memory() {
        let (used, total) = (resident_memory().unwrap_or_default(), total_memory());
        assert!(used > 1_000_000 && used < total, "{used} of {total}");
    }
}
