//! A story as a page: its waterfall, and each row with its context.

use maud::{Markup, html};

use super::chart::{BLUE, GREY, ORANGE, round};
use super::shell::shell;
use super::show::{Shown, cut, fields, foreign};
use super::table::{HtmlCell, HtmlColumn, HtmlRow, HtmlTable};
use crate::escape::visible_json;
use crate::report::answer::moment_text;
use crate::report::story::text::end_ms;
use crate::report::story::{RowKind, Story, StoryRow, Wait};

/// The width of the bars.
const WIDTH: f64 = 260.0;
const HEIGHT: f64 = 12.0;
/// A shorter time has a bar of this width.
const LEAST: f64 = 2.0;
/// Longer contexts are cut.
const MOST_CONTEXT: usize = 4_000;
/// More rows have no context on the page, to keep it small.
const MOST_CONTEXTS: usize = 200;

impl Story {
    /// The same as a page: one file that needs no network, no script and no style to be read.
    pub fn to_html(&self) -> String {
        let [first, last] = [self.first, self.last].map(|at| moment_text(at).unwrap_or_default());
        let name = self.found_as.as_deref().filter(|_| !self.id.contains('='));
        let body = html! {
            header {
                h1 { "Ledger story" }
                p { @if let Some(name) = name { (foreign(name)) " " } b { (foreign(&self.id)) } }
                p.soft { (self.rows.len()) " rows, " (first) " to " (last) }
                @if let Some(ending) = self.ending_text() { p { (ending) } }
                @for line in self.job_lines() { p { (line) } }
                @if let Some(left_out) = self.left_out_text() { p { (left_out) } }
            }
            main {
                section #waterfall { h2 { "In order" } (self.waterfall().draw()) }
                section #rows { h2 { "Each row" } (self.contexts()) }
            }
        };
        shell("Ledger story", &body, None)
    }

    fn waterfall(&self) -> HtmlTable {
        let total = self.rows.iter().filter_map(end_ms).fold(0.0, f64::max);
        let mut rows = Vec::new();
        for (place, row) in self.rows.iter().enumerate() {
            for wait in self.waits_before(place) {
                let number = self.waits.iter().position(|other| other == wait).unwrap_or_default();
                rows.push(HtmlRow {
                    at: format!("/waits/{number}"),
                    cells: wait_cells(wait, self.wait_depth(wait), total),
                });
            }
            rows.push(HtmlRow {
                at: format!("/rows/{place}"),
                cells: cells(row, self.depth(place), self.says(place), total),
            });
        }
        let columns = vec![
            HtmlColumn::text("what"),
            HtmlColumn::figure("at", "/offset_ms"),
            HtmlColumn::figure("took", "/duration_ms"),
            HtmlColumn::derived("time"),
            HtmlColumn::text("ended"),
        ];
        HtmlTable { caption: "Calls, events and waits".to_owned(), at: String::new(), columns, rows }
    }

    fn contexts(&self) -> Markup {
        html! {
            div.calls {
                @for row in self.rows.iter().take(MOST_CONTEXTS) {
                    details open[row.named] {
                        summary {
                            "at " (Shown::duration(row.offset_ms).text) ": " (name(row)) " "
                            small { @if row.kind != RowKind::Event { "ended " } (moment_text(row.created_at).unwrap_or_default()) }
                        }
                        pre { (named_fields(row)) (context(row)) }
                    }
                }
            }
            @if self.rows.len() > MOST_CONTEXTS {
                p.soft { (self.rows.len() - MOST_CONTEXTS) " more in the JSON." }
            }
        }
    }
}

fn cells(row: &StoryRow, depth: usize, says: String, total: f64) -> Vec<HtmlCell> {
    let colour = match row.kind {
        RowKind::Job => GREY,
        _ if row.success == Some(false) => ORANGE,
        _ => BLUE,
    };
    let bar = row.offset_ms.zip(end_ms(row)).map(|(from, to)| bar(from, to, total, colour, HEIGHT));
    let took = match row.kind {
        // The duration in an event belongs to something that has ended before.
        RowKind::Event => HtmlCell::Derived(String::new()),
        _ => HtmlCell::Figure(Shown::duration(row.duration_ms)),
    };
    vec![
        HtmlCell::Text(indent(depth) + &name(row)),
        HtmlCell::Figure(Shown::duration(row.offset_ms)),
        took,
        HtmlCell::Drawn(bar.unwrap_or_default()),
        HtmlCell::Text(says),
    ]
}

/// With the number of an attempt, and the flow.
fn name(row: &StoryRow) -> String {
    let attempt = row.attempt.map(|number| format!(" #{number}")).unwrap_or_default();
    let flow = row.flow.as_deref().filter(|_| row.kind != RowKind::Job);
    let flow = flow.map(|flow| format!(" {}", foreign(flow))).unwrap_or_default();
    format!("{}{attempt}{flow}", foreign(&row.event_type))
}

fn indent(depth: usize) -> String {
    "\u{a0}".repeat(3 * depth.min(8))
}

fn wait_cells(wait: &Wait, depth: usize, total: f64) -> Vec<HtmlCell> {
    let reason = wait.reason.as_deref().map(|reason| format!(" after {}", foreign(reason)));
    vec![
        HtmlCell::Text(format!("{}waits{}", indent(depth), reason.unwrap_or_default())),
        HtmlCell::Figure(Shown::duration(Some(wait.offset_ms))),
        HtmlCell::Figure(Shown::duration(Some(wait.duration_ms))),
        HtmlCell::Drawn(bar(wait.offset_ms, wait.offset_ms + wait.duration_ms, total, GREY, 2.0)),
        HtmlCell::Text(String::new()),
    ]
}

/// The figures beside it say the same.
fn bar(from: f64, to: f64, total: f64, colour: &str, height: f64) -> Markup {
    let scale = if total > 0.0 { WIDTH / total } else { 0.0 };
    let begin = (from * scale).min(WIDTH - LEAST);
    let width = ((to - from) * scale).clamp(LEAST, WIDTH - begin);
    html! {
        svg aria-hidden="true" width=(WIDTH) height=(HEIGHT) viewBox={ "0 0 " (WIDTH) " " (HEIGHT) } {
            rect x=(round(begin)) y=((HEIGHT - height) / 2.0) width=(round(width)) height=(height) fill=(colour) {}
        }
    }
}

fn named_fields(row: &StoryRow) -> String {
    fields(&[
        ("id", &row.id),
        ("booking", &row.booking_id),
        ("restaurant", &row.restaurant_id),
        ("source", &row.source),
        ("severity", &row.severity),
    ])
}

/// As it is in the row.
fn context(row: &StoryRow) -> String {
    let text = row.context.as_ref().map(|context| context.get()).unwrap_or_default();
    cut(&visible_json(text.to_owned()), MOST_CONTEXT)
}
