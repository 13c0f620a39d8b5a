//! A disk is full.

use std::sync::Arc;
use std::time::Duration;

use crate::scene::{FaultVerdict, Round, Scene, Setup};
use crate::tmpfs::Tmpfs;
use crate::wait::until;
use support::Cluster;

const CRASHES_WITHIN: Duration = Duration::from_mins(10);

/// The server's disk for tables is full: it says so, and goes on.
pub(crate) fn full_of_rows(round: Round) -> FaultVerdict {
    let cluster = Arc::new(Cluster::start());
    let disk = Tmpfs::mount(cluster.dir(), 2);
    let mut scene = Scene::open(round, Setup { cluster, ..Setup::default() });
    let tablespace = format!("CREATE TABLESPACE small LOCATION '{}'", disk.path().display());
    scene.psql(&tablespace);
    scene.psql(
        "ALTER TABLE observability_events SET TABLESPACE small;
         ALTER INDEX ALL IN TABLESPACE pg_default OWNED BY postgres SET TABLESPACE small",
    );
    scene.calm();
    scene.backlog();
    scene.suffer(0..1000);
    disk.grow(500);
    scene.healed();
    scene.verdict()
}

/// The server's disk for its log is full: it crashes, and cannot start again until there is room.
pub(crate) fn full_of_log(round: Round) -> FaultVerdict {
    let owner = crate::scene::victim();
    let disk = Tmpfs::mount(owner.dir(), 120);
    let cluster = Arc::new(Cluster::start_in(disk.path()));
    let mut scene = Scene::open(round, Setup { cluster: Arc::clone(&cluster), ..Setup::default() });
    // Else a server that crashes recovers, and its recovery may make room.
    scene.psql("ALTER SYSTEM SET restart_after_crash = off");
    scene.psql("SELECT pg_reload_conf()");
    until(CRASHES_WITHIN, "a new session has the setting", || {
        scene.stage.psql("SHOW restart_after_crash") == "off"
    });
    scene.calm();
    // Until no further segment of the log can be made.
    until(CRASHES_WITHIN, "the server crashes", || {
        let next =
            cluster.try_psql(&scene.stage.admin, "SELECT pg_switch_wal(), pg_create_restore_point('full')");
        next.is_err()
    });
    scene.backlog();
    scene.suffer(0..1000);
    disk.grow(500);
    cluster.restart();
    scene.healed();
    scene.verdict()
}
