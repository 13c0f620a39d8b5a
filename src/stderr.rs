//! What the crate says on stderr, and the only place that says it.
//!
//! Nothing in the background may speak through `tracing`: it would feed itself. So the first loss and the first
//! failure of each kind are one line here, and the rest is in [`Stats`](crate::Stats).

use std::fmt;
use std::io::{self, Write as _};

use crate::escape::visible;

/// Writes one line, whatever is in the message: it may quote a file or a server. A closed stderr is nobody's failure:
/// the line is lost and nothing else happens.
pub(crate) fn say(message: fmt::Arguments<'_>) {
    // Whole, so that no other process writes into the middle of it.
    let line = format!("tracing-ledger: {}\n", visible(&message.to_string()));
    io::stderr().write_all(line.as_bytes()).ok();
}

/// Writes `line`, which brings its own line end, without taking any lock: for a forked child, where a thread
/// that no longer exists may hold the one of [`io::stderr`] for ever.
#[expect(unsafe_code, reason = "write(2) is the one way to stderr that takes no lock")]
pub(crate) fn say_without_locks(line: &'static str) {
    // SAFETY: the pointer and the length are those of a live string. A failed write is a lost line.
    unsafe { libc::write(libc::STDERR_FILENO, line.as_ptr().cast(), line.len()) };
}
