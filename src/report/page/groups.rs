//! Groups as small multiples: each on the same axis, so that they compare at a glance.

use maud::{Markup, html};

use super::chart::{BLUE, ORANGE, Scale, picture, round};
use super::show::{Shown, foreign, or_none, step};
use super::table::{HtmlCell, HtmlColumn, HtmlRow, HtmlTable};
use crate::report::answer::{EventFigures, Figures, GroupFigures};
use crate::report::render::unit::range;

const WIDTH: f64 = 190.0;

/// How many lists of groups an event type has.
pub(super) fn lists(event: &EventFigures) -> usize {
    event.groups.chunk_by(|one, other| one.keys().eq(other.keys())).count()
}

/// The groups by the same keys are next to each other; of each, at most so many are shown.
pub(super) fn groups(event: &EventFigures, most: usize) -> Markup {
    let numbered: Vec<_> = event.groups.iter().enumerate().collect();
    html! {
        @for groups in numbered.chunk_by(|(_, one), (_, other)| one.keys().eq(other.keys())) {
            // Rows without any of the keys are no group.
            @if groups.iter().any(|(_, group)| group.by.iter().any(|(_, value)| value.is_some())) {
                (multiples(event, groups, most))
            }
        }
    }
}

fn multiples(event: &EventFigures, groups: &[(usize, &GroupFigures)], most: usize) -> Markup {
    let keys = groups.first().map(|(_, group)| names(group)).unwrap_or_default();
    let all = groups.iter().flat_map(|(_, group)| {
        let spread = &group.figures.duration_ms;
        [spread.median, spread.max]
    });
    let (lo, hi) = all
        .flatten()
        .filter(|value| *value > 0.0)
        .fold((f64::INFINITY, 0.0_f64), |(lo, hi), value| (lo.min(value), hi.max(value)));
    let x = (hi > 0.0).then(|| Scale::log([lo, hi], [4.0, WIDTH - 4.0]));
    let shown = &groups[..groups.len().min(most)];
    let left_out = groups.len() - shown.len();
    let caption = format!("{} by {keys}", foreign(&event.event_type));
    html! {
        h3 { "By " (keys) }
        @if x.is_some() {
            p.soft {
                "Median (dot), p95 (thick) and maximum (thin) on a logarithmic axis, " (range((lo, hi)))
                "; below, the share that succeeded."
            }
        }
        ul.multiples {
            @for (number, group) in shown {
                li data-at={ "/groups/" (number) } { (card(group, x.as_ref())) }
            }
        }
        @if left_out > 0 { p.soft { (left_out) " more in the JSON." } }
        (table(caption, shown).folded())
    }
}

fn names(group: &GroupFigures) -> String {
    group.keys().map(foreign).collect::<Vec<_>>().join(", ")
}

fn values(group: &GroupFigures) -> String {
    group.by.iter().map(|(_, value)| or_none(value.as_deref())).collect::<Vec<_>>().join(", ")
}

fn card(group: &GroupFigures, x: Option<&Scale>) -> Markup {
    let Figures { calls, success, duration_ms, .. } = &group.figures;
    let name = values(group);
    html! {
        b { (name) }
        (picture(&format!("Durations and success of {name}"), WIDTH, 24.0, &drawn(&group.figures, x)))
        small {
            (Shown::count(*calls).at("/calls")) " calls, " (Shown::share(success).at("/success/rate"))
            @if duration_ms.median.is_some() {
                ", median " (Shown::duration(duration_ms.median).at("/duration_ms/median"))
                ", p95 " (Shown::duration(duration_ms.p95).at("/duration_ms/p95"))
            }
        }
    }
}

fn drawn(figures: &Figures, x: Option<&Scale>) -> Markup {
    let spread = &figures.duration_ms;
    let ends =
        x.and_then(|x| Some([spread.median?, spread.p95?, spread.max?].map(|value| round(x.at(value)))));
    html! {
        @if let Some([median, p95, max]) = ends {
            path d=(format!("M{median} 8H{max}m0 -4v8")) stroke="currentColor" stroke-opacity=".5" fill="none" {}
            path d=(format!("M{median} 8H{p95}")) stroke=(BLUE) stroke-width="5" {}
            circle cx=(median) cy="8" r="4" fill=(BLUE) {}
        }
        @if let Some(rate) = figures.success.rate {
            @let end = round(4.0 + rate * (WIDTH - 8.0));
            path d=(format!("M4 20H{end}")) stroke=(BLUE) stroke-width="3" {}
            @if rate < 1.0 { path d=(format!("M{end} 20H{}", WIDTH - 4.0)) stroke=(ORANGE) stroke-width="3" {} }
        }
    }
}

fn table(caption: String, groups: &[(usize, &GroupFigures)]) -> HtmlTable {
    let keys = groups.first().into_iter().flat_map(|(_, group)| &group.by);
    let mut columns: Vec<_> = keys.map(|(key, _)| HtmlColumn::text(foreign(key))).collect();
    columns.extend(figure_columns());
    let row = |(number, group): &(usize, &GroupFigures)| {
        let mut cells: Vec<_> =
            group.by.iter().map(|(_, value)| HtmlCell::Text(or_none(value.as_deref()))).collect();
        cells.extend(figure_cells(&group.figures));
        HtmlRow { at: step(&number.to_string()), cells }
    };
    HtmlTable { caption, at: "/groups".to_owned(), columns, rows: groups.iter().map(row).collect() }
}

/// As in the tables of the text.
pub(super) fn figure_columns() -> Vec<HtmlColumn> {
    let mut columns = vec![
        HtmlColumn::figure("calls", "/calls"),
        HtmlColumn::figure("success", "/success/rate"),
        HtmlColumn::figure("success known", "/success/n"),
    ];
    let spread = ["median", "p95", "p99", "max"];
    columns.extend(spread.map(|name| HtmlColumn::figure(name, format!("/duration_ms/{name}"))));
    columns.push(HtmlColumn::figure("durations", "/duration_ms/n"));
    columns
}

pub(super) fn figure_cells(figures: &Figures) -> Vec<HtmlCell> {
    let Figures { calls, success, duration_ms: spread, .. } = figures;
    let mut cells = vec![Shown::count(*calls), Shown::share(success), Shown::count(success.n)];
    cells.extend([spread.median, spread.p95, spread.p99, spread.max].map(Shown::duration));
    cells.push(Shown::count(spread.n));
    cells.into_iter().map(HtmlCell::Figure).collect()
}
