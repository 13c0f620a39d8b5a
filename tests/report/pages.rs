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
    /// The key of each `b` inside.
    each: Option<String>,
    key: Option<String>,
    value: Option<String>,
    text: String,
}

/// The elements that end where an element of this name begins.
fn ended_by(name: &str) -> &'static [&'static str] {
    match name {
        "td" | "th" => &["td", "th"],
        "tr" => &["td", "th", "tr"],
        "tbody" => &["td", "th", "tr", "thead"],
        "dt" | "dd" => &["dt", "dd"],
        "li" => &["li"],
        "option" => &["option"],
        _ => &[],
    }
}

fn attribute(tag: &str, name: &str) -> Option<String> {
    let (_, value) = tag.split_once(&format!(" {name}="))?;
    let value = match value.strip_prefix('"') {
        Some(quoted) => quoted.split('"').next(),
        None => value.split(' ').next(),
    };
    value.map(str::to_owned)
}

/// Each figure of a page: its pointer, and its raw value or else its text.
fn figures(html: &str) -> Vec<(String, String)> {
    let (mut open, mut found) = (Vec::<Element>::new(), Vec::new());
    let (mut columns, mut column) = (Vec::<Option<String>>::new(), 0);
    let mut close = |element: Element| {
        if let Some(key) = element.key.filter(|key| key != "-") {
            found.push((element.at + &key, element.value.unwrap_or(element.text)));
        }
    };
    let mut rest = html;
    while let Some((text, tag)) = rest.split_once('<') {
        open.iter_mut().for_each(|element| element.text += text);
        let (tag, after) = tag.split_once('>').expect("a tag ends");
        rest = after;
        let name = tag.split(' ').next().unwrap_or_default();
        if let Some(name) = name.strip_prefix('/') {
            let place = open.iter().rposition(|element| element.name == name).expect("an element is open");
            let ended = open.split_off(place);
            let may_be_open = |element: &Element| !ended_by(&element.name).is_empty();
            assert!(ended[1..].iter().all(may_be_open), "elements are closed in order");
            ended.into_iter().for_each(&mut close);
            continue;
        }
        while let Some(element) = open.pop_if(|element| ended_by(name).contains(&element.name.as_str())) {
            close(element);
        }
        let around = open.last();
        let mut key = attribute(tag, "data-key");
        match name {
            "table" => columns.clear(),
            "tr" => column = 0,
            "th" | "td" if open.iter().any(|element| element.name == "thead") => columns.push(key.take()),
            "th" | "td" => {
                key = key.or_else(|| columns.get(column).cloned().flatten());
                column += 1;
            }
            "b" => key = key.or_else(|| open.iter().rev().find_map(|element| element.each.clone())),
            "script" | "style" => {
                rest = rest.split_once("</").map_or("", |(_, end)| &rest[rest.len() - end.len() - 2..])
            }
            _ => {}
        }
        if !matches!(name, "!DOCTYPE" | "meta" | "link" | "input" | "br") && !tag.ends_with('/') {
            let at = around.map_or("", |element| &element.at).to_owned();
            let at = at + &attribute(tag, "data-at").unwrap_or_default();
            let (each, value) = (attribute(tag, "data-each"), attribute(tag, "data-value"));
            open.push(Element { name: name.to_owned(), at, each, key, value, text: String::new() });
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
            number => serde_json::from_str(&shown).ok() == number.as_f64(),
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
    let gates = ["p95<=+10%", "success>=-30pt", "p50<=+49%"];
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
