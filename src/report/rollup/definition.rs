//! Names the keys from which the figures of a rollup were made: figures of other keys are not put together.

use sha2::{Digest, Sha256};

use crate::report::observe::{By, Questions};
use crate::report::question::Question;
use crate::store::read::{Asked, Choice};
use crate::store::rolled::Making;

/// The form of the figures. Those of another form are refused.
const FORM: u8 = 2;
/// Keys of the context with the name of a column.
const COLUMNS: [&str; 7] = ["hour", "day", "event_type", "source", "severity", "restaurant_id", "booking_id"];

/// Names the keys from which the figures of this event type are read.
pub(super) fn definition(questions: &Questions, event_type: &str) -> String {
    let keys = questions.measured().filter_map(|asked| match asked {
        Asked::Key(choice) => Some(choice.keys(event_type).join("\0")),
        _ => None,
    });
    name(keys)
}

/// Names all rules, as far as a rollup depends on them.
pub(super) fn making(question: &Question, questions: &Questions, keys: &[String]) -> Making {
    let asked = questions.measured().map(|asked| match asked {
        Asked::Key(Choice { of, otherwise }) => {
            let of: Vec<_> = of.iter().map(|(name, keys)| format!("{name}\0{}", keys.join("\0"))).collect();
            format!("{}\u{1}{}", of.join("\u{1}"), otherwise.join("\0"))
        }
        _ => String::new(),
    });
    let by = question.rule_keys().into_iter().map(|(name, keys)| format!("{name}\0{}", keys.join("\0")));
    Making { keys: keys.join(","), definition: name(asked.chain(by)) }
}

fn name(parts: impl Iterator<Item = String>) -> String {
    let mut hash = Sha256::new();
    hash.update([FORM]);
    for part in parts {
        hash.update(part.as_bytes());
        hash.update([2]);
    }
    hash.finalize().iter().take(8).map(|byte| format!("{byte:02x}")).collect()
}

/// The name of a key that rows of this event type are grouped by.
pub(super) fn group(by: &By, event_type: &str) -> Option<String> {
    match by {
        By::Hour | By::Day => None,
        By::Text(asked) => key(asked, event_type),
    }
}

pub(super) fn key(asked: &Asked, event_type: &str) -> Option<String> {
    Some(match asked {
        Asked::Id | Asked::Context => return None,
        Asked::EventType => "event_type".to_owned(),
        Asked::Source => "source".to_owned(),
        Asked::Severity => "severity".to_owned(),
        Asked::RestaurantId => "restaurant_id".to_owned(),
        Asked::BookingId => "booking_id".to_owned(),
        Asked::Key(choice) => {
            let key = choice.keys(event_type).first()?;
            if COLUMNS.contains(&key.as_str()) { format!("context.{key}") } else { key.clone() }
        }
    })
}
