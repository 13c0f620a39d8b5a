//! A page in fewer bytes is the same page to a browser.

use fantoccini::Client;
use serde_json::{Value, json};

use super::browser::browse;
use super::hostile::hostile_rows;
use super::short::lean;
use super::site::Page;

/// Each would end a value, go on after it, or be read as another one, if it had no quotes.
const HOSTILE: [&str; 24] = [
    "",
    " ",
    "a b",
    " a",
    "a ",
    "a=b",
    "=",
    "=\"",
    "\"'>",
    "'",
    "`",
    "<b",
    "a>b",
    "/",
    "a/",
    "</td></li>",
    "</script><script>alert(1)</script>",
    "a\tb\nc\u{c}d",
    "a\u{a0}b\u{2003}c\u{2028}d\u{3000}e\u{85}f",
    "\u{202e}\u{2066}a",
    "&amp;&lt;&notin;&#x3e;",
    " d=\"M0 1\"",
    "é ü 表 \u{1f600}",
    "--><!-- ]]>",
];

/// As maud writes it.
fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}

/// Everything that a page is made of, with this text in each place.
fn body(text: &str) -> String {
    const PAGE: &str = "<main><table data-at=\"T\"><caption>T</caption><thead><tr><th data-key=\"T\" class=\"\">T</th><th>T</th></tr></thead>\
        <tbody><tr data-of=\"T\"><td data-value=\"T\" class=\"t\">T</td><td></td></tr><tr><th>T</th><td>T</td></tr></tbody></table>\
        <ul class=\"T\"><li title=\"T\">T</li><li>T<b data-value=\"T\">T</b></li></ul><dl><div><dt>T</dt><dd>T <small>T</small></dd></div></dl>\
        <form hidden><select id=\"T\"><option value=\"T\">T</option><option>T</option></select></form>\
        <svg role=\"img\" aria-label=\"T\"><title>T</title><path d=\"M0 0.5l1 -0.5\" fill=\"T\"></path><circle cx=\"T\"></circle></svg>\
        <details data-at=\"T\"><summary>T</summary><pre>T</pre></details><a href=\"#T\">T</a>T</main>";
    PAGE.replace('T', &escaped(text)).replace("d=\"M0 0.5l1 -0.5\"", "d=\"M0,.5l1-.5\"")
}

/// The places of the pairs that a browser does not read as the same elements with the same attributes and texts, and the
/// number of their elements.
const DIFFERENT: &str = "const pairs = arguments[0]; \
     const read = (html) => new DOMParser().parseFromString(html, 'text/html').body; \
     const bodies = pairs.map(([long, short]) => [read(long), read(short)]); \
     return [bodies.flatMap(([long, short], place) => long.isEqualNode(short) ? [] : [place]), \
             bodies.reduce((sum, [long]) => sum + long.querySelectorAll('*').length, 0)]";

async fn different(client: &Client, pairs: &[(String, String)]) -> (Vec<usize>, u64) {
    let result = client.execute(DIFFERENT, vec![json!(pairs)]).await.expect("the script runs");
    serde_json::from_value(result).expect("a pair")
}

fn with_lean(long: String) -> (String, String) {
    let short = lean(&long);
    (long, short)
}

#[tokio::test]
async fn fewer_bytes_are_the_same_page_whatever_texts_it_has() {
    let pairs: Vec<_> = HOSTILE.iter().map(|text| with_lean(body(text))).collect();
    assert!(pairs.iter().all(|(long, short)| short.len() < long.len()));
    let report = Page::of_rows(&hostile_rows(), &["--by", "tenant"]);
    browse(async move |client| {
        // The browser's first page forbids to parse text.
        client.goto("about:blank").await.expect("it opens");
        let (different, elements) = self::different(&client, &pairs).await;
        assert!(
            different.is_empty(),
            "{:?}",
            different.iter().map(|place| HOSTILE[*place]).collect::<Vec<_>>()
        );
        assert_eq!(elements, 35 * HOSTILE.len() as u64, "no text became an element");
        // What the browser has read of a page, in its own words: all quotes and end tags are there.
        let long = "return new DOMParser().parseFromString(arguments[0], 'text/html').body.innerHTML";
        let long = client.execute(long, vec![Value::from(report.html)]).await.expect("the script runs");
        let long = long.as_str().expect("a text");
        let (body, _) = long.rsplit_once("<script>").expect("a script");
        let (different, elements) = self::different(&client, &[with_lean(body.to_owned())]).await;
        assert!(different.is_empty() && elements > 1000, "{elements} elements");
    })
    .await;
}
