//! Faults of the database are named, and watching goes on after them. The end of the command leaves no session behind.

use support::SqliteFile;
use tracing_ledger::store::Sqlite;

use super::*;

const SESSIONS: &str = "SELECT count(*) FROM pg_stat_activity \
     WHERE datname = current_database() AND backend_type = 'client backend' AND application_name <> 'psql'";

/// The rows get old meanwhile.
fn wait_until_it_reads(terminal: &Terminal) {
    support::until("the rows are read", || {
        let pane = terminal.pane();
        pane.contains("orders.place") && pane.contains("q quit") && !pane.contains("CANNOT READ")
    });
}

/// What keeps the rows from being read, a part of the message, and what mends it.
const FAULTS: [(&str, &str, &str); 4] = [
    (
        "ALTER TABLE observability_events RENAME TO elsewhere",
        "the table observability_events does not exist",
        "ALTER TABLE elsewhere RENAME TO observability_events",
    ),
    (
        "CREATE TABLE kept AS TABLE observability_events; DROP TABLE observability_events",
        "the table observability_events does not exist",
        "ALTER TABLE kept RENAME TO observability_events; GRANT SELECT ON observability_events TO {role}",
    ),
    (
        "REVOKE SELECT ON observability_events FROM {role}",
        "GRANT SELECT ON observability_events",
        "GRANT SELECT ON observability_events TO {role}",
    ),
    (
        "ALTER ROLE {role} NOLOGIN; SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = '{role}'",
        "the login was refused",
        "ALTER ROLE {role} LOGIN",
    ),
];

#[tokio::test(flavor = "multi_thread")]
async fn each_fault_of_the_database_is_named_and_watching_goes_on_after_it() {
    let cluster = Cluster::shared();
    let url = database(cluster).await;
    let role = format!("watcher_{}", std::process::id());
    cluster.psql(&url, &format!("CREATE ROLE {role} LOGIN; GRANT SELECT ON observability_events TO {role}"));
    let terminal = watch(&url.replace("postgres@", &format!("{role}@")));
    for (fault, word, mended) in FAULTS {
        wait_until_it_reads(&terminal);
        cluster.psql(&url, &fault.replace("{role}", &role));
        terminal.wait_for("CANNOT READ since");
        support::until(word, || {
            let pane = terminal.pane();
            let words = pane.split_whitespace().collect::<Vec<_>>().join(" ");
            words.contains("CANNOT READ since") && words.contains(word) && words.contains("orders.place")
        });
        cluster.psql(&url, &mended.replace("{role}", &role));
    }
    wait_until_it_reads(&terminal);
    quit(&terminal);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_that_is_gone_is_named_and_found_again() {
    let file = SqliteFile::new();
    let mut store = Sqlite::from_url(&file.url()).expect("a URL").create_table(true);
    store.insert(&[row(1, "orders.place", 5, "job")], Attempt::First).await.expect("stored");
    drop(store);
    let terminal = watch(&file.url());
    terminal.wait_for("1 row, the last one");
    let moved = file.path().with_extension("moved");
    std::fs::rename(file.path(), &moved).expect("moved");
    terminal.wait_for("the file ledger.sqlite3 is gone");
    std::fs::rename(&moved, file.path()).expect("moved back");
    terminal.wait_for("1 row, the last one");
    quit(&terminal);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_database_that_goes_away_is_named_and_found_again() {
    let cluster = Cluster::start();
    let url = database(&cluster).await;
    let terminal = watch(&url);
    wait_until_it_reads(&terminal);
    cluster.stop_at_once();
    wait_for_all(&terminal, &["CANNOT READ since", "orders.place", "trying again"]);
    cluster.restart();
    wait_until_it_reads(&terminal);
    quit(&terminal);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_kill_leaves_no_session_and_no_statement_behind() {
    let cluster = Cluster::shared();
    let url = database(cluster).await;
    // Its rows never come.
    cluster
        .psql(&url, "CREATE VIEW slow AS SELECT * FROM observability_events WHERE pg_sleep(600) IS NOT NULL");
    for (table, state) in [("observability_events", "idle"), ("slow", "active")] {
        let sessions = |condition: &str| cluster.psql(&url, &format!("{SESSIONS}{condition}"));
        support::until("no other session is left", || sessions("") == "0");
        let terminal = Terminal::start(80, 24);
        let id = watch_with_id(&terminal, &format!("--table {table} --database-url {url}"));
        support::until("it reads", || sessions(&format!(" AND state = '{state}' AND query <> ''")) == "1");
        kill("KILL", &id);
        support::until("the server has noticed", || sessions("") == "0");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn watch_ends_with_its_terminal() {
    let cluster = Cluster::shared();
    let url = database(cluster).await;
    for signal in ["", "trap \"\" HUP;"] {
        let terminal = Terminal::start(80, 24);
        terminal.run(&format!("{signal} {COMMAND} watch --database-url {url}"));
        terminal.wait_for("auto_assign.quote");
        support::until("it has one session", || cluster.psql(&url, SESSIONS) == "1");
        drop(terminal);
        support::until("it has ended", || cluster.psql(&url, SESSIONS) == "0");
    }
}
