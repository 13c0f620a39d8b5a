//! Notices on stderr, written here and nowhere else.
//!
//! The background thread must not use `tracing`, because it would record its own work. So the first loss and the first
//! failure of each kind are one line on stderr, and [`Stats`](crate::Stats) counts all of them.

use std::fmt;
use std::io::{self, Write as _};

use crate::escape::visible;

/// Writes one line. The message may quote a file or a server, so it is escaped. If stderr is closed, the line is lost.
pub(crate) fn say(message: fmt::Arguments<'_>) {
    // One write, so that no other process writes into the middle of the line.
    let line = format!("tracing-ledger: {}\n", visible(&message.to_string()));
    io::stderr().write_all(line.as_bytes()).ok();
}

/// Writes `line`, which ends with a newline, without a lock. In a forked child, a thread that no longer exists may hold
/// the lock of [`io::stderr`] forever.
#[expect(unsafe_code, reason = "write(2) is the one way to stderr that takes no lock")]
pub(crate) fn say_without_locks(line: &'static str) {
    // SAFETY: the pointer and the length are those of a live string. If the write fails, the line is lost.
    unsafe { libc::write(libc::STDERR_FILENO, line.as_ptr().cast(), line.len()) };
}
