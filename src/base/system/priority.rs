//! Threads for background work: their number and their priority.

use crate::error::{Problem, Result};
use thread_priority::{ThreadPriority, ThreadPriorityValue, set_current_thread_priority};

/// Threads beside those of the pool: the job, and the one that waits for an interruption.
const OTHERS: usize = 2;
/// From 0 to 99, where 50 is the default; niceness 9 on Linux.
const BACKGROUND: u8 = 25;

/// Lowers the priority of the current thread below that of the window and of other programs. Has no effect where the system
/// refuses it.
pub fn lower_thread_priority() {
    if let Ok(value) = ThreadPriorityValue::try_from(BACKGROUND) {
        let _refused = set_current_thread_priority(ThreadPriority::Crossplatform(value));
    }
}

/// Lowers the priority of the threads of the global pool, unless the pool has started already.
///
/// Hazard: on a machine with two processors, training uses both, and the frames of the window have to wait. Remedy: background
/// work has a lower priority, which costs no speed on an otherwise idle machine.
pub fn lower_pool_priority() {
    let _started_already = rayon::ThreadPoolBuilder::new().start_handler(|_| lower_thread_priority()).build_global();
}

/// Makes sure that the global pool can start its threads: where a limit of the system (`ulimit -u`) leaves too few, it gets fewer.
///
/// Hazard: the pool starts once, and a start that fails is a panic at its first use. Remedy: the threads of the program are
/// started on trial.
///
/// # Errors
/// Not even one thread can be started for the pool.
pub fn check_threads() -> Result<()> {
    let wished =
        std::env::var("RAYON_NUM_THREADS").ok().and_then(|text| text.parse().ok()).filter(|number| *number > 0);
    let most = wished.unwrap_or_else(|| std::thread::available_parallelism().map_or(1, std::num::NonZero::get));
    let (started, Some(error)) = started(most + OTHERS) else { return Ok(()) };
    let pool = |threads: usize| rayon::ThreadPoolBuilder::new().num_threads(threads);
    let threads = started.saturating_sub(OTHERS);
    if threads > 0 && pool(threads).start_handler(|_| lower_thread_priority()).build_global().is_ok() {
        return Ok(());
    }
    Err(Problem::new(format!("The system does not let this program start threads ({error})"))
        .expected("at least three threads beside the first")
        .hint("Raise the limit on processes (ulimit -u), or end other programs of this user")
        .into())
}

/// Number of threads that can run at a time, up to `most`, and why there are no more.
fn started(most: usize) -> (usize, Option<std::io::Error>) {
    let mut threads = Vec::new();
    let mut error = None;
    let (sender, receiver) = std::sync::mpsc::channel::<()>();
    let receiver = std::sync::Arc::new(std::sync::Mutex::new(receiver));
    while threads.len() < most && error.is_none() {
        let receiver = receiver.clone();
        let wait = move || drop(receiver.lock().map(|receiver| receiver.recv()));
        match std::thread::Builder::new().spawn(wait) {
            Ok(thread) => threads.push(thread),
            Err(refused) => error = Some(refused),
        }
    }
    drop(sender);
    let count = threads.len();
    for thread in threads {
        let _ended = thread.join();
    }
    (count, error)
}

#[cfg(test)]
mod tests {
    #[cfg(target_os = "linux")]
    #[test]
    fn lowering_the_priority_of_a_thread_leaves_others_unchanged() {
        // The 19th value is the niceness; the name before it may contain anything, parentheses included.
        let niceness = || -> Option<i32> {
            let stat = std::fs::read_to_string("/proc/thread-self/stat").ok()?;
            stat.rsplit_once(')')?.1.split_whitespace().nth(16)?.parse().ok()
        };
        let before = niceness();
        let behind = std::thread::spawn(move || {
            super::lower_thread_priority();
            niceness()
        });
        let behind = behind.join().ok().flatten();
        // If the tests themselves run at the lowest priority, it cannot be lowered further.
        assert!(behind > before || before >= Some(9), "{before:?}, then {behind:?}");
        assert_eq!(niceness(), before);
    }
}
