//! One row, owned, ready to store.

mod encode;
mod json;
mod outcome;

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;
use std::time::SystemTime;

use uuid::Uuid;

pub(crate) use self::encode::Anchor;
use crate::Error;

/// One row of the table: what a [`Store`](crate::store::Store) is given.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Event {
    /// A UUIDv7 ([RFC 9562](https://www.rfc-editor.org/rfc/rfc9562#section-5.7)), fixed before the first try.
    pub id: Uuid,
    /// The moment the span ended, cut to microseconds.
    pub created_at: SystemTime,
    /// Which part of the service it came from.
    pub source: Arc<str>,
    /// What happened, such as `auto_assign.quote`.
    pub event_type: Arc<str>,
    /// How bad it is.
    pub severity: Severity,
    /// The payload: the text of one JSON object that Postgres accepts as `jsonb`.
    pub context: String,
    /// From the field `restaurant_id`, where it is a uuid.
    pub restaurant_id: Option<Uuid>,
    /// From the field `booking_id`, where it is a uuid.
    pub booking_id: Option<Uuid>,
}

impl Event {
    /// An event of one's own, for the tests of a [`Store`](crate::store::Store): with a fresh id, severity
    /// `info`, an empty context, and neither restaurant nor booking.
    pub fn new(created_at: SystemTime, source: impl Into<Arc<str>>, event_type: impl Into<Arc<str>>) -> Self {
        Self {
            id: Uuid::now_v7(),
            created_at,
            source: source.into(),
            event_type: event_type.into(),
            severity: Severity::default(),
            context: "{}".to_owned(),
            restaurant_id: None,
            booking_id: None,
        }
    }
}

/// How bad an event is: the four words the table allows.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Severity {
    /// `info`
    #[default]
    Info,
    /// `warning`
    Warning,
    /// `error`
    Error,
    /// `critical`
    Critical,
}

impl Severity {
    /// The word as the table stores it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Info => "info",
            Self::Warning => "warning",
            Self::Error => "error",
            Self::Critical => "critical",
        }
    }
}

impl fmt::Display for Severity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for Severity {
    type Err = Error;

    fn from_str(word: &str) -> Result<Self, Error> {
        [Self::Info, Self::Warning, Self::Error, Self::Critical]
            .into_iter()
            .find(|severity| severity.as_str() == word)
            .ok_or_else(|| {
                Error::config(format!(
                    "{word:?} is not a severity: use one of info, warning, error, critical"
                ))
            })
    }
}
