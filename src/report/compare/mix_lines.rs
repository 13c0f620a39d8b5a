//! Whether the mix of calls moved, in sentences.

use std::collections::BTreeSet;

use super::compared::Compared;
use super::mix::{self, MixShare};
use super::tally::MEDIAN;
use super::words::{Line, amount, foreign, own, range};

pub(super) fn mix_lines(compared: &Compared) -> Vec<Line> {
    let shares = mix::shares(&compared.before, &compared.after);
    let mut lines: Vec<_> = unknown_mix_line(compared, &shares).into_iter().collect();
    let moved: Vec<_> = shares.iter().filter(|share| share.has_moved()).collect();
    if moved.is_empty() && !shares.is_empty() {
        let keys: BTreeSet<_> = shares.iter().map(|share| share.key.as_str()).collect();
        let keys = keys.into_iter().collect::<Vec<_>>().join(", ");
        let same = " has moved by at most 5 points.";
        lines.push(vec![own("The mix of calls by "), foreign(keys), own(same)]);
    }
    for share in &moved {
        lines.push(vec![
            own("The mix has moved: "),
            foreign(format!("{} of {}, {}", share.key, share.event_type, share.value)),
            own(format!(" from {:.1}% to {:.1}%.", share.before * 100.0, share.after * 100.0)),
        ]);
    }
    let mut events: Vec<_> = moved.iter().map(|share| &share.event_type).collect();
    events.dedup();
    for (event, metric) in events.into_iter().flat_map(|event| [(event, MEDIAN), (event, "p95")]) {
        let Some(at) = mix::at_the_mix_before(compared, event, metric) else { continue };
        let (change, within) = (amount(metric, at.change), range(metric, at.within));
        let share =
            format!(", over the groups of both sides, which had {:.1}% of the calls", at.covered * 100.0);
        let of = if at.covered < 1.0 { share } else { String::new() };
        lines.push(vec![
            own(format!("At the mix before, {metric} of ")),
            foreign(event),
            own(format!(" changes by {change} ({within}){of}.")),
        ]);
    }
    lines
}

/// The event types that no key divides.
fn unknown_mix_line(compared: &Compared, shares: &[MixShare]) -> Option<Line> {
    let is_known = |event: &str| shares.iter().any(|share| share.event_type == event);
    let both = compared.before.mix.keys().filter(|event| compared.after.mix.contains_key(*event));
    let unknown: Vec<_> = both.filter(|event| !is_known(event)).map(String::as_str).collect();
    let remedy = own(": name keys with --by.");
    match () {
        () if unknown.is_empty() => None,
        () if shares.is_empty() => {
            Some(vec![own("No key is known by which to look at the mix of calls"), remedy])
        }
        () => {
            let of = own("No key is known by which to look at the mix of ");
            Some(vec![of, foreign(unknown.join(", ")), remedy])
        }
    }
}
