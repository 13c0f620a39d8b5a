//! A story as a waterfall of characters.

use std::fmt::{self, Write};

use super::answer::{RowKind, Story, StoryRow, Wait};
use super::found::MOST_ROWS;
use crate::report::answer::moment_text;
use crate::report::escape;
use crate::report::grid::NONE;
use crate::report::render::unit::duration;
use crate::report::why::why;

/// The columns of a terminal whose width is unknown.
const WIDTH: usize = 80;
/// Bars of fewer columns show nothing.
const LEAST_BAR: usize = 10;
const MOST_BAR: usize = 80;
/// The columns of the times.
const TIME: usize = 9;
/// In the narrowest terminal.
const LONGEST_NAME: usize = 30;

impl fmt::Display for Story {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.to_text(WIDTH))
    }
}

impl Story {
    /// A waterfall of characters for a terminal with so many columns, of which it uses at least 60.
    pub fn to_text(&self, columns: usize) -> String {
        let mut out = self.heading() + "\n";
        if self.is_empty() {
            return out;
        }
        let layout = Layout::new(self, columns.max(60));
        layout.header(&mut out);
        for (place, row) in self.rows.iter().enumerate() {
            self.waits_before(place).for_each(|wait| layout.wait(&mut out, wait, self.wait_depth(wait)));
            layout.row(&mut out, row, self.depth(place), &self.says(place));
        }
        out.push_str(&self.last_lines());
        out
    }

    /// The story as one JSON object, indented; contexts as they are in the rows.
    pub fn to_json(&self) -> String {
        // Serialising cannot fail: every key is a string.
        crate::escape::visible_json(serde_json::to_string_pretty(self).unwrap_or_default())
    }

    fn heading(&self) -> String {
        let id = escape::text(&self.id);
        let Some(found_as) = &self.found_as else {
            return format!("No row has {id}. It was looked for as {}.", listed(&self.tried));
        };
        let rows =
            if self.rows.len() == 1 { "1 row".to_owned() } else { format!("{} rows", self.rows.len()) };
        let name = if id.contains('=') { id } else { format!("{found_as} {id}") };
        let times =
            [self.first, self.last].map(|moment| moment_text(moment).unwrap_or_else(|| NONE.to_owned()));
        format!("{name}: {rows}\n{} to {}", times[0], times[1])
    }

    /// The waits that begin before this row, and not before the one above it.
    pub(in crate::report) fn waits_before(&self, place: usize) -> impl Iterator<Item = &Wait> {
        let is_later = |place: usize, wait: &Wait| {
            self.rows.get(place).is_some_and(|row| row.offset_ms.is_none_or(|at| at > wait.offset_ms))
        };
        let above = place.checked_sub(1);
        self.waits
            .iter()
            .filter(move |wait| is_later(place, wait) && !above.is_some_and(|above| is_later(above, wait)))
    }

    /// How many rows are around this one.
    pub(in crate::report) fn depth(&self, place: usize) -> usize {
        let around = |place: &usize| self.rows.get(*place).and_then(|row| row.within);
        std::iter::successors(around(&place), around).count()
    }

    /// As deep as the calls on both sides.
    pub(in crate::report) fn wait_depth(&self, wait: &Wait) -> usize {
        self.depth(wait.after).min(self.depth(wait.before))
    }

    /// Says how the row ended. Where calls overlap and the lines above mislead, it also names the row around this one.
    pub(in crate::report) fn says(&self, place: usize) -> String {
        let Some(row) = self.rows.get(place) else { return String::new() };
        let is_hidden = |around: &usize| {
            let depth = self.depth(place);
            (0..place).rev().find(|above| self.depth(*above) < depth) != Some(*around)
        };
        let around = row.within.filter(is_hidden);
        let around = around.and_then(|around| self.rows.get(around));
        let around = around.map(|around| format!("in {}", self.name_of_around(around)));
        let open_jobs = (row.open_jobs > 0).then(|| format!("in one of {} jobs", row.open_jobs));
        let after = row.duration_ms.filter(|_| row.kind == RowKind::Event);
        let after = after.map(|ms| format!("after {}", duration(ms)));
        let parts = around.or(open_jobs).into_iter().chain(ended(row)).chain(after);
        parts.collect::<Vec<_>>().join(", ")
    }

    /// Its kind and its beginning, where several rows have its event type.
    fn name_of_around(&self, row: &StoryRow) -> String {
        let alike = self.rows.iter().filter(|other| other.event_type == row.event_type).count();
        let kind = if row.kind == RowKind::Job { "job" } else { "call" };
        match row.offset_ms.filter(|_| alike > 1) {
            Some(at) => format!("{kind} at {}", duration(at)),
            None => escape::text(&row.event_type),
        }
    }

    /// The times of the jobs, how it ended, and what is left out.
    fn last_lines(&self) -> String {
        let mut out = String::new();
        for line in self.job_lines() {
            // Writing to a String cannot fail.
            write!(out, "\n{line}").ok();
        }
        if !out.is_empty() {
            out.push('\n');
        }
        if let Some(ending) = self.ending_text() {
            // Writing to a String cannot fail.
            writeln!(out, "\n{ending}").ok();
        }
        if let Some(text) = self.left_out_text() {
            writeln!(out, "\n{text}").ok();
        }
        out
    }

    pub(in crate::report) fn left_out_text(&self) -> Option<String> {
        let rows = if self.left_out == 1 { "row is" } else { "rows are" };
        (self.left_out > 0).then(|| {
            format!(
                "{} later {rows} left out: a story has at most {MOST_ROWS}. Ask for a shorter time by --since and --until.",
                self.left_out
            )
        })
    }

    /// How much of each job was calls, as its row has it.
    pub(in crate::report) fn job_lines(&self) -> impl Iterator<Item = String> {
        let jobs = self.rows.iter().filter(|row| row.kind == RowKind::Job);
        jobs.filter_map(|job| {
            let (all, within) = (job.duration_ms?, job.calls_ms?);
            let calls = job.calls.map_or(NONE.to_owned(), |calls| calls.to_string());
            let waiting = duration((all - within).max(0.0));
            let name = escape::text(&job.event_type);
            Some(format!(
                "{name}: calls {calls}, time in calls {}, time waiting {waiting}.",
                duration(within)
            ))
        })
    }

    pub(in crate::report) fn ending_text(&self) -> Option<String> {
        let ending = self.ending.as_ref()?;
        let has_succeeded =
            self.rows.iter().any(|row| row.attempt == Some(ending.attempts) && row.success == Some(true));
        let mut text = format!("Ended with {}", escape::text(&ending.event_type));
        let said = self.rows.get(ending.row).and_then(ended);
        if let Some(said) = said.or_else(|| ending.result.as_deref().map(escape::text)) {
            write!(text, ": {said}").ok();
        }
        match ending.attempts {
            0 => {}
            attempts if has_succeeded => write!(text, ", at attempt {attempts}").unwrap_or_default(),
            1 => text.push_str(", after 1 attempt"),
            attempts => write!(text, ", after {attempts} attempts").unwrap_or_default(),
        }
        if let Some(after) = ending.after_ms {
            let of =
                if self.rows.iter().any(|row| row.booking_id.is_some()) { "the booking's" } else { "the" };
            write!(text, ", {} after {of} first call began", duration(after)).ok();
        }
        Some(text + ".")
    }
}

/// `a, b or c`.
pub(super) fn listed(names: &[String]) -> String {
    let names: Vec<_> = names.iter().map(|name| escape::text(name)).collect();
    match names.split_last() {
        Some((last, rest)) if !rest.is_empty() => format!("{} or {last}", rest.join(", ")),
        _ => names.concat(),
    }
}

/// The columns, and the time that the bars show.
struct Layout {
    name: usize,
    bar: usize,
    rest: usize,
    total_ms: f64,
}

impl Layout {
    fn new(story: &Story, columns: usize) -> Self {
        let longest = LONGEST_NAME + columns.saturating_sub(WIDTH) / 4;
        let names = story.rows.iter().enumerate().map(|(place, row)| name(row, story.depth(place)));
        let waits = story.waits.iter().map(|wait| wait_name(wait, story.wait_depth(wait)));
        let widths = names.chain(waits).map(|name| name.chars().count());
        let name = widths.max().unwrap_or_default().clamp(10, longest);
        // Two columns of times, and a space between all columns.
        let left = columns.saturating_sub(2 * (TIME + 1) + name + 1);
        // The reasons say more than the length of a bar.
        let says = (0..story.rows.len()).map(|place| story.says(place).chars().count());
        let rest = says.max().unwrap_or_default().min(left * 3 / 5);
        let bar = left.saturating_sub(rest + 1).clamp(LEAST_BAR, MOST_BAR);
        let total_ms = story.rows.iter().filter_map(end_ms).fold(0.0, f64::max);
        Self { name, bar, rest: left.saturating_sub(bar + 1), total_ms }
    }

    fn header(&self, out: &mut String) {
        writeln!(out, "\n{:>TIME$} {:>TIME$}", "at", "took").ok();
    }

    fn row(&self, out: &mut String, row: &StoryRow, depth: usize, says: &str) {
        let name = self.cut_left(&name(row, depth));
        let mark = match row.kind {
            RowKind::Job => '░',
            RowKind::Call => '█',
            RowKind::Event => '·',
        };
        let bar = row.offset_ms.zip(end_ms(row)).map(|(from, to)| self.bar(from, to, mark));
        let [at, took] = [row.offset_ms, took(row)].map(|ms| ms.map(duration).unwrap_or_default());
        let named = if row.named { ">" } else { "" };
        self.line(out, [named, &at, &took, &name, &bar.unwrap_or_default(), says]);
    }

    fn wait(&self, out: &mut String, wait: &Wait, depth: usize) {
        let name = wait_name(wait, depth);
        let bar = self.bar(wait.offset_ms, wait.offset_ms + wait.duration_ms, '─');
        self.line(
            out,
            [
                "",
                &duration(wait.offset_ms),
                &duration(wait.duration_ms),
                &self.cut_right(&name, self.name),
                &bar,
                "",
            ],
        );
    }

    fn line(&self, out: &mut String, [named, at, took, name, bar, says]: [&str; 6]) {
        let at = format!("{named}{at:>0$}", TIME - named.len());
        let says = self.cut_right(says, self.rest);
        let line = format!("{at} {took:>TIME$} {name:<0$} {bar:<1$} {says}", self.name, self.bar);
        writeln!(out, "{}", line.trim_end()).ok();
    }

    /// The end of a name says more than its beginning.
    fn cut_left(&self, name: &str) -> String {
        let count = name.chars().count();
        if count <= self.name {
            return name.to_owned();
        }
        let kept: String = name.trim_start().chars().rev().take(self.name.saturating_sub(1)).collect();
        std::iter::once('…').chain(kept.chars().rev()).collect()
    }

    fn cut_right(&self, text: &str, width: usize) -> String {
        if text.chars().count() <= width {
            return text.to_owned();
        }
        text.chars().take(width.saturating_sub(1)).chain(std::iter::once('…')).collect()
    }

    /// At least one mark, however short the time.
    fn bar(&self, from_ms: f64, to_ms: f64, mark: char) -> String {
        let scale = if self.total_ms > 0.0 { self.bar as f64 / self.total_ms } else { 0.0 };
        let from = ((from_ms * scale) as usize).min(self.bar.saturating_sub(1));
        let to = ((to_ms * scale).round() as usize).clamp(from + 1, self.bar.max(from + 1));
        " ".repeat(from) + &String::from(mark).repeat(to - from)
    }
}

/// The duration that a call or job took. The one in an event belongs to something else.
fn took(row: &StoryRow) -> Option<f64> {
    row.duration_ms.filter(|_| row.kind != RowKind::Event)
}

/// Milliseconds from the beginning of the story to the end of the row.
pub(in crate::report) fn end_ms(row: &StoryRow) -> Option<f64> {
    Some(row.offset_ms? + took(row).unwrap_or_default().max(0.0))
}

fn indent(depth: usize) -> String {
    " ".repeat(2 * depth.min(8))
}

fn name(row: &StoryRow, depth: usize) -> String {
    let indent = indent(depth);
    let event_type = escape::text(&row.event_type);
    let attempt = row.attempt.map(|number| format!(" #{number}")).unwrap_or_default();
    let flow = row
        .flow
        .as_deref()
        .filter(|_| row.kind != RowKind::Job)
        .map(|flow| format!(" {}", escape::text(flow)));
    format!("{indent}{event_type}{attempt}{}", flow.unwrap_or_default())
}

fn wait_name(wait: &Wait, depth: usize) -> String {
    let reason = wait.reason.as_deref().map(|reason| format!(" after {}", escape::text(reason)));
    format!("{}waits{}", indent(depth), reason.unwrap_or_default())
}

fn ended(row: &StoryRow) -> Option<String> {
    let [code, reason, outcome] = [&row.reason_code, &row.reason, &row.outcome].map(Option::as_deref);
    let said = match (row.kind, row.success) {
        (RowKind::Job, _) => row.result.clone(),
        (_, Some(true)) => None,
        // It has the outcome of a call that has returned.
        (_, Some(false)) => why(code, reason, outcome).or_else(|| Some("no success".to_owned())),
        (_, None) => why(code, reason, outcome),
    };
    said.as_deref().or(outcome).map(escape::text)
}
