use reqwest_middleware::{ClientBuilder, ClientWithMiddleware};
use reqwest_tracing::TracingMiddleware;

pub fn client() -> ClientWithMiddleware {
    ClientBuilder::new(reqwest::Client::new()).with(TracingMiddleware::default()).build()
}
