//! `tracing-ledger watch`: one frame as text, and the terminal at work.

use std::process::{Command, Output};
use std::time::{Duration, SystemTime};

use serde_json::Value;
use support::{Cluster, SqliteFile, Terminal};
use tracing_ledger::Row;
use tracing_ledger::store::{Attempt, Postgres, Sqlite, Store};

const COMMAND: &str = env!("CARGO_BIN_EXE_tracing-ledger");

fn run(arguments: &[&str], url: &str) -> Output {
    let mut command = Command::new(COMMAND);
    command.args(arguments).env("DATABASE_URL", url).env_remove("COLUMNS").env_remove("LINES");
    command.output().expect("it starts")
}

fn row(seconds: u64, event_type: &str, took: u64, flow: &str) -> Row {
    let mut row = Row::new(SystemTime::now() - Duration::from_secs(seconds), "api", event_type);
    row.context = format!(
        r#"{{"duration_ms": {took}, "planner_duration_ms": {took}, "success": {0}, "planner_success": {0}, "flow": "{flow}"}}"#,
        !took.is_multiple_of(3)
    );
    row
}

async fn insert(url: &str, rows: &[Row]) {
    Postgres::from_url(url).expect("a URL").insert(rows, Attempt::First).await.expect("stored");
}

/// Quotes of two flows, and fewer rows of another event type.
async fn database(cluster: &Cluster) -> String {
    let url = cluster.database();
    let quotes =
        (1..40).map(|at| row(at, "auto_assign.quote", at * 7, if at % 2 == 0 { "inline" } else { "job" }));
    let others = (1..9).map(|at| row(at, "orders.place", at * 11, "inline"));
    insert(&url, &quotes.chain(others).collect::<Vec<_>>()).await;
    url
}

/// The rows get old meanwhile.
fn wait_until_it_reads(terminal: &Terminal) {
    support::until("the rows are read", || {
        let pane = terminal.pane();
        pane.contains("orders.place") && pane.contains("q quit") && !pane.contains("CANNOT READ")
    });
}

/// As the table of a frame shows it.
fn decimal(value: &Value) -> String {
    value.as_f64().map_or("–".to_owned(), |value| {
        if value < 0.0995 { format!("{value:.3}") } else { format!("{value:.2}") }
    })
}

#[tokio::test]
async fn one_frame_has_the_figures_of_the_report_of_its_window() {
    let url = database(Cluster::shared()).await;
    let output = run(&["watch", "--once", "--window", "10min"], &url);
    let frame = String::from_utf8(output.stdout).expect("UTF-8");
    assert_eq!(output.status.code(), Some(0), "{frame}");
    assert!(!frame.contains('\u{1b}') && frame.lines().all(|line| line.chars().count() <= 80), "{frame}");
    let window: Vec<&str> = frame.lines().next().expect("a title").split_whitespace().collect();
    let ["tracing-ledger", "watch", since, "to", until] = window.as_slice() else { panic!("{frame}") };
    let output = run(&["report", "--format", "json", "--since", since, "--until", until], &url);
    let json: Value = serde_json::from_slice(&output.stdout).expect("JSON");
    let events = json["events"].as_array().expect("events");
    assert_eq!(events.len(), 2);
    for event in events {
        let spread = &event["duration_ms"];
        let rate = event["success"]["rate"].as_f64().expect("a rate");
        let expected = [
            decimal(&(event["rows_per_hour"].as_f64().expect("a rate") / 3600.0).into()),
            format!("{:.1}%", rate * 100.0),
            decimal(&spread["median"]),
            decimal(&spread["p95"]),
            decimal(&spread["p99"]),
        ];
        let name = event["event_type"].as_str().expect("a name");
        let line =
            frame.lines().find(|line| line.starts_with(name)).unwrap_or_else(|| panic!("{name}: {frame}"));
        assert_eq!(line.split_whitespace().skip(1).take(5).collect::<Vec<_>>(), expected, "{frame}");
    }
}

#[tokio::test]
async fn one_frame_shows_the_groups_that_are_asked_for() {
    let url = database(Cluster::shared()).await;
    let output =
        run(&["watch", "--once", "--window", "10min", "--event", "auto_assign.quote", "--by", "flow"], &url);
    let frame = String::from_utf8(output.stdout).expect("UTF-8");
    for flow in ["inline", "job"] {
        assert!(frame.lines().any(|line| line.trim_start().starts_with(flow)), "{flow}: {frame}");
    }
}

/// The first two of these rows name no code, and the third does.
const FAILED: [(&str, &str); 3] = [
    ("http.request", r#"{"success": false, "outcome": "error", "error": "pool exhausted"}"#),
    ("http.request", r#"{"success": false, "outcome": "ok", "reason": "upstream timed out"}"#),
    (
        "orders.place",
        r#"{"success": false, "outcome": "ok", "reason_code": "no_stock", "reason": "Nothing left"}"#,
    ),
];

#[tokio::test]
async fn a_failure_has_the_same_reason_in_a_frame_a_story_a_page_and_the_report() {
    let url = Cluster::shared().database();
    let booking = uuid::Uuid::from_u128(0xb00c);
    let failed = |(at, (event_type, context)): (u64, (&str, &str))| {
        let mut row = row(at, event_type, 5, "job");
        (row.context, row.booking_id) = (context.to_owned(), Some(booking));
        row
    };
    insert(&url, &(1..).zip(FAILED).map(failed).collect::<Vec<_>>()).await;
    let printed = |arguments: &[&str]| String::from_utf8(run(arguments, &url).stdout).expect("UTF-8");
    let json: Value = serde_json::from_str(&printed(&["report", "--format", "json"])).expect("JSON");
    let events = json["events"].as_array().expect("events");
    let reasons = events.iter().flat_map(|event| event["reasons"].as_array().expect("reasons"));
    let mut codes: Vec<_> = reasons.filter_map(|reason| reason["code"].as_str()).collect();
    codes.sort_unstable();
    assert_eq!(codes, ["no_stock", "pool exhausted", "upstream timed out"]);
    let booking = booking.to_string();
    let frame = printed(&["watch", "--once"]);
    let [text, story, page] =
        [&["story", &booking][..], &["story", &booking, "--format", "html"], &["report", "--format", "html"]]
            .map(printed);
    for code in codes {
        for shown in [&frame, &text, &story, &page] {
            assert!(shown.contains(code), "{code}: {shown}");
        }
    }
    assert!(
        frame.contains("http.request error: pool exhausted") && !frame.contains("Nothing left"),
        "{frame}"
    );
    let last = "Ended with http.request: error: pool exhausted";
    assert!(text.contains(last) && story.contains(last), "{text}");
}

#[test]
fn one_frame_says_by_its_status_that_nothing_was_found() {
    let output = run(&["watch", "--once"], &Cluster::shared().database());
    assert_eq!(output.status.code(), Some(3));
    assert!(String::from_utf8_lossy(&output.stdout).contains("NO ROWS in the window"));
    let away = run(&["watch", "--once"], "postgres://bob:hunter2@127.0.0.1:1/app");
    let said = String::from_utf8_lossy(&away.stderr).into_owned();
    assert_eq!(away.status.code(), Some(1), "{said}");
    assert!(said.starts_with("error: cannot connect to Postgres") && !said.contains("hunter2"), "{said}");
    for wrong in [&["watch", "--once", "--window", "0s"][..], &["watch", "--window", "2d"]] {
        assert_eq!(run(wrong, "sqlite:x").status.code(), Some(2), "{wrong:?}");
    }
    let no_terminal = run(&["watch"], "sqlite:x");
    assert_eq!(no_terminal.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&no_terminal.stderr).contains("use --once"));
}

#[tokio::test]
async fn an_event_type_without_rows_is_not_taken_for_a_service_that_is_silent() {
    let url = database(Cluster::shared()).await;
    let output = run(&["watch", "--once", "--event", "auto_assign.qoute"], &url);
    let [frame, said] = [output.stdout, output.stderr].map(|bytes| String::from_utf8(bytes).expect("UTF-8"));
    assert_eq!(output.status.code(), Some(3), "{said}");
    assert!(frame.contains(" NO SELECTED ROWS in the window") && frame.contains("check --event"), "{frame}");
    assert!(!frame.contains("doctor"), "{frame}");
    assert!(
        said.contains("the ledger has the event types auto_assign.quote (39), orders.place (8)"),
        "{said}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn keys_sizes_and_new_rows_are_followed_until_it_is_quit() {
    let url = database(Cluster::shared()).await;
    let terminal = Terminal::start(80, 24);
    let before = terminal.settings();
    terminal.run(&format!("{COMMAND} watch --database-url {url}"));
    terminal.wait_for("orders.place");
    terminal.keys(&["w"]);
    terminal.wait_for("window: 15 min");
    terminal.keys(&["g"]);
    let pane = terminal.wait_for("group: flow");
    assert!(pane.contains("inline  ") && pane.contains("job  "), "{pane}");
    terminal.keys(&["Down"]);
    terminal.wait_for("group: none");
    insert(&url, &[row(0, "orders.cancel", 5, "inline")]).await;
    terminal.wait_for("orders.cancel");
    terminal.resize(120, 40);
    support::until("the footer is on the last line", || {
        let pane = terminal.pane();
        let lines: Vec<&str> = pane.lines().collect();
        lines.len() == 40 && lines[39].contains("q quit")
    });
    terminal.keys(&["q"]);
    terminal.wait_for("done with 0");
    assert_eq!(terminal.settings(), before);
}

#[tokio::test(flavor = "multi_thread")]
async fn signals_and_control_c_restore_the_terminal() {
    let url = database(Cluster::shared()).await;
    let terminal = Terminal::start(80, 24);
    let before = terminal.settings();
    let pid = terminal.file("pid");
    for signal in ["TERM", "INT", "HUP", "a key"] {
        let line = format!("sh -c 'echo $$ > {}; exec {COMMAND} watch --database-url {url}'", pid.display());
        terminal.run(&line);
        terminal.wait_for("q quit");
        if signal == "a key" {
            terminal.keys(&["C-c"]);
        } else {
            let pid = std::fs::read_to_string(&pid).expect("written");
            let killed =
                Command::new("kill").args([&format!("-{signal}"), pid.trim()]).status().expect("kill runs");
            assert!(killed.success());
        }
        terminal.wait_for("done with 0");
        assert_eq!(terminal.cursor_and_alternate_screen(), (true, false), "{signal}");
        assert_eq!(terminal.settings(), before, "{signal}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn control_z_gives_the_terminal_back_until_it_is_continued() {
    let url = database(Cluster::shared()).await;
    let terminal = Terminal::start(80, 24);
    let before = terminal.settings();
    terminal.run(&format!("{COMMAND} watch --database-url {url}"));
    for _ in 0..2 {
        terminal.wait_for("q quit");
        terminal.keys(&["C-z"]);
        terminal.wait_for("done with 1");
        assert_eq!(terminal.cursor_and_alternate_screen(), (true, false));
        assert_eq!(terminal.settings(), before);
        terminal.run("fg");
        terminal.wait_for("auto_assign.quote");
    }
    terminal.keys(&["w"]);
    terminal.wait_for("window: 15 min");
    terminal.keys(&["q"]);
    terminal.wait_for("done with 0");
    assert_eq!(terminal.settings(), before);
}

#[tokio::test(flavor = "multi_thread")]
async fn many_sizes_in_a_row_leave_a_whole_frame() {
    let url = database(Cluster::shared()).await;
    let terminal = Terminal::start(80, 24);
    terminal.run(&format!("{COMMAND} watch --database-url {url}"));
    terminal.wait_for("q quit");
    for round in 0..10 {
        for (columns, lines) in [(40, 10), (200, 60), (2, 2), (80 + round, 24)] {
            terminal.resize(columns, lines);
        }
    }
    for (columns, lines, title) in
        [(40, 10, "watch  "), (200, 60, "tracing-ledger watch  "), (80, 24, "tracing-ledger watch  ")]
    {
        terminal.resize(columns, lines);
        support::until("the frame has the size of the terminal", || {
            let pane = terminal.pane();
            let shown: Vec<&str> = pane.lines().collect();
            shown.len() == usize::from(lines)
                && shown[0].starts_with(title)
                && shown.iter().filter(|line| line.starts_with("q quit")).count() == 1
                && shown[usize::from(lines) - 1].starts_with("q quit")
        });
    }
    terminal.keys(&["q"]);
    terminal.wait_for("done with 0");
}

#[tokio::test(flavor = "multi_thread")]
async fn colours_and_frames_are_left_out_where_they_are_not_wanted() {
    let url = database(Cluster::shared()).await;
    let mut lost = row(1, "ledger.loss", 1, "job");
    lost.context = r#"{"cause": "queue_full", "count": 7}"#.to_owned();
    insert(&url, &[lost]).await;
    for (setting, is_red) in [("NO_COLOR=", true), ("NO_COLOR=1", false)] {
        let terminal = Terminal::start(80, 24);
        terminal.run(&format!("{setting} {COMMAND} watch --database-url {url}"));
        terminal.wait_for("LOSSES: 7 rows");
        let pane = terminal.styled_pane();
        assert_eq!(pane.contains("38;5;1m"), is_red, "{setting}: {pane}");
        terminal.keys(&["q"]);
        terminal.wait_for("done with 0");
        terminal.run(&format!("TERM=dumb {COMMAND} watch --database-url {url}"));
        let pane = terminal.wait_for("done with 1");
        assert!(pane.contains("use --once"), "{pane}");
    }
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
    let terminal = Terminal::start(80, 24);
    terminal
        .run(&format!("{COMMAND} watch --database-url {}", url.replace("postgres@", &format!("{role}@"))));
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
    terminal.keys(&["q"]);
    terminal.wait_for("done with 0");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_that_is_gone_is_named_and_found_again() {
    let file = SqliteFile::new();
    let mut store = Sqlite::from_url(&file.url()).expect("a URL").create_table(true);
    store.insert(&[row(1, "orders.place", 5, "job")], Attempt::First).await.expect("stored");
    drop(store);
    let terminal = Terminal::start(80, 24);
    terminal.run(&format!("{COMMAND} watch --database-url {}", file.url()));
    terminal.wait_for("1 row, the last one");
    let moved = file.path().with_extension("moved");
    std::fs::rename(file.path(), &moved).expect("moved");
    terminal.wait_for("the file ledger.sqlite3 is gone");
    std::fs::rename(&moved, file.path()).expect("moved back");
    terminal.wait_for("1 row, the last one");
    terminal.keys(&["q"]);
    terminal.wait_for("done with 0");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_kill_leaves_no_session_and_no_statement_behind() {
    let cluster = Cluster::shared();
    let url = database(cluster).await;
    // Its rows never come.
    cluster
        .psql(&url, "CREATE VIEW slow AS SELECT * FROM observability_events WHERE pg_sleep(600) IS NOT NULL");
    for (table, state) in [("observability_events", "idle"), ("slow", "active")] {
        let terminal = Terminal::start(80, 24);
        let pid = terminal.file("pid");
        terminal.run(&format!(
            "sh -c 'echo $$ > {}; exec {COMMAND} watch --table {table} --database-url {url}'",
            pid.display()
        ));
        let sessions = |condition: &str| {
            let all = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()";
            cluster.psql(&url, &format!("{all}{condition}"))
        };
        support::until("it reads", || sessions(&format!(" AND state = '{state}' AND query <> ''")) == "1");
        let pid = std::fs::read_to_string(&pid).expect("written");
        assert!(Command::new("kill").args(["-KILL", pid.trim()]).status().expect("kill runs").success());
        support::until("the server has noticed", || sessions("") == "0");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn watch_ends_with_its_terminal() {
    let cluster = Cluster::shared();
    let url = database(cluster).await;
    let sessions = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()";
    for signal in ["", "trap \"\" HUP;"] {
        let terminal = Terminal::start(80, 24);
        terminal.run(&format!("{signal} {COMMAND} watch --database-url {url}"));
        terminal.wait_for("auto_assign.quote");
        assert_eq!(cluster.psql(&url, sessions), "1");
        drop(terminal);
        support::until("it has ended", || cluster.psql(&url, sessions) == "0");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_database_that_goes_away_is_named_and_found_again() {
    let cluster = Cluster::start();
    let url = database(&cluster).await;
    let terminal = Terminal::start(80, 24);
    terminal.run(&format!("{COMMAND} watch --database-url {url}"));
    wait_until_it_reads(&terminal);
    cluster.stop_at_once();
    let pane = terminal.wait_for("CANNOT READ since");
    assert!(pane.contains("orders.place") && pane.contains("trying again"), "{pane}");
    cluster.restart();
    wait_until_it_reads(&terminal);
    terminal.keys(&["q"]);
    terminal.wait_for("done with 0");
}
