//! The notice about a callsite whose calls report no outcome, with the cause as far as it can be known.

use std::time::Instant;

use tracing::Metadata;
use tracing::level_filters::{LevelFilter, STATIC_MAX_LEVEL};

use super::words::place;
use crate::rules::model::Success;
use crate::rules::plan::{PROVING_CALLS, Plan, RowPlan};

/// The most callsites that one line names.
const NAMED: usize = 2;

/// Why outcomes of these callsites are unknown, and what to do: one line for each cause. `registered` are all callsites of
/// the program.
pub(super) fn unknown(
    due: &[&'static Plan],
    registered: &[&'static Metadata<'static>],
) -> impl Iterator<Item = String> {
    let mut causes = Vec::<(String, Vec<String>)>::new();
    for plan in due {
        let Some(cause) = plan.row().and_then(|row| cause(plan, row, registered)) else { continue };
        match causes.iter_mut().find(|(other, _)| *other == cause) {
            Some((_, places)) => places.push(place(plan.meta)),
            None => causes.push((cause, vec![place(plan.meta)])),
        }
    }
    causes.into_iter().map(|(cause, places)| match &*places {
        [one] => format!("the outcome of {one} is unknown: {cause}"),
        [one, other] => format!("the outcomes of {one} and {other} are unknown: {cause}"),
        more => {
            let rest = more.len() - NAMED;
            format!("the outcomes of {} and {rest} more are unknown: {cause}", more[..NAMED].join(", "))
        }
    })
}

fn cause(plan: &Plan, row: &RowPlan, registered: &[&'static Metadata<'static>]) -> Option<String> {
    let Success { field, .. } = &row.rule.success;
    let is_told_by_ret = registered.iter().any(|event| plan.returns_by(event));
    if is_told_by_ret || plan.is_return_hidden(Instant::now()) {
        let target = plan.meta.target();
        return Some(format!(
            "another filter hides the event that its `ret` emits: let the events of {target:?} pass at that level, or \
             attach the filter to the layer that it is meant for"
        ));
    }
    if row.rule.success.is_compared() {
        let remedy = "or \"take\" it from an event";
        return match row.slot_of(field, plan.meta) {
            None => Some(format!(
                "its rule reads the success from {field:?}, which the span does not declare: declare it, {remedy}"
            )),
            // The events of other crates are what they are.
            Some(_) if row.rule.is_builtin() => None,
            Some(_) => Some(format!(
                "its rule reads the success from {field:?}, of which a call had no value: record it, {remedy}"
            )),
        };
    }
    let result = if row.rule.keys.result.is_some() { "result" } else { "success as a bool" };
    let learning = plan.is_learning().then(|| {
        format!(
            "{PROVING_CALLS} calls in a row that look like those of a function are needed to be sure that it is no future; to know the outcome from the first call on, "
        )
    });
    let unseen = "no call has reported so far what it returned; ";
    Some(format!(
        "{}{}; without #[instrument], record the field {result}",
        learning.as_deref().unwrap_or(unseen),
        report(learning.is_some())
    ))
}

/// How a function reports what it returns, by an event that neither the compiler nor a filter takes away.
fn report(is_function: bool) -> String {
    // The compiler removes the event of a more verbose `ret`, so that one would report nothing.
    let compiled = STATIC_MAX_LEVEL.min(LevelFilter::TRACE);
    // Once the subscriber is gone, nothing passes, which tells nothing about its filters.
    let passing = compiled.min(LevelFilter::current());
    if passing < compiled && passing > LevelFilter::OFF {
        return format!(
            "the filters of the program (or the ledger's max_level) let nothing more verbose than {passing} through, and \
             hide the event of `ret(level = \"{compiled}\")`: attach each filter to the layer that it is meant for, or write \
             `ret(level = \"{passing}\")` in its #[instrument], and `err` if it returns a Result"
        );
    }
    let why = if compiled < LevelFilter::TRACE {
        format!(
            "; this program was compiled without events more verbose than {compiled} (a feature such as \
             release_max_level_info of tracing)"
        )
    } else {
        String::new()
    };
    let unless = if is_function { "" } else { "unless all were dropped, " };
    format!(
        "{unless}write `ret(level = \"{compiled}\")` in its #[instrument], and `err` if it returns a Result{why}"
    )
}
