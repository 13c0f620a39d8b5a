//! Rows that the database can never take: their booking is none it knows, and a foreign key says so.

use crate::scene::{Round, Scene, Setup, Verdict};

const ANY_BOOKING_WILL_DO: &str =
    "ALTER TABLE observability_events DROP CONSTRAINT observability_events_booking_id_fkey";

/// At most one in so many rows is set aside before it is clear that the rest is to be held. More than that is poison.
const SET_ASIDE: u64 = 100;

/// So few that they are at fault, and not the schema: they are set aside, and all others are written.
pub(crate) fn few(round: Round) -> Verdict {
    let verdict = poisoned(round, &[5, 20, 40]);
    assert!(verdict.quarantined > 0, "poison is set aside");
    verdict
}

/// So many that the schema must have drifted: rows are held until it is mended.
pub(crate) fn many(round: Round) -> Verdict {
    let verdict = poisoned(round, &[120, 250, 500, 900, 1000]);
    let Verdict { records, quarantined, .. } = verdict;
    assert!(quarantined * SET_ASIDE < records, "{quarantined} of {records} rows are set aside, and not held");
    verdict
}

fn poisoned(round: Round, per_mille: &[u64]) -> Verdict {
    let mut scene = Scene::open(round, Setup { foreign_keys: true, ..Setup::default() });
    scene.calm();
    for _ in 0..scene.scale {
        scene.load.poison(*scene.rng.pick(per_mille));
        scene.suffer(1000..2000);
    }
    scene.load.poison(0);
    scene.psql(ANY_BOOKING_WILL_DO);
    scene.healed();
    scene.verdict()
}
