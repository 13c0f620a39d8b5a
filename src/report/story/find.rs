//! Finds the rows of a story.

use uuid::Uuid;

use super::found::{FirstRows, Firsts, FoundRow, Places};
use crate::error::Error;
use crate::report::observe::Questions;
use crate::report::question::{Question, asked};
use crate::store::read::{Asked, Choice, Reading, RowSource};

/// A booking with rows in more traces has those of the first ones.
const MOST_TRACES: usize = 100;

/// Where a row may have an id.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum IdPlace {
    Booking,
    Restaurant,
    Row,
    Trace,
    Span,
    Key(String),
}

/// The places in which an id is looked for, each with a text that it may have there.
pub(super) struct Named(pub(super) Vec<(IdPlace, String)>);

/// The rows of a story.
pub(super) struct StoryRows {
    pub(super) kept: FirstRows,
    /// Where the id was found, and the text there.
    pub(super) found_as: Option<(IdPlace, String)>,
}

impl IdPlace {
    pub(super) fn name(&self) -> &str {
        match self {
            Self::Booking => "booking_id",
            Self::Restaurant => "restaurant_id",
            Self::Row => "id",
            Self::Trace => "trace_id",
            Self::Span => "span_id",
            Self::Key(key) => key,
        }
    }

    fn asked(&self) -> Result<Asked, Error> {
        Ok(match self {
            Self::Row => Asked::Id,
            Self::Trace | Self::Span => Asked::Key(Choice::always(self.name())),
            place => asked(place.name())?,
        })
    }

    fn of(&self, row: &FoundRow) -> Option<String> {
        match self {
            Self::Booking => row.booking_id.clone(),
            Self::Restaurant => row.restaurant_id.clone(),
            Self::Row => row.id.clone(),
            Self::Trace => row.trace_id.clone(),
            Self::Span => row.span_id.clone(),
            Self::Key(_) => None,
        }
    }
}

impl Named {
    pub(super) fn parse(id: &str) -> Result<Self, Error> {
        let wrong = "an id names a booking, a restaurant, a row, a trace or a span: write one, or KEY=VALUE with a key of the context";
        if let Some((key, value)) = id.split_once('=') {
            if key.trim().is_empty() {
                return Err(Error::config(wrong));
            }
            return Ok(Self(vec![(IdPlace::Key(key.trim().to_owned()), value.trim().to_owned())]));
        }
        let id = id.trim();
        if id.is_empty() {
            return Err(Error::config(wrong));
        }
        let mut named = Vec::new();
        let uuid = Uuid::try_parse(id).ok().map(|uuid| uuid.hyphenated().to_string());
        let is_hex = id.bytes().all(|byte| byte.is_ascii_hexdigit());
        for place in [IdPlace::Booking, IdPlace::Restaurant, IdPlace::Row] {
            named.extend(uuid.iter().filter(|uuid| *uuid != id).map(|uuid| (place.clone(), uuid.clone())));
            named.push((place, id.to_owned()));
        }
        match id.len() {
            32 if is_hex => named.push((IdPlace::Trace, id.to_ascii_lowercase())),
            16 if is_hex => named.push((IdPlace::Span, id.to_ascii_lowercase())),
            _ => {}
        }
        Ok(Self(named))
    }

    /// The names of the places.
    pub(super) fn tried(&self) -> Vec<String> {
        let mut names: Vec<String> = self.0.iter().map(|(place, _)| place.name().to_owned()).collect();
        names.dedup();
        names
    }

    /// Where one of the rows has the id: the rarest kind of id counts.
    fn found_as(&self, rows: &[FoundRow]) -> Option<(IdPlace, String)> {
        if let [(place @ IdPlace::Key(_), value)] = self.0.as_slice() {
            return (!rows.is_empty()).then(|| (place.clone(), value.clone()));
        }
        let order = [IdPlace::Row, IdPlace::Span, IdPlace::Trace, IdPlace::Booking, IdPlace::Restaurant];
        let places = order.iter().flat_map(|wanted| self.0.iter().filter(move |(place, _)| place == wanted));
        let has =
            |place: &IdPlace, text: &String| rows.iter().any(|row| place.of(row).as_ref() == Some(text));
        places.into_iter().find(|(place, text)| has(place, text)).cloned()
    }
}

/// Finds all rows of the story. A row leads to its booking, or else to its trace, a span to its trace, and a booking to
/// the rows of its traces that are of no other booking.
pub(super) async fn find(
    question: &Question,
    named: &Named,
    sources: &mut [impl RowSource],
) -> Result<StoryRows, Error> {
    let mut kept = read(question, &named.0, sources).await?;
    let Some(found_as) = named.found_as(&kept.rows) else { return Ok(StoryRows { kept, found_as: None }) };
    let first = kept.rows.iter().find(|row| found_as.0.of(row).as_ref() == Some(&found_as.1));
    let trace = first.and_then(|row| row.trace_id.clone());
    let booking = match found_as.0 {
        IdPlace::Booking => Some(found_as.1.clone()),
        IdPlace::Row => first.and_then(|row| row.booking_id.clone()),
        _ => None,
    };
    let own = match (&found_as.0, booking, trace) {
        (IdPlace::Row | IdPlace::Booking, Some(booking), _) => Some((IdPlace::Booking, booking)),
        (IdPlace::Row | IdPlace::Span, _, Some(trace)) => Some((IdPlace::Trace, trace)),
        _ => None,
    };
    if let Some(own) = own {
        if own != found_as {
            kept = read(question, std::slice::from_ref(&own), sources).await?;
        }
        if own.0 == IdPlace::Booking {
            kept = with_traces(question, own, kept, sources).await?;
        }
    }
    if found_as.0 == IdPlace::Span {
        kept.keep_within(&found_as.1);
    }
    Ok(StoryRows { kept, found_as: Some(found_as) })
}

/// Adds the rows of the booking's traces that name no booking, such as a request's.
async fn with_traces(
    question: &Question,
    booking: (IdPlace, String),
    kept: FirstRows,
    sources: &mut [impl RowSource],
) -> Result<FirstRows, Error> {
    let mut traces: Vec<String> = kept.rows.iter().filter_map(|row| row.trace_id.clone()).collect();
    traces.sort_unstable();
    traces.dedup();
    if traces.is_empty() {
        return Ok(kept);
    }
    let traces = traces.into_iter().take(MOST_TRACES).map(|trace| (IdPlace::Trace, trace));
    let of = booking.1.clone();
    let any: Vec<_> = std::iter::once(booking).chain(traces).collect();
    read_if(question, &any, sources, |row| row.booking_id.as_ref().is_none_or(|booking| *booking == of)).await
}

async fn read(
    question: &Question,
    any: &[(IdPlace, String)],
    sources: &mut [impl RowSource],
) -> Result<FirstRows, Error> {
    read_if(question, any, sources, |_| true).await
}

async fn read_if(
    question: &Question,
    any: &[(IdPlace, String)],
    sources: &mut [impl RowSource],
    counts: impl Fn(&FoundRow) -> bool + Sync,
) -> Result<FirstRows, Error> {
    let mut questions: Questions = question.questions();
    let places = Places::new(&mut questions);
    for (place, text) in any {
        questions.any(place.asked()?, text);
    }
    let mut firsts = Firsts::default();
    for source in sources {
        let each = &mut |reading: &Reading<'_>| {
            let row = places.found(&questions.observe(reading));
            if counts(&row) {
                firsts.add(row);
            }
        };
        source.read(questions.selection(), each).await?;
    }
    Ok(firsts.into_kept())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tried(id: &str) -> Vec<String> {
        Named::parse(id).map(|named| named.tried()).unwrap_or_default()
    }

    #[test]
    fn an_id_is_looked_for_where_its_form_may_be() {
        let columns = ["booking_id", "restaurant_id", "id"];
        assert_eq!(tried("0190A5C0-0000-7000-8000-000000000001"), columns);
        assert_eq!(tried("B-17"), columns);
        assert_eq!(tried("0190a5c0000070008000000000000001"), [&columns[..], &["trace_id"]].concat());
        assert_eq!(tried("00f067aa0ba902b7"), [&columns[..], &["span_id"]].concat());
        assert_eq!(tried("planner.size = 4"), ["planner.size"]);
        for wrong in ["", "  ", "=x"] {
            assert!(Named::parse(wrong).is_err(), "{wrong:?}");
        }
    }

    #[test]
    fn a_uuid_is_looked_for_in_its_usual_form_too() {
        let named = Named::parse("0190A5C0-0000-7000-8000-00000000000A").expect("an id");
        assert_eq!(named.0[0], (IdPlace::Booking, "0190a5c0-0000-7000-8000-00000000000a".to_owned()));
        assert_eq!(named.0[1].1, "0190A5C0-0000-7000-8000-00000000000A");
    }
}
