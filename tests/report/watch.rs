//! `tracing-ledger watch`: one frame as text, and the terminal at work.

use std::process::{Command, Output};
use std::time::{Duration, SystemTime};

use serde_json::Value;
use support::{Cluster, Terminal};
use tracing_ledger::Row;
use tracing_ledger::store::{Attempt, Postgres, Store};

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
        assert_eq!(terminal.settings(), before, "{signal}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_database_that_goes_away_is_named_and_found_again() {
    let cluster = Cluster::start();
    let url = database(&cluster).await;
    let terminal = Terminal::start(80, 24);
    terminal.run(&format!("{COMMAND} watch --database-url {url}"));
    terminal.wait_for("rows, the last one");
    cluster.stop_at_once();
    let pane = terminal.wait_for("DATABASE AWAY since");
    assert!(pane.contains("orders.place") && pane.contains("trying again"), "{pane}");
    cluster.restart();
    terminal.wait_for("rows, the last one");
    terminal.keys(&["q"]);
    terminal.wait_for("done with 0");
}
