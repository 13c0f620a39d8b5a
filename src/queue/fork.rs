//! Detects that this process is a forked child.
//!
//! The child has no writer thread, and the parent writes the records that were queued at the fork. A child that went on
//! would fill a queue without a reader. To compare process ids would cost a system call for every record, so a handler of
//! `fork(2)` counts, and the hot path compares two numbers. A child of a bare `clone(2)` is not detected. A child that
//! calls `exec`, as with `std::process::Command`, needs no detection.

use std::sync::atomic::{AtomicU32, Ordering};

use crate::notice::{self, NoticeKind};

static GENERATION: AtomicU32 = AtomicU32::new(0);

/// The number of forks between this process and the one that loaded the crate.
#[inline]
pub(super) fn generation() -> u32 {
    GENERATION.load(Ordering::Relaxed)
}

/// Starts to count, once for the whole process.
#[expect(unsafe_code, reason = "no safe API reports a fork")]
pub(super) fn watch() {
    extern "C" fn in_child() {
        GENERATION.fetch_add(1, Ordering::Relaxed);
    }

    static WATCHING: std::sync::Once = std::sync::Once::new();
    WATCHING.call_once(|| {
        // SAFETY: the handler is a plain function that lives as long as the program. In the child it only does one
        // atomic addition, which is async-signal-safe.
        let failed = unsafe { libc::pthread_atfork(None, None, Some(in_child)) } != 0;
        if failed {
            notice::say(
                NoticeKind::Panic,
                format_args!(
                    "pthread_atfork failed for lack of memory, so records of a forked child would be lost without a count: \
                     build a ledger of its own in a child"
                ),
            );
        }
    });
}
