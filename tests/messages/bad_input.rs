//! Wrong input is reported with the remedy and without the password, and nothing panics.

use support::{Cluster, Ledger, SOON, this_test, until_failing};
use tracing::info_span;
use tracing_ledger::{Error, Rules};
use tracing_subscriber::{Registry, prelude::*};

/// Builds, makes one call, and shuts down: the error of whichever comes first.
fn failure(url: &str) -> Error {
    let (ledger, guard) = match tracing_ledger::layer::<Registry>(url) {
        Ok(built) => built,
        Err(error) => return error,
    };
    let registry = tracing_subscriber::registry().with(ledger);
    tracing::subscriber::with_default(registry, || info_span!("auto_assign.quote").in_scope(|| ()));
    until_failing(&guard);
    guard.shutdown(SOON).expect_err("nothing can be written")
}

#[track_caller]
fn assert_says(error: &Error, words: &[&str]) {
    for text in [error.to_string(), format!("{error:?}"), format!("{:?}", std::error::Error::source(error))] {
        assert!(!text.contains("s3cret") && !text.contains("someone"), "{text}");
    }
    let message = error.to_string();
    assert!(words.iter().all(|word| message.contains(word)), "{message:?} lacks one of {words:?}");
}

#[test]
fn a_wrong_url_is_refused() {
    for url in ["", "nonsense", "mysql://someone:s3cret@localhost/app", "someone:s3cret@localhost"] {
        let error = failure(url);
        assert!(error.is_config(), "{error}");
        assert_says(&error, &["postgres://", "sqlite:"]);
    }
    for url in [
        "postgres://someone:s3cret@localhost:port/app",
        "postgres://someone:s3cret@[::1/app",
        "postgres://someone:s3cret@localhost/app?sslmode=s3cret",
    ] {
        let error = failure(url);
        assert!(error.is_config(), "{error}");
        assert_says(&error, &["URL"]);
    }
}

#[test]
fn an_unreachable_host_is_reported() {
    // A port that was free a moment ago: nobody listens there.
    let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a free port");
    let port = listener.local_addr().expect("it has an address").port();
    drop(listener);
    let error = failure(&format!("postgres://someone:s3cret@127.0.0.1:{port}/app"));
    assert!(error.is_timeout(), "{error}");
    assert_says(&error, &["of 1 rows accepted 0 are written", "cannot connect to Postgres"]);
}

#[test]
fn a_socket_without_a_server_is_reported() {
    let dir = tempfile::tempdir().expect("a temporary folder");
    let error = failure(&format!("postgres://someone:s3cret@localhost/app?host={}", dir.path().display()));
    assert!(error.is_timeout(), "{error}");
    assert_says(&error, &["a Unix socket", "is missing", "check that the server runs"]);
}

#[test]
fn a_missing_table_is_reported() {
    let error = failure(&Cluster::shared().empty_database());
    assert_says(&error, &["observability_events", "schema.sql"]);
}

#[test]
fn an_unwritable_directory_is_reported() {
    // Nobody may make a file there, root included.
    let error = failure("sqlite:/proc/ledger.sqlite3");
    assert_says(&error, &["SQLite", "the directory in the URL exists", "may write to it"]);
}

#[test]
fn a_password_file_that_cannot_be_read_is_not_shown() {
    const CHILD: &str = "LEDGER_TEST_PGPASS";
    if std::env::var_os(CHILD).is_some() {
        tracing_subscriber::fmt().with_writer(std::io::stderr).init();
        drop(tracing_ledger::layer::<Registry>("postgres://bob@localhost/db").expect("a good URL"));
        return;
    }
    let dir = tempfile::tempdir().expect("a temporary folder");
    let pgpass = dir.path().join("pgpass");
    std::fs::write(&pgpass, "*:*:*:s3cret\n").expect("it is written");
    let mut permissions = std::fs::metadata(&pgpass).expect("it is there").permissions();
    std::os::unix::fs::PermissionsExt::set_mode(&mut permissions, 0o600);
    std::fs::set_permissions(&pgpass, permissions).expect("it is ours");
    let output = this_test("bad_input::a_password_file_that_cannot_be_read_is_not_shown")
        .env(CHILD, "1")
        .env("PGPASSFILE", &pgpass)
        .output()
        .expect("the test starts itself");
    let said =
        String::from_utf8_lossy(&output.stderr).into_owned() + &String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success() && !said.contains("s3cret"), "{said}");
}

#[test]
fn a_missing_rule_file_is_reported_by_its_path() {
    let error = Rules::from_path("no/such/rules.toml").expect_err("it is not there");
    assert!(error.is_config());
    assert_says(&error, &["no/such/rules.toml"]);
}

#[test]
fn a_bad_rule_is_reported_by_its_line() {
    let error = "[[rule]]\nspan = \"a\"\nseverity = \"fatal\"\n".parse::<Rules>().expect_err("it is bad");
    assert!(error.is_config());
    assert_says(&error, &["rules:3", "severity", "info, warning, error, critical"]);
}

#[test]
fn a_severity_outside_the_four_is_mapped_before_the_insert() {
    let rules: Rules = r#"
        [[rule]]
        span = "call"
        severity = { field = "level", map = { fatal = "critical" } }
    "#
    .parse()
    .expect("good rules");
    let ledger = Ledger::memory_with(tracing_ledger::builder().rules(rules));
    ledger.run(|| {
        for level in ["fatal", "FATAL", "error", "Warning", "no such word", "panic\0"] {
            info_span!("call", success = true, level).in_scope(|| ());
        }
    });
    let severities: Vec<_> = ledger.rows().into_iter().map(|row| row.severity).collect();
    assert_eq!(severities, ["critical", "critical", "error", "warning", "info", "info"]);
}
