//! One notice when the process exits and leaves rows behind.
//!
//! `std::process::exit` and a return from `main` drop no static, leaked or moved guard. A handler of `atexit(3)` still
//! runs then, on any thread, also on the writer's or while other threads go on. So it only reads counts, never waits
//! for a lock, and allocates nothing. The handler does not run at `_exit`, an abort or a signal that kills.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, Once, Weak};
use std::thread;

use crate::layer::OpenCalls;
use crate::notice::NoticeKind;
use crate::queue::{Cause, Queue};
use crate::stderr;

static LEDGERS: Mutex<Vec<Arc<Watched>>> = Mutex::new(Vec::new());

/// How often to try for the lock, which is only held for a moment. Its holder may be a thread that a fork left behind.
const TRIES: usize = 100;

/// A ledger whose end the process has not seen yet.
pub(crate) struct Watched {
    /// Weak, because a watched ledger may outlive its guard and the queue may hold much memory.
    queue: Weak<Queue>,
    calls: OpenCalls,
    is_over: AtomicBool,
}

/// Watches a ledger until the end of the process, or until [`forget`](Watched::forget).
pub(crate) fn watch(queue: &Arc<Queue>, calls: OpenCalls) -> Arc<Watched> {
    register();
    let queue = Arc::downgrade(queue);
    let watched = Arc::new(Watched { queue, calls, is_over: AtomicBool::new(false) });
    if let Some(mut ledgers) = lock() {
        ledgers.push(Arc::clone(&watched));
    }
    watched
}

fn lock() -> Option<MutexGuard<'static, Vec<Arc<Watched>>>> {
    for _ in 0..TRIES {
        match LEDGERS.try_lock() {
            Ok(ledgers) => return Some(ledgers),
            Err(_) => thread::yield_now(),
        }
    }
    None
}

extern "C" fn at_exit() {
    let Some(ledgers) = lock() else { return };
    ledgers.iter().for_each(|ledger| ledger.report());
}

#[expect(unsafe_code, reason = "std has no hook for the end of the process")]
fn register() {
    static REGISTERED: Once = Once::new();
    REGISTERED.call_once(|| {
        // SAFETY: the handler is a plain function that lives as long as the program, and it does not unwind. A failure,
        // for lack of memory, costs only the notice.
        unsafe { libc::atexit(at_exit) };
    });
}

impl Watched {
    /// Reports nothing about this ledger at the end of the process.
    pub(crate) fn forget(&self) {
        self.is_over.store(true, Ordering::Relaxed);
        if let Some(mut ledgers) = lock() {
            ledgers
                .retain(|ledger| ledger.queue.strong_count() > 0 && !ledger.is_over.load(Ordering::Relaxed));
        }
    }

    /// Counts the calls under way as refused, at the shutdown.
    pub(crate) fn give_up_calls(&self, queue: &Queue) {
        let calls = self.calls.abandon();
        if calls > 0 {
            queue.account.lose(Cause::Shutdown, calls);
            queue.route.say(NoticeKind::Shutdown, format_args!(
                "calls are still under way at the shutdown of the ledger, and their rows are not written (calls: \
                 {calls}): shut it down after the server and the jobs have ended"
            ));
        }
    }

    fn report(&self) {
        let Some(queue) = self.queue.upgrade() else { return };
        if queue.is_forked() || queue.route.is_silent() || self.is_over.load(Ordering::Relaxed) {
            return;
        }
        let rows = queue.account.stats().in_flight;
        if queue.is_closed() {
            if rows > 0 {
                stderr::say_at_exit(format_args!(
                    "the process exits and loses the rows that the shutdown did not write before its timeout (rows in \
                     memory: {rows}): give the shutdown more time, or set spool_dir"
                ));
            }
            return;
        }
        let calls = self.calls.count();
        if rows + calls > 0 {
            stderr::say_at_exit(format_args!(
                "the process exits without a shutdown of the ledger and loses rows (rows in memory: {rows}, calls under \
                 way: {calls}): call Guard::shutdown after the server and the jobs have ended, and before \
                 std::process::exit"
            ));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// As when a signal interrupts a thread that builds a ledger, and the handler exits.
    #[test]
    fn the_end_of_the_process_waits_for_no_lock() {
        let held = lock().expect("nobody holds it for long");
        at_exit();
        drop(held);
    }
}
