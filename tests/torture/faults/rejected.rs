//! Rows that the database can never take: their booking is none it knows, and a foreign key says so.

use std::time::Duration;

use tracing_ledger::Builder;

use crate::scene::{DRAINED_WITHIN, FaultVerdict, Round, Scene, Setup};
use crate::wait::until;

const ANY_BOOKING_WILL_DO: &str =
    "ALTER TABLE observability_events DROP CONSTRAINT observability_events_booking_id_fkey";
/// Of a batch one row in ten is looked for before the rest is held: soon, where it is small.
const SMALL_BATCH: usize = 200;
/// The writer looks for rejected rows meanwhile.
const PATIENCE: Duration = Duration::from_millis(300);

/// So few that they are at fault, and not the schema: they are quarantined, and all others are written.
pub(crate) fn few(round: Round) -> FaultVerdict {
    let quarantines = |scene: &Scene| {
        until(DRAINED_WITHIN, "a row is quarantined", || scene.guard.stats().quarantined > 0);
    };
    rejected(round, &[5, 20, 40], quarantines)
}

/// So many that the schema must have drifted: rows are held until it is mended.
pub(crate) fn many(round: Round) -> FaultVerdict {
    rejected(round, &[120, 250, 500, 900, 1000], |_| ())
}

/// Calls are rejected until `met` returns.
fn rejected(round: Round, per_mille: &[u64], met: fn(&Scene)) -> FaultVerdict {
    let mut scene = open(round, |builder| builder);
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
    let mut scene = open(round, |builder| builder.batch_size(SMALL_BATCH));
    scene.load.reject(1000);
    until(DRAINED_WITHIN, "rows are held", || {
        scene.guard.flush(PATIENCE).is_err_and(|error| error.to_string().contains("foreign key"))
    });
    scene.suffer(0..1000);
    mended(scene)
}

fn open(round: Round, ledger: fn(Builder) -> Builder) -> Scene {
    let mut scene = Scene::open(round, Setup { foreign_keys: true, ledger, ..Setup::default() });
    scene.calm();
    scene
}

fn mended(mut scene: Scene) -> FaultVerdict {
    scene.load.reject(0);
    scene.psql(ANY_BOOKING_WILL_DO);
    scene.healed();
    scene.verdict()
}
