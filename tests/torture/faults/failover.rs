//! The primary dies, and its standby takes over.

use std::sync::Arc;
use std::time::Duration;

use crate::scene::{FaultVerdict, Round, Scene, Setup};
use crate::wait::until;
use support::Cluster;

const STREAMS_WITHIN: Duration = Duration::from_mins(10);

/// The proxy is the one name of both servers.
pub(crate) fn to_a_standby(round: Round) -> FaultVerdict {
    let primary = Arc::new(Cluster::start());
    let mut scene = Scene::open(round, Setup { cluster: Arc::clone(&primary), ..Setup::default() });
    let standby = Arc::new(primary.standby());
    wait_for_standby(&scene);
    fail_over(&mut scene, &primary, &standby);
    scene.proxy.turn_to(standby.port());
    scene.stage.move_to(standby);
    scene.healed();
    scene.verdict()
}

/// The URL names both servers, the standby first.
pub(crate) fn by_the_url(round: Round) -> FaultVerdict {
    let primary = Arc::new(Cluster::start());
    let standby = Arc::new(primary.standby());
    let other_server = Some(standby.port());
    let setup = Setup { cluster: Arc::clone(&primary), other_server, ..Setup::default() };
    let mut scene = Scene::open(round, setup);
    wait_for_standby(&scene);
    fail_over(&mut scene, &primary, &standby);
    scene.stage.move_to(standby);
    scene.healed();
    scene.verdict()
}

/// Replication is synchronous: Postgres loses the rows that an asynchronous standby has not received when its primary
/// dies, and nobody can get them back.
fn wait_for_standby(scene: &Scene) {
    scene.psql("ALTER SYSTEM SET synchronous_standby_names = 'standby'");
    scene.psql("SELECT pg_reload_conf()");
    until(STREAMS_WITHIN, "the standby is waited for", || {
        scene.psql("SELECT count(*) FROM pg_stat_replication WHERE sync_state = 'sync'") == "1"
    });
}

fn fail_over(scene: &mut Scene, primary: &Cluster, standby: &Cluster) {
    scene.calm();
    scene.suffer(0..500);
    primary.kill9();
    scene.suffer(0..500);
    standby.promote();
    // The setting was copied to the standby, which has none of its own to wait for.
    standby.psql(&standby.url(), "ALTER SYSTEM RESET synchronous_standby_names");
    standby.psql(&standby.url(), "SELECT pg_reload_conf()");
}
