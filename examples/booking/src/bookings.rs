//! The bookings: what a booking is, and every statement that reads or changes one.

use std::time::{SystemTime, UNIX_EPOCH};

use uuid::Uuid;

use crate::db::Db;
use crate::failure::StepFailure;

/// The one restaurant of the demo.
pub const RESTAURANT: Uuid = Uuid::from_u128(0x0195_5b1e_7c00_7000_8000_0000_0000_0001);
/// How long a party has its tables, including the time to lay them again.
pub const STAY_MS: i64 = 105 * 60_000;

/// One booking in the database.
#[derive(Clone, Debug)]
pub struct Booking {
    pub id: Uuid,
    pub restaurant_id: Uuid,
    pub party_size: i64,
    /// Milliseconds since the Unix epoch.
    pub starts_at: i64,
    /// The only zone that the guest accepts.
    pub zone: Option<String>,
    pub note: Option<String>,
    pub status: Status,
    /// Grows with every change of size or time. A hold is valid for one version.
    pub version: i64,
}

/// The state of a booking.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Status {
    Pending,
    Confirmed,
    Cancelled,
    NoShow,
    Completed,
}

/// The reason to look for tables.
#[derive(Clone, Copy, Debug)]
pub enum Trigger {
    Creation,
    Modification,
}

impl Booking {
    /// A new booking.
    pub fn new(id: Uuid, party_size: i64, starts_at: i64) -> Self {
        Self {
            id,
            restaurant_id: RESTAURANT,
            party_size,
            starts_at,
            zone: None,
            note: None,
            status: Status::Pending,
            version: 1,
        }
    }

    /// The end of the party's stay, in milliseconds since the Unix epoch.
    pub fn ends_at(&self) -> i64 {
        self.starts_at + STAY_MS
    }

    pub async fn load(db: &Db, id: Uuid) -> Result<Option<Self>, StepFailure> {
        type StoredRow = (i64, i64, Option<String>, Option<String>, String, i64);
        let rows: Vec<StoredRow> = db
            .rows(
                "SELECT party_size, starts_at, zone, note, status, version FROM demo_bookings WHERE id = $1",
                [id.into()],
            )
            .await?;
        let Some((party_size, starts_at, zone, note, status, version)) = rows.into_iter().next() else {
            return Ok(None);
        };
        let status =
            Status::parse(&status).ok_or(StepFailure::Changed("the booking has a status nobody knows"))?;
        Ok(Some(Self { zone, note, status, version, ..Self::new(id, party_size, starts_at) }))
    }

    /// Stores a new booking; false when there is one with this id.
    pub async fn insert(&self, db: &Db) -> Result<bool, StepFailure> {
        let added = db
            .execute(
                "INSERT INTO demo_bookings (id, restaurant_id, party_size, starts_at, zone, note, status, version) \
                 VALUES ($1, $2, $3, $4, $5, $6, $7, $8) ON CONFLICT (id) DO NOTHING",
                [
                    self.id.into(),
                    self.restaurant_id.into(),
                    self.party_size.into(),
                    self.starts_at.into(),
                    self.zone.clone().into(),
                    self.note.clone().into(),
                    self.status.as_str().into(),
                    self.version.into(),
                ],
            )
            .await?;
        Ok(added == 1)
    }

    /// Gives the booking its new size and time: it is pending again, and its tables are free.
    pub async fn modify(&self, db: &Db, party_size: i64, starts_at: i64) -> Result<bool, StepFailure> {
        let mut tx = db.begin().await?;
        let changed = tx
            .execute(
                "UPDATE demo_bookings SET party_size = $1, starts_at = $2, status = 'pending', version = version + 1 \
                 WHERE id = $3 AND version = $4 AND status IN ('pending', 'confirmed')",
                [party_size.into(), starts_at.into(), self.id.into(), self.version.into()],
            )
            .await?;
        if changed == 1 {
            tx.execute("DELETE FROM demo_holds WHERE booking_id = $1", [self.id.into()]).await?;
        }
        tx.commit().await?;
        Ok(changed == 1)
    }

    /// Stores the decision of the staff. A booking that is over gives back its tables. Returns false if it was over before.
    pub async fn decide(&self, db: &Db, status: Status) -> Result<bool, StepFailure> {
        let mut tx = db.begin().await?;
        let changed = tx
            .execute(
                "UPDATE demo_bookings SET status = $1 WHERE id = $2 AND status IN ('pending', 'confirmed')",
                [status.as_str().into(), self.id.into()],
            )
            .await?;
        if changed == 1 && status.is_over() {
            tx.execute("DELETE FROM demo_holds WHERE booking_id = $1", [self.id.into()]).await?;
        }
        tx.commit().await?;
        Ok(changed == 1)
    }

    /// Puts the email "your table is ready" into the outbox.
    pub async fn send_confirmation(&self, db: &Db) -> Result<(), StepFailure> {
        db.execute(
            "INSERT INTO demo_outbox (id, booking_id, letter, sent_at) VALUES ($1, $2, 'confirmed', $3)",
            [Uuid::now_v7().into(), self.id.into(), now_ms().into()],
        )
        .await?;
        Ok(())
    }
}

impl Status {
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::Confirmed => "confirmed",
            Self::Cancelled => "cancelled",
            Self::NoShow => "no_show",
            Self::Completed => "completed",
        }
    }

    pub fn parse(word: &str) -> Option<Self> {
        [Self::Pending, Self::Confirmed, Self::Cancelled, Self::NoShow, Self::Completed]
            .into_iter()
            .find(|status| status.as_str() == word)
    }

    /// Whether the booking needs no tables any more.
    pub fn is_over(self) -> bool {
        matches!(self, Self::Cancelled | Self::NoShow | Self::Completed)
    }
}

impl Trigger {
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Creation => "creation",
            Self::Modification => "modification",
        }
    }
}

/// Milliseconds since the Unix epoch.
pub fn now_ms() -> i64 {
    let since_epoch = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since_epoch.as_millis()).unwrap_or(i64::MAX)
}
