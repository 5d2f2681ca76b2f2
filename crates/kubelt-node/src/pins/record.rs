//! A pin as its entry in the map has it.

use std::collections::BTreeMap;

use cid::Cid;
use kubelt_content::Ipld;
use kubelt_core::{
    CoreId, MapPath, codec,
    limits::VALUE_BYTES_MAX,
    schema::{ContentEntry, Visibility},
};

use super::{PINS, Pins, take};
use crate::{
    StoreError,
    content::UNKNOWN_MEDIA_TYPE,
    limits::{PIN_META_PAIRS_MAX, PIN_NAME_CHARS_MAX, PIN_ORIGIN_BYTES_MAX, PIN_ORIGINS_MAX, PIN_WAIT},
    names::named,
};

/// What somebody wants pinned, held to its limits.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewPin {
    pub(crate) cid: Cid,
    pub(crate) name: Option<String>,
    pub(crate) origins: Vec<String>,
    pub(crate) meta: BTreeMap<String, String>,
}

/// A pin over a limit of the Pinning Service API, or of the map.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PinLimit {
    /// A name over 255 characters.
    #[error("a name of {0} characters is over the limit of {PIN_NAME_CHARS_MAX}")]
    Name(usize),
    /// More than 20 origins.
    #[error("{0} origins are over the limit of {PIN_ORIGINS_MAX}")]
    Origins(usize),
    /// An origin that is no multiaddr, or a very long one.
    #[error("an origin is a multiaddr: it begins with `/` and has {PIN_ORIGIN_BYTES_MAX} bytes at most")]
    Origin,
    /// More than 1,000 pairs of metadata.
    #[error("{0} pairs of metadata are over the limit of {PIN_META_PAIRS_MAX}")]
    Meta(usize),
    /// Everything together is too large for a value of the map.
    #[error(
        "the pin takes {0} bytes, over the limit of {VALUE_BYTES_MAX} for name, origins and metadata together"
    )]
    TooLarge(usize),
}

impl NewPin {
    /// Holds a pin to the limits of the Pinning Service API 1.0.0, and to those of values of the map.
    ///
    /// # Errors
    /// [`PinLimit`] names the first limit that is broken.
    pub fn new(
        cid: Cid,
        name: Option<String>,
        origins: Vec<String>,
        meta: BTreeMap<String, String>,
    ) -> Result<Self, PinLimit> {
        let chars = name.as_ref().map_or(0, |name| name.chars().count());
        if chars > PIN_NAME_CHARS_MAX {
            return Err(PinLimit::Name(chars));
        }
        if origins.len() > PIN_ORIGINS_MAX {
            return Err(PinLimit::Origins(origins.len()));
        }
        let is_origin = |text: &String| text.starts_with('/') && text.len() <= PIN_ORIGIN_BYTES_MAX;
        if !origins.iter().all(is_origin) {
            return Err(PinLimit::Origin);
        }
        if meta.len() > PIN_META_PAIRS_MAX {
            return Err(PinLimit::Meta(meta.len()));
        }
        let pin = Self { cid, name, origins, meta };
        let bytes = codec::encode(&pin.entry(u64::MAX, Visibility::Members, 0).to_ipld()).len();
        if bytes > VALUE_BYTES_MAX { Err(PinLimit::TooLarge(bytes)) } else { Ok(pin) }
    }

    /// What is pinned.
    pub const fn cid(&self) -> &Cid {
        &self.cid
    }

    /// Its name.
    pub fn name(&self) -> Option<&str> {
        self.name.as_deref()
    }

    /// Multiaddrs that are said to have it.
    pub fn origins(&self) -> &[String] {
        &self.origins
    }

    /// Whatever else was said of it.
    pub const fn meta(&self) -> &BTreeMap<String, String> {
        &self.meta
    }

    pub(super) fn entry(&self, created_ms: u64, visibility: Visibility, size: u64) -> ContentEntry {
        let mut entry = ContentEntry::new(self.cid, size, UNKNOWN_MEDIA_TYPE, visibility);
        let text = |text: &String| Ipld::String(text.clone());
        let mut put = |field: &str, value| entry.metadata.insert(field.to_owned(), value);
        put("created", Ipld::Integer(created_ms.into()));
        if let Some(name) = &self.name {
            put("name", text(name));
        }
        if !self.origins.is_empty() {
            put("origins", Ipld::List(self.origins.iter().map(text).collect()));
        }
        if !self.meta.is_empty() {
            let pairs = self.meta.iter().map(|(key, value)| (key.clone(), text(value)));
            put("meta", Ipld::Map(pairs.collect()));
        }
        entry
    }

    /// Whatever an entry says that reads as a pin's details; others may have written it, by another way.
    pub(super) fn of(entry: &ContentEntry) -> Self {
        let text = |value: &Ipld| match value {
            Ipld::String(text) => Some(text.clone()),
            _ => None,
        };
        let origins = match entry.metadata.get("origins") {
            Some(Ipld::List(origins)) => origins.iter().filter_map(text).take(PIN_ORIGINS_MAX).collect(),
            _ => Vec::new(),
        };
        let meta = match entry.metadata.get("meta") {
            Some(Ipld::Map(pairs)) => {
                pairs.iter().filter_map(|(key, value)| Some((key.clone(), text(value)?))).collect()
            }
            _ => BTreeMap::new(),
        };
        Self { cid: entry.cid, name: entry.metadata.get("name").and_then(text), origins, meta }
    }
}

/// How far a pin is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum PinStatus {
    /// Blocks are missing, and nobody fetches them.
    Queued,
    /// Its blocks are being looked for.
    Pinning,
    /// Every block is in the core.
    Pinned,
    /// It will not become whole without help.
    Failed,
}

impl PinStatus {
    /// Every status, with the word of the Pinning Service API.
    pub const ALL: [(Self, &'static str); 4] = [
        (Self::Queued, "queued"),
        (Self::Pinning, "pinning"),
        (Self::Pinned, "pinned"),
        (Self::Failed, "failed"),
    ];
}

/// A pin and how far it is.
#[derive(Debug, Clone)]
pub struct Pin {
    /// Its id.
    pub id: String,
    /// What was asked for.
    pub pin: NewPin,
    /// When, in milliseconds since the Unix epoch; no two pins of a core that this node made have the same.
    pub created_ms: u64,
    /// How far it is.
    pub status: PinStatus,
    /// Why it waits, or why it failed; by which ways it was fetched a while ago.
    pub details: Option<String>,
}

/// When an entry was pinned: as it says, or else the date of its operation.
pub(super) fn created_ms(op_ms: u64, entry: &ContentEntry) -> u64 {
    match entry.metadata.get("created") {
        Some(Ipld::Integer(created)) => u64::try_from(*created).unwrap_or(op_ms),
        _ => op_ms,
    }
}

impl Pins {
    /// The pin at `path`.
    pub(super) fn pin(
        &self,
        core: &CoreId,
        path: &MapPath,
        op_ms: u64,
        entry: &ContentEntry,
    ) -> Result<Pin, StoreError> {
        let created_ms = created_ms(op_ms, entry);
        let (status, details) = self.status(core, path, created_ms, entry)?;
        let id = path.below(PINS).unwrap_or_default().to_owned();
        Ok(Pin { id, pin: NewPin::of(entry), created_ms, status, details })
    }

    fn status(
        &self,
        core: &CoreId,
        path: &MapPath,
        created_ms: u64,
        entry: &ContentEntry,
    ) -> Result<(PinStatus, Option<String>), StoreError> {
        let whole =
            named(&self.store, core, path)?.is_some_and(|named| named.root == entry.cid && !named.partial);
        if whole {
            return Ok((PinStatus::Pinned, self.came(core, path)));
        }
        if let Some(reason) = self.trouble(core, path, &entry.cid)? {
            return Ok((PinStatus::Failed, Some(reason)));
        }
        if let Some(details) = self.taking(core, path) {
            return Ok((PinStatus::Pinning, Some(details)));
        }
        let wait_ms = u64::try_from(PIN_WAIT.as_millis()).expect("days fit");
        let details = if self.clock.now_ms() >= created_ms.saturating_add(wait_ms) {
            (PinStatus::Failed, take::GAVE_UP)
        } else {
            (PinStatus::Queued, take::WAITS)
        };
        Ok((details.0, Some(details.1.to_owned())))
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use kubelt_core::{CoreId, limits::VALUE_BYTES_MAX, schema::Visibility};

    use super::{NewPin, PinLimit, created_ms};

    fn pin(name: usize, origins: usize, pairs: usize, value: usize) -> Result<NewPin, PinLimit> {
        let cid = CoreId::of(b"content").cid();
        let meta = (0..pairs).map(|n| (format!("k{n}"), "v".repeat(value))).collect();
        NewPin::new(cid, Some("ü".repeat(name)), vec!["/dns/a/p2p/b".to_owned(); origins], meta)
    }

    #[test]
    fn limits_are_met_on_both_sides() {
        assert!(pin(255, 20, 1_000, 1).is_ok());
        assert_eq!(pin(256, 0, 0, 0), Err(PinLimit::Name(256)));
        assert_eq!(pin(0, 21, 0, 0), Err(PinLimit::Origins(21)));
        assert_eq!(pin(0, 0, 1_001, 1), Err(PinLimit::Meta(1_001)));
        assert!(matches!(pin(0, 0, 1, VALUE_BYTES_MAX), Err(PinLimit::TooLarge(_))));
        let cid = CoreId::of(b"content").cid();
        let origin = |text: String| NewPin::new(cid, None, vec![text], BTreeMap::new());
        assert_eq!(origin("http://a".to_owned()), Err(PinLimit::Origin));
        assert_eq!(origin(format!("/{}", "a".repeat(1_024))), Err(PinLimit::Origin));
    }

    #[test]
    fn a_pin_comes_back_from_its_entry() {
        let pin = pin(3, 2, 4, 5).expect("within the limits");
        let entry = pin.entry(77, Visibility::Public, 9);
        assert_eq!(NewPin::of(&entry), pin);
        assert_eq!((created_ms(5, &entry), entry.size), (77, 9));
    }
}
