//! The values that a report reads from each row.

use std::borrow::Cow;

use jiff::Timestamp;

use super::hash::hash;
use super::key::{KeyPlace, hours, write_key};
use super::keys::measured;
use super::older::with_older_names;
use super::why::why;
use crate::rules::Rules;
use crate::store::read::{Asked, Choice, Reading, Selection};

/// One of the values that a report groups rows by.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum By {
    Hour,
    Day,
    /// A column or a key of the context.
    Text(Asked),
}

/// The questions to every row.
#[derive(Clone, Debug)]
pub(crate) struct Questions {
    selection: Selection,
    by: Vec<KeyPlace>,
    detail: Option<DetailPlaces>,
}

/// The places of the texts that only details need.
#[derive(Clone, Copy, Debug)]
struct DetailPlaces {
    id: usize,
    version: usize,
    cause: usize,
    lost: usize,
    whole: Option<WholePlaces>,
}

#[derive(Clone, Copy, Debug)]
struct WholePlaces {
    severity: usize,
    restaurant: usize,
    context: usize,
}

/// The columns of a row that was read as a whole.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Whole<'a> {
    pub(crate) source: Option<&'a str>,
    pub(crate) severity: Option<&'a str>,
    pub(crate) booking: Option<&'a str>,
    pub(crate) restaurant: Option<&'a str>,
    /// JSON text.
    pub(crate) context: Option<&'a str>,
}

/// One row, as a report reads it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Observation<'a> {
    reading: &'a Reading<'a>,
    questions: &'a Questions,
}

/// The places of the texts that every report asks for.
const SOURCE: usize = 0;
const BOOKING: usize = 1;
pub(super) const DURATION: usize = 2;
pub(super) const SUCCESS: usize = 3;
const OUTCOME: usize = 4;
const REASON: usize = 5;
const REASON_CODE: usize = 6;
const REASON_CATEGORY: usize = 7;
const RESULT: usize = 8;
pub(super) const ATTEMPTS: usize = 9;
const WITHIN: usize = 10;
const TRACE: usize = 11;
#[cfg(feature = "postgres")]
const MEASURED: usize = 11;

impl Questions {
    /// `selection` says which rows; its conditions name their texts by [`Questions::place`].
    pub(crate) fn new(rules: &Rules, mut selection: Selection) -> Self {
        let asked = selection.asked;
        selection.asked = measured(rules).into_iter().map(with_older_names).collect();
        for condition in &mut selection.conditions {
            let text = asked.get(condition.asked).cloned();
            condition.asked = text.map_or(usize::MAX, |text| place(&mut selection.asked, text));
        }
        Self { selection, by: Vec::new(), detail: None }
    }

    /// Adds values to group rows by; [`Observation::raw_by`] answers in the order of these calls.
    pub(crate) fn by(mut self, by: impl IntoIterator<Item = By>) -> Self {
        for by in by {
            self.by.push(match by {
                By::Hour => KeyPlace::Hour,
                By::Day => KeyPlace::Day,
                By::Text(text) => KeyPlace::Text(place(&mut self.selection.asked, text)),
            });
        }
        self
    }

    /// Adds the texts that details need; the whole row only if the source reads it anyway.
    pub(crate) fn detailed(mut self, whole: bool) -> Self {
        let asked = &mut self.selection.asked;
        let mut key = |keys: &[&str]| {
            let otherwise = keys.iter().map(|&key| key.into()).collect();
            place(asked, Asked::Key(Choice::new([], otherwise)))
        };
        let (version, cause, lost) = (key(&["version", "service.version"]), key(&["cause"]), key(&["count"]));
        let id = place(asked, Asked::Id);
        let whole = whole.then(|| WholePlaces::new(asked));
        self.detail = Some(DetailPlaces { id, version, cause, lost, whole });
        self.selection.losses = true;
        self
    }

    /// Asks for these rows of the same table as a whole.
    pub(crate) fn whole(&self, ids: Vec<String>) -> Self {
        let asked = vec![Asked::Source, Asked::BookingId];
        let columns = self.selection.columns.clone();
        let mut selection = Selection { asked, columns, ..Selection::default() };
        let id = place(&mut selection.asked, Asked::Id);
        let whole = Some(WholePlaces::new(&mut selection.asked));
        selection.any = ids.into_iter().map(|text| (id, text)).collect();
        let detail = DetailPlaces { id, version: usize::MAX, cause: usize::MAX, lost: usize::MAX, whole };
        Self { selection, by: Vec::new(), detail: Some(detail) }
    }

    /// Asks for one more text, and returns its place for [`Observation::text`].
    pub(crate) fn place(&mut self, text: Asked) -> usize {
        place(&mut self.selection.asked, text)
    }

    /// Selects only rows that have this text there, or one that is named in another call.
    pub(crate) fn any(&mut self, asked: Asked, text: &str) {
        let place = self.place(asked);
        self.selection.any.push((place, text.to_owned()));
    }

    /// The rows and the texts to read.
    pub(crate) fn selection(&self) -> &Selection {
        &self.selection
    }

    /// The texts that the figures are read from.
    #[cfg(feature = "postgres")]
    pub(crate) fn measured(&self) -> impl Iterator<Item = &Asked> {
        self.selection.asked.iter().take(MEASURED)
    }

    /// The values that rows are grouped by, in the order of [`Observation::raw_by`].
    #[cfg(feature = "postgres")]
    pub(crate) fn grouped_by(&self) -> Vec<By> {
        let by = |place: &KeyPlace| match *place {
            KeyPlace::Hour => By::Hour,
            KeyPlace::Day => By::Day,
            KeyPlace::Text(place) => {
                By::Text(self.selection.asked.get(place).cloned().unwrap_or(Asked::EventType))
            }
        };
        self.by.iter().map(by).collect()
    }

    /// A value of [`Observation::raw_by`], as a report shows it.
    pub(crate) fn label(&self, place: usize, raw: &str) -> Option<String> {
        self.by.get(place)?.label(raw).map(Cow::into_owned)
    }

    /// Whether the rows are grouped by their time there.
    pub(super) fn is_time(&self, place: usize) -> bool {
        matches!(self.by.get(place), Some(KeyPlace::Hour | KeyPlace::Day))
    }

    pub(crate) fn observe<'a>(&'a self, reading: &'a Reading<'a>) -> Observation<'a> {
        Observation { reading, questions: self }
    }
}

impl WholePlaces {
    fn new(asked: &mut Vec<Asked>) -> Self {
        let [severity, restaurant, context] =
            [Asked::Severity, Asked::RestaurantId, Asked::Context].map(|text| place(asked, text));
        Self { severity, restaurant, context }
    }
}

/// The place of a text, which is asked for only once.
fn place(asked: &mut Vec<Asked>, text: Asked) -> usize {
    let text = with_older_names(text);
    asked.iter().position(|other| *other == text).unwrap_or_else(|| {
        asked.push(text);
        asked.len() - 1
    })
}

impl<'a> Observation<'a> {
    /// `None` for a value that is not a time here.
    pub(crate) fn moment(&self) -> Option<Timestamp> {
        self.reading.created_at
    }

    pub(crate) fn event_type(&self) -> &'a str {
        self.reading.event_type
    }

    /// Whether the row can be read in full.
    pub(crate) fn is_readable(&self) -> bool {
        self.reading.is_readable && self.reading.created_at.is_some()
    }

    pub(crate) fn source(&self) -> Option<&'a str> {
        self.text(SOURCE)
    }

    pub(crate) fn booking(&self) -> Option<&'a str> {
        self.text(BOOKING)
    }

    /// The booking of the row, else its trace: calls of one unit resemble each other.
    fn unit_name(&self) -> Option<&str> {
        self.booking().or_else(|| self.text(TRACE))
    }

    /// Whether the row is of no booking and of no trace.
    pub(crate) fn is_alone(&self) -> bool {
        self.unit_name().is_none()
    }

    /// A number for the booking, else for the trace, else for the row. It does not depend on the order in which rows are read.
    pub(crate) fn unit(&self) -> u64 {
        match self.unit_name() {
            Some(name) => hash(name.as_bytes()),
            None => {
                let moment = self.moment().map_or(i64::MIN, |moment| moment.as_microsecond());
                let duration = self.duration_ms().map_or(0, f64::to_bits);
                hash(&((u128::from(moment.cast_unsigned()) << 64) | u128::from(duration)).to_le_bytes())
            }
        }
    }

    /// Always finite.
    pub(crate) fn duration_ms(&self) -> Option<f64> {
        self.number(DURATION)
    }

    /// `None` where the outcome is unknown.
    pub(crate) fn success(&self) -> Option<bool> {
        self.text(SUCCESS)?.parse().ok()
    }

    pub(crate) fn outcome(&self) -> Option<&'a str> {
        self.text(OUTCOME)
    }

    pub(crate) fn reason(&self) -> Option<&'a str> {
        self.text(REASON)
    }

    pub(crate) fn reason_code(&self) -> Option<&'a str> {
        self.text(REASON_CODE)
    }

    pub(crate) fn reason_category(&self) -> Option<&'a str> {
        self.text(REASON_CATEGORY)
    }

    /// Why a call did not succeed.
    pub(crate) fn why(&self) -> Option<String> {
        why(self.reason_code(), self.reason(), self.outcome())
    }

    /// How a job ended.
    pub(crate) fn result(&self) -> Option<&'a str> {
        self.text(RESULT)
    }

    /// The number of calls within a job.
    pub(crate) fn attempts(&self) -> Option<f64> {
        self.number(ATTEMPTS)
    }

    /// The milliseconds of a job that were calls.
    pub(crate) fn within_ms(&self) -> Option<f64> {
        self.number(WITHIN)
    }

    /// The primary key; `None` where no details are asked for.
    pub(crate) fn id(&self) -> Option<&'a str> {
        self.text(self.questions.detail?.id)
    }

    /// The version that made the row; `None` where no details are asked for.
    pub(crate) fn version(&self) -> Option<&'a str> {
        self.text(self.questions.detail?.version)
    }

    /// Of a row of `ledger.loss`: the cause of the loss.
    pub(crate) fn cause(&self) -> Option<&'a str> {
        self.text(self.questions.detail?.cause)
    }

    /// Of a row of `ledger.loss`: how many records or rows are lost.
    pub(crate) fn lost(&self) -> u64 {
        let count = self.questions.detail.and_then(|detail| self.text(detail.lost)?.parse().ok());
        count.unwrap_or_default()
    }

    /// All columns; `None` where they were not read.
    pub(crate) fn whole(&self) -> Option<Whole<'a>> {
        let places = self.questions.detail?.whole?;
        Some(Whole {
            source: self.text(SOURCE),
            severity: self.text(places.severity),
            booking: self.text(BOOKING),
            restaurant: self.text(places.restaurant),
            context: self.text(places.context),
        })
    }

    /// The values that rows are grouped by: each is cheap to make, and [`Questions::label`] makes what a report shows.
    pub(crate) fn raw_by(&self) -> impl Iterator<Item = Option<Cow<'a, str>>> {
        self.questions.by.iter().map(|place| match *place {
            KeyPlace::Text(place) => self.text(place).map(Cow::Borrowed),
            KeyPlace::Hour => self.moment().map(|moment| hours(moment).to_string().into()),
            KeyPlace::Day => self.moment().map(|moment| hours(moment).div_euclid(24).to_string().into()),
        })
    }

    /// Writes the event type and the values that rows are grouped by, in a form that no other values have.
    pub(crate) fn write_key(&self, key: &mut Vec<u8>) {
        write_key(key, self.event_type(), self.raw_by());
    }

    /// `None` if the row has no such text.
    pub(crate) fn text(&self, place: usize) -> Option<&'a str> {
        self.reading.texts.get(place).copied().flatten()
    }

    fn number(&self, place: usize) -> Option<f64> {
        self.text(place)?.parse().ok().filter(|number: &f64| number.is_finite())
    }
}
