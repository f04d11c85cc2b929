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

/// Largest file that the system lets this program write (`ulimit -f`), in bytes; `None` if there is no limit, or it is not known.
///
/// Hazard: a program that exceeds this limit is ended without a message. Remedy: the user is warned beforehand.
pub fn file_size_limit() -> Option<u64> {
    limit_in(&std::fs::read_to_string("/proc/self/limits").ok()?)
}

fn limit_in(limits: &str) -> Option<u64> {
    limits.lines().find_map(|line| line.strip_prefix("Max file size")?.split_whitespace().next()?.parse().ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn this_process_uses_a_part_of_the_memory() {
        let (used, total) = (resident_memory().unwrap_or_default(), total_memory());
        assert!(used > 1_000_000 && used < total, "{used} of {total}");
    }

    #[test]
    fn the_limit_on_files_is_read_where_there_is_one() {
        let text = "Limit   Soft Limit  Hard Limit  Units\nMax file size             10240                unlimited            bytes\n";
        assert_eq!(limit_in(text), Some(10_240));
        assert_eq!(limit_in("Max file size             unlimited            unlimited            bytes"), None);
    }
}
