//! The primary dies, and its standby takes over.

use std::sync::Arc;
use std::time::Duration;

use crate::scene::{FaultVerdict, Round, Scene, Setup};
use crate::wait::until;
use support::Cluster;

const STREAMS_WITHIN: Duration = Duration::from_secs(60);

/// Replication is synchronous: what an asynchronous standby had not heard of at the end of its primary is lost
/// by Postgres, and nobody can have it back.
pub(crate) fn to_a_standby(round: Round) -> FaultVerdict {
    let primary = Arc::new(Cluster::start());
    let mut scene = Scene::open(round, Setup { cluster: Arc::clone(&primary), ..Setup::default() });
    let standby = Arc::new(primary.standby());
    scene.psql("ALTER SYSTEM SET synchronous_standby_names = 'standby'");
    scene.psql("SELECT pg_reload_conf()");
    until(STREAMS_WITHIN, "the standby is waited for", || {
        scene.psql("SELECT count(*) FROM pg_stat_replication WHERE sync_state = 'sync'") == "1"
    });
    scene.calm();
    scene.suffer(0..500);
    primary.kill9();
    scene.suffer(0..500);
    standby.promote();
    // The setting was copied to the standby, which has none of its own to wait for.
    standby.psql(&standby.url(), "ALTER SYSTEM RESET synchronous_standby_names");
    standby.psql(&standby.url(), "SELECT pg_reload_conf()");
    scene.proxy.turn_to(standby.port());
    scene.stage.move_to(standby);
    scene.healed();
    scene.verdict()
}
