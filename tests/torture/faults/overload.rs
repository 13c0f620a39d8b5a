//! Ten times as many calls as the queue holds, and no database.

use std::time::Duration;

use tracing_ledger::{Builder, Overflow};

use crate::load::Pace;
use crate::proxy::Weather;
use crate::scene::{FaultVerdict, Round, Scene, Setup, SpoolChoice};
use crate::wait::until;

const CAPACITY: u32 = 4000;
const BATCH: usize = 1000;
/// How long a caller waits for room, where it does.
const BLOCK: Duration = Duration::from_millis(20);
const OFFERED_WITHIN: Duration = Duration::from_mins(10);

pub(crate) fn refuse(round: Round) -> FaultVerdict {
    overload(round, 10, setup(|builder| builder.batch_size(BATCH).overflow(Overflow::Refuse)))
}

pub(crate) fn evict_oldest(round: Round) -> FaultVerdict {
    overload(round, 10, setup(|builder| builder.batch_size(BATCH).overflow(Overflow::EvictOldest)))
}

/// Every call over the limit holds up its caller, so it is not ten times as many here.
pub(crate) fn block(round: Round) -> FaultVerdict {
    let setup = setup(|builder| builder.batch_size(BATCH).overflow(Overflow::Block(BLOCK)));
    // A wait ends when the scheduler gets to it.
    overload(round, 1, Setup { callers_wait: BLOCK * 2, ..setup })
}

fn setup(ledger: fn(Builder) -> Builder) -> Setup {
    let pace = Some(Pace { threads: 4, every: Duration::from_millis(2) });
    Setup { ledger, pace, queue_capacity: CAPACITY as usize, spool: SpoolChoice::No, ..Setup::default() }
}

fn overload(round: Round, times: u32, setup: Setup) -> FaultVerdict {
    let mut scene = Scene::open(round, setup);
    scene.calm();
    scene.proxy.weather(Weather::Reset);
    scene.load.every(Duration::from_micros(50));
    // The queue, the batch in the writer's hands, the one that is made meanwhile, and some that find no room.
    let calls = scene.load.begun() + u64::from(CAPACITY * times * scene.scale + 2 * BATCH as u32 + 400);
    until(OFFERED_WITHIN, "the load is offered", || scene.load.begun() >= calls);
    scene.load.every(Duration::from_millis(2));
    scene.proxy.weather(Weather::Fair);
    scene.healed();
    let verdict = scene.verdict();
    assert!(verdict.counted > 0, "the queue was full");
    verdict
}
