//! Two jobs of one booking at once: no call is shown within the wrong one.

use tracing_ledger::Row;

use super::{at, booking, quote, row, sqlite, tell};

/// A job with this trigger, and its two calls, which end so many milliseconds after the beginning.
fn job(trigger: &str, from: u64, calls: [u64; 2], to: u64) -> Vec<Row> {
    let summary = format!(
        r#"{{"flow": "job", {trigger}, "result": "exhausted", "attemptsUsed": 2, "quoteDurationMs": 20, "totalDurationMs": {}}}"#,
        to - from
    );
    let no_tables = format!(
        r#"{trigger}, "planner_success": false, "outcome": "ok", "planner_reason": "No tables", "planner_reason_code": "hard.no_tables""#
    );
    let mut rows = vec![row(to, "auto_assign.summary", &summary)];
    rows.extend(calls.map(|ms| quote(ms, "job", 10.0, &no_tables)));
    rows
}

/// The second job begins between the calls of the first one.
fn two_jobs(triggers: [&str; 2]) -> Vec<Row> {
    let [first, second] = triggers;
    let mut rows = job(first, 0, [500, 2500], 6000);
    rows.extend(job(second, 1000, [1500, 4000], 7000));
    rows
}

#[tokio::test]
async fn calls_are_within_the_job_whose_inherited_keys_they_have() {
    let file = sqlite(&two_jobs([r#""trigger": "creation""#, r#""trigger": "modification""#])).await;
    let story = tell(&booking(), &file.url()).await;
    let within: Vec<_> = story.rows.iter().map(|row| (row.created_at, row.within, row.open_jobs)).collect();
    let expected =
        [(6000, None), (500, Some(0)), (7000, None), (1500, Some(2)), (2500, Some(0)), (4000, Some(2))]
            .map(|(ms, within)| (Some(at(ms)), within, 0));
    assert_eq!(within, expected);
    let waits: Vec<_> = story.waits.iter().map(|wait| (wait.after, wait.before, wait.duration_ms)).collect();
    assert_eq!(waits, [(1, 4, 1990.0), (3, 5, 2490.0)], "a job waits for its own next call");
    let text = story.to_text(140);
    let says = |part: &str| text.lines().find(|line| line.contains(part)).expect("a line").to_owned();
    assert!(says("quote #3 job").contains("in job at 0 µs, hard.no_tables"), "{text}");
    assert!(!says("quote #4 job").contains(" in "), "{text}");
}

#[tokio::test]
async fn calls_that_nothing_tells_apart_are_within_no_job() {
    for triggers in [[r#""trigger": "creation""#; 2], [r#""trigger": null"#; 2]] {
        let file = sqlite(&two_jobs(triggers)).await;
        let story = tell(&booking(), &file.url()).await;
        let calls = story.rows.iter().filter(|row| row.attempt.is_some());
        let told: Vec<_> = calls.map(|row| (row.within, row.open_jobs)).collect();
        assert_eq!(told, [(Some(0), 0), (None, 2), (None, 2), (None, 2)], "only one is open at the first");
        assert_eq!(story.waits, [], "nothing tells which job waits");
        let [text, page] = [story.to_text(140), story.to_html()];
        assert_eq!(text.matches("in one of 2 jobs, hard.no_tables").count(), 3, "{text}");
        assert_eq!(page.matches("in one of 2 jobs").count(), 3, "{page}");
        assert_eq!(story.to_json().matches("\"open_jobs\": 2").count(), 3);
    }
}
