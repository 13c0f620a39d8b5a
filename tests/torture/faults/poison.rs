//! Rows that the database can never take: their booking is none it knows, and a foreign key says so.

use std::time::Duration;

use crate::scene::{DRAINED_WITHIN, Round, Scene, Setup, Verdict};
use crate::wait::until;

const ANY_BOOKING_WILL_DO: &str =
    "ALTER TABLE observability_events DROP CONSTRAINT observability_events_booking_id_fkey";
/// Poison is looked for meanwhile.
const PATIENCE: Duration = Duration::from_millis(300);

/// So few that they are at fault, and not the schema: they are set aside, and all others are written.
pub(crate) fn few(round: Round) -> Verdict {
    let verdict = poisoned(round, &[5, 20, 40], |_| ());
    assert!(verdict.quarantined > 0, "poison is set aside");
    verdict
}

/// So many that the schema must have drifted: rows are held until it is mended.
pub(crate) fn many(round: Round) -> Verdict {
    poisoned(round, &[120, 250, 500, 900, 1000], wait_until_held)
}

/// Only what is held up has a reason to tell: what is set aside is out of the way.
fn wait_until_held(scene: &Scene) {
    until(DRAINED_WITHIN, "rows are held", || {
        scene.guard.flush(PATIENCE).is_err_and(|error| error.to_string().contains("foreign key"))
    });
}

fn poisoned(round: Round, per_mille: &[u64], then: fn(&Scene)) -> Verdict {
    let mut scene = Scene::open(round, Setup { foreign_keys: true, ..Setup::default() });
    scene.calm();
    for _ in 0..scene.scale {
        scene.load.poison(*scene.rng.pick(per_mille));
        scene.suffer(1000..2000);
        then(&scene);
    }
    scene.load.poison(0);
    scene.psql(ANY_BOOKING_WILL_DO);
    scene.healed();
    scene.verdict()
}
