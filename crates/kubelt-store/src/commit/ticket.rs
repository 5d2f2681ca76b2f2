//! What a transaction's maker waits on.

use std::{
    fmt,
    future::Future,
    pin::{Pin, pin},
    sync::Arc,
    task::{Context, Poll, Wake, Waker},
    thread::{self, Thread},
};

use tokio::sync::oneshot;

use crate::error::CommitError;

/// A transaction on its way. Await it, or [`CommitTicket::wait`] for it: when it answers `Ok`, the
/// transaction is durable and everybody sees it.
///
/// The transaction is handed in when the ticket is made, if the queue has room; if not, when the ticket is
/// first polled. Dropping the ticket of a transaction that was handed in does not take it back.
#[must_use = "a transaction counts only once its ticket says so"]
pub struct CommitTicket(State);

enum State {
    Ready(Option<Result<(), CommitError>>),
    Queued(oneshot::Receiver<Result<(), CommitError>>),
    Waiting(Pin<Box<dyn Future<Output = Result<(), CommitError>> + Send>>),
}

impl CommitTicket {
    pub(crate) const fn ready(result: Result<(), CommitError>) -> Self {
        Self(State::Ready(Some(result)))
    }

    pub(crate) const fn queued(answer: oneshot::Receiver<Result<(), CommitError>>) -> Self {
        Self(State::Queued(answer))
    }

    pub(crate) fn waiting(answer: impl Future<Output = Result<(), CommitError>> + Send + 'static) -> Self {
        Self(State::Waiting(Box::pin(answer)))
    }

    /// Blocks this thread until the transaction is durable. Not for use inside an async runtime's threads.
    ///
    /// # Errors
    /// [`CommitError`] when the transaction did not happen.
    pub fn wait(self) -> Result<(), CommitError> {
        struct Unpark(Thread);
        impl Wake for Unpark {
            fn wake(self: Arc<Self>) {
                self.0.unpark();
            }
        }
        let waker = Waker::from(Arc::new(Unpark(thread::current())));
        let mut context = Context::from_waker(&waker);
        let mut ticket = pin!(self);
        loop {
            match ticket.as_mut().poll(&mut context) {
                Poll::Ready(result) => return result,
                Poll::Pending => thread::park(),
            }
        }
    }
}

impl Future for CommitTicket {
    type Output = Result<(), CommitError>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        match &mut self.0 {
            State::Ready(result) => Poll::Ready(result.take().unwrap_or(Err(CommitError::Closed))),
            State::Queued(answer) => {
                Pin::new(answer).poll(context).map(|answer| answer.unwrap_or(Err(CommitError::Closed)))
            }
            State::Waiting(answer) => answer.as_mut().poll(context),
        }
    }
}

impl fmt::Debug for CommitTicket {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let state = match self.0 {
            State::Ready(_) => "ready",
            State::Queued(_) => "queued",
            State::Waiting(_) => "waiting for room",
        };
        f.debug_tuple("CommitTicket").field(&state).finish()
    }
}
