//! A request's id: one for the log, the answer's `X-Request-Id` and the `instance` of its problem.

use std::{
    hash::{BuildHasher as _, RandomState},
    sync::{
        OnceLock,
        atomic::{AtomicU64, Ordering},
    },
};

use axum::http::HeaderValue;

/// Sixteen digits in hex.
#[derive(Debug, Clone, Copy)]
pub(crate) struct RequestId([u8; 16]);

const DIGITS: &[u8; 16] = b"0123456789abcdef";

tokio::task_local! {
    static CURRENT: RequestId;
}

/// The id of the request that this task serves.
pub(crate) fn current() -> Option<String> {
    CURRENT.try_with(|id| format!("urn:kubelt:request:{}", id.as_str())).ok()
}

/// Runs a request under an id.
pub(crate) async fn scope<F: Future>(id: RequestId, serving: F) -> F::Output {
    CURRENT.scope(id, serving).await
}

/// A new id: a count under a key of this process, in hex, all of one length. The count itself would tell
/// everybody how many requests others make.
pub(crate) fn next() -> RequestId {
    static COUNT: AtomicU64 = AtomicU64::new(0);
    static KEY: OnceLock<RandomState> = OnceLock::new();
    let count = COUNT.fetch_add(1, Ordering::Relaxed);
    let hash = KEY.get_or_init(RandomState::new).hash_one(count);
    let mut digits = [0; 16];
    for (pair, byte) in digits.chunks_exact_mut(2).zip(hash.to_be_bytes()) {
        pair[0] = DIGITS[usize::from(byte >> 4)];
        pair[1] = DIGITS[usize::from(byte & 0xf)];
    }
    RequestId(digits)
}

impl RequestId {
    pub(crate) fn as_str(&self) -> &str {
        std::str::from_utf8(&self.0).expect("digits are ASCII")
    }

    pub(crate) fn header(&self) -> HeaderValue {
        HeaderValue::from_bytes(&self.0).expect("digits are visible")
    }
}
