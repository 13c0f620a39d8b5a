use axum::Router;
use axum::extract::{MatchedPath, Request};
use tower_http::trace::TraceLayer;
use tracing::info_span;

pub fn traced(router: Router) -> Router {
    router.layer(TraceLayer::new_for_http().make_span_with(|request: &Request| {
        let route = request.extensions().get::<MatchedPath>().map(MatchedPath::as_str);
        info_span!("http", method = %request.method(), route)
    }))
}
