//! Every figure on a page is that of the JSON, and a page asks for nothing.

use fantoccini::Client;
use serde_json::Value;

use super::browser::{browse, console, keep, requests, run};
use super::rows::rows;
use super::site::{Page, Site};

/// Each element that shows a value: its pointer into the JSON, its text, and the raw value if the text is another one.
const SHOWN: &str = include_str!("shown.js");

#[tokio::test]
async fn a_report_shows_the_figures_of_the_json_and_asks_for_nothing() {
    let page = Page::of_rows(&rows(1.0), &[]);
    browse(async move |client| {
        opens_in_silence(&client, &page).await;
        let shown = shown(&client).await;
        assert!(shown.len() > 300, "{} values", shown.len());
        for part in [
            "/duration_ms/p95",
            "/over_time/",
            "/histogram/",
            "/slowest/",
            "/losses/",
            "/jobs/",
            "/attempts/",
        ] {
            assert!(shown.iter().any(|(pointer, ..)| pointer.contains(part)), "no value of {part}");
        }
        equal(&shown, &page.json);
        keep(&client, "report").await;
    })
    .await;
}

#[tokio::test]
async fn a_comparison_shows_the_figures_of_the_json_and_asks_for_nothing() {
    let gates = ["--gate", "p95<=+10%", "--gate", "success>=-1pt"];
    let page = Page::of_two(&rows(1.0), &rows(1.4), &gates);
    browse(async move |client| {
        opens_in_silence(&client, &page).await;
        let shown = shown(&client).await;
        assert!(shown.iter().any(|(pointer, ..)| pointer.starts_with("/comparison/")));
        assert!(shown.iter().any(|(pointer, ..)| pointer.starts_with("/report/")));
        equal(&shown, &page.json);
        keep(&client, "comparison").await;
    })
    .await;
}

/// Opens the page from a server and as a file.
pub(crate) async fn opens_in_silence(client: &Client, page: &Page) {
    let site = Site::serve(page.html.clone(), "");
    for url in [page.file(), site.url.clone()] {
        client.goto(&url).await.expect("it opens");
        let ready = run(client, "return document.getElementById('controls')?.hidden ?? false").await;
        assert_eq!(ready, false, "the script has run");
        assert_eq!(console(client).await, Vec::<String>::new(), "{url}");
        let asked = requests(client).await;
        assert!(asked.iter().all(|asked| *asked == url || asked.starts_with("data:")), "{asked:?}");
    }
    assert!(site.asked().iter().all(|line| line.starts_with("GET /page.html")), "{:?}", site.asked());
}

pub(crate) async fn shown(client: &Client) -> Vec<(String, String, Value)> {
    let shown = run(client, SHOWN).await;
    serde_json::from_value(shown).expect("triples")
}

pub(crate) fn equal(shown: &[(String, String, Value)], json: &Value) {
    for (pointer, text, raw) in shown {
        let expected =
            json.pointer(pointer).unwrap_or_else(|| panic!("the JSON has no {pointer}, shown as {text}"));
        let raw = raw.as_str().unwrap_or(if text == "–" { "null" } else { text });
        let is_equal = match expected {
            Value::Null => raw == "null",
            Value::String(expected) => {
                raw == expected || serde_json::from_str::<String>(raw).is_ok_and(|raw| raw == *expected)
            }
            Value::Number(number) => raw.parse().ok() == number.as_f64(),
            other => other == raw || serde_json::from_str::<Value>(raw).is_ok_and(|raw| raw == *other),
        };
        assert!(is_equal, "{pointer} is {expected}, shown as {text} ({raw})");
    }
}
