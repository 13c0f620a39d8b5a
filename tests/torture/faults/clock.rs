//! The clock on the wall jumps, as after a suspended machine or a wrong battery.

use std::time::Duration;

use tracing_ledger::Builder;

use crate::clock::Jumping;
use crate::scene::{FaultVerdict, Round, Scene, Setup};

const MINUTE: i64 = 60;
const HOUR: i64 = 60 * MINUTE;
const YEAR: i64 = 365 * 24 * HOUR;

/// Records leave the queue soon, so that there is time for many jumps.
fn ledger(builder: Builder) -> Builder {
    builder.flush_interval(Duration::from_millis(20))
}

/// Forwards, backwards, to before 1970 and to the next century. The time of a row is then as wrong
/// as the clock was when its call ended or, where the clock jumped before it left the queue, is after that jump.
/// Nothing else is wrong: no duration has a jump in it.
pub(crate) fn jumps(round: Round) -> FaultVerdict {
    let mut scene = Scene::open(round, Setup { ledger, ..Setup::default() });
    scene.calm();
    let ours = Jumping::begin();
    for _ in 0..20 * scene.scale {
        let seconds =
            *scene.rng.pick(&[MINUTE, -MINUTE, HOUR, -HOUR, 5 * YEAR, -5 * YEAR, 80 * YEAR, -80 * YEAR]);
        ours.jump(seconds);
        scene.suffer(0..100);
        scene.wait_until_taken();
    }
    drop(ours);
    scene.healed();
    scene.verdict()
}
