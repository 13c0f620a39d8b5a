//! No message of a store holds a URL, a user or a password.

use std::time::SystemTime;

use support::Cluster;
use tracing_ledger::Row;
use tracing_ledger::store::{Attempt, Postgres, Store};

fn assert_secret_free(text: &str) {
    for secret in ["bob", "hunter2", "127.0.0.1", "elsewhere"] {
        assert!(!text.contains(secret), "{text}");
    }
}

#[tokio::test]
async fn a_refused_login_shows_no_secret() {
    let cluster = Cluster::shared();
    let there = cluster.url();
    let user = there.replace("postgres@", "bob:hunter2@");
    let database = there.replace("/postgres", "/elsewhere");
    for url in [user, database] {
        let mut store = Postgres::from_url(&url).expect("readable");
        assert_secret_free(&format!("{store:?}"));
        let batch = [Row::new(SystemTime::now(), "test", "test.event")];
        let error = store.insert(&batch, Attempt::First).await.expect_err("refused");
        assert_secret_free(&format!("{error} {error:?}"));
        assert!(error.to_string().starts_with("cannot connect to Postgres: the "), "{error}");
    }
}

#[test]
fn an_unreadable_url_shows_no_secret() {
    let error = Postgres::from_url("postgres://bob:hunter2@elsewhere:port/app").expect_err("bad port");
    assert!(error.is_config());
    assert_secret_free(&format!("{error} {error:?}"));
}
