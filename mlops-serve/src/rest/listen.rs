use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use axum::Router;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto::Builder;
use hyper_util::service::TowerToHyperService;
use mlops_core::{Inference, Result, Server, Shutdown};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};

use super::Rest;
use super::routes::{App, router};

/// A [`Rest`] server that has its address: whoever connects from now on is answered as soon as it
/// [serves](Server::serve).
#[derive(Debug)]
pub struct BoundRest {
    settings: Rest,
    listener: TcpListener,
    local: SocketAddr,
}

impl BoundRest {
    pub(super) fn new(settings: Rest, listener: TcpListener, local: SocketAddr) -> Self {
        Self { settings, listener, local }
    }

    /// The address, with the port that the system gave for port 0.
    pub fn local_addr(&self) -> SocketAddr {
        self.local
    }

    pub(super) async fn run(self, service: Arc<dyn Inference>, stop: Shutdown) -> Result<()> {
        let Self { settings, listener, local } = self;
        let (notice, grace) = (settings.notice, settings.grace);
        let places = Arc::new(Semaphore::new(settings.max_connections.clamp(1, Semaphore::MAX_PERMITS)));
        let http = http(settings.head_timeout);
        let app = Arc::new(App::new(settings, service));
        let router = router(Arc::clone(&app));
        let (leave, leaving) = watch::channel(false);
        let mut connections = JoinSet::new();
        let told = async {
            stop.requested().await;
            app.retire();
            sleep(notice).await;
        };
        tokio::pin!(told);
        tracing::info!(address = %local, "serving");
        loop {
            let (stream, place) = tokio::select! {
                () = &mut told => break,
                accepted = accept(&listener, &places) => accepted,
                Some(_) = connections.join_next() => continue,
            };
            connections.spawn(converse(http.clone(), stream, router.clone(), leaving.clone(), place));
        }
        drop(listener);
        leave.send_replace(true);
        drain(connections, grace).await;
        tracing::info!(address = %local, "stopped");
        Ok(())
    }
}

#[async_trait]
impl Server for BoundRest {
    async fn serve(self: Box<Self>, service: Arc<dyn Inference>, stop: Shutdown) -> Result<()> {
        self.run(service, stop).await
    }
}

/// HTTP/1 with a limit of time for every head: a caller that sends a byte now and then does not hold
/// a connection.
fn http(head_timeout: Duration) -> Builder<TokioExecutor> {
    let mut http = Builder::new(TokioExecutor::new()).http1_only();
    http.http1().timer(TokioTimer::new()).header_read_timeout(head_timeout);
    http
}

/// The next connection, when there is a place for it. The system refusing one (no descriptors left)
/// is waited out.
async fn accept(listener: &TcpListener, places: &Arc<Semaphore>) -> (TcpStream, Option<OwnedSemaphorePermit>) {
    // The semaphore is never closed.
    let place = Arc::clone(places).acquire_owned().await.ok();
    loop {
        match listener.accept().await {
            Ok((stream, _)) => return (stream, place),
            Err(error) => {
                tracing::warn!(%error, "a connection was not accepted");
                sleep(Duration::from_millis(50)).await;
            }
        }
    }
}

/// Answers the requests of a connection, and after the next one closes it when it is time to leave.
async fn converse(
    http: Builder<TokioExecutor>,
    stream: TcpStream,
    router: Router,
    mut leaving: watch::Receiver<bool>,
    _place: Option<OwnedSemaphorePermit>,
) {
    if let Err(error) = stream.set_nodelay(true) {
        tracing::debug!(%error, "a connection stays slow");
    }
    let connection = http.serve_connection(TokioIo::new(stream), TowerToHyperService::new(router));
    tokio::pin!(connection);
    let time_to_leave = async { drop(leaving.wait_for(|leaving| *leaving).await) };
    let ended = tokio::select! {
        ended = &mut connection => ended,
        () = time_to_leave => {
            connection.as_mut().graceful_shutdown();
            connection.await
        }
    };
    if let Err(error) = ended {
        tracing::debug!(error, "a connection broke off");
    }
}

/// Waits for the connections to finish what has begun; breaks off what takes longer than `grace`.
async fn drain(mut connections: JoinSet<()>, grace: Duration) {
    let finished = async { while connections.join_next().await.is_some() {} };
    if timeout(grace, finished).await.is_err() {
        tracing::warn!(connections = connections.len(), ?grace, "broke off requests that took too long to finish");
        connections.shutdown().await;
    }
}
