//! The planner: finds the tables for a booking and holds them for a while.

use std::fmt;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use tracing::{Span, field, instrument};
use uuid::Uuid;

use crate::app::Settings;
use crate::bookings::{Booking, Trigger, now_ms};
use crate::db::Db;
use crate::failure::StepFailure;
use crate::floor::{Candidate, Floor, KITCHEN_COVERS, Strategy, Table, most_seats};
use crate::holds::{self, Book, Taken};

/// How long a quote keeps its tables for the booking, before the time scale.
pub const HOLD: Duration = Duration::from_secs(180);
/// The note that makes the planner panic, once in the life of the service.
pub const DEFECT_NOTE: &str = "trip over the chair";
/// The message of that panic.
pub const DEFECT: &str = "the planner tripped over a chair, as the note on the booking asks";
/// Candidates that a quote tries to hold.
const SHORT_LIST: usize = 8;

/// The planner and its booking list.
pub struct Planner {
    db: Db,
    book: Book,
    hold_ms: i64,
    slower: u32,
    latency: Duration,
    calls: AtomicU64,
    tripped: AtomicBool,
}

/// The result of a call of the planner.
pub struct Quote {
    /// The hold, or the reason for none.
    pub hold: Result<Uuid, NoHold>,
    /// The number of other candidates.
    pub alternates: usize,
}

/// The reason why there are no tables to hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NoHold {
    Kitchen,
    NoneFree,
    TooFewSeats,
    PartyTooLarge,
    NoneTogether,
    Conflicts,
}

impl Planner {
    pub fn new(db: Db, settings: Settings) -> Self {
        Self {
            db,
            book: Book::default(),
            hold_ms: i64::try_from(settings.pace.of(HOLD).as_millis()).unwrap_or(i64::MAX),
            slower: settings.slower,
            latency: settings.latency,
            calls: AtomicU64::new(0),
            tripped: AtomicBool::new(false),
        }
    }

    /// Calls so far, however they ended.
    pub fn calls(&self) -> u64 {
        self.calls.load(Ordering::Relaxed)
    }

    pub fn book(&self) -> &Book {
        &self.book
    }

    /// Finds tables for the booking and holds them under `attempt`. Having none is an answer, not an error.
    #[instrument(
        skip_all,
        fields(
            booking_id = %booking.id,
            restaurant_id = %booking.restaurant_id,
            party_size = booking.party_size,
            strategy.require_adjacency = strategy.require_adjacency,
            strategy.max_tables = strategy.max_tables,
            success = field::Empty,
            reason = field::Empty,
            candidates = field::Empty,
        ),
        err
    )]
    pub async fn quote_tables_for_booking(
        &self,
        booking: &Booking,
        strategy: Strategy,
        attempt: Uuid,
    ) -> Result<Quote, StepFailure> {
        self.calls.fetch_add(1, Ordering::Relaxed);
        let started = Instant::now();
        let quote = self.quote(booking, strategy, attempt).await?;
        if self.slower > 0 {
            tokio::time::sleep(started.elapsed() * self.slower / 100).await;
        }
        let span = Span::current();
        span.record("success", quote.hold.is_ok());
        if let Err(reason) = quote.hold {
            span.record("reason", reason.as_str());
        }
        Ok(quote)
    }

    async fn quote(
        &self,
        booking: &Booking,
        strategy: Strategy,
        attempt: Uuid,
    ) -> Result<Quote, StepFailure> {
        let floor = Floor::load(&self.db).await?;
        if !self.latency.is_zero() {
            tokio::time::sleep(self.latency.mul_f64(spread(attempt))).await;
        }
        self.stumble(booking);
        let taken = holds::taken(&self.db, booking).await?;
        let candidates = match short_list(&floor, &taken, booking, strategy) {
            Ok(candidates) => candidates,
            Err(reason) => return Ok(Quote { hold: Err(reason), alternates: 0 }),
        };
        Span::current().record("candidates", candidates.len());
        let pages = self.book.pages_for(booking).await;
        let expires_at = now_ms() + self.hold_ms;
        let hold = holds::place(&self.db, &pages, booking, &candidates, attempt, expires_at).await?;
        let alternates = candidates.len() - usize::from(hold.is_some());
        Ok(Quote { hold: hold.ok_or(NoHold::Conflicts), alternates })
    }

    /// Panics on demand, because the demo also shows the row of a panic.
    fn stumble(&self, booking: &Booking) {
        let asked = booking.note.as_deref() == Some(DEFECT_NOTE);
        assert!(!asked || self.tripped.swap(true, Ordering::Relaxed), "{DEFECT}");
    }
}

/// From a half to two, as often below one as above: the last bytes of the id are random.
fn spread(id: Uuid) -> f64 {
    let [.., high, low] = *id.as_bytes();
    let chance = f64::from(u16::from_be_bytes([high, low])) / f64::from(u16::MAX);
    (2.0 * chance - 1.0).exp2()
}

/// The strategy: new guests sit together, and guests who change a booking may sit apart.
pub const fn strategy(trigger: Trigger) -> Strategy {
    Strategy { require_adjacency: matches!(trigger, Trigger::Creation), max_tables: 3 }
}

/// The best candidates, or the first reason why there are none.
fn short_list(
    floor: &Floor,
    taken: &Taken,
    booking: &Booking,
    strategy: Strategy,
) -> Result<Vec<Candidate>, NoHold> {
    let size = booking.party_size;
    let free = floor.without(&taken.tables);
    let wanted: Vec<&Table> = free
        .iter()
        .copied()
        .filter(|table| booking.zone.as_ref().is_none_or(|zone| *zone == table.zone))
        .collect();
    let refusal = if free.is_empty() {
        Some(NoHold::NoneFree)
    } else if taken.covers + size > KITCHEN_COVERS {
        Some(NoHold::Kitchen)
    } else if most_seats(&wanted, wanted.len()) < size {
        Some(NoHold::TooFewSeats)
    } else if most_seats(&wanted, strategy.max_tables) < size {
        Some(NoHold::PartyTooLarge)
    } else {
        None
    };
    if let Some(reason) = refusal {
        return Err(reason);
    }
    let mut candidates = floor.candidates(&wanted, size, strategy);
    candidates.truncate(SHORT_LIST);
    if candidates.is_empty() { Err(NoHold::NoneTogether) } else { Ok(candidates) }
}

impl NoHold {
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Kitchen => "Insufficient global capacity",
            Self::NoneFree => "No tables available for requested window",
            Self::TooFewSeats => "Insufficient filtered capacity",
            Self::PartyTooLarge => "No tables meet the capacity requirements for this party size.",
            Self::NoneTogether => "No suitable tables available",
            Self::Conflicts => "Hold conflicts prevented all candidates",
        }
    }

    /// The code of the contract for this reason.
    pub const fn code(self) -> &'static str {
        match self {
            Self::Kitchen => "hard.global_capacity",
            Self::NoneFree | Self::PartyTooLarge => "hard.no_tables",
            Self::TooFewSeats => "hard.insufficient_filtered_capacity",
            Self::NoneTogether => "hard.no_suitable_tables",
            Self::Conflicts => "transient.hold_conflict",
        }
    }
}

impl fmt::Display for NoHold {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}
