//! A server that stops, comes back or does not answer costs no row, and its connection is not used again.

use std::time::{Duration, SystemTime};

use support::Cluster;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tracing_ledger::Row;
use tracing_ledger::store::{Attempt, Failure, Postgres, Store};

fn batch() -> [Row; 1] {
    [Row::new(SystemTime::now(), "test", "test.event")]
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
    let words = "cannot connect to Postgres: no answer within 10 s; check the host and the port of the URL, ";
    assert!(error.to_string().starts_with(words), "{error}");
}

/// A server that accepts every login, answers `statements` statements, and then is silent.
async fn answers(statements: usize) -> Postgres {
    let server = TcpListener::bind("127.0.0.1:0").await.expect("bound");
    let port = server.local_addr().expect("bound").port();
    tokio::spawn(async move {
        let (mut client, _) = server.accept().await.expect("a client");
        body(&mut client).await;
        client.write_all(b"R\0\0\0\x08\0\0\0\0Z\0\0\0\x05I").await.expect("logged in");
        for _ in 0..statements {
            client.read_u8().await.expect("a statement");
            body(&mut client).await;
            client.write_all(b"C\0\0\0\x0aBEGIN\0Z\0\0\0\x05T").await.expect("answered");
        }
        client.read_u8().await.expect("the next statement");
        // From here on only the clock advances.
        tokio::time::pause();
        std::future::pending::<()>().await;
    });
    let url = format!("postgres://bob:secret@127.0.0.1:{port}/app?sslmode=disable");
    Postgres::from_url(&url).expect("readable")
}

/// Reads the message after its type.
async fn body(client: &mut TcpStream) {
    let length = client.read_u32().await.expect("a length") as usize;
    client.read_exact(&mut vec![0; length - 4]).await.expect("a message");
}

/// The link may be too slow for all of them.
#[tokio::test]
async fn a_server_that_does_not_answer_rows_gets_fewer_at_once() {
    let many = vec![batch()[0].clone(); Postgres::COPY_FROM_ROWS];
    for (statements, batch, failure) in
        [(0, &many[..2], Failure::Retry), (1, &many[..2], Failure::Halve), (1, &many[..], Failure::Halve)]
    {
        let error = answers(statements).await.insert(batch, Attempt::First).await.expect_err("silence");
        assert_eq!(error.failure(), failure, "{} rows after {statements} answers: {error}", batch.len());
        assert_eq!(error.to_string(), "cannot insert into Postgres: no answer within 25 s");
        tokio::time::resume();
    }
}

/// Its answer then names the cause, and no session works on for nobody.
#[tokio::test]
async fn the_server_times_out_before_the_store() {
    let url = Cluster::shared().database_after(
        "CREATE FUNCTION tell() RETURNS trigger LANGUAGE plpgsql AS $$BEGIN
             RAISE EXCEPTION 'timeouts % % %', current_setting('statement_timeout'),
                 current_setting('lock_timeout'), current_setting('idle_in_transaction_session_timeout')
                 USING ERRCODE = '22000'; END$$;
         CREATE TRIGGER tell BEFORE INSERT ON observability_events FOR EACH ROW EXECUTE FUNCTION tell();",
    );
    let mut store = Postgres::from_url(&url).expect("readable");
    for batch in [vec![batch()[0].clone()], vec![batch()[0].clone(); Postgres::COPY_FROM_ROWS]] {
        let error = store.insert(&batch, Attempt::First).await.expect_err("the trigger says no").to_string();
        let told = error
            .split(' ')
            .filter_map(|word| word.trim_end_matches(';').strip_suffix('s')?.parse::<u64>().ok());
        let told: Vec<_> = told.map(Duration::from_secs).collect();
        assert_eq!(told.len(), 3, "{error}");
        assert!(told.iter().all(|timeout| *timeout <= Postgres::STATEMENT_TIMEOUT), "{error}");
        assert!(told[0] < Postgres::STATEMENT_TIMEOUT && told[1] < told[0], "{error}");
    }
}
