//! Threads that let others come first.

use thread_priority::{ThreadPriority, ThreadPriorityValue, set_current_thread_priority};

/// Of 0 to 99, where 50 is the usual; niceness 9 on Linux.
const BACKGROUND: u8 = 25;

/// Lets the window and other programs come before the current thread whenever they have something to do. It is only asked
/// for: where the system refuses, the thread goes on as before.
pub fn step_back() {
    if let Ok(value) = ThreadPriorityValue::try_from(BACKGROUND) {
        let _asked_for = set_current_thread_priority(ThreadPriority::Crossplatform(value));
    }
}

/// Makes the threads that share out all calculations step back, if they have not begun yet.
///
/// Hazard: on a machine with two processors a training uses both, and a frame of the window then waits for its turn.
/// Remedy: what calculates behind the window has a lower priority, so that nothing of a quiet machine's speed is lost.
pub fn calculate_in_background() {
    let _begun_already = rayon::ThreadPoolBuilder::new().start_handler(|_| step_back()).build_global();
}

#[cfg(test)]
mod tests {
    #[cfg(target_os = "linux")]
    #[test]
    fn a_thread_that_steps_back_has_a_lower_priority_and_others_keep_theirs() {
        // The 19th value is the niceness; the name before may hold anything, brackets included.
        let niceness = || -> Option<i32> {
            let stat = std::fs::read_to_string("/proc/thread-self/stat").ok()?;
            stat.rsplit_once(')')?.1.split_whitespace().nth(16)?.parse().ok()
        };
        let before = niceness();
        let behind = std::thread::spawn(move || {
            super::step_back();
            niceness()
        });
        let behind = behind.join().ok().flatten();
        // Where the tests themselves run behind everything else, there is nothing left to ask for.
        assert!(behind > before || before >= Some(9), "{before:?}, then {behind:?}");
        assert_eq!(niceness(), before);
    }
}
