//! A request's id: one for the log, the answer's `X-Request-Id` and the `instance` of its problem.

use std::sync::atomic::{AtomicU64, Ordering};

tokio::task_local! {
    static CURRENT: String;
}

/// The id of the request that this task serves.
pub(crate) fn current() -> Option<String> {
    CURRENT.try_with(|id| format!("urn:kubelt:request:{id}")).ok()
}

/// Runs a request under an id.
pub(crate) async fn scope<F: Future>(id: String, serving: F) -> F::Output {
    CURRENT.scope(id, serving).await
}

/// A new id: the process and a count, in hex, all of one length. Ids need to be distinct, not secret.
pub(crate) fn next() -> String {
    static COUNT: AtomicU64 = AtomicU64::new(0);
    static BORN: std::sync::OnceLock<u32> = std::sync::OnceLock::new();
    let born = BORN.get_or_init(std::process::id);
    format!("{born:08x}{:012x}", COUNT.fetch_add(1, Ordering::Relaxed))
}
