//! The threads of the ledger itself, whose records are not taken.

use std::cell::Cell;

thread_local! {
    static SUPPRESSED: Cell<bool> = const { Cell::new(false) };
}

/// From now on, no record of the calling thread is taken or counted. The thread is the writer's: a ledger that recorded
/// its own writing would never come to rest.
///
/// This is a mark, and not `NoSubscriber` as the thread's default. While any thread of the process has a default of its
/// own, tracing looks for one on every thread, and gives up where it cannot: while a thread exits, and within a
/// subscriber, as in a `Debug` that logs. Rows would be lost there, and every other layer would lose its spans. (See
/// `get_default` in tracing-core's `dispatcher.rs`.)
pub(crate) fn suppress_this_thread() {
    SUPPRESSED.set(true);
}

/// Runs `work` without taking its records, and then restores the mark of the thread.
pub(crate) fn within<T>(work: impl FnOnce() -> T) -> T {
    struct RestoredMark(bool);
    impl Drop for RestoredMark {
        fn drop(&mut self) {
            SUPPRESSED.set(self.0);
        }
    }
    let _back = RestoredMark(SUPPRESSED.replace(true));
    work()
}

/// Whether no record of the calling thread is taken.
#[inline]
pub(crate) fn is_this_thread() -> bool {
    SUPPRESSED.get()
}
