//! Which rows a report reads, and what it asks of each.

use std::cmp::Ordering;
use std::sync::Arc;
use std::time::SystemTime;

use jiff::Timestamp;

use super::ReadRow;
use super::context::Context;
use crate::columns::ColumnMap;
use crate::row::LOSS_TYPE;
use crate::store::time;

/// Which rows to read, and what to read of each.
#[derive(Clone, Debug, Default)]
pub(crate) struct Selection {
    /// `None` for all.
    pub(crate) event_types: Option<Vec<String>>,
    /// Rows from this moment on; `None` for all rows.
    pub(crate) since: Option<SystemTime>,
    /// Rows before this moment; `None` for all rows.
    pub(crate) until: Option<SystemTime>,
    /// The texts of a [`Reading`], in this order.
    pub(crate) asked: Vec<Asked>,
    /// All must hold.
    pub(crate) conditions: Vec<Condition>,
    /// Which keys fill columns of other names.
    pub(crate) columns: Arc<ColumnMap>,
    /// One of these places in `asked` must have this text, unless there are none.
    pub(crate) any: Vec<(usize, String)>,
    /// Whether rows of `ledger.loss` are passed on too, whatever the event types and the conditions.
    pub(crate) losses: bool,
}

/// The event type of the rows that say how many others are missing.
pub(crate) const LOSS: &str = LOSS_TYPE;

/// One text of a row.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Asked {
    /// The primary key, as hyphenated text.
    Id,
    EventType,
    Source,
    Severity,
    /// The column, else the key of the same name in the context, which has the ids that are no UUIDs.
    RestaurantId,
    BookingId,
    /// All of the context, as JSON text.
    Context,
    Key(Choice),
}

/// A key of the context, which depends on the event type.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Choice {
    /// The keys of some event types.
    pub(crate) of: Vec<(String, Vec<String>)>,
    /// The keys of all others. Of several keys, the first with a value counts.
    pub(crate) otherwise: Vec<String>,
}

/// A condition on a value, such as `status>=500`.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Condition {
    /// The place of the value in [`Selection::asked`].
    pub(crate) asked: usize,
    pub(crate) comparison: Comparison,
    pub(crate) value: String,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Comparison {
    Equal,
    NotEqual,
    Below,
    AtMost,
    Above,
    AtLeast,
}

/// The values that a report takes from one row.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Reading<'a> {
    /// `None` for a value that is not a time here, such as `infinity`.
    pub(crate) created_at: Option<Timestamp>,
    pub(crate) event_type: &'a str,
    /// Whether the context is a JSON object, or null.
    pub(crate) is_readable: bool,
    /// The texts that [`Selection::asked`] names. A string of JSON has its contents, any other value its JSON text, and
    /// null has none.
    pub(crate) texts: &'a [Option<&'a str>],
}

/// 0001-01-01T00:00:00Z, in seconds since 1970.
const START: i64 = -62_135_596_800;

impl Selection {
    /// `None` where no database has an earlier row: neither knows a year before 1 in this form.
    pub(crate) fn since_text(&self) -> Option<String> {
        moment(self.since).filter(|since| since.as_second() >= START).map(time::text)
    }

    /// `None` for all rows. A time before the year 1 becomes the beginning of that year.
    pub(crate) fn until_text(&self) -> Option<String> {
        let start = Timestamp::from_second(START).unwrap_or(Timestamp::MIN);
        moment(self.until).map(|until| time::text(until.max(start)))
    }

    /// Reads what is asked of a whole row, and passes it on if the row is selected.
    pub(crate) fn offer(&self, row: &ReadRow, each: &mut (dyn FnMut(&Reading<'_>) + Send)) {
        let is_read = self.names(&row.event_type) || self.losses && row.event_type == LOSS;
        if !is_read || !self.takes(row.created_at) {
            return;
        }
        let context = row.context.as_deref().and_then(Context::parse);
        let texts: Vec<_> = self.asked.iter().map(|asked| asked.text(row, context.as_ref())).collect();
        let texts: Vec<_> = texts.iter().map(Option::as_deref).collect();
        let reading = Reading {
            created_at: row.created_at,
            event_type: &row.event_type,
            is_readable: context.is_some() || row.context.as_deref().is_none_or(|text| text.trim() == "null"),
            texts: &texts,
        };
        self.pass(&reading, each);
    }

    /// Passes a row on, if it is about losses or meets the conditions.
    pub(crate) fn pass(&self, reading: &Reading<'_>, each: &mut (dyn FnMut(&Reading<'_>) + Send)) {
        if self.is_loss(reading) || self.holds(reading) {
            each(reading);
        }
    }

    /// Whether the row is passed on because it says how many others are missing.
    pub(crate) fn is_loss(&self, reading: &Reading<'_>) -> bool {
        self.losses && reading.event_type == LOSS
    }

    /// Whether a row that was passed on has the event type and meets the conditions.
    pub(crate) fn asks_for(&self, reading: &Reading<'_>) -> bool {
        !self.is_loss(reading) || self.names(reading.event_type) && self.holds(reading)
    }

    /// The event types to read; `None` for all.
    pub(crate) fn read_types(&self) -> Option<Vec<&str>> {
        let types = self.event_types.as_ref()?.iter().map(String::as_str);
        Some(types.chain(self.losses.then_some(LOSS)).collect())
    }

    fn names(&self, event_type: &str) -> bool {
        self.event_types.as_ref().is_none_or(|types| types.iter().any(|name| name == event_type))
    }

    /// Whether the row is of the time that is asked for. A row without a readable time is.
    pub(crate) fn takes(&self, created_at: Option<Timestamp>) -> bool {
        let Some(created_at) = created_at else { return true };
        moment(self.since).is_none_or(|since| created_at >= since)
            && moment(self.until).is_none_or(|until| created_at < until)
    }

    /// Whether all conditions hold.
    pub(crate) fn holds(&self, reading: &Reading<'_>) -> bool {
        let text = |asked: usize| reading.texts.get(asked).copied().flatten();
        let mut any = self.any.iter();
        (self.any.is_empty() || any.any(|(asked, wanted)| text(*asked) == Some(wanted)))
            && self.conditions.iter().all(|condition| condition.holds(text(condition.asked)))
    }
}

fn moment(time: Option<SystemTime>) -> Option<Timestamp> {
    let time = time?;
    match time::microseconds(time) {
        // No row is as late as that.
        None if time > SystemTime::UNIX_EPOCH => Some(Timestamp::MAX),
        None => Some(Timestamp::MIN),
        moment => moment,
    }
}

impl Asked {
    fn text(&self, row: &ReadRow, context: Option<&Context<'_>>) -> Option<String> {
        let or_key = |column: &Option<String>, key| column.clone().or_else(|| context?.text(key));
        match self {
            Self::Id => row.id.clone(),
            Self::Context => row.context.clone(),
            Self::EventType => Some(row.event_type.clone()),
            Self::Source => row.source.clone(),
            Self::Severity => row.severity.clone(),
            Self::RestaurantId => or_key(&row.restaurant_id, "restaurant_id"),
            Self::BookingId => or_key(&row.booking_id, "booking_id"),
            Self::Key(choice) => choice.keys(&row.event_type).iter().find_map(|key| context?.text(key)),
        }
    }
}

impl Choice {
    /// The same key for every event type.
    pub(crate) fn always(key: impl Into<String>) -> Self {
        Self { of: Vec::new(), otherwise: vec![key.into()] }
    }

    pub(crate) fn keys(&self, event_type: &str) -> &[String] {
        let own = self.of.iter().find(|(name, _)| name == event_type);
        own.map_or(&self.otherwise, |(_, keys)| keys)
    }
}

impl Condition {
    /// Equal is the same text, as in groups: version 1.1 is not 1.10. Above and below, numbers compare as numbers and other
    /// values as text. A row without the value differs from every value, and is neither above nor below one.
    fn holds(&self, text: Option<&str>) -> bool {
        let Some(text) = text else { return self.comparison == Comparison::NotEqual };
        let is_order = !matches!(self.comparison, Comparison::Equal | Comparison::NotEqual);
        let number = |text: &str| text.parse::<f64>().ok().filter(|number| is_order && number.is_finite());
        let numbers = number(text).zip(number(&self.value));
        let order = numbers.and_then(|(one, other)| one.partial_cmp(&other));
        self.comparison.allows(order.unwrap_or_else(|| text.cmp(&self.value)))
    }
}

impl Comparison {
    fn allows(self, order: Ordering) -> bool {
        match self {
            Self::Equal => order.is_eq(),
            Self::NotEqual => order.is_ne(),
            Self::Below => order.is_lt(),
            Self::AtMost => order.is_le(),
            Self::Above => order.is_gt(),
            Self::AtLeast => order.is_ge(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn equal_is_the_same_text_and_numbers_have_an_order() {
        let holds = |text: &str, comparison, value: &str| {
            Condition { asked: 0, comparison, value: value.to_owned() }.holds(Some(text))
        };
        for (text, other) in
            [("1.1", "1.10"), ("007", "7"), ("1e3", "1000"), ("7e512345", "9e999"), ("1.1", "nan")]
        {
            assert!(
                !holds(text, Comparison::Equal, other) && holds(text, Comparison::NotEqual, other),
                "{text}"
            );
            assert!(
                holds(text, Comparison::Equal, text) && !holds(text, Comparison::NotEqual, text),
                "{text}"
            );
        }
        assert!(holds("nan", Comparison::Equal, "nan"));
        assert!(holds("1000", Comparison::Above, "500") && holds("9.5", Comparison::Below, "10"));
        assert!(holds("500.0", Comparison::AtLeast, "500") && holds("1e3", Comparison::AtMost, "1000"));
        assert!(holds("b", Comparison::Above, "a"));
    }
}
