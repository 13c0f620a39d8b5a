//! The command, and a log of exported rows.

use std::process::{Command, Output};

use serde_json::Value;
use uuid::Uuid;

use super::{booking, confirmed_at_the_third, sqlite, tell};

fn run(arguments: &[&str], url: &str) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_tracing-ledger"));
    command
        .arg("story")
        .args(arguments)
        .env("DATABASE_URL", url)
        .env_remove("COLUMNS")
        .output()
        .expect("it starts")
}

#[tokio::test]
async fn the_command_prints_it_and_says_where_nothing_was_found() {
    let file = sqlite(&confirmed_at_the_third()).await;
    let output = run(&[&booking()], &file.url());
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    let story = tell(&booking(), &file.url()).await;
    assert_eq!(String::from_utf8_lossy(&output.stdout), story.to_string());
    let output = run(&[&booking(), "--format", "html"], &file.url());
    assert_eq!(String::from_utf8_lossy(&output.stdout), story.to_html());
    let output = run(&[&booking(), "--format", "json"], &file.url());
    assert_eq!(String::from_utf8_lossy(&output.stdout), story.to_json() + "\n");
    let output = run(&[&booking(), "--where", "flow=job", "--format", "json"], &file.url());
    let json: Value = serde_json::from_slice(&output.stdout).expect("JSON");
    assert_eq!(json["rows"].as_array().map(Vec::len), Some(3), "{json}");
    let nobody = Uuid::from_u128(7).to_string();
    for nothing in [
        &[nobody.as_str()][..],
        &[&booking(), "--until", "2020-01-01T00:00:00Z"],
        &[&booking(), "--event", "x"],
    ] {
        let output = run(nothing, &file.url());
        let said = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(3), "{said}");
        assert!(said.starts_with("note: no row has this id as booking_id, restaurant_id or id;"), "{said}");
        assert!(said.contains("trace_id") && said.contains("KEY=VALUE"), "{said}");
    }
    assert_eq!(run(&[], &file.url()).status.code(), Some(2));
    assert_eq!(run(&["="], &file.url()).status.code(), Some(1));
}

#[tokio::test]
async fn a_log_of_exported_rows_tells_the_same() {
    let file = sqlite(&confirmed_at_the_third()).await;
    let story = tell(&booking(), &file.url()).await;
    let log = tempfile::NamedTempFile::new().expect("a file");
    let json: Value = serde_json::from_str(&story.to_json()).expect("JSON");
    let lines = json["rows"].as_array().expect("rows").iter().map(|row| format!("{row}\n"));
    std::fs::write(log.path(), lines.collect::<String>()).expect("written");
    let path = log.path().to_str().expect("UTF-8");
    let output = run(&[&booking(), "--format", "json", "--from-log", path], "");
    let again: Value = serde_json::from_slice(&output.stdout).unwrap_or_else(|_| panic!("{output:?}"));
    for part in ["waits", "ending", "first", "last"] {
        assert_eq!(again[part], json[part], "{part}");
    }
}
