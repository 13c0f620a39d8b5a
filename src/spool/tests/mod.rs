//! The spool against what can happen to it.

mod damage;
mod faults;
mod files;
mod memory;
mod model;
#[cfg(target_os = "linux")]
mod processes;
mod renew;
mod replay;

use std::time::{Duration, UNIX_EPOCH};

use uuid::Uuid;

use super::disk::Disk;
use super::{Spool, SpoolOptions, SpooledRows};
use crate::row::Row;
use crate::severity::Severity;

/// Records survive the process and no more; the limit is out of the way.
const OPTIONS: SpoolOptions = SpoolOptions { limit_bytes: 1 << 30, sync_interval: None };

/// The row of that number: small, and unlike any other.
pub(super) fn row(number: u64) -> Row {
    Row {
        id: Uuid::from_u128(number.into()),
        created_at: UNIX_EPOCH + Duration::from_micros(number),
        source: "test".into(),
        event_type: "test.row".into(),
        severity: Severity::Info,
        context: format!(r#"{{"n":{number}}}"#),
        restaurant_id: None,
        booking_id: None,
    }
}

/// A row with something in every column.
pub(super) fn full_row(number: u64) -> Row {
    Row {
        created_at: UNIX_EPOCH + Duration::from_micros(1),
        severity: Severity::Critical,
        context: r#"{"text":"Zoë \"quoted\" \u2603","list":[1,2.5,null]}"#.to_owned(),
        restaurant_id: Some(Uuid::from_u128(1 << 100)),
        booking_id: Some(Uuid::from_u128(u128::MAX)),
        ..row(number)
    }
}

/// The number that [`row`] was given.
fn number(row: &Row) -> u64 {
    row.id.as_u128() as u64
}

/// Everything that is left to hand out, as one batch.
fn drain<D: Disk>(spool: &mut Spool<D>) -> SpooledRows {
    let mut all = SpooledRows::default();
    loop {
        let batch = spool.next_batch(7, usize::MAX).expect("every segment can be opened");
        all.up_to = batch.up_to;
        if batch.is_empty() {
            return all;
        }
        all.lost += batch.lost;
        all.rows.extend(batch.rows);
    }
}
