//! The clock on the wall jumps, as after a suspended machine or a wrong battery.

use crate::clock;
use crate::scene::{Round, Scene, Setup, Verdict};

const HOUR: i64 = 60 * 60;
const YEAR: i64 = 365 * 24 * HOUR;

/// Forwards, backwards, to before 1970 and to the next century. What a row says of its time is then as wrong
/// as the clock is, and nothing else is.
pub(crate) fn jumps(round: Round) -> Verdict {
    let mut scene = Scene::open(round, Setup { steady_clock: false, ..Setup::default() });
    scene.calm();
    let ours = clock::Jumping;
    for _ in 0..20 * scene.scale {
        let seconds = *scene.rng.pick(&[1, -1, HOUR, -HOUR, 5 * YEAR, -5 * YEAR, 80 * YEAR, -80 * YEAR]);
        ours.jump(seconds);
        scene.suffer(0..100);
    }
    drop(ours);
    scene.healed();
    scene.verdict()
}
