//! Memory and processor time of this process, on Linux only.

/// Clock ticks per second in `/proc/self/stat`, the same on all supported Linux platforms.
const TICKS_PER_SECOND: f64 = 100.0;

/// Peak resident memory of this process so far, in bytes.
pub(super) fn peak_memory() -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    let kib: u64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    Some(kib * 1024)
}

/// Processor time of all threads of this process so far in seconds, user and system.
pub(super) fn cpu_seconds() -> Option<f64> {
    let stat = std::fs::read_to_string("/proc/self/stat").ok()?;
    // The program name, in parentheses, can contain any character; user and system time are fields 14 and 15.
    let mut fields = stat.rsplit_once(')')?.1.split_whitespace().skip(11);
    let user: f64 = fields.next()?.parse().ok()?;
    let system: f64 = fields.next()?.parse().ok()?;
    Some((user + system) / TICKS_PER_SECOND)
}

#[cfg(all(test, target_os = "linux"))]
#[allow(clippy::unwrap_used, clippy::expect_used)]
mod tests {
    use super::*;

    #[test]
    fn work_uses_processor_time_and_memory() {
        let before = cpu_seconds().unwrap();
        let began = std::time::Instant::now();
        let mut block = vec![1u8; 64 << 20];
        while began.elapsed().as_millis() < 300 {
            block.iter_mut().for_each(|byte| *byte = byte.wrapping_mul(31).wrapping_add(7));
        }
        assert!(std::hint::black_box(block).len() == 64 << 20);
        assert!(cpu_seconds().unwrap() > before);
        assert!(peak_memory().unwrap() >= 64 << 20);
    }
}
