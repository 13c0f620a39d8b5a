//! Rows that come after their hour was rolled up, twice, or not at all because they were deleted.

use super::*;

#[tokio::test]
async fn late_rows_and_replays_count_once() {
    let url = database();
    roll_up(&url).await;
    psql(&url, &rows(20, 2, 50));
    let late = rollup().since(at(0)).run(&url).await.expect("rolled up");
    assert_eq!(late.hours, 2, "{late:?}");
    ask(&Question::new(), &url).await;
    psql(&url, "INSERT INTO observability_events SELECT * FROM observability_events ON CONFLICT DO NOTHING");
    let replayed = rollup().since(at(0)).run(&url).await.expect("rolled up");
    assert_eq!((replayed.hours, replayed.rows), (0, 0), "{replayed:?}");
    ask(&Question::new(), &url).await;
}

#[tokio::test]
async fn a_run_without_a_time_goes_on_where_the_last_one_ended() {
    let url = database();
    roll_up(&url).await;
    psql(&url, &rows(60, 30, 90));
    // These are late by more than fourteen days.
    psql(&url, &rows(20, 2, 50));
    let done = roll_up(&url).await;
    assert_eq!((done.hours, done.until), (30, Some(at(90))));
}

#[tokio::test]
async fn the_rows_before_the_first_hour_are_read() {
    let url = database();
    rollup().since(at(50)).run(&url).await.expect("rolled up");
    let answer = ask(&Question::new(), &url).await;
    assert_eq!(answer.rollup.map(|rollup| rollup.rows_read), Some(6_000));
    let done = rollup().since(at(0)).run(&url).await.expect("rolled up");
    assert_eq!((done.hours, done.rows), (50, 6_000));
    assert_eq!(ask(&Question::new(), &url).await.rollup.map(|rollup| rollup.rows_read), Some(0));
}

#[tokio::test]
async fn hours_whose_rows_are_deleted_keep_their_figures() {
    let url = database();
    roll_up(&url).await;
    let before = rolled(&Question::new(), &url).await;
    psql(&url, "DELETE FROM observability_events WHERE created_at < '2026-02-03T06:10:00Z'");
    for _ in 0..2 {
        rollup().since(at(0)).run(&url).await.expect("rolled up");
        assert_eq!(rolled(&Question::new(), &url).await.events, before.events);
    }
    // Rows that come later than that into an hour without rows are added, and are no second time.
    let of_requests = |report: &Report| report.event("http.request").map(|event| event.figures.calls);
    psql(&url, &rows(5, 1, 30));
    for _ in 0..2 {
        rollup().since(at(0)).run(&url).await.expect("rolled up");
        let with_late = rolled(&Question::new(), &url).await;
        assert_eq!(of_requests(&with_late), of_requests(&before).map(|calls| calls + 30));
    }
    // And those into an hour that has lost some cannot be told from the rest.
    psql(&url, &rows(30, 1, 5));
    let done = rollup().since(at(0)).run(&url).await.expect("rolled up");
    assert_eq!((done.hours, done.undecided), (0, 1));
    assert!(done.to_string().contains("In 1 hour, late rows do not count"), "{done}");
    let later = rollup().since(at(0)).run(&url).await.expect("rolled up");
    assert_eq!((later.hours, later.undecided), (0, 0));
    let answer = rolled(&Question::new(), &url).await;
    let text = answer.to_string();
    let note = "2 hours have lost rows: of those that have come since then, late ones may be missing, and returned ones may count twice.";
    assert!(text.contains(note), "{text}");
    assert!(answer.to_csv().contains(&format!(",note,,\"{note}\",text,")), "{}", answer.to_csv());
    assert!(!before.to_string().contains("lost rows"), "{before}");
    // A rebuild takes nothing away.
    let rebuilt = rollup().rebuild(true).run(&url).await.expect("rolled up");
    assert_eq!(rebuilt.kept + rebuilt.hours, 60);
    assert_eq!(
        of_requests(&rolled(&Question::new(), &url).await),
        of_requests(&before).map(|calls| calls + 30)
    );
}

#[tokio::test]
async fn an_hour_that_has_lost_rows_counts_as_a_whole() {
    let url = database();
    roll_up(&url).await;
    let whole = rolled(&Question::new().since(at(10)).until(at(20)), &url).await;
    psql(&url, "DELETE FROM observability_events");
    let minutes = |hour, minutes: u64| at(hour) + Duration::from_secs(minutes * 60);
    let wider = rolled(&Question::new().since(minutes(10, 7)).until(minutes(19, 5)), &url).await;
    assert_eq!((wider.window, &wider.events), (whole.window, &whole.events));
    let text = wider.to_string();
    assert!(text.contains("The hour from 2026-02-02T10:00:00Z counts as a whole"), "{text}");
    let within = rolled(&Question::new().since(minutes(10, 7)).until(minutes(10, 9)), &url).await;
    assert_eq!((within.window.since, within.window.until), (Some(at(10)), Some(at(11))));
}

#[tokio::test]
async fn rows_that_come_back_count_once() {
    let url = database();
    roll_up(&url).await;
    let hour = |hour: u32| {
        format!("date_trunc('hour', created_at) = timestamptz '2026-02-02T00:00Z' + interval '{hour} hours'")
    };
    psql(&url, "CREATE TABLE saved AS TABLE observability_events");
    // All rows of the first two hours, and some of the third, go and come back; into the second comes a late row too. Rows of the
    // third could be others that are late: its figures, which have them, stay.
    let gone = format!("({} OR {} OR {} AND event_type = 'http.request')", hour(10), hour(11), hour(12));
    psql(&url, &format!("DELETE FROM observability_events WHERE {gone}"));
    rollup().since(at(0)).run(&url).await.expect("rolled up");
    psql(&url, &format!("INSERT INTO observability_events SELECT * FROM saved WHERE {gone}"));
    psql(&url, &rows(11, 1, 1));
    let done = rollup().since(at(0)).run(&url).await.expect("rolled up");
    assert_eq!((done.hours, done.undecided), (2, 1), "{done:?}");
    ask(&Question::new(), &url).await;
    assert!(rolled(&Question::new(), &url).await.to_string().contains("1 hour has lost rows"));
    // Other rows, as many as are gone, are not the same.
    psql(&url, &format!("DELETE FROM observability_events WHERE {}", hour(20)));
    rollup().since(at(0)).run(&url).await.expect("rolled up");
    psql(&url, &format!("INSERT INTO observability_events SELECT * FROM saved WHERE {} LIMIT 0", hour(20)));
    psql(&url, &rows(20, 1, 45));
    let done = rollup().since(at(0)).run(&url).await.expect("rolled up");
    assert_eq!((done.hours, done.rows), (1, 135), "{done:?}");
}

#[tokio::test]
async fn an_hour_whose_lines_are_deleted_counts_the_rows_that_are_there() {
    let url = database();
    roll_up(&url).await;
    let between = |column: &str, first: u32, last: u32| {
        let at = |hour: u32| format!("timestamptz '2026-02-02T00:00Z' + interval '{hour} hours'");
        format!("{column} >= {} AND {column} < {}", at(first), at(last))
    };
    let hours = between("created_at", 10, 12);
    psql(&url, &format!("CREATE TABLE saved AS SELECT * FROM observability_events WHERE {hours}"));
    psql(&url, &format!("DELETE FROM observability_events WHERE {hours}"));
    rollup().since(at(0)).run(&url).await.expect("rolled up");
    for half in ["<", ">="] {
        let back = format!("INSERT INTO observability_events SELECT * FROM saved WHERE id::text {half} '8'");
        psql(&url, &back);
        rollup().since(at(0)).run(&url).await.expect("rolled up");
    }
    let (exact, twice) = (exact(&Question::new(), &url).await, rolled(&Question::new(), &url).await);
    assert!(twice.events[0].figures.calls > exact.events[0].figures.calls, "they came back in two runs");
    // The rows of the second hour go for good.
    psql(&url, &format!("DELETE FROM observability_events WHERE {}", between("created_at", 11, 12)));
    for table in ["observability_events_rollup", "observability_events_rollup_hours"] {
        psql(&url, &format!("DELETE FROM {table} WHERE {}", between("hour", 10, 12)));
    }
    rollup().since(at(10)).run(&url).await.expect("rolled up");
    assert!(!ask(&Question::new(), &url).await.to_string().contains("lost rows"));
}
