//! Pins as tools of IPFS know them: by CID.

use std::sync::Arc;

use cid::Cid;
use kubelt_content::{
    Ipld,
    read::{Walk, WalkLimits},
};
use kubelt_core::{
    Act, CoreId, MapPath, Verb, codec,
    limits::VALUE_BYTES_MAX,
    schema::{ContentEntry, Visibility},
};

use super::{Rpc, RpcError};
use crate::{
    StoreError,
    clock::random,
    content::{Incomplete, PREFIX, UNKNOWN_MEDIA_TYPE},
    limits::{DAG_BLOCKS_MAX, LINKS_PER_COMMIT},
    names::named,
    session::Session,
    write::{Write, content_entry},
};

/// Where pins stand in the map.
const PINS: &str = "content/pins";
/// The setting of a core's pins: a map with the field `visibility`.
const SETTING: &str = "config/pins";
const SCAN_PAGE: usize = 1_000;

/// A pin.
#[derive(Debug, Clone)]
pub struct RpcPin {
    /// Its root.
    pub cid: Cid,
    /// The name that its maker gave it.
    pub name: Option<String>,
    /// Whether every block is here and the content is open.
    pub whole: bool,
    path: MapPath,
}

impl Rpc {
    /// Pins a DAG: takes possession of the blocks that the session may see, and publishes it at a path of its own, as
    /// the core's `config/pins` says (to everybody where it says nothing).
    ///
    /// # Errors
    /// [`RpcError::Missing`] when a block is not here.
    pub async fn pin(
        &self,
        session: &Arc<Session>,
        core: &CoreId,
        cid: &Cid,
        name: Option<String>,
    ) -> Result<MapPath, RpcError> {
        let old = self.all(core, true)?.into_iter().find(|pin| pin.cid == *cid);
        let path = match &old {
            Some(pin) => pin.path.clone(),
            None => MapPath::new(format!("{PINS}/{}", hex::encode(random::<16>()))).expect("hex is a name"),
        };
        self.content.may_write(session, core, &path).await?;
        if old.is_some_and(|old| old.whole && (name.is_none() || old.name == name)) {
            return Ok(path);
        }
        match self.content.make_whole(core, cid).await {
            Ok(()) => {}
            Err(Incomplete::Missing(_)) => {
                self.take(session, core, cid).await?;
                self.content.make_whole(core, cid).await.map_err(missing)?;
            }
            Err(error) => return Err(missing(error)),
        }
        let entry = self.entry(core, cid, name)?;
        if entry.visibility == Visibility::Public {
            self.content.show(core, cid).await.map_err(missing)?;
        }
        let value = entry.to_ipld();
        let act = Act::Put { path: path.clone(), value };
        self.cores.write(*core, Write::Act { session: Arc::clone(session), act }).await?;
        Ok(path)
    }

    /// Pins a DAG, and lets the core's IPNS name point to it: its setting `config/ipns` names the pin's path.
    ///
    /// # Errors
    /// As [`Rpc::pin`].
    pub async fn publish(&self, session: &Arc<Session>, core: &CoreId, cid: &Cid) -> Result<(), RpcError> {
        let setting: MapPath = "config/ipns".parse().expect("a constant path");
        self.content.may_write(session, core, &setting).await?;
        let path = self.pin(session, core, cid, None).await?;
        let below = path.below(PREFIX).unwrap_or_default().to_owned();
        let value = Ipld::Map([("path".to_owned(), Ipld::String(below))].into());
        let act = Act::Put { path: setting, value };
        self.cores.write(*core, Write::Act { session: Arc::clone(session), act }).await?;
        Ok(())
    }

    /// Removes every pin of this root.
    ///
    /// # Errors
    /// [`RpcError::NotPinned`] where there is none.
    pub async fn unpin(&self, session: &Arc<Session>, core: &CoreId, cid: &Cid) -> Result<(), RpcError> {
        let pins = self.pins(session, core).await?;
        let mut found = false;
        for pin in pins.into_iter().filter(|pin| pin.cid == *cid) {
            self.content.may_write(session, core, &pin.path).await?;
            self.content.remove(session, core, pin.path).await?;
            found = true;
        }
        if found { Ok(()) } else { Err(RpcError::NotPinned) }
    }

    /// The pins of a core.
    ///
    /// # Errors
    /// [`RpcError::Forbidden`] where the session may not read them.
    pub async fn pins(&self, session: &Session, core: &CoreId) -> Result<Vec<RpcPin>, RpcError> {
        let privately = self.may_read(session, core).await?;
        Ok(self.all(core, privately)?)
    }

    /// Whether the session may read the pins of the core; true where private ones are among them.
    pub(super) async fn may_read(&self, session: &Session, core: &CoreId) -> Result<bool, RpcError> {
        let base: MapPath = PINS.parse().expect("a constant path");
        let covered = session.covers(core, Verb::Read, Some(&base));
        if !covered || !self.cores.may(core, session.account(), Verb::Read, Some(&base)).await? {
            return Err(RpcError::Forbidden);
        }
        Ok(self.cores.reads_private(core, session.account()).await?)
    }

    fn all(&self, core: &CoreId, privately: bool) -> Result<Vec<RpcPin>, StoreError> {
        let base: MapPath = PINS.parse().expect("a constant path");
        let (mut pins, mut after) = (Vec::new(), None);
        loop {
            let rows = self.store.state_scan(core, Some(&base), after.as_ref(), SCAN_PAGE)?;
            for (path, state) in &rows {
                let Some(entry) = content_entry(&state.value) else { continue };
                if entry.visibility == Visibility::Private && !privately {
                    continue;
                }
                let opened = named(&self.store, core, path)?;
                let name = match entry.metadata.get("name") {
                    Some(Ipld::String(name)) => Some(name.clone()),
                    _ => None,
                };
                let whole = opened.is_some_and(|opened| opened.root == entry.cid);
                pins.push(RpcPin { cid: entry.cid, name, whole, path: path.clone() });
            }
            if rows.len() < SCAN_PAGE {
                return Ok(pins);
            }
            after = rows.into_iter().next_back().map(|(path, _)| path);
        }
    }

    fn entry(&self, core: &CoreId, cid: &Cid, name: Option<String>) -> Result<ContentEntry, StoreError> {
        let (size, media_type) = self.content.describe(core, cid)?;
        let media_type = media_type.unwrap_or(UNKNOWN_MEDIA_TYPE);
        let mut entry = ContentEntry::new(*cid, size, media_type, self.visibility(core)?);
        entry.metadata.insert("created".to_owned(), Ipld::Integer(self.clock.now_ms().into()));
        if let Some(name) = name.filter(|name| !name.is_empty()) {
            entry.metadata.insert("name".to_owned(), Ipld::String(name));
        }
        Ok(entry)
    }

    /// Who may read new pins of the core, by its setting.
    fn visibility(&self, core: &CoreId) -> Result<Visibility, StoreError> {
        let path: MapPath = SETTING.parse().expect("a constant path");
        let Some(state) = self.store.state(core, &path)? else { return Ok(Visibility::Public) };
        let value: Option<Ipld> = codec::decode(&state.value, VALUE_BYTES_MAX, "value").ok();
        let set = match value {
            Some(Ipld::Map(fields)) => match fields.get("visibility") {
                Some(Ipld::String(word)) => word.parse().ok(),
                _ => None,
            },
            _ => None,
        };
        Ok(set.unwrap_or(Visibility::Public))
    }

    /// Takes possession of the blocks of a DAG that the session may see.
    async fn take(&self, session: &Arc<Session>, core: &CoreId, root: &Cid) -> Result<(), RpcError> {
        let (blocks, root) = (self.blocks(session, core, root).await?, *root);
        let walked = tokio::task::spawn_blocking(move || {
            let limits = WalkLimits { blocks_max: DAG_BLOCKS_MAX, ..WalkLimits::default() };
            let mut walk = Walk::new([root], limits);
            let mut reached = Vec::new();
            while let Some(visit) = walk.next(&blocks)? {
                reached.push(visit.cid);
            }
            Ok::<_, RpcError>(reached)
        });
        for piece in walked.await.expect("walking does not panic")?.chunks(LINKS_PER_COMMIT) {
            let mut tx = self.store.begin();
            tx.enforce_quota(core);
            tx.set_stamp(self.content.stamps.next());
            for cid in piece {
                if !self.store.possesses(core, cid)? {
                    tx.possess(core, cid)?;
                }
            }
            tx.commit().await?;
        }
        Ok(())
    }
}

fn missing(error: Incomplete) -> RpcError {
    match error {
        Incomplete::Malformed(error) => (*error).into(),
        other => RpcError::Upload(other.into()),
    }
}
