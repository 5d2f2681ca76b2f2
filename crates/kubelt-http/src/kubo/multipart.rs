//! Files in a multipart body (RFC 7578), as Kubo's clients send them.

use std::{
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    task::{Context, Poll},
};

use axum::{
    body::{Body, BodyDataStream},
    http::{HeaderMap, header},
};
use bytes::Bytes;
use kubelt_content::unixfs::{Metadata, Mtime};
use percent_encoding::percent_decode_str;
use tokio_stream::Stream;

use super::KuboError;
use crate::{
    body::within_time,
    limits::{PART_HEAD_BYTES_MAX, PARTS_MAX, REFUSED_BYTES_READ_MAX, REFUSED_TIME_MAX},
};

/// The parts of a body, one after the other.
#[derive(Debug)]
pub(super) struct Parts {
    inner: multer::Multipart<'static>,
    budget: Arc<AtomicUsize>,
    count: usize,
}

/// What a part holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum PartKind {
    File,
    Directory,
    Symlink,
}

/// One part; its content is read with [`Part::chunk`].
#[derive(Debug)]
pub(super) struct Part {
    pub(super) kind: PartKind,
    /// Its path, with no slash in front; empty where it has none.
    pub(super) path: String,
    pub(super) metadata: Metadata,
    field: multer::Field<'static>,
    budget: Arc<AtomicUsize>,
}

impl Parts {
    pub(super) fn new(headers: &HeaderMap, body: Body) -> Result<Self, KuboError> {
        let kind = headers.get(header::CONTENT_TYPE).and_then(|kind| kind.to_str().ok()).unwrap_or_default();
        let boundary = multer::parse_boundary(kind)
            .map_err(|_no_boundary| KuboError::bad("send files as `multipart/form-data`"))?;
        let budget = Arc::new(AtomicUsize::new(PART_HEAD_BYTES_MAX));
        let stream = Bounded { body: body.into_data_stream(), budget: Arc::clone(&budget), pause: false };
        Ok(Self { inner: multer::Multipart::new(stream, boundary), budget, count: 0 })
    }

    /// The next part, once the one before was read to its end.
    pub(super) async fn next(&mut self) -> Result<Option<Part>, KuboError> {
        self.budget.store(PART_HEAD_BYTES_MAX, Ordering::Relaxed);
        let next = within_time(self.inner.next_field()).await?;
        let Some(field) = next.map_err(|error| malformed(&error))? else { return Ok(None) };
        self.count += 1;
        if self.count > PARTS_MAX {
            return Err(KuboError::bad(format!("more than {PARTS_MAX} parts")));
        }
        let kind = match field.content_type().map(|kind| kind.essence_str()) {
            Some("application/x-directory") => PartKind::Directory,
            Some("application/symlink") => PartKind::Symlink,
            _ => PartKind::File,
        };
        let name = field.file_name().unwrap_or_default();
        let path = percent_decode_str(name).decode_utf8();
        let path = path.map_err(|_not_text| KuboError::bad("a file's name is not UTF-8"))?;
        let path = path.trim_matches('/').to_owned();
        let metadata = metadata(field.name().unwrap_or_default())?;
        Ok(Some(Part { kind, path, metadata, field, budget: Arc::clone(&self.budget) }))
    }
}

impl Parts {
    /// Reads on for a while and keeps nothing, before a refusal in the middle of a body is answered: many clients
    /// listen only when they have sent everything.
    pub(super) async fn read_out(&mut self) {
        let reading = async {
            let mut left = REFUSED_BYTES_READ_MAX;
            while let Ok(Some(mut part)) = self.next().await {
                while let Ok(Some(bytes)) = part.chunk().await {
                    left = left.saturating_sub(bytes.len());
                    if left == 0 {
                        return;
                    }
                }
            }
        };
        // Whoever is slower than this is cut off.
        let _too_slow = tokio::time::timeout(REFUSED_TIME_MAX, reading).await;
    }
}

impl Part {
    /// The next bytes of its content; `None` at its end.
    pub(super) async fn chunk(&mut self) -> Result<Option<Bytes>, KuboError> {
        self.budget.store(usize::MAX, Ordering::Relaxed);
        within_time(self.field.chunk()).await?.map_err(|error| malformed(&error))
    }

    /// All of its content, `bytes_max` at most.
    pub(super) async fn all(mut self, bytes_max: usize) -> Result<Bytes, KuboError> {
        let mut all = Vec::new();
        while let Some(bytes) = self.chunk().await? {
            if all.len() + bytes.len() > bytes_max {
                return Err(KuboError::failed(format!("the content is over the limit of {bytes_max} bytes")));
            }
            all.extend_from_slice(&bytes);
        }
        Ok(all.into())
    }
}

fn malformed(error: &multer::Error) -> KuboError {
    KuboError::bad(format!("the multipart body cannot be read: {error}"))
}

/// `file?mode=0644&mtime=1&mtime-nsecs=2`: what a field's name says of its file.
fn metadata(name: &str) -> Result<Metadata, KuboError> {
    let mut metadata = Metadata::default();
    let Some((_, query)) = name.split_once('?') else { return Ok(metadata) };
    let bad = || KuboError::bad("a part has a malformed `mode`, `mtime` or `mtime-nsecs`");
    let (mut seconds, mut nanoseconds) = (None, 0);
    for pair in query.split('&') {
        match pair.split_once('=').unwrap_or((pair, "")) {
            ("mode", value) => {
                metadata.mode = Some(u32::from_str_radix(value, 8).map_err(|_no_number| bad())?);
            }
            ("mtime", value) => seconds = Some(value.parse().map_err(|_no_number| bad())?),
            ("mtime-nsecs", value) => nanoseconds = value.parse().map_err(|_no_number| bad())?,
            _ => {}
        }
    }
    if nanoseconds >= 1_000_000_000 {
        return Err(bad());
    }
    metadata.mtime = seconds.map(|seconds| Mtime { seconds, nanoseconds });
    Ok(metadata)
}

/// A body that gives one piece at a time, and that ends with an error when the head of a part does not end: the
/// parser would hold all that is ready.
struct Bounded {
    body: BodyDataStream,
    /// Bytes that may still come before the parser has to get on.
    budget: Arc<AtomicUsize>,
    pause: bool,
}

impl Stream for Bounded {
    type Item = Result<Bytes, std::io::Error>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        if self.pause {
            self.pause = false;
            context.waker().wake_by_ref();
            return Poll::Pending;
        }
        match Pin::new(&mut self.body).poll_next(context) {
            Poll::Pending => Poll::Pending,
            Poll::Ready(None) => Poll::Ready(None),
            Poll::Ready(Some(Err(_broken))) => {
                Poll::Ready(Some(Err(std::io::Error::other("the body broke off"))))
            }
            Poll::Ready(Some(Ok(bytes))) => {
                self.pause = true;
                let budget = self.budget.load(Ordering::Relaxed);
                if budget == 0 {
                    let over = format!("the head of a part is over {PART_HEAD_BYTES_MAX} bytes");
                    return Poll::Ready(Some(Err(std::io::Error::other(over))));
                }
                if budget != usize::MAX {
                    self.budget.store(budget.saturating_sub(bytes.len()), Ordering::Relaxed);
                }
                Poll::Ready(Some(Ok(bytes)))
            }
        }
    }
}
