//! The accept loop: connections, their limits and an orderly end.

use std::{
    convert::Infallible,
    io,
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use axum::{
    body::Body,
    http::{Method, Request, Response, Version},
};
use hyper::body::Incoming;
use hyper_util::{
    rt::{TokioExecutor, TokioIo, TokioTimer},
    server::{
        conn::auto,
        graceful::{GracefulShutdown, Watcher},
    },
};
use parking_lot::Mutex;
use tokio::{
    net::{TcpListener, TcpStream},
    sync::Semaphore,
};

use crate::{
    app::Edge,
    limits::{CONNECTIONS_MAX, HEAD_BYTES_MAX, HEAD_TIMEOUT, SHUTDOWN_GRACE},
};

/// Serves `edge` on `listener` until `stop` resolves, then lets open requests finish for a while.
///
/// # Errors
/// Only when the listener itself fails for good; a failing connection ends alone.
pub async fn serve(listener: TcpListener, edge: Edge, stop: impl Future<Output = ()>) -> io::Result<()> {
    let slots = Arc::new(Semaphore::new(CONNECTIONS_MAX));
    let builder = Arc::new(connection_builder());
    let graceful = GracefulShutdown::new();
    let mut stop = std::pin::pin!(stop);
    loop {
        let slot = Arc::clone(&slots).acquire_owned().await.expect("the semaphore is never closed");
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            () = &mut stop => break,
        };
        match accepted {
            Ok((stream, peer)) => {
                let watchers = [graceful.watcher(), graceful.watcher()];
                let (builder, edge) = (Arc::clone(&builder), edge.clone());
                tokio::spawn(async move {
                    connection(&builder, stream, peer, edge, watchers).await;
                    drop(slot);
                });
            }
            Err(error) if is_passing(&error) => {
                tracing::warn!(%error, "a connection could not be accepted");
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
            Err(error) => return Err(error),
        }
    }
    drop(listener);
    tokio::select! {
        _closed = async { tokio::join!(graceful.shutdown(), edge.close_sockets()) } => {}
        () = tokio::time::sleep(SHUTDOWN_GRACE) => tracing::warn!("open requests were cut off"),
    }
    Ok(())
}

async fn connection(
    builder: &auto::Builder<TokioExecutor>,
    stream: TcpStream,
    peer: SocketAddr,
    edge: Edge,
    [watcher, tunnel_watcher]: [Watcher; 2],
) {
    // Small answers must not wait for more bytes; the setting is a hint, so failing to set it is no error.
    let _ = stream.set_nodelay(true);
    let begun = Arc::new(AtomicBool::new(false));
    let first = Arc::clone(&begun);
    let tunnel = Arc::new(Mutex::new(None));
    let (opened, direct) = (Arc::clone(&tunnel), edge.clone());
    let service = hyper::service::service_fn(move |mut request: Request<Incoming>| {
        first.store(true, Ordering::Relaxed);
        let opens = request.method() == Method::CONNECT && request.version() <= Version::HTTP_11;
        if opens {
            *opened.lock() = Some(hyper::upgrade::on(&mut request));
        }
        let edge = direct.clone();
        async move { if opens { Ok(Response::new(Body::empty())) } else { answer(edge, request, peer).await } }
    });
    let connection = builder.serve_connection_with_upgrades(TokioIo::new(stream), service).into_owned();
    tokio::select! {
        ended = watcher.watch(connection) => {
            if let Err(error) = ended {
                tracing::debug!(%peer, error, "connection ended");
            }
        }
        () = silence(&begun) => tracing::debug!(%peer, "connection ended: it never asked for anything"),
    }
    let tunnel = tunnel.lock().take();
    if let Some(tunnel) = tunnel
        && let Ok(stream) = tunnel.await
    {
        // Wherever a client wants to be connected to, here it meets this node, and this node alone: that is how
        // clients behind a proxy reach hosts of content that no DNS knows.
        let begun = Arc::new(AtomicBool::new(false));
        let first = Arc::clone(&begun);
        let service = hyper::service::service_fn(move |request| {
            first.store(true, Ordering::Relaxed);
            answer(edge.clone(), request, peer)
        });
        let connection = builder.serve_connection(stream, service).into_owned();
        tokio::select! {
            ended = tunnel_watcher.watch(connection) => {
                if let Err(error) = ended {
                    tracing::debug!(%peer, error, "tunnel ended");
                }
            }
            () = silence(&begun) => tracing::debug!(%peer, "tunnel ended: nobody asked for anything"),
        }
    }
}

async fn answer(
    edge: Edge,
    request: Request<Incoming>,
    peer: SocketAddr,
) -> Result<Response<Body>, Infallible> {
    Ok(edge.answer(request, peer, Body::new).await)
}

/// Resolves when a connection has not made its first request in time. (Afterwards hyper itself limits how
/// long the head of a request may take; before, it may wait for ever to learn the version of the protocol.)
async fn silence(begun: &AtomicBool) {
    tokio::time::sleep(HEAD_TIMEOUT).await;
    if begun.load(Ordering::Relaxed) {
        std::future::pending().await
    }
}

fn connection_builder() -> auto::Builder<TokioExecutor> {
    let mut builder = auto::Builder::new(TokioExecutor::new());
    builder
        .http1()
        .timer(TokioTimer::new())
        .header_read_timeout(HEAD_TIMEOUT)
        .max_buf_size(HEAD_BYTES_MAX.max(128 * 1_024))
        .keep_alive(true);
    builder
        .http2()
        .timer(TokioTimer::new())
        .max_concurrent_streams(256)
        .max_header_list_size(u32::try_from(HEAD_BYTES_MAX).expect("a small constant"))
        .keep_alive_interval(Duration::from_secs(30))
        .keep_alive_timeout(Duration::from_secs(20));
    builder
}

fn is_passing(error: &io::Error) -> bool {
    use io::ErrorKind as Kind;
    // Out of file descriptors (ENFILE 23, EMFILE 24) passes when connections end.
    matches!(
        error.kind(),
        Kind::ConnectionAborted | Kind::ConnectionReset | Kind::Interrupted | Kind::WouldBlock
    ) || matches!(error.raw_os_error(), Some(23 | 24))
}
