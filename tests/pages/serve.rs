//! `tracing-ledger serve` in a browser: the page by its address alone, and again when rows come.

use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};

use fantoccini::Client;
use serde_json::{Value, json};

use super::browser::{DEADLINE, browse, console, requests, run};
use super::cluster::Cluster;
use super::figures::{equal, shown};
use super::site::PROGRAM;

/// A server that ends with this.
struct Server {
    child: Child,
    /// `http://127.0.0.1:PORT/TOKEN/`
    address: String,
}

impl Server {
    fn start(url: &str) -> Self {
        let mut command = Command::new(&*PROGRAM);
        command.args(["serve", "--open", "--database-url", url]).stdout(Stdio::piped());
        let mut child = command.spawn().expect("it starts");
        let mut address = String::new();
        BufReader::new(child.stdout.as_mut().expect("a pipe")).read_line(&mut address).expect("an address");
        Self { child, address: address.trim_end().to_owned() }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // It may have ended already.
        self.child.kill().ok();
        self.child.wait().ok();
    }
}

fn insert(cluster: &Cluster, url: &str, event_type: &str, count: u32) {
    cluster.psql(
        url,
        &format!(
            "INSERT INTO observability_events (created_at, source, event_type, context) \
             SELECT now() - number * interval '7 seconds', 'api', '{event_type}', \
             jsonb_build_object('duration_ms', number * 7.25, 'success', number % 3 > 0) FROM generate_series(1, {count}) AS number"
        ),
    );
}

/// Asks the page until the script returns the value. Each answer takes a round trip, so there is no pause between them.
async fn until_it_says(client: &Client, script: &str, value: Value) {
    let says = async {
        // The page may go away while it is asked.
        while client.execute(script, Vec::new()).await.ok().as_ref() != Some(&value) {}
    };
    tokio::time::timeout(DEADLINE, says).await.unwrap_or_else(|_| panic!("{script} never says {value}"));
}

async fn text(client: &Client) -> String {
    run(client, "return document.body.textContent").await.as_str().expect("a text").to_owned()
}

/// The JSON as it was before and after the page was opened: what the server made is the same for some seconds.
async fn page_and_json(client: &Client, address: &str) -> Value {
    let json = async || {
        client.goto(&format!("{address}report.json")).await.expect("it opens");
        run(client, "return document.querySelector('pre').textContent").await
    };
    loop {
        let before = json().await;
        client.goto(address).await.expect("it opens");
        let figures = shown(client).await;
        if json().await == before {
            let report: Value = serde_json::from_str(before.as_str().expect("a text")).expect("JSON");
            equal(&figures, &json!({ "report": report }));
            assert!(figures.len() > 50, "{} figures", figures.len());
            return report;
        }
    }
}

#[tokio::test]
async fn the_served_page_has_the_figures_and_follows_the_rows() {
    let cluster = Cluster::shared();
    let url = cluster.database();
    insert(cluster, &url, "orders.place", 41);
    let server = Server::start(&url);
    browse(async move |client| {
        let report = page_and_json(&client, &server.address).await;
        assert_eq!(report["events"][0]["calls"], 41);
        // The browser asks for an icon of the JSON.
        console(&client).await;
        requests(&client).await;
        client.goto(&server.address).await.expect("it opens");
        assert_eq!(console(&client).await, Vec::<String>::new());
        let asked = requests(&client).await;
        assert!(asked.iter().all(|asked| *asked == server.address), "{asked:?}");
        assert!(!text(&client).await.contains("orders.late"));
        insert(Cluster::shared(), &url, "orders.late", 5);
        // Nobody opens it again: the browser does.
        let late = "return document.querySelector('[data-event=\"orders.late\"] [data-key=\"/calls\"]')?.textContent";
        until_it_says(&client, late, json!("5")).await;
        assert_eq!(client.current_url().await.expect("an address").as_str(), server.address);
    })
    .await;
}

#[tokio::test]
async fn another_host_and_another_token_show_nothing() {
    let cluster = Cluster::shared();
    let url = cluster.database();
    insert(cluster, &url, "orders.place", 3);
    let server = Server::start(&url);
    browse(async move |client| {
        client.goto(&server.address).await.expect("it opens");
        assert!(text(&client).await.contains("orders.place"));
        let token = server.address.trim_end_matches('/').rsplit('/').next().expect("a token");
        for (address, answer) in [
            (server.address.replace("127.0.0.1", "rebound.example"), "this is another host"),
            (server.address.replace(token, &"0".repeat(token.len())), "nothing is here"),
            (server.address.replace(&format!("{token}/"), ""), "nothing is here"),
        ] {
            client.goto(&address).await.expect("an answer");
            let text = text(&client).await;
            assert!(text.contains(answer) && !text.contains("orders"), "{address}: {text}");
        }
    })
    .await;
}

/// The choice of the reader, the text in the search, the open parts, and the place.
const READER: &str = "const open = [...document.querySelectorAll('details[open] > summary')].map((one) => one.textContent); \
     return [location.hash, document.getElementById('event').value, document.getElementById('find').value, \
             document.activeElement.id, document.getElementById('find').selectionStart, open, Math.round(scrollY)]";

#[tokio::test]
async fn the_reader_keeps_the_choice_the_focus_and_the_place_when_the_page_is_loaded_again() {
    let cluster = Cluster::shared();
    let url = cluster.database();
    insert(cluster, &url, "orders.place", 41);
    insert(cluster, &url, "orders.pay", 20);
    let server = Server::start(&url);
    browse(async move |client| {
        // A reload by an address with a hash would only go to the hash.
        client.goto(&format!("{}#event=orders.place", server.address)).await.expect("it opens");
        let find = client.find(fantoccini::Locator::Id("find")).await.expect("a field");
        find.send_keys("api\u{e012}").await.expect("writable");
        run(
            &client,
            "document.querySelector('section:not([hidden]) figure details').open = true; scrollTo(0, 400)",
        )
        .await;
        let chosen = run(&client, READER).await;
        let [hash, event, text, focus, caret] =
            ["#event=orders.place&find=api", "orders.place", "api", "find", "2"];
        let open = &chosen[5];
        assert!(open.as_array().is_some_and(|open| !open.is_empty()) && chosen[6] == 400, "{chosen}");
        assert_eq!(
            chosen,
            json!([hash, event, text, focus, caret.parse::<u8>().expect("a number"), open, 400])
        );
        for _ in 0..2 {
            run(&client, "window.isOld = true").await;
            let is_new = "return window.isOld === undefined && document.readyState === 'complete'";
            until_it_says(&client, is_new, json!(true)).await;
            assert_eq!(run(&client, READER).await, chosen);
        }
        assert_eq!(console(&client).await, Vec::<String>::new());
    })
    .await;
}
