//! Frames in a terminal of a test.

use std::sync::LazyLock;
use std::time::UNIX_EPOCH;

use crossterm::event::{KeyCode, KeyEvent};
use ratatui::Terminal;
use ratatui::backend::TestBackend;
use support::SqliteFile;
use tracing_ledger::Row;
use tracing_ledger::report::{Live, Question};
use tracing_ledger::store::{Attempt, Sqlite, Store};

use super::*;

/// The end of the window in these tests, near the time of the clock.
fn now() -> SystemTime {
    static NOW: LazyLock<SystemTime> = LazyLock::new(|| {
        let seconds = SystemTime::now().duration_since(UNIX_EPOCH).expect("after 1970").as_secs();
        UNIX_EPOCH + Duration::from_secs(seconds)
    });
    *NOW
}

fn row(before_now: u64, event_type: &str, context: &str) -> Row {
    let mut row = Row::new(now() - Duration::from_secs(before_now), "api", event_type);
    row.context = context.to_owned();
    row
}

/// Sixty calls, each fifth of which failed, and a loss.
fn rows() -> Vec<Row> {
    let call = |at: u64| {
        let (success, flow) = (!at.is_multiple_of(5), if at.is_multiple_of(2) { "inline" } else { "job" });
        let context = format!(
            r#"{{"planner_duration_ms": {at}, "planner_success": {success}, "planner_reason_code": "hard.no_tables", "flow": "{flow}"}}"#
        );
        row(at, "auto_assign.quote", &context)
    };
    let loss = row(3, "ledger.loss", r#"{"cause": "queue_full", "count": 7}"#);
    (1..=60).map(call).chain([loss]).collect()
}

async fn screen(rows: &[Row], window: u64) -> Screen {
    let file = SqliteFile::new();
    let mut store = Sqlite::from_url(&file.url()).expect("a URL").create_table(true);
    store.insert(rows, Attempt::First).await.expect("stored");
    let window = Duration::from_secs(window);
    let mut live = Live::new(&Question::new(), window, &[file.url()]).expect("a URL");
    live.look().await.expect("it is read");
    let view = live.view(now()).await.expect("a view");
    Screen { view: Some(view), away: None, choice: WatchChoice::new(window), now: now() }
}

fn drawn(screen: &Screen, width: u16, height: u16) -> Vec<String> {
    let mut terminal = Terminal::new(TestBackend::new(width, height)).expect("a terminal");
    terminal.draw(|frame| screen.draw(frame.area(), frame.buffer_mut())).expect("it is drawn");
    let buffer = terminal.backend().buffer();
    let line = |y| (0..width).map(|x| buffer[(x, y)].symbol()).collect::<String>().trim_end().to_owned();
    (0..height).map(line).collect()
}

#[tokio::test]
async fn a_frame_of_80_by_24_has_every_part() {
    let screen = screen(&rows(), 120).await;
    let lines = drawn(&screen, 80, 24);
    assert!(lines[0].starts_with("tracing-ledger watch  20"), "{lines:#?}");
    assert_eq!(lines[1], "61 rows, the last one 1 s ago");
    assert_eq!(lines[3], "event type             rows/s success median ms    p95 ms    p99 ms rows");
    assert_eq!(lines[4], "auto_assign.quote        0.50   80.0%     30.50     57.05     59.41       ██████");
    let medians = "                                       median from 5.50 to 55.50 ms       █▇▆▄▃▁";
    assert_eq!(lines[5], medians, "each ten seconds have ten durations");
    assert!(lines[6].starts_with("ledger.loss "), "{lines:#?}");
    assert_eq!(lines[8], "last failures");
    assert!(lines[9].contains("auto_assign.quote hard.no_tables after 5.00 ms"), "{lines:#?}");
    assert_eq!(lines[23], "q quit  ↑↓ event  g group: none  w/W window: 2 min");
}

#[tokio::test]
async fn losses_are_loud_and_silence_is_louder() {
    let screen = screen(&rows(), 120).await;
    let text = screen.text(80, None);
    assert!(text.contains(" LOSSES: 7 rows (queue_full 7)"), "{text}");
    let old: Vec<Row> = (1..=60).map(|at| row(100 + at, "work", "{}")).collect();
    let silent = self::screen(&old, 300).await.text(80, None);
    assert!(silent.contains(" NO ROWS since ") && silent.contains(", 101 s ago"), "{silent}");
    assert!(silent.contains("tracing-ledger doctor"), "{silent}");
    // Rows that come each minute may well be 40 s late.
    let seldom: Vec<Row> = (1..=5).map(|at| row(60 * at - 20, "work", "{}")).collect();
    let text = self::screen(&seldom, 300).await.text(80, None);
    assert!(text.contains("5 rows, the last one 4"), "{text}");
}

#[tokio::test]
async fn rows_that_cannot_be_read_leave_the_last_figures() {
    let mut screen = screen(&rows(), 120).await;
    screen.away =
        Some(Away { since: now(), why: "cannot connect\u{1b}[2J".to_owned() + &" word".repeat(20) });
    for (width, height) in [(80, 24), (40, 10)] {
        let lines = drawn(&screen, width, height);
        assert!(lines[1].starts_with(" CANNOT READ since "), "{lines:#?}");
        assert!(lines[2].starts_with("cannot connect·[2J word"), "{lines:#?}");
        assert!(lines[3].starts_with("word"), "the reason has as many lines as it needs: {lines:#?}");
        assert!(
            lines[5].starts_with("auto_assign.quote") || lines[5].starts_with("…ign.quote"),
            "{lines:#?}"
        );
        assert!(lines[usize::from(height) - 1].contains("event"), "{lines:#?}");
    }
}

#[tokio::test]
async fn keys_pick_group_event_and_window() {
    let mut screen = screen(&rows(), 120).await;
    let press = |screen: &mut Screen, key| {
        let view = screen.view.clone();
        screen.choice.key(KeyEvent::from(key), view.as_ref())
    };
    press(&mut screen, KeyCode::Char('g'));
    let lines = drawn(&screen, 80, 24);
    assert!(lines[3].starts_with("auto_assign.quote b…"), "{lines:#?}");
    assert!(lines[4].starts_with("inline ") && lines[6].starts_with("job "), "{lines:#?}");
    assert!(lines[23].contains("group: flow"), "{lines:#?}");
    press(&mut screen, KeyCode::Down);
    assert!(drawn(&screen, 80, 24)[23].contains("group: none"), "the next event type has no such group");
    for (key, window) in [('w', "5 min"), ('w', "15 min"), ('W', "5 min"), ('W', "1 min")] {
        press(&mut screen, KeyCode::Char(key));
        assert!(drawn(&screen, 80, 24)[23].contains(&format!("window: {window}")), "{window}");
    }
    assert_eq!(press(&mut screen, KeyCode::Esc), crate::watch::choice::Reaction::Quit);
}

#[tokio::test]
async fn wide_names_leave_the_figures_in_their_columns() {
    for name in ["長い名前", &"長い名前".repeat(10)] {
        let rows: Vec<Row> = (1..=60).map(|at| row(at, name, r#"{"duration_ms": 5}"#)).collect();
        let text = screen(&rows, 120).await.text(80, None);
        let line = text.lines().nth(4).expect("a line of the table");
        assert!(line.contains("名前 ") && line.ends_with(" ██████"), "{text}");
        assert_eq!(width_of(line), 80, "{text}");
    }
}

#[tokio::test]
async fn any_size_is_drawn() {
    let screen = screen(&rows(), 120).await;
    for (width, height) in [(1, 1), (10, 3), (40, 10), (79, 23), (200, 60), (300, 2)] {
        assert_eq!(drawn(&screen, width, height).len(), usize::from(height));
    }
    let small = drawn(&screen, 40, 10);
    assert!(small[0].starts_with("watch  ") && small[0].ends_with('Z'), "{small:#?}");
    assert!(small[4].starts_with("…ign.quote     0.50   80.0%     30.50"), "{small:#?}");
    assert!(small[7].contains("auto_assign.quote hard."), "{small:#?}");
    assert!(
        small[8].starts_with(" LOSSES: 7 rows") && small[9].starts_with("q quit  ↑↓ event"),
        "{small:#?}"
    );
    let wide = drawn(&screen, 200, 60);
    assert!(wide[59].contains("q quit"), "{wide:#?}");
}

/// Failures of the first event type, and newer ones of another.
#[tokio::test]
async fn groups_are_beside_the_failures_of_their_event_type() {
    let refused = |at: u64| {
        row(at, "payments.charge", r#"{"success": false, "outcome": "error", "error": "card declined"}"#)
    };
    let all: Vec<Row> = rows().into_iter().chain((1..=5).map(refused)).collect();
    let mut screen = screen(&all, 120).await;
    let lines = drawn(&screen, 80, 24);
    assert_eq!(lines[1], "66 rows, the last one 1 s ago");
    assert!(lines.iter().any(|line| line == "last failures"), "{lines:#?}");
    assert!(lines.iter().any(|line| line.ends_with("payments.charge error: card declined")), "{lines:#?}");
    let view = screen.view.clone();
    screen.choice.key(KeyEvent::from(KeyCode::Char('g')), view.as_ref());
    let lines = drawn(&screen, 80, 24);
    assert_eq!(lines[1], "66 rows of all event types, the last one 1 s ago");
    let failures = lines.iter().position(|line| line == "last failures of auto_assign.quote");
    let failures = &lines[failures.expect("a title") + 1..];
    assert!(failures[0].contains("auto_assign.quote hard.no_tables"), "{lines:#?}");
    assert!(!failures.iter().any(|line| line.contains("payments.charge")), "{lines:#?}");
}

#[tokio::test]
async fn a_row_of_the_future_is_reported_and_hides_no_silence() {
    let later = |mut row: Row, seconds: u64| {
        row.created_at = now() + Duration::from_secs(seconds);
        row
    };
    let old = (1..=60).map(|at| row(100 + at, "work", "{}"));
    let all: Vec<Row> = old.chain([later(row(0, "other", "{}"), 86_400)]).collect();
    let text = screen(&all, 300).await.text(80, None);
    assert!(text.contains(", 101 s ago") && text.contains(" NO ROWS since "), "{text}");
    assert!(text.replace('\n', " ").contains("1 row is later than this clock and not counted"), "{text}");
    let text =
        screen(&[later(row(0, "other", "{}"), 60), later(row(0, "a", "{}"), 3600)], 300).await.text(80, None);
    assert!(text.contains(" NO ROWS in the window"), "{text}");
    assert!(text.replace('\n', " ").contains("2 rows are later than this clock"), "{text}");
}

#[tokio::test]
async fn the_header_says_how_many_event_types_have_no_room() {
    let many: Vec<Row> = (1..=32).map(|at| row(at, &format!("work.number{at:02}"), "{}")).collect();
    let screen = screen(&many, 120).await;
    let shown = |lines: &[String]| lines.iter().filter(|line| line.starts_with("work.number")).count();
    let lines = drawn(&screen, 80, 24);
    let header = lines.iter().find(|line| line.contains("rows/s")).expect("a header");
    assert!(header.starts_with(&format!("{} of 32 event types ", shown(&lines))), "{lines:#?}");
    assert!(drawn(&screen, 40, 10)[3].starts_with("1 of 32 e… "), "{:#?}", drawn(&screen, 40, 10));
    let all = screen.text(80, None);
    assert!(all.contains("\nevent type  ") && all.matches("work.number").count() == 32, "{all}");
}

#[tokio::test]
async fn a_success_that_only_some_calls_have_is_shown_with_their_number() {
    let call = |at: u64| {
        let context = if at.is_multiple_of(2) {
            r#"{"duration_ms": 5}"#
        } else {
            r#"{"duration_ms": 5, "success": false}"#
        };
        row(at, "mixed", context)
    };
    let text = screen(&(1..=60).map(call).collect::<Vec<_>>(), 120).await.text(80, None);
    assert!(text.contains("success of 30 rows, median from 5.00 to 5.00 ms"), "{text}");
}
