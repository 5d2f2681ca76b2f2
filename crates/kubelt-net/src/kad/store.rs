//! What peers put here: IPNS records and provider records of the DHT, validated and bounded.
//!
//! The keys are kept in order of their distance to this node, so that those for which others will ask elsewhere give
//! way first: who floods the store from afar throws out nothing near. What this node itself provides is not kept
//! here: it is read from the node ([`Provided`]).

use std::{
    borrow::Cow,
    collections::{BTreeMap, HashMap},
    fmt,
    sync::{Arc, OnceLock},
    time::{Duration, Instant, SystemTime, UNIX_EPOCH},
};

use bytes::Bytes;
use kubelt_content::ipns::{Name, Record as IpnsRecord, RecordError, ValidateError};
use libp2p::{
    Multiaddr, PeerId,
    kad::{
        ProviderRecord, Record, RecordKey,
        store::{Error, RecordStore, Result},
    },
};

use super::spot::Spot;
use crate::limits::{
    PROVIDED_KEY_BYTES_MAX, PROVIDER_KEYS_MAX, PROVIDER_LIFE, PROVIDER_RECORDS_MAX, PROVIDERS_PER_KEY_MAX,
    RECORD_LIFE, RECORDS_BYTES_MAX, RECORDS_MAX, RECORDS_PER_PROVIDER_MAX,
};

/// Whether this node itself provides what has a multihash; asked for every look-up of others.
pub trait Provided: Send + Sync + fmt::Debug {
    /// Whether anybody may have from this node what has this multihash.
    fn provides(&self, multihash: &[u8]) -> bool;
}

/// What this node provides, once it is known.
pub(crate) type OwnProvided = Arc<OnceLock<Arc<dyn Provided>>>;

/// The records of others.
#[derive(Debug)]
pub(crate) struct Records {
    own: PeerId,
    here: Spot,
    provided: OwnProvided,
    records: BTreeMap<Distance, Kept>,
    record_bytes: usize,
    providers: BTreeMap<Distance, Providers>,
    provider_records: usize,
    of_provider: HashMap<PeerId, usize>,
}

/// Of a key to this node; the greatest is the farthest.
type Distance = [u8; 32];

#[derive(Debug)]
struct Kept {
    record: Record,
    ipns: IpnsRecord,
}

#[derive(Debug)]
struct Providers {
    key: RecordKey,
    /// Closest to the key first.
    of: Vec<Provider>,
}

#[derive(Debug)]
struct Provider {
    peer: PeerId,
    distance: Distance,
    addresses: Vec<Multiaddr>,
    since: Instant,
    expires: Instant,
}

/// Why a record is refused, whoever brings it.
#[derive(Debug, thiserror::Error)]
pub(crate) enum BadRecord {
    #[error("only keys `/ipns/…` have records here")]
    Key,
    #[error("the record cannot be read")]
    Record(#[from] RecordError),
    #[error("the record is not a valid one of its name")]
    Invalid(#[from] ValidateError),
}

impl BadRecord {
    /// Whether nobody can ever have taken it for a valid one. One that has ended was good a moment ago, or is by another
    /// clock; records of other kinds (`/pk/…`) are nothing to this node, and well-formed to others.
    pub(crate) const fn is_forged(&self) -> bool {
        !matches!(self, Self::Key | Self::Invalid(ValidateError::Expired(_)))
    }
}

/// The name that a key is about, and the record, if it is a valid one.
pub(crate) fn valid_record(
    key: &[u8],
    value: &[u8],
    now: Duration,
) -> std::result::Result<(Name, IpnsRecord), BadRecord> {
    let name = Name::from_routing_key(key).map_err(|_other| BadRecord::Key)?;
    let record = IpnsRecord::decode(Bytes::copy_from_slice(value))?;
    record.validate(&name, now)?;
    Ok((name, record))
}

/// Since 1970 in UTC.
pub(crate) fn now() -> Duration {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default()
}

impl Records {
    pub(crate) fn new(own: PeerId, provided: OwnProvided) -> Self {
        Self {
            own,
            here: Spot::of_peer(&own),
            provided,
            records: BTreeMap::new(),
            record_bytes: 0,
            providers: BTreeMap::new(),
            provider_records: 0,
            of_provider: HashMap::new(),
        }
    }

    /// How many records and provider records are here.
    pub(crate) fn counts(&self) -> (usize, usize) {
        (self.records.len(), self.provider_records)
    }

    /// Forgets what has expired; to be called now and then.
    pub(crate) fn sweep(&mut self, now: Instant) {
        let (mut bytes, at) = (0, self::now());
        self.records.retain(|_, kept| {
            let stays = !kept.record.is_expired(now) && kept.ipns.validity_end() >= at;
            bytes += if stays { kept.record.value.len() } else { 0 };
            stays
        });
        self.record_bytes = bytes;
        let mut left = HashMap::new();
        self.providers.retain(|_, providers| {
            providers.of.retain(|provider| provider.expires > now);
            for provider in &providers.of {
                *left.entry(provider.peer).or_default() += 1;
            }
            !providers.of.is_empty()
        });
        self.provider_records = left.values().sum();
        self.of_provider = left;
    }

    /// Takes a record in, if it is a valid one and better than what is here.
    pub(crate) fn take_record(
        &mut self,
        mut record: Record,
        at: Duration,
    ) -> std::result::Result<bool, BadRecord> {
        let (_name, ipns) = valid_record(record.key.as_ref(), &record.value, at)?;
        let distance = self.distance(record.key.as_ref());
        let before = self.records.get(&distance).map(|kept| (&kept.ipns, kept.record.value.len()));
        if before.is_some_and(|(before, _)| before.validity_end() >= at && ipns.compare(before).is_lt()) {
            return Ok(false);
        }
        let freed = before.map_or(0, |(_, bytes)| bytes);
        let grows = (usize::from(before.is_none()), record.value.len().saturating_sub(freed));
        while self.records.len() + grows.0 > RECORDS_MAX || self.record_bytes + grows.1 > RECORDS_BYTES_MAX {
            match self.records.last_key_value() {
                Some((&farthest, _)) if farthest > distance => self.drop_record(&farthest),
                _ => return Ok(false),
            }
        }
        let life = Instant::now() + RECORD_LIFE;
        record.expires = Some(record.expires.map_or(life, |expires| expires.min(life)));
        self.record_bytes = self.record_bytes - freed + record.value.len();
        self.records.insert(distance, Kept { record, ipns });
        Ok(true)
    }

    /// Takes in that a peer provides a key; gives whether it is kept.
    pub(crate) fn take_provider(&mut self, record: ProviderRecord, now: Instant) -> bool {
        if record.provider == self.own || record.key.as_ref().len() > PROVIDED_KEY_BYTES_MAX {
            return false;
        }
        let addresses = super::told(record.addresses);
        let at = self.distance(record.key.as_ref());
        let known = self.providers.get(&at).is_some_and(|providers| providers.has(&record.provider));
        if !known && self.of_provider.get(&record.provider).is_some_and(|n| *n >= RECORDS_PER_PROVIDER_MAX) {
            return false;
        }
        let is_new_key = usize::from(!self.providers.contains_key(&at));
        while self.providers.len() + is_new_key > PROVIDER_KEYS_MAX
            || self.provider_records >= PROVIDER_RECORDS_MAX
        {
            match self.providers.last_key_value() {
                Some((&farthest, _)) if farthest > at => self.drop_providers(&farthest),
                _ if known => break,
                _ => return false,
            }
        }
        let life = now + PROVIDER_LIFE;
        let provider = Provider {
            peer: record.provider,
            distance: Spot::of(record.key.as_ref()).distance(&Spot::of_peer(&record.provider)),
            addresses,
            since: now,
            expires: record.expires.map_or(life, |expires| expires.min(life)),
        };
        let peer = provider.peer;
        let providers =
            self.providers.entry(at).or_insert_with(|| Providers { key: record.key, of: Vec::new() });
        let dropped = providers.take(provider);
        if !known {
            self.provider_records += 1;
            *self.of_provider.entry(peer).or_default() += 1;
        }
        if let Some(dropped) = dropped {
            self.forget(&dropped);
        }
        dropped != Some(peer)
    }

    fn distance(&self, key: &[u8]) -> Distance {
        self.here.distance(&Spot::of(key))
    }

    fn drop_record(&mut self, at: &Distance) {
        if let Some(kept) = self.records.remove(at) {
            self.record_bytes -= kept.record.value.len();
        }
    }

    fn drop_providers(&mut self, at: &Distance) {
        for provider in self.providers.remove(at).map(|providers| providers.of).unwrap_or_default() {
            self.forget(&provider.peer);
        }
    }

    /// One record of this provider is gone.
    fn forget(&mut self, peer: &PeerId) {
        self.provider_records -= 1;
        if let Some(count) = self.of_provider.get_mut(peer) {
            *count -= 1;
            if *count == 0 {
                self.of_provider.remove(peer);
            }
        }
    }
}

impl Providers {
    fn has(&self, peer: &PeerId) -> bool {
        self.of.iter().any(|provider| provider.peer == *peer)
    }

    /// Keeps a provider, and gives the one that had to go. The closer half stays, and of the other half those that
    /// came last: who wants the key for himself must both make ids close to it and go on flooding.
    fn take(&mut self, provider: Provider) -> Option<PeerId> {
        self.of.retain(|one| one.peer != provider.peer);
        let at = self.of.partition_point(|one| one.distance < provider.distance);
        self.of.insert(at, provider);
        if self.of.len() <= PROVIDERS_PER_KEY_MAX {
            return None;
        }
        let far = &self.of[PROVIDERS_PER_KEY_MAX / 2..];
        let oldest = far.iter().enumerate().min_by_key(|(_, one)| one.since)?.0;
        Some(self.of.remove(PROVIDERS_PER_KEY_MAX / 2 + oldest).peer)
    }
}

impl RecordStore for Records {
    type RecordsIter<'a> = std::iter::Empty<Cow<'a, Record>>;
    type ProvidedIter<'a> = std::iter::Empty<Cow<'a, ProviderRecord>>;

    fn get(&self, key: &RecordKey) -> Option<Cow<'_, Record>> {
        let kept = self.records.get(&self.distance(key.as_ref()))?;
        let lives = !kept.record.is_expired(Instant::now()) && kept.ipns.validity_end() >= now();
        (lives && kept.record.key == *key).then_some(Cow::Borrowed(&kept.record))
    }

    fn put(&mut self, record: Record) -> Result<()> {
        self.take_record(record, now()).map(drop).map_err(|_bad| Error::ValueTooLarge)
    }

    fn remove(&mut self, key: &RecordKey) {
        self.drop_record(&self.distance(key.as_ref()));
    }

    /// None: who made a record puts it anew.
    fn records(&self) -> Self::RecordsIter<'_> {
        std::iter::empty()
    }

    fn add_provider(&mut self, record: ProviderRecord) -> Result<()> {
        if self.take_provider(record, Instant::now()) { Ok(()) } else { Err(Error::MaxProvidedKeys) }
    }

    fn providers(&self, key: &RecordKey) -> Vec<ProviderRecord> {
        let here = self.providers.get(&self.distance(key.as_ref())).filter(|here| here.key == *key);
        let mut found: Vec<ProviderRecord> = Vec::new();
        if self.provided.get().is_some_and(|provided| provided.provides(key.as_ref())) {
            found.push(ProviderRecord::new(key.clone(), self.own, Vec::new()));
        }
        found.extend(here.into_iter().flat_map(|here| &here.of).map(|provider| ProviderRecord {
            key: key.clone(),
            provider: provider.peer,
            expires: Some(provider.expires),
            addresses: provider.addresses.clone(),
        }));
        found
    }

    /// None: a schedule of the node's own announces what it provides.
    fn provided(&self) -> Self::ProvidedIter<'_> {
        std::iter::empty()
    }

    fn remove_provider(&mut self, key: &RecordKey, peer: &PeerId) {
        let at = self.distance(key.as_ref());
        let Some(providers) = self.providers.get_mut(&at).filter(|providers| providers.has(peer)) else {
            return;
        };
        providers.of.retain(|provider| provider.peer != *peer);
        if providers.of.is_empty() {
            self.providers.remove(&at);
        }
        self.forget(peer);
    }
}

#[cfg(test)]
mod tests;
