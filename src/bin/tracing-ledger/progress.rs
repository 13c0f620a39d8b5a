//! A line on a terminal that says how many rows a report has read.

use std::io::{self, IsTerminal, Write};
use std::sync::mpsc::{RecvTimeoutError, Sender, channel};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use tracing_ledger::report::Progress;

/// A report that is done sooner shows no line.
const PATIENCE: Duration = Duration::from_secs(2);
const STEP: Duration = Duration::from_millis(100);
const BAR: u64 = 30;
/// Back to the beginning of the line, which is cleared.
const CLEAR: &str = "\r\x1b[K";

/// Shows the progress of a report until this is dropped.
pub(super) struct ProgressLine {
    progress: Progress,
    /// `None` once it ends.
    thread: Option<(Sender<()>, JoinHandle<()>)>,
}

impl ProgressLine {
    /// `None` where stderr is no terminal.
    pub(super) fn start() -> Option<Self> {
        if !io::stderr().is_terminal() {
            return None;
        }
        let (end, ended) = channel();
        let progress = Progress::new();
        let shown = progress.clone();
        let show = move || {
            let mut wait = PATIENCE;
            while ended.recv_timeout(wait) == Err(RecvTimeoutError::Timeout) {
                put(&line(&shown));
                wait = STEP;
            }
            if wait == STEP {
                put("");
            }
        };
        Some(Self { progress, thread: Some((end, thread::spawn(show))) })
    }

    pub(super) fn progress(&self) -> &Progress {
        &self.progress
    }
}

impl Drop for ProgressLine {
    fn drop(&mut self) {
        if let Some((end, thread)) = self.thread.take() {
            drop(end);
            // A panic of this thread is no failure of the report.
            thread.join().ok();
        }
    }
}

fn put(line: &str) {
    let mut stderr = io::stderr();
    // A line that cannot be shown does not stop the report.
    write!(stderr, "{CLEAR}{line}").and_then(|()| stderr.flush()).ok();
}

fn line(progress: &Progress) -> String {
    let rows = progress.rows();
    let Some(expected) = progress.expected() else { return format!("{rows} rows read") };
    let full = BAR * rows.min(expected) / expected;
    let bar: String = (0..BAR).map(|place| if place < full { '#' } else { '.' }).collect();
    format!("[{bar}] {rows} of about {expected} rows read")
}
