//! A report that takes long says on a terminal how far it is, and nowhere else.

use std::process::{Command, Stdio};

use support::{Cluster, Terminal};

/// Rows that come once the table `gate` has a row.
const ROWS: &str = "
INSERT INTO observability_events (source, event_type, context)
SELECT 'api', 'http.request', '{\"duration_ms\": 1}' FROM generate_series(1, 1000);
ANALYZE observability_events;
CREATE TABLE gate (is_open bool);
CREATE FUNCTION wait() RETURNS bool LANGUAGE plpgsql AS $$
BEGIN
    WHILE NOT EXISTS (SELECT FROM gate) LOOP PERFORM pg_sleep(0.01); END LOOP;
    RETURN true;
END $$;
ALTER TABLE observability_events RENAME TO calls;
CREATE VIEW observability_events AS SELECT * FROM calls WHERE (SELECT wait());
";

#[test]
fn a_long_report_says_on_a_terminal_alone_how_far_it_is() {
    let cluster = Cluster::shared();
    let url = cluster.database_after(ROWS);
    let program = env!("CARGO_BIN_EXE_tracing-ledger");
    let mut report = Command::new(program);
    report.args(["report", "--database-url", &url]).stdout(Stdio::piped()).stderr(Stdio::piped());
    let earlier = report.spawn().expect("it starts");
    let terminal = Terminal::start(120, 40);
    terminal.run(&format!("{program} report --database-url {url} >{}", terminal.file("report").display()));
    terminal.wait_for("[..............................] 0 of about 1000 rows read");
    cluster.psql(&url, "INSERT INTO gate VALUES (true)");
    let pane = terminal.wait_for("done with 0");
    assert!(!pane.contains("rows read"), "the line is cleared: {pane}");
    let output = earlier.wait_with_output().expect("it ends");
    assert!(output.status.success());
    assert_eq!(String::from_utf8_lossy(&output.stderr), "");
}
