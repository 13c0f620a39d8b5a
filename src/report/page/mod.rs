//! The answer as a page: one file that needs no network, no script and no style to be read.
//!
//! Each figure carries its place in the JSON: the `data-at` of the elements around it and its own, from the outermost to the
//! innermost, and then its `data-key`, or else that of its column, make a JSON Pointer. `data-value` has the JSON's value where
//! the text is another one. `data-each` is the key of each `b` in a list of calls.

mod calls;
mod chart;
mod event;
mod fit;
mod groups;
mod job;
mod lean;
mod limits;
mod outcomes;
mod shell;
mod show;
mod spread;
mod story;
mod summary;
mod table;
mod time;
mod verdict;

use std::time::Duration;

use maud::{Markup, html};

use self::event::common_axes;
use self::fit::Fit;
use self::groups::{figure_cells, figure_columns};
pub(crate) use self::shell::shell;
use self::show::{Shown, foreign, short_moment, step};
use self::table::{HtmlCell, HtmlColumn, HtmlRow, HtmlTable};
use super::answer::{Report, Window, moment_text};
use super::compare::compared::Compared;
use super::compare::overlay::overlays;
use super::detail::Losses;
use super::render::later_rows;

/// A page of the report: one file that needs no network and is readable without its script and its style. With a comparison
/// it begins with the verdict.
///
/// Ask for the report with [`Question::detail`](super::Question::detail): without, the page has no charts.
pub fn page(report: &Report, compared: Option<&Compared>) -> String {
    draw(Some(report), compared, None)
}

/// The page as `serve` shows it: it is loaded again after `reload`, and its reader finds it as it was. The report ends now, and
/// beside it is the number of rows that are later. Without a report the page says why there is none.
pub fn served_page(report: Result<(&Report, u64), &str>, reload: Duration) -> String {
    match report {
        Ok((report, later)) => draw(Some(report), None, Some((reload, later))),
        Err(why) => {
            let body = html! {
                h1 { "The database does not answer" }
                p { (foreign(why)) }
                p { "This page asks again every " (reload.as_secs()) " seconds." }
            };
            shell("The database does not answer", &body, Some(reload))
        }
    }
}

impl Compared {
    /// A page of the comparison alone. [`page`] adds it to a report.
    pub fn to_html(&self) -> String {
        draw(None, Some(self), None)
    }
}

/// `served` is the time after which the page is loaded again, and the number of later rows.
fn draw(report: Option<&Report>, compared: Option<&Compared>, served: Option<(Duration, u64)>) -> String {
    let overlays = compared.map(|compared| overlays(&compared.before, &compared.after)).unwrap_or_default();
    let title = if compared.is_some() { "Ledger comparison" } else { "Ledger report" };
    let begin = html! {
        (common_axes(report.unwrap_or(&Report::default())))
        @if let Some(compared) = compared { (verdict::verdict(compared)) }
    };
    let end = html! { (losses(report, compared)) (limits::limits(report, compared)) };
    let whole = |sections: &Markup, has_section: &dyn Fn(usize) -> bool| {
        let body = html! {
            header {
                h1 { (title) }
                @if let Some(compared) = compared { (sides(compared, report.is_some())) }
                @if let Some(report) = report { (window(report, compared.is_some())) }
                @match served {
                    None | Some((_, 0)) => {},
                    Some((_, 1)) => { p { "1 row is later than the clock of this machine, and is not on this page." } },
                    Some((_, later)) => { p { (later) " rows are later than the clock of this machine, and are not on this page." } },
                }
            }
            (controls(report, compared, has_section))
            main {
                (begin)
                @if let Some(report) = report { (overview(report, has_section)) }
                (sections) (end)
            }
        };
        shell(title, &body, served.map(|(reload, _)| reload))
    };
    // A link and an option take more bytes than the words that stand for them where a section is left out.
    let used = whole(&html! {}, &|_| true).len();
    let fit = Fit::of(report.unwrap_or(&Report::default()), &overlays, used);
    whole(&sections(&fit), &|number| fit.sections.contains_key(&number))
}

/// The event types of the report, then those that only the comparison has.
fn sections(fit: &Fit) -> Markup {
    html! {
        @for section in fit.sections.values() { (section) }
        @if fit.left_out > 0 {
            p.soft {
                (fit.left_out) " more event types are in the table above and in the JSON. They have no section, to keep the "
                "page small: ask for one alone with --event."
            }
        }
    }
}

/// The side after too, unless a report has its window.
fn sides(compared: &Compared, has_report: bool) -> Markup {
    let sides = [("before", &compared.before), ("after", &compared.after)];
    html! {
        @for (name, side) in sides.into_iter().take(if has_report { 1 } else { 2 }) {
            p data-at={ "/comparison/" (name) } {
                "The side " (name) ": " b { (Shown::count(side.rows).at("/rows")) } (if side.rows == 1 { " row" } else { " rows" })
                ", from " span data-key="/first" { (side.first) } " to " span data-key="/last" { (side.last) } "."
            }
        }
    }
}

fn window(report: &Report, is_compared: bool) -> Markup {
    let Window { since, until, first, last } = report.window;
    let rows: u64 = report.events.iter().map(|event| event.figures.calls).sum();
    // Whole moments, so that the same rows can be asked for.
    let moment = |at, key: &str| {
        let text = moment_text(at).unwrap_or_default();
        html! { span data-key={ "/report/window/" (key) } { (text) } }
    };
    html! {
        @if is_compared { p.soft { "The sections below the comparison show the rows of the side after." } }
        @if report.is_empty() {
            p { "No row of the ledger is selected. Check the period and the event types." }
        } @else {
            p {
                b { (rows) } (if rows == 1 { " row of " } else { " rows of " })
                (report.events.len()) (if report.events.len() == 1 { " event type" } else { " event types" })
                ", from " (moment(first, "first")) " to " (moment(last, "last"))
                @if since.is_some() { ", counted since " (moment(since, "since")) }
                @if until.is_some() { ", before " (moment(until, "until")) }
                "."
                @if let Some(losses) = &report.losses { " " a href="#losses" { "Rows lost" } ": " (losses.lost) @if is_compared { " on the side after" } "." }
            }
            @if let Some(sentence) = later_rows(report.later) { p { (sentence) } }
        }
    }
}

/// Shown by the script. A choice that shows nothing is not offered.
fn controls(
    report: Option<&Report>,
    compared: Option<&Compared>,
    has_section: &dyn Fn(usize) -> bool,
) -> Markup {
    let all = || report.into_iter().flat_map(|report| &report.events);
    let events = all().enumerate().filter(|(number, _)| has_section(*number));
    let events = events.map(|(_, event)| event.event_type.as_str());
    let pairs = compared.into_iter().flat_map(|both| &both.pairs).map(|pair| pair.event_type.as_str());
    let mut names = Vec::new();
    for name in events.chain(pairs) {
        if !names.contains(&name) {
            names.push(name);
        }
    }
    let has_lists = all().any(|event| !event.groups.is_empty() || event.detail.is_some());
    // An option shows one space for several.
    let label = |name: &str| foreign(name).replace(' ', "\u{a0}");
    html! {
        form #controls hidden {
            label {
                "Event type "
                select #event {
                    option value="" { "all" }
                    @for name in names { option value=(foreign(name)) { (label(name)) } }
                }
            }
            label hidden[!has_lists] { "Find in groups and calls " input #find type="search" autocomplete="off"; }
            output #found for="find" {}
            span role="group" aria-label="Time" {
                button type="button" data-time="in" { "Zoom in" } " "
                button type="button" data-time="out" { "Zoom out" } " "
                button type="button" data-time="left" aria-label="Earlier" { "←" } " "
                button type="button" data-time="right" aria-label="Later" { "→" } " "
                button type="button" data-time="all" { "All" }
            }
        }
    }
}

/// As the table of event types of the text.
fn overview(report: &Report, has_section: &dyn Fn(usize) -> bool) -> Markup {
    let mut columns = vec![HtmlColumn::text("event type")];
    columns.extend(figure_columns());
    columns.extend([HtmlColumn::figure("rows per hour", "/rows_per_hour"), HtmlColumn::derived("last")]);
    let rows = report.events.iter().enumerate().map(|(number, event)| {
        let name = foreign(&event.event_type);
        let name = html! {
            @if has_section(number) { a href={ "#event-" (number) } { (name) } }
            @else { (name) br; small { "no section" } }
        };
        let mut cells = vec![HtmlCell::DrawnText(name)];
        cells.extend(figure_cells(&event.figures));
        cells.push(HtmlCell::Figure(Shown::rate(event.figures.rows_per_hour)));
        cells.push(HtmlCell::Derived(short_moment(event.figures.last)));
        HtmlRow { at: step(&number.to_string()), cells }
    });
    let table = HtmlTable {
        caption: "All event types, by number of rows".to_owned(),
        at: "/report/events".to_owned(),
        columns,
        rows: rows.collect(),
    };
    html! { section #overview { h2 { "Event types" } (table.draw()) } }
}

/// Of the report, and of the sides that it does not have.
fn losses(report: Option<&Report>, compared: Option<&Compared>) -> Markup {
    let of_report = report.and_then(|report| report.losses.as_ref());
    let before = compared.and_then(|compared| compared.before.losses.as_ref());
    let after = compared.filter(|_| report.is_none()).and_then(|compared| compared.after.losses.as_ref());
    html! {
        @if let Some(losses) = of_report { (lost(losses)) }
        @if let Some(before) = before { (lost_on("before", before)) }
        @if let Some(after) = after { (lost_on("after", after)) }
    }
}

fn lost(losses: &Losses) -> Markup {
    let columns = vec![HtmlColumn::text("cause"), HtmlColumn::figure("rows", "")];
    let rows = losses.by.iter().map(|(cause, count)| HtmlRow {
        at: step(cause),
        cells: vec![HtmlCell::Text(foreign(cause)), HtmlCell::Figure(Shown::count(*count))],
    });
    let table = HtmlTable {
        caption: "Lost rows by cause".to_owned(),
        at: "/by".to_owned(),
        columns,
        rows: rows.collect(),
    };
    html! {
        section #losses data-at="/report/losses" {
            h2 { "Losses" }
            p {
                "Rows lost: " b { (Shown::count(losses.lost).at("/lost")) } ". The ledger reports losses in rows of ledger.loss: "
                "the window has " (Shown::count(losses.rows).at("/rows")) "."
            }
            @if !losses.by.is_empty() { (table.draw()) }
        }
    }
}

fn lost_on(side: &str, losses: &Losses) -> Markup {
    html! {
        p.notes id={ "losses-" (side) } data-at={ "/comparison/" (side) "/losses" } {
            "Rows lost on the side " (side) ": " b { (Shown::count(losses.lost).at("/lost")) }
            @for (cause, count) in &losses.by { ", " (foreign(cause)) " " (Shown::count(*count).at(&format!("/by{}", step(cause)))) }
            "."
        }
    }
}

#[cfg(test)]
mod drawn;
#[cfg(test)]
mod tests;
#[cfg(test)]
mod words;
