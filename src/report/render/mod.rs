//! The answer as text, Markdown and JSON.

mod job;
pub(super) mod unit;

use std::fmt::{self, Write};

pub(super) use self::job::whole;
use self::unit::{duration_or_none, range, rate};
use super::answer::{
    EventFigures, Figures, GroupFigures, Report, RolledUp, Share, Spread, moment_text, too_many_unknown,
};
use super::escape;
use super::grid::{Grid, NONE};
use super::key::OTHER_GROUPS;
use crate::escape::visible_json;

const EMPTY: &str = "No row is selected. Check the period, the event types and the conditions. A database has rows if the \
                     service has run with the layer and writes to it; a log has them if it has lines of spans that close.";

/// More groups by the same keys are not shown in tables.
const MOST_GROUPS: usize = 100;

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{}", heading(self, escape::text))?;
        for table in tables(self) {
            writeln!(f)?;
            table.text(f, f.alternate())?;
        }
        Ok(())
    }
}

impl Report {
    /// The same tables in Markdown.
    pub fn to_markdown(&self) -> String {
        let mut out = format!("## Report\n\n{}\n", heading(self, escape::markdown));
        for table in tables(self) {
            out.push('\n');
            // Writing to a String cannot fail.
            table.markdown(&mut out).ok();
        }
        out
    }

    /// All figures as one JSON object, indented: the fields of this type under their names, times as RFC 3339
    /// text in UTC.
    pub fn to_json(&self) -> String {
        // Serialising cannot fail: every key is a string.
        visible_json(serde_json::to_string_pretty(self).unwrap_or_default())
    }
}

fn heading(report: &Report, escaped: fn(&str) -> String) -> String {
    let mut out = period(report);
    if report.is_empty() {
        out.push_str("\n\n");
        out.push_str(EMPTY);
    }
    if let Some(rollup) = &report.rollup {
        // Writing to a String cannot fail.
        write!(out, "\n\n{rollup}").ok();
    }
    let rows = [later_rows(report.later), unreadable_rows(report.unreadable)].into_iter().flatten();
    let unknown = report.events.iter().filter_map(|event| unknown_success(event, escaped));
    for sentence in rows.chain(nothing_known(report)).chain(unknown) {
        // Writing to a String cannot fail.
        write!(out, "\n\n{sentence}").ok();
    }
    out
}

/// `None` if a row has a duration or a success.
fn nothing_known(report: &Report) -> Option<String> {
    let has_any = |event: &EventFigures| event.figures.duration_ms.n + event.figures.success.n > 0;
    let is_unknown = !report.events.is_empty() && !report.events.iter().any(has_any);
    let why = "No row has a duration or a success that is known. If they are under other keys, name these in a file of rules: \
               --rules FILE.";
    is_unknown.then(|| why.to_owned())
}

/// `None` if nearly all are known, or no call has a success.
fn unknown_success(event: &EventFigures, escaped: fn(&str) -> String) -> Option<String> {
    let known = event.figures.success.n;
    let share = too_many_unknown(known, event.figures.calls).filter(|_| known > 0)?;
    let name = escaped(&event.event_type);
    Some(format!(
        "Of {name}, the success of {:.0}% of the calls is not known: they are in no share.",
        share * 100.0
    ))
}

/// `None` if there are none.
pub(in crate::report) fn unreadable_rows(count: u64) -> Option<String> {
    let rows = if count == 1 { "row" } else { "rows" };
    let why = "the context is no JSON object, or the row has no time that can be read";
    (count > 0).then(|| format!("{count} {rows} cannot be read in full: {why}."))
}

/// `None` if there are none.
pub(in crate::report) fn later_rows(count: u64) -> Option<String> {
    let rows = if count == 1 { "row is" } else { "rows are" };
    let them = if count == 1 { "It counts" } else { "They count" };
    (count > 0).then(|| {
        format!(
            "{count} {rows} later than the clock of this machine. {them} in each figure but rows per hour. Check the clocks of \
             the services; --until 0s leaves out such rows."
        )
    })
}

impl fmt::Display for RolledUp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let moment = |moment| moment_text(moment).map_or(NONE.to_owned(), |text| text[..19].to_owned() + "Z");
        write!(
            f,
            "Rolled up until {} by the run of {}: counts are exact, and percentiles are within {:.1} %. {} other {} read. \
         Rows that came into these hours since count once a run looks there: at the last 14 days, or since --since.",
            moment(self.until),
            moment(self.at),
            self.error_bound * 100.0,
            self.rows_read,
            if self.rows_read == 1 { "row was" } else { "rows were" },
        )?;
        self.notes.iter().try_for_each(|note| write!(f, " {note}"))
    }
}

fn period(report: &Report) -> String {
    let bound = |word, moment| moment_text(moment).map_or(String::new(), |text| format!(", {word} {text}"));
    let window = &report.window;
    let bounds = bound("counted since", window.since) + &bound("before", window.until);
    match (moment_text(window.first), moment_text(window.last)) {
        (Some(first), Some(last)) => format!("Rows from {first} to {last}{bounds}."),
        _ => format!("No rows{bounds}."),
    }
}

fn tables(report: &Report) -> Vec<Grid> {
    if report.is_empty() {
        return Vec::new();
    }
    let mut tables = vec![events(&report.events)];
    for event in &report.events {
        // Groups by the same keys are next to each other.
        for groups in event.groups.chunk_by(|one, other| one.keys().eq(other.keys())) {
            tables.push(groups_of(&event.event_type, groups));
        }
        if let Some(attempts) = report.attempts.get(&event.event_type) {
            tables.extend(job::attempts(&event.event_type, attempts));
        }
        tables.extend(reasons(event));
        let jobs = report.jobs.iter().filter(|job| job.event_type == event.event_type);
        tables.extend(jobs.flat_map(job::tables));
    }
    tables
}

fn events(events: &[EventFigures]) -> Grid {
    let shown = ShownIntervals::of(events.iter().map(|event| &event.figures));
    let mut header = vec!["event type".to_owned()];
    header.extend(shown.columns());
    header.extend(["rows per hour", "last"].map(str::to_owned));
    let row = |event: &EventFigures| {
        let figures = &event.figures;
        let last = moment_text(figures.last).map_or(NONE.to_owned(), |last| last[..19].to_owned() + "Z");
        let own = vec![event.event_type.clone()];
        [own, shown.cells(figures), vec![rate(figures.rows_per_hour), last]].concat()
    };
    Grid { title: "Event types".to_owned(), header, names: 1, rows: events.iter().map(row).collect() }
}

fn groups_of(event_type: &str, groups: &[GroupFigures]) -> Grid {
    let keys: Vec<String> =
        groups.first().into_iter().flat_map(GroupFigures::keys).map(str::to_owned).collect();
    let shown = ShownIntervals::of(groups.iter().map(|group| &group.figures));
    let row = |group: &GroupFigures| {
        let own: Vec<String> = group.by.iter().map(|(_, value)| or_none(value)).collect();
        [own, shown.cells(&group.figures)].concat()
    };
    let rest = groups.len().saturating_sub(MOST_GROUPS);
    // Those by a time are in its order, and the last ones are of now.
    let is_over_time = keys.first().is_some_and(|key| matches!(key.as_str(), "hour" | "day"));
    let (which, left_out) = if is_over_time { ("last", rest) } else { ("largest", 0) };
    let others = groups
        .iter()
        .filter(|group| group.by.iter().any(|(_, value)| value.as_deref() == Some(OTHER_GROUPS)));
    let more_than = if others.clone().next().is_some() { "more than " } else { "" };
    let known = groups.len() - others.count();
    let more =
        if rest > 0 { format!(" (the {MOST_GROUPS} {which} of {more_than}{known})") } else { String::new() };
    Grid {
        title: format!("{event_type} by {}{more}", keys.join(", ")),
        names: keys.len(),
        header: keys.into_iter().chain(shown.columns()).collect(),
        rows: groups.iter().skip(left_out).take(MOST_GROUPS).map(row).collect(),
    }
}

/// The percentiles whose intervals a table has: those that any of its rows has.
#[derive(Clone, Copy, Debug)]
struct ShownIntervals([bool; 3]);

impl ShownIntervals {
    fn of<'a>(rows: impl IntoIterator<Item = &'a Figures>) -> Self {
        let shown = rows.into_iter().fold([false; 3], |mut shown, figures| {
            let intervals = percentiles(&figures.duration_ms).map(|(.., interval)| interval);
            shown.iter_mut().zip(intervals).for_each(|(shown, interval)| *shown |= interval.is_some());
            shown
        });
        Self(shown)
    }

    fn columns(self) -> Vec<String> {
        let mut columns = vec!["calls", "success", "n"];
        for ((name, ..), shown) in percentiles(&Spread::default()).into_iter().zip(self.0) {
            columns.push(name);
            columns.extend(shown.then_some("95% interval"));
        }
        columns.extend(["max", "n"]);
        columns.into_iter().map(str::to_owned).collect()
    }

    fn cells(self, figures: &Figures) -> Vec<String> {
        let spread = &figures.duration_ms;
        let mut cells =
            vec![figures.calls.to_string(), percent(&figures.success), figures.success.n.to_string()];
        for ((_, value, interval), shown) in percentiles(spread).into_iter().zip(self.0) {
            cells.push(duration_or_none(value));
            cells.extend(shown.then(|| interval.map_or(NONE.to_owned(), range)));
        }
        cells.extend([duration_or_none(spread.max), spread.n.to_string()]);
        cells
    }
}

/// Name, value and interval.
type Percentile = (&'static str, Option<f64>, Option<(f64, f64)>);

fn percentiles(spread: &Spread) -> [Percentile; 3] {
    let interval = spread.interval.unwrap_or_default();
    [
        ("median", spread.median, interval.median),
        ("p95", spread.p95, interval.p95),
        ("p99", spread.p99, interval.p99),
    ]
}

fn reasons(event: &EventFigures) -> Option<Grid> {
    let reasons = &event.figures.reasons;
    (!reasons.is_empty()).then(|| Grid {
        title: format!("{} that did not succeed", event.event_type),
        header: ["category", "reason", "calls"].map(str::to_owned).to_vec(),
        names: 2,
        rows: reasons
            .iter()
            .take(MOST_GROUPS)
            .map(|reason| vec![or_none(&reason.category), or_none(&reason.code), reason.count.to_string()])
            .collect(),
    })
}

fn or_none(name: &Option<String>) -> String {
    name.clone().unwrap_or_else(|| NONE.to_owned())
}

pub(super) fn percent(share: &Share) -> String {
    share.rate.map_or(NONE.to_owned(), unit::percent)
}
