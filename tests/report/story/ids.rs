//! Trace ids, span ids, row ids and keys of the context lead to rows.

use tracing_ledger::Row;
use tracing_ledger::report::StoryRow;
use uuid::Uuid;

use super::{TRACE, booking, confirmed_at_the_third, outline, postgres, row, sqlite, tell};

/// A request, a job within its trace, a call within the job, and an event within the call; and a call of another booking.
fn joined() -> Vec<Row> {
    let ids = |span: &str, parent: &str| {
        format!(r#""trace_id": "{TRACE}", "span_id": "{span}", "parent_span_id": {parent}"#)
    };
    let named = |mut row: Row, booking: Option<u128>| {
        row.booking_id = booking.map(Uuid::from_u128);
        row
    };
    let context = |span: &str, parent: &str| {
        format!(r#"{{{}, "outcome": "ok", "duration_ms": 100}}"#, ids(span, parent))
    };
    vec![
        named(row(1000, "http.request", &context("00000000000000aa", "null")), None),
        row(990, "orders.job", &context("00000000000000bb", "\"00000000000000aa\"")),
        row(980, "orders.call", &context("00000000000000cc", "\"00000000000000bb\"")),
        row(970, "orders.note", &format!(r#"{{"trace_id": "{TRACE}", "span_id": "00000000000000cc"}}"#)),
        named(row(985, "orders.call", &context("00000000000000dd", "\"00000000000000aa\"")), Some(1)),
    ]
}

#[tokio::test]
async fn ids_join_the_rows_of_a_trace() {
    let url = postgres(&joined()).await;
    let whole = tell(TRACE, &url).await;
    assert_eq!(whole.found_as.as_deref(), Some("trace_id"));
    let expected = ["http.request", " orders.call", " orders.job", "  orders.call", "   orders.note"];
    assert_eq!(outline(&whole), expected);
    let job = tell("00000000000000bb", &url).await;
    assert_eq!(job.found_as.as_deref(), Some("span_id"));
    assert_eq!(outline(&job), ["orders.job", " orders.call", "  orders.note"]);
    assert_eq!(job.rows.iter().map(|row| row.named).collect::<Vec<_>>(), [true, false, false]);
    let of_booking = tell(&booking(), &url).await;
    let expected = ["http.request", " orders.job", "  orders.call", "   orders.note"];
    assert_eq!(outline(&of_booking), expected, "with the request, and without the other booking");
}

#[tokio::test]
async fn a_row_leads_to_its_booking_or_its_trace() {
    let mut rows = joined();
    rows.extend(confirmed_at_the_third());
    let url = postgres(&rows).await;
    let id = |place: usize| rows[place].id.to_string();
    let of_booking = tell(&id(5), &url).await;
    assert_eq!(of_booking.found_as.as_deref(), Some("id"));
    assert_eq!(of_booking.rows.len(), 4 + 8);
    let named: Vec<&StoryRow> = of_booking.rows.iter().filter(|row| row.named).collect();
    assert!(matches!(named.as_slice(), [row] if row.id.as_deref() == Some(&id(5))), "{named:?}");
    let of_trace = tell(&id(0).to_uppercase(), &url).await;
    assert_eq!(of_trace.rows.len(), 5);
}

#[tokio::test]
async fn a_key_of_the_context_names_rows() {
    let file = sqlite(&confirmed_at_the_third()).await;
    for (id, count) in
        [("result=succeeded", 1), ("flow = job", 3), ("booking_id=x", 0), ("attempt_index=0", 1)]
    {
        let story = tell(id, &file.url()).await;
        assert_eq!((story.rows.len(), story.is_empty()), (count, count == 0), "{id}");
    }
    let mut nested = row(5, "a", r#"{"planner": {"size": 4}, "b.c": "x"}"#);
    nested.booking_id = None;
    let file = sqlite(&[nested]).await;
    for id in ["planner.size=4", "b.c=x"] {
        assert_eq!(tell(id, &file.url()).await.rows.len(), 1, "{id}");
    }
}
