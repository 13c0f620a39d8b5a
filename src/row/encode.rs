//! Record → row: names, outcome, reason, JSON. Runs on the writer's thread, off the hot path.

use std::cell::Cell;
use std::iter;
use std::ops::RangeInclusive;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use uuid::{NoContext, Timestamp, Uuid};

use super::Row;
use super::end_values::{EndValues, Given};
use super::json::{Json, Object};
use super::remedy::{NamedColumn, notice_name, notice_unknown};
use crate::outcome::Outcome;
use crate::record::{Head, Ids, Tally, Value, Values};
use crate::rules::model::{Figure, ID_KEYS, Redact, SeverityRule};
use crate::rules::plan::{Destination, NameField, RowPlan};
use crate::rules::range::range_of;
use crate::rules::reason::NO_CODE;
use crate::severity::Severity;

/// The number of keys in a usual context.
const USUAL_KEYS: usize = 16;

/// How many times both clocks are read for one anchor.
const READINGS: u32 = 3;

/// One moment on both clocks. It converts the monotonic times of the hot path to wall-clock time.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Anchor {
    wall: SystemTime,
    monotonic: Instant,
}

impl Anchor {
    /// The closest of a few readings. An interruption of the thread between the two clocks would shift the time.
    pub(crate) fn now() -> Self {
        let reading = |_| {
            let (monotonic, wall) = (Instant::now(), SystemTime::now());
            (monotonic.elapsed(), Self { wall, monotonic })
        };
        let closest = (0..READINGS).map(reading).min_by_key(|(gap, _)| *gap);
        closest.map_or_else(|| reading(0).1, |(_, anchor)| anchor)
    }

    /// The wall-clock time of `moment`, cut to microseconds as in Postgres. On Linux the monotonic clock stops while the
    /// machine is suspended, so the time of a call before a suspend is late by its length.
    fn wall(&self, moment: Instant) -> SystemTime {
        let ago = self.monotonic.saturating_duration_since(moment);
        // A record can end after the anchor, while others are taken from the queue.
        let ahead = moment.saturating_duration_since(self.monotonic);
        let wall = self.wall.duration_since(UNIX_EPOCH).unwrap_or_default();
        let since_epoch = wall.saturating_sub(ago).saturating_add(ahead);
        UNIX_EPOCH + Duration::new(since_epoch.as_secs(), since_epoch.subsec_micros() * 1000)
    }
}

impl Row {
    /// Makes the row of a record and fixes its id and time, which stay the same for every try.
    pub(crate) fn from_record(head: &Head, values: Values<'_>, anchor: Anchor) -> Option<Self> {
        let row = head.plan.row()?;
        head.plan.made_row(values.own().map(|(field, _)| field), values.truncated);
        let created_at = anchor.wall(head.ended);
        let mut context = Object::with_room(USUAL_KEYS);
        let given = own_fields(&mut context, values, row);
        let severity = if head.plan.meta.is_span() {
            let judgement = EndValues::of(head, values, row, &given);
            if judgement.outcome == Outcome::Unknown {
                notice_unknown(head, row, judgement.unclear);
            }
            span_context(&mut context, head, row, &judgement, &given);
            collected(&mut context, values.tallies, row);
            let natural = natural_of_call(&row.rule.severity, judgement.outcome, judgement.success);
            severity(head, values, row, natural)
        } else {
            severity(head, values, row, natural_of_level(*head.plan.meta.level()))
        };
        if row.has_ids {
            ids(&mut context, head.ids().unwrap_or_default(), row.is_span);
        }
        for key in &row.rule.or_null {
            context.set_default(key, Json::Null);
        }
        if values.truncated {
            context.set("_truncated", Value::Bool(true).into());
        }
        let names = row.names.as_deref();
        let source = names.and_then(|names| names.source.as_ref());
        let event_type = names.and_then(|names| names.event_type.as_ref());
        Some(Self {
            id: time_ordered_id(created_at),
            created_at,
            source: name(head, source, values, &row.source, NamedColumn::Source),
            event_type: name(head, event_type, values, &row.event_type, NamedColumn::EventType),
            severity,
            restaurant_id: context.take_uuid("restaurant_id"),
            booking_id: context.take_uuid("booking_id"),
            context: context.into_json(),
        })
    }
}

/// The name that the record gives in this field, or else the one that its rule gives.
fn name(
    head: &Head,
    field: Option<&NameField>,
    values: Values<'_>,
    by_rule: &Arc<str>,
    named: NamedColumn,
) -> Arc<str> {
    let Some(field) = field else { return Arc::clone(by_rule) };
    let value = values.get(field.index);
    let text = value.and_then(Value::text).map(str::trim).filter(|text| !text.is_empty());
    text.map_or_else(
        || {
            notice_name(head, field.index, value, named);
            Arc::clone(by_rule)
        },
        |text| field.name(text),
    )
}

/// A UUIDv7 of the moment the span ended, so that ids sort like `created_at` and index pages fill in order.
///
/// Each millisecond gets random bits. Within one, the ids of a thread count up (RFC 9562, section 6.2, method 2), because
/// random bits from the kernel for every id would be a sixth of the work for a row.
fn time_ordered_id(at: SystemTime) -> Uuid {
    thread_local! {
        static LAST: Cell<Uuid> = const { Cell::new(Uuid::nil()) };
    }
    let since_epoch = at.duration_since(UNIX_EPOCH).unwrap_or_default();
    let next = successor(LAST.get()).filter(|next| is_of(*next, since_epoch)).unwrap_or_else(|| {
        Uuid::new_v7(Timestamp::from_unix(NoContext, since_epoch.as_secs(), since_epoch.subsec_nanos()))
    });
    LAST.set(next);
    next
}

/// The next id in the same millisecond, unless its random bits are used up.
fn successor(id: Uuid) -> Option<Uuid> {
    const RANDOM: u128 = (1 << 62) - 1;
    (id.as_u128() & RANDOM != RANDOM).then(|| Uuid::from_u128(id.as_u128() + 1))
}

fn is_of(id: Uuid, since_epoch: Duration) -> bool {
    id.as_u128() >> 80 == since_epoch.as_millis()
}

/// The measured values of a span.
fn span_context<'a>(
    context: &mut Object<'a>,
    head: &'a Head,
    row: &'a RowPlan,
    judgement: &EndValues<'a>,
    given: &Given<'a>,
) {
    let keys = &row.rule.keys;
    let success = judgement.success.map_or(Json::Null, |success| Value::Bool(success).into());
    put(context, &keys.duration, Json::millis(head.duration()));
    put(context, &keys.outcome, Json::text(judgement.outcome.as_str()));
    put(context, &keys.success, success);
    if let Some(key) = &keys.error {
        error(context, key, row, judgement, given);
    }
    put(context, &keys.result, Json::word(judgement.result));
    put(context, &keys.reason, judgement.reason.map_or(Json::Null, Json::word));
    if judgement.success != Some(true) {
        reason_code(context, head, row, judgement);
    }
    if let Some((_, key)) = &row.rule.number_within
        && !context.has_integer(key)
    {
        // A call outside of such a span has the number 0.
        context.set(key, Value::U64(head.number.unwrap_or(0).into()).into());
    }
}

/// Sets a measured value, if the rule has a key for it.
fn put<'a>(context: &mut Object<'a>, key: &'a Option<String>, value: Json<'a>) {
    if let Some(key) = key {
        context.set(key, value);
    }
}

/// The text of the error or panic. Without such a text, the span's own field `error` has the key.
fn error<'a>(
    context: &mut Object<'a>,
    key: &'a str,
    row: &RowPlan,
    judgement: &EndValues<'a>,
    given: &Given<'a>,
) {
    let text = judgement.error.filter(|_| redacts_error(row) != Some(Redact::Drop));
    if let Some((kept, value)) = given.error {
        context.set(if text.is_some() { kept } else { key }, value.into());
    }
    if let Some(text) = text {
        context.set(key, Json::text(text));
    }
}

/// The ids that join rows, in lowercase hex. Events have no parent: their span is the one around them.
fn ids(context: &mut Object<'_>, ids: Ids, is_span: bool) {
    let hex = |id: u128, digits| if id == 0 { Json::Null } else { Json::Owned(format!("{id:0digits$x}")) };
    let [trace, span, parent] = ID_KEYS;
    context.set(trace, hex(ids.trace, 32));
    context.set(span, hex(ids.span.into(), 16));
    if is_span {
        context.set(parent, hex(ids.parent.into(), 16));
    }
}

/// The tallies of the calls within the span.
fn collected<'a>(context: &mut Object<'a>, tallies: &[Tally], row: &'a RowPlan) {
    let tallies = tallies.iter().copied().chain(iter::repeat(Tally::default()));
    for (collect, tally) in row.rule.collect.iter().zip(tallies) {
        let value = match collect.figure {
            Figure::Count => Value::U64(tally.count.into()).into(),
            Figure::Total => Json::millis(Duration::from_nanos(tally.total)),
        };
        context.set(&collect.key, value);
    }
}

/// The code and category of a call that did not succeed, found in the reason or in the error.
fn reason_code<'a>(context: &mut Object<'a>, head: &Head, row: &'a RowPlan, judgement: &EndValues<'a>) {
    let own = judgement.reason.and_then(Value::text).filter(|_| !judgement.is_exception);
    let found = match own {
        None if redacts_error(row).is_some() => head.code(),
        own => own.or(judgement.error).and_then(|text| row.rule.reason_codes.code_of(text)),
    };
    let (code, category) = match found {
        Some((category, code)) => (Json::Owned(format!("{category}.{code}")), Json::text(category)),
        None => (Json::text(NO_CODE), Json::text(NO_CODE)),
    };
    put(context, &row.rule.keys.reason_code, code);
    put(context, &row.rule.keys.reason_category, category);
}

fn redacts_error(row: &RowPlan) -> Option<Redact> {
    row.redaction.as_ref()?.error
}

/// The fields, then the inherited ones, then the constants of the rule. The first with a key wins.
fn own_fields<'a>(context: &mut Object<'a>, values: Values<'a>, row: &'a RowPlan) -> Given<'a> {
    let nested = row.rule.nest.iter().map(|nest| Object::with_room(nest.keys.len())).collect();
    let mut places = ContextParts { context, nested, given: Given::default() };
    for (field, value) in values.own() {
        places.put(row.fields.get(field), value);
    }
    let given = std::mem::take(&mut places.given);
    for (index, value) in values.inherited() {
        let destination =
            row.inherits.iter().find(|(at, _)| usize::from(*at) == index).map(|(_, destination)| destination);
        places.put(destination, value);
    }
    let ContextParts { context, nested, .. } = places;
    for (key, value) in &row.rule.set {
        context.set_default(key, Json::Constant(value));
    }
    for (nest, mut object) in row.rule.nest.iter().zip(nested) {
        for (_, key) in &nest.keys {
            object.set_default(key, Json::Null);
        }
        context.set(&nest.key, Json::Object(object));
    }
    given
}

/// The context and its nested objects.
struct ContextParts<'a, 'c> {
    context: &'c mut Object<'a>,
    /// One for each entry of the rule's `nest`.
    nested: Vec<Object<'a>>,
    given: Given<'a>,
}

impl<'a> ContextParts<'a, '_> {
    fn put(&mut self, destination: Option<&'a Destination>, value: Value<'a>) {
        match destination {
            Some(Destination::Context(key)) => self.context.set_default(key, value.into()),
            Some(Destination::Nested(index, key)) => {
                if let Some(object) = self.nested.get_mut(*index) {
                    object.set_default(key, value.into());
                }
            }
            Some(Destination::Error(key)) => _ = self.given.error.get_or_insert((key, value)),
            Some(Destination::Success) => _ = self.given.success.get_or_insert(value),
            Some(Destination::Reason) => _ = self.given.reason.get_or_insert(value),
            Some(Destination::Result) => _ = self.given.result.get_or_insert(value),
            Some(Destination::Time { key, unit, other }) => match value.time(*unit) {
                Some(time) => self.context.set_default(key, Json::millis(time)),
                None => self.context.set_default(other, value.into()),
            },
            Some(Destination::Name) | None => {}
        }
    }
}

fn severity(head: &Head, values: Values<'_>, row: &RowPlan, natural: Severity) -> Severity {
    match &row.rule.severity {
        SeverityRule::Natural | SeverityRule::Outcome => natural,
        SeverityRule::Constant(severity) => *severity,
        SeverityRule::Field { field, map } => {
            let slot = row.slot_of(field, head.plan.meta);
            let value = slot.and_then(|slot| values.get(slot));
            let severity = value.and_then(|value| severity_of(value, map));
            // A map need not name all values, so a value that it lacks is no mistake.
            if let Some(slot) = slot.filter(|_| severity.is_none() && map.is_empty()) {
                notice_name(head, slot, value, NamedColumn::Severity);
            }
            severity.unwrap_or(natural)
        }
    }
}

/// The severity that a value stands for. The same word in the map counts first, then the narrowest range around the value,
/// then the name of a severity.
pub(crate) fn severity_of(value: Value<'_>, map: &[(String, Severity)]) -> Option<Severity> {
    let word = value.text();
    let same = |from: &str| match word {
        Some(word) => from.eq_ignore_ascii_case(word),
        None => from.parse().ok().is_some_and(|from: f64| value.number() == Some(from)),
    };
    let listed = || map.iter().find(|(from, _)| same(from)).map(|(_, to)| *to);
    let within = || {
        let number = value.number()?;
        let ranges = map.iter().filter_map(|(from, to)| Some((range_of(from)?, *to)));
        let around = ranges.filter(|(range, _)| range.contains(&number));
        let width = |range: &RangeInclusive<f64>| range.end() - range.start();
        around.min_by(|(one, _), (other, _)| width(one).total_cmp(&width(other))).map(|(_, to)| to)
    };
    listed().or_else(within).or_else(|| word?.to_ascii_lowercase().parse().ok())
}

/// The severity of a call about which its rule says nothing more.
pub(crate) fn natural_of_call(rule: &SeverityRule, outcome: Outcome, success: Option<bool>) -> Severity {
    let is_success_told = !matches!(rule, SeverityRule::Outcome);
    match outcome {
        Outcome::Error | Outcome::Panic | Outcome::Cancelled => Severity::Warning,
        Outcome::Ok if is_success_told && success == Some(false) => Severity::Warning,
        Outcome::Ok | Outcome::Unknown => Severity::Info,
    }
}

fn natural_of_level(level: tracing::Level) -> Severity {
    match level {
        tracing::Level::ERROR => Severity::Error,
        tracing::Level::WARN => Severity::Warning,
        _ => Severity::Info,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_record_that_ends_after_the_anchor_is_later() {
        let anchor = Anchor::now();
        let second = Duration::from_secs(1);
        let at = anchor.wall(anchor.monotonic);
        assert_eq!(anchor.wall(anchor.monotonic + second), at + second);
        assert_eq!(anchor.wall(anchor.monotonic - second), at - second);
    }

    #[test]
    fn ids_of_a_millisecond_count_up_and_those_of_the_next_begin_anew() {
        let at = UNIX_EPOCH + Duration::from_millis(1_700_000_000_123);
        let ids = [at, at + Duration::from_micros(999), at + Duration::from_millis(1)].map(time_ordered_id);
        assert_eq!(ids[0].as_u128() + 1, ids[1].as_u128());
        assert!(ids[2] > ids[1] && ids[2].as_u128() as u64 != ids[1].as_u128() as u64 + 1);
        for id in ids {
            assert_eq!((id.get_version_num(), id.get_variant()), (7, uuid::Variant::RFC4122));
        }
    }

    #[test]
    fn an_id_whose_random_bits_are_used_up_has_no_successor() {
        let last = Uuid::from_u128(0x018b_cfe5_687b_7fff_bfff_ffff_ffff_ffff);
        assert_eq!(successor(last), None);
        assert_eq!(successor(Uuid::from_u128(last.as_u128() - 1)), Some(last));
    }
}
