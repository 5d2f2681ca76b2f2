//! The value of `requests/<account>/<proposal>`: what somebody wants to do by an authority that several share.

use ipld_core::ipld::Ipld;

use super::{
    SchemaError,
    fields::{self, Fields},
};
use crate::{
    ability::{Ability, PathPattern, Verb},
    account::Account,
    id::{BodyId, CoreId, OpId},
    limits::{REQUEST_BODY_BYTES_MAX, REQUEST_TITLE_BYTES_MAX},
    op::{Body, proposal_of},
    path::MapPath,
};

/// Where requests stand in a core's map.
pub const REQUESTS: &str = "requests";

/// A request for votes: a map of `auth` (a link: the authority to act by), `body` (bytes: the body of the operation that
/// its maker will make once enough agree), `expires` (milliseconds since the Unix epoch) and, where there is one, `title` (a
/// line). No other fields.
///
/// It stands under its maker and the hash that votes on it name ([`crate::Header::proposal`]), in the map so that every
/// node of the core has it. A request gives nobody anything; it says what to vote on. The log lets an account
/// put its own requests without votes, whatever the authority allows.
#[derive(Clone, PartialEq, Debug)]
pub struct Request {
    /// By which authority.
    pub auth: OpId,
    /// What.
    pub body: Body,
    /// Until when it may be voted on, in milliseconds since the Unix epoch.
    pub expires_ms: u64,
    /// What its maker says of it.
    pub title: Option<String>,
}

impl Request {
    /// What votes on it name.
    pub fn proposal(&self, core: CoreId, by: &Account) -> BodyId {
        proposal_of(core, self.auth, by, self.body.id())
    }

    /// Where a request stands in the map.
    pub fn path(by: &Account, proposal: &BodyId) -> MapPath {
        MapPath::new(format!("{REQUESTS}/{by}/{proposal}")).expect("accounts and ids are segments")
    }

    /// What a session needs to file and withdraw requests of `by`.
    pub fn ability(by: &Account) -> Ability {
        let path = MapPath::new(format!("{REQUESTS}/{by}")).expect("an account is a segment");
        Ability { verb: Verb::Put, paths: PathPattern::Below(path) }
    }

    /// Whether a path is one of requests that `by` makes.
    pub fn is_of(path: &MapPath, by: &Account) -> bool {
        Self::read_path(path).is_some_and(|(maker, _)| maker == *by)
    }

    /// Who makes the request at a path, and what votes on it name; `None` where it is no path of a request.
    pub fn read_path(path: &MapPath) -> Option<(Account, BodyId)> {
        let (account, proposal) = path.below(REQUESTS)?.split_once('/')?;
        let by: Account = account.parse().ok()?;
        let proposal: BodyId = proposal.parse().ok()?;
        // One spelling of each.
        (*path == Self::path(&by, &proposal)).then_some((by, proposal))
    }

    /// Reads the value at `requests/<account>/<proposal>`. Whether it is the proposal that the path names only who
    /// knows the core can tell.
    ///
    /// # Errors
    /// [`SchemaError`] when it is none.
    pub fn read(path: &MapPath, value: &Ipld) -> Result<Self, SchemaError> {
        if Self::read_path(path).is_none() {
            return Err(SchemaError::Depth {
                path: path.to_string(),
                expected: "requests/<account>/<proposal>",
            });
        }
        Self::from_ipld(value)
    }

    /// Reads a request from its value alone.
    ///
    /// # Errors
    /// [`SchemaError`] when it is none.
    pub fn from_ipld(value: &Ipld) -> Result<Self, SchemaError> {
        let fields = Fields::of(value)?;
        fields.only(&["auth", "body", "expires", "title"])?;
        Ok(Self {
            auth: fields.required("auth", "a link to the authority to act by", |value| {
                fields::link(value).and_then(|cid| OpId::try_from(cid).ok())
            })?,
            body: fields.required("body", "the bytes of an operation's body, 24 KiB at most", |value| {
                let Ipld::Bytes(bytes) = value else { return None };
                Body::decode(bytes).ok().filter(|_| bytes.len() <= REQUEST_BODY_BYTES_MAX)
            })?,
            expires_ms: fields.required(
                "expires",
                "milliseconds since the Unix epoch",
                |value| match value {
                    Ipld::Integer(ms) => u64::try_from(*ms).ok().filter(|ms| *ms < 1 << 48),
                    _ => None,
                },
            )?,
            title: fields.optional(
                "title",
                "1 to 256 bytes of text without control characters",
                |value| fields::line(value, REQUEST_TITLE_BYTES_MAX),
            )?,
        })
    }

    /// The value to put.
    pub fn to_ipld(&self) -> Ipld {
        let title = self.title.clone().map(|title| ("title".to_owned(), Ipld::String(title)));
        let fields = [
            ("auth".to_owned(), Ipld::Link(self.auth.cid())),
            ("body".to_owned(), Ipld::Bytes(self.body.encode())),
            ("expires".to_owned(), Ipld::Integer(i128::from(self.expires_ms))),
        ];
        Ipld::Map(fields.into_iter().chain(title).collect())
    }
}

#[cfg(test)]
mod tests;
