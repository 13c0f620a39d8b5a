//! A file that other processes and stores use at the same time.

use std::fs;

use sqlx::Connection as _;
use tracing_ledger::store::Failure;

use super::{CHECKPOINT, Scene, insert, open, rows_in_a_copy_of, store};

#[tokio::test]
async fn a_vacuum_by_someone_else_costs_no_row() {
    let mut scene = Scene::new().await;
    scene.insert("many", 5_000).await.expect("stored");
    let mut other = open(&scene.file()).await;
    sqlx::raw_sql(CHECKPOINT).execute(&mut other).await.expect("run");
    scene.insert("before", 1).await.expect("stored");
    for statement in ["DELETE FROM observability_events WHERE event_type = 'many'", "VACUUM", CHECKPOINT] {
        sqlx::raw_sql(statement).execute(&mut other).await.expect("run");
    }
    other.close().await.expect("closed");
    scene.is_noticed(&["VACUUM"]).await;
    assert_eq!(scene.rows_at_the_end().await, "after 2, before 4");
}

#[tokio::test]
async fn every_journal_mode_of_a_file_works() {
    for mode in ["DELETE", "TRUNCATE", "PERSIST", "MEMORY", "OFF", "WAL"] {
        let mut scene = Scene::new().await;
        let file = scene.file();
        drop(scene.store);
        let mut other = open(&file).await;
        let set = sqlx::AssertSqlSafe(format!("PRAGMA journal_mode = {mode}"));
        sqlx::raw_sql(set).execute(&mut other).await.expect("set");
        other.close().await.expect("closed");
        scene.store = store(&file).create_table(false);
        scene.insert("before", 1).await.expect(mode);
        fs::rename(&file, scene.folder.path().join("old")).expect("moved");
        scene.insert("after", 2).await.expect_err(mode);
        assert_eq!(rows_in_a_copy_of(&scene.folder.path().join("old")).await, "before 4", "{mode}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn two_stores_on_one_file_wait_for_each_other() {
    let scene = Scene::new().await;
    let file = scene.file();
    drop(scene.store);
    let writers: Vec<_> = (0..2)
        .map(|_| {
            let mut store = store(&file);
            tokio::spawn(async move {
                for _ in 0..50 {
                    insert(&mut store, "after", 1).await.expect("stored");
                }
            })
        })
        .collect();
    for writer in writers {
        writer.await.expect("no panic");
    }
    assert_eq!(rows_in_a_copy_of(&file).await, "after 100, before 3");
}

#[tokio::test]
async fn a_locked_file_is_tried_again() {
    let mut scene = Scene::new().await;
    let mut other = open(&scene.file()).await;
    sqlx::raw_sql("BEGIN IMMEDIATE").execute(&mut other).await.expect("locked");
    let error = scene.insert("after", 2).await.expect_err("locked");
    assert_eq!(error.failure(), Failure::Retry, "{error}");
    assert!(error.to_string().contains("locked: another connection has held it for 5 s"), "{error}");
    other.close().await.expect("closed");
    scene.insert("after", 2).await.expect("stored");
}
