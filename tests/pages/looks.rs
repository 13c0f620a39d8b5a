//! A page on a phone, on paper, in light and in dark.

use fantoccini::wd::PrintConfigurationBuilder;
use serde_json::json;

use super::browser::{browse, devtools, keep, run};
use super::rows::{row, rows};
use super::site::{Page, Site};

/// The texts and the shapes of charts whose contrast is below that of WCAG 2.2, level AA.
const CONTRAST: &str = include_str!("contrast.js");

#[tokio::test]
async fn a_page_fits_a_phone() {
    let page = Page::of_rows(&rows(1.0), &[]);
    browse(async move |client| {
        let site = Site::serve(page.html.clone(), "");
        let phone = json!({ "width": 360, "height": 740, "deviceScaleFactor": 2, "mobile": true });
        devtools(&client, "Emulation.setDeviceMetricsOverride", phone).await;
        client.goto(&site.url).await.expect("it opens");
        run(&client, "document.querySelectorAll('details').forEach((one) => { one.open = true; })").await;
        let widths =
            run(&client, "return [document.documentElement.scrollWidth, document.body.scrollWidth]").await;
        assert_eq!(widths, json!([360, 360]), "nothing is wider than the screen");
        let small = "return [...document.querySelectorAll('main p, main td, main li')] \
                     .filter((one) => parseFloat(getComputedStyle(one).fontSize) < 11).length";
        assert_eq!(run(&client, small).await, 0, "texts are large enough to read");
        run(&client, "document.querySelectorAll('details').forEach((one) => { one.open = false; })").await;
        keep(&client, "phone").await;
    })
    .await;
}

#[tokio::test]
async fn a_story_fits_a_phone() {
    let context = |number: u64| {
        json!({ "flow": "job", "planner_duration_ms": 40_000.25, "planner_success": false, "outcome": "error",
                "planner_reason": format!("hard.no_tables_of_that_size_{number}"), "trigger": "creation" })
    };
    // The three of one booking.
    let rows: Vec<_> =
        (30..33).map(|number| row(number, number * 60, "auto_assign.quote", context(number))).collect();
    let page = Page::of_story(&rows, rows[0]["booking_id"].as_str().expect("an id"));
    assert_eq!(page.json["story"]["rows"].as_array().map(Vec::len), Some(3));
    browse(async move |client| {
        let site = Site::serve(page.html.clone(), "");
        let phone = json!({ "width": 360, "height": 740, "deviceScaleFactor": 2, "mobile": true });
        devtools(&client, "Emulation.setDeviceMetricsOverride", phone).await;
        client.goto(&site.url).await.expect("it opens");
        let rows = "return [...document.querySelectorAll('#waterfall tbody tr')].map((row) => [ \
                      Math.max(...[...row.children].map((cell) => cell.getBoundingClientRect().right)), \
                      row.getBoundingClientRect().height, row.children[0].getBoundingClientRect().height])";
        let rows: Vec<(f64, f64, f64)> = serde_json::from_value(run(&client, rows).await).expect("triples");
        assert_eq!(rows.len(), 5, "three calls and two waits");
        for (right, height, name) in rows {
            assert!(right <= 360.0, "each column is on the screen: {right}");
            assert!(height < 7.0 * name.max(20.0), "a row is not mostly empty: {height}");
        }
        keep(&client, "story-phone").await;
    })
    .await;
}

#[tokio::test]
async fn a_page_prints() {
    let page = Page::of_rows(&rows(1.0), &[]);
    browse(async move |client| {
        let site = Site::serve(page.html.clone(), "");
        client.goto(&site.url).await.expect("it opens");
        let paper = PrintConfigurationBuilder::default().background(false).build().expect("usual margins");
        let pdf = client.print(paper).await.expect("a PDF");
        assert!(pdf.starts_with(b"%PDF"));
        let text = String::from_utf8_lossy(&pdf);
        let pages = text.matches("/Type /Page\n").count();
        assert!((2..200).contains(&pages), "{pages} pages");
        let place = super::browser::target().join("pages");
        std::fs::create_dir_all(&place)
            .and_then(|()| std::fs::write(place.join("report.pdf"), &pdf))
            .expect("written");
    })
    .await;
}

#[tokio::test]
async fn texts_and_shapes_have_contrast_in_light_and_in_dark() {
    let page = Page::of_two(&rows(1.0), &rows(1.4), &["--gate", "p95<=+10%", "--gate", "success>=-1pt"]);
    browse(async move |client| {
        let site = Site::serve(page.html.clone(), "");
        for scheme in ["light", "dark"] {
            let features = json!({ "features": [{ "name": "prefers-color-scheme", "value": scheme }] });
            devtools(&client, "Emulation.setEmulatedMedia", features).await;
            client.goto(&site.url).await.expect("it opens");
            run(&client, "document.querySelectorAll('details').forEach((one) => { one.open = true; })").await;
            let (count, weak): (u64, Vec<String>) =
                serde_json::from_value(run(&client, CONTRAST).await).expect("a pair");
            assert!(count > 200, "{count} texts and shapes");
            assert!(weak.is_empty(), "{scheme}: {weak:#?}");
            run(&client, "document.querySelectorAll('details').forEach((one) => { one.open = false; })")
                .await;
            keep(&client, scheme).await;
        }
        let colours = run(&client, "return getComputedStyle(document.documentElement).colorScheme").await;
        assert!(colours.as_str().is_some_and(|text| text.contains("dark")), "{colours}");
    })
    .await;
}

/// Pictures without a name, and ids that are there twice.
const NAMELESS: &str = "const is_named = (svg) => { \
       const title = svg.querySelector(':scope > title')?.textContent ?? ''; \
       const label = svg.getAttribute('aria-label') ?? document.getElementById(svg.getAttribute('aria-labelledby'))?.textContent; \
       return svg.getAttribute('role') === 'img' && title.length > 5 && label === title; }; \
     const svgs = [...document.querySelectorAll('svg')].filter((svg) => !svg.closest('[aria-hidden=true]')); \
     const ids = [...document.querySelectorAll('[id]')].map((one) => one.id); \
     return [svgs.length, svgs.filter((svg) => !is_named(svg)).map((svg) => svg.outerHTML.slice(0, 150)), \
             ids.filter((id, place) => ids.indexOf(id) !== place)]";

#[tokio::test]
async fn each_picture_that_says_something_has_a_name() {
    let page = Page::of_two(&rows(1.0), &rows(1.4), &["--gate", "p95<=+10%"]);
    browse(async move |client| {
        let site = Site::serve(page.html.clone(), "");
        client.goto(&site.url).await.expect("it opens");
        let (count, nameless, twice): (u64, Vec<String>, Vec<String>) =
            serde_json::from_value(run(&client, NAMELESS).await).expect("a triple");
        assert!(count > 20, "{count} pictures");
        assert!(nameless.is_empty() && twice.is_empty(), "{nameless:#?} {twice:?}");
        // The names that the browser gives to a screen reader.
        devtools(&client, "Accessibility.enable", json!({})).await;
        let tree = devtools(&client, "Accessibility.getFullAXTree", json!({})).await;
        let nodes = tree["nodes"].as_array().expect("nodes");
        let images =
            || nodes.iter().filter(|node| ["image", "img"].iter().any(|role| node["role"]["value"] == *role));
        assert!(images().count() > 10, "{} pictures", images().count());
        for image in images() {
            assert!(image["name"]["value"].as_str().is_some_and(|name| name.len() > 5), "{image}");
        }
    })
    .await;
}

#[tokio::test]
async fn long_names_of_groups_are_whole() {
    let name =
        |number: u64| format!("maxTables={number}, requireAdjacency=true, {}", "preferWindow".repeat(6));
    let long = |number: u64| {
        row(
            number,
            number * 40,
            "orders.create",
            json!({ "duration_ms": number, "success": true, "plan": name(number % 3) }),
        )
    };
    let page = Page::of_rows(&(0..90).map(long).collect::<Vec<_>>(), &["--by", "plan"]);
    browse(async move |client| {
        let site = Site::serve(page.html.clone(), "");
        for width in [1200, 360] {
            let size = json!({ "width": width, "height": 740, "deviceScaleFactor": 1, "mobile": false });
            devtools(&client, "Emulation.setDeviceMetricsOverride", size).await;
            client.goto(&site.url).await.expect("it opens");
            let names = "return [...document.querySelectorAll('.multiples b')].map((one) => [one.innerText, \
                         one.scrollWidth <= one.clientWidth && one.scrollHeight <= one.clientHeight])";
            let names: Vec<(String, bool)> =
                serde_json::from_value(run(&client, names).await).expect("pairs");
            assert_eq!(names.len(), 3);
            for (shown, is_whole) in names {
                assert!(is_whole && (0..3).any(|number| name(number) == shown), "{width}: {shown}");
            }
        }
    })
    .await;
}

#[tokio::test]
async fn names_that_differ_by_spaces_look_different() {
    let names = ["two  spaces", "two spaces"];
    let spaced = |number: u64| {
        let name = names[number as usize % 2];
        row(number, number * 40, name, json!({ "duration_ms": number, "success": true, "shop": name }))
    };
    let page = Page::of_rows(&(0..90).map(spaced).collect::<Vec<_>>(), &["--by", "shop"]);
    browse(async move |client| {
        let site = Site::serve(page.html.clone(), "");
        client.goto(&site.url).await.expect("it opens");
        for query in ["#overview tbody td:first-child", "section[data-event] h2", ".multiples b", "#event option"] {
            let shown = format!(
                "return [...document.querySelectorAll('{query}')].map((one) => (one.label ?? one.innerText).replaceAll('\u{a0}', ' '))"
            );
            let shown: Vec<String> = serde_json::from_value(run(&client, &shown).await).expect("texts");
            for name in names {
                assert!(shown.iter().any(|text| text == name), "{query}: {name:?} is not in {shown:?}");
            }
        }
    })
    .await;
}
