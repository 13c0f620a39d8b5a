//! A pooler gives the ledger a session for one transaction at a time, and gives it to others in between.

use std::time::{Duration, SystemTime};

use tokio::runtime;
use tracing_ledger::store::{Attempt, Postgres, Store};
use tracing_ledger::{Builder, Row};

use crate::load::Pace;
use crate::pooler::{Others, Pooler};
use crate::proxy::Weather;
use crate::scene::{FaultVerdict, Round, Scene, Setup};
use crate::wait::until;

/// Callers so slow that batches are of about 200, and go by `INSERT`. That takes two trips to the server, between which
/// another client gets the session unless a transaction holds it. A `COPY` holds it without one.
const SMALL_BATCHES: Pace = Pace { threads: 2, every: Duration::from_millis(2) };
/// The rows of the largest transaction.
const LARGEST_BATCH: &str = "SELECT coalesce(max(rows), 0) FROM
    (SELECT count(*) AS rows FROM observability_events GROUP BY xmin::text) AS batches";
/// The most rows that a batch of full size may lack: two chunks of records that were not full.
const NOT_QUITE: usize = 100;
const REPLAYS: u32 = 5;
const WRITTEN_WITHIN: Duration = Duration::from_mins(10);

/// Other clients on the same sessions; small batches, then the largest, what an earlier process left, then some that
/// have to be sent again.
pub(crate) fn beside_others(mut round: Round) -> FaultVerdict {
    let partitioned = round.rng.percent(50);
    let mut scene = Scene::open(round, Setup { partitioned, pace: Some(SMALL_BATCHES), ..Setup::default() });
    let pooler = Pooler::start(&scene.stage);
    scene.proxy.turn_to(pooler.port());
    scene.kick();
    scene.calm();
    let mut others = Others::start(&scene.stage, &pooler, 4 * scene.scale);
    scene.suffer(1500..2000);
    scene.burst(3 * Builder::DEFAULT_BATCH_SIZE);
    until(WRITTEN_WITHIN, "a whole batch is written at once", || {
        let rows: usize = scene.psql(LARGEST_BATCH).parse().expect("a number");
        rows >= Builder::DEFAULT_BATCH_SIZE - NOT_QUITE
    });
    (0..REPLAYS).for_each(|_| replay(&scene, &pooler));
    while !others.are_done() {
        scene.suffer(0..100);
        scene.proxy.weather(Weather::Reset);
        scene.suffer(0..20);
        scene.proxy.weather(Weather::Fair);
    }
    others.check(&scene.stage);
    scene.healed();
    scene.verdict()
}

/// A `COPY` that comes upon a row that is there goes back, and on as an `INSERT`, in the midst of the others.
fn replay(scene: &Scene, pooler: &Pooler) {
    let row = || Row::new(SystemTime::now(), "torture", "torture.replay");
    let left: Vec<_> = std::iter::repeat_with(row).take(Builder::DEFAULT_BATCH_SIZE).collect();
    let mut store = Postgres::from_url(&scene.stage.url(pooler.port())).expect("readable");
    let runtime = runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    runtime.block_on(async {
        store.insert(&left[left.len() / 2..], Attempt::First).await.expect("stored");
        store.insert(&left, Attempt::Replay).await.expect("stored");
    });
    let rows = scene.psql(
        "WITH rows AS (DELETE FROM observability_events WHERE event_type = 'torture.replay' RETURNING id)
         SELECT count(*), count(DISTINCT id) FROM rows",
    );
    assert_eq!(rows, format!("{0}|{0}", left.len()), "rows of the earlier process, and each once");
}

/// The pooler is killed, and with it every session of the server that it held.
pub(crate) fn killed(round: Round) -> FaultVerdict {
    let mut scene = Scene::open(round, Setup::default());
    let mut pooler = Pooler::start(&scene.stage);
    scene.proxy.turn_to(pooler.port());
    scene.kick();
    scene.calm();
    for _ in 0..3 * scene.scale {
        scene.suffer(0..500);
        pooler.kill_and_start();
    }
    scene.healed();
    scene.verdict()
}
