//! The figures of a page are those of the JSON, found by the place that each of them names.

use std::fs;

use serde_json::{Value, json};
use tempfile::TempDir;
use tracing_ledger::report::{Compare, Question, page, report_of_logs};

/// Eight days of rows, one object for each line; `slower` stretches the durations.
fn log(first_day: u32, slower: f64) -> String {
    let mut lines = String::new();
    for number in 0..1600 {
        let (day, minute) = (first_day + number / 200, number % 200 * 7);
        let at = format!("2026-11-{day:02}T{:02}:{:02}:00Z", minute / 60, minute % 60);
        let duration = slower * (20.0 + f64::from(number * 7919 % 1999) / 10.0);
        let fails = number % 20 == 0;
        let trigger = if number % 2 == 0 { "job" } else { "inline" };
        let context = json!({
            "planner_duration_ms": duration, "planner_success": !fails, "version": format!("1.{first_day}"),
            "planner_reason": fails.then_some("hard.no_capacity"), "trigger": trigger,
        });
        let row = json!({
            "id": format!("0198d0f0-0000-7000-8000-{number:012}"), "created_at": at, "source": "booking",
            "event_type": "auto_assign.quote", "severity": "info", "context": context,
            "booking_id": format!("0198d0f0-1111-7000-8000-{:012}", number / 3),
        });
        lines += &format!("{row}\n");
    }
    lines
}

/// An element on the way to a figure.
#[derive(Default)]
struct Element {
    name: String,
    at: String,
    key: Option<String>,
    value: Option<String>,
    text: String,
}

/// Each figure of a page: its pointer, and its raw value or else its text.
fn figures(html: &str) -> Vec<(String, String)> {
    let (mut open, mut found) = (Vec::<Element>::new(), Vec::new());
    let (mut columns, mut column) = (Vec::<Option<String>>::new(), 0);
    let mut rest = html;
    while let Some((text, tag)) = rest.split_once('<') {
        open.iter_mut().for_each(|element| element.text += text);
        let (tag, after) = tag.split_once('>').expect("a tag ends");
        rest = after;
        let name = tag.split(' ').next().unwrap_or_default();
        if let Some(name) = name.strip_prefix('/') {
            let element = open.pop().expect("an element is open");
            assert_eq!(element.name, name, "elements are closed in order");
            if let Some(key) = element.key.filter(|key| key != "-") {
                found.push((element.at + &key, element.value.unwrap_or(element.text)));
            }
            continue;
        }
        let attribute = |name: &str| {
            let (_, value) = tag.split_once(&format!(" {name}=\""))?;
            Some(value.split_once('"').expect("a value ends").0.to_owned())
        };
        let mut key = attribute("data-key");
        match name {
            "table" => columns.clear(),
            "tr" => column = 0,
            "th" | "td" => {
                if tag.contains("scope=\"col\"") {
                    columns.push(key.take());
                } else {
                    key = key.or_else(|| columns.get(column).cloned().flatten());
                }
                column += 1;
            }
            "script" | "style" => {
                rest = rest.split_once("</").map_or("", |(_, end)| &rest[rest.len() - end.len() - 2..])
            }
            _ => {}
        }
        if !matches!(name, "!DOCTYPE" | "meta" | "input" | "br") {
            let at = open.last().map_or("", |element| &element.at).to_owned();
            let at = at + &attribute("data-at").unwrap_or_default();
            open.push(Element {
                name: name.to_owned(),
                at,
                key,
                value: attribute("data-value"),
                text: String::new(),
            });
        }
    }
    found
}

#[track_caller]
fn assert_equal(html: &str, json: &Value, least: usize) {
    let figures = figures(html);
    assert!(figures.len() >= least, "{} figures", figures.len());
    for (pointer, shown) in figures {
        let value = json.pointer(&pointer).unwrap_or_else(|| panic!("the JSON has no {pointer}"));
        let same = match value {
            Value::String(text) => *text == shown,
            Value::Null => shown == "–" || shown == "null",
            number => serde_json::from_str::<Value>(&shown).ok().as_ref() == Some(number),
        };
        assert!(same, "{pointer} is {value}, and the page shows {shown}");
    }
}

#[tokio::test]
async fn each_figure_of_a_page_is_that_of_the_json() {
    let directory = TempDir::new().expect("a directory");
    let sides = [("before", 1, 1.0), ("after", 11, 1.5)].map(|(name, first_day, slower)| {
        let path = directory.path().join(name);
        fs::write(&path, log(first_day, slower)).expect("written");
        path.to_str().expect("UTF-8").to_owned()
    });
    let question = Question::new().detail(true);
    let (report, _) = report_of_logs(&question, &sides).await.expect("a report");
    let json = |text: &str| serde_json::from_str::<Value>(text).expect("JSON");
    assert_equal(&page(&report, None), &json!({"report": json(&report.to_json())}), 300);

    let compare = Compare::new();
    let gates = ["p95<=+10%", "success>=-30pt", "p50<=+49%"].map(str::to_owned);
    let compared = compare.compare(&sides[0], &sides[1], &gates).await.expect("a comparison");
    let rows = compare.rows(&sides[1], &compared).await.expect("a report").expect("a log has rows");
    let html = page(&rows, Some(&compared));
    let both = json!({"report": json(&rows.to_json()), "comparison": json(&compared.to_json())});
    assert_equal(&html, &both, 300);
    for word in ["broken", "holds", "worse", "no difference shown"] {
        assert!(html.contains(&format!(">{word}</span>")), "{word}");
    }
    assert_equal(&compared.to_html(), &both, 50);
}
