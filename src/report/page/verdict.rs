//! The comparison: the results of the gates, and each figure before and after.

use maud::{Markup, html};

use super::chart::{BLUE, GREY, ORANGE, picture, round};
use super::show::{Shown, foreign};
use super::summary::{summary, worst_first};
use super::table::{HtmlCell, HtmlColumn, HtmlRow, HtmlTable};
use crate::report::compare::compared::{Compared, GateLine, Pair, interval as gate_interval};
use crate::report::compare::reasons::why;
use crate::report::compare::render::{group, lines};
use crate::report::compare::tally::{MEDIAN, SUCCESS};
use crate::report::compare::words::{amount, change_of, judgement_word, range, result_word, text_of, value};
use crate::report::grid::NONE;
use crate::report::stats::contrast::{Contrast, Judgement};
use crate::report::stats::estimate::Estimate;
use crate::report::stats::gates::{GateResult, Limit};
use crate::report::stats::{ALPHA, Interval};

/// More rows are left out, so that the event types have room: the worst come first.
const MOST_ROWS: usize = 30;
const MOST_OPEN: usize = 12;
const MOST_GROUPS: usize = 16;

pub(super) fn verdict(compared: &Compared) -> Markup {
    let totals = || compared.pairs.iter().enumerate().filter(|(_, pair)| pair.by.is_empty());
    let scales = Scales::of(totals().map(|(_, pair)| pair));
    let gates = worst_first(&compared.gates).into_iter().map(|(number, gate)| {
        let figure = compared.pairs.iter().position(|pair| is_of(gate, pair)).unwrap_or_default();
        gate_row(number, figure, gate, &scales)
    });
    let has_gate = |pair: &Pair| compared.gates.iter().any(|gate| is_of(gate, pair));
    let (open, mut told): (Vec<_>, Vec<_>) = totals()
        .filter(|(_, pair)| !has_gate(pair))
        .partition(|(_, pair)| pair.judgement() == Judgement::NotEnoughData);
    if compared.gates.len() + told.len() > MOST_ROWS {
        told.sort_by_key(|(_, pair)| WORST_FIRST.iter().position(|kind| *kind == pair.judgement()));
    }
    let row = |(number, pair): (usize, &Pair)| pair_row(number, pair, &scales);
    let (all, more) = first(gates.chain(told.into_iter().map(row)), MOST_ROWS);
    let count = open.len();
    let (open, more_open) = first(open.into_iter().map(row), MOST_OPEN);
    html! {
        section #verdict data-at="/comparison" {
            h2 { "Before and after" @if !compared.gates.is_empty() { ", gates " (gate_word(compared.result(), "/result")) } }
            (summary(compared))
            @if !all.is_empty() {
                div.verdict { (table(compared, &format!("Gates and figures, before and after{more}"), all).draw()) }
                (scales.in_words())
            }
            @if !open.is_empty() {
                @let name = format!("{count} figures without enough data{more_open}");
                (table(compared, "Figures before and after", open).folded_as(&name))
            }
            (groups(compared, &scales))
            h3 { "How the sides were compared" }
            ul { @for line in lines(compared) { li { (text_of(&line, foreign)) } } }
        }
    }
}

fn groups(compared: &Compared, scales: &Scales) -> Markup {
    let own: Vec<_> = compared.pairs.iter().enumerate().filter(|(_, pair)| !pair.by.is_empty()).collect();
    let rows = own.into_iter().map(|(number, pair)| pair_row(number, pair, scales));
    let (rows, more) = first(rows, MOST_GROUPS);
    let name = format!("Figures of groups{more}");
    html! { @if !rows.is_empty() { (table(compared, "Figures before and after", rows).folded_as(&name)) } }
}

const WORST_FIRST: [Judgement; 3] = [Judgement::Worse, Judgement::Better, Judgement::NoDifferenceShown];

/// At most so many rows, and the words on the rest.
fn first(rows: impl Iterator<Item = HtmlRow>, most: usize) -> (Vec<HtmlRow>, String) {
    let mut rows: Vec<_> = rows.collect();
    let more = rows.len().saturating_sub(most);
    rows.truncate(most);
    (rows, if more > 0 { format!(" ({more} more are in the JSON)") } else { String::new() })
}

fn is_of(gate: &GateLine, pair: &Pair) -> bool {
    let key = |pair: &Pair| (pair.event_type.clone(), pair.by.clone(), pair.metric.clone());
    key(&gate.pair) == key(pair)
}

fn table(compared: &Compared, caption: &str, rows: Vec<HtmlRow>) -> HtmlTable {
    let columns = vec![
        HtmlColumn::text("verdict"),
        HtmlColumn::text("event type"),
        HtmlColumn::text("figure"),
        HtmlColumn::figure("before", "/before/value"),
        HtmlColumn::figure("after", "/after/value"),
        HtmlColumn::figure("change", "/change/value"),
        HtmlColumn::derived("95 % interval"),
        HtmlColumn::derived("n"),
        HtmlColumn::derived(format!("{}s", compared.after.blocks.word())),
    ];
    HtmlTable { caption: caption.to_owned(), at: String::new(), columns, rows }
}

fn pair_row(number: usize, pair: &Pair, scales: &Scales) -> HtmlRow {
    let figure = match group(pair).as_str() {
        "all" => pair.metric.clone(),
        group => format!("{} of {group}", pair.metric),
    };
    let word = judgement(pair.judgement());
    let mut cells = vec![
        HtmlCell::DrawnText(word),
        HtmlCell::Text(foreign(&pair.event_type)),
        HtmlCell::Text(foreign(&figure)),
    ];
    cells.extend(figures(&format!("/figures/{number}"), pair, None, scales));
    HtmlRow { at: String::new(), cells }
}

fn gate_row(number: usize, figure: usize, gate: &GateLine, scales: &Scales) -> HtmlRow {
    let word = gate_word(gate.result, &format!("/gates/{number}/result"));
    // The interval has a column of its own.
    let (why, within) = (why(gate), shown(&gate.pair).map(|(_, within)| range(&gate.pair.metric, within)));
    let within = within.unwrap_or_default();
    let is_of_after = !gate.spec.is_change && gate_interval(gate, ALPHA).is_bounded();
    let needed = gate.needed().filter(|_| gate.result == GateResult::Undecided);
    let text = html! {
        b { (gate.spec.text) }
        @if why != within { br; small { @if is_of_after { "after: " } (why) } }
        @if let Some(needed) = needed {
            small {
                br; "needs n "
                (Shown::new(format!("{needed:.0}"), needed).at(&format!("/gates/{number}/needs_n")))
            }
        }
    };
    let mut cells = vec![
        HtmlCell::DrawnText(word),
        HtmlCell::Text(foreign(&gate.pair.event_type)),
        HtmlCell::DrawnText(text),
    ];
    cells.extend(figures(&format!("/figures/{figure}"), &gate.pair, Some(gate), scales));
    HtmlRow { at: String::new(), cells }
}

/// The cells from `before` on.
fn figures(at: &str, pair: &Pair, gate: Option<&GateLine>, scales: &Scales) -> Vec<HtmlCell> {
    let side = |side: &Option<Estimate>| match side {
        Some(side) => HtmlCell::At(at.to_owned(), Shown::new(value(&pair.metric, side.value), side.value)),
        None => HtmlCell::Derived(NONE.to_owned()),
    };
    let change = match pair.contrast().map(Contrast::estimate).filter(|change| change.is_finite()) {
        Some(change) => {
            let shown = Shown::new(amount(&pair.metric, change), change_of(&pair.metric, change));
            HtmlCell::At(at.to_owned(), shown)
        }
        None => HtmlCell::Derived(NONE.to_owned()),
    };
    let both = |key: &str, of: fn(&Estimate) -> Shown| {
        let sides = [("/before", &pair.before), ("/after", &pair.after)];
        let of = sides.map(|(name, side)| match side {
            Some(side) => of(side).at(&format!("{name}{key}")),
            None => html! { (NONE) },
        });
        html! { (of[0]) " → " (of[1]) }
    };
    vec![
        side(&pair.before),
        side(&pair.after),
        change,
        HtmlCell::Drawn(html! { div data-at=(at) { (interval(pair, gate, scales)) } }),
        HtmlCell::Drawn(html! {
            span data-at=(at) { (both("/n", |side| Shown::count(side.n))) }
            br;
            small data-at=(at) { "effective " (both("/effective_n", effective)) }
        }),
        HtmlCell::Drawn(html! {
            span data-at=(at) { (both("/time_blocks", |side| Shown::count(side.variances.times.blocks.into()))) }
        }),
    ]
}

fn effective(side: &Estimate) -> Shown {
    let size = side.effective_size(ALPHA);
    Shown::new(format!("{size:.0}"), size)
}

/// The interval of the change, if there is data to show one.
pub(super) fn shown(pair: &Pair) -> Option<(f64, Interval)> {
    let contrast = pair.contrast().filter(|both| both.before.can_show() && both.after.can_show())?;
    let interval = contrast.interval(ALPHA);
    interval.is_bounded().then(|| (contrast.estimate(), interval))
}

fn interval(pair: &Pair, gate: Option<&GateLine>, scales: &Scales) -> Markup {
    let Some((change, within)) = shown(pair) else {
        let has_ratio = pair.contrast().is_none_or(Contrast::is_known);
        return html! { small { (if has_ratio { "too few values" } else { "no ratio: a value is not above 0" }) } };
    };
    let limit = gate.filter(|gate| gate.spec.is_change).map(|gate| match gate.spec.limit {
        Limit::AtMost(limit) | Limit::AtLeast(limit) => limit,
    });
    // A limit of the side after itself says nothing of the change.
    let result = gate.map(|gate| if gate.spec.is_change { gate.result } else { GateResult::Undecided });
    let colour = match (result, pair.judgement()) {
        (Some(GateResult::Broken), _) | (None, Judgement::Worse) => ORANGE,
        (Some(GateResult::Holds), _) | (None, Judgement::Better) => BLUE,
        _ => GREY,
    };
    let scale = |end| change_of(&pair.metric, end);
    let end = |end, key: &str| Shown::new(amount(&pair.metric, end), scale(end)).at(key);
    html! {
        (bar(change, within, limit, scales.of_metric(&pair.metric), colour, &range(&pair.metric, within)))
        small { (end(within.lo, "/change/interval/0")) " to " (end(within.hi, "/change/interval/1")) }
    }
}

const WIDTH: f64 = 150.0;

/// An interval around zero. An end beyond the scale is an arrow.
pub(super) fn bar(
    change: f64,
    within: Interval,
    limit: Option<f64>,
    most: f64,
    colour: &str,
    range: &str,
) -> Markup {
    let x = |value: f64| round((value / most).clamp(-1.0, 1.0) * (WIDTH / 2.0 - 6.0) + WIDTH / 2.0);
    let (lo, hi) = (x(within.lo), x(within.hi));
    let drawn = html! {
        path d=(format!("M0 9H{WIDTH}")) stroke="currentColor" stroke-opacity=".2" {}
        path d=(format!("M{} 1v16", WIDTH / 2.0)) stroke="currentColor" stroke-opacity=".6" {}
        path d=(format!("M{lo} 9H{hi}")) stroke=(colour) stroke-width="7" {}
        @if within.lo < -most { path d=(format!("M{lo} 2v14l-6 -7z")) fill=(colour) {} }
        @if within.hi > most { path d=(format!("M{hi} 2v14l6 -7z")) fill=(colour) {} }
        @if change.abs() <= most { circle cx=(x(change)) cy="9" r="3" fill="currentColor" {} }
        @if let Some(limit) = limit {
            path d=(format!("M{} 0v18", x(limit))) stroke="currentColor" stroke-dasharray="2 2" {}
        }
    };
    picture(&format!("Interval of the change: {range}"), WIDTH, 18.0, &drawn)
}

/// The greatest change that fits in a bar: of a ratio's logarithm, and of a share.
pub(super) struct Scales {
    pub(super) ratio: f64,
    share: f64,
}

impl Scales {
    fn of<'a>(pairs: impl Iterator<Item = &'a Pair>) -> Self {
        Self::of_changes(pairs.filter_map(|pair| Some((pair.metric == SUCCESS, shown(pair)?))))
    }

    /// A change comes with `true` if it is the change of a share. All changes have their place, unless they are beyond a quarter or
    /// four times as much. Wide intervals of few values do not press the others together.
    pub(super) fn of_changes(changes: impl Iterator<Item = (bool, (f64, Interval))>) -> Self {
        const BESIDE: f64 = 1.1;
        let (mut ratio, mut share) = (0.05_f64, 0.01_f64);
        for (is_share, (change, Interval { lo, hi })) in changes {
            let (own, usual) = if is_share { (&mut share, 0.2) } else { (&mut ratio, 2.0_f64.ln()) };
            *own = own.max(lo.abs().max(hi.abs()).min(usual)).max(change.abs() * BESIDE);
        }
        Self { ratio: ratio.min(4.0_f64.ln()), share: share.min(0.5) }
    }

    fn in_words(&self) -> Markup {
        let ends = |metric: &str, most: f64| [-most, most].map(|end| amount(metric, end)).join(" to ");
        html! {
            p.soft {
                "A bar is the 95 % interval of the change, around a line at no change. The dot is the estimate, and the dashed line "
                "a gate's limit. A bar reaches from " (ends(MEDIAN, self.ratio)) ", of success from " (ends(SUCCESS, self.share))
                "; an arrow goes on."
            }
        }
    }

    fn of_metric(&self, metric: &str) -> f64 {
        if metric == SUCCESS { self.share } else { self.ratio }
    }
}

pub(super) fn judgement(judgement: Judgement) -> Markup {
    let class = match judgement {
        Judgement::Better => "word good",
        Judgement::Worse => "word bad",
        Judgement::NoDifferenceShown | Judgement::NotEnoughData => "word",
    };
    html! { span class=(class) { (judgement_word(judgement)) } }
}

fn gate_word(gated: GateResult, key: &str) -> Markup {
    result(gated, Some(key))
}

pub(super) fn result(result: GateResult, key: Option<&str>) -> Markup {
    let class = match result {
        GateResult::Holds => "word good",
        GateResult::Broken => "word bad",
        GateResult::Undecided | GateResult::NoAnswer => "word",
    };
    html! { span class=(class) data-key=[key] { (result_word(result)) } }
}
