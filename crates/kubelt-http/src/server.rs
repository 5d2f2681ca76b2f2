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
    http::{HeaderValue, Method, Request, Response, Version, header},
    response::IntoResponse as _,
};
use hyper::body::Incoming;
use hyper_util::{
    rt::{TokioExecutor, TokioIo, TokioTimer},
    server::{
        conn::auto,
        graceful::{GracefulShutdown, Watcher},
    },
};
use kubelt_api::Code;
use parking_lot::Mutex;
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::{TcpListener, TcpStream},
    sync::Semaphore,
};

use crate::{
    app::Edge,
    framing,
    limits::{CONNECTIONS_MAX, HEAD_BYTES_MAX, HEAD_TIMEOUT, SHUTDOWN_GRACE},
    problem::ApiError,
    tls::{OverTls, Tls},
};

/// Where connections come in that are to be secured.
#[derive(Debug)]
pub struct SecureListener {
    /// The socket.
    pub listener: TcpListener,
    /// What ends TLS.
    pub tls: Tls,
}

/// Serves `edge` on `listener`, and over TLS on `secure`, until `stop` resolves, then lets open requests finish for a while.
///
/// # Errors
/// Only when a listener itself fails for good; a failing connection ends alone.
pub async fn serve(
    listener: TcpListener,
    secure: Option<SecureListener>,
    edge: Edge,
    stop: impl Future<Output = ()>,
) -> io::Result<()> {
    let slots = Arc::new(Semaphore::new(CONNECTIONS_MAX));
    let builder = Arc::new(connection_builder());
    let graceful = GracefulShutdown::new();
    let mut stop = std::pin::pin!(stop);
    loop {
        let slot = Arc::clone(&slots).acquire_owned().await.expect("the semaphore is never closed");
        let (accepted, tls) = tokio::select! {
            accepted = listener.accept() => (accepted, None),
            accepted = accept_secure(secure.as_ref()) => (accepted, secure.as_ref().map(|secure| secure.tls.clone())),
            () = &mut stop => break,
        };
        match accepted {
            Ok((stream, peer)) => {
                let watchers = [graceful.watcher(), graceful.watcher()];
                let (builder, edge) = (Arc::clone(&builder), edge.clone());
                tokio::spawn(async move {
                    incoming(&builder, stream, tls, peer, edge, watchers).await;
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
    drop((listener, secure));
    tokio::select! {
        _closed = async { tokio::join!(graceful.shutdown(), edge.close_sockets()) } => {}
        () = tokio::time::sleep(SHUTDOWN_GRACE) => tracing::warn!("open requests were cut off"),
    }
    Ok(())
}

/// The next connection that is to be secured; never one where there is no such listener.
async fn accept_secure(secure: Option<&SecureListener>) -> io::Result<(TcpStream, SocketAddr)> {
    match secure {
        Some(secure) => secure.listener.accept().await,
        None => std::future::pending().await,
    }
}

/// A connection, whose TLS is ended first where it comes in for that.
async fn incoming(
    builder: &auto::Builder<TokioExecutor>,
    stream: TcpStream,
    tls: Option<Tls>,
    peer: SocketAddr,
    edge: Edge,
    watchers: [Watcher; 2],
) {
    // Small answers must not wait for more bytes; the setting is a hint, so failing to set it is no error.
    let _ = stream.set_nodelay(true);
    let Some(tls) = tls else { return connection(builder, stream, None, peer, edge, watchers).await };
    match tls.accept(stream).await {
        Ok(Some(stream)) => connection(builder, stream, Some(OverTls), peer, edge, watchers).await,
        Ok(None) => tracing::debug!(%peer, "somebody looked who is at a name"),
        Err(error) => tracing::debug!(%peer, %error, "no TLS connection came about"),
    }
}

async fn connection<S: AsyncRead + AsyncWrite + Unpin + Send + 'static>(
    builder: &auto::Builder<TokioExecutor>,
    stream: S,
    tls: Option<OverTls>,
    peer: SocketAddr,
    edge: Edge,
    [watcher, tunnel_watcher]: [Watcher; 2],
) {
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
        async move {
            if opens { Ok(Response::new(Body::empty())) } else { answer(edge, request, tls, peer).await }
        }
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
            answer(edge.clone(), request, tls, peer)
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
    mut request: Request<Incoming>,
    tls: Option<OverTls>,
    peer: SocketAddr,
) -> Result<Response<Body>, Infallible> {
    let (refusal, is_last) =
        (framing::refusal(&request), framing::is_last(request.headers(), request.version()));
    let is_http1 = request.version() < Version::HTTP_2;
    let mut response = match refusal {
        Some(why) => ApiError::new(Code::BadRequest, why).into_response(),
        None => {
            if let Some(tls) = tls {
                request.extensions_mut().insert(tls);
            }
            edge.answer(request, peer, Body::new).await
        }
    };
    if is_http1 && (refusal.is_some() || is_last) {
        response.headers_mut().insert(header::CONNECTION, HeaderValue::from_static("close"));
    }
    Ok(response)
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
