//! Rows that a check offers to a database.

use crate::row::Row;

/// The event types that a line names at most.
#[cfg(any(feature = "postgres", feature = "sqlite"))]
const NAMED: usize = 5;

/// A row to try.
#[cfg_attr(
    not(any(feature = "postgres", feature = "sqlite")),
    expect(dead_code, reason = "only databases read it")
)]
#[derive(Clone, Debug)]
pub(crate) struct Trial {
    pub(crate) row: Row,
    /// The columns whose values are made up, because only callsites and calls know them.
    pub(crate) guessed: Vec<&'static str>,
    /// Whether a rule that the user can change makes such a row.
    #[cfg_attr(
        all(feature = "sqlite", not(feature = "postgres")),
        expect(dead_code, reason = "only messages about Postgres name the rules")
    )]
    pub(crate) is_of_own_rule: bool,
    /// Whether its context is as in real rows, without fields that only calls know.
    pub(crate) is_whole: bool,
}

#[cfg(any(feature = "postgres", feature = "sqlite"))]
impl Trial {
    /// Such as `"orders.create", "orders.pay" (warning)`: with the severities if `all` has the event type with others too.
    pub(super) fn labels(some: &[Self], all: &[Self]) -> String {
        let mut types: Vec<&str> = Vec::new();
        for trial in some {
            if !types.contains(&&*trial.row.event_type) {
                types.push(&trial.row.event_type);
            }
        }
        let label = |event_type: &&str| {
            let severities = Self::severities(some, event_type);
            let is_all = severities == Self::severities(all, event_type);
            if is_all {
                format!("{event_type:?}")
            } else {
                format!("{event_type:?} ({})", severities.join(", "))
            }
        };
        let labels: Vec<_> = types.iter().take(NAMED).map(label).collect();
        let more = match types.len().saturating_sub(NAMED) {
            0 => String::new(),
            1 => " and 1 other".to_owned(),
            more => format!(" and {more} others"),
        };
        labels.join(", ") + &more
    }

    fn severities(trials: &[Self], event_type: &str) -> Vec<&'static str> {
        let of_type = trials.iter().filter(|trial| &*trial.row.event_type == event_type);
        let mut severities: Vec<_> = of_type.map(|trial| trial.row.severity).collect();
        severities.sort_unstable();
        severities.dedup();
        severities.into_iter().map(|severity| severity.as_str()).collect()
    }
}
