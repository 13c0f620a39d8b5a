//! Sorting, filters, zoom and the crosshair, by pointer and by keyboard. The state is in the address.

use fantoccini::{Client, Locator};

use super::browser::{browse, console, run};
use super::rows::rows;
use super::site::{Page, Site};

const TAB: &str = "\u{e004}";
const ENTER: &str = "\u{e007}";
const RIGHT: &str = "\u{e014}";

/// Opens an ordinary report from a server, because a file's address cannot be reloaded with another hash.
async fn open(client: &Client, page: &Page) -> Site {
    let site = Site::serve(page.html.clone(), "");
    client.goto(&site.url).await.expect("it opens");
    site
}

async fn hash(client: &Client) -> String {
    client.current_url().await.expect("an address").fragment().unwrap_or_default().to_owned()
}

/// Another hash alone would not load the page again.
async fn open_anew(client: &Client, site: &Site, hash: &str) {
    for address in ["about:blank", &format!("{}#{hash}", site.url)] {
        client.goto(address).await.expect("it opens");
    }
}

/// The event types whose sections are shown.
const VISIBLE: &str = "return [...document.querySelectorAll('section[data-event]')].filter((one) => !one.hidden) \
     .map((one) => one.dataset.event)";

const NUMBERS: &str = "const table = [...document.querySelectorAll('table')].find((table) => table.querySelector('th[aria-sort]')); \
     const place = table.querySelector('th[aria-sort]').cellIndex; \
     return [...table.tBodies[0].rows].map((row) => row.cells[place]) \
     .map((cell) => Number(cell.dataset.value ?? cell.textContent)).map((number) => number || -1)";

#[tokio::test]
async fn a_column_sorts_its_table_and_the_address_keeps_the_order() {
    let page = Page::of_rows(&rows(1.0), &[]);
    browse(async move |client| {
        let site = open(&client, &page).await;
        let button = "th[data-key=\"/duration_ms/p95\"] button";
        client.find(Locator::Css(button)).await.expect("a button").click().await.expect("clickable");
        let numbers: Vec<f64> = serde_json::from_value(run(&client, NUMBERS).await).expect("numbers");
        assert!(numbers.len() >= 3 && numbers.is_sorted_by(|one, other| one >= other), "{numbers:?}");
        client.find(Locator::Css(button)).await.expect("a button").click().await.expect("clickable");
        let upwards: Vec<f64> = serde_json::from_value(run(&client, NUMBERS).await).expect("numbers");
        // What is not known is last in both orders.
        let known = upwards.iter().position(|number| *number < 0.0).unwrap_or(upwards.len());
        let (known, unknown) = upwards.split_at(known);
        assert!(known.is_sorted() && unknown.iter().all(|number| *number < 0.0), "{upwards:?}");
        let hash = hash(&client).await;
        open_anew(&client, &site, &hash).await;
        let again: Vec<f64> = serde_json::from_value(run(&client, NUMBERS).await).expect("numbers");
        assert_eq!(again, upwards, "{hash}");
    })
    .await;
}

#[tokio::test]
async fn filters_hide_other_events_and_calls_and_are_in_the_address() {
    let page = Page::of_rows(&rows(1.0), &[]);
    browse(async move |client| {
        let site = open(&client, &page).await;
        assert!(run(&client, VISIBLE).await.as_array().expect("sections").len() >= 3);
        let select = client.find(Locator::Id("event")).await.expect("a list");
        select.select_by_label("orders.create").await.expect("an option");
        assert_eq!(run(&client, VISIBLE).await, serde_json::json!(["orders.create"]));
        let find = client.find(Locator::Id("find")).await.expect("a field");
        find.send_keys("out of stock").await.expect("writable");
        let calls = "return [...document.querySelectorAll('section[data-event=\"orders.create\"] .calls details:not(.more)')] \
                     .map((one) => [one.hidden, one.textContent.includes('out of stock')])";
        let calls: Vec<(bool, bool)> = serde_json::from_value(run(&client, calls).await).expect("pairs");
        assert!(calls.iter().all(|(hidden, has)| hidden != has), "{calls:?}");
        assert!(calls.iter().any(|(hidden, _)| *hidden) && calls.iter().any(|(hidden, _)| !hidden));
        let found = run(&client, "return document.getElementById('found').textContent").await;
        let count = calls.iter().filter(|(hidden, _)| !hidden).count();
        let shops = "return document.querySelectorAll('section:not([hidden]) .multiples li').length";
        let groups = run(&client, shops).await;
        assert_eq!(found, format!("{count} of {} calls, 0 of {groups} groups", calls.len()));
        let unfolded = "return [...document.querySelectorAll('section:not([hidden]) details.more')].every((one) => one.hidden || one.open)";
        assert_eq!(run(&client, unfolded).await, true, "what is found is not folded");
        let hash = hash(&client).await;
        open_anew(&client, &site, &hash).await;
        assert_eq!(run(&client, VISIBLE).await, serde_json::json!(["orders.create"]));
        assert_eq!(run(&client, "return document.getElementById('find').value").await, "out of stock");
        open_anew(&client, &site, "event=%3Cb%3E&time=9-x&sort0=99d&sortx=1a").await;
        assert!(run(&client, VISIBLE).await.as_array().expect("sections").len() >= 3, "a wrong state is none");
        assert_eq!(console(&client).await, Vec::<String>::new());
    })
    .await;
}

#[tokio::test]
async fn an_event_type_filters_the_verdict_too_and_comes_into_view() {
    let page = Page::of_two(&rows(1.0), &rows(1.4), &["--gate", "p95<=+10%", "--accept-short-window"]);
    browse(async move |client| {
        let _site = open(&client, &page).await;
        run(&client, "scrollTo(0, document.body.scrollHeight)").await;
        let select = client.find(Locator::Id("event")).await.expect("a list");
        select.select_by_label("orders.create").await.expect("an option");
        // Of the verdict, of the table of all event types, and of the sentences.
        let left = "const heads = (table) => [...table.tHead.rows[0].cells].map((head) => head.textContent); \
                    const of = (table) => [...table.tBodies[0].rows].filter((row) => !row.hidden) \
                      .map((row) => row.cells[heads(table).indexOf('event type')].textContent); \
                    const tables = [...document.querySelectorAll('#verdict table, #overview table')]; \
                    const lines = [...document.querySelectorAll('#verdict li[data-of]')].filter((one) => !one.hidden); \
                    return [tables.map(of), lines.map((one) => one.dataset.of)]";
        let (tables, lines): (Vec<Vec<String>>, Vec<String>) =
            serde_json::from_value(run(&client, left).await).expect("texts");
        assert!(tables.len() >= 2 && !tables[0].is_empty() && !lines.is_empty(), "{tables:?} {lines:?}");
        assert_eq!(tables[tables.len() - 1], ["orders.create"]);
        let mut names = tables.iter().flatten().chain(&lines);
        assert!(names.all(|name| name == "orders.create"), "{tables:?} {lines:?}");
        let top = "return document.querySelector('[data-event=\"orders.create\"]').getBoundingClientRect().top / innerHeight";
        let top = run(&client, top).await.as_f64().expect("a number");
        assert!((0.0..0.5).contains(&top), "the section begins at {top} of the window");
    })
    .await;
}

#[tokio::test]
async fn a_column_of_both_sides_is_sorted_by_the_value_before() {
    let page = Page::of_two(&rows(1.0), &rows(1.4), &["--accept-short-window"]);
    browse(async move |client| {
        let _site = open(&client, &page).await;
        let rows = "return [...document.querySelector('#verdict table').tBodies[0].rows].map((row) => \
                    [row.cells[1].textContent + row.cells[2].textContent, Number(row.querySelector('[data-key=\"/before/n\"]').textContent)])";
        let mut expected: Vec<(String, f64)> = serde_json::from_value(run(&client, rows).await).expect("pairs");
        expected.sort_by(|one, other| other.1.total_cmp(&one.1));
        let click = "[...document.querySelectorAll('#verdict th button')].find((one) => one.textContent === 'n').click()";
        run(&client, click).await;
        let sorted: Vec<(String, f64)> = serde_json::from_value(run(&client, rows).await).expect("pairs");
        assert!(sorted.len() > 3 && sorted[0].1 > sorted[sorted.len() - 1].1, "{sorted:?}");
        assert_eq!(sorted, expected);
    })
    .await;
}

#[tokio::test]
async fn everything_is_reached_and_used_by_keyboard() {
    let page = Page::of_rows(&rows(1.0), &[]);
    browse(async move |client| {
        let _site = open(&client, &page).await;
        let kind = "const one = document.activeElement; return [one.id || one.dataset.time || one.dataset.axis && 'chart' \
                    || one.closest('th') && 'column' || one.tagName, getComputedStyle(one).outlineStyle !== 'none']";
        let mut seen: Vec<String> = Vec::new();
        for _ in 0..120 {
            client.active_element().await.expect("a focus").send_keys(TAB).await.expect("writable");
            let (name, is_marked): (String, bool) = serde_json::from_value(run(&client, kind).await).expect("a pair");
            assert!(is_marked || name == "BODY", "{name} shows its focus");
            let active = client.active_element().await.expect("a focus");
            let is_new = !seen.contains(&name);
            if is_new && name == "column" {
                active.send_keys(ENTER).await.expect("writable");
                assert_ne!(run(&client, "return document.querySelectorAll('th[aria-sort]').length").await, 0);
            } else if is_new && name == "SUMMARY" {
                active.send_keys(ENTER).await.expect("writable");
                assert_eq!(run(&client, "return document.activeElement.parentElement.open").await, true);
            } else if is_new && name == "chart" {
                active.send_keys(RIGHT).await.expect("writable");
                let text = run(&client, "return document.activeElement.nextElementSibling.textContent").await;
                let row = "const row = document.activeElement.closest('figure').querySelector('tbody').rows[0]; \
                           return [...row.cells].map((cell) => cell.textContent)";
                let cells: Vec<String> = serde_json::from_value(run(&client, row).await).expect("texts");
                let text = text.as_str().expect("a text");
                assert!(text.contains(" · ") && cells.iter().all(|cell| text.contains(cell)), "{text}: {cells:?}");
            } else if is_new && name == "in" {
                active.send_keys(ENTER).await.expect("writable");
                assert!(hash(&client).await.contains("time=0.25"), "zoom is in the address");
            }
            seen.push(name);
            if ["event", "find", "in", "column", "SUMMARY", "chart"].iter().all(|part| seen.iter().any(|name| name == part)) {
                return;
            }
        }
        panic!("not all is reached: {seen:?}");
    })
    .await;
}

#[tokio::test]
async fn another_address_changes_the_open_page_and_its_own_links_keep_the_state() {
    let page = Page::of_rows(&rows(1.0), &[]);
    browse(async move |client| {
        let site = open(&client, &page).await;
        let order = "return [...document.querySelector('#overview tbody').rows].map((row) => row.cells[0].textContent)";
        let unsorted = run(&client, order).await;
        run(&client, "window.isSame = true").await;
        let overview = "return [...document.querySelectorAll('table')].indexOf(document.querySelector('#overview table'))";
        let state = format!("sort{}=0d&find=shop&time=0.2000-0.6000", run(&client, overview).await);
        client.goto(&format!("{}#event=orders.create&{state}", site.url)).await.expect("it opens");
        assert_eq!(run(&client, VISIBLE).await, serde_json::json!(["orders.create"]));
        assert_eq!(run(&client, "return document.getElementById('find').value").await, "shop");
        assert_ne!(run(&client, order).await, unsorted);
        let width = "return [...document.querySelectorAll('svg[data-axis^=time] > svg')].map((one) => one.viewBox.baseVal.x)[0]";
        assert_ne!(run(&client, width).await, 0, "time is zoomed");
        let link = client.find(Locator::Css("header a[href='#losses']")).await.expect("a link");
        link.click().await.expect("clickable");
        let chosen = hash(&client).await;
        assert!(chosen.contains("event=orders.create") && chosen.contains("find=shop"), "{chosen}");
        let top = run(&client, "return document.getElementById('losses').getBoundingClientRect().top / innerHeight").await;
        assert!(top.as_f64().is_some_and(|top| (0.0..1.0).contains(&top)), "the losses are at {top} of the window");
        assert_eq!(run(&client, "return document.activeElement.id").await, "losses");
        client.goto(&format!("{}#losses", site.url)).await.expect("it opens");
        assert_eq!(hash(&client).await, chosen, "a place in the page is no other state");
        client.goto(&format!("{}#time=", site.url)).await.expect("it opens");
        assert!(run(&client, VISIBLE).await.as_array().expect("sections").len() >= 3);
        assert_eq!(run(&client, order).await, unsorted);
        assert_eq!(run(&client, width).await, 0);
        assert_eq!(run(&client, "return window.isSame").await, true, "it was never loaded again");
        assert_eq!(console(&client).await, Vec::<String>::new());
    })
    .await;
}
