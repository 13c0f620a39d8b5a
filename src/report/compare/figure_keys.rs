//! The keys from which the figures of a side were read: values of other keys are not compared.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::rows::named;
use super::snapshot::Snapshot;
use super::words::{Line, own};
use crate::error::Error;
use crate::report::keys::success_tests;
use crate::report::observe::{ATTEMPTS, DURATION, Questions, SUCCESS};
use crate::rules::Rules;
use crate::store::read::Asked;

/// In a log the rules judge the success, and in a database the recorder has done so.
const JUDGED: &str = "success in logs";

/// Event type → measurement → its keys. The first key that a row has counts.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct FigureKeys(BTreeMap<String, BTreeMap<String, String>>);

impl FigureKeys {
    /// `judging` has the rules by which the success in a log was judged.
    pub(super) fn new<'a>(
        questions: &Questions,
        judging: Option<&Rules>,
        event_types: impl Iterator<Item = &'a str>,
    ) -> Self {
        let of = |event_type: &str| {
            let all = [("duration", DURATION), ("success", SUCCESS), ("attempts", ATTEMPTS)];
            let keys = all.map(|(name, place)| match questions.selection().asked.get(place) {
                Some(Asked::Key(choice)) => (name.to_owned(), choice.keys(event_type).join(" or ")),
                _ => (name.to_owned(), String::new()),
            });
            let judged = judging.map(|rules| (JUDGED.to_owned(), success_tests(rules, event_type)));
            keys.into_iter().chain(judged).filter(|(_, keys)| !keys.is_empty()).collect()
        };
        Self(event_types.map(|event_type| (event_type.to_owned(), of(event_type))).collect())
    }
}

/// Fails if both sides know their keys, and those of an event type differ.
pub(super) fn check(before: &Snapshot, after: &Snapshot) -> Result<(), Error> {
    let (Some(FigureKeys(before)), Some(FigureKeys(after))) = (&before.keys, &after.keys) else {
        return Ok(());
    };
    for (event_type, keys) in before {
        let Some(others) = after.get(event_type).filter(|others| *others != keys) else { continue };
        let key = |keys: &BTreeMap<String, String>, name: &str| {
            keys.get(name).map_or("no key".to_owned(), |keys| named(keys))
        };
        let differs = |name: &&String| match (keys.get(*name), others.get(*name)) {
            (None, _) | (_, None) if *name == JUDGED => false,
            (one, other) => one != other,
        };
        let Some(name) = keys.keys().chain(others.keys()).find(differs) else { continue };
        return Err(Error::config(format!(
            "the {name} of {} was read from {} before, and is read from {} after, because the rules differ: compare with the \
             --rules of the baseline, or save the baseline again with these rules",
            named(event_type),
            key(keys, name),
            key(others, name)
        )));
    }
    Ok(())
}

/// The line about sides that do not know their keys.
pub(super) fn unknown_keys_line(before: &Snapshot, after: &Snapshot) -> Option<Line> {
    let sides = [("before", before), ("after", after)].into_iter();
    let unknown: Vec<_> = sides.filter(|(_, side)| side.keys.is_none()).map(|(name, _)| name).collect();
    let sides = unknown.join(" and the side ");
    (!unknown.is_empty()).then(|| {
        vec![own(format!(
            "The keys of the figures of the side {sides} are not known: a baseline of an earlier version does not keep them. \
             Save it again, so that a comparison by other rules is refused."
        ))]
    })
}
