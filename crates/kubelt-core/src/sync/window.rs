//! Windows: a bounded run of operations on its way.

use std::{
    collections::{HashMap, HashSet, VecDeque},
    sync::Arc,
};

use serde_bytes::ByteBuf;

use crate::{
    ability::Verb,
    codec::DecodeError,
    id::{BodyId, LoginId, OpId},
    limits::{SYNC_LOGINS_BYTES_MAX, SYNC_WINDOW_BYTES, SYNC_WINDOW_BYTES_MAX, SYNC_WINDOW_OPS_MAX},
    login::Login,
    op::{Body, Signed},
    sync::{Allowed, Holdings, Message, SyncError},
};

/// One operation as it came: decoded, nothing about it checked.
#[derive(Clone, PartialEq, Debug)]
pub struct Received {
    /// The operation.
    pub signed: Signed,
    /// The login that it names, if the peer sent it in this sync.
    pub login: Option<Arc<Login>>,
    /// Its body, unless withheld.
    pub body: Option<Body>,
}

/// What is still to be sent.
#[derive(Debug, Default)]
pub(super) struct Outgoing {
    queue: VecDeque<Item>,
    logins: HashSet<LoginId>,
    /// Operations that the peer asked for, and those of which it asked for the body: each is sent once.
    asked: HashSet<OpId>,
    bodies: HashSet<OpId>,
}

#[derive(Debug)]
enum Item {
    Op(OpId),
    Body(OpId),
}

impl Outgoing {
    pub(super) fn is_empty(&self) -> bool {
        self.queue.is_empty()
    }

    /// Adds operations, each after everything it follows.
    pub(super) fn ops(&mut self, ops: impl IntoIterator<Item = OpId>) {
        self.queue.extend(ops.into_iter().map(Item::Op));
    }

    /// Adds those that were not asked for before.
    pub(super) fn asked(&mut self, ops: impl IntoIterator<Item = OpId>) {
        let fresh = ops.into_iter().filter(|op| self.asked.insert(*op)).map(Item::Op);
        self.queue.extend(fresh);
    }

    /// Whether the peer has asked for an operation before.
    pub(super) fn was_asked(&self, op: &OpId) -> bool {
        self.asked.contains(op)
    }

    /// Adds bodies that were not asked for before.
    pub(super) fn bodies(&mut self, ops: impl IntoIterator<Item = OpId>) {
        let fresh = ops.into_iter().filter(|op| self.bodies.insert(*op)).map(Item::Body);
        self.queue.extend(fresh);
    }

    /// The messages of the next window.
    pub(super) fn window(&mut self, from: &dyn Holdings, allowed: Allowed) -> Vec<Message> {
        let (mut ops, mut logins) = (Vec::new(), Vec::new());
        let (mut authority, mut content) = (Vec::new(), Vec::new());
        let mut bytes = 0;
        let mut count = 0;
        while bytes < SYNC_WINDOW_BYTES && count < SYNC_WINDOW_OPS_MAX {
            let Some(item) = self.queue.pop_front() else { break };
            count += 1;
            let (op, wants_header) = match item {
                Item::Op(op) => (op, true),
                Item::Body(op) => (op, false),
            };
            let Some((signed, header)) = read(from, &op) else { continue };
            let open = match allowed {
                Allowed::Full => true,
                Allowed::PublicOnly => header.verb != Verb::Put || from.is_public(&op),
                Allowed::Nothing => false,
            };
            if let Some(body) = open.then(|| from.body(&op)).flatten() {
                bytes += body.len();
                let kind = if header.verb == Verb::Put { &mut content } else { &mut authority };
                kind.push(ByteBuf::from(body));
            }
            if wants_header {
                if let Some(id) = header.login
                    && !self.logins.contains(&id)
                    && let Some(login) = from.login(&id)
                {
                    self.logins.insert(id);
                    bytes += login.len();
                    logins.push(ByteBuf::from(login));
                }
                bytes += signed.len();
                ops.push(ByteBuf::from(signed));
            }
        }
        vec![
            Message::Headers { ops, logins },
            Message::Bodies { bodies: authority, last: false },
            Message::Bodies { bodies: content, last: true },
        ]
    }
}

fn read(from: &dyn Holdings, op: &OpId) -> Option<(Vec<u8>, crate::op::Header)> {
    let bytes = from.signed(op)?;
    let signed = Signed::decode(&bytes).ok()?;
    Some((bytes, signed.header))
}

/// A window that has come in whole.
#[derive(Debug)]
pub(super) struct Complete {
    pub(super) received: Vec<Received>,
    /// The bodies that belong to none of its operations.
    pub(super) bodies: Vec<Body>,
}

/// What is coming in.
#[derive(Debug, Default)]
pub(super) struct Incoming {
    open: Option<Window>,
    /// Sign-ins that operations have named: those of later windows come without them.
    logins: HashMap<LoginId, Arc<Login>>,
    /// The same, the oldest first, with their bytes, and the sum of these.
    kept: VecDeque<(LoginId, usize)>,
    kept_bytes: usize,
}

#[derive(Debug, Default)]
struct Window {
    ops: Vec<Signed>,
    logins: HashMap<LoginId, (Arc<Login>, usize)>,
    bodies: HashMap<BodyId, Body>,
    bytes: usize,
    count: usize,
}

impl Incoming {
    pub(super) fn headers(&mut self, ops: &[ByteBuf], logins: &[ByteBuf]) -> Result<(), SyncError> {
        if self.open.is_some() {
            return Err(SyncError::Unexpected("headers"));
        }
        let mut window = Window::default();
        for block in logins {
            window.weigh(block)?;
            let login = Login::decode(block)?;
            window.logins.insert(login.id(), (Arc::new(login), block.len()));
        }
        for block in ops {
            window.weigh(block)?;
            window.ops.push(Signed::decode(block)?);
        }
        self.open = Some(window);
        Ok(())
    }

    /// Takes bodies in; gives the window when it is complete.
    pub(super) fn bodies(&mut self, blocks: &[ByteBuf], last: bool) -> Result<Option<Complete>, SyncError> {
        let window = self.open.as_mut().ok_or(SyncError::Unexpected("bodies"))?;
        for block in blocks {
            window.weigh(block)?;
            window.count += 1;
            if window.count > SYNC_WINDOW_OPS_MAX {
                return Err(SyncError::Window);
            }
            let body = Body::decode(block)?;
            window.bodies.insert(BodyId::of(block), body);
        }
        if !last {
            return Ok(None);
        }
        let Some(mut window) = self.open.take() else { return Ok(None) };
        let mut used = HashSet::new();
        let mut received = Vec::with_capacity(window.ops.len());
        for signed in window.ops {
            let login = signed.header.login.and_then(|id| {
                if let Some((login, bytes)) = window.logins.remove(&id) {
                    self.keep(id, login, bytes);
                }
                self.logins.get(&id).cloned()
            });
            let body = window.bodies.get(&signed.header.body).cloned();
            used.insert(signed.header.body);
            received.push(Received { signed, login, body });
        }
        window.bodies.retain(|id, _| !used.contains(id));
        Ok(Some(Complete { received, bodies: window.bodies.into_values().collect() }))
    }

    /// Keeps a sign-in for later windows. The oldest give way: those of operations that were taken in are with the
    /// receiver.
    fn keep(&mut self, id: LoginId, login: Arc<Login>, bytes: usize) {
        if self.logins.insert(id, login).is_some() {
            return;
        }
        self.kept.push_back((id, bytes));
        self.kept_bytes += bytes;
        while self.kept_bytes > SYNC_LOGINS_BYTES_MAX
            && let Some((oldest, bytes)) = self.kept.pop_front()
        {
            self.logins.remove(&oldest);
            self.kept_bytes -= bytes;
        }
    }
}

impl Window {
    fn weigh(&mut self, block: &ByteBuf) -> Result<(), SyncError> {
        self.bytes += block.len();
        if self.bytes > SYNC_WINDOW_BYTES_MAX { Err(SyncError::Window) } else { Ok(()) }
    }
}

impl From<DecodeError> for SyncError {
    fn from(error: DecodeError) -> Self {
        Self::Block(error)
    }
}

#[cfg(test)]
mod tests {
    use super::{Incoming, SYNC_LOGINS_BYTES_MAX};
    use crate::{Scheme, id::LoginId, login::Login};

    #[test]
    fn the_oldest_sign_ins_give_way_to_new_ones() {
        let mut incoming = Incoming::default();
        let login = Login::new("a message".to_owned(), Scheme::Eip191, vec![0; 65], None);
        let id = |n: u8| LoginId::of(&[n]);
        for n in 0..4 {
            incoming.keep(id(n), login.clone().into(), SYNC_LOGINS_BYTES_MAX / 4);
        }
        assert_eq!(incoming.logins.len(), 4, "they just fit");
        incoming.keep(id(3), login.clone().into(), SYNC_LOGINS_BYTES_MAX / 4);
        assert_eq!(incoming.logins.len(), 4, "one that is there counts once");
        incoming.keep(id(4), login.into(), 1);
        assert!(!incoming.logins.contains_key(&id(0)) && incoming.logins.contains_key(&id(4)));
        assert_eq!(incoming.logins.len(), 4);
    }
}
