//! The service ends while the database fails, and has only so much time for it.

use std::thread;

use crate::proxy::Weather;
use crate::scene::{DRAINED_WITHIN, FaultVerdict, Round, Scene, Setup, SpoolChoice};
use crate::wait::until;

/// A shutdown keeps its deadline whatever the database does, and its counts of rows are true.
pub(crate) fn by_the_deadline(mut round: Round) -> FaultVerdict {
    let weather = *round.rng.pick(&[Weather::Reset, Weather::Silence, Weather::Amnesia, Weather::Trickle(1)]);
    let deadline = round.rng.ms(0..1000);
    let mut scene = Scene::open(round, Setup { spool: SpoolChoice::No, ..Setup::default() });
    scene.calm();
    scene.suffer(0..300);
    scene.proxy.weather(weather);
    scene.backlog();
    scene.verdict_of_exit(deadline, |_, proxy| proxy.weather(Weather::Fair))
}

/// A try that waits for the lock, and that has only begun: the server gives it up two seconds after its begin.
const WAITS_FOR_THE_LOCK: &str = "SELECT count(*) > 0 FROM pg_stat_activity WHERE datname = current_database() \
    AND wait_event_type = 'Lock' AND clock_timestamp() - query_start < interval '0.5 s'";

/// The same with the table locked: the server has the statement, and works on it past the deadline.
pub(crate) fn while_locked(mut round: Round) -> FaultVerdict {
    let deadline = round.rng.ms(0..500);
    let mut scene = Scene::open(round, Setup { spool: SpoolChoice::No, ..Setup::default() });
    scene.calm();
    let (cluster, admin) = (scene.stage.cluster.clone(), scene.stage.admin.clone());
    let locker = thread::spawn(move || {
        let lock = "BEGIN; LOCK TABLE observability_events IN ACCESS EXCLUSIVE MODE; SELECT pg_sleep(600)";
        cluster.try_psql(&admin, lock).expect_err("its session is ended")
    });
    scene.backlog();
    until(DRAINED_WITHIN, "a try waits for the lock", || scene.stage.psql(WAITS_FOR_THE_LOCK) == "t");
    scene.verdict_of_exit(deadline, |stage, _| {
        let unlock = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity \
                      WHERE datname = current_database() AND query LIKE '%pg_sleep(600)%' AND pid <> pg_backend_pid()";
        stage.psql(unlock);
        locker.join().expect("the lock was taken and let go");
    })
}
