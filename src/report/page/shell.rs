//! The parts that all pages share: one style, one script, and the policy that allows these two and nothing else.

use std::sync::LazyLock;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use maud::{DOCTYPE, Markup, PreEscaped, html};
use sha2::{Digest, Sha256};

use super::lean::{lean, lean_source, lean_style};

static STYLE: LazyLock<String> = LazyLock::new(|| lean_style(include_str!("page.css")));
static SCRIPT: LazyLock<String> = LazyLock::new(|| lean_source(include_str!("page.js")));

/// A whole page: it needs no network, and is readable without its style and its script.
///
/// The body marks controls that need the script with `hidden`; the script shows them. After `reload` the script loads the page
/// again, with the state of its reader; a browser without scripts does it alone.
pub(crate) fn shell(title: &str, body: &Markup, reload: Option<Duration>) -> String {
    let seconds = reload.map(|reload| reload.as_secs());
    html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta http-equiv="Content-Security-Policy" content=(policy());
                meta name="viewport" content="width=device-width, initial-scale=1";
                // Browsers choose dark colours of their own where a policy forbids the style.
                meta name="color-scheme" content="light dark";
                meta name="generator" content=(concat!("tracing-ledger ", env!("CARGO_PKG_VERSION")));
                @if let Some(seconds) = seconds { noscript { meta http-equiv="refresh" content=(seconds); } }
                // Else a browser asks for /favicon.ico.
                link rel="icon" href="data:,";
                title { (title) }
                style { (PreEscaped(&*STYLE)) }
            }
            body data-reload=[seconds] {
                (PreEscaped(lean(&body.0)))
                script { (PreEscaped(&*SCRIPT)) }
            }
        }
    }
    .into_string()
}

fn policy() -> String {
    let hash = |text: &str| format!("'sha256-{}'", STANDARD.encode(Sha256::digest(text)));
    let (script, style) = (hash(&SCRIPT), hash(&STYLE));
    format!(
        "default-src 'none'; script-src {script}; style-src {style}; img-src data:; base-uri 'none'; form-action 'none'"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The script's size is promised, and neither file may end its element or load anything.
    #[test]
    fn style_and_script_are_small_and_fetch_nothing() {
        assert!(SCRIPT.len() <= 15_000, "{} bytes", SCRIPT.len());
        for text in [&*STYLE, &*SCRIPT] {
            for word in ["</", "<!--", "url(", "@import", "eval(", "innerHTML", "fetch(", "import("] {
                assert!(!text.contains(word), "{word}");
            }
        }
    }

    #[test]
    fn the_policy_names_the_hashes_of_the_style_and_the_script() {
        let page = shell("a < b", &html! { p { "text" } }, None);
        assert!(page.contains("<title>a &lt; b</title>"), "{page}");
        for (open, close, directive) in
            [("<style>", "</style>", "style-src"), ("<script>", "</script>", "script-src")]
        {
            let (_, rest) = page.split_once(open).expect(open);
            let (text, _) = rest.split_once(close).expect(close);
            let hash = STANDARD.encode(Sha256::digest(text));
            assert!(page.contains(&format!("{directive} 'sha256-{hash}'")), "{directive}");
        }
    }
}
