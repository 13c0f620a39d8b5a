//! The page of the demo's rows in a real database.

use std::process::{Command, Stdio};

use super::browser::{browse, keep};
use super::cluster::Cluster;
use super::figures::{equal, opens_in_silence, shown};
use super::hostile::without_contexts;
use super::site::{BOOKING, Page};

/// A minute around all rows.
const WINDOW: &str = "SELECT to_char(moment AT TIME ZONE 'UTC', 'YYYY-MM-DD\"T\"HH24:MI:SS\"Z\"') FROM (SELECT \
     unnest(ARRAY[min(created_at) - interval '1 minute', max(created_at) + interval '1 minute']) AS moment \
     FROM observability_events) AS both_ends";

#[tokio::test]
async fn a_page_of_the_demo_shows_the_figures_of_the_json_and_all_of_them() {
    let cluster = Cluster::shared();
    let url = cluster.database();
    let directory = tempfile::tempdir().expect("a directory");
    let mut demo = Command::new(&*BOOKING);
    demo.env("DATABASE_URL", &url).current_dir(directory.path()).stdout(Stdio::null());
    assert!(demo.status().expect("it starts").success());
    let own = std::fs::read_to_string(directory.path().join("baseline.html")).expect("the demo writes it");
    let window = cluster.psql(&url, WINDOW);
    let (since, until) = window.split_once('\n').expect("two moments");
    let page = Page::of_database(&url, since, until);
    for html in [&own, &page.html] {
        let size = without_contexts(html);
        assert!(size <= 150_000, "{size} bytes");
        let calls = html.matches("<pre>").count();
        assert!((100..=200).contains(&calls), "{calls} calls");
        assert!(!html.contains("The rest is left out"), "each event type has its charts");
    }
    browse(async move |client| {
        opens_in_silence(&client, &page).await;
        let shown = shown(&client).await;
        let events = page.json["report"]["events"].as_array().expect("events");
        for number in 0..events.len() {
            let at = format!("/report/events/{number}/");
            assert!(shown.iter().any(|(pointer, ..)| pointer.starts_with(&at)), "no figure of {at}");
        }
        for part in
            ["/interval/", "/histogram/", "/over_time/", "/groups/", "/failed/", "/flows/", "/attempts/"]
        {
            assert!(shown.iter().any(|(pointer, ..)| pointer.contains(part)), "no figure of {part}");
        }
        equal(&shown, &page.json);
        keep(&client, "demo").await;
    })
    .await;
}
