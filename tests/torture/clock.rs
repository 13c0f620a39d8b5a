//! A clock that can be made to jump.
//!
//! The standard library reads the time through `clock_gettime`, and a function of that name in the program itself
//! comes before the C library's. This one asks the kernel, and moves the answer for the clock on the wall: the
//! monotonic one, which the kernel never lets jump, goes its way.

use std::sync::atomic::{AtomicI64, Ordering};

static SECONDS: AtomicI64 = AtomicI64::new(0);

/// The clock may be wrong as long as this lives.
pub(crate) struct Jumping;

impl Jumping {
    /// The clock is so many seconds ahead from now on.
    pub(crate) fn jump(&self, seconds: i64) {
        SECONDS.store(seconds, Ordering::Relaxed);
    }
}

impl Drop for Jumping {
    fn drop(&mut self) {
        SECONDS.store(0, Ordering::Relaxed);
    }
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
    if result == 0 && clock == libc::CLOCK_REALTIME {
        // SAFETY: the kernel has just written there.
        unsafe { (*time).tv_sec += SECONDS.load(Ordering::Relaxed) };
    }
    result as libc::c_int
}
