//! The answer to a request.

use http_body_util::Full;
use hyper::body::{Bytes, Incoming};
use hyper::header::{self, HeaderName, HeaderValue};
use hyper::http::response::Builder;
use hyper::{Method, Request, Response, StatusCode};
use tracing_ledger::report::served_page;

use super::pages::{Pages, RELOAD, Texts};
use super::token::Token;

/// The page has a policy of its own, with the hashes of its style and its script. This one adds what only a header can
/// say.
const POLICY: &str =
    "frame-ancestors 'none'; base-uri 'none'; form-action 'none'; connect-src 'none'; object-src 'none'";

/// No other site may read, embed or keep what is served, or learn its address.
const HEADERS: [(HeaderName, &str); 6] = [
    (header::CACHE_CONTROL, "no-store"),
    (header::CONTENT_SECURITY_POLICY, POLICY),
    (header::REFERRER_POLICY, "no-referrer"),
    (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
    (HeaderName::from_static("cross-origin-opener-policy"), "same-origin"),
    (HeaderName::from_static("cross-origin-resource-policy"), "same-origin"),
];

const HTML: &str = "text/html; charset=utf-8";
const JSON: &str = "application/json";
const TEXT: &str = "text/plain; charset=utf-8";

type HttpResponse = Response<Full<Bytes>>;

/// The served pages, with the token and the port that a request must name.
pub(super) struct ServedSite {
    pub(super) pages: Pages,
    pub(super) token: Token,
    pub(super) port: u16,
}

enum Requested {
    Page,
    Json,
}

impl ServedSite {
    pub(super) async fn answer(&self, request: &Request<Incoming>) -> HttpResponse {
        if request.headers().get_all(header::HOST).iter().count() > 1 {
            return plain(
                StatusCode::BAD_REQUEST,
                "the request has more than one Host header: send only that of the address\n",
            );
        }
        if !self.is_own_host(request) {
            return plain(
                StatusCode::MISDIRECTED_REQUEST,
                "this is another host: use the address as it was printed\n",
            );
        }
        if !matches!(*request.method(), Method::GET | Method::HEAD) {
            let builder =
                Response::builder().status(StatusCode::METHOD_NOT_ALLOWED).header(header::ALLOW, "GET, HEAD");
            return finished(builder, TEXT, "only GET and HEAD are answered\n".to_owned());
        }
        let Some(wanted) = self.wanted(request.uri().path()) else {
            return plain(StatusCode::NOT_FOUND, "nothing is here: use the address as it was printed\n");
        };
        let made = self.pages.made().await;
        let status = if made.texts.is_ok() { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
        let builder = Response::builder().status(status);
        match (wanted, made.texts) {
            (Requested::Page, texts) => {
                let away = |why: String| served_page(Err(&why), RELOAD);
                finished(builder, HTML, texts.map_or_else(away, |Texts { page, .. }| page))
            }
            (Requested::Json, Ok(Texts { json, .. })) => finished(builder, JSON, json),
            (Requested::Json, Err(why)) => {
                finished(builder, JSON, serde_json::json!({ "error": why }).to_string() + "\n")
            }
        }
    }

    /// Keeps out DNS rebinding: a name of another site that resolves to this machine comes with that name in `Host`.
    fn is_own_host(&self, request: &Request<Incoming>) -> bool {
        let Some(host) = request.headers().get(header::HOST) else { return false };
        let port = self.port;
        let by_address = request
            .uri()
            .authority()
            .is_none_or(|authority| authority.as_str().as_bytes() == host.as_bytes());
        by_address
            && [format!("127.0.0.1:{port}"), format!("localhost:{port}")]
                .iter()
                .any(|own| own.as_bytes() == host.as_bytes())
    }

    fn wanted(&self, path: &str) -> Option<Requested> {
        let (token, rest) = path.strip_prefix('/')?.split_once('/')?;
        let wanted = match rest {
            "" => Requested::Page,
            "report.json" => Requested::Json,
            _ => return None,
        };
        self.token.is(token).then_some(wanted)
    }
}

fn plain(status: StatusCode, text: &str) -> HttpResponse {
    finished(Response::builder().status(status), TEXT, text.to_owned())
}

fn finished(builder: Builder, content_type: &'static str, text: String) -> HttpResponse {
    let builder = builder.header(header::CONTENT_TYPE, content_type);
    let mut answer = builder.body(Full::new(Bytes::from(text))).unwrap_or_default();
    let headers = HEADERS.into_iter().map(|(name, value)| (name, HeaderValue::from_static(value)));
    answer.headers_mut().extend(headers);
    answer
}
