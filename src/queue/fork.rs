//! Notices that this process is a forked child.
//!
//! The writer's thread does not exist in the child, and what was queued at the fork is written by the parent: a
//! child that went on would fill a queue that nobody empties. Comparing process ids would cost a system call on
//! every record, so a handler of `fork(2)` counts, and the hot path compares two numbers. A child made by a bare
//! `clone(2)` is not noticed; one that calls `exec`, as `std::process::Command` does, needs no notice.

use std::sync::atomic::{AtomicU32, Ordering};

static GENERATION: AtomicU32 = AtomicU32::new(0);

/// How many forks lie between this process and the one that loaded the crate.
#[inline]
pub(super) fn generation() -> u32 {
    GENERATION.load(Ordering::Relaxed)
}

/// Begins to count, once for the whole process.
#[expect(unsafe_code, reason = "there is no safe way to hear of a fork")]
pub(super) fn watch() {
    extern "C" fn in_child() {
        GENERATION.fetch_add(1, Ordering::Relaxed);
    }

    static WATCHING: std::sync::Once = std::sync::Once::new();
    WATCHING.call_once(|| {
        // SAFETY: the handler is a plain function that lives as long as the program, and all it does in the
        // child is one atomic addition, which is async-signal-safe.
        let failed = unsafe { libc::pthread_atfork(None, None, Some(in_child)) } != 0;
        if failed {
            crate::stderr::say(format_args!(
                "pthread_atfork failed for lack of memory: a forked child will not be noticed"
            ));
        }
    });
}
