//! A comparison as text, Markdown and JSON.

use std::fmt::{self, Write};

use serde_json::{Value, json};

use super::compared::{Compared, GateLine, Pair, by_chance};
use super::figure_keys::unknown_keys_line;
use super::mix;
use super::mix_lines::mix_lines;
use super::overlay::overlays;
use super::reasons::{no_ratio_lines, unknown_lines, why, why_undecided};
use super::shown::{loudest, shown, title, ungrouped_lines};
use super::snapshot::{SavedFigure, SideFigures, Snapshot};
use super::tally::SUCCESS;
use super::words::{
    Line, amount, change_of, foreign, judgement_word, own, range, result_word, text_of, value, values,
};
use super::worse_groups::worse_group_lines;
use crate::escape::visible_json;
use crate::report::escape::{markdown, text};
use crate::report::grid::{Grid, NONE};
use crate::report::render::unreadable_rows;
use crate::report::stats::blocks::TimeBlocks;
use crate::report::stats::contrast::Judgement;
use crate::report::stats::estimate::Estimate;
use crate::report::stats::{ALPHA, Interval};

impl fmt::Display for Compared {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for line in lines(self) {
            writeln!(f, "{}", text_of(&line, text))?;
        }
        for grid in grids(self) {
            writeln!(f)?;
            grid.text(f, f.alternate())?;
        }
        Ok(())
    }
}

impl Compared {
    /// The same for a pull request.
    pub fn to_markdown(&self) -> String {
        let mut out = format!("## Comparison: {}\n\n", headline(self));
        let (loudest, left_out) = loudest(self).unzip();
        for line in lines(self).into_iter().chain(left_out) {
            // Writing to a String cannot fail.
            writeln!(out, "- {}", text_of(&line, markdown)).ok();
        }
        for mut grid in grids(self) {
            let place = grid.header.iter().position(|name| name == "event");
            if let (Some(loudest), Some(place)) = (&loudest, place) {
                grid.rows.retain(|row| row.get(place).is_some_and(|event| loudest.contains(event.as_str())));
            }
            out.push('\n');
            grid.markdown(&mut out).ok();
        }
        out
    }

    /// All figures as one JSON object, indented. A bound that is not known is null.
    pub fn to_json(&self) -> String {
        let side = |side: &Snapshot| {
            json!({"of": side.of, "first": side.first, "last": side.last, "rows": side.rows,
                   "unreadable": side.unreadable, "ungrouped": side.ungrouped, "unread_lines": side.unread.count(), "blocks": side.blocks, "keys": side.keys, "losses": side.losses})
        };
        let moved: Vec<_> = mix::shares(&self.before, &self.after)
            .into_iter()
            .map(|share| {
                json!({"event_type": share.event_type, "key": share.key, "value": share.value,
                       "before": share.before, "after": share.after, "moved": share.has_moved()})
            })
            .collect();
        let all = json!({
            "result": if self.gates.is_empty() { "no gate" } else { result_word(self.result()) },
            "before": side(&self.before),
            "after": side(&self.after),
            "figures": self.pairs.iter().map(pair_json).collect::<Vec<_>>(),
            "gates": self.gates.iter().map(gate_json).collect::<Vec<_>>(),
            "mix": moved,
            "durations": overlays(&self.before, &self.after),
        });
        visible_json(serde_json::to_string_pretty(&all).unwrap_or_default())
    }
}

/// The result of the gates; without gates, the number of figures for each verdict.
fn headline(compared: &Compared) -> String {
    if !compared.gates.is_empty() {
        return result_word(compared.result()).to_owned();
    }
    let kinds = [Judgement::Worse, Judgement::Better, Judgement::NoDifferenceShown, Judgement::NotEnoughData];
    let counts =
        kinds.map(|kind| (kind, compared.pairs.iter().filter(|pair| pair.judgement() == kind).count()));
    let counts: Vec<_> = counts.into_iter().filter(|(_, count)| *count > 0).collect();
    match counts.as_slice() {
        [] => "no figure".to_owned(),
        [(kind @ Judgement::NotEnoughData, _)] => judgement_word(*kind).to_owned(),
        counts => {
            let words = counts.iter().map(|(kind, count)| format!("{count} {}", judgement_word(*kind)));
            words.collect::<Vec<_>>().join(", ")
        }
    }
}

pub(in crate::report) fn lines(compared: &Compared) -> Vec<Line> {
    let mut lines = vec![side_line("Before", &compared.before), side_line("After", &compared.after)];
    lines.extend(short_line(compared));
    lines.push(halves_line(compared));
    lines.extend(kinds_line(compared));
    lines.extend(unknown_keys_line(&compared.before, &compared.after));
    lines.extend(no_ratio_lines(compared));
    lines.extend(unknown_lines(compared));
    lines.extend(ungrouped_lines(compared));
    lines.extend(mix_lines(compared));
    lines.extend(worse_group_lines(compared));
    let chance = by_chance(&compared.pairs);
    if chance > 0.0 {
        let decided = (chance / ALPHA).round();
        lines.push(vec![own(format!(
            "Of {decided} figures with enough data, about {chance:.1} would say better or worse by chance alone."
        ))]);
    }
    lines
}

fn side_line(name: &str, side: &Snapshot) -> Line {
    let Snapshot { of, first, last, rows, .. } = side;
    let mut line = vec![own(format!("{name}: ")), foreign(of)];
    line.push(own(format!(", {rows} rows from {first} to {last}.")));
    line.extend(unreadable_rows(side.unreadable).map(|sentence| own(format!(" {sentence}"))));
    if let Some(losses) = side.losses.as_ref().filter(|losses| losses.lost > 0) {
        line.push(own(format!(" Rows lost: {}.", losses.lost)));
    }
    if side.unread.count() > 0 {
        line.push(own(format!(" Lines of its log that cannot be read: {}.", side.unread.count())));
    }
    line
}

fn short_line(compared: &Compared) -> Option<Line> {
    let parts = [&compared.before, &compared.after].iter().any(|side| side.blocks == TimeBlocks::Parts);
    parts.then(|| {
        vec![own(
            "A short window is accepted: eight equal parts stand for days, so changes from day to day are not covered.",
        )]
    })
}

/// The spans of a log last longer than their calls.
fn kinds_line(compared: &Compared) -> Option<Line> {
    (compared.before.is_log != compared.after.is_log).then(|| {
        vec![own(
            "One side is a log. If its durations are those of spans that close, short calls are some percent longer than in \
             rows: compare logs with logs.",
        )]
    })
}

/// The side before against itself.
fn halves_line(compared: &Compared) -> Line {
    let totals = || compared.before.events.iter().filter(|event| event.by.is_empty());
    let unsteady: Vec<(&SideFigures, &SavedFigure)> = totals()
        .flat_map(|event| event.figures.iter().map(move |figure| (event, figure)))
        .filter(|(_, figure)| figure.differs_from_itself())
        .collect();
    let block = compared.before.blocks.word();
    let mut line = vec![own(format!("The side before against itself (every other {block}): "))];
    if unsteady.is_empty() {
        let known = totals().any(|event| event.figures.iter().any(|figure| figure.halves.is_some()));
        line.push(own(if known { "no figure differs." } else { "too few values to compare." }));
        return line;
    }
    for (event, SavedFigure { metric, halves, .. }) in unsteady {
        let [lo, hi] = halves.unwrap_or_default();
        let change = range(metric, Interval { lo, hi });
        line.extend([
            own(format!("{metric} of ")),
            foreign(&event.event_type),
            own(format!(" differs by {change}; ")),
        ]);
    }
    line.push(own("your own baseline differs from itself, so it decides nothing on these figures."));
    line
}

const FIGURE_COLUMNS: [&str; 13] = [
    "event",
    "group",
    "metric",
    "verdict",
    "before",
    "interval",
    "after",
    "interval",
    "change",
    "interval",
    "smallest shown",
    "n before",
    "n after",
];

fn grids(compared: &Compared) -> Vec<Grid> {
    let figures = Grid {
        title: title(compared),
        header: FIGURE_COLUMNS.map(str::to_owned).to_vec(),
        names: 4,
        rows: shown(compared).into_iter().map(pair_cells).collect(),
    };
    let gates = Grid {
        title: "Gates".to_owned(),
        header: ["gate", "event", "result", "why", "needs n"].map(str::to_owned).to_vec(),
        names: 4,
        rows: compared.gates.iter().map(gate_cells).collect(),
    };
    if compared.gates.is_empty() { vec![figures] } else { vec![gates, figures] }
}

fn pair_cells(pair: &Pair) -> Vec<String> {
    let value = |side: &Option<Estimate>| {
        side.as_ref().map_or(NONE.to_owned(), |side| value(&pair.metric, side.value))
    };
    let within = |side: &Option<Estimate>| {
        let shown = side.as_ref().filter(|side| side.can_show()).map(|side| side.interval(ALPHA));
        shown.map_or(NONE.to_owned(), |within| values(&pair.metric, within))
    };
    let n = |side: &Option<Estimate>| side.as_ref().map_or("0".to_owned(), |side| side.n.to_string());
    let contrast = pair.contrast().filter(|contrast| contrast.is_known());
    let change = contrast.map_or(NONE.to_owned(), |contrast| amount(&pair.metric, contrast.estimate()));
    let shown = contrast.filter(|contrast| contrast.before.can_show() && contrast.after.can_show());
    let interval = shown.map_or(NONE.to_owned(), |contrast| range(&pair.metric, contrast.interval(ALPHA)));
    let least = shown.map(|contrast| contrast.least_to_show()).filter(|least| least.is_finite());
    let least = least.map_or(NONE.to_owned(), |least| amount(&pair.metric, least));
    vec![
        pair.event_type.clone(),
        group(pair),
        pair.metric.clone(),
        judgement_word(pair.judgement()).to_owned(),
        value(&pair.before),
        within(&pair.before),
        value(&pair.after),
        within(&pair.after),
        change,
        interval,
        least,
        n(&pair.before),
        n(&pair.after),
    ]
}

pub(in crate::report) fn group(pair: &Pair) -> String {
    let values: Vec<_> = pair.by.iter().map(|value| value.as_deref().unwrap_or(NONE)).collect();
    if values.is_empty() { "all".to_owned() } else { values.join(", ") }
}

fn gate_cells(gated: &GateLine) -> Vec<String> {
    vec![
        gated.spec.text.clone(),
        gated.pair.event_type.clone(),
        result_word(gated.result).to_owned(),
        why(gated),
        gated.needed().map_or(NONE.to_owned(), |needed| format!("{needed:.0}")),
    ]
}

fn pair_json(pair: &Pair) -> Value {
    let side = |side: &Option<Estimate>| {
        side.as_ref().map(|side| {
            let shown = side.can_show().then(|| side.interval(ALPHA));
            json!({"value": side.value, "n": side.n, "effective_n": side.effective_size(ALPHA),
                   "time_blocks": side.variances.times.blocks,
                   "interval": shown.map(|within| [within.lo, within.hi])})
        })
    };
    let scale = |value| change_of(&pair.metric, value);
    let change = pair.contrast().filter(|contrast| contrast.is_known()).map(|contrast| {
        let interval = contrast.interval(ALPHA);
        json!({"value": scale(contrast.estimate()), "interval": [scale(interval.lo), scale(interval.hi)],
               "smallest_shown": scale(contrast.least_to_show())})
    });
    json!({"event_type": pair.event_type, "by": pair.by, "metric": pair.metric,
           "verdict": judgement_word(pair.judgement()), "before": side(&pair.before), "after": side(&pair.after),
           "change": change, "why_undecided": why_undecided(pair),
           "change_is": if pair.metric == SUCCESS { "difference" } else { "relative" }})
}

fn gate_json(gated: &GateLine) -> Value {
    json!({"gate": gated.spec.text, "event_type": gated.pair.event_type, "result": result_word(gated.result),
           "why": why(gated), "needs_n": gated.needed()})
}
