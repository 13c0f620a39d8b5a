//! The pictures of charts show the figures, as the tables below do.

use fantoccini::Client;
use serde_json::{Value, json};

use super::browser::{browse, keep, run};
use super::figures::{equal, shown};
use super::rows::row;
use super::site::{Page, Site};

/// How many points of the plot of a chart have each of these colours, two for each pixel.
const POINTS: &str = "const figure = [...document.querySelectorAll('figure.chart')] \
       .find((one) => one.querySelector('figcaption').textContent.startsWith(NAME)); \
     const plot = figure.querySelector('svg > svg').cloneNode(true); \
     const [width, height] = ['width', 'height'].map((name) => plot.getAttribute(name) * 2); \
     Object.entries({ x: 0, y: 0, width, height, xmlns: 'http://www.w3.org/2000/svg' }) \
       .forEach(([name, value]) => plot.setAttribute(name, value)); \
     const image = new Image(); \
     image.src = 'data:image/svg+xml,' + encodeURIComponent(new XMLSerializer().serializeToString(plot)); \
     return image.decode().then(() => { \
       const canvas = Object.assign(document.createElement('canvas'), { width, height }).getContext('2d'); \
       canvas.drawImage(image, 0, 0); \
       const { data } = canvas.getImageData(0, 0, width, height); \
       const name = (at) => '#' + [...data.slice(at, at + 3)].map((part) => part.toString(16).padStart(2, '0')).join(''); \
       const count = Object.fromEntries(COLOURS.map((colour) => [colour, 0])); \
       for (let at = 0; at < data.length; at += 4) if (data[at + 3] === 255 && name(at) in count) count[name(at)] += 1; \
       return COLOURS.map((colour) => count[colour]); \
     })";

const BLUE: &str = "#3b82c4";
const YELLOW: &str = "#a8871c";
const GREY: &str = "#868b94";
const ORANGE: &str = "#d9722b";

async fn points(client: &Client, chart: &str, colours: &[&str]) -> Vec<u64> {
    let script = format!("const [NAME, COLOURS] = {}; {POINTS}", json!([chart, colours]));
    serde_json::from_value(run(client, &script).await).expect("numbers")
}

async fn open(client: &Client, page: &Page) -> Site {
    let site = Site::serve(page.html.clone(), "");
    client.goto(&site.url).await.expect("it opens");
    site
}

/// A job that runs now and then has no step next to another one.
#[tokio::test]
async fn steps_without_a_neighbour_are_seen() {
    let call = |number: u64| {
        let context =
            json!({ "duration_ms": 5.0 + (number % 5) as f64 * 30.0, "success": true, "outcome": "ok" });
        row(number, number / 5 * 14_400 + number, "job.tick", context)
    };
    for count in [200, 3, 1] {
        let page = Page::of_rows(&(0..count).map(call).collect::<Vec<_>>(), &[]);
        browse(async move |client| {
            let _site = open(&client, &page).await;
            let [blue, grey] = points(&client, "Duration over time", &[BLUE, GREY]).await[..] else {
                panic!("two")
            };
            // The median is upon the p99 where all calls take as long.
            assert!(
                blue > 8 && (grey > 40 || count < 200),
                "{count} calls: {blue} points of the median and the p95, {grey} of the p99"
            );
            let black = points(&client, "Success and outcomes", &["#000000"]).await[0];
            assert!(black > 0, "{count} calls: {black} points of the share of success");
            keep(&client, &format!("steps-{count}")).await;
        })
        .await;
    }
}

/// Of each ten calls, six are ok, one has no outcome, two returned without success and one is an error.
fn mixed() -> Vec<Value> {
    let call = |number: u64| {
        let mut context = match number % 10 {
            0..=5 => json!({ "success": true, "outcome": "ok" }),
            6 => json!({}),
            7 | 8 => json!({ "success": false, "outcome": "ok" }),
            _ => json!({ "success": false, "outcome": "error" }),
        };
        context["duration_ms"] = json!(5 + number % 7);
        row(number, number * 173, "orders.create", context)
    };
    (0..2000).map(call).collect()
}

#[tokio::test]
async fn each_call_is_painted_in_the_colour_of_its_part() {
    let page = Page::of_rows(&mixed(), &[]);
    browse(async move |client| {
        let _site = open(&client, &page).await;
        let painted = points(&client, "Success and outcomes", &[BLUE, GREY, YELLOW, ORANGE]).await;
        let all = painted.iter().sum::<u64>() as f64;
        for (painted, share) in painted.iter().zip([0.6, 0.1, 0.2, 0.1]) {
            assert!(
                (*painted as f64 / all - share).abs() < 0.03,
                "{painted} of {all} points for {share} of the calls"
            );
        }
        let shown = shown(&client).await;
        for part in ["/succeeded/ok", "/unknown/(no outcome)", "/failed/ok", "/failed/error"] {
            assert!(shown.iter().any(|(pointer, ..)| pointer.ends_with(part)), "no value of {part}");
        }
        equal(&shown, &page.json);
        let steps = page.json["report"]["events"][0]["detail"]["over_time"].as_array().expect("steps");
        let sum = |step: &Value, key: &str| {
            step[key].as_object().expect("a map").values().filter_map(Value::as_u64).sum::<u64>()
        };
        for step in steps {
            let parts: u64 = ["succeeded", "failed", "unknown"].iter().map(|key| sum(step, key)).sum();
            assert_eq!(step["calls"], parts, "{step}");
        }
        keep(&client, "parts").await;
    })
    .await;
}

/// The labels of the axis of time with their left and right ends.
const LABELS: &str = "const canvas = document.createElement('canvas').getContext('2d'); \
     canvas.font = '10.5px ' + getComputedStyle(document.body).fontFamily; \
     return [...document.querySelectorAll('#time text')].map((one) => { \
       const [x, { width }] = [Number(one.getAttribute('x')), canvas.measureText(one.textContent)]; \
       const left = one.getAttribute('text-anchor') === 'end' ? x - width : x - width / 2; \
       return [one.textContent, left, left + width]; })";

type Label = (String, f64, f64);

async fn labels(client: &Client) -> Vec<Label> {
    serde_json::from_value(run(client, LABELS).await).expect("triples")
}

async fn press(client: &Client, button: &str) {
    run(client, &format!("document.querySelector('[data-time={button}]').click()")).await;
}

#[tokio::test]
async fn an_axis_of_time_of_any_length_has_labels_that_do_not_touch() {
    for (first, expected) in [
        ("1970-01-01T00:00:00Z", "1980 2000 2020"),
        ("2025-11-20T00:00:00Z", "Jan 2026 Apr 2026 Jul 2026 Oct 2026"),
        ("2026-11-01T12:00:00Z", "Nov 3 Nov 6 Nov 9 Nov 12 Nov 15"),
    ] {
        let call = |number: u64| {
            let mut row =
                row(number, number * 4_000, "orders.create", json!({ "duration_ms": 5, "success": true }));
            if number == 0 {
                row["created_at"] = json!(first);
            }
            row
        };
        let page = Page::of_rows(&(0..300).map(call).collect::<Vec<_>>(), &[]);
        browse(async move |client| {
            let _site = open(&client, &page).await;
            let drawn = labels(&client).await;
            let names: Vec<_> = drawn.iter().map(|(text, ..)| text.as_str()).collect();
            assert_eq!(names.join(" "), expected);
            for _ in 0..6 {
                press(&client, "in").await;
                let labels = labels(&client).await;
                assert!((1..=6).contains(&labels.len()), "{labels:?}");
                assert!(labels.windows(2).all(|two| two[0].2 < two[1].1), "{first}: {labels:?}");
            }
            press(&client, "all").await;
            let again = labels(&client).await;
            assert_eq!(again.len(), drawn.len(), "{again:?}");
            for ((text, left, _), (own, same, _)) in drawn.iter().zip(&again) {
                assert!(
                    text == own && (left - same).abs() < 1.0,
                    "the script draws {again:?}, the page {drawn:?}"
                );
            }
        })
        .await;
    }
}
