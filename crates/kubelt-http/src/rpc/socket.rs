//! JSON-RPC over a WebSocket (RFC 6455), at the address where it is answered over HTTP.
//!
//! Each message is answered as a request of HTTP would be: whether the token stands, and what it may, is looked at for
//! each. Besides, the socket is closed as soon as its session ends or its account has no part in the core any more, and what
//! waits for signers on its behalf goes with it. Messages are answered all at once, up to a number; there the socket is
//! not read any more. A client that does not read is not written to for long.

use std::{
    collections::{HashMap, HashSet},
    pin::pin,
    sync::Arc,
    time::Duration,
};

use axum::{
    body::Bytes,
    extract::ws::{CloseFrame, Message, WebSocket, WebSocketUpgrade, close_code},
    http::{HeaderMap, HeaderValue, header, request::Parts},
    response::Response,
};
use kubelt_api::Code;
use kubelt_core::Account;
use kubelt_node::{Inlet, Notice, Outlet, Session, Subscription, WalletFault, outlet};
use parking_lot::Mutex;
use serde_json::{Value, json};
use tokio::{
    sync::{OwnedSemaphorePermit, Semaphore, watch},
    task::JoinSet,
    time::{Instant, MissedTickBehavior, interval, timeout},
};

use super::{Caller, Hears, Told};
use crate::{
    limits::{
        RPC_BODY_BYTES_MAX, SHUTDOWN_GRACE, SOCKET_CALLS_MAX, SOCKET_PING_EVERY, SOCKET_SILENCE_MAX,
        SOCKET_SUBSCRIPTIONS_MAX, SOCKET_WRITE_TIME_MAX, SOCKETS_MAX, SOCKETS_OF_ACCOUNT_MAX,
    },
    problem::ApiError,
    query::Query,
};

/// The sockets of a node; cheap to clone.
#[derive(Debug, Clone)]
pub(crate) struct Sockets(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    places: Arc<Semaphore>,
    by_account: Mutex<HashMap<Account, usize>>,
    stop: watch::Sender<bool>,
}

/// A place for one socket.
#[derive(Debug)]
pub(crate) struct Place {
    sockets: Sockets,
    account: Account,
    _permit: OwnedSemaphorePermit,
}

impl Default for Sockets {
    fn default() -> Self {
        Self(Arc::new(Inner {
            places: Arc::new(Semaphore::new(SOCKETS_MAX)),
            by_account: Mutex::default(),
            stop: watch::Sender::new(false),
        }))
    }
}

impl Sockets {
    /// Closes all sockets, and waits until they are, for a while.
    pub(crate) async fn stop(&self) {
        self.0.stop.send_replace(true);
        let all = u32::try_from(SOCKETS_MAX).expect("a small constant");
        let _left = timeout(SHUTDOWN_GRACE, self.0.places.acquire_many(all)).await;
    }

    /// Resolves when the node stops.
    pub(crate) async fn stopping(&self) {
        let mut stop = self.0.stop.subscribe();
        let _gone = stop.wait_for(|stop| *stop).await;
    }

    /// A place for whoever stays connected; it is given back when it is dropped.
    pub(crate) fn place(&self, account: &Account) -> Result<Place, ApiError> {
        let full =
            |whose| ApiError::new(Code::RateLimited, format!("{whose} as many sockets open as it may"));
        let permit = Arc::clone(&self.0.places).try_acquire_owned();
        let permit = permit.map_err(|_full| full("this node has"))?;
        let mut by_account = self.0.by_account.lock();
        let open = by_account.entry(account.clone()).or_default();
        if *open >= SOCKETS_OF_ACCOUNT_MAX {
            return Err(full("your account has"));
        }
        *open += 1;
        Ok(Place { sockets: self.clone(), account: account.clone(), _permit: permit })
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut by_account = self.sockets.0.by_account.lock();
        if let Some(open) = by_account.get_mut(&self.account) {
            *open -= 1;
            if *open == 0 {
                by_account.remove(&self.account);
            }
        }
    }
}

/// Whether a request wants to become a socket.
pub(crate) fn is_wanted(headers: &HeaderMap) -> bool {
    let upgrade = headers.get(header::UPGRADE).and_then(|value| value.to_str().ok());
    upgrade.is_some_and(|upgrade| upgrade.eq_ignore_ascii_case("websocket"))
}

/// Sockets of browsers, and those of libraries that take an address alone, can send no `Authorization`: theirs is
/// `?token=…`. It counts where a socket is opened, and nowhere else.
pub(crate) fn take_token(parts: &mut Parts) {
    let query = parts.uri.query().unwrap_or_default();
    let token = Query::parse(query).ok().and_then(|query| query.get("token").map(str::to_owned));
    if let Some(token) = token
        && !parts.headers.contains_key(header::AUTHORIZATION)
        && let Ok(mut value) = HeaderValue::try_from(format!("Bearer {token}"))
    {
        value.set_sensitive(true);
        parts.headers.insert(header::AUTHORIZATION, value);
    }
}

/// Opens a socket for a caller who may.
pub(super) async fn open(caller: Caller, upgrade: WebSocketUpgrade) -> Result<Response, ApiError> {
    let admitted = caller.admit(None).await?;
    let session = admitted.session;
    let place = caller.routes.sockets.place(session.account())?;
    let upgrade = upgrade.max_message_size(RPC_BODY_BYTES_MAX).max_frame_size(RPC_BODY_BYTES_MAX);
    Ok(upgrade.on_upgrade(move |socket| async move {
        let (outlet, inlet) = outlet();
        let told = Arc::new(Told { outlet, subscriptions: Mutex::default() });
        let line = Line { socket, caller, session, told, announced: HashSet::new(), early: Vec::new() };
        // Large, and there for long.
        Box::pin(line.run(inlet)).await;
        drop(place);
    }))
}

/// What became of a message.
struct Answered {
    answer: Option<Value>,
    /// Subscriptions that began with it.
    opened: Vec<String>,
}

/// An open socket.
struct Line {
    socket: WebSocket,
    caller: Caller,
    session: Arc<Session>,
    told: Arc<Told>,
    /// Subscriptions whose ids the client was told.
    announced: HashSet<String>,
    /// What happened to others meanwhile.
    early: Vec<Notice>,
}

/// Why a socket is closed; none where it is gone already.
type Closing = Option<(u16, String)>;

impl Line {
    async fn run(mut self, mut inlet: Inlet) {
        let closing = self.serve(&mut inlet).await;
        if let Err(Some((code, reason))) = closing {
            let frame = CloseFrame { code, reason: reason.into() };
            let _gone = timeout(CLOSE_TIME_MAX, self.socket.send(Message::Close(Some(frame)))).await;
        }
    }

    async fn serve(&mut self, inlet: &mut Inlet) -> Result<(), Closing> {
        let routes = self.caller.routes.clone();
        let session = Arc::clone(&self.session);
        let mut over = pin!(routes.sessions.over(&session));
        let mut stop = routes.sockets.0.stop.subscribe();
        let mut core = routes.cores.watch(&self.caller.core);
        let mut answering: JoinSet<Result<Answered, ApiError>> = JoinSet::new();
        let mut ping = interval(SOCKET_PING_EVERY);
        ping.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut heard = Instant::now();
        loop {
            let is_busy = answering.len() >= SOCKET_CALLS_MAX;
            let step = tokio::select! {
                () = &mut over => return Err(closed(close_code::POLICY, SESSION_OVER)),
                _ = stop.wait_for(|stop| *stop) => return Err(closed(close_code::AWAY, "the node stops")),
                // Whoever has no part in it any more hears nothing more.
                () = core.changed() => Step::Admit,
                Some(answered) = answering.join_next(), if !answering.is_empty() => {
                    Step::Answer(answered.unwrap_or_else(|_panicked| Err(ApiError::new(Code::Internal, "the node has failed"))))
                }
                notice = inlet.next() => match notice {
                    Ok(notice) => Step::Tell(notice),
                    Err(lost) => return Err(closed(close_code::AGAIN, &lost.to_string())),
                },
                message = self.socket.recv(), if !is_busy => {
                    heard = Instant::now();
                    match message {
                        Some(Ok(message)) => Step::Take(message),
                        Some(Err(_broken)) => return Err(closed(close_code::SIZE, "a message is broken, or too large")),
                        None => return Err(None),
                    }
                }
                _ = ping.tick() => {
                    if !is_busy && heard.elapsed() > SOCKET_SILENCE_MAX {
                        return Err(closed(close_code::POLICY, "nothing was heard for too long"));
                    }
                    Step::Ping
                }
            };
            let doing = self.step(step, &mut answering);
            tokio::select! {
                biased;
                // Writing must not keep a session alive.
                () = &mut over => return Err(closed(close_code::POLICY, SESSION_OVER)),
                done = doing => done?,
            }
        }
    }

    async fn step(
        &mut self,
        step: Step,
        answering: &mut JoinSet<Result<Answered, ApiError>>,
    ) -> Result<(), Closing> {
        match step {
            Step::Admit => self.caller.admit(None).await.map(drop).map_err(|error| refused(&error)),
            Step::Answer(answered) => self.answer(answered.map_err(|error| refused(&error))?).await,
            Step::Tell(notice) if self.announced.contains(&notice.subscription) => self.tell(notice).await,
            Step::Tell(notice) => {
                // Of one that was ended, or whose id is on its way.
                if self.told.has(&notice.subscription) {
                    self.early.push(notice);
                }
                Ok(())
            }
            Step::Take(Message::Text(text)) => {
                self.take(Bytes::from(text), answering);
                Ok(())
            }
            Step::Take(Message::Binary(bytes)) => {
                self.take(bytes, answering);
                Ok(())
            }
            Step::Take(Message::Close(_)) => Err(None),
            // The library answers pings.
            Step::Take(Message::Ping(_) | Message::Pong(_)) => Ok(()),
            Step::Ping => self.send(Message::Ping(Bytes::new())).await,
        }
    }

    fn take(&self, bytes: Bytes, answering: &mut JoinSet<Result<Answered, ApiError>>) {
        let (caller, told) = (self.caller.clone(), Arc::clone(&self.told));
        answering.spawn(async move {
            if let Err(error) = caller.routes.rates.request(caller.origin.arrival.client) {
                let fault = WalletFault::new(WalletFault::LIMIT, error.detail());
                return Ok(Answered {
                    answer: Some(super::failure(&Value::Null, &fault)),
                    opened: Vec::new(),
                });
            }
            let opened = Arc::new(Mutex::default());
            let client = caller.admit(Some(Hears { told, opened: Arc::clone(&opened) })).await?;
            let answer = client.answer(&bytes).await;
            let opened = std::mem::take(&mut *opened.lock());
            Ok(Answered { answer, opened })
        });
    }

    async fn answer(&mut self, answered: Answered) -> Result<(), Closing> {
        let Answered { answer, opened } = answered;
        if let Some(answer) = answer {
            self.send(Message::text(answer.to_string())).await?;
        }
        if opened.is_empty() {
            return Ok(());
        }
        self.announced.retain(|id| self.told.has(id));
        self.announced.extend(opened);
        for notice in std::mem::take(&mut self.early) {
            if self.announced.contains(&notice.subscription) {
                self.tell(notice).await?;
            } else {
                self.early.push(notice);
            }
        }
        Ok(())
    }

    async fn tell(&mut self, notice: Notice) -> Result<(), Closing> {
        let Notice { subscription, result } = notice;
        if !self.told.has(&subscription) {
            return Ok(());
        }
        let params = json!({"subscription": subscription, "result": *result});
        let notice = json!({"jsonrpc": "2.0", "method": "eth_subscription", "params": params});
        self.send(Message::text(notice.to_string())).await
    }

    async fn send(&mut self, message: Message) -> Result<(), Closing> {
        match timeout(SOCKET_WRITE_TIME_MAX, self.socket.send(message)).await {
            Ok(Ok(())) => Ok(()),
            Ok(Err(_)) | Err(_) => Err(None),
        }
    }
}

/// What there is to do next.
enum Step {
    Admit,
    Answer(Result<Answered, ApiError>),
    Tell(Notice),
    Take(Message),
    Ping,
}

const SESSION_OVER: &str = "the session has ended; sign in again";

/// How long a client may take to hear why its socket is closed.
const CLOSE_TIME_MAX: Duration = Duration::from_secs(2);

fn closed(code: u16, reason: &str) -> Closing {
    Some((code, reason.chars().take(100).collect()))
}

fn refused(error: &ApiError) -> Closing {
    match error.code() {
        Code::Unauthorized => closed(close_code::POLICY, SESSION_OVER),
        Code::NotFound => closed(close_code::POLICY, "there is nothing here for you any more"),
        _ => closed(close_code::ERROR, error.detail()),
    }
}

impl Told {
    fn has(&self, id: &str) -> bool {
        self.subscriptions.lock().contains_key(id)
    }

    /// Keeps a subscription, and gives its id.
    pub(super) fn keep(&self, subscription: Subscription) -> Result<String, WalletFault> {
        let mut subscriptions = self.subscriptions.lock();
        if subscriptions.len() >= SOCKET_SUBSCRIPTIONS_MAX {
            let message =
                format!("a socket has {SOCKET_SUBSCRIPTIONS_MAX} subscriptions at most; end one first");
            return Err(WalletFault::new(WalletFault::LIMIT, message));
        }
        let id = subscription.id.clone();
        subscriptions.insert(id.clone(), subscription);
        Ok(id)
    }

    /// Ends a subscription; gives whether there was one.
    pub(super) fn end(&self, id: &str) -> bool {
        self.subscriptions.lock().remove(id).is_some()
    }

    pub(super) const fn outlet(&self) -> &Outlet {
        &self.outlet
    }
}
