//! `tracing-ledger schema` prints the statements that make the table.

use std::process::{Command, Output};

use support::Cluster;

fn schema(arguments: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_tracing-ledger"));
    command
        .arg("schema")
        .args(arguments)
        .env_remove("TRACING_LEDGER_TABLE")
        .env_remove("TRACING_LEDGER_RULES")
        .output()
        .expect("it starts")
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

/// The columns that rules fill, in a new table and in one that is there already.
#[test]
fn the_table_gets_the_columns_of_the_rules() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let rules = folder.path().join("rules.toml");
    let text = "builtin = true\n[all]\ncolumns = { order_id = \"Order\", booking_id = false }\n";
    std::fs::write(&rules, text).expect("a file is written");
    let rules = rules.to_str().expect("UTF-8");
    let made = stdout(&schema(&["--rules", rules, "--table", "calls"]));
    let cluster = Cluster::shared();
    let columns = "SELECT string_agg(attname, ',' ORDER BY attnum) FROM pg_attribute
        WHERE attrelid = 'calls'::regclass AND attnum > 6";
    let url = cluster.empty_database();
    (0..2).for_each(|_| drop(cluster.psql(&url, &made)));
    assert_eq!(cluster.psql(&url, columns), "restaurant_id,Order");
    let doctor = |url: &str| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_tracing-ledger"));
        let asked = ["doctor", "--database-url", url, "--rules", rules, "--table", "calls"];
        let output = command.args(asked).output().expect("it starts");
        (output.status.code(), String::from_utf8_lossy(&output.stdout).into_owned())
    };
    let (status, said) = doctor(&url);
    assert_eq!(status, Some(0), "{said}");

    let url = cluster.empty_database();
    cluster.psql(&url, &stdout(&schema(&["--table", "calls"])));
    let (status, said) = doctor(&url);
    assert!(status == Some(1) && said.contains("Order"), "{said}");
    cluster.psql(&url, &made);
    assert_eq!(cluster.psql(&url, columns), "restaurant_id,booking_id,Order");
    let (status, said) = doctor(&url);
    assert_eq!(status, Some(0), "{said}");

    let made = stdout(&schema(&["--sqlite", "--rules", rules]));
    assert!(made.contains(",\n    \"Order\" text\n);"), "{made}");
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
fn a_text_that_is_no_table_name_is_refused() {
    let output = schema(&["--table", "a.b.c"]);
    assert_eq!(output.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&output.stderr).contains("SCHEMA.TABLE"), "{output:?}");
}
