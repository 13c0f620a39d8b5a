//! The server goes away, or ends the sessions of the ledger.

use crate::scene::{FaultVerdict, Round, Scene, Setup, victim};
use support::Cluster;

/// SIGKILL of the postmaster: what a crash or the out-of-memory killer does.
pub(crate) fn killed(round: Round) -> FaultVerdict {
    away(round, Cluster::kill9)
}

/// A restart as an administrator does it: sessions are ended, with their answer.
pub(crate) fn stopped(round: Round) -> FaultVerdict {
    away(round, Cluster::stop)
}

/// The immediate mode of `pg_ctl stop`: sessions are aborted, and the next start recovers from the log.
pub(crate) fn stopped_at_once(round: Round) -> FaultVerdict {
    away(round, Cluster::stop_at_once)
}

fn away(round: Round, goes: fn(&Cluster)) -> FaultVerdict {
    let mut scene = Scene::open(round, Setup { cluster: victim(), ..Setup::default() });
    scene.calm();
    for _ in 0..scene.scale {
        scene.suffer(0..300);
        goes(&scene.stage.cluster);
        scene.suffer(100..1500);
        scene.stage.cluster.restart();
    }
    scene.healed();
    scene.verdict()
}

/// `pg_terminate_backend`, again and again, at any moment of a transaction.
pub(crate) fn terminated(round: Round) -> FaultVerdict {
    again_and_again(round, "pg_terminate_backend")
}

/// `pg_cancel_backend`, which looks just like a statement timeout.
pub(crate) fn cancelled(round: Round) -> FaultVerdict {
    again_and_again(round, "pg_cancel_backend")
}

fn again_and_again(round: Round, signal: &str) -> FaultVerdict {
    let mut scene = Scene::open(round, Setup::default());
    scene.calm();
    // In the server, as starting a client for each would leave long gaps.
    let hits = scene.psql(&format!(
        "CREATE FUNCTION hits() RETURNS int LANGUAGE plpgsql AS $$ DECLARE hits int := 0; BEGIN
             FOR i IN 1..{} LOOP
                 PERFORM pg_stat_clear_snapshot(), pg_sleep(random() * 0.02);
                 PERFORM {signal}(pid) FROM pg_stat_activity WHERE usename = '{}' AND state <> 'idle';
                 IF FOUND THEN hits := hits + 1; END IF;
             END LOOP; RETURN hits; END $$;
         SELECT hits()",
        200 * scene.scale,
        scene.stage.role,
    ));
    assert_ne!(hits, "0", "the ledger was hit");
    scene.healed();
    scene.verdict()
}
