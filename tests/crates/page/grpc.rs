use tonic::{Request, Response, Status};
use tonic_health::pb::health_server::Health;
use tonic_health::pb::{HealthCheckRequest, HealthCheckResponse};
use tracing::instrument;

pub struct Shop;

#[tonic::async_trait]
impl Health for Shop {
    #[instrument(err, ret(level = "trace"), skip_all, fields(ledger.event = "grpc.check"))]
    async fn check(
        &self,
        request: Request<HealthCheckRequest>,
    ) -> Result<Response<HealthCheckResponse>, Status> {
        match request.into_inner().service.as_str() {
            "shop" => Ok(Response::new(HealthCheckResponse { status: 1 })),
            _ => Err(Status::not_found("no such service")),
        }
    }

    type WatchStream = tonic::codegen::tokio_stream::Empty<Result<HealthCheckResponse, Status>>;

    async fn watch(&self, _: Request<HealthCheckRequest>) -> Result<Response<Self::WatchStream>, Status> {
        Err(Status::unimplemented("watch"))
    }
}
