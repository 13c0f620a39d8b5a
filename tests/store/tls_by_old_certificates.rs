//! A server's certificate of X.509 version 1, as the recipe for a CA in PostgreSQL's manual makes it.

use std::path::Path;
use std::process::Command;
use std::sync::LazyLock;
use std::time::SystemTime;

use sqlx::{Connection as _, PgConnection};
use support::{Cluster, this_test};
use tracing_ledger::Row;
use tracing_ledger::store::{Attempt, Postgres, Store};

use crate::tls::{give_to_owner_of, make_ca, openssl};

/// Names to the child the URL to insert by.
const CHILD: &str = "LEDGER_TEST_OLD_CERTIFICATE";

/// A server with such a certificate.
static SERVER: LazyLock<Cluster> = LazyLock::new(|| {
    let cluster = Cluster::start();
    let data = cluster.dir().join("data");
    make_ca(&data, "ca");
    make_old_certificate(&data);
    cluster.psql(&cluster.url(), "ALTER SYSTEM SET ssl = on");
    cluster.stop();
    cluster.restart();
    cluster
});

/// Without extensions `openssl x509 -req` makes version 1.
fn make_old_certificate(folder: &Path) {
    openssl(folder, "req -newkey rsa:2048 -nodes -subj /CN=localhost -keyout server.key -out server.csr");
    openssl(
        folder,
        "x509 -req -in server.csr -CA ca.crt -CAkey ca.key -CAcreateserial -days 2 -out server.crt",
    );
    let shown = Command::new("openssl")
        .args(["x509", "-noout", "-text", "-in"])
        .arg(folder.join("server.crt"))
        .output()
        .expect("openssl is there");
    assert!(
        String::from_utf8_lossy(&shown.stdout).contains("Version: 1 "),
        "the certificate is of another version"
    );
    for file in ["server.key", "server.crt"] {
        give_to_owner_of(folder, &folder.join(file));
    }
}

/// A database on that server, which one test has for itself.
struct OldDatabase {
    superuser: String,
}

impl OldDatabase {
    fn new() -> Self {
        Self { superuser: SERVER.database() }
    }

    fn url(&self, parameters: &str) -> String {
        let name = self.superuser.rsplit('/').next().expect("a URL names its database");
        format!("postgres://postgres@localhost:{}/{name}?{parameters}", SERVER.port())
    }

    fn rows(&self) -> u32 {
        let rows = SERVER.psql(&self.superuser, "SELECT count(*) FROM observability_events");
        rows.parse().expect("a number")
    }
}

/// Inserts two rows in a process of its own, each by a new connection; what it writes to stderr.
fn insert(url: &str) -> String {
    let output = this_test("tls_by_old_certificates::the_child_inserts_rows")
        .env(CHILD, url)
        .output()
        .expect("the test starts itself");
    String::from_utf8(output.stderr).expect("it writes text")
}

#[tokio::test]
async fn the_child_inserts_rows() {
    let Ok(url) = std::env::var(CHILD) else { return };
    let mut store = Postgres::from_url(&url).expect("readable");
    for _ in 0..2 {
        let row = [Row::new(SystemTime::now(), "test", "test.event")];
        store.insert(&row, Attempt::First).await.expect("stored");
        // The next row comes by a new connection.
        let (server, _) = url.split_once('?').expect("it has parameters");
        kick(&format!("{server}?sslmode=disable")).await;
        store.insert(&row, Attempt::Retry).await.expect_err("the connection is cut");
    }
}

async fn kick(url: &str) {
    let kick = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity \
                WHERE application_name = 'tracing-ledger' AND datname = current_database()";
    let mut admin = PgConnection::connect(url).await.expect("it connects");
    sqlx::raw_sql(kick).execute(&mut admin).await.expect("the session is ended");
}

#[test]
fn prefer_goes_on_without_tls_and_a_notice_says_so_once() {
    let database = OldDatabase::new();
    for parameters in ["", "sslmode=prefer"] {
        let before = database.rows();
        let stderr = insert(&database.url(parameters));
        assert_eq!(database.rows(), before + 2, "{stderr}");
        let notice = "is not encrypted, because sslmode is prefer and TLS failed: the server's certificate is of X.509 version 1";
        assert_eq!(stderr.matches(notice).count(), 1, "{stderr}");
        assert!(!stderr.contains("use sslmode=prefer"), "it is prefer already: {stderr}");
        assert_eq!(stderr.lines().count(), 1, "{stderr}");
    }
}

#[test]
fn without_tls_the_certificate_does_not_matter() {
    let database = OldDatabase::new();
    for parameters in ["sslmode=disable", "sslmode=allow"] {
        let before = database.rows();
        assert_eq!(insert(&database.url(parameters)), "");
        assert_eq!(database.rows(), before + 2);
    }
}

/// The driver's rustls does not even read such a certificate, so `require` cannot be honoured: it is named.
#[test]
fn where_tls_is_required_the_version_is_named() {
    let (database, data) = (OldDatabase::new(), SERVER.dir().join("data"));
    let ca = format!("sslrootcert={}", data.join("ca.crt").display());
    for parameters in
        ["sslmode=require".to_owned(), format!("sslmode=verify-ca&{ca}"), format!("sslmode=verify-full&{ca}")]
    {
        let stderr = insert(&database.url(&parameters));
        assert!(stderr.contains("certificate is of X.509 version 1"), "{parameters}: {stderr}");
        assert!(stderr.contains("issue one of version 3"), "{parameters}: {stderr}");
    }
}
