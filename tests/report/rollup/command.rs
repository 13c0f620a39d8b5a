//! The command that rolls up: its output, its rights, and runs that are killed or meet each other.

use std::io::{BufRead, BufReader, Write};
use std::process::{Child, ChildStdin, Command, Output, Stdio};

use support::{Cluster, SqliteFile, until};
use tracing_ledger::report::Question;

use super::*;

fn command(url: &str, arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_tracing-ledger"));
    command.args(arguments).env("DATABASE_URL", url).stdout(Stdio::piped()).stderr(Stdio::piped());
    command
}

const ROLL_UP: [&str; 4] = ["rollup", "--by", "route,http.status", "--create"];

fn run(url: &str, arguments: &[&str]) -> Output {
    command(url, arguments).output().expect("it starts")
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).expect("UTF-8")
}

#[tokio::test]
async fn the_command_prints_the_tables_before_it_makes_them() {
    let url = database();
    let output = run(&url, &["rollup"]);
    assert_eq!(output.status.code(), Some(1));
    let (stdout, stderr) = (text(&output.stdout), text(&output.stderr));
    assert!(stdout.contains("CREATE TABLE IF NOT EXISTS observability_events_rollup_hours"), "{stdout}");
    assert!(stderr.contains("run it with --create, which makes observability_events_rollup and"), "{stderr}");
    assert_eq!(psql(&url, "SELECT to_regclass('observability_events_rollup')"), "");
    let missing = run(&url, &["report", "--rollup"]);
    assert!(text(&missing.stderr).contains("run tracing-ledger rollup"), "{}", text(&missing.stderr));
    // The statements are complete.
    psql(&url, &stdout);
    let output = run(&url, &["rollup"]);
    assert_eq!(output.status.code(), Some(0), "{}", text(&output.stderr));
    let stdout = text(&output.stdout);
    assert!(stdout.starts_with("Rolled up 7200 rows of 60 hours into "), "{stdout}");
    let output = run(&url, &["report", "--rollup"]);
    let stdout = text(&output.stdout);
    assert!(stdout.contains("Rolled up until 2026-02-04T12:00:00Z by the run of "), "{stdout}");
    assert!(stdout.contains("percentiles are within 0.8 %. 0 other rows were read."), "{stdout}");
    for (format, part) in [
        ("json", "\"error_bound\": 0.0078125"),
        ("csv", ",percentile_error,,0.0078125,ratio,7200,"),
        ("csv", ",rolled_up_until,,2026-02-04T12:00:00.000000Z,time,7200,"),
    ] {
        let stdout = text(&run(&url, &["report", "--rollup", "--format", format]).stdout);
        assert!(stdout.contains(part), "{stdout}");
    }
}

#[tokio::test]
async fn missing_rights_are_named() {
    let url = database();
    psql(
        &url,
        "CREATE ROLE roller LOGIN; GRANT SELECT ON observability_events TO roller; REVOKE CREATE ON SCHEMA public FROM PUBLIC",
    );
    let as_roller = url.replace("postgres@", "roller@");
    let stderr = text(&run(&as_roller, &ROLL_UP).stderr);
    let grant = "GRANT SELECT, INSERT, UPDATE, DELETE ON observability_events_rollup, observability_events_rollup_hours TO";
    assert!(stderr.contains("may not create the tables of the rollup") && stderr.contains(grant), "{stderr}");
    psql(&url, &rollup().statements().expect("statements"));
    for arguments in [&ROLL_UP[..], &["report", "--rollup"]] {
        let stderr = text(&run(&as_roller, arguments).stderr);
        assert!(
            stderr.contains("may not use the tables of the rollup") && stderr.contains(grant),
            "{stderr}"
        );
    }
    psql(&url, &format!("{grant} roller"));
    let output = run(&as_roller, &ROLL_UP);
    assert_eq!(output.status.code(), Some(0), "{}", text(&output.stderr));
    psql(
        &url,
        "REVOKE INSERT, UPDATE, DELETE ON observability_events_rollup, observability_events_rollup_hours FROM roller",
    );
    assert_eq!(run(&as_roller, &["report", "--rollup"]).status.code(), Some(0));
    psql(&url, "REVOKE SELECT ON observability_events FROM roller");
    let stderr = text(&run(&as_roller, &["report", "--rollup"]).stderr);
    assert!(stderr.contains("GRANT SELECT ON observability_events TO"), "{stderr}");
}

/// A session that holds a lock for which the run waits when it writes the hour 2026-02-03T12.
struct Gate {
    psql: Child,
    stdin: Option<ChildStdin>,
}

impl Gate {
    fn close(url: &str) -> Self {
        psql(
            url,
            "CREATE FUNCTION wait() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN \
             IF NEW.hour = '2026-02-03T12:00:00Z' THEN PERFORM pg_advisory_xact_lock(77); END IF; RETURN NEW; END $$; \
             CREATE TRIGGER wait BEFORE INSERT ON observability_events_rollup_hours \
             FOR EACH ROW EXECUTE FUNCTION wait()",
        );
        let mut psql = Command::new(Cluster::shared().program("psql"))
            .args(["-X", "-q", "-A", "-t", "-d", url])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("psql starts");
        let mut stdin = psql.stdin.take().expect("a pipe");
        writeln!(stdin, "SELECT pg_advisory_lock(77);\n\\echo locked").expect("psql listens");
        let mut lines = BufReader::new(psql.stdout.take().expect("a pipe")).lines();
        assert!(lines.any(|line| line.is_ok_and(|line| line == "locked")));
        Self { psql, stdin: Some(stdin) }
    }

    fn open(mut self) {
        drop(self.stdin.take());
        self.psql.wait().expect("psql ends");
    }
}

fn until_it_waits(url: &str) {
    until("the run waits", || {
        number(
            url,
            "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND NOT granted AND objid = 77",
        ) == 1
    });
}

#[tokio::test]
async fn a_killed_run_leaves_whole_hours_and_the_next_one_goes_on() {
    let url = database();
    psql(&url, &rollup().statements().expect("statements"));
    let gate = Gate::close(&url);
    let mut child = command(&url, &ROLL_UP).spawn().expect("it starts");
    until_it_waits(&url);
    child.kill().expect("SIGKILL");
    child.wait().expect("it ends");
    gate.open();
    until("the server has noticed", || {
        number(&url, "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory'") == 0
    });
    let hours = "SELECT count(*) FROM observability_events_rollup_hours";
    assert_eq!(number(&url, hours), 24);
    let answer = ask(&Question::new(), &url).await;
    assert_eq!(answer.rollup.map(|rollup| rollup.rows_read), Some(36 * 120));
    let done = roll_up(&url).await;
    assert_eq!((done.hours, number(&url, hours)), (36, 60));
    let sums = "SELECT count(*) FROM observability_events_rollup_hours h WHERE rows <> \
                (SELECT sum(calls) FROM observability_events_rollup c WHERE c.hour = h.hour)";
    assert_eq!(number(&url, sums), 0);
    assert_eq!(ask(&Question::new(), &url).await.rollup.map(|rollup| rollup.rows_read), Some(0));
}

#[tokio::test]
async fn of_two_runs_at_once_one_gives_up() {
    let url = database();
    psql(&url, &rollup().statements().expect("statements"));
    let gate = Gate::close(&url);
    let first = command(&url, &ROLL_UP).spawn().expect("it starts");
    until_it_waits(&url);
    let second = run(&url, &ROLL_UP);
    assert_eq!(second.status.code(), Some(1));
    let stderr = text(&second.stderr);
    assert!(
        stderr.contains("another rollup of observability_events is running: wait for its end"),
        "{stderr}"
    );
    gate.open();
    let first = first.wait_with_output().expect("it ends");
    assert_eq!(first.status.code(), Some(0), "{}", text(&first.stderr));
    ask(&Question::new(), &url).await;
}

#[tokio::test]
async fn sqlite_has_no_rollup() {
    let file = SqliteFile::new();
    let error = Rollup::new().run(&file.url()).await.expect_err("refused");
    assert!(error.is_config() && error.to_string().contains("only Postgres has rollups"), "{error}");
    assert!(report(&Question::new().rollup(true), &[file.url()]).await.is_err());
    let output = run("", &["report", "--rollup", "--from-log", "x"]);
    assert!(text(&output.stderr).contains("a log is not rolled up"), "{}", text(&output.stderr));
}
