//! One frame: the same on a terminal and as text.

mod fit;

use std::env;
use std::time::{Duration, SystemTime};

use jiff::Timestamp;
use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::style::{Color, Modifier, Style};
use ratatui::text::{Line, Span};
use ratatui::widgets::{Paragraph, Widget};
use tracing_ledger::report::{EventFigures, Figures, LiveFailure, LiveView, Report};

use self::fit::{cut, cut_left, filled, visible, width_of, wrapped};
use super::choice::{WatchChoice, keys};

/// The columns of a sparkline, with the space before it.
const SPARKLINE: usize = 13;
/// The columns of all figures together.
const FIGURES: usize = 9 + 8 + 3 * 10 + SPARKLINE;
/// The columns of the title.
const TITLE: usize = 78;
/// The lines above the table, as a rule.
const HEAD: usize = 3;
/// The lines above and below the table and the failures.
const FRAME: usize = HEAD + 5;
const LEAST_LINES: u16 = 24;
const MOST_FAILURES: usize = 20;
const NONE: &str = "–";
const BARS: [char; 8] = ['▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'];

/// All that a frame shows.
pub(super) struct Screen {
    /// `None` before the first look at the database.
    pub(super) view: Option<LiveView>,
    pub(super) away: Option<Away>,
    pub(super) choice: WatchChoice,
    pub(super) now: SystemTime,
}

/// The rows cannot be read.
pub(super) struct Away {
    pub(super) since: SystemTime,
    pub(super) why: String,
}

impl Screen {
    /// The frame as text, which is as high as it must be unless `lines` says otherwise.
    pub(super) fn text(&self, columns: u16, lines: Option<u16>) -> String {
        let view = self.view.as_ref();
        let rows = view
            .map_or(0, |view| 2 * table_rows(&self.choice, view).len() + view.failures.len().min(5) + FRAME);
        let high = u16::try_from(rows).unwrap_or(u16::MAX).max(LEAST_LINES);
        let area = Rect::new(0, 0, columns.clamp(40, 400), lines.unwrap_or(high).clamp(10, 1000));
        let mut buffer = Buffer::empty(area);
        self.draw(area, &mut buffer);
        let mut text = String::new();
        for y in 0..area.height {
            // Behind a wide character comes a cell of no text.
            let mut after = 0;
            let cells = (0..area.width).map(|x| (x, buffer[(x, y)].symbol()));
            let symbols = cells.filter_map(|(x, symbol)| {
                let is_shown = x >= after;
                after = after.max(x + width_of(symbol) as u16);
                is_shown.then_some(symbol)
            });
            let line: String = symbols.collect();
            text.push_str(line.trim_end());
            text.push('\n');
        }
        text.trim_end().to_owned() + "\n"
    }

    pub(super) fn draw(&self, area: Rect, buffer: &mut Buffer) {
        let (width, height) = (usize::from(area.width), usize::from(area.height));
        let mut lines = self.head(width, height / 4);
        if let Some(view) = &self.view {
            let room = (height + HEAD).saturating_sub(FRAME + lines.len());
            let rows = table_rows(&self.choice, view);
            // The table has two thirds of the room, and the failures have the rest.
            let failures = view
                .failures
                .len()
                .clamp(1, MOST_FAILURES)
                .min((room / 3).max(usize::from(room > 1)).max(room.saturating_sub(2 * rows.len())));
            lines.extend(self.table(view, &rows, room.saturating_sub(failures), width));
            lines.push(Line::default());
            lines.extend(self.failures(view, failures, width));
            lines.push(losses(view));
        }
        lines.truncate(height.saturating_sub(1));
        lines.resize(height.saturating_sub(1), Line::default());
        lines.push(self.footer());
        Paragraph::new(lines).render(area, buffer);
    }

    /// The lines above the table, with at most `most` lines of advice.
    fn head(&self, width: usize, most: usize) -> Vec<Line<'_>> {
        let window = self.view.as_ref().map(|view| &view.report.window);
        let (name, format) = match width {
            ..TITLE => ("watch", "%H:%M:%SZ"),
            _ => ("tracing-ledger watch", "%Y-%m-%dT%H:%M:%S.%6fZ"),
        };
        let [since, until] = [window.and_then(|window| window.since), window.and_then(|window| window.until)]
            .map(|moment| moment.map_or(NONE.to_owned(), |moment| time(moment, format)));
        let title = Line::styled(format!("{name}  {since} to {until}"), Modifier::BOLD);
        let (status, advice) = self.status();
        let advice = wrapped(&advice, width).into_iter().take(most.max(1)).map(Line::raw);
        [title, status].into_iter().chain(advice).collect()
    }

    /// Says whether rows come; if not, loudly and with what to check.
    fn status(&self) -> (Line<'_>, String) {
        if let Some(Away { since, why }) = &self.away {
            return (loud(format!(" CANNOT READ since {}, trying again ", clock(*since))), visible(why));
        }
        let Some(view) = &self.view else {
            return (Line::raw("reading the rows of the window …"), String::new());
        };
        let ago = |moment: SystemTime| seconds(self.now.duration_since(moment).unwrap_or_default());
        let doctor = || "check the service, its layer and this database: tracing-ledger doctor".to_owned();
        let options = || "check --event and --where: the window may have other rows".to_owned();
        let advice = |doctor: Option<String>| {
            doctor.into_iter().chain(later(view.later)).collect::<Vec<_>>().join("; ")
        };
        match (view.silent_since, view.last) {
            (Some(since), _) => (
                loud(format!(" NO ROWS since {}, {} ago ", clock(since), ago(since))),
                advice(Some(doctor())),
            ),
            (None, Some(last)) => {
                let calls: u64 = view.report.events.iter().map(|event| event.figures.calls).sum();
                let cut = if view.is_cut { "; the window is shorter, it has too many rows" } else { "" };
                let rows = if calls == 1 { "row" } else { "rows" };
                // The table has those of one event type.
                let all = if self.choice.group.is_some() { " of all event types" } else { "" };
                (Line::raw(format!("{calls} {rows}{all}, the last one {} ago{cut}", ago(last))), advice(None))
            }
            (None, None) if self.choice.is_selective => {
                (loud(" NO SELECTED ROWS in the window ".to_owned()), advice(Some(options())))
            }
            (None, None) => (loud(" NO ROWS in the window ".to_owned()), advice(Some(doctor()))),
        }
    }

    fn table<'a>(
        &self,
        view: &'a LiveView,
        rows: &[ScreenLine<'a>],
        room: usize,
        width: usize,
    ) -> Vec<Line<'a>> {
        let name = width.saturating_sub(FIGURES).max(10);
        let room = room.max(1);
        let header = self.table_header(view, rows.len(), room, name);
        let mut lines = vec![Line::styled(header, Modifier::UNDERLINED)];
        let picked = rows.iter().position(|row| row.is_picked).unwrap_or_default();
        let skipped = picked.saturating_sub(room - 1);
        // The medians have what is left, those of the picked event type first.
        let has_picked = rows.iter().any(|row| row.is_picked);
        let mut left = if width < FIGURES + 10 { 0 } else { room.saturating_sub(rows.len()) };
        for row in rows.iter().skip(skipped).take(room) {
            let line = Line::raw(row.line(name, &view.over_time));
            lines.push(if row.is_picked { line.style(Modifier::REVERSED) } else { line });
            let medians = if row.is_picked || left > usize::from(has_picked) {
                row.medians(name, &view.over_time)
            } else {
                None
            };
            if left > 0 {
                left -= usize::from(medians.is_some());
                lines.extend(medians.map(Line::raw));
            }
        }
        lines
    }

    /// Says how many rows of the table have room, unless all have.
    fn table_header(&self, view: &LiveView, rows: usize, room: usize, name: usize) -> String {
        let of = self.choice.event(view).map(|event| event.event_type.as_str()).unwrap_or_default();
        let title = match (&self.choice.group, rows > room) {
            (None, false) => "event type".to_owned(),
            (None, true) => format!("{room} of {rows} event types"),
            (Some(keys), false) => format!("{of} by {}", keys.join(", ")),
            (Some(keys), true) => format!("{room} of {rows}: {of} by {}", keys.join(", ")),
        };
        format!(
            "{} {:>8} {:>7} {:>9} {:>9} {:>9} rows",
            filled(cut(&visible(&title), name), name),
            "rows/s",
            "success",
            "median ms",
            "p95 ms",
            "p99 ms"
        )
    }

    fn failures(&self, view: &LiveView, most: usize, width: usize) -> Vec<Line<'_>> {
        let of = self.choice.group_of(view);
        let title = of.map_or("last failures".to_owned(), |of| format!("last failures of {}", visible(of)));
        let mut lines = vec![Line::styled(cut(&title, width), Modifier::UNDERLINED)];
        let failures = view.failures.iter().filter(|failure| of.is_none_or(|of| failure.event_type == of));
        lines.extend(failures.take(most).map(|failure| Line::raw(cut(&failure_line(failure), width))));
        if lines.len() == 1 {
            lines.push(Line::raw("none in the window"));
        }
        lines
    }

    fn footer(&self) -> Line<'_> {
        let window = length(self.choice.window);
        let group = self.choice.group.as_ref().map_or("none".to_owned(), |keys| keys.join(","));
        Line::styled(
            format!("q quit  ↑↓ event  g group: {}  w/W window: {window}", visible(&group)),
            Modifier::DIM,
        )
    }
}

/// One line of the table.
struct ScreenLine<'a> {
    name: String,
    event_type: &'a str,
    by: &'a [(String, Option<String>)],
    figures: &'a Figures,
    is_picked: bool,
}

fn table_rows<'a>(choice: &WatchChoice, view: &'a LiveView) -> Vec<ScreenLine<'a>> {
    let picked = choice.event(view);
    let Some(wanted) = &choice.group else {
        let shown = |event: &'a EventFigures| ScreenLine {
            name: event.event_type.clone(),
            event_type: &event.event_type,
            by: &[],
            figures: &event.figures,
            is_picked: picked.is_some_and(|picked| picked.event_type == event.event_type),
        };
        return view.report.events.iter().map(shown).collect();
    };
    let of = picked.into_iter().flat_map(|event| event.groups.iter().map(move |group| (event, group)));
    let of = of.filter(|(_, group)| keys(group) == *wanted);
    of.map(|(event, group)| {
        let values: Vec<_> = group.by.iter().map(|(_, value)| value.as_deref().unwrap_or(NONE)).collect();
        ScreenLine {
            name: values.join(", "),
            event_type: &event.event_type,
            by: &group.by,
            figures: &group.figures,
            is_picked: false,
        }
    })
    .collect()
}

impl ScreenLine<'_> {
    /// Its figures in each part of the window, where it has rows.
    fn over_time<'r>(&self, parts: &'r [Report]) -> impl Iterator<Item = Option<&'r Figures>> {
        parts.iter().map(|part| {
            let event = part.event(self.event_type)?;
            if self.by.is_empty() {
                return Some(&event.figures);
            }
            event.groups.iter().find(|group| group.by == self.by).map(|group| &group.figures)
        })
    }

    /// The medians over time, if there are any, below the rows over time.
    fn medians(&self, name: usize, parts: &[Report]) -> Option<String> {
        let medians: Vec<Option<f64>> =
            self.over_time(parts).map(|figures| figures?.duration_ms.median).collect();
        let least = medians.iter().copied().flatten().reduce(f64::min)?;
        let most = medians.iter().copied().flatten().reduce(f64::max);
        let success = &self.figures.success;
        // Where some calls do not say whether they succeeded.
        let of = if (1..self.figures.calls).contains(&success.n) {
            format!("success of {} rows, ", success.n)
        } else {
            String::new()
        };
        let scale = format!("{of}median from {} to {} ms", decimal(Some(least)), decimal(most));
        Some(format!("{scale:>0$} {1}", name + FIGURES - SPARKLINE, sparkline(medians)))
    }

    fn line(&self, name: usize, parts: &[Report]) -> String {
        let figures = self.figures;
        let success = figures.success.rate.map_or(NONE.to_owned(), |rate| format!("{:.1}%", rate * 100.0));
        let spread = &figures.duration_ms;
        let rows = self.over_time(parts).map(|figures| figures.map(|figures| figures.calls as f64));
        format!(
            "{} {:>8} {success:>7} {:>9} {:>9} {:>9} {}",
            filled(cut_left(&visible(&self.name), name), name),
            decimal(figures.rows_per_hour.map(|rows| rows / 3600.0)),
            decimal(spread.median),
            decimal(spread.p95),
            decimal(spread.p99),
            sparkline(rows.collect()),
        )
    }
}

/// The tallest bar is the greatest value. A part without a value is blank.
fn sparkline(values: Vec<Option<f64>>) -> String {
    let most = values.iter().copied().flatten().fold(0.0, f64::max);
    let bar = |value: &Option<f64>| match value {
        None => ' ',
        Some(value) if most > 0.0 => BARS[((value * 8.0 / most).ceil() as usize).clamp(1, 8) - 1],
        Some(_) => BARS[0],
    };
    values.iter().map(bar).collect()
}

fn failure_line(failure: &LiveFailure) -> String {
    let at = failure.created_at.map_or(NONE.to_owned(), clock);
    let took = failure.duration_ms.map(|ms| format!(" after {} ms", decimal(Some(ms)))).unwrap_or_default();
    let reason = failure.reason.as_deref().unwrap_or("no success");
    let booking = failure.booking_id.as_deref().map(|id| format!("  {}", visible(id))).unwrap_or_default();
    format!("{at} {} {}{took}{booking}", visible(&failure.event_type), cut(&visible(reason), 40))
}

fn losses(view: &LiveView) -> Line<'_> {
    if view.losses.is_empty() {
        return Line::raw("losses: none in the window");
    }
    let causes = view.losses.iter().map(|(cause, count)| format!("{} {count}", visible(cause)));
    let all: u64 = view.losses.values().sum();
    loud(format!(" LOSSES: {all} rows ({}) ", causes.collect::<Vec<_>>().join(", ")))
}

fn loud(text: String) -> Line<'static> {
    let style = Style::new().add_modifier(Modifier::BOLD | Modifier::REVERSED);
    let plain = env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
    Line::from(Span::styled(text, if plain { style } else { style.fg(Color::Red) }))
}

fn time(moment: SystemTime, format: &str) -> String {
    Timestamp::try_from(moment).map_or(NONE.to_owned(), |moment| moment.strftime(format).to_string())
}

fn clock(moment: SystemTime) -> String {
    time(moment, "%H:%M:%SZ")
}

fn seconds(duration: Duration) -> String {
    match duration.as_secs() {
        0..=119 => format!("{} s", duration.as_secs()),
        120..=7199 => format!("{} min", duration.as_secs() / 60),
        _ => format!("{} h", duration.as_secs() / 3600),
    }
}

/// The length of a window, in the unit in which it was chosen.
fn length(window: Duration) -> String {
    match window.as_secs() {
        seconds if seconds.is_multiple_of(3600) => format!("{} h", seconds / 3600),
        seconds if seconds.is_multiple_of(60) => format!("{} min", seconds / 60),
        seconds => format!("{seconds} s"),
    }
}

/// As the report prints it.
fn decimal(value: Option<f64>) -> String {
    match value {
        None => NONE.to_owned(),
        Some(value) if value > 0.0 && value < 0.0005 => "<0.001".to_owned(),
        Some(value) if value > 0.0 && value < 0.0995 => format!("{value:.3}"),
        Some(value) => format!("{value:.2}"),
    }
}

/// Rows that no figure counts, because their clock is ahead.
fn later(rows: u64) -> Option<String> {
    match rows {
        0 => None,
        1 => Some("1 row is later than this clock and not counted".to_owned()),
        _ => Some(format!("{rows} rows are later than this clock and not counted")),
    }
}

#[cfg(test)]
mod tests;
