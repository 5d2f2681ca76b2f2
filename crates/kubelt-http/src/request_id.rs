//! A request's id: one for the log, the answer's `X-Request-Id` and the `instance` of its problem.

use std::{
    hash::{BuildHasher as _, RandomState},
    sync::{
        OnceLock,
        atomic::{AtomicU64, Ordering},
    },
};

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

/// A new id: a count under a key of this process, in hex, all of one length. The count itself would tell
/// everybody how many requests others make.
pub(crate) fn next() -> String {
    static COUNT: AtomicU64 = AtomicU64::new(0);
    static KEY: OnceLock<RandomState> = OnceLock::new();
    let count = COUNT.fetch_add(1, Ordering::Relaxed);
    format!("{:016x}", KEY.get_or_init(RandomState::new).hash_one(count))
}
