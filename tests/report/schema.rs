//! `tracing-ledger schema` prints the statements that make the table.

use std::process::{Command, Output};

use support::Cluster;

fn schema(arguments: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_tracing-ledger"));
    command.arg("schema").args(arguments).env_remove("TRACING_LEDGER_TABLE").output().expect("it starts")
}

fn stdout(output: &Output) -> String {
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    String::from_utf8(output.stdout.clone()).expect("UTF-8")
}

#[test]
fn the_output_makes_the_table() {
    let cluster = Cluster::shared();
    let url = cluster.empty_database();
    assert_eq!(stdout(&schema(&[])), tracing_ledger::SCHEMA);
    cluster.psql(&url, &stdout(&schema(&["--table", "public.My Calls"])));
    assert_eq!(cluster.psql(&url, "SELECT count(*) FROM public.\"My Calls\""), "0");
}

#[test]
fn sqlite_has_its_own() {
    let text = stdout(&schema(&["--sqlite", "--table", "calls"]));
    assert!(
        text.contains("CREATE TABLE IF NOT EXISTS \"calls\" (") && text.contains("TEXT PRIMARY KEY"),
        "{text}"
    );
}

#[test]
fn what_is_no_name_is_refused() {
    let output = schema(&["--table", "a.b.c"]);
    assert_eq!(output.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&output.stderr).contains("SCHEMA.TABLE"), "{output:?}");
}
