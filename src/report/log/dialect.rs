//! How a log is written, as far as one line alone does not tell.

use jiff::Timestamp;

use super::fmt_text::{form, thread_name, without_colours};
use super::moment::moment;
use super::wrapped::unwrapped;

/// How a log is written.
#[derive(Debug, Default)]
pub(super) struct Dialect {
    /// Whether the name of the thread comes after the level: `tokio-rt-worker call{…}` may as well be the name of a span.
    pub(super) names_threads: bool,
    /// Whether no closing span has a target: then a name before `: ` is the name of a span.
    pub(super) lacks_targets: bool,
    /// Whether the fields of the spans are at the end of the line.
    pub(super) is_compact: bool,
    /// Whether a time had no zone.
    pub(super) assumes_utc: bool,
}

/// More lines than this have a word in common only where it is the name of a thread.
const FEW_LINES: usize = 10;

impl Dialect {
    /// `head` is the beginning of the log.
    pub(super) fn of(head: &[u8]) -> Self {
        let text = String::from_utf8_lossy(head);
        let (mut lines, mut names, mut is_known) = (0, 0, false);
        for line in text.lines() {
            let unwrapped = unwrapped(line);
            let line = without_colours(&unwrapped.line);
            let Some(name) = thread_name(&line) else { continue };
            lines += 1;
            // Words in capitals are the methods of HTTP: `GET /orders` is a usual name of a span.
            let Some(name) = name.filter(|name| name.contains(|c: char| !c.is_ascii_uppercase())) else {
                continue;
            };
            names += 1;
            is_known |= name == "main" || name.starts_with("tokio-");
        }
        let names_threads = names * 10 > lines * 9 && (is_known || lines > FEW_LINES);
        let forms = text.lines().filter_map(|line| {
            let unwrapped = unwrapped(line);
            form(&without_colours(&unwrapped.line), names_threads)
        });
        let (mut lacks_targets, mut is_compact, mut is_any) = (true, false, false);
        for (has_target, has_fields_at_the_end) in forms {
            lacks_targets &= !has_target;
            is_compact |= has_fields_at_the_end;
            is_any = true;
        }
        Self { names_threads, lacks_targets: is_any && lacks_targets, is_compact, assumes_utc: false }
    }

    /// The first time in the text.
    pub(super) fn moment(&mut self, text: &str) -> Option<Timestamp> {
        let (moment, has_zone) = moment(text)?;
        self.assumes_utc |= !has_zone;
        Some(moment)
    }
}
