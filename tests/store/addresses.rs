//! The forms of an address, each with a real connection: IPv6, sockets, several servers, password files.

use std::fs;
use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::time::SystemTime;

use support::{ClosedPort, Cluster, this_test, until};
use tracing_ledger::Row;
use tracing_ledger::store::{Attempt, Failure, InsertError, Postgres, Store};

fn row() -> [Row; 1] {
    [Row::new(SystemTime::now(), "test", "test.event")]
}

async fn insert(url: &str) -> Result<(), InsertError> {
    Postgres::from_url(url).expect("readable").insert(&row(), Attempt::First).await
}

/// The name of the database.
fn name(url: &str) -> &str {
    url.rsplit('/').next().expect("a URL has a last part")
}

fn rows(cluster: &Cluster, url: &str) -> String {
    cluster.psql(url, "SELECT count(*) FROM observability_events")
}

#[tokio::test]
async fn an_ipv6_address_is_written_in_brackets() {
    if TcpListener::bind("[::1]:0").is_err() {
        return; // This machine has no IPv6.
    }
    let cluster = Cluster::start();
    let url = cluster.database_after("ALTER SYSTEM SET listen_addresses = '127.0.0.1,::1'");
    cluster.stop();
    cluster.restart();
    for server in ["[::1]", "[0:0::1]"] {
        let there = format!("postgres://postgres@{server}:{}/{}", cluster.port(), name(&url));
        insert(&there).await.expect(&there);
    }
    let by_address = format!("postgres:///{}?user=postgres&hostaddr=::1&port={}", name(&url), cluster.port());
    insert(&by_address).await.expect("an address without brackets, as a parameter");
    assert_eq!(rows(&cluster, &url), "3");
}

#[tokio::test]
async fn a_socket_is_named_by_its_directory() {
    let cluster = Cluster::shared();
    let url = cluster.database();
    let (name, port, dir) = (name(&url), cluster.port(), cluster.dir().display().to_string());
    let encoded = dir.replace('/', "%2F");
    let forms = [
        format!("postgres://postgres@/{name}?host={dir}&port={port}"),
        format!("postgres://postgres@:{port}/{name}?host={dir}"),
        format!("postgres://postgres@{encoded}:{port}/{name}"),
        format!("postgres:///{name}?user=postgres&host={encoded}&port={port}"),
        format!("postgres://postgres@localhost:{port}/{name}?host={dir}"),
        // By a socket there is no TLS to ask for, as in libpq.
        format!("postgres://postgres@{encoded}:{port}/{name}?sslmode=verify-full"),
    ];
    for form in &forms {
        insert(form).await.expect(form);
    }
    assert_eq!(rows(cluster, &url), forms.len().to_string());
}

#[tokio::test]
async fn servers_are_tried_in_turn() {
    let cluster = Cluster::shared();
    let url = cluster.database();
    let closed = ClosedPort::new();
    let (name, port, dead) = (name(&url), cluster.port(), closed.number());
    for form in [
        format!("postgres://postgres@127.0.0.1:{dead},127.0.0.1:{port}/{name}"),
        format!("postgres:///{name}?user=postgres&host=127.0.0.1,127.0.0.1&port={dead},{port}"),
        format!("postgres://postgres@127.0.0.1:{dead},127.0.0.1:{port}/{name}?target_session_attrs=any"),
        format!("postgres://postgres@127.0.0.1:{dead},127.0.0.1:{port}/{name}?target_session_attrs=primary"),
        format!(
            "postgres:///{name}?user=postgres&host=/nowhere,127.0.0.1&port={port}&load_balance_hosts=random"
        ),
    ] {
        insert(&form).await.expect(&form);
    }
    assert_eq!(rows(cluster, &url), "5");
    // The second server would refuse the same login.
    let wrong = format!("postgres://nobody@127.0.0.1:{port},127.0.0.1:{dead}/{name}");
    let error = insert(&wrong).await.expect_err("no such role");
    assert!(error.to_string().contains("the login was refused"), "{error}");
    let none = format!("postgres://postgres@127.0.0.1:{dead},127.0.0.1:{dead}/{name}");
    assert_eq!(insert(&none).await.expect_err("nobody listens").failure(), Failure::Retry);
}

/// With a primary and its standby behind one URL, the primary dies and the standby takes over.
#[tokio::test]
async fn a_failover_loses_nothing() {
    let primary = Cluster::start();
    let url = primary.database();
    let standby = primary.standby();
    // A commit waits for the standby, so that it has every row that counts as stored.
    primary.psql(&url, "ALTER SYSTEM SET synchronous_standby_names = 'standby'");
    primary.psql(&url, "SELECT pg_reload_conf()");
    let streams = "SELECT count(*) FROM pg_stat_replication WHERE sync_state = 'sync'";
    until("the standby is waited for", || primary.psql(&url, streams) == "1");
    let both = format!(
        "postgres://postgres@127.0.0.1:{},127.0.0.1:{}/{}",
        standby.port(),
        primary.port(),
        name(&url)
    );
    for asked in ["", "?target_session_attrs=read-write", "?target_session_attrs=primary"] {
        insert(&format!("{both}{asked}")).await.expect("the standby is passed over");
    }
    let reads =
        insert(&format!("{both}?target_session_attrs=any")).await.expect_err("the standby comes first");
    assert_eq!(reads.failure(), Failure::Retry);

    let mut store = Postgres::from_url(&both).expect("readable");
    store.insert(&row(), Attempt::First).await.expect("stored");
    primary.kill9();
    let waiting = row();
    store.insert(&waiting, Attempt::First).await.expect_err("the connection is cut");
    let error = store.insert(&waiting, Attempt::Retry).await.expect_err("the standby takes no rows yet");
    assert_eq!(error.failure(), Failure::Retry);
    let words = "no server of the URL is of the kind read-write (target_session_attrs)";
    assert!(error.to_string().contains(words), "{error}");
    standby.promote();
    standby.psql(&standby.url(), "ALTER SYSTEM RESET synchronous_standby_names");
    standby.psql(&standby.url(), "SELECT pg_reload_conf()");
    store.insert(&waiting, Attempt::Retry).await.expect("stored");
    assert_eq!(rows(&standby, &standby.url_of_the_same(&url)), "5");
}

#[tokio::test]
async fn a_server_that_takes_no_rows_is_not_asked_for() {
    let url = Cluster::shared().database();
    for word in ["read-only", "standby", "prefer-standby"] {
        let error = insert(&format!("{url}?target_session_attrs={word}")).await.expect_err(word);
        assert_eq!(error.failure(), Failure::Hold);
        assert!(error.to_string().contains("use read-write or primary"), "{error}");
    }
    Cluster::shared()
        .psql(&url, &format!("ALTER DATABASE {} SET default_transaction_read_only = on", name(&url)));
    let error = insert(&format!("{url}?target_session_attrs=read-write")).await.expect_err("it is read-only");
    assert!(error.to_string().contains("the server is not of the kind read-write"), "{error}");
}

#[tokio::test]
async fn options_and_names_reach_the_server() {
    let cluster = Cluster::shared();
    let url = cluster.database_after("CREATE SCHEMA audit; ALTER TABLE observability_events SET SCHEMA audit;
         ALTER TABLE audit.observability_events ALTER source SET DEFAULT '';
         CREATE FUNCTION audit.tell() RETURNS trigger LANGUAGE plpgsql AS $$BEGIN
             NEW.source = current_setting('application_name'); RETURN NEW; END$$;
         CREATE TRIGGER tell BEFORE INSERT ON audit.observability_events FOR EACH ROW EXECUTE FUNCTION audit.tell();");
    insert(&url).await.expect_err("the table is in no schema of the search path");
    for options in
        ["options=-csearch_path%3Daudit", "options=-c%20search_path=audit", "options[search_path]=audit"]
    {
        insert(&format!("{url}?{options}&application_name=api")).await.expect(options);
    }
    let sources = cluster.psql(&url, "SELECT DISTINCT source FROM audit.observability_events");
    assert_eq!(sources, "api");
}

/// Names to the child the URL to insert by.
const CHILD: &str = "LEDGER_TEST_ADDRESS";

/// Inserts one row in a process with these variables; what it writes to stderr.
fn insert_in_a_child(url: &str, variables: &[(&str, &str)]) -> String {
    let output = this_test("addresses::the_child_inserts_one_row")
        .env(CHILD, url)
        .envs(variables.iter().copied())
        .output()
        .expect("the test starts itself");
    let stderr = String::from_utf8(output.stderr).expect("it writes text");
    if output.status.success() { stderr } else { format!("failed: {stderr}") }
}

#[tokio::test]
async fn the_child_inserts_one_row() {
    let Ok(url) = std::env::var(CHILD) else { return };
    match Postgres::from_url(&url) {
        Err(error) => panic!("refused: {error}"),
        Ok(mut store) => store.insert(&row(), Attempt::First).await.expect("stored"),
    }
}

fn password_file(folder: &Path, mode: u32) -> String {
    let path = folder.join("pgpass");
    fs::write(&path, "*:*:*:keeper:hunter2\n").expect("it is written");
    fs::set_permissions(&path, fs::Permissions::from_mode(mode)).expect("it is ours");
    path.to_str().expect("UTF-8").to_owned()
}

#[test]
fn a_password_file_that_others_may_read_is_not_used_and_named() {
    let cluster = Cluster::start();
    let url = cluster.database_after(
        "CREATE ROLE keeper LOGIN PASSWORD 'hunter2'; GRANT INSERT ON observability_events TO keeper",
    );
    let logins = "host all keeper 127.0.0.1/32 scram-sha-256\nhost all postgres 127.0.0.1/32 trust\n";
    fs::write(cluster.dir().join("data/pg_hba.conf"), logins).expect("the folder can be written");
    cluster.psql(&url, "SELECT pg_reload_conf()");
    let login = url.replace("postgres@", "keeper@");
    until("the server asks for passwords", || cluster.try_psql(&login, "SELECT 1").is_err());

    let folder = tempfile::tempdir().expect("a temporary folder");
    let home = folder.path().to_str().expect("UTF-8");
    let file = password_file(folder.path(), 0o600);
    assert_eq!(insert_in_a_child(&login, &[("PGPASSFILE", &file), ("HOME", home)]), "");
    assert_eq!(insert_in_a_child(&format!("{login}?passfile={file}"), &[("HOME", home)]), "");
    for mode in [0o640, 0o604] {
        let file = password_file(folder.path(), mode);
        let stderr = insert_in_a_child(&login, &[("PGPASSFILE", &file), ("HOME", home)]);
        assert!(stderr.starts_with("failed: "), "{stderr}");
        let notice = "the file of the environment variable PGPASSFILE may be read by its group or by others";
        assert!(stderr.contains(notice) && stderr.contains("chmod 0600"), "{stderr}");
        assert!(!stderr.contains("hunter2"), "{stderr}");
    }
    fs::rename(&file, folder.path().join(".pgpass")).expect("it is ours");
    let stderr = insert_in_a_child(&login, &[("HOME", home)]);
    assert!(stderr.contains("~/.pgpass may be read by its group or by others"), "{stderr}");
    assert_eq!(rows(&cluster, &url), "2");
}

#[test]
fn the_environment_and_a_service_file_are_read() {
    let cluster = Cluster::shared();
    let url = cluster.database();
    let (port, dir) = (cluster.port().to_string(), cluster.dir().display().to_string());
    let variables =
        [("PGHOST", &*dir), ("PGPORT", &port), ("PGUSER", "postgres"), ("PGDATABASE", name(&url))];
    assert_eq!(insert_in_a_child("postgres://", &variables), "");
    let folder = tempfile::tempdir().expect("a temporary folder");
    let file = folder.path().join("services");
    let text = format!("[app]\nhost=127.0.0.1\nport={port}\nuser=postgres\ndbname={}\n", name(&url));
    fs::write(&file, text).expect("it is written");
    let service_file = [("PGSERVICEFILE", file.to_str().expect("UTF-8"))];
    assert_eq!(insert_in_a_child("postgres://?service=app", &service_file), "");
    assert_eq!(insert_in_a_child("postgres://", &[service_file[0], ("PGSERVICE", "app")]), "");
    assert_eq!(rows(cluster, &url), "3");
    let stderr = insert_in_a_child(&url, &[("PGSSLMODE", "verify_full")]);
    assert!(stderr.contains("refused: the environment variable PGSSLMODE has an unknown value"), "{stderr}");
    let stderr = insert_in_a_child(&url, &[("PGCHANNELBINDING", "require")]);
    assert!(
        stderr.contains("refused: the environment variable PGCHANNELBINDING cannot be honoured"),
        "{stderr}"
    );
}
