//! Walks that this node makes through the DHT: who waits for what, and when it is enough.

use std::{
    collections::{HashMap, HashSet},
    time::Instant,
};

use kubelt_content::ipns::{Name, Record as IpnsRecord};
use libp2p::{
    Multiaddr, PeerId,
    core::Endpoint,
    kad::{
        Behaviour, GetClosestPeersError, GetProvidersOk, GetRecordOk, PeerInfo, PeerRecord, PutRecordError,
        QueryId, QueryResult, QueryStats, Quorum, Record, RecordKey,
    },
    swarm::{ConnectionId, NetworkBehaviour as _},
};
use tokio::sync::{mpsc, oneshot};

use super::{
    is_routable,
    store::{Records, now, valid_record},
};
use crate::{
    config::DhtScope,
    limits::{RECORD_QUORUM, RECORD_TIMEOUT, WALKS_MAX},
    scores::Offence,
};

/// A peer that says that it provides something.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FoundProvider {
    /// Its id.
    pub peer: PeerId,
    /// Where it says it is; may be empty.
    pub addresses: Vec<Multiaddr>,
}

/// What the DHT is asked.
#[derive(Debug)]
pub(crate) enum Ask {
    /// Who provides what has this multihash.
    Providers { key: Vec<u8>, from: Heed, found: mpsc::Sender<FoundProvider> },
    /// The best record of a name.
    Record { name: Name, from: Heed, answer: oneshot::Sender<Option<IpnsRecord>> },
    /// Puts a record to the peers closest to its name; answers how many took it.
    Put { name: Name, record: Box<IpnsRecord>, answer: oneshot::Sender<Result<usize, PutError>> },
    /// The peers closest to a key.
    Closest { key: Vec<u8>, answer: oneshot::Sender<Vec<PeerInfo>> },
}

/// Whose word counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Heed {
    /// What this node keeps as a part of the DHT, too.
    Anybody,
    /// What other peers answer alone.
    Others,
}

/// Why a record did not reach the DHT.
#[derive(Debug, Clone, thiserror::Error)]
pub enum PutError {
    /// There is no DHT here, or nobody in it is known.
    #[error("this node takes no part in the DHT, or knows nobody in it")]
    Alone,
    /// None of the peers closest to the name took it.
    #[error("no peer of the DHT took the record")]
    Refused,
    /// Too many look-ups at once.
    #[error("too much is asked of the DHT at once; try again")]
    Busy,
}

impl Ask {
    /// Answers where there is no DHT.
    pub(crate) fn refuse(self) {
        // The others hear of it by the end that is dropped.
        if let Self::Put { answer, .. } = self {
            let _ = answer.send(Err(PutError::Alone));
        }
    }
}

/// The walks under way.
#[derive(Debug)]
pub(crate) struct Dht {
    scope: DhtScope,
    walks: HashMap<QueryId, Walk>,
    /// Walks that were begun.
    pub(crate) begun: u64,
    /// Walks refused, because there were too many.
    pub(crate) refused: u64,
    /// Records and provider records of others taken in.
    pub(crate) taken: u64,
    /// Records and provider records of others that were refused.
    pub(crate) rejected: u64,
}

#[derive(Debug)]
enum Walk {
    Providers {
        from: Heed,
        found: mpsc::Sender<FoundProvider>,
        seen: HashSet<PeerId>,
    },
    Record {
        name: Name,
        from: Heed,
        search: Search,
        answer: oneshot::Sender<Option<IpnsRecord>>,
    },
    /// The peers closest to the record's name are looked for.
    Seek {
        record: Record,
        answer: oneshot::Sender<Result<usize, PutError>>,
    },
    /// The record is put to them, so many.
    Put {
        peers: usize,
        answer: oneshot::Sender<Result<usize, PutError>>,
    },
    Closest {
        answer: oneshot::Sender<Vec<PeerInfo>>,
    },
}

#[derive(Debug)]
struct Search {
    until: Instant,
    valid: usize,
    best: Option<IpnsRecord>,
    /// Who gave what, to tell those that are behind.
    gave: Vec<(PeerId, IpnsRecord)>,
}

/// Whom to blame for what.
pub(crate) type Blamed = Vec<(PeerId, Offence)>;

impl Dht {
    pub(crate) fn new(scope: DhtScope) -> Self {
        Self { scope, walks: HashMap::new(), begun: 0, refused: 0, taken: 0, rejected: 0 }
    }

    /// Begins a walk.
    pub(crate) fn ask(&mut self, ask: Ask, kad: &mut Behaviour<Records>) {
        // Whoever asked hears of it by the end that is dropped, here and below.
        if self.walks.len() >= WALKS_MAX {
            self.refused += 1;
            return;
        }
        self.begun += 1;
        let (id, walk) = match ask {
            Ask::Providers { key, from, found } => {
                let walk = Walk::Providers { from, found, seen: HashSet::new() };
                (kad.get_providers(RecordKey::from(key)), walk)
            }
            Ask::Record { name, from, answer } => {
                let until = Instant::now() + RECORD_TIMEOUT;
                let search = Search { until, valid: 0, best: None, gave: Vec::new() };
                let id = kad.get_record(RecordKey::from(name.routing_key()));
                (id, Walk::Record { name, from, search, answer })
            }
            Ask::Put { name, record, answer } => {
                let key = name.routing_key();
                let record = Record::new(key.clone(), record.encode().to_vec());
                (kad.get_closest_peers(key), Walk::Seek { record, answer })
            }
            Ask::Closest { key, answer } => (kad.get_closest_peers(key), Walk::Closest { answer }),
        };
        self.walks.insert(id, walk);
    }

    /// Ends the searches whose time is over with the best that they have.
    pub(crate) fn tick(&mut self, now: Instant, kad: &mut Behaviour<Records>) {
        let is_due = |walk: &Walk| match walk {
            Walk::Record { search, .. } => search.until <= now,
            Walk::Providers { found, .. } => found.is_closed(),
            Walk::Seek { answer, .. } | Walk::Put { answer, .. } => answer.is_closed(),
            Walk::Closest { answer } => answer.is_closed(),
        };
        let due: Vec<QueryId> =
            self.walks.iter().filter(|(_, walk)| is_due(walk)).map(|(id, _)| *id).collect();
        for id in due {
            self.end(id, kad);
        }
    }

    /// What a walk has found.
    pub(crate) fn progressed(
        &mut self,
        id: QueryId,
        result: QueryResult,
        stats: &QueryStats,
        is_last: bool,
        kad: &mut Behaviour<Records>,
    ) -> Blamed {
        let mut blamed = Blamed::new();
        let mut is_enough = is_last;
        match (self.walks.get_mut(&id), result) {
            (
                Some(Walk::Providers { from, found, seen }),
                QueryResult::GetProviders(Ok(GetProvidersOk::FoundProviders { providers, .. })),
            ) => {
                // What this node keeps itself is told before anybody was asked.
                if *from == Heed::Others && stats.num_requests() == 0 {
                    return blamed;
                }
                for peer in providers.into_iter().filter(|peer| seen.insert(*peer)) {
                    let mut addresses = addresses_of(peer, kad);
                    // In the public DHT nobody makes this node dial into its own network.
                    addresses.retain(|address| is_routable(address, self.scope));
                    is_enough |= found.try_send(FoundProvider { peer, addresses }).is_err();
                }
            }
            (
                Some(Walk::Record { name, from, search, .. }),
                QueryResult::GetRecord(Ok(GetRecordOk::FoundRecord(found))),
            ) => {
                // The same of records: who gave it is not said then.
                if *from == Heed::Others && found.peer.is_none() {
                    return blamed;
                }
                let forger = search.heard(name, &found);
                blamed.extend(forger.map(|peer| (peer, Offence::ForgedRecord)));
                is_enough |= search.valid >= RECORD_QUORUM;
            }
            (Some(Walk::Seek { .. } | Walk::Closest { .. }), QueryResult::GetClosestPeers(result)) => {
                let peers = match result {
                    Ok(ok) => ok.peers,
                    Err(GetClosestPeersError::Timeout { peers, .. }) => peers,
                };
                self.closest(id, peers, kad);
                return blamed;
            }
            (Some(Walk::Put { peers, .. }), QueryResult::PutRecord(result)) => {
                let took = match result {
                    Ok(_) => *peers,
                    Err(
                        PutRecordError::QuorumFailed { success, .. }
                        | PutRecordError::Timeout { success, .. },
                    ) => success.len(),
                };
                if let Some(Walk::Put { answer, .. }) = self.walks.remove(&id) {
                    let _ = answer.send(if took > 0 { Ok(took) } else { Err(PutError::Refused) });
                }
                return blamed;
            }
            _ => {}
        }
        if is_enough {
            self.end(id, kad);
        }
        blamed
    }

    /// The peers closest to a key are known.
    fn closest(&mut self, id: QueryId, peers: Vec<PeerInfo>, kad: &mut Behaviour<Records>) {
        match self.walks.remove(&id) {
            Some(Walk::Seek { answer, .. }) if peers.is_empty() => {
                let _ = answer.send(Err(PutError::Alone));
            }
            Some(Walk::Seek { record, answer }) => {
                let count = peers.len();
                let to: Vec<PeerId> = peers.into_iter().map(|info| info.peer_id).collect();
                let id = kad.put_record_to(record, to.into_iter(), Quorum::All);
                self.walks.insert(id, Walk::Put { peers: count, answer });
            }
            Some(Walk::Closest { answer }) => {
                let known = |info: PeerInfo| {
                    let addrs =
                        if info.addrs.is_empty() { addresses_of(info.peer_id, kad) } else { info.addrs };
                    PeerInfo { peer_id: info.peer_id, addrs }
                };
                let _ = answer.send(peers.into_iter().map(known).collect());
            }
            _ => {}
        }
    }

    /// Ends a walk, and answers who asked for it.
    fn end(&mut self, id: QueryId, kad: &mut Behaviour<Records>) {
        if let Some(mut query) = kad.query_mut(&id) {
            query.finish();
        }
        let Some(Walk::Record { name, search, answer, .. }) = self.walks.remove(&id) else { return };
        if let Some(best) = &search.best {
            let behind =
                search.gave.iter().filter(|(_, gave)| gave.compare(best).is_lt()).map(|(peer, _)| *peer);
            let behind: Vec<PeerId> = behind.collect();
            if !behind.is_empty() {
                let record = Record::new(name.routing_key(), best.encode().to_vec());
                kad.put_record_to(record, behind.into_iter(), Quorum::One);
            }
        }
        let _ = answer.send(search.best);
    }
}

impl Search {
    /// Takes what a peer gave; names the peer where that is no valid record of the name.
    fn heard(&mut self, name: &Name, found: &PeerRecord) -> Option<PeerId> {
        let key = name.routing_key();
        match valid_record(&key, &found.record.value, now()) {
            Ok((_name, record)) if found.record.key.as_ref() == key.as_slice() => {
                self.take(found.peer, record);
                None
            }
            Ok(_) => found.peer,
            Err(bad) => found.peer.filter(|_| bad.is_forged()),
        }
    }

    fn take(&mut self, peer: Option<PeerId>, record: IpnsRecord) {
        self.valid += 1;
        if self.best.as_ref().is_none_or(|best| record.compare(best).is_gt()) {
            self.best = Some(record.clone());
        }
        self.gave.extend(peer.map(|peer| (peer, record)));
    }
}

/// The addresses of a peer that the routing table and the walks under way know. libp2p tells those of providers only to
/// whoever dials them, so it is asked as if we did.
fn addresses_of(peer: PeerId, kad: &mut Behaviour<Records>) -> Vec<Multiaddr> {
    let unused = ConnectionId::new_unchecked(0);
    let known = kad.handle_pending_outbound_connection(unused, Some(peer), &[], Endpoint::Dialer);
    let mut known = known.unwrap_or_default();
    let mut seen = HashSet::new();
    known.retain(|address| seen.insert(address.clone()));
    known.truncate(crate::limits::PEER_ADDRESSES_TOLD_MAX);
    known
}
