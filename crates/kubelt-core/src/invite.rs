//! Links to invites: `kubelt://<core>?grant=<operation>&from=<multiaddr>`.
//!
//! The invite itself is a grant, bound to an account. A link only says which core it is about and where that is to be
//! had: it opens nothing by itself, and its makers' word is checked against the core's log.

use std::{fmt, str::FromStr};

use crate::{
    id::{CoreId, OpId},
    limits::{HOST_ADDRESS_BYTES_MAX, INVITE_LINK_BYTES_MAX, INVITE_NODES_MAX},
};

const SCHEME: &str = "kubelt://";

/// A link to an invite.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct InviteLink {
    /// The core.
    pub core: CoreId,
    /// The grant that is the invite.
    pub grant: OpId,
    /// Nodes that have the core, as multiaddrs that end in the peer's id; [`INVITE_NODES_MAX`] at most.
    pub from: Vec<String>,
}

/// Why text is no link to an invite.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum InviteLinkError {
    /// Not of this form.
    #[error(
        "not a link to an invite; it reads `kubelt://<core id>?grant=<operation id>` and may name nodes with `&from=/ip4/…`"
    )]
    Form,
    /// Over [`INVITE_LINK_BYTES_MAX`].
    #[error("a link of {0} bytes is over the limit of {INVITE_LINK_BYTES_MAX}")]
    TooLong(usize),
    /// Over [`INVITE_NODES_MAX`].
    #[error("a link names {INVITE_NODES_MAX} nodes at most")]
    Nodes,
}

impl InviteLink {
    /// A link that names the first of these nodes; addresses that cannot stand in a link are left out.
    pub fn new(core: CoreId, grant: OpId, from: impl IntoIterator<Item = String>) -> Self {
        let from = from.into_iter().filter(|address| is_address(address)).take(INVITE_NODES_MAX).collect();
        Self { core, grant, from }
    }
}

impl fmt::Display for InviteLink {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{SCHEME}{}?grant={}", self.core, self.grant)?;
        self.from.iter().try_for_each(|address| write!(f, "&from={address}"))
    }
}

impl FromStr for InviteLink {
    type Err = InviteLinkError;

    fn from_str(text: &str) -> Result<Self, InviteLinkError> {
        if text.len() > INVITE_LINK_BYTES_MAX {
            return Err(InviteLinkError::TooLong(text.len()));
        }
        let (core, query) = text
            .strip_prefix(SCHEME)
            .and_then(|rest| rest.split_once("?grant="))
            .ok_or(InviteLinkError::Form)?;
        let mut parts = query.split('&');
        let grant = parts.next().and_then(|grant| grant.parse().ok()).ok_or(InviteLinkError::Form)?;
        let core = core.parse().map_err(|_cause| InviteLinkError::Form)?;
        let address =
            |part: &str| part.strip_prefix("from=").filter(|text| is_address(text)).map(str::to_owned);
        let from: Vec<String> = parts.map(address).collect::<Option<_>>().ok_or(InviteLinkError::Form)?;
        if from.len() > INVITE_NODES_MAX {
            return Err(InviteLinkError::Nodes);
        }
        Ok(Self { core, grant, from })
    }
}

/// A multiaddr of characters that need no escape in a link.
fn is_address(text: &str) -> bool {
    let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '/' | '.' | ':' | '-' | '_');
    text.starts_with('/') && text.len() <= HOST_ADDRESS_BYTES_MAX && text.chars().all(plain)
}

#[cfg(test)]
mod tests {
    use super::{InviteLink, InviteLinkError};
    use crate::{
        CoreId, OpId,
        limits::{INVITE_LINK_BYTES_MAX, INVITE_NODES_MAX},
    };

    fn link(nodes: usize) -> InviteLink {
        let address = |n| format!("/ip4/192.0.2.{n}/tcp/4749/tls/p2p/12D3KooW");
        InviteLink {
            core: CoreId::of(b"core"),
            grant: OpId::of(b"grant"),
            from: (0..nodes).map(address).collect(),
        }
    }

    #[test]
    fn a_link_is_read_as_it_was_written() {
        for nodes in [0, 1, INVITE_NODES_MAX] {
            let link = link(nodes);
            assert_eq!(link.to_string().parse(), Ok(link));
        }
        let many = link(INVITE_NODES_MAX + 1);
        assert_eq!(many.to_string().parse::<InviteLink>(), Err(InviteLinkError::Nodes));
        let odd = ["/dns/ä".to_owned(), "/a&b".to_owned(), "ip4".to_owned()];
        let made = InviteLink::new(many.core, many.grant, many.from.iter().cloned().chain(odd));
        assert_eq!(made.from, many.from[..INVITE_NODES_MAX]);
        assert!(InviteLink::new(many.core, many.grant, ["/a&b".to_owned()]).from.is_empty());
    }

    #[test]
    fn what_is_no_link_is_refused() {
        let good = link(1).to_string();
        let long = format!("{good}&from=/{}", "a".repeat(INVITE_LINK_BYTES_MAX));
        assert!(matches!(long.parse::<InviteLink>(), Err(InviteLinkError::TooLong(_))));
        for text in [
            "",
            "kubelt://",
            "https://example.org",
            &good.replace("grant", "head"),
            &good.replace("kubelt:", "http:"),
            &format!("{good}&to=/x"),
            &format!("{good}&from=x"),
            &format!("{good}&"),
            &good.replace("?grant=", "?grant=x"),
        ] {
            assert_eq!(text.parse::<InviteLink>(), Err(InviteLinkError::Form), "{text}");
        }
    }
}
