//! Cores of several people: who has which part in them, and the acts that change that.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// Asks for a shared core: made inside a private core, which names it, or as a child of the core that is asked.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NewCoreRequest {
    /// Under which name the core that is asked knows it: 1 to 64 letters, digits, `-` or `_`. Or a contract, `1:0x…`, or
    /// one of its tokens, `1:0x…:7`: then it is the core of whoever holds that, and the same one whoever makes it.
    #[schema(example = "acme")]
    pub name: String,
    /// What its makers call it; the name when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub title: Option<String>,
    /// Who else is of its root.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub owners: Vec<String>,
    /// How many of the root must agree; one when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub threshold: Option<u8>,
    /// Whether it lies in the core that is asked, for good: then that core's doors are its doors, too. In a shared core it
    /// always does.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub child: bool,
}

/// A shared core was made. It is dead until its root has signed a first operation.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct CoreMade {
    /// Its id.
    pub core: String,
    /// Where it is on this node.
    pub path: String,
    /// Its genesis block, base64 of dag-cbor: it says who the root is, and in which core it lies.
    pub genesis: String,
    /// Whether the core that was asked names it. Where others must agree to that, it is to be asked for as a request:
    /// until it is named it is no child.
    pub named: bool,
    /// What the core that was asked has to say for that, and does not yet: values to put into its map.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub puts: Vec<NamingPut>,
}

/// A value by which a core names another one.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct NamingPut {
    /// Where in its map.
    #[schema(example = "cores/widget")]
    pub path: String,
    /// The value, as dag-json.
    pub value: serde_json::Value,
}

/// A core that another one names.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct NamedCoreView {
    /// The name.
    pub name: String,
    /// The core's id.
    pub core: String,
    /// What its makers call it; absent where it is not on this node, or you have no part in it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub title: Option<String>,
    /// What you are in it; empty where it is not on this node, or you have no part in it.
    pub roles: Vec<String>,
    /// Whether it is a child: it lies in the core that names it.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub child: bool,
}

/// The cores that a core names.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct NamedCoreList {
    /// Sorted by name.
    pub cores: Vec<NamedCoreView>,
}

/// Accounts, and how many of them must agree.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct PrincipalView {
    /// How many must agree.
    pub m: usize,
    /// The accounts.
    pub of: Vec<String>,
}

/// A grant in force.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct MemberView {
    /// Who holds it.
    pub to: PrincipalView,
    /// The name of the role; absent for one without a name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub role: Option<String>,
    /// What it allows, such as `put content/**`.
    pub can: Vec<String>,
    /// The same in plain words.
    pub may: Vec<String>,
    /// Who gave it.
    pub by: String,
    /// When (RFC 3339).
    pub since: String,
    /// The grant: the id of the operation.
    pub grant: String,
    /// Whether any of its holders has done anything in the core.
    pub acted: bool,
}

/// The people of a core.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct MemberList {
    /// Who may everything.
    pub root: PrincipalView,
    /// Whether the root has signed a first operation; the core is dead before.
    pub begun: bool,
    /// Every grant in force, the oldest first.
    pub members: Vec<MemberView>,
}

/// A grant and the link to it, for whoever invites.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct InviteView {
    /// The grant. It is the invite: the link opens nothing for another account.
    pub member: MemberView,
    /// A link that says which core it is about and where it is to be had.
    pub link: String,
}

/// The invites of a core: every grant in force to one account.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct InviteList {
    /// The oldest first.
    pub invites: Vec<InviteView>,
}

/// A core that has given you a part and that your private core does not name yet.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct OwnInviteView {
    /// The core's id.
    pub core: String,
    /// What its makers call it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub title: Option<String>,
    /// What you would be in it.
    pub roles: Vec<String>,
}

/// The invites that wait for you on this node.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct OwnInviteList {
    /// In no order.
    pub invites: Vec<OwnInviteView>,
}

/// Accepts an invite.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct AcceptRequest {
    /// The core's id.
    pub core: String,
    /// Under which name your private core is to know it; one made of its own when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// The node to bring it from, where it is not on this one: `/ip4/…/tcp/…/tls/p2p/12D3…`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub from: Option<String>,
}

/// An invite was accepted.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct AcceptedView {
    /// The name in your private core.
    pub name: String,
    /// The core's id.
    pub core: String,
    /// Where it is on this node.
    pub path: String,
    /// What its makers call it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub title: Option<String>,
    /// What you are in it.
    pub roles: Vec<String>,
    /// Whether your private core named it before.
    pub known: bool,
    /// The node that it is exchanged with from now on, where it came from one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub remote: Option<crate::RemoteView>,
}

/// A ready-made role.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct RoleView {
    /// Its name.
    pub name: String,
    /// What it is for, in plain words.
    pub says: String,
    /// What it allows.
    pub can: Vec<String>,
    /// The same in plain words.
    pub may: Vec<String>,
}

/// The ready-made roles.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct RoleList {
    /// The mightiest first.
    pub roles: Vec<RoleView>,
}

/// An act that the account itself is to sign.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub enum Wish {
    /// Put a value, or clear a path with null.
    Put {
        /// A path of the map.
        path: String,
        /// The value, as dag-json.
        #[schema(value_type = Value)]
        value: serde_json::Value,
    },
    /// Give somebody a part: a ready-made role by its name, or abilities of one's own.
    Grant {
        /// One account, or several.
        to: Vec<String>,
        /// How many of several must agree; one when absent.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        threshold: Option<u8>,
        /// The role's name.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        role: Option<String>,
        /// What it allows, where the role is not a ready-made one.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        can: Vec<String>,
    },
    /// Take one grant back.
    Revoke {
        /// The id of the grant.
        grant: String,
    },
    /// Take back all that an account was granted alone.
    Remove {
        /// The account.
        account: String,
    },
    /// Give up all that you were granted alone.
    Resign {},
    /// Hand the core over to a new root.
    Rotate {
        /// The accounts of the new root.
        owners: Vec<String>,
        /// How many of them must agree; one when absent.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        threshold: Option<u8>,
    },
    /// End one of your sign-ins in this core.
    Logout {
        /// The id of the session.
        session: String,
    },
    /// Date all that is known, which closes sign-ins that have expired.
    Seal {},
    /// Name an heir of your private core. Whoever is one already waits anew.
    Heir {
        /// The account.
        account: String,
        /// How long it must wait once it claims the core, in seconds: 7 days at least.
        wait_s: u64,
    },
    /// Take back what one heir was named to, or all that heirs claim now.
    Refuse {
        /// The account; all who claim the core when absent.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        account: Option<String>,
    },
    /// Claim the core as its heir: to begin the wait, and to end it.
    Claim {},
}

/// Asks for operations to sign.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct DraftRequest {
    /// What is to be done.
    pub act: Wish,
}

/// An operation that waits for its signature. Check that header and body say what you want before you sign.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct DraftView {
    /// The operation's id: the CID of its header.
    pub id: String,
    /// Who is to sign.
    pub by: String,
    /// The header, base64 of dag-cbor.
    pub header: String,
    /// The body, base64 of dag-cbor.
    pub body: String,
    /// The text to sign (EIP-191 for accounts of Ethereum).
    pub text: String,
    /// The same for wallets that sign typed data (`eth_signTypedData_v4`); absent for a `put`, which is signed as a text.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<Object>)]
    pub typed_data: Option<serde_json::Value>,
    /// The challenge for `navigator.credentials.get`, base64url, where a passkey is to sign.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub passkey_challenge: Option<String>,
}

/// Operations that wait for their signatures; each is posted to `/-/ops` once it is signed.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct DraftList {
    /// One, but for acts about several grants.
    pub drafts: Vec<DraftView>,
}
