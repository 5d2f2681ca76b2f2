//! How notices reach a client: a queue that does not grow for ever.

use std::sync::Arc;

use serde_json::Value;
use tokio::sync::{mpsc, watch};

use crate::limits::NOTICES_WAITING_MAX;

/// Something that a client wanted to hear of.
#[derive(Debug, Clone)]
pub struct Notice {
    /// Its subscription.
    pub subscription: String,
    /// What is told.
    pub result: Arc<Value>,
}

/// Why a client hears nothing more, of any of its subscriptions.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Lost {
    /// It does not read fast enough.
    #[error("too many notices wait to be read")]
    Slow,
    /// The node was so long without the chain that it cannot tell of all that was missed.
    #[error("the node has fallen behind the chain; read what was missed, and subscribe again")]
    Behind,
}

/// Where notices for one client go in.
#[derive(Debug, Clone)]
pub struct Outlet {
    notices: mpsc::Sender<Notice>,
    lost: Arc<watch::Sender<Option<Lost>>>,
}

/// Where they come out.
#[derive(Debug)]
pub struct Inlet {
    notices: mpsc::Receiver<Notice>,
    lost: watch::Receiver<Option<Lost>>,
}

/// A queue for one client.
pub fn outlet() -> (Outlet, Inlet) {
    let (notices, waiting) = mpsc::channel(NOTICES_WAITING_MAX);
    let (lost, told) = watch::channel(None);
    (Outlet { notices, lost: Arc::new(lost) }, Inlet { notices: waiting, lost: told })
}

impl Outlet {
    pub(super) fn tell(&self, subscription: &str, result: &Arc<Value>) {
        let notice = Notice { subscription: subscription.to_owned(), result: Arc::clone(result) };
        if let Err(mpsc::error::TrySendError::Full(_)) = self.notices.try_send(notice) {
            self.lose(Lost::Slow);
        }
    }

    pub(super) fn lose(&self, why: Lost) {
        self.lost.send_modify(|lost| {
            lost.get_or_insert(why);
        });
    }
}

impl Inlet {
    /// The next notice. Nothing is lost where this is dropped before it has come.
    ///
    /// # Errors
    /// [`Lost`] once the client has missed something.
    pub async fn next(&mut self) -> Result<Notice, Lost> {
        let Self { notices, lost } = self;
        let told = async {
            match lost.wait_for(Option::is_some).await.ok().and_then(|lost| *lost) {
                Some(why) => why,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            biased;
            why = told => Err(why),
            notice = notices.recv() => match notice {
                Some(notice) => Ok(notice),
                // Nobody can tell anything any more.
                None => std::future::pending().await,
            },
        }
    }
}
