//! Single calls: the slowest and the failed ones, each with its context.

use maud::{Markup, html};
use serde_json::{Map, Value};

use super::show::{Days, Shown, fields, foreign};
use crate::escape::visible_json;
use crate::outcome::Outcome;
use crate::report::answer::{Report, moment_text};
use crate::report::detail::{Detail, ListedCall};

/// More calls of the whole page are in the JSON alone, to keep the page small.
const MOST_CALLS: usize = 200;
/// Of a list; the rest is folded.
const UNFOLDED: usize = 8;
/// Longer contexts are cut.
const MOST_CONTEXT: usize = 4_000;

/// How many calls each list of the report may show, so that all of them together stay within the limit.
pub(super) fn fair_share(report: &Report) -> usize {
    let details = report.events.iter().filter_map(|event| event.detail.as_ref());
    let lists: Vec<usize> = details.flat_map(|detail| [detail.slowest.len(), detail.failed.len()]).collect();
    let all = |share: usize| lists.iter().map(|length| share.min(*length)).sum::<usize>();
    (0..=MOST_CALLS).rev().find(|share| all(*share) <= MOST_CALLS).unwrap_or_default()
}

pub(super) fn calls(report: &Report, detail: &Detail, most: usize) -> Markup {
    let days = Days::of(report);
    html! {
        (list("Slowest calls of this event type", "slowest", &detail.slowest, most, days))
        (list("Failed calls of this event type, the newest first", "failed", &detail.failed, most, days))
    }
}

fn list(title: &str, key: &str, calls: &[ListedCall], most: usize, days: Days) -> Markup {
    let most = most.min(calls.len());
    let left_out = calls.len() - most;
    html! {
        @if !calls.is_empty() {
            h3 { (title) }
            div.calls data-at={ "/detail/" (key) } data-each="/duration_ms" {
                (each(&calls[..most.min(UNFOLDED)], 0, days))
                @if most > UNFOLDED {
                    details.more {
                        summary { (most - UNFOLDED) " more" }
                        (each(&calls[UNFOLDED..most], UNFOLDED, days))
                    }
                }
            }
            @if left_out > 0 { p.soft { (left_out) " more in the JSON." } }
        }
    }
}

fn each(calls: &[ListedCall], first: usize, days: Days) -> Markup {
    html! {
        @for (place, call) in (first..).zip(calls) {
            details data-at={ "/" (place) } {
                summary { (line(call, days)) }
                pre { (named_fields(call)) (context(&call.context)) }
            }
        }
    }
}

fn line(call: &ListedCall, days: Days) -> Markup {
    let duration = Shown::duration(call.duration_ms);
    html! {
        @if call.duration_ms.is_some() {
            b data-value=[duration.raw] { (duration.text) } " · "
        }
        // A planner that returns and finds nothing is `ok` without success.
        @if call.success == Some(false) && call.outcome.as_deref() == Some(Outcome::Ok.as_str()) {
            "no success · "
        } @else if let Some(outcome) = &call.outcome {
            (foreign(outcome)) " · "
        }
        @if let Some(reason) = &call.reason { (foreign(reason)) " · " }
        (days.moment(call.created_at))
    }
}

fn named_fields(call: &ListedCall) -> String {
    let at = moment_text(call.created_at);
    fields(&[
        ("created_at", &at),
        ("id", &call.id),
        ("booking", &call.booking_id),
        ("restaurant", &call.restaurant_id),
        ("source", &call.source),
        ("severity", &call.severity),
    ])
}

fn context(context: &Map<String, Value>) -> String {
    let text = visible_json(serde_json::to_string_pretty(context).unwrap_or_default());
    match text.char_indices().nth(MOST_CONTEXT) {
        Some((end, _)) => format!("{}… ({} bytes)", &text[..end], text.len()),
        None => text,
    }
}
