//! Bodies: incoming ones that may not stand still, outgoing ones that are read as the client takes them.

use std::{
    fmt,
    pin::Pin,
    task::{Context, Poll, ready},
};

use axum::body::Body;
use bytes::Bytes;
use http_body::{Frame, SizeHint};
use http_body_util::BodyExt as _;
use kubelt_api::Code;
use kubelt_node::{ContentError, ContentReader};
use tokio::time::timeout;

use crate::{
    limits::{BODY_IDLE_TIMEOUT, REFUSED_BYTES_READ_MAX, REFUSED_TIME_MAX},
    problem::ApiError,
};

/// Waits for something that a client sends, but not for ever.
pub(crate) async fn within_time<F: Future>(waiting: F) -> Result<F::Output, ApiError> {
    timeout(BODY_IDLE_TIMEOUT, waiting)
        .await
        .map_err(|_elapsed| ApiError::new(Code::Timeout, "the body stood still for too long; send it again"))
}

/// The next bytes of a body; `None` at its end.
pub(crate) async fn next_bytes(body: &mut Body) -> Result<Option<Bytes>, ApiError> {
    loop {
        match within_time(body.frame()).await? {
            None => return Ok(None),
            Some(Err(_broken)) => return Err(ApiError::new(Code::BadRequest, "the body broke off")),
            Some(Ok(frame)) => match frame.into_data() {
                Ok(data) if data.is_empty() => {}
                Ok(data) => return Ok(Some(data)),
                Err(_trailers) => {}
            },
        }
    }
}

/// Reads on for a while and keeps nothing, before a refusal in the middle of a body is answered: many clients
/// listen only when they have sent everything, and would see a broken connection instead of the answer.
pub(crate) async fn read_out(mut body: Body) {
    let reading = async {
        let mut left = REFUSED_BYTES_READ_MAX;
        while let Ok(Some(bytes)) = next_bytes(&mut body).await {
            left = left.saturating_sub(bytes.len());
            if left == 0 {
                break;
            }
        }
    };
    // Whoever is slower than this is cut off.
    let _too_slow = timeout(REFUSED_TIME_MAX, reading).await;
}

/// Bytes that are read as the client takes them.
///
/// Stored blocks are slices of mapped segments, so reading one when the client is ready for it costs no more than
/// a page fault; handing it to another thread would cost more. Nothing is read ahead.
pub(crate) trait Pieces: Unpin {
    /// The next bytes; `None` at the end. After [`ContentError::Away`] it is asked again for the same, once that is here.
    fn next(&mut self) -> Option<Result<Bytes, ContentError>>;
}

impl Pieces for ContentReader {
    fn next(&mut self) -> Option<Result<Bytes, ContentError>> {
        Iterator::next(self)
    }
}

/// A block that is on its way here.
struct Arriving(Pin<Box<dyn Future<Output = Result<(), ContentError>> + Send>>);

impl fmt::Debug for Arriving {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Arriving")
    }
}

/// Pieces as a body.
#[derive(Debug)]
pub(crate) struct PiecesBody<P> {
    pieces: P,
    /// What the next piece waits for.
    waiting: Option<Arriving>,
    /// Bytes still to come, where that is known.
    left: Option<u64>,
}

impl<P: Pieces> PiecesBody<P> {
    /// Pieces that have `left` bytes together; as many as they are, if it is `None`.
    pub(crate) fn new(pieces: P, left: Option<u64>) -> Self {
        Self { pieces, waiting: None, left }
    }
}

impl<P: Pieces> http_body::Body for PiecesBody<P> {
    type Data = Bytes;
    type Error = ContentError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, ContentError>>> {
        let piece = loop {
            if let Some(waiting) = &mut self.waiting {
                let arrived = ready!(waiting.0.as_mut().poll(context));
                self.waiting = None;
                if let Err(error) = arrived {
                    return Poll::Ready(Some(Err(error)));
                }
            }
            match self.pieces.next() {
                None => return Poll::Ready(None),
                Some(Err(ContentError::Away(away))) => {
                    self.waiting = Some(Arriving(Box::pin(away.arrival())))
                }
                Some(Err(error)) => return Poll::Ready(Some(Err(error))),
                Some(Ok(piece)) => break piece,
            }
        };
        self.left = self.left.map(|left| left.saturating_sub(piece.len() as u64));
        Poll::Ready(Some(Ok(Frame::data(piece))))
    }

    fn is_end_stream(&self) -> bool {
        self.left == Some(0)
    }

    fn size_hint(&self) -> SizeHint {
        self.left.map_or_else(SizeHint::default, SizeHint::with_exact)
    }
}
