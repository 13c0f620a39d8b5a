//! Texts that attack the page, and rows that are too many for it.

use serde_json::{Value, json};

use super::browser::{browse, keep, run};
use super::figures::opens_in_silence;
use super::rows::{row, rows};
use super::site::Page;

const SCRIPT: &str = "</script><script>alert(1); window.attacked = true</script><img src=x onerror=alert(2)>";
const BIDI: &str = "abc\u{202e}txt.exe\u{2066}\u{200f}";

pub(crate) fn hostile_rows() -> Vec<Value> {
    let long = "reason ".repeat(1_000_000 / 7);
    let context = |number: u64| {
        let text = [SCRIPT, BIDI, &long, "\u{0}\u{1b}[31m"][number as usize % 4];
        json!({
            "duration_ms": number as f64 * 1e3, "success": false, "outcome": text.get(..80).unwrap_or(text), "reason": text,
            "version": SCRIPT, "tenant": format!("{number} {SCRIPT}"), SCRIPT: { BIDI: [text] },
        })
    };
    let hostile = |number: u64| {
        row(number, number * 30, [SCRIPT, BIDI, "orders.create"][number as usize % 3], context(number))
    };
    (0..40).map(hostile).collect()
}

#[tokio::test]
async fn hostile_texts_are_shown_and_harmless() {
    let page = Page::of_rows(&hostile_rows(), &["--by", "tenant"]);
    browse(async move |client| {
        opens_in_silence(&client, &page).await;
        assert_eq!(run(&client, "return window.attacked ?? false").await, false);
        assert_eq!(run(&client, "return document.querySelectorAll('img, script').length").await, 1);
        let text = run(&client, "return document.body.textContent").await;
        let text = text.as_str().expect("text");
        assert!(text.contains("</script><script>alert(1)"), "the text itself is shown");
        assert!(!text.contains(['\u{202e}', '\u{2066}', '\u{200f}', '\u{1b}']), "the order of reading stays");
        keep(&client, "hostile").await;
    })
    .await;
    let page = Page::of_rows(&hostile_rows(), &["--by", "tenant"]);
    assert!(without_contexts(&page.html) <= 150_000, "{} bytes", without_contexts(&page.html));
}

#[tokio::test]
async fn five_thousand_groups_make_no_larger_page() {
    let groups = |number: u64| {
        row(
            number,
            number,
            "orders.create",
            json!({ "duration_ms": number % 977, "success": true, "tenant": number }),
        )
    };
    let page = Page::of_rows(&(0..5000).map(groups).collect::<Vec<_>>(), &["--by", "tenant"]);
    assert!(without_contexts(&page.html) <= 150_000, "{} bytes", without_contexts(&page.html));
    browse(async move |client| opens_in_silence(&client, &page).await).await;
}

#[test]
fn an_ordinary_page_and_its_script_are_small() {
    let page = Page::of_rows(&rows(1.0), &[]);
    assert!(without_contexts(&page.html) <= 150_000, "{} bytes", without_contexts(&page.html));
    let (_, rest) = page.html.rsplit_once("<script>").expect("a script");
    assert!(rest.find("</script>").expect("an end") <= 15_000);
}

/// The bytes of a page beside the contexts of calls.
pub(crate) fn without_contexts(html: &str) -> usize {
    let contexts = html.split("<pre>").skip(1).filter_map(|part| part.split_once("</pre>"));
    html.len() - contexts.map(|(context, _)| context.len()).sum::<usize>()
}
