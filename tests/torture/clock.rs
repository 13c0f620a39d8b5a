//! A clock that can be made to jump.
//!
//! The standard library reads the time through `clock_gettime`, and a function of that name in the program itself
//! comes before the C library's. This one asks the kernel, and moves the answer for the clock on the wall: the
//! monotonic one, which the kernel never lets jump, goes its way.

use std::cell::Cell;
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Mutex, MutexGuard};
use std::time::SystemTime;

static SECONDS: AtomicI64 = AtomicI64::new(0);
/// The moments of the jumps by a right clock, each with how far the clock is ahead from then on.
static HISTORY: Mutex<Vec<(SystemTime, i64)>> = Mutex::new(Vec::new());

thread_local! {
    /// Whether this thread asks for the right time.
    static RIGHT: Cell<bool> = const { Cell::new(false) };
}

/// The clock may be wrong as long as this lives.
pub(crate) struct Jumping(());

impl Jumping {
    pub(crate) fn begin() -> Self {
        history().clear();
        Self(())
    }

    /// The clock is so many seconds ahead from now on.
    pub(crate) fn jump(&self, seconds: i64) {
        let mut history = history();
        SECONDS.store(seconds, Ordering::Relaxed);
        history.push((right(), seconds));
    }
}

impl Drop for Jumping {
    fn drop(&mut self) {
        self.jump(0);
    }
}

fn history() -> MutexGuard<'static, Vec<(SystemTime, i64)>> {
    HISTORY.lock().expect("nobody panics with the history in hand")
}

/// How many seconds the clock was ahead between these times, and after its next jump.
pub(crate) fn ahead(from: SystemTime, to: SystemTime) -> Vec<i64> {
    let history = history();
    let first = history.partition_point(|(since, _)| *since <= from);
    let last = history.partition_point(|(since, _)| *since <= to);
    let before = first.checked_sub(1).map_or(0, |place| history[place].1);
    let then = &history[first..history.len().min(last + 1)];
    std::iter::once(before).chain(then.iter().map(|(_, seconds)| *seconds)).collect()
}

/// The time, however wrong the clock is.
pub(crate) fn right() -> SystemTime {
    RIGHT.set(true);
    let now = SystemTime::now();
    RIGHT.set(false);
    now
}

#[cfg(target_os = "linux")]
#[expect(
    unsafe_code,
    reason = "the time is asked for across a C interface, and there is no safe way into it"
)]
// SAFETY: it does what the function of that name in the C library does.
#[unsafe(no_mangle)]
extern "C" fn clock_gettime(clock: libc::clockid_t, time: *mut libc::timespec) -> libc::c_int {
    // SAFETY: the kernel checks the clock and writes to the caller's place, or returns an error.
    let result = unsafe { libc::syscall(libc::SYS_clock_gettime, clock, time) };
    if result == 0 && clock == libc::CLOCK_REALTIME && !RIGHT.get() {
        // SAFETY: the kernel has just written there.
        unsafe { (*time).tv_sec += SECONDS.load(Ordering::Relaxed) };
    }
    result as libc::c_int
}
