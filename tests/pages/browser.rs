//! Headless Chromium, driven over WebDriver.

use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use fantoccini::wd::{Capabilities, WebDriverCompatibleCommand};
use fantoccini::{Client, ClientBuilder};
use hyper_util::client::legacy::connect::HttpConnector;
use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::{Child, Command};
use tokio::sync::Semaphore;

/// How often a driver is started before the tests give up.
const STARTS: usize = 20;
/// Long enough for any machine.
pub(crate) const DEADLINE: Duration = Duration::from_secs(300);

/// A browser has several processes, and two cores are enough for two browsers.
static FEW: Semaphore = Semaphore::const_new(2);

const DRIVERS: [&str; 3] = ["chromedriver", "/usr/bin/chromedriver", "/usr/lib/chromium/chromedriver"];

/// A request that only Chromium's driver knows.
#[derive(Debug)]
struct Post {
    path: &'static str,
    body: Value,
}

impl WebDriverCompatibleCommand for Post {
    fn endpoint(&self, base: &url::Url, session: Option<&str>) -> Result<url::Url, url::ParseError> {
        base.join(&format!("session/{}/{}", session.unwrap_or_default(), self.path))
    }

    fn method_and_body(&self, _: &url::Url) -> (http::Method, Option<String>) {
        (http::Method::POST, Some(self.body.to_string()))
    }
}

/// Passes a browser with the usual preferences to the test.
pub(crate) async fn browse<F>(test: impl FnOnce(Client) -> F)
where
    F: Future<Output = ()> + Send + 'static,
{
    with_browser(json!({}), test).await;
}

/// Passes a browser to the test, and ends it also if the test fails.
pub(crate) async fn with_browser<F>(options: Value, test: impl FnOnce(Client) -> F)
where
    F: Future<Output = ()> + Send + 'static,
{
    let _turn = FEW.acquire().await.expect("never closed");
    let profile = tempfile::tempdir().expect("a directory");
    let (_driver, port) = driver().await;
    let client = ClientBuilder::new(HttpConnector::new())
        .capabilities(capabilities(profile.path(), options))
        .connect(&format!("http://127.0.0.1:{port}"))
        .await
        .expect("a session: is chromium installed?");
    let result = tokio::spawn(test(client.clone())).await;
    client.close().await.expect("it ends");
    result.expect("the test holds");
}

/// A driver that finds its port taken in one family of addresses ends at once.
async fn driver() -> (Child, u16) {
    for _ in 0..STARTS {
        if let Some(started) = started_driver().await {
            return started;
        }
    }
    panic!("chromedriver ended at once, {STARTS} times");
}

/// The driver chooses a free port and prints it.
async fn started_driver() -> Option<(Child, u16)> {
    let start = |program: &&str| {
        let mut command = Command::new(program);
        command.arg("--port=0").stdout(Stdio::piped()).stderr(Stdio::null()).kill_on_drop(true);
        command.spawn().ok()
    };
    let mut driver = DRIVERS.iter().find_map(start).expect("chromedriver: install chromium-driver");
    let mut lines = BufReader::new(driver.stdout.take().expect("piped")).lines();
    let port = async {
        while let Some(line) = lines.next_line().await.expect("readable") {
            let mut words = line.split(|c: char| !c.is_ascii_digit()).filter(|word| !word.is_empty());
            if line.contains("started successfully") {
                return words.next_back().and_then(|port| port.parse().ok());
            }
        }
        None
    };
    let port = tokio::time::timeout(DEADLINE, port).await.expect("it starts")?;
    // So that the driver never waits for a reader.
    tokio::spawn(async move { while let Ok(Some(_)) = lines.next_line().await {} });
    Some((driver, port))
}

fn capabilities(profile: &Path, preferences: Value) -> Capabilities {
    let arguments = [
        "--headless=new",
        "--no-sandbox",
        "--disable-dev-shm-usage",
        "--disable-gpu",
        "--hide-scrollbars",
        "--window-size=1200,900",
        // A name of another site that leads to this machine.
        "--host-resolver-rules=MAP rebound.example 127.0.0.1",
        &format!("--user-data-dir={}", profile.display()),
    ];
    let capabilities = json!({
        "goog:chromeOptions": { "args": arguments, "prefs": preferences },
        "goog:loggingPrefs": { "browser": "ALL", "performance": "ALL" },
    });
    capabilities.as_object().expect("an object").clone()
}

/// The messages on the console of the page.
pub(crate) async fn console(client: &Client) -> Vec<String> {
    let entries = log(client, "browser").await;
    entries.iter().map(|entry| entry["message"].as_str().unwrap_or_default().to_owned()).collect()
}

/// The addresses that the page has asked for, with its own.
pub(crate) async fn requests(client: &Client) -> Vec<String> {
    let entries = log(client, "performance").await;
    let message = |entry: &Value| serde_json::from_str::<Value>(entry["message"].as_str()?).ok();
    let messages = entries.iter().filter_map(message);
    let sent = messages.filter(|message| message["message"]["method"] == "Network.requestWillBeSent");
    let url = |message: Value| message["message"]["params"]["request"]["url"].as_str().map(str::to_owned);
    // The browser's own page, before the first one that it opens.
    sent.filter_map(url).filter(|url| !url.starts_with("chrome://")).collect()
}

async fn log(client: &Client, kind: &str) -> Vec<Value> {
    let body = json!({ "type": kind });
    let entries = client.issue_cmd(Post { path: "se/log", body }).await.expect("a log");
    entries.as_array().expect("entries").clone()
}

/// A command of Chromium's own protocol.
pub(crate) async fn devtools(client: &Client, command: &str, parameters: Value) -> Value {
    let body = json!({ "cmd": command, "params": parameters });
    client.issue_cmd(Post { path: "goog/cdp/execute", body }).await.expect("the command is known")
}

pub(crate) async fn run(client: &Client, script: &str) -> Value {
    client.execute(script, Vec::new()).await.expect("the script runs")
}

/// Keeps a picture of the whole page for eyes, under target/pages.
pub(crate) async fn keep(client: &Client, name: &str) {
    static COUNT: AtomicU64 = AtomicU64::new(0);
    let place = target().join("pages");
    std::fs::create_dir_all(&place).expect("a directory");
    let picture =
        devtools(client, "Page.captureScreenshot", json!({ "captureBeyondViewport": true, "format": "png" }))
            .await;
    let bytes = decoded(picture["data"].as_str().expect("a picture"));
    // Two tests may write the same picture.
    let part = place.join(format!("{name}.{}", COUNT.fetch_add(1, Ordering::Relaxed)));
    std::fs::write(&part, bytes).expect("written");
    std::fs::rename(part, place.join(format!("{name}.png"))).expect("renamed");
}

/// The directory of everything that cargo builds.
pub(crate) fn target() -> PathBuf {
    let program = std::env::current_exe().expect("a path");
    // target/debug/deps/pages-…
    program.ancestors().nth(3).expect("four parts").to_owned()
}

fn decoded(base64: &str) -> Vec<u8> {
    use base64::Engine as _;
    base64::engine::general_purpose::STANDARD.decode(base64).expect("base64")
}
