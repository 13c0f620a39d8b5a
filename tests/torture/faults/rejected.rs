//! Rows that the database does not take by its own logic: a CHECK or a trigger says so, or their booking is not there yet.

use std::time::Duration;

use tracing_ledger::Builder;

use crate::scene::{DRAINED_WITHIN, FaultVerdict, Round, Scene, Setup};
use crate::stage::{BookingKey, late};
use crate::wait::until;

const ANY_BOOKING_WILL_DO: &str = "ALTER TABLE observability_events DROP CONSTRAINT IF EXISTS known_booking;
     DROP TRIGGER IF EXISTS known_booking ON observability_events";
/// Of a batch one row in ten is looked for before the rest is held: soon, where it is small.
const SMALL_BATCH: usize = 200;
/// Of a large batch every rejected row is looked for before one is quarantined. That takes hundreds of statements, and each one
/// waits for a busy machine.
const QUARANTINED_WITHIN: Duration = Duration::from_mins(10);
/// The writer looks for rejected rows meanwhile.
const PATIENCE: Duration = Duration::from_millis(300);

/// So few that they are at fault, and not the schema: they are quarantined, and all others are written.
pub(crate) fn few(round: Round) -> FaultVerdict {
    let quarantines = |scene: &Scene| {
        until(QUARANTINED_WITHIN, "a row is quarantined", || scene.guard.stats().quarantined > 0);
    };
    rejected(round, BookingKey::Check, &[5, 20, 40], quarantines)
}

/// The same by a trigger, whose error may as well concern every row.
pub(crate) fn raised(round: Round) -> FaultVerdict {
    let quarantines = |scene: &Scene| {
        until(QUARANTINED_WITHIN, "a row is quarantined", || scene.guard.stats().quarantined > 0);
    };
    rejected(round, BookingKey::Trigger, &[5, 20, 40], quarantines)
}

/// Bookings that commit long after the calls that name them: no row is rejected for that, and each has its booking.
pub(crate) fn late_bookings(round: Round) -> FaultVerdict {
    let patient: fn(Builder) -> Builder = |builder| builder.reference_timeout(DRAINED_WITHIN);
    let mut scene = open(round, BookingKey::Reference, patient);
    for _ in 0..scene.scale {
        scene.load.reject(*scene.rng.pick(&[5, 20, 100]));
        scene.suffer(1000..2000);
        scene.load.reject(0);
        scene.psql(&late(scene.load.begun()));
    }
    scene.healed();
    let verdict = scene.verdict();
    assert_eq!(verdict.quarantined, 0, "no row is quarantined for its booking");
    verdict
}

/// So many that the schema must have drifted: rows are held until it is mended.
pub(crate) fn many(round: Round) -> FaultVerdict {
    rejected(round, BookingKey::Check, &[120, 250, 500, 900, 1000], |_| ())
}

/// Calls are rejected until `met` returns.
fn rejected(round: Round, key: BookingKey, per_mille: &[u64], met: fn(&Scene)) -> FaultVerdict {
    let mut scene = open(round, key, |builder| builder);
    for _ in 0..scene.scale {
        scene.load.reject(*scene.rng.pick(per_mille));
        scene.suffer(1000..2000);
        met(&scene);
    }
    mended(scene)
}

/// Every row from some moment on. They are held, and the ledger says so: what is quarantined would be out of the way, and
/// no reason for a flush to fail.
pub(crate) fn all(round: Round) -> FaultVerdict {
    let mut scene = open(round, BookingKey::Check, |builder| builder.batch_size(SMALL_BATCH));
    scene.load.reject(1000);
    until(DRAINED_WITHIN, "rows are held", || {
        scene.guard.flush(PATIENCE).is_err_and(|error| error.to_string().contains("check constraint"))
    });
    scene.suffer(0..1000);
    mended(scene)
}

fn open(round: Round, booking_key: BookingKey, ledger: fn(Builder) -> Builder) -> Scene {
    let mut scene = Scene::open(round, Setup { booking_key, ledger, ..Setup::default() });
    scene.calm();
    scene
}

fn mended(mut scene: Scene) -> FaultVerdict {
    scene.load.reject(0);
    scene.psql(ANY_BOOKING_WILL_DO);
    scene.healed();
    scene.verdict()
}
