//! A page has all of its text where scripts are off, and where a server's policy forbids script and style.

use fantoccini::Client;
use serde_json::json;
use tokio::sync::oneshot;

use super::browser::{browse, keep, run, with_browser};
use super::rows::rows;
use super::site::{Page, Site};

/// As Jenkins sends it.
const POLICY: &str =
    "Content-Security-Policy: sandbox; default-src 'none'; img-src 'self'; style-src 'self';\r\n";

#[tokio::test]
async fn a_page_is_readable_where_scripts_are_disabled() {
    let page = Page::of_rows(&rows(1.0), &[]);
    let whole = whole(&page).await;
    let off = json!({ "profile.managed_default_content_settings.javascript": 2 });
    with_browser(off, async move |client| {
        let site = Site::serve(page.html.clone(), "");
        client.goto(&site.url).await.expect("it opens");
        is_readable(&client, &page, &whole).await;
        keep(&client, "without-script").await;
    })
    .await;
}

#[tokio::test]
async fn a_page_is_readable_behind_the_policy_of_a_build_server() {
    let page = Page::of_rows(&rows(1.0), &[]);
    let whole = whole(&page).await;
    browse(async move |client| {
        let site = Site::serve(page.html.clone(), POLICY);
        client.goto(&site.url).await.expect("it opens");
        is_readable(&client, &page, &whole).await;
        let sheets = run(&client, "return getComputedStyle(document.body).maxWidth").await;
        assert_eq!(sheets, "none", "the policy forbids the style");
        keep(&client, "without-script-and-style").await;
    })
    .await;
}

/// The text of an unfolded page, without controls and without spaces, which depend on the style.
async fn unfolded(client: &Client) -> String {
    let unfold = "document.querySelectorAll('details').forEach((one) => { one.open = true; }); \
                    document.querySelectorAll('form').forEach((one) => one.remove()); return document.body.innerText";
    run(client, unfold).await.as_str().expect("a text").split_whitespace().collect()
}

/// The text where nothing is forbidden.
async fn whole(page: &Page) -> String {
    let html = page.html.clone();
    let (send, receive) = oneshot::channel();
    browse(async move |client| {
        let site = Site::serve(html, "");
        client.goto(&site.url).await.expect("it opens");
        assert_eq!(run(&client, "return document.getElementById('controls').hidden").await, false);
        send.send(unfolded(&client).await).expect("it is awaited");
    })
    .await;
    receive.await.expect("a text")
}

async fn is_readable(client: &Client, page: &Page, whole: &str) {
    let hidden = run(client, "return document.getElementById('controls').hidden").await;
    assert_eq!(hidden, true, "the script has not run, and controls that need it are not shown");
    let text = run(client, "return document.body.innerText").await;
    let text = text.as_str().expect("text");
    for event in page.json["report"]["events"].as_array().expect("events") {
        let name = event["event_type"].as_str().expect("a name");
        assert!(text.contains(name), "{name}");
        for reason in event["reasons"].as_array().expect("reasons") {
            let code = reason["code"].as_str().expect("a code");
            assert!(text.contains(code), "{code}");
        }
    }
    let small = "return [...document.querySelectorAll('figure svg[role=img]')].map((svg) => [svg.outerHTML.slice(0, 150), svg.getBoundingClientRect()]) \
                 .filter(([, box]) => box.width < 40 || box.height < 10)";
    let charts = run(client, "return document.querySelectorAll('figure svg[role=img]').length").await;
    assert!(charts.as_u64() > Some(5), "{charts} charts");
    assert_eq!(run(client, small).await, json!([]), "each chart has a size");
    let summary = run(client, "const one = document.querySelector('figure details, details'); one.querySelector('summary').click(); \
                               return one.open && one.innerText.length > 20").await;
    assert_eq!(summary, true, "tables open without a script");
    let text = unfolded(client).await;
    let same = text.chars().zip(whole.chars()).take_while(|(one, other)| one == other).count();
    let rest = |text: &str| text.chars().skip(same.saturating_sub(20)).take(80).collect::<String>();
    assert!(text == whole, "{:?} instead of {:?}", rest(&text), rest(whole));
    assert!(text.len() > 10_000, "{} bytes", text.len());
}
