//! The server runs and does not take the rows.

use std::thread;

use crate::scene::{FaultVerdict, Round, Scene, Setup};

/// A change that an administrator makes and reverts.
struct Change {
    does: fn(&Scene) -> String,
    undoes: fn(&Scene) -> String,
    /// Whether a session that is open already would not notice.
    for_new_sessions: bool,
}

fn changed(round: Round, change: &Change) -> FaultVerdict {
    changed_in(round, change, Setup::default())
}

fn changed_in(round: Round, change: &Change, setup: Setup) -> FaultVerdict {
    let mut scene = Scene::open(round, setup);
    scene.calm();
    for _ in 0..scene.scale {
        scene.psql(&(change.does)(&scene));
        if change.for_new_sessions {
            scene.kick();
        }
        scene.backlog();
        scene.suffer(0..1000);
        scene.psql(&(change.undoes)(&scene));
    }
    scene.healed();
    scene.verdict()
}

/// As on a standby, or when an administrator stops all writes.
pub(crate) fn read_only(round: Round) -> FaultVerdict {
    let change = Change {
        does: |scene| format!("ALTER ROLE {} SET default_transaction_read_only = on", scene.stage.role),
        undoes: |scene| format!("ALTER ROLE {} RESET default_transaction_read_only", scene.stage.role),
        for_new_sessions: true,
    };
    changed(round, &change)
}

/// Others have all the connections there are.
pub(crate) fn connection_cap(round: Round) -> FaultVerdict {
    let change = Change {
        does: |scene| format!("ALTER ROLE {} CONNECTION LIMIT 0", scene.stage.role),
        undoes: |scene| format!("ALTER ROLE {} CONNECTION LIMIT -1", scene.stage.role),
        for_new_sessions: true,
    };
    changed(round, &change)
}

pub(crate) fn revoked(round: Round) -> FaultVerdict {
    let change = Change {
        does: |scene| format!("REVOKE INSERT ON observability_events FROM {}", scene.stage.role),
        undoes: |scene| format!("GRANT INSERT ON observability_events TO {}", scene.stage.role),
        for_new_sessions: false,
    };
    changed(round, &change)
}

/// Such as a migration that swaps tables.
pub(crate) fn renamed(round: Round) -> FaultVerdict {
    let change = Change {
        does: |_| "ALTER TABLE observability_events RENAME TO elsewhere".to_owned(),
        undoes: |_| "ALTER TABLE elsewhere RENAME TO observability_events".to_owned(),
        for_new_sessions: false,
    };
    changed(round, &change)
}

/// The partition for new rows is missing, as when a job has not made it in time.
pub(crate) fn no_partition(round: Round) -> FaultVerdict {
    let change = Change {
        does: |_| "ALTER TABLE observability_events DETACH PARTITION events_after".to_owned(),
        undoes: |_| "ALTER TABLE observability_events ATTACH PARTITION events_after DEFAULT".to_owned(),
        for_new_sessions: false,
    };
    let verdict = changed_in(round, &change, Setup { partitioned: true, ..Setup::default() });
    assert_eq!(verdict.quarantined, 0, "no row is at fault");
    verdict
}

/// Such as a migration that takes its time.
pub(crate) fn locked(round: Round) -> FaultVerdict {
    let mut scene = Scene::open(round, Setup::default());
    scene.calm();
    let locker = {
        let (cluster, admin) = (scene.stage.cluster.clone(), scene.stage.admin.clone());
        let seconds = 2 + scene.rng.within(0..2) * u64::from(scene.scale);
        let sql = format!(
            "BEGIN; LOCK TABLE observability_events IN ACCESS EXCLUSIVE MODE; SELECT pg_sleep({seconds}); COMMIT"
        );
        thread::spawn(move || cluster.psql(&admin, &sql))
    };
    scene.backlog();
    locker.join().expect("the lock was taken and let go");
    scene.healed();
    scene.verdict()
}

/// The server cancels every statement of more than a few rows, as it does with those that take too long. No
/// statement here takes 20 s: a trigger answers as the timeout would.
pub(crate) fn statement_timeout(round: Round) -> FaultVerdict {
    let mut scene = Scene::open(round, Setup::default());
    scene.calm();
    let most = scene.rng.within(1..20);
    scene.psql(&format!(
        "CREATE FUNCTION too_slow() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
             IF (SELECT count(*) > {most} FROM fresh) THEN
                 RAISE 'canceling statement due to statement timeout' USING ERRCODE = '57014';
             END IF;
             RETURN NULL;
         END $$;
         CREATE TRIGGER too_slow AFTER INSERT ON observability_events REFERENCING NEW TABLE AS fresh
             FOR EACH STATEMENT EXECUTE FUNCTION too_slow()"
    ));
    scene.suffer(1000..2000);
    scene.psql("DROP TRIGGER too_slow ON observability_events");
    scene.healed();
    scene.verdict()
}
