//! One event type: figures, charts, reasons, jobs, groups and single calls.

use maud::{Markup, html};

use super::calls::calls;
use super::chart::{ORANGE, round};
use super::fit::Room;
use super::groups::groups;
use super::job;
use super::show::{Shown, foreign, or_none, step};
use super::spread::{Bucket, Durations, shares_labels};
use super::table::{HtmlCell, HtmlColumn, HtmlRow, HtmlTable};
use super::time::OverTime;
use crate::report::answer::{EventFigures, Reason, Report, Spread};
use crate::report::compare::overlay::Overlay;

/// More reasons are left out.
const MOST_REASONS: usize = 20;

/// The parts of the page that a section needs.
pub(super) struct Section<'a> {
    pub(super) report: &'a Report,
    pub(super) overlays: &'a [Overlay],
    pub(super) room: Room,
}

impl Section<'_> {
    /// All about the event type.
    pub(super) fn full(&self, number: usize, event: &EventFigures) -> Markup {
        let at = format!("/report/events/{number}");
        let rest = html! {
            (self.charts(number, event))
            div data-at=(at) { (reasons(event)) }
            @if let Some(attempts) = self.report.attempts.get(&event.event_type) {
                (job::attempts(number, &event.event_type, attempts))
            }
            @for (place, job) in self.report.jobs.iter().enumerate() {
                @if job.event_type == event.event_type { (job::jobs(place, job)) }
            }
            div data-at=(at) {
                (groups(event, self.room.groups))
                @if let Some(detail) = &event.detail { (calls(self.report, detail, self.room.calls)) }
            }
        };
        begin(number, event, &rest)
    }

    /// Its figures and reasons.
    pub(super) fn short(number: usize, event: &EventFigures) -> Markup {
        let rest = html! {
            div data-at={ "/report/events/" (number) } { (reasons(event)) }
            p.soft { "The rest is left out, to keep the page small: ask for this event type alone with --event." }
        };
        begin(number, event, &rest)
    }

    /// Of an event type that only a comparison has.
    pub(super) fn both_alone(&self, overlay: &Overlay, durations: &Durations<'_>) -> Markup {
        let name = foreign(&overlay.event_type);
        html! {
            section data-event=(name) {
                h2 { (name) }
                div.charts { (self.durations(durations)) }
            }
        }
    }

    fn charts(&self, number: usize, event: &EventFigures) -> Markup {
        let name = foreign(&event.event_type);
        let detail = event.detail.as_ref();
        let over_time = detail.and_then(|detail| OverTime::new(self.report, number, detail));
        let overlay = self.overlays.iter().position(|overlay| overlay.event_type == event.event_type);
        let durations = match overlay {
            Some(place) => Some(both_sides(place, &self.overlays[place])),
            None => detail.filter(|_| !self.has_few(event)).map(|detail| Durations {
                event_type: name.clone(),
                buckets: detail.histogram.iter().map(|bar| bucket(bar.from, bar.to, vec![bar.n])).collect(),
                sides: &["calls"],
                at: format!("/report/events/{number}/detail/histogram"),
                id: format!("d{number}"),
            }),
        };
        html! {
            @if self.has_few(event) && event.figures.duration_ms.n > 0 {
                p.soft { "No charts of so few durations, to keep the page small: see the list of calls." }
            }
            @if let Some(over_time) = &over_time {
                div data-at={ "/report/events/" (number) } { (over_time.deploys_in_words()) }
            }
            div.charts {
                @if let Some(over_time) = &over_time {
                    div.inside data-at={ "/report/events/" (number) } { (self.over_time(over_time, self.has_few(event))) }
                }
                @if let Some(durations) = &durations { (self.durations(durations)) }
            }
        }
    }

    fn has_few(&self, event: &EventFigures) -> bool {
        event.figures.duration_ms.n < self.room.durations
    }

    fn over_time(&self, over_time: &OverTime<'_>, has_few: bool) -> Markup {
        let rows = self.room.rows;
        html! {
            @if let Some(percentiles) = over_time.percentiles().filter(|_| !has_few) {
                (figure(over_time.percentiles_name(), &percentiles, &over_time.percentiles_table(rows)))
            }
            (figure(over_time.outcomes_name(), &over_time.outcomes(), &over_time.outcomes_table(rows)))
        }
    }

    fn durations(&self, durations: &Durations<'_>) -> Markup {
        let Some([histogram, shares]) = durations.charts() else { return html! {} };
        let rows = self.room.rows;
        html! {
            (figure("Durations (log scale)", &histogram, &durations.histogram_table(rows)))
            (figure("Share of calls up to a duration (log scale)", &shares, &durations.shares_table(rows)))
        }
    }
}

/// The axes that several charts have in common.
pub(super) fn common_axes(report: &Report) -> Markup {
    let details =
        report.events.iter().enumerate().filter_map(|(number, event)| Some((number, event.detail.as_ref()?)));
    let over_time = details.filter_map(|(number, detail)| OverTime::new(report, number, detail)).next();
    html! {
        svg width="0" height="0" aria-hidden="true" {
            @if let Some(over_time) = over_time { (over_time.labels()) }
            (shares_labels())
        }
    }
}

/// A chart and its table.
pub(super) fn figure(caption: &str, chart: &Markup, table: &HtmlTable) -> Markup {
    html! {
        figure.chart {
            figcaption { (caption) }
            (chart)
            (table.folded())
        }
    }
}

fn begin(number: usize, event: &EventFigures, rest: &Markup) -> Markup {
    let name = foreign(&event.event_type);
    html! {
        section id={ "event-" (number) } data-event=(name) {
            h2 { (name) }
            div data-at={ "/report/events/" (number) } { (tiles(event)) }
            (rest)
        }
    }
}

fn bucket(from: f64, to: f64, counts: Vec<u64>) -> Bucket {
    Bucket { from, to, counts }
}

/// The durations before and after, of an event type that both sides have.
pub(super) fn both_sides(place: usize, overlay: &Overlay) -> Durations<'_> {
    let each = overlay.buckets.iter();
    Durations {
        event_type: foreign(&overlay.event_type),
        buckets: each.map(|one| bucket(one.from, one.to, vec![one.before, one.after])).collect(),
        sides: &["before", "after"],
        at: format!("/comparison/durations/{place}/buckets"),
        id: format!("o{place}"),
    }
}

fn tiles(event: &EventFigures) -> Markup {
    let figures = &event.figures;
    let spread = &figures.duration_ms;
    html! {
        dl.tiles {
            (tile("calls", &Shown::count(figures.calls), "/calls", None))
            (tile("success", &Shown::share(&figures.success), "/success/rate", Some(html! {
                "n " (Shown::count(figures.success.n).at("/success/n"))
            })))
            @if spread.n > 0 {
                @for (name, value) in
                    [("median", spread.median), ("p95", spread.p95), ("p99", spread.p99), ("max", spread.max)] {
                    (tile(name, &Shown::duration(value), &format!("/duration_ms/{name}"),
                        interval(spread, name)))
                }
            }
            (tile("per hour", &Shown::rate(figures.rows_per_hour), "/rows_per_hour", None))
        }
    }
}

fn tile(name: &str, shown: &Shown, key: &str, small: Option<Markup>) -> Markup {
    html! {
        div {
            dt { (name) }
            dd { (shown.at(key)) @if let Some(small) = small { " " small { (small) } } }
        }
    }
}

fn interval(spread: &Spread, name: &str) -> Option<Markup> {
    let intervals = spread.interval.as_ref()?;
    let ends = match name {
        "median" => intervals.median,
        "p95" => intervals.p95,
        "p99" => intervals.p99,
        _ => None,
    };
    let (lo, hi) = ends?;
    let end = |value, place: usize| {
        Shown::duration(Some(value)).at(&format!("/duration_ms/interval/{name}/{place}"))
    };
    Some(html! { (end(lo, 0)) " to " (end(hi, 1)) })
}

fn reasons(event: &EventFigures) -> Markup {
    let all = &event.figures.reasons;
    let most = all.iter().map(|reason| reason.count).max().unwrap_or_default().max(1);
    let left_out = all.len().saturating_sub(MOST_REASONS);
    let mut columns =
        vec![HtmlColumn::text("reason"), HtmlColumn::figure("calls", "/count"), HtmlColumn::derived("")];
    let has_category = all.iter().any(|reason| reason.category.is_some());
    if has_category {
        columns.insert(0, HtmlColumn::text("category"));
    }
    let row = |(place, reason): (usize, &Reason)| {
        let mut cells = vec![
            HtmlCell::Text(or_none(reason.code.as_deref())),
            HtmlCell::Figure(Shown::count(reason.count)),
            HtmlCell::Drawn(bar(reason.count as f64 / most as f64)),
        ];
        if has_category {
            cells.insert(0, HtmlCell::Text(or_none(reason.category.as_deref())));
        }
        HtmlRow { at: step(&place.to_string()), cells }
    };
    let more = if left_out > 0 { format!(" ({left_out} more are in the JSON)") } else { String::new() };
    let table = HtmlTable {
        caption: format!("{} that did not succeed{more}", foreign(&event.event_type)),
        at: "/reasons".to_owned(),
        columns,
        rows: all.iter().take(MOST_REASONS).enumerate().map(row).collect(),
    };
    html! { @if !all.is_empty() { h3 { "Reasons" } (table.draw()) } }
}

fn bar(share: f64) -> Markup {
    html! {
        svg width="150" height="10" viewBox="0,0,150,10" aria-hidden="true" {
            path d=(format!("M0 0h{}v10H0z", round(share * 150.0))) fill=(ORANGE) {}
        }
    }
}
