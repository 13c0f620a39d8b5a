//! Holds: a table reserved for one booking at one time, with an expiry or for good.
//!
//! No table is reserved twice: a planner locks the day's page and the day's row in the database while it reads and writes
//! holds. The page keeps the planners of this process from waiting inside the database, where each would occupy a
//! connection; the row keeps out other processes.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::ops::RangeInclusive;
use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::{OwnedMutexGuard, watch};
use uuid::Uuid;

use crate::bookings::{Booking, now_ms};
use crate::db::{Db, Tx};
use crate::failure::StepFailure;
use crate::floor::Candidate;

const DAY_MS: i64 = 86_400_000;

/// The booking list: one page for each day, locked by one writer at a time.
#[derive(Default)]
pub struct Book {
    pages: Mutex<BTreeMap<i64, Arc<tokio::sync::Mutex<()>>>>,
    /// How often each booking has asked for a page.
    asked: watch::Sender<HashMap<Uuid, u32>>,
}

/// The right to write holds for some days. Dropping it unlocks the pages.
pub struct Pages {
    days: RangeInclusive<i64>,
    _held: Vec<OwnedMutexGuard<()>>,
}

impl Book {
    /// Waits for the pages that a booking's stay touches: two when it runs past midnight (UTC).
    pub async fn pages_for(&self, booking: &Booking) -> Pages {
        self.asked.send_modify(|asked| *asked.entry(booking.id).or_default() += 1);
        self.pages(booking.starts_at, booking.ends_at()).await
    }

    /// Waits for the pages from one moment to another.
    pub async fn pages(&self, from_ms: i64, to_ms: i64) -> Pages {
        let days = from_ms.div_euclid(DAY_MS)..=to_ms.div_euclid(DAY_MS);
        let mut held = Vec::new();
        // Always in the order of the days, so that no two writers wait for each other.
        for day in days.clone() {
            held.push(self.page(day).lock_owned().await);
        }
        Pages { days, _held: held }
    }

    /// Waits until a booking has asked for its pages that many times.
    pub async fn asked_by(&self, booking: Uuid, times: u32) {
        let mut asked = self.asked.subscribe();
        // The sender lives as long as `self`, so this cannot end early.
        asked.wait_for(|asked| asked.get(&booking).is_some_and(|&count| count >= times)).await.ok();
    }

    fn page(&self, day: i64) -> Arc<tokio::sync::Mutex<()>> {
        let mut pages = self.pages.lock().unwrap_or_else(PoisonError::into_inner);
        pages.entry(day).or_default().clone()
    }
}

/// The tables of confirmed bookings in this time.
pub struct Taken {
    pub tables: BTreeSet<i64>,
    pub covers: i64,
}

/// Reads the confirmed tables in the time of a booking. Holds do not count, because they may still expire.
pub async fn taken(db: &Db, booking: &Booking) -> Result<Taken, StepFailure> {
    let rows: Vec<(i64, String, i64)> = db
        .rows(
            "SELECT h.table_id, b.id, b.party_size FROM demo_holds h JOIN demo_bookings b ON b.id = h.booking_id \
             WHERE h.expires_at IS NULL AND h.starts_at < $1 AND h.ends_at > $2",
            [booking.ends_at().into(), booking.starts_at.into()],
        )
        .await?;
    let parties: BTreeMap<_, _> = rows.iter().map(|(_, booking, size)| (booking, size)).collect();
    let covers = parties.into_values().sum();
    Ok(Taken { tables: rows.iter().map(|&(table, ..)| table).collect(), covers })
}

/// Holds the first candidate whose tables are all free. `None` if every candidate has lost a table.
///
/// The hold expires at `expires_at`, in milliseconds since the Unix epoch, unless it is [confirmed](confirm).
pub async fn place(
    db: &Db,
    pages: &Pages,
    booking: &Booking,
    candidates: &[Candidate],
    attempt: Uuid,
    expires_at: i64,
) -> Result<Option<Uuid>, StepFailure> {
    let mut tx = db.begin().await?;
    lock_days(&mut tx, pages).await?;
    tx.execute("DELETE FROM demo_holds WHERE expires_at <= $1", [now_ms().into()]).await?;
    let promised: Vec<(i64,)> = tx
        .rows(
            "SELECT DISTINCT table_id FROM demo_holds WHERE starts_at < $1 AND ends_at > $2",
            [booking.ends_at().into(), booking.starts_at.into()],
        )
        .await?;
    let promised: BTreeSet<i64> = promised.into_iter().map(|(table,)| table).collect();
    let Some(best) = candidates.iter().find(|candidate| candidate.tables.is_disjoint(&promised)) else {
        return Ok(None);
    };
    let hold = Uuid::now_v7();
    for &table in &best.tables {
        insert(&mut tx, hold, table, booking, attempt, expires_at).await?;
    }
    tx.commit().await?;
    Ok(Some(hold))
}

async fn insert(
    tx: &mut Tx,
    hold: Uuid,
    table: i64,
    booking: &Booking,
    attempt: Uuid,
    expires_at: i64,
) -> Result<u64, StepFailure> {
    tx.execute(
        "INSERT INTO demo_holds (hold_id, table_id, booking_id, attempt_id, starts_at, ends_at, expires_at) \
         VALUES ($1, $2, $3, $4, $5, $6, $7)",
        [
            hold.into(),
            table.into(),
            booking.id.into(),
            attempt.into(),
            booking.starts_at.into(),
            booking.ends_at().into(),
            expires_at.into(),
        ],
    )
    .await
}

/// The first statement of the transaction, so that SQLite gives it the write lock before it has read anything.
async fn lock_days(tx: &mut Tx, pages: &Pages) -> Result<(), StepFailure> {
    for day in pages.days.clone() {
        tx.execute(
            "INSERT INTO demo_days (day, turns) VALUES ($1, 1) \
             ON CONFLICT (day) DO UPDATE SET turns = demo_days.turns + 1",
            [day.into()],
        )
        .await?;
    }
    Ok(())
}

/// Makes a hold final and its booking confirmed, both or neither.
pub async fn confirm(db: &Db, booking: &Booking, hold: Uuid) -> Result<(), StepFailure> {
    let mut tx = db.begin().await?;
    let confirmed = tx
        .execute(
            "UPDATE demo_bookings SET status = 'confirmed' WHERE id = $1 AND version = $2 AND status = 'pending'",
            [booking.id.into(), booking.version.into()],
        )
        .await?;
    if confirmed == 0 {
        return Err(StepFailure::Changed("the booking was confirmed, changed or called off meanwhile"));
    }
    let kept = tx
        .execute(
            "UPDATE demo_holds SET expires_at = NULL WHERE hold_id = $1 AND expires_at > $2",
            [hold.into(), now_ms().into()],
        )
        .await?;
    if kept == 0 {
        return Err(StepFailure::Changed("the hold fell before it was confirmed"));
    }
    tx.commit().await
}

/// Releases the holds of an attempt that are not confirmed.
pub async fn release(db: &Db, pages: &Pages, attempt: Uuid) -> Result<(), StepFailure> {
    let mut tx = db.begin().await?;
    // A planner that was dropped during its commit may still be committing. It has ended when this gets the row.
    lock_days(&mut tx, pages).await?;
    tx.execute("DELETE FROM demo_holds WHERE attempt_id = $1 AND expires_at IS NOT NULL", [attempt.into()])
        .await?;
    tx.commit().await
}

/// Pairs of confirmed holds that give one table to two parties at a time: must be zero.
pub async fn given_twice(db: &Db) -> Result<i64, StepFailure> {
    let count: Vec<(i64,)> = db
        .rows(
            "SELECT COUNT(*) FROM demo_holds a JOIN demo_holds b ON a.table_id = b.table_id \
             AND a.hold_id < b.hold_id AND a.starts_at < b.ends_at AND b.starts_at < a.ends_at \
             WHERE a.expires_at IS NULL AND b.expires_at IS NULL",
            [],
        )
        .await?;
    Ok(count.into_iter().map(|(count,)| count).sum())
}
