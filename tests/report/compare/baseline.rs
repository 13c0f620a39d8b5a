//! Baselines in files, and rows that both sides have.

use std::fs;

use tempfile::TempDir;

use super::{CALLS, assert_compared, compare, run};

#[test]
fn a_baseline_that_differs_from_itself_decides_nothing() {
    let sides = ["version=1.0", "version=2.0", "--event", "api.unsteady", "--gate", "p50<=+10%"];
    assert_compared(&sides, 2, "your own baseline differs from itself");
}

#[test]
fn a_saved_baseline_decides_as_its_rows_do() {
    let directory = TempDir::new().expect("a directory");
    let file = directory.path().join("baseline.json");
    let file = file.to_str().expect("UTF-8");
    let saved = run(&["baseline", "save", file, "version=1.0", "--event", "api.call", "--by", "route"]);
    assert_eq!(saved.status.code(), Some(0), "{saved:?}");
    assert!(fs::metadata(file).expect("a file").len() < 60_000);
    for (after, status) in [("version=1.1", 0), ("version=2.0", 1)] {
        // The event type and the groups are those of the file.
        assert_compared(&[file, after, "--gate", "p95<=+10%"], status, "/orders");
    }
    assert_compared(
        &[file, "version=2.0", "--where", "route=/menu"],
        2,
        "other event types, groups or conditions (before: --event api.call --by route; after: --where route=/menu)",
    );
    assert_compared(&[file, "2026-11-01..2026-11-03"], 2, "have rows in common");
    assert_compared(&[file, file], 2, "have rows in common");
    let again = directory.path().join("again.json");
    fs::copy(file, &again).expect("copied");
    assert_compared(&[file, again.to_str().expect("UTF-8")], 2, "have rows in common");
    let clash = fs::read_to_string(file).expect("readable").replacen("_baseline\": 2", "_baseline\": 99", 1);
    fs::write(file, clash).expect("writable");
    assert_compared(&[file, "version=1.1"], 2, "version 99");
    fs::write(file, "{}").expect("writable");
    assert_compared(&[file, "version=1.1"], 2, "no rows");
}

#[test]
fn a_saved_baseline_may_be_the_side_after() {
    let directory = TempDir::new().expect("a directory");
    let [slow, fast] = ["slow.json", "fast.json"].map(|name| directory.path().join(name));
    let [slow, fast] = [&slow, &fast].map(|file| file.to_str().expect("UTF-8"));
    let save = ["baseline", "save", slow, "version=2.0", "--event", "api.call", "--by", "route"];
    assert_eq!(run(&save).status.code(), Some(0));
    // The event type, the groups and the conditions are those of the file.
    for (before, status) in [("version=1.0", 1), ("2026-11-01..2026-11-09", 1)] {
        assert_compared(&[before, slow, "--gate", "p95<=+10%"], status, "/orders");
    }
    assert_compared(
        &["version=1.0", slow, "--where", "route=/menu"],
        2,
        "(before: --where route=/menu; after: --event api.call --by route)",
    );
    let save = ["baseline", "save", fast, "version=1.0", "--event", "api.call"];
    assert_eq!(run(&save).status.code(), Some(0));
    assert_compared(
        &[fast, slow],
        2,
        "(before: --event api.call; after: --event api.call --by route): save the baseline",
    );
}

#[test]
fn figures_of_other_keys_are_not_compared() {
    let directory = TempDir::new().expect("a directory");
    let [file, rules] = ["baseline.json", "rules.toml"].map(|name| directory.path().join(name));
    let [file, rules] = [&file, &rules].map(|path| path.to_str().expect("UTF-8"));
    fs::write(rules, "[[rule]]\nspan = \"api.call\"\nduration = \"took_ms\"\n").expect("writable");
    let save = ["baseline", "save", file, "version=1.0", CALLS[0], CALLS[1]];
    assert_eq!(run(&save).status.code(), Some(0));
    let gate = [file, "version=1.1", "--gate", "success>=-5pt"];
    assert_compared(&gate, 0, "holds");
    let other = [&gate[..], &["--rules", rules]].concat();
    let before = "the duration of api.call was read from duration_ms or durationMs before, and is read from took_ms or ";
    assert_compared(&other, 2, before);
    assert_eq!(run(&[&save[..], &["--rules", rules]].concat()).status.code(), Some(0));
    assert_compared(&other, 0, "holds");
    assert_compared(&gate, 2, "compare with the --rules of the baseline, or save the baseline again");
    // A rule that reads the first of the keys reads the same figures.
    fs::write(rules, "[[rule]]\nspan = \"api.call\"\nsource = \"api\"\n").expect("writable");
    assert_eq!(run(&save).status.code(), Some(0));
    assert_compared(&other, 0, "holds");
    // Other event types may have other rules.
    fs::write(rules, "[[rule]]\nspan = \"api.rare\"\nduration = \"took_ms\"\n").expect("writable");
    assert_eq!(run(&save).status.code(), Some(0));
    assert_compared(&other, 0, "holds");
}

#[test]
fn a_baseline_of_an_earlier_version_is_read() {
    let directory = TempDir::new().expect("a directory");
    let file = directory.path().join("baseline.json");
    let path = file.to_str().expect("UTF-8");
    let unknown = "The keys of the figures of the side before are not known";
    assert_eq!(run(&["baseline", "save", path, "version=1.0", CALLS[0], CALLS[1]]).status.code(), Some(0));
    let gate = [path, "version=1.1", "--gate", "success>=-5pt"];
    assert!(!compare(&gate).1.contains(unknown));
    let mut json: serde_json::Value =
        serde_json::from_str(&fs::read_to_string(&file).expect("a file")).expect("JSON");
    json.as_object_mut().expect("an object").remove("keys").expect("keys");
    fs::write(&file, serde_json::to_string_pretty(&json).expect("JSON")).expect("writable");
    assert_compared(&gate, 0, unknown);
}

#[test]
fn a_baseline_that_another_program_has_written_is_still_one() {
    let directory = TempDir::new().expect("a directory");
    let file = directory.path().join("baseline.json");
    let path = file.to_str().expect("UTF-8");
    assert_eq!(run(&["baseline", "save", path, "version=1.0", CALLS[0], CALLS[1]]).status.code(), Some(0));
    let gate = [path, "version=1.1", "--gate", "success>=-5pt"];
    let text = fs::read_to_string(&file).expect("a file");
    let json: serde_json::Value = serde_json::from_str(&text).expect("JSON");
    let sorted = serde_json::to_string_pretty(&json).expect("JSON");
    assert!(!sorted[..64].contains("tracing_ledger_baseline"), "{sorted}");
    let mark = '\u{feff}';
    for text in [json.to_string(), format!("\n{sorted}"), format!("{mark}{text}"), format!("{mark}{sorted}")]
    {
        fs::write(&file, text).expect("writable");
        assert_compared(&gate, 0, "holds");
    }
    fs::write(&file, &text[..text.len() / 2]).expect("writable");
    assert_compared(&gate, 2, "the file is no baseline: write one with \"baseline save\"");
    fs::write(&file, "").expect("writable");
    assert_compared(&gate, 2, "the file is empty: write it again with \"baseline save\"");
}

#[test]
fn rows_of_both_sides_decide_nothing() {
    for sides in [
        ["version=1.0", "version=1.0"],
        ["2026-11-01..2026-11-09", "2026-11-01..2026-11-09"],
        ["2026-11-01..2026-11-22", "2026-11-14..2026-11-22"],
        ["..", "version=2.0"],
        ["2026-11-01..2026-11-09", "version=1.0"],
    ] {
        let part = format!("{} and {} have rows in common", sides[0], sides[1]);
        assert_compared(&[&sides[..], &["--gate", "p50<=+10%"], &CALLS[..]].concat(), 2, &part);
    }
    let day = |day: u32| format!("2026-11-{day:02}..2026-11-{:02}", day + 1);
    let list = |days: [u32; 5]| days.map(day).join(",");
    for (before, after, twice) in [
        ([1, 1, 1, 1, 1], [11, 12, 13, 14, 15], "2026-11-01..2026-11-02"),
        ([1, 2, 3, 4, 5], [11, 12, 13, 14, 5], "2026-11-05..2026-11-06"),
    ] {
        let part = format!("{twice} and {twice} have rows in common");
        assert_compared(&["--runs", &list(before), &list(after)], 2, &part);
    }
}

#[test]
fn a_forgotten_file_is_named_and_a_saved_one_is_described() {
    for rows in ["2026-11-01..2026-11-08", "version=1.0", "7d.."] {
        let forgotten = run(&["baseline", "save", rows]);
        let text = String::from_utf8_lossy(&forgotten.stderr);
        assert!(text.contains("the file comes first") && !fs::exists(rows).expect("known"), "{text}");
        assert_eq!(forgotten.status.code(), Some(2));
    }
    let directory = TempDir::new().expect("a directory");
    let file = directory.path().join("baseline.json");
    let saved = |rows| {
        let saved = run(&["baseline", "save", file.to_str().expect("UTF-8"), rows, CALLS[0], CALLS[1]]);
        String::from_utf8(saved.stderr).expect("UTF-8")
    };
    let eight = "saved 1600 rows of version=1.0 from 2026-11-01T00:00:00Z to 2026-11-08T23:13:00Z, in 8 days";
    assert_eq!(saved("version=1.0"), format!("note: {eight}\n"));
    assert!(saved("2026-11-01..2026-11-02").ends_with(", in 1 day; a comparison needs 6 days to decide\n"));
}

#[test]
fn a_baseline_with_many_groups_says_so() {
    let directory = TempDir::new().expect("a directory");
    let file = directory.path().join("baseline.json");
    let save = ["baseline", "save", file.to_str().expect("UTF-8"), "version=1.0", CALLS[0], CALLS[1], "--by"];
    let note = |by| String::from_utf8_lossy(&run(&[&save[..], &[by]].concat()).stderr).into_owned();
    let many = "in 8 days; 800 groups make the file large: group by keys with fewer values\n";
    assert!(note("trace_id").contains(many), "{}", note("trace_id"));
    assert!(!note("route").contains("large"), "{}", note("route"));
}

#[test]
fn an_empty_baseline_is_not_saved() {
    let directory = TempDir::new().expect("a directory");
    let file = directory.path().join("baseline.json");
    let saved = run(&["baseline", "save", file.to_str().expect("UTF-8"), "version=9.9"]);
    assert_eq!((saved.status.code(), file.exists()), (Some(2), false));
}
