//! The network does what networks do.

use std::time::Duration;

use crate::load::Pace;
use crate::proxy::{Cut, Side, Weather};
use crate::scene::{Round, Scene, Setup, Verdict};
use crate::wait::until;

const WRITTEN_WITHIN: Duration = Duration::from_secs(20);
/// Longer than a batch of one takes, shorter than the wait between two tries.
const PATIENCE: Duration = Duration::from_millis(20);

/// Connections are reset, and no new ones are to be had.
pub(crate) fn reset(round: Round) -> Verdict {
    weather(round, |_| Weather::Reset)
}

/// Every piece takes longer, in both directions.
pub(crate) fn delay(round: Round) -> Verdict {
    weather(round, |scene| Weather::Delay(scene.rng.ms(5..200)))
}

/// A few bytes a millisecond: far less than what is called.
pub(crate) fn trickle(round: Round) -> Verdict {
    weather(round, |scene| Weather::Trickle(scene.rng.within(1..60) as usize))
}

/// Nothing comes through; then everything does.
pub(crate) fn silence(round: Round) -> Verdict {
    weather(round, |_| Weather::Silence)
}

/// Nothing comes through, and when it does again, nobody knows the connections that were open: the answer that
/// is waited for never comes.
pub(crate) fn amnesia(round: Round) -> Verdict {
    weather(round, |_| Weather::Amnesia)
}

/// The same, and then so long an outage that the waits between two tries have grown to their limit.
pub(crate) fn long_outage(round: Round) -> Verdict {
    let mut scene = Scene::open(round, Setup { queue_capacity: 1_000_000, ..Setup::default() });
    scene.calm();
    scene.proxy.weather(Weather::Amnesia);
    scene.suffer(60_000..90_000);
    scene.proxy.weather(Weather::Fair);
    scene.healed();
    scene.verdict()
}

fn weather(round: Round, comes: fn(&mut Scene) -> Weather) -> Verdict {
    let mut scene = Scene::open(round, Setup::default());
    scene.calm();
    for _ in 0..scene.scale {
        let weather = comes(&mut scene);
        scene.proxy.weather(weather);
        scene.suffer(500..2500);
        scene.proxy.weather(Weather::Fair);
        scene.suffer(0..100);
    }
    scene.healed();
    scene.verdict()
}

/// The connection ends after every byte of a batch and of its answers: begin, copy, commit.
pub(crate) fn cut_first_try(round: Round) -> Verdict {
    sweep(round, |_, cut| vec![cut])
}

/// The answer to a commit is lost, and then the second try ends after every byte of it and of its answers:
/// connect, log in, begin, insert, commit.
pub(crate) fn cut_second_try(round: Round) -> Verdict {
    sweep(round, |answers, cut| {
        let lost_answer = Cut { side: Side::Reply, after: answers - 1, orderly: true };
        vec![lost_answer, cut]
    })
}

/// Puts cuts at offsets, each with a call and a flush of its own, until a batch comes through uncut.
fn sweep(round: Round, cuts: fn(usize, Cut) -> Vec<Cut>) -> Verdict {
    let stride = if round.thorough { 1 } else { 29 };
    let by_hand = Pace { threads: 0, every: Duration::ZERO };
    let mut scene = Scene::open(round, Setup { pace: by_hand, ..Setup::default() });
    let answers = length_of_answers(&mut scene);
    for side in [Side::Request, Side::Reply] {
        for orderly in [false, true] {
            let first = scene.rng.within(0..stride) as usize;
            for after in (first..).step_by(stride as usize) {
                scene.proxy.cut(cuts(answers, Cut { side, after, orderly }));
                write_one(&mut scene);
                if scene.proxy.uncut() > 0 {
                    break;
                }
            }
        }
    }
    scene.healed();
    scene.verdict()
}

/// How many bytes the server answers to a batch of one on an open connection.
fn length_of_answers(scene: &mut Scene) -> usize {
    write_one(scene);
    let before = scene.proxy.carried(Side::Reply);
    write_one(scene);
    (scene.proxy.carried(Side::Reply) - before) as usize
}

/// Every flush that is asked for cuts the wait before the next try short.
fn write_one(scene: &mut Scene) {
    scene.load.call(&scene.dispatch);
    until(WRITTEN_WITHIN, "a cut is made good", || scene.guard.flush(PATIENCE).is_ok());
}
