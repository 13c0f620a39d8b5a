//! A log as a side of a comparison.

use std::fs;
use std::process::Command;

use support::Cluster;
use tempfile::TempDir;

use super::{CALLS, assert_compared, run, url};

/// Rows of no booking and no trace, which differ from day to day.
#[test]
fn figures_do_not_depend_on_the_order_of_the_rows() {
    let directory = TempDir::new().expect("a directory");
    let row = |i: u64| {
        let (day, duration) = (1 + i / 200, 0.1 * (50 + i * 7919 % 199 + i / 200 * 3) as f64);
        format!(
            "{{\"created_at\":\"2026-11-{day:02}T10:{:02}:{:02}Z\",\"event_type\":\"a\",\"source\":\"s\",\"severity\":\"info\",\
             \"context\":{{\"duration_ms\":{duration:.1},\"success\":{}}}}}\n",
            i % 60,
            i * 7 % 60,
            !i.is_multiple_of(37)
        )
    };
    let answers = |rows: Vec<String>| {
        let file = directory.path().join("rows.ndjson");
        fs::write(&file, rows.concat()).expect("written");
        let file = file.to_str().expect("UTF-8");
        let saved = directory.path().join("saved.json");
        let saved = saved.to_str().expect("UTF-8");
        let report = run(&["report", "--from-log", file, "--format", "json"]);
        let save = run(&["baseline", "save", saved, file]);
        assert!(report.status.success() && save.status.success(), "{report:?} {save:?}");
        let saved: serde_json::Value =
            serde_json::from_slice(&fs::read(saved).expect("saved")).expect("JSON");
        (String::from_utf8(report.stdout).expect("UTF-8"), saved["events"].clone())
    };
    let rows: Vec<_> = (0..1600).map(row).collect();
    let first = answers(rows.clone());
    assert!(first.0.contains("\"interval\": {\n"), "{}", first.0);
    assert!(first.1.is_array(), "{:?}", first.1);
    assert_eq!(answers(rows.iter().rev().cloned().collect()), first);
    let (even, odd): (Vec<_>, Vec<_>) = rows.chunks(2).map(|pair| (pair[0].clone(), pair[1].clone())).unzip();
    assert_eq!(answers([odd, even].concat()), first);
}

/// The rows of version 1.0 as one JSON object per line.
fn exported() -> String {
    exported_of("1.0")
}

fn exported_of(version: &str) -> String {
    let rows = "SELECT jsonb_build_object('created_at', created_at, 'event_type', event_type, 'source', source, \
        'severity', severity, 'context', context) FROM observability_events \
        WHERE event_type = 'api.call' AND context->>'version' = ";
    Cluster::shared().psql(url(), &format!("{rows}'{version}'"))
}

#[test]
fn a_log_is_a_side() {
    let directory = TempDir::new().expect("a directory");
    let file = directory.path().join("rows.ndjson");
    fs::write(&file, format!("no row\n{}", exported())).expect("writable");
    let file = file.to_str().expect("UTF-8");
    let unread = format!("note: 1 line cannot be read; {file}:1: it has no level");
    for (after, status) in [("version=1.1", 0), ("version=2.0", 1)] {
        let arguments = [&[file, after, "--gate", "p95<=+10%"], &CALLS[..]].concat();
        assert_compared(&arguments, status, "api.call");
        assert_compared(&arguments, status, "Lines of its log that cannot be read: 1.");
        assert_compared(&arguments, status, &unread);
        assert_compared(&arguments, status, "One side is a log.");
    }
    fs::write(file, "no row\n").expect("writable");
    assert_compared(&[file, "version=1.1"], 2, "a log has no rows, and 1 line cannot be read");
}

/// As a shell passes `<(zcat rows.gz)`: only what reads it first has it.
#[test]
fn a_pipe_is_a_log() {
    let directory = TempDir::new().expect("a directory");
    let file = directory.path().join("rows.ndjson");
    let piped = |arguments: &[&str]| {
        let mut shell = Command::new("sh");
        shell.args(["-c", "cat \"$0\" | \"$@\""]).arg(&file).arg(env!("CARGO_BIN_EXE_tracing-ledger"));
        shell.args(arguments).env("DATABASE_URL", url()).output().expect("it starts")
    };
    fs::write(&file, exported()).expect("writable");
    let gate = [&["compare", "/dev/stdin", "version=2.0", "--gate", "p50<=+10%"], &CALLS[..]].concat();
    let output = piped(&gate);
    assert_eq!(output.status.code(), Some(1), "{output:?}");
    let saved = run(&["baseline", "save", file.to_str().expect("UTF-8"), "version=1.0"]);
    assert!(saved.status.success(), "{saved:?}");
    let output = piped(&gate);
    let part = "a baseline is read from a file, and not from a pipe";
    assert!(String::from_utf8_lossy(&output.stderr).contains(part), "{output:?}");
    assert_eq!(output.status.code(), Some(2));
}

#[test]
fn a_log_on_stdin_is_one_side() {
    let directory = TempDir::new().expect("a directory");
    let file = directory.path().join("rows.ndjson");
    fs::write(&file, exported()).expect("writable");
    let piped = |arguments: &[&str]| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_tracing-ledger"));
        let log = fs::File::open(&file).expect("readable");
        command.args(arguments).env("DATABASE_URL", url()).stdin(log).output().expect("it starts")
    };
    for sides in [["-", "version=2.0"], ["version=2.0", "-"]] {
        let output = piped(&[&["compare"], &sides[..], &["--gate", "p50<=+10%"], &CALLS[..]].concat());
        assert_eq!(output.status.code(), Some(i32::from(sides[0] == "-")), "{output:?}");
    }
    let saved = directory.path().join("saved.json");
    let output = piped(&["baseline", "save", saved.to_str().expect("UTF-8"), "-"]);
    assert_eq!((output.status.code(), saved.exists()), (Some(0), true), "{output:?}");
    for twice in [&["compare", "-", "-"][..], &["compare", "--runs", "7d..,-", "7d..,-"]] {
        let output = piped(twice);
        assert_eq!(output.status.code(), Some(2), "{output:?}");
        assert!(
            String::from_utf8_lossy(&output.stderr).contains("stdin can be read only once"),
            "{output:?}"
        );
    }
}

#[test]
fn logs_whose_success_other_rules_judge_are_not_compared() {
    let directory = TempDir::new().expect("a directory");
    let path = |name: &str| directory.path().join(name).to_str().expect("UTF-8").to_owned();
    let line = |i: u64| {
        format!(
            "{{\"timestamp\":\"2026-11-{:02}T10:{:02}:00Z\",\"level\":\"INFO\",\"fields\":{{\"message\":\"close\",\"time.busy\":\"5ms\",\
             \"time.idle\":\"1ms\"}},\"target\":\"app\",\"span\":{{\"name\":\"order\",\"status\":{}}},\"spans\":[]}}\n",
            1 + i / 50,
            i % 60,
            if i.is_multiple_of(20) { 404 } else { 200 }
        )
    };
    let [log, saved, strict, mild] = ["app.log", "saved.json", "strict.toml", "mild.toml"].map(path);
    fs::write(&log, (0..700).map(line).collect::<String>()).expect("written");
    for (file, below) in [(&strict, 400), (&mild, 500)] {
        let rule =
            format!("[[rule]]\nspan = \"order\"\nsuccess = {{ field = \"status\", below = {below} }}\n");
        fs::write(file, rule).expect("written");
    }
    let save = run(&["baseline", "save", &saved, &log, "--rules", &strict]);
    assert!(save.status.success(), "{save:?}");
    let other = path("other.log");
    fs::write(&other, (700..1400).map(line).collect::<String>()).expect("written");
    let gate = [&saved, &other, "--gate", "success>=-5pt", "--rules"];
    let told = "the success in logs of order was read from status below 400 before, and is read from status below 500 after";
    assert_compared(&[&gate[..], &[&mild]].concat(), 2, told);
    assert_compared(&[&gate[..], &[&strict]].concat(), 0, "holds");
    let silent = path("silent.toml");
    let rule = fs::read_to_string(&strict).expect("written") + "silent = \"ok\"\n";
    fs::write(&silent, rule).expect("written");
    let told = "and is read from status below 400 with silent = \"ok\" after";
    assert_compared(&[&gate[..], &[&silent]].concat(), 2, told);
    let save = run(&["baseline", "save", &saved, &log]);
    assert!(save.status.success(), "{save:?}");
    let told = "was read from success before";
    assert_compared(&[&gate[..], &[&strict]].concat(), 2, told);
}

#[test]
fn the_recorder_has_judged_rows_that_were_exported() {
    let directory = TempDir::new().expect("a directory");
    let path = |name: &str| directory.path().join(name).to_str().expect("UTF-8").to_owned();
    let [rows, other, saved, strict, mild] =
        ["rows.ndjson", "other.ndjson", "saved.json", "strict.toml", "mild.toml"].map(path);
    fs::write(&rows, exported()).expect("written");
    fs::write(&other, exported_of("1.1")).expect("written");
    for (file, below) in [(&strict, 400), (&mild, 500)] {
        let rule =
            format!("[[rule]]\nspan = \"api.call\"\nsuccess = {{ field = \"status\", below = {below} }}\n");
        fs::write(file, rule).expect("written");
    }
    assert!(run(&["baseline", "save", &saved, &rows, "--rules", &mild]).status.success());
    assert_compared(&[&saved, &other, "--gate", "p95<=+10%", "--rules", &strict], 0, "holds");
}

/// A log of a week with 50 calls a day. Some report an error, and the others nothing.
fn log_of_errors(first_day: u64, fails: impl Fn(u64) -> bool) -> String {
    let line = |i: u64| {
        let time = format!("2026-11-{:02}T10:{:02}:00Z", first_day + i / 50, i % 50);
        let own = format!("{{\"name\":\"order\",\"id\":{i}}}");
        // A span that closes is not among those that its thread is in.
        let [within, closes] =
            [&*own, ""].map(|spans| format!("\"target\":\"app\",\"span\":{own},\"spans\":[{spans}]"));
        let error = format!(
            "{{\"timestamp\":\"{time}\",\"level\":\"ERROR\",\"fields\":{{\"error\":\"boom\"}},{within}}}\n"
        );
        let close = format!(
            "{{\"timestamp\":\"{time}\",\"level\":\"INFO\",\"fields\":{{\"message\":\"close\",\"time.busy\":\"{}ms\",\
             \"time.idle\":\"1ms\"}},{closes}}}\n",
            5 + i % 7
        );
        if fails(i) { error + &close } else { close }
    };
    (0..350).map(line).collect()
}

#[test]
fn a_success_that_most_calls_do_not_report_decides_nothing() {
    let directory = TempDir::new().expect("a directory");
    let [before, after, rules] = ["before.log", "after.log", "rules.toml"]
        .map(|name| directory.path().join(name).to_str().expect("UTF-8").to_owned());
    fs::write(&before, log_of_errors(1, |i| i.is_multiple_of(8))).expect("written");
    fs::write(&after, log_of_errors(8, |i| i.is_multiple_of(2))).expect("written");
    let gate = [before.as_str(), &after, "--gate", "success>=-1pt"];
    let told = "the success of 87% of the calls before and of 50% of the calls after is not known";
    assert_compared(&gate, 2, told);
    assert_compared(&[&before, &after, "--gate", "success>=1%"], 2, told);
    let report = run(&["report", "--from-log", &before]);
    let text = String::from_utf8(report.stdout).expect("UTF-8");
    assert!(text.contains("Of order, the success of 87% of the calls is not known"), "{text}");
    // The rule says that such a call returns.
    fs::write(&rules, "[[rule]]\nspan = \"order\"\nsilent = \"ok\"\n").expect("written");
    let known = [&gate[..], &["--rules", &rules]].concat();
    assert_compared(&known, 1, "broken");
}

#[test]
fn the_same_log_is_no_other_side() {
    let directory = TempDir::new().expect("a directory");
    let [log, copy, saved] = ["app.log", "copy.log", "saved.json"]
        .map(|name| directory.path().join(name).to_str().expect("UTF-8").to_owned());
    for path in [&log, &copy] {
        fs::write(path, log_of_errors(1, |i| i.is_multiple_of(8))).expect("written");
    }
    assert!(run(&["baseline", "save", &saved, &log]).status.success());
    for before in [&copy, &saved] {
        assert_compared(&[before, &log, "--gate", "p95<=+10%"], 2, "have rows in common");
    }
    let other = directory.path().join("other.log");
    fs::write(&other, log_of_errors(8, |i| i.is_multiple_of(8))).expect("written");
    let runs = format!("{log},{copy}");
    assert_compared(&["--runs", &runs, other.to_str().expect("UTF-8")], 2, "have rows in common");
}

#[test]
fn rows_without_a_time_are_no_side() {
    let directory = TempDir::new().expect("a directory");
    let file = directory.path().join("app.log");
    let line = "  0.010s  INFO order{id=1}: app: close time.busy=5ms time.idle=1ms\n";
    fs::write(&file, line.repeat(20)).expect("written");
    let file = file.to_str().expect("UTF-8");
    let words = "none of the 20 rows has a time that can be read";
    assert_compared(&[file, "version=1.0"], 2, words);
    let saved = directory.path().join("saved.json");
    let save = run(&["baseline", "save", saved.to_str().expect("UTF-8"), file]);
    assert!(!save.status.success() && String::from_utf8_lossy(&save.stderr).contains(words), "{save:?}");
    assert!(!saved.exists());
}
