//! Published content delivered to the pinning services of others.
//!
//! A setting of the core, `config/pinning/<name>`, names the service and the paths; its access token is a secret of
//! this node and never in the map. A worker ([`worker`]) keeps the remote pins equal to what is public at those paths
//! and open to IPFS, and remembers how far each of them is.

mod worker;

use std::{
    collections::{BTreeMap, HashMap},
    sync::Arc,
};

use bytes::Bytes;
use cid::Cid;
use kubelt_content::Ipld;
use kubelt_core::{Act, CoreId, MapPath, codec, limits::VALUE_BYTES_MAX, schema::Exit};
use kubelt_store::Store;
use parking_lot::{Mutex, RwLock};
use serde::{Deserialize, Serialize};

use crate::{
    StoreError,
    access::Access,
    clock::Clock,
    content::{Content, PREFIX, UploadError, content_path},
    cores::Cores,
    limits::{
        REMOTE_ENDPOINT_BYTES_MAX, REMOTE_PATHS_MAX, REMOTE_ROW_BYTES_MAX, REMOTE_SERVICES_MAX,
        REMOTE_SETTING_PATHS_MAX, REMOTE_TOKEN_BYTES_MAX,
    },
    names::public,
    session::Session,
    worker::{Waker, Worker},
    write::Write,
};

/// Where the settings stand in a core's map.
const SETTINGS: &str = "config/pinning";
/// Access tokens, by core and name: the endpoint that one was given for, a zero byte, and the token.
const SECRETS: &str = "remote-pin-token";
/// How far each path is, by core, name, a zero byte and the path.
const ROWS: &str = "remote-pin";

/// A way to speak to pinning services. It blocks, and bounds the time and the size of every answer itself.
pub trait PinningClient: Send + Sync + std::fmt::Debug {
    /// Makes one call.
    ///
    /// # Errors
    /// [`RemoteError`] when there is no good answer.
    fn call(&self, service: &RemoteService, call: &RemoteCall) -> Result<RemotePin, RemoteError>;
}

/// A pinning service, and the token for it.
#[derive(Clone)]
pub struct RemoteService {
    /// The URL before `/pins`.
    pub endpoint: String,
    /// The access token.
    pub token: String,
}

impl std::fmt::Debug for RemoteService {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("RemoteService").field("endpoint", &self.endpoint).finish_non_exhaustive()
    }
}

/// What is asked of a service.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RemoteCall {
    /// A new pin.
    Add {
        /// Of what.
        cid: Cid,
        /// Under which name.
        name: String,
    },
    /// Another CID in the place of a pin.
    Replace {
        /// The pin.
        id: String,
        /// By what.
        cid: Cid,
        /// Under which name.
        name: String,
    },
    /// How far a pin is.
    Status {
        /// The pin.
        id: String,
    },
    /// A pin is not wanted any more; that it is not there is as good.
    Remove {
        /// The pin.
        id: String,
    },
}

/// A pin as its service has it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct RemotePin {
    /// Its id there.
    pub id: String,
    /// `queued`, `pinning`, `pinned` or `failed`.
    pub status: String,
    /// What it pins.
    pub cid: String,
    /// What the service says of it.
    pub details: Option<String>,
}

/// Why a call had no good answer.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RemoteError {
    /// The service knows no such pin.
    #[error("the service knows no such pin")]
    Gone,
    /// It refused, could not be reached, or answered nonsense.
    #[error("{0}")]
    Failed(String),
}

/// What came of asking a service for a path.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum AskedPin {
    /// The node has no token for it.
    NoToken,
    /// It has not taken the pin yet.
    Waiting,
    /// What it says.
    Answered(RemotePin),
    /// It gave no good answer.
    Failed(String),
}

/// A setting: where content is delivered, and which.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Delivery {
    /// The URL before `/pins`.
    pub endpoint: String,
    /// Paths of content; what lies at and below each is delivered.
    pub paths: Vec<String>,
}

/// How far one path is at a service.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Delivered {
    v: u8,
    /// What is, or is to be, pinned there.
    pub cid: String,
    /// The pin, where the service has taken it.
    pub id: Option<String>,
    /// `waiting`, or the service's own word.
    pub status: String,
    /// Why it is not pinned.
    pub reason: Option<String>,
    /// Calls since it last changed.
    pub attempts: u32,
    /// When the node calls again, in milliseconds since the Unix epoch.
    pub next_ms: u64,
}

/// A setting and how far its paths are.
#[derive(Debug, Clone)]
pub struct DeliveryState {
    /// Its name.
    pub name: String,
    /// The setting.
    pub delivery: Delivery,
    /// Whether the node has a token for it.
    pub has_token: bool,
    /// Each path.
    pub pins: Vec<(String, Delivered)>,
}

/// Why a setting was not written.
#[derive(Debug, thiserror::Error)]
pub enum DeliveryError {
    /// The setting makes no sense.
    #[error("{0}")]
    Setting(&'static str),
    /// There is no such setting.
    #[error("there is no such setting")]
    NotFound,
    /// It was refused.
    #[error(transparent)]
    Upload(#[from] UploadError),
    /// The store failed.
    #[error("the store cannot be read")]
    Store(#[from] StoreError),
}

/// Remote pins of a node's cores; cheap to clone.
#[derive(Debug, Clone)]
pub struct RemotePins(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    store: Store,
    cores: Cores,
    content: Content,
    access: Arc<Access>,
    clock: Arc<dyn Clock>,
    client: RwLock<Option<Arc<dyn PinningClient>>>,
    /// Services that failed: how often in a row, and until when they are left alone.
    paused: Mutex<HashMap<Vec<u8>, (u32, u64)>>,
    waker: Waker,
}

impl RemotePins {
    pub(crate) fn new(
        store: Store,
        cores: Cores,
        content: Content,
        access: Arc<Access>,
        clock: Arc<dyn Clock>,
    ) -> Self {
        let (client, paused, waker) = (RwLock::default(), Mutex::default(), Waker::default());
        Self(Arc::new(Inner { store, cores, content, access, clock, client, paused, waker }))
    }

    /// Lets the worker speak to services this way; before that it does nothing.
    pub fn deliver_by(&self, client: Arc<dyn PinningClient>) {
        *self.0.client.write() = Some(client);
    }

    pub(crate) fn worker(&self) -> Worker {
        Worker::new("remote-pins", &self.0.waker, worker::Deliverer(self.clone()))
    }

    /// Writes a setting, and its token where one is given.
    ///
    /// # Errors
    /// [`DeliveryError`] when the setting makes no sense, or the session may not write it.
    pub async fn set(
        &self,
        session: &Arc<Session>,
        core: &CoreId,
        name: &str,
        delivery: &Delivery,
        token: Option<&str>,
    ) -> Result<(), DeliveryError> {
        let path = setting_path(name)?;
        check(delivery, token)?;
        self.0.content.may_write(session, core, &path).await?;
        let others = self.settings(core)?.into_iter().filter(|(other, _)| other != name).count();
        if others >= REMOTE_SERVICES_MAX {
            return Err(DeliveryError::Setting("a core delivers to so many services at most; remove one"));
        }
        let paths = delivery.paths.iter().map(|path| Ipld::String(path.clone())).collect();
        let value = Ipld::Map(BTreeMap::from([
            ("endpoint".to_owned(), Ipld::String(delivery.endpoint.clone())),
            ("paths".to_owned(), Ipld::List(paths)),
        ]));
        self.put(session, core, path, value).await?;
        if let Some(token) = token {
            let mut tx = self.0.store.begin();
            // Bound to where it was meant for: whoever else may write settings does not learn it by another endpoint.
            let secret = [delivery.endpoint.as_bytes(), &[0], token.as_bytes()].concat();
            tx.put_meta(SECRETS, &secret_key(core, name), Some(&secret)).map_err(UploadError::from)?;
            tx.commit().await.map_err(UploadError::from)?;
        }
        self.0.paused.lock().remove(&secret_key(core, name));
        self.0.waker.wake();
        Ok(())
    }

    /// Clears a setting, and forgets its token and what was delivered. Pins that the service has stay there.
    ///
    /// # Errors
    /// [`DeliveryError::NotFound`] when there is none.
    pub async fn remove(
        &self,
        session: &Arc<Session>,
        core: &CoreId,
        name: &str,
    ) -> Result<(), DeliveryError> {
        let path = setting_path(name)?;
        self.0.content.may_write(session, core, &path).await?;
        if self.0.store.state(core, &path)?.is_none() {
            return Err(DeliveryError::NotFound);
        }
        // The secret first: whatever happens then, it is gone.
        self.forget(core, name).await?;
        self.put(session, core, path, Ipld::Null).await
    }

    /// The settings of a core and how far their paths are, for those who may write them.
    ///
    /// # Errors
    /// [`DeliveryError::Upload`] when the session may not.
    pub async fn list(&self, session: &Session, core: &CoreId) -> Result<Vec<DeliveryState>, DeliveryError> {
        let path = SETTINGS.parse().expect("a constant path");
        self.0.content.may_write(session, core, &path).await?;
        let mut states = Vec::new();
        for (name, delivery) in self.settings(core)? {
            let secret = self.0.store.meta(SECRETS, &secret_key(core, &name))?;
            let has_token = secret.is_some_and(|secret| token_for(&secret, &delivery).is_some());
            let pins = self.rows(core, &name)?.into_iter().collect();
            states.push(DeliveryState { name, delivery, has_token, pins });
        }
        Ok(states)
    }

    /// Asks a service now how the pin of a path is.
    pub(crate) async fn ask(&self, core: &CoreId, name: &str, path: &str) -> Result<AskedPin, StoreError> {
        let Some(delivery) = self.setting(core, name)? else { return Ok(AskedPin::Waiting) };
        let secret = self.0.store.meta(SECRETS, &secret_key(core, name))?;
        let Some(token) = secret.and_then(|secret| token_for(&secret, &delivery)) else {
            return Ok(AskedPin::NoToken);
        };
        let row = self.rows(core, name)?.remove(path);
        let (Some(id), Some(client)) = (row.and_then(|row| row.id), self.0.client.read().clone()) else {
            return Ok(AskedPin::Waiting);
        };
        let service = RemoteService { endpoint: delivery.endpoint, token };
        let called = tokio::task::spawn_blocking(move || client.call(&service, &RemoteCall::Status { id }));
        Ok(match called.await {
            Ok(Ok(pin)) => AskedPin::Answered(pin),
            Ok(Err(error)) => AskedPin::Failed(error.to_string()),
            Err(panicked) => AskedPin::Failed(panicked.to_string()),
        })
    }

    async fn put(
        &self,
        session: &Arc<Session>,
        core: &CoreId,
        path: MapPath,
        value: Ipld,
    ) -> Result<(), DeliveryError> {
        let act = Act::Put { path, value };
        let write = Write::Act { session: Arc::clone(session), act };
        self.0.cores.write(*core, write).await.map_err(UploadError::from)?;
        Ok(())
    }

    async fn forget(&self, core: &CoreId, name: &str) -> Result<(), UploadError> {
        let rows = self.rows(core, name)?;
        let mut tx = self.0.store.begin();
        tx.put_meta(SECRETS, &secret_key(core, name), None)?;
        for path in rows.keys() {
            tx.put_meta(ROWS, &row_key(core, name, path), None)?;
        }
        Ok(tx.commit().await?)
    }

    fn settings(&self, core: &CoreId) -> Result<Vec<(String, Delivery)>, StoreError> {
        let base: MapPath = SETTINGS.parse().expect("a constant path");
        let rows = self.0.store.state_scan(core, Some(&base), None, 2 * REMOTE_SERVICES_MAX)?;
        Ok(rows
            .into_iter()
            .filter_map(|(path, state)| {
                let name = path.below(SETTINGS).filter(|name| !name.contains('/'))?;
                Some((name.to_owned(), read(&state.value)?))
            })
            .collect())
    }

    fn setting(&self, core: &CoreId, name: &str) -> Result<Option<Delivery>, StoreError> {
        let Ok(path) = setting_path(name) else { return Ok(None) };
        Ok(self.0.store.state(core, &path)?.and_then(|state| read(&state.value)))
    }

    fn rows(&self, core: &CoreId, name: &str) -> Result<BTreeMap<String, Delivered>, StoreError> {
        let prefix = row_key(core, name, "");
        let mut rows = BTreeMap::new();
        for row in self.0.store.meta_scan(ROWS, &prefix, None) {
            let (key, row): (Bytes, Bytes) = row?;
            let path = key.get(prefix.len()..).and_then(|path| std::str::from_utf8(path).ok());
            let row = codec::decode(&row, REMOTE_ROW_BYTES_MAX, "remote pin").ok();
            if let (Some(path), Some(row)) = (path, row) {
                rows.insert(path.to_owned(), row);
            }
        }
        Ok(rows)
    }

    /// What is to be pinned: path to CID, of what anybody may have by IPFS and is whole here.
    fn wanted(&self, core: &CoreId, delivery: &Delivery) -> Result<BTreeMap<String, Cid>, StoreError> {
        let door = self.0.access.door(core, Exit::Ipfs)?;
        let mut wanted = BTreeMap::new();
        for path in &delivery.paths {
            let segments: Vec<String> =
                path.split('/').filter(|part| !part.is_empty()).map(str::to_owned).collect();
            let Ok(under) = content_path(&segments) else { continue };
            for row in public(&self.0.store, core, door.clone(), Some(&under), None) {
                let (path, named) = row?;
                if named.partial {
                    continue;
                }
                if wanted.len() >= REMOTE_PATHS_MAX {
                    return Ok(wanted);
                }
                wanted.insert(path.below(PREFIX).unwrap_or_default().to_owned(), named.root);
            }
        }
        Ok(wanted)
    }
}

fn check(delivery: &Delivery, token: Option<&str>) -> Result<(), DeliveryError> {
    let refuse = |text| Err(DeliveryError::Setting(text));
    let rest = ["https://", "http://"].iter().find_map(|scheme| delivery.endpoint.strip_prefix(scheme));
    // `@` may stand in the path, where cores are named, but not before the host.
    let plain = rest.is_some_and(|rest| {
        let (authority, _path) = rest.split_once('/').unwrap_or((rest, ""));
        !authority.is_empty()
            && !authority.contains('@')
            && !rest.contains(['?', '#', '\\'])
            && rest.bytes().all(|b| b.is_ascii_graphic())
    });
    if !plain || delivery.endpoint.len() > REMOTE_ENDPOINT_BYTES_MAX {
        return refuse("the endpoint is no URL of a pinning service; write `https://pins.example/api`");
    }
    if delivery.endpoint.trim_end_matches('/').ends_with("/pins") {
        return refuse("name the endpoint without `/pins` at its end");
    }
    if delivery.paths.is_empty() || delivery.paths.len() > REMOTE_SETTING_PATHS_MAX {
        return refuse("name 1 to 100 paths of content");
    }
    if !delivery.paths.iter().all(|path| MapPath::new(format!("{PREFIX}/{path}")).is_ok()) {
        return refuse("a path of content has no empty names, no `.`, no `..` and no slash at its ends");
    }
    let is_token = |token: &str| {
        (1..=REMOTE_TOKEN_BYTES_MAX).contains(&token.len()) && token.bytes().all(|b| b.is_ascii_graphic())
    };
    if token.is_some_and(|token| !is_token(token)) {
        return refuse("the token is printable ASCII of 4 KiB at most");
    }
    Ok(())
}

fn read(value: &[u8]) -> Option<Delivery> {
    let Ok(Ipld::Map(mut fields)) = codec::decode::<Ipld>(value, VALUE_BYTES_MAX, "value") else {
        return None;
    };
    let Some(Ipld::String(endpoint)) = fields.remove("endpoint") else { return None };
    let Some(Ipld::List(paths)) = fields.remove("paths") else { return None };
    let text = |path| match path {
        Ipld::String(path) => Some(path),
        _ => None,
    };
    let delivery = Delivery { endpoint, paths: paths.into_iter().map(text).collect::<Option<_>>()? };
    // Another node, or `kubelt config`, may have written anything.
    check(&delivery, None).ok().map(|()| delivery)
}

/// The token of a secret, where it was given for this endpoint.
fn token_for(secret: &[u8], delivery: &Delivery) -> Option<String> {
    let token = secret.strip_prefix(delivery.endpoint.as_bytes())?.strip_prefix(&[0])?;
    Some(String::from_utf8_lossy(token).into_owned())
}

fn setting_path(name: &str) -> Result<MapPath, DeliveryError> {
    let good = !name.is_empty()
        && name.len() <= 64
        && name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_');
    let path = good.then(|| MapPath::new(format!("{SETTINGS}/{name}")).ok()).flatten();
    path.ok_or(DeliveryError::Setting("a name has 1 to 64 letters, digits, `-` and `_`"))
}

fn secret_key(core: &CoreId, name: &str) -> Vec<u8> {
    [core.digest().as_slice(), name.as_bytes()].concat()
}

fn row_key(core: &CoreId, name: &str, path: &str) -> Vec<u8> {
    [core.digest().as_slice(), name.as_bytes(), &[0], path.as_bytes()].concat()
}

#[cfg(test)]
mod tests;
