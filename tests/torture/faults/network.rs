//! The network fails in the ways in which networks fail.

use std::time::Duration;

use tracing_ledger::Builder;
use tracing_ledger::store::Postgres;

use crate::load::Pace;
use crate::proxy::{Cut, CutKind, Side, Weather};
use crate::scene::{DRAINED_WITHIN, FaultVerdict, Round, Scene, Setup};
use crate::wait::until;

/// From one offset to the next, where a sample must do.
const STRIDE: u64 = 29;
/// `CommandComplete` with its tag, and `ReadyForQuery`.
const ANSWER_TO_COMMIT: usize = 12 + 6;
/// About, of a batch that is copied: up to its rows, and of these.
const LENGTH_OF_STATEMENTS: usize = 400;
const LENGTH_OF_ROWS: u64 = 150_000;
/// The message that ends a `COPY`.
const COPY_DONE: &[u8] = b"c\0\0\0\x04";
/// Longer than a small batch takes, shorter than the wait between two tries.
const PATIENCE: Duration = Duration::from_millis(20);

/// Connections are reset, and no new ones are to be had.
pub(crate) fn reset(round: Round) -> FaultVerdict {
    weather(round, |_| Weather::Reset)
}

/// Every piece takes longer, in both directions.
pub(crate) fn delay(round: Round) -> FaultVerdict {
    weather(round, |scene| Weather::Delay(scene.rng.ms(5..200)))
}

/// A few bytes a millisecond: far less than what is called.
pub(crate) fn trickle(round: Round) -> FaultVerdict {
    weather(round, |scene| Weather::Trickle(scene.rng.within(1..60) as usize))
}

/// Nothing comes through; then everything does.
pub(crate) fn silence(round: Round) -> FaultVerdict {
    weather(round, |_| Weather::Silence)
}

/// Nothing comes through, and when it does again, nobody knows the connections that were open: the answer that
/// is waited for never comes.
pub(crate) fn amnesia(round: Round) -> FaultVerdict {
    weather(round, |_| Weather::Amnesia)
}

/// The same, and then so long an outage that the waits between two tries have grown to their limit.
pub(crate) fn long_outage(round: Round) -> FaultVerdict {
    let mut scene = Scene::open(round, Setup { queue_capacity: 1_000_000, ..Setup::default() });
    scene.calm();
    scene.proxy.weather(Weather::Amnesia);
    scene.suffer(60_000..90_000);
    scene.proxy.weather(Weather::Fair);
    scene.healed();
    scene.verdict()
}

fn weather(round: Round, comes: fn(&mut Scene) -> Weather) -> FaultVerdict {
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

/// The connection ends after every byte of a small batch and of its answers: begin, insert, commit.
pub(crate) fn cut_first_try(round: Round) -> FaultVerdict {
    let stride = if round.thorough { 1 } else { STRIDE };
    sweep(round, stride, |_, cut| vec![cut])
}

/// The connection ends after every byte of a commit and of its answer.
pub(crate) fn cut_commit(round: Round) -> FaultVerdict {
    sweep(round, 1, |answers, cut| {
        let before_commit = Cut { side: Side::Reply, after: answers - ANSWER_TO_COMMIT, how: CutKind::Mark };
        vec![before_commit, cut]
    })
}

/// The answer to a commit is lost, and then the second try ends within it or its answers: connect, log in, look at the
/// table, begin, insert, commit. The looks have long answers, so not every byte is tried.
pub(crate) fn cut_second_try(round: Round) -> FaultVerdict {
    let stride = if round.thorough { 11 } else { STRIDE };
    sweep(round, stride, |answers, cut| {
        let lost_answer = Cut { side: Side::Reply, after: answers - 1, how: CutKind::Orderly };
        vec![lost_answer, cut]
    })
}

/// The connection ends within a batch that is large enough to be copied: after bytes of all its statements and
/// answers, and here and there in its rows.
pub(crate) fn cut_copy(round: Round) -> FaultVerdict {
    let (stride, samples) = if round.thorough { (2, 100) } else { (2 * STRIDE, 4) };
    let mut scene = by_hand(round);
    let answers = length_of_answers(&mut scene, Postgres::COPY_FROM_ROWS);
    for how in [CutKind::Orderly, CutKind::Reset] {
        let statements = (0..LENGTH_OF_STATEMENTS).step_by(stride as usize);
        let rows: Vec<_> = (0..samples).map(|_| scene.rng.within(0..LENGTH_OF_ROWS) as usize).collect();
        let requests = statements.chain(rows).map(|after| Cut { side: Side::Request, after, how });
        // With the last of them lost, all rows are there.
        let replies = (0..answers).step_by(stride as usize).chain([answers - 1]);
        let replies = replies.map(|after| Cut { side: Side::Reply, after, how });
        for cut in requests.chain(replies) {
            scene.proxy.cut([cut]);
            write(&mut scene, Postgres::COPY_FROM_ROWS);
        }
    }
    scene.healed();
    scene.verdict()
}

/// The connection is gone for the client, and the server does not notice: with all rows copied and not yet told
/// that these were all, and before the commit. Until it looks whether its client is still there it keeps the rows,
/// and no second try of them can go on.
pub(crate) fn vanished(round: Round) -> FaultVerdict {
    let mut scene = by_hand(round);
    let answers = length_of_answers(&mut scene, 1);
    let before_commit = answers - ANSWER_TO_COMMIT;
    for _ in 0..scene.scale {
        scene.proxy.vanish_before(COPY_DONE);
        // The server inserts what it is copying a thousand rows at a time.
        write(&mut scene, Builder::DEFAULT_BATCH_SIZE);
        assert_eq!(scene.proxy.uncut(), 0, "the connection vanished");
        scene.proxy.cut([Cut { side: Side::Reply, after: before_commit, how: CutKind::Vanished }]);
        write(&mut scene, 1);
        assert_eq!(scene.proxy.uncut(), 0, "the connection vanished");
    }
    scene.healed();
    scene.verdict()
}

/// Puts cuts at offsets, each with a call and a flush of its own, until a batch comes through uncut.
fn sweep(round: Round, stride: u64, cuts: fn(usize, Cut) -> Vec<Cut>) -> FaultVerdict {
    let mut scene = by_hand(round);
    let answers = length_of_answers(&mut scene, 1);
    for side in [Side::Request, Side::Reply] {
        for how in [CutKind::Orderly, CutKind::Reset] {
            let first = scene.rng.within(0..stride) as usize;
            for after in (first..).step_by(stride as usize) {
                scene.proxy.cut(cuts(answers, Cut { side, after, how }));
                write(&mut scene, 1);
                if scene.proxy.uncut() > 0 {
                    break;
                }
            }
        }
    }
    scene.healed();
    scene.verdict()
}

/// A scene without callers of its own, over a table that has partitions or none.
fn by_hand(mut round: Round) -> Scene {
    let pace = Some(Pace { threads: 0, every: Duration::ZERO });
    let partitioned = round.rng.percent(50);
    Scene::open(round, Setup { pace, partitioned, ..Setup::default() })
}

/// How many bytes the server answers to a batch of that size on an open connection.
fn length_of_answers(scene: &mut Scene, rows: usize) -> usize {
    write(scene, rows);
    let before = scene.proxy.carried(Side::Reply);
    write(scene, rows);
    (scene.proxy.carried(Side::Reply) - before) as usize
}

/// Every flush that is asked for cuts the wait before the next try short.
fn write(scene: &mut Scene, rows: usize) {
    scene.burst(rows);
    until(DRAINED_WITHIN, "a cut is made good", || scene.guard.flush(PATIENCE).is_ok());
}
