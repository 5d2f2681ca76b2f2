//! The `encryption` of a content entry: in which form its bytes are sealed, and to which keys.

use std::{collections::BTreeMap, fmt, str::FromStr};

use ipld_core::ipld::Ipld;

use super::{
    Gate, SchemaError,
    fields::{self, Fields},
};
use crate::limits::{SEALED_GATES_MAX, SEALED_LABEL_BYTES_MAX, SEALED_RECIPIENTS_MAX, SEALED_WHO_BYTES_MAX};

/// Bytes of a content key that is wrapped with HPKE: the encapsulated key, the sealed key, the tag.
pub const WRAP_BYTES: usize = 32 + 32 + 16;

/// In which form content is sealed.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum SealedForm {
    /// Authenticated chunks, whose content key is wrapped for each recipient in the entry itself.
    Chunks,
    /// A JSON Web Encryption (RFC 7516) that has everything in it.
    Jwe,
}

/// One key that opens the content.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct SealedTo {
    /// Whose key it is: an account, or the URL of a set of keys.
    pub who: String,
    /// Its thumbprint (RFC 7638, SHA-256).
    pub key: [u8; 32],
    /// What its owner calls it: a device, or the `kid` of a set.
    pub label: Option<String>,
    /// The wrapped content key; in [`SealedForm::Chunks`] only.
    pub wrap: Option<[u8; WRAP_BYTES]>,
    /// The gate for which its owner can open it; none for who was named.
    pub gate: Option<String>,
}

/// How content is encrypted: a map of `form` (`chunks` or `jwe`), `to` (a list of [`SealedTo`], each key once) and `mac`,
/// by which whoever has the content key knows that the list is the one that the sealer made; and `gates`, where it is sealed
/// to whoever passes any of these gates of the core. No other fields. What the bytes mean, `spec/sealed.md` says.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct Encryption {
    /// The form.
    pub form: SealedForm,
    /// Names of gates: whoever passes one is to be able to open it.
    pub gates: Vec<String>,
    /// Who can open it.
    pub to: Vec<SealedTo>,
    /// Authenticates form and list under the content key.
    pub mac: [u8; 32],
}

impl SealedForm {
    /// The word that stands in the map.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Chunks => "chunks",
            Self::Jwe => "jwe",
        }
    }
}

impl fmt::Display for SealedForm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for SealedForm {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        [Self::Chunks, Self::Jwe].into_iter().find(|form| form.as_str() == text).ok_or(())
    }
}

impl Encryption {
    /// Reads the `encryption` of an entry.
    ///
    /// # Errors
    /// [`SchemaError`] when it is none that is known.
    pub fn from_fields(map: &BTreeMap<String, Ipld>) -> Result<Self, SchemaError> {
        let value = Ipld::Map(map.clone());
        let fields = Fields::of(&value)?;
        fields.only(&["form", "gates", "mac", "to"])?;
        let form = fields
            .required("form", "`chunks` or `jwe`", |value| fields::text(value)?.parse::<SealedForm>().ok())?;
        let gates = fields.optional("gates", "a list of 1 to 8 gates, sorted", gates)?.unwrap_or_default();
        let to = fields.required("to", "a list of 1 to 64 recipients, each with another key", |value| {
            let Ipld::List(items) = value else { return None };
            let to: Vec<SealedTo> =
                items.iter().map(|item| SealedTo::read(item, form)).collect::<Option<_>>()?;
            let mut keys: Vec<&[u8; 32]> = to.iter().map(|to| &to.key).collect();
            keys.sort_unstable();
            let distinct = keys.is_sorted_by(|a, b| a < b);
            let known = |to: &SealedTo| to.gate.as_ref().is_none_or(|gate| gates.contains(gate));
            let fits = distinct && to.iter().all(known);
            ((1..=SEALED_RECIPIENTS_MAX).contains(&to.len()) && fits).then_some(to)
        })?;
        let mac = fields.required("mac", "32 bytes", bytes)?;
        Ok(Self { form, gates, to, mac })
    }

    /// The fields to put.
    pub fn to_fields(&self) -> BTreeMap<String, Ipld> {
        let mut fields = BTreeMap::from([
            ("form".to_owned(), Ipld::String(self.form.to_string())),
            ("to".to_owned(), Ipld::List(self.to.iter().map(SealedTo::to_ipld).collect())),
            ("mac".to_owned(), Ipld::Bytes(self.mac.to_vec())),
        ]);
        if !self.gates.is_empty() {
            let gates = self.gates.iter().map(|gate| Ipld::String(gate.clone()));
            fields.insert("gates".to_owned(), Ipld::List(gates.collect()));
        }
        fields
    }
}

impl SealedTo {
    fn read(value: &Ipld, form: SealedForm) -> Option<Self> {
        let fields = Fields::of(value).ok()?;
        fields.only(&["gate", "key", "label", "who", "wrap"]).ok()?;
        let who = |value| fields::line(value, SEALED_WHO_BYTES_MAX);
        let label = |value| fields::line(value, SEALED_LABEL_BYTES_MAX);
        let wrap = fields.optional("wrap", "80 bytes", bytes).ok()?;
        let fits = wrap.is_some() == (form == SealedForm::Chunks);
        fits.then_some(Self {
            who: fields.required("who", "text", who).ok()?,
            key: fields.required("key", "32 bytes", bytes).ok()?,
            label: fields.optional("label", "text", label).ok()?,
            gate: fields.optional("gate", "text", gate).ok()?,
            wrap,
        })
    }

    fn to_ipld(&self) -> Ipld {
        let Self { who, key, label, wrap, gate } = self;
        let mut fields = BTreeMap::from([
            ("who".to_owned(), Ipld::String(who.clone())),
            ("key".to_owned(), Ipld::Bytes(key.to_vec())),
        ]);
        fields.extend(label.clone().map(|label| ("label".to_owned(), Ipld::String(label))));
        fields.extend(gate.clone().map(|gate| ("gate".to_owned(), Ipld::String(gate))));
        fields.extend(wrap.map(|wrap| ("wrap".to_owned(), Ipld::Bytes(wrap.to_vec()))));
        Ipld::Map(fields)
    }
}

/// The name of a gate.
pub(super) fn gate(value: &Ipld) -> Option<String> {
    fields::text(value).filter(|name| Gate::path(name).is_some()).map(str::to_owned)
}

fn gates(value: &Ipld) -> Option<Vec<String>> {
    let Ipld::List(items) = value else { return None };
    let gates: Vec<String> = items.iter().map(gate).collect::<Option<_>>()?;
    let fits = (1..=SEALED_GATES_MAX).contains(&gates.len()) && gates.is_sorted_by(|a, b| a < b);
    fits.then_some(gates)
}

pub(super) fn bytes<const N: usize>(value: &Ipld) -> Option<[u8; N]> {
    match value {
        Ipld::Bytes(bytes) => bytes.as_slice().try_into().ok(),
        _ => None,
    }
}
