//! Notices on stderr. The first loss and the first failure of each kind are one line, and [`Stats`](crate::Stats) counts all of
//! them.
//!
//! Nothing waits for stderr: if it is closed, or a pipe that nobody reads is full, the line is dropped.

use std::fmt;
use std::io::Write as _;

use crate::escape::visible;

/// The most bytes of a line. A pipe that has room takes so many at once (`PIPE_BUF` on Linux).
const LINE_BYTES: usize = 4096;
/// The end of a line that is cut.
const CUT: &str = "…\n";

/// Writes one line. The message may quote a file or a server, so it is escaped.
pub(crate) fn say(message: fmt::Arguments<'_>) {
    write(&cut(format!("tracing-ledger: {}\n", visible(&message.to_string()))));
}

/// Writes `line`, which ends with a newline, and allocates nothing: for a forked child.
pub(crate) fn say_in_a_child(line: &'static str) {
    write(line);
}

/// Writes one line and allocates nothing: for the end of the process, which may find the allocator in use. The message
/// quotes nobody, so it is not escaped.
pub(crate) fn say_at_exit(message: fmt::Arguments<'_>) {
    let mut line = [0; 512];
    let mut room = &mut line[..];
    writeln!(room, "tracing-ledger: {message}").ok();
    let free = room.len();
    let length = line.len() - free;
    if let Ok(line) = str::from_utf8(&line[..length]) {
        write(line);
    }
}

fn cut(mut line: String) -> String {
    if line.len() > LINE_BYTES {
        let end = (0..=LINE_BYTES - CUT.len()).rev().find(|end| line.is_char_boundary(*end));
        line.truncate(end.unwrap_or_default());
        line.push_str(CUT);
    }
    line
}

/// Writes the whole line in one call, so that no other process can write into its middle, or drops it. Takes no lock: the
/// holder of the lock of [`std::io::stderr`] may wait for a pipe that nobody reads, or be a thread that the fork left behind.
#[expect(unsafe_code, reason = "std has no write to stderr that neither waits nor takes a lock")]
fn write(line: &str) {
    let mut stderr = libc::pollfd { fd: libc::STDERR_FILENO, events: libc::POLLOUT, revents: 0 };
    // SAFETY: there is one `pollfd`, which lives as long as the call.
    let ready = unsafe { libc::poll(&raw mut stderr, 1, 0) };
    if ready == 1 && stderr.revents == libc::POLLOUT {
        // SAFETY: the pointer and the length are those of a live string. If the write fails, the line is lost.
        unsafe { libc::write(libc::STDERR_FILENO, line.as_ptr().cast(), line.len()) };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_line_is_cut_at_a_character_and_still_a_line() {
        for text in ["a short line\n".to_owned(), "x".repeat(LINE_BYTES - 1) + "\n"] {
            assert_eq!(cut(text.clone()), text);
        }
        for shift in 0..4 {
            let cut = cut("x".repeat(shift) + &"é".repeat(LINE_BYTES) + "\n");
            assert!(
                cut.ends_with("é…\n") && (LINE_BYTES - 1..=LINE_BYTES).contains(&cut.len()),
                "{}",
                cut.len()
            );
        }
    }
}
