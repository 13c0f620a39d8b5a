//! A server that is away, comes back or answers nothing costs no row and no connection is reused.

mod support;

use std::time::{Duration, SystemTime};

use support::Cluster;
use tokio::net::TcpListener;
use tracing_ledger::Event;
use tracing_ledger::store::{Attempt, Failure, Postgres, Store};

fn batch() -> [Event; 1] {
    [Event::new(SystemTime::now(), "test", "test.event")]
}

#[tokio::test]
async fn a_killed_server_is_found_again() {
    let cluster = Cluster::start();
    let url = cluster.database();
    let mut store = Postgres::from_url(&url).expect("readable");
    store.insert(&batch(), Attempt::First).await.expect("stored");
    cluster.kill9();
    let lost = batch();
    for _ in ["the old connection is cut", "a new one is refused"] {
        let error = store.insert(&lost, Attempt::First).await.expect_err("no server");
        assert_eq!(error.failure(), Failure::Retry, "{error}");
    }
    cluster.restart();
    store.insert(&lost, Attempt::Retry).await.expect("stored");
    assert_eq!(cluster.psql(&url, "SELECT count(*) FROM observability_events"), "2");
}

#[tokio::test]
async fn an_insert_that_is_dropped_leaves_nothing_behind() {
    let cluster = Cluster::shared();
    let url = cluster.database();
    let mut store = Postgres::from_url(&url).expect("readable");
    store.insert(&batch(), Attempt::First).await.expect("stored");
    let batch = batch();
    {
        let mut insert = std::pin::pin!(store.insert(&batch, Attempt::First));
        let mut context = std::task::Context::from_waker(std::task::Waker::noop());
        assert!(insert.as_mut().poll(&mut context).is_pending());
    }
    store.insert(&batch, Attempt::Retry).await.expect("stored");
    assert_eq!(cluster.psql(&url, "SELECT count(*) FROM observability_events"), "2");
}

#[tokio::test(start_paused = true)]
async fn a_server_that_says_nothing_is_given_up() {
    let silent = TcpListener::bind("127.0.0.1:0").await.expect("bound");
    let port = silent.local_addr().expect("bound").port();
    let mut store =
        Postgres::from_url(&format!("postgres://bob:secret@127.0.0.1:{port}/app")).expect("readable");
    let error = store.insert(&batch(), Attempt::First).await.expect_err("silence");
    assert_eq!(error.failure(), Failure::Retry);
    assert_eq!(error.to_string(), "cannot connect to Postgres: no answer within 10 s");
}

/// Its answer then says why, and no session of it goes on with what nobody waits for.
#[tokio::test]
async fn the_server_gives_up_before_we_do() {
    let cluster = Cluster::shared();
    let url = cluster.database();
    cluster.psql(
        &url,
        "CREATE FUNCTION tell() RETURNS trigger LANGUAGE plpgsql AS $$BEGIN
             RAISE EXCEPTION 'timeouts % % %', current_setting('statement_timeout'),
                 current_setting('lock_timeout'), current_setting('idle_in_transaction_session_timeout')
                 USING ERRCODE = '22000'; END$$;
         CREATE TRIGGER tell BEFORE INSERT ON observability_events FOR EACH ROW EXECUTE FUNCTION tell();",
    );
    let mut store = Postgres::from_url(&url).expect("readable");
    for batch in [vec![batch()[0].clone()], vec![batch()[0].clone(); Postgres::COPY_FROM_EVENTS]] {
        let error = store.insert(&batch, Attempt::First).await.expect_err("the trigger says no").to_string();
        let told = error.split(' ').filter_map(|word| word.strip_suffix('s')?.parse::<u64>().ok());
        let told: Vec<_> = told.map(Duration::from_secs).collect();
        assert_eq!(told.len(), 3, "{error}");
        assert!(told.iter().all(|timeout| *timeout <= Postgres::STATEMENT_TIMEOUT), "{error}");
        assert!(told[0] < Postgres::STATEMENT_TIMEOUT && told[1] < told[0], "{error}");
    }
}
