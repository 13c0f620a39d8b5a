//! URLs of SQLite: each form is read, or refused by name.

use tracing_ledger::store::Sqlite;

#[test]
fn a_url_that_names_no_file_is_refused() {
    for (url, word) in [
        ("sqlite:", "names no file"),
        ("sqlite://", "names no file"),
        ("sqlite:?mode=rwc", "names no file"),
        ("sqlite: ", "names no file"),
        ("sqlite:/var/lib/", "names no file"),
        ("sqlite:.", "names no file"),
        ("sqlite:a/..", "names no file"),
        ("sqlite:file:", "leave file: out"),
        ("sqlite:file:ledger.sqlite3", "leave file: out"),
        ("sqlite:file::memory:", "leave file: out"),
        ("sqlite:ledger.sqlite3\n", "control character"),
        ("sqlite:a%00b", "control character"),
        ("sqlite:a?mode=ro", "mode=ro"),
        ("sqlite:a?immutable=1", "immutable"),
        ("sqlite:a?mode=wal", "unknown value"),
        ("sqlite:a?timeout=5", "timeout"),
        ("SQLITE:a", "sqlite:"),
    ] {
        let error = Sqlite::from_url(url).expect_err(url);
        assert!(error.is_config() && format!("{error:#}").contains(word), "{url}: {error:#}");
    }
    for url in [
        "sqlite:a",
        "sqlite://a",
        "sqlite:///a",
        "sqlite::memory:",
        "sqlite://:memory:",
        "sqlite:?mode=memory",
        "sqlite:a b:c@d",
        "sqlite:a%3Fb",
        "sqlite:a#b",
        "sqlite:a?mode=rwc",
        "sqlite:größe",
    ] {
        Sqlite::from_url(url).expect(url);
    }
}
