//! A SQLite file that someone moves, deletes, replaces or cuts under the store, and one that is closed.

mod shared;

use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use sqlx::{Connection as _, SqliteConnection};
use support::DEADLINE;
use tracing_ledger::Row;
use tracing_ledger::store::{Attempt, Failure, InsertError, Sqlite, Store};
use tracing_subscriber::prelude::*;

const CHECKPOINT: &str = "PRAGMA wal_checkpoint(TRUNCATE)";

struct Scene {
    folder: tempfile::TempDir,
    store: Sqlite,
}

impl Scene {
    /// A store with three rows in `db/ledger.sqlite3`.
    async fn new() -> Self {
        let folder = tempfile::tempdir().expect("a temporary folder");
        fs::create_dir(folder.path().join("db")).expect("made");
        let file = folder.path().join("db/ledger.sqlite3");
        let mut scene = Self { folder, store: store(&file) };
        scene.insert("before", 3).await.expect("stored");
        scene
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn file(&self) -> PathBuf {
        self.path("db/ledger.sqlite3")
    }

    async fn insert(&mut self, event_type: &str, rows: usize) -> Result<(), InsertError> {
        insert(&mut self.store, event_type, rows).await
    }

    /// How many rows of each event type are in the file alone, once the store is closed.
    async fn rows_at_the_end(self) -> String {
        let Self { folder, store } = self;
        drop(store);
        rows_in_a_copy_of(&folder.path().join("db/ledger.sqlite3")).await
    }

    /// The next batch fails with `words`, and is stored when it comes again.
    async fn is_noticed(&mut self, words: &[&str]) {
        let error = self.insert("after", 2).await.expect_err("noticed");
        assert_eq!(error.failure(), Failure::Retry, "{error}");
        for word in words {
            assert!(error.to_string().contains(word), "{error}");
        }
        self.insert("after", 2).await.expect("stored");
    }
}

fn store(path: &Path) -> Sqlite {
    Sqlite::from_url(&format!("sqlite:{}", path.display())).expect("readable").create_table(true)
}

async fn insert(store: &mut Sqlite, event_type: &str, rows: usize) -> Result<(), InsertError> {
    let batch: Vec<Row> = (0..rows).map(|_| Row::new(SystemTime::now(), "test", event_type)).collect();
    store.insert(&batch, Attempt::First).await
}

async fn open(path: &Path) -> SqliteConnection {
    SqliteConnection::connect(&format!("sqlite:{}", path.display())).await.expect("opens")
}

/// How many rows of each event type are in a copy of the file alone.
async fn rows_in_a_copy_of(path: &Path) -> String {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let copy = folder.path().join("copy");
    fs::copy(path, &copy).expect("copied");
    let mut copy =
        sqlx::SqliteConnection::connect(&format!("sqlite:{}", copy.display())).await.expect("opens");
    let each = "SELECT event_type || ' ' || count(*) FROM observability_events GROUP BY event_type";
    let each: Vec<String> = sqlx::query_scalar(each).fetch_all(&mut copy).await.expect("a whole table");
    each.join(", ")
}

#[tokio::test]
async fn a_file_that_is_moved_away_is_whole_and_a_new_one_takes_the_next_rows() {
    let mut scene = Scene::new().await;
    let old = scene.path("old");
    fs::rename(scene.file(), &old).expect("moved");
    scene.is_noticed(&["moved, deleted or replaced", "in the old file only: 3"]).await;
    assert_eq!(rows_in_a_copy_of(&old).await, "before 3");
    assert_eq!(scene.rows_at_the_end().await, "after 2");
}

/// The last batch of all: no later one would notice.
#[tokio::test]
async fn a_file_that_is_moved_during_a_batch_is_noticed_by_that_batch() {
    let mut scene = Scene::new().await;
    let (file, old) = (scene.file(), scene.path("old"));
    let mut other = open(&file).await;
    sqlx::raw_sql("BEGIN IMMEDIATE").execute(&mut other).await.expect("locked");
    let moved = async {
        // The batch waits for the lock, and has looked at the file.
        tokio::time::sleep(Duration::from_millis(200)).await;
        fs::rename(&file, &old).expect("moved");
        sqlx::raw_sql("ROLLBACK").execute(&mut other).await.expect("unlocked");
    };
    let (inserted, ()) = tokio::join!(insert(&mut scene.store, "during", 2), moved);
    let error = inserted.expect_err("noticed");
    assert_eq!(error.failure(), Failure::Retry, "{error}");
    assert!(error.to_string().contains("moved, deleted or replaced"), "{error}");
    insert(&mut scene.store, "during", 2).await.expect("stored");
    assert_eq!(scene.rows_at_the_end().await, "during 2");
}

#[tokio::test]
async fn a_deleted_file_is_made_again() {
    for others in [&[][..], &["-wal", "-shm"]] {
        let mut scene = Scene::new().await;
        let file = scene.file();
        fs::remove_file(&file).expect("deleted");
        for other in others {
            fs::remove_file(format!("{}{other}", file.display())).expect("deleted");
        }
        scene.is_noticed(&["moved, deleted or replaced", "in the old file only: 3"]).await;
        assert_eq!(scene.rows_at_the_end().await, "after 2");
    }
}

#[tokio::test]
async fn a_replaced_file_takes_the_next_rows() {
    let mut scene = Scene::new().await;
    let other = scene.path("other");
    insert(&mut store(&other), "other", 5).await.expect("stored");
    fs::rename(&other, scene.file()).expect("replaced");
    scene.is_noticed(&["moved, deleted or replaced"]).await;
    assert_eq!(scene.rows_at_the_end().await, "after 2, other 5");
}

#[tokio::test]
async fn a_file_that_is_no_database_holds_until_it_is_gone() {
    let mut scene = Scene::new().await;
    let other = scene.path("other");
    fs::write(&other, "not a database. ".repeat(1000)).expect("written");
    fs::rename(&other, scene.file()).expect("replaced");
    scene.insert("after", 2).await.expect_err("noticed");
    let error = scene.insert("after", 2).await.expect_err("not a database");
    assert_eq!(error.failure(), Failure::Hold, "{error}");
    assert!(error.to_string().contains("file is not a database; move it away"), "{error}");
    fs::remove_file(scene.file()).expect("deleted");
    scene.insert("after", 2).await.expect("stored");
}

#[tokio::test]
async fn without_create_table_a_missing_file_holds_until_it_is_back() {
    let mut scene = Scene::new().await;
    let (file, away) = (scene.file(), scene.path("away"));
    scene.store = store(&file).create_table(false);
    scene.insert("before", 1).await.expect("stored");
    fs::rename(&file, &away).expect("moved");
    scene.insert("after", 2).await.expect_err("noticed");
    let error = scene.insert("after", 2).await.expect_err("missing");
    assert_eq!(error.failure(), Failure::Hold, "{error}");
    assert!(error.to_string().contains("create_table(true)") && !file.exists(), "{error}");
    fs::rename(&away, &file).expect("moved back");
    scene.insert("after", 2).await.expect("stored");
    assert_eq!(scene.rows_at_the_end().await, "after 2, before 4");
}

#[tokio::test]
async fn a_replaced_folder_is_noticed() {
    let mut scene = Scene::new().await;
    fs::rename(scene.path("db"), scene.path("db.old")).expect("moved");
    scene.insert("after", 2).await.expect_err("noticed");
    let error = scene.insert("after", 2).await.expect_err("no folder");
    assert!(error.to_string().contains("the directory in the URL exists"), "{error}");
    fs::create_dir(scene.path("db")).expect("made");
    scene.insert("after", 2).await.expect("stored");
    assert_eq!(rows_in_a_copy_of(&scene.path("db.old/ledger.sqlite3")).await, "before 3");
}

#[tokio::test]
async fn a_link_that_points_elsewhere_is_noticed() {
    let mut scene = Scene::new().await;
    let (link, old, new) = (scene.path("link"), scene.file(), scene.path("new"));
    symlink(&old, &link).expect("linked");
    scene.store = store(&link);
    scene.insert("before", 1).await.expect("stored");
    fs::remove_file(&link).expect("deleted");
    symlink(&new, &link).expect("linked");
    scene.is_noticed(&["moved, deleted or replaced", "in the old file only: 1"]).await;
    drop(scene.store);
    assert_eq!(rows_in_a_copy_of(&old).await, "before 4");
    assert_eq!(rows_in_a_copy_of(&new).await, "after 2");
}

#[tokio::test]
async fn a_second_name_of_the_file_changes_nothing() {
    let mut scene = Scene::new().await;
    let other = scene.path("other");
    fs::hard_link(scene.file(), &other).expect("linked");
    scene.insert("after", 2).await.expect("stored");
    drop(scene.store);
    assert_eq!(rows_in_a_copy_of(&other).await, "after 2, before 3");
}

#[tokio::test]
async fn a_file_that_is_emptied_is_noticed() {
    let mut scene = Scene::new().await;
    let file = fs::OpenOptions::new().write(true).open(scene.file()).expect("opens");
    file.set_len(0).expect("cut");
    let error = scene.insert("after", 2).await.expect_err("noticed");
    assert!(
        error.to_string().contains("became shorter") && error.to_string().contains("before that: 3"),
        "{error}"
    );
}

#[tokio::test]
async fn a_file_that_loses_its_second_half_is_noticed() {
    let mut scene = Scene::new().await;
    let path = scene.file();
    // Its pages for the next row would be in the second half.
    let drop_index = "DROP INDEX observability_events_event_type_created_at_idx";
    sqlx::raw_sql(drop_index).execute(&mut open(&path).await).await.expect("dropped");
    scene.insert("before", 5_000).await.expect("stored");
    // Made anew, so that all rows are in the file itself.
    let again = store(&path).create_table(false);
    drop(std::mem::replace(&mut scene.store, again));
    scene.insert("before", 1).await.expect("stored");
    let file = fs::OpenOptions::new().write(true).open(path).expect("opens");
    file.set_len(file.metadata().expect("there").len() / 2).expect("cut");
    scene.is_noticed(&["became shorter", "integrity_check"]).await;
}

#[tokio::test]
async fn the_rows_of_a_deleted_write_ahead_log_reach_the_file() {
    let mut scene = Scene::new().await;
    fs::remove_file(scene.path("db/ledger.sqlite3-wal")).expect("deleted");
    scene.is_noticed(&["write-ahead log"]).await;
    assert_eq!(scene.rows_at_the_end().await, "after 2, before 3");
}

#[test]
fn after_a_shutdown_a_copy_of_the_file_alone_has_every_row() {
    for _ in 0..12 {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let file = folder.path().join("ledger.sqlite3");
        let url = format!("sqlite:{}", file.display());
        let (layer, guard) = tracing_ledger::builder().create_table(true).build(&url).expect("a ledger");
        tracing::subscriber::with_default(tracing_subscriber::registry().with(layer), || {
            for _ in 0..100 {
                tracing::info!(name: "auto_assign.started", target: "test", status = "pending");
            }
        });
        guard.shutdown(DEADLINE).expect("written");
        // Before anything else may close it.
        let copy = folder.path().join("copy");
        fs::copy(&file, &copy).expect("copied");
        assert!(!folder.path().join("ledger.sqlite3-wal").exists());
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
        assert_eq!(runtime.block_on(rows_in_a_copy_of(&copy)), "auto_assign.started 100");
    }
}

#[test]
fn a_ledger_goes_on_in_a_new_file() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let (file, old) = (folder.path().join("ledger.sqlite3"), folder.path().join("old"));
    let url = format!("sqlite:{}", file.display());
    let (layer, guard) = tracing_ledger::builder().create_table(true).build(&url).expect("a ledger");
    tracing::subscriber::with_default(tracing_subscriber::registry().with(layer), || {
        tracing::info!(name: "auto_assign.started", target: "test", status = "pending");
        guard.flush(DEADLINE).expect("written");
        fs::rename(&file, &old).expect("moved");
        for _ in 0..10 {
            tracing::info!(name: "auto_assign.succeeded", target: "test", attempt_index = 1);
        }
    });
    let stats = guard.shutdown(DEADLINE).expect("written");
    assert_eq!((stats.offered, stats.written), (11, 11), "{stats}");
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    assert_eq!(runtime.block_on(rows_in_a_copy_of(&old)), "auto_assign.started 1");
    assert_eq!(runtime.block_on(rows_in_a_copy_of(&file)), "auto_assign.succeeded 10");
}

#[test]
fn a_relative_path_counts_from_where_the_store_was_made() {
    support::alone("sqlite_files::a_relative_path_counts_from_where_the_store_was_made", || {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let elsewhere = tempfile::tempdir().expect("a temporary folder");
        std::env::set_current_dir(folder.path()).expect("there");
        let mut store = store(Path::new("ledger.sqlite3"));
        std::env::set_current_dir(elsewhere.path()).expect("there");
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
        runtime.block_on(insert(&mut store, "after", 2)).expect("stored");
        runtime.block_on(insert(&mut store, "after", 2)).expect("stored");
        drop(store);
        assert_eq!(runtime.block_on(rows_in_a_copy_of(&folder.path().join("ledger.sqlite3"))), "after 4");
    });
}

#[tokio::test]
async fn the_next_batch_is_stored_whichever_way_one_is_refused() {
    for way in ["ROLLBACK", "ABORT", "FAIL"] {
        let mut scene = Scene::new().await;
        let mut other = open(&scene.file()).await;
        let trigger = format!(
            "CREATE TRIGGER refusal BEFORE INSERT ON observability_events WHEN NEW.event_type = 'bad' \
             BEGIN SELECT RAISE({way}, 'refused'); END"
        );
        sqlx::raw_sql(sqlx::AssertSqlSafe(trigger)).execute(&mut other).await.expect("made");
        other.close().await.expect("closed");
        for _ in 0..2 {
            let error = scene.insert("bad", 2).await.expect_err(way);
            assert_eq!(error.failure(), Failure::Quarantine, "{way}: {error}");
        }
        scene.insert("after", 2).await.expect(way);
        assert_eq!(scene.rows_at_the_end().await, "after 2, before 3", "{way}");
    }
}

#[tokio::test]
async fn a_table_without_a_key_is_named() {
    let mut scene = Scene::new().await;
    let mut other = open(&scene.file()).await;
    let swap = "CREATE TABLE copy AS SELECT * FROM observability_events; DROP TABLE observability_events; \
                ALTER TABLE copy RENAME TO observability_events";
    sqlx::raw_sql(swap).execute(&mut other).await.expect("swapped");
    other.close().await.expect("closed");
    let error = scene.insert("after", 2).await.expect_err("no key");
    assert_eq!(error.failure(), Failure::Hold, "{error}");
    assert!(error.to_string().contains("no primary key or unique index on id"), "{error}");
}
