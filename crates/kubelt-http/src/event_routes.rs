//! `/@core/-/events`: that a core has changed, as soon as it has (server-sent events).
//!
//! An event says what the heads are now, as `/-/heads` would; what is new is read from the log. So nothing is told here that
//! is not told there, and who misses an event misses nothing: the next one, or a look at the heads, says the same.

use std::{convert::Infallible, pin::pin, sync::Arc};

use axum::{
    http::Method,
    response::{
        IntoResponse, Response,
        sse::{Event, KeepAlive, Sse},
    },
};
use kubelt_api::Heads;
use kubelt_core::CoreId;
use kubelt_node::{CoreWatch, Reader, Session};
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;

use crate::{
    core_routes::{CoreRequest, CoreRoutes},
    limits::SOCKET_PING_EVERY,
    problem::ApiError,
};

/// Serves `GET /@core/-/events`. It counts among the sockets of the node and of the account, and ends with the session, and
/// once the reader may not know of the heads any more.
pub(crate) async fn serve(routes: &CoreRoutes, request: &CoreRequest) -> Result<Response, ApiError> {
    if request.method != Method::GET {
        return Err(request.method_not_allowed());
    }
    let session = request.session()?;
    // Before the heads are looked at, or a change in between would be told by nobody.
    let watch = routes.cores.watch(&request.core);
    let reader = request.reader.clone();
    let listener = Listener { routes: routes.clone(), reader, core: request.core, session, watch };
    let now = listener.heads().await?;
    let place = routes.sockets.place(listener.session.account())?;
    let (sender, receiver) = mpsc::channel(1);
    let seen = request.headers.get("last-event-id").and_then(|id| id.to_str().ok());
    let first = (seen != Some(id_of(&now).as_str())).then_some(now);
    tokio::spawn(async move {
        listener.tell(first, sender).await;
        drop(place);
    });
    let events = Sse::new(ReceiverStream::new(receiver));
    Ok(events.keep_alive(KeepAlive::new().interval(SOCKET_PING_EVERY)).into_response())
}

/// Somebody who hears of changes.
struct Listener {
    routes: CoreRoutes,
    reader: Reader,
    core: CoreId,
    session: Arc<Session>,
    watch: CoreWatch,
}

impl Listener {
    async fn tell(mut self, mut first: Option<Heads>, sender: mpsc::Sender<Result<Event, Infallible>>) {
        let (sessions, session) = (self.routes.sessions.clone(), Arc::clone(&self.session));
        let mut over = pin!(sessions.over(&session));
        let sockets = self.routes.sockets.clone();
        let mut stopping = pin!(sockets.stopping());
        loop {
            let next = async {
                let heads = match first.take() {
                    Some(heads) => heads,
                    None => {
                        self.watch.changed().await;
                        // Who has no part in it any more hears nothing more.
                        self.heads().await.ok()?
                    }
                };
                sender.send(Ok(event(&heads))).await.ok()
            };
            tokio::select! {
                biased;
                () = &mut over => return,
                () = &mut stopping => return,
                () = sender.closed() => return,
                told = next => if told.is_none() { return },
            }
        }
    }

    async fn heads(&self) -> Result<Heads, ApiError> {
        let (heads, count) = self.routes.exchange.heads(&self.reader, &self.core).await?;
        Ok(Heads { heads: heads.iter().map(ToString::to_string).collect(), count })
    }
}

fn event(heads: &Heads) -> Event {
    let data = serde_json::to_string(heads).expect("wire types are always JSON");
    Event::default().event("heads").id(id_of(heads)).data(data)
}

/// What `Last-Event-ID` says: operations are never fewer than before.
fn id_of(heads: &Heads) -> String {
    heads.count.to_string()
}
