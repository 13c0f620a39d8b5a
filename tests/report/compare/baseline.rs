//! Baselines in files, and rows that both sides have.

use std::fs;

use tempfile::TempDir;

use super::{CALLS, assert_compared, run};

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
