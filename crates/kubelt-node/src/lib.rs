//! A node's use cases: sign-in and sessions, content, logs, whole cores in and out.
//!
//! Edges (HTTP today) translate to and from these calls and hold no rules. This crate holds no rules of
//! the log either: those are in `kubelt-core`, and every write goes through [`Cores::write`], where one
//! writer at a time judges and commits.
//!
//! It is not: storage (`kubelt-store`), a protocol (`kubelt-http`), or a binary (`kubelt`).
//!
//! Start at [`Node`], which wires the services; then `sessions.rs` (who are you), `access.rs` and
//! `disclosure.rs` (what may you see), `cores.rs` and `write.rs` (what happens when you write).

mod access;
mod announced;
mod blocks;
mod chains;
mod challenge;
mod clock;
mod collect;
mod content;
mod cores;
mod denylists;
mod disclosure;
mod dnslink;
mod doors;
mod ens;
pub mod exchange;
mod exposures;
mod fetch;
mod follow;
mod gates;
mod host_names;
mod identity;
mod ipns;
mod kin;
mod limits;
mod members;
mod mirrors;
mod names;
mod node;
mod parts;
mod pins;
mod reach;
mod receipts;
mod remote_pins;
mod remotes;
mod replicate;
mod requests;
mod resolve;
mod routing;
mod rpc;
mod session;
mod session_table;
mod sessions;
mod status;
mod users;
mod wallet;
pub mod worker;
mod write;

pub use access::Reader;
pub use announced::{Announced, AnnouncedPage, What};
pub use blocks::{BlockError, ReachedBlocks, Within};
pub use chains::{Asking, ChainFault, ChainPort, Chains, ContractAnswers, ContractCall};
pub use clock::{Clock, SystemClock};
pub use collect::{Leaks, SweepError};
pub use content::{
    Blocks, CarTaken, CarUpload, Child, ChildKind, Children, Content, ContentError, ContentReader, Fate,
    File, Found, Freed, Incomplete, LookingUp, MissingBlocks, Moment, PublishedBlock, PublishedBlocks,
    Reached, Removed, SealedEntry, Stored, Target, Upload, UploadError, Used, UsedContent, Version,
    VersionsKept, content_path,
};
pub use cores::{Cores, LoadError};
pub use denylists::Denylists;
pub use disclosure::{Disclosure, Shown};
pub use dnslink::{BadLink, DnsLinks, Looking, LookupError, TxtAnswer, TxtLookup, is_dns_name};
pub use ens::{EnsFault, EnsNames, EnsPort, NamedAccount};
pub use exchange::Exchange;
pub use fetch::{
    Asker, Away, Coming, FetchFigures, FetchFor, FetchProgress, FetchRules, FetchWay, Fetched, Fetcher,
    FromPeers, GatewayError, Gateways, PeerBlocks, PeerSession, Retrieval, RetrievalError,
};
pub use follow::{Inlet, Lost, Notice, Outlet, outlet};
pub use gates::{Barred, GateError, Gates, NamedGate, Tested, Trial, Unasked};
pub use host_names::{HostBinding, HostNameFault, HostNames, Proof, ProofKind, ProofRecord};
pub use identity::{Identity, IdentityError, NodeKey, peer_id, peer_key};
pub use ipns::{Ipns, OwnNameError, PutRecordError};
pub use members::{
    Accepted, ContractError, Drafted, Heir, Invite, JoinError, MadeCore, Member, MemberList, Members,
    MembersError, NamedCore, NewCore, Wish,
};
pub use mirrors::{Mirror, MirrorError, Mirrors, ShelfError};
pub use node::{CoreSummary, Node};
pub use parts::BringError;
pub use pins::{NewPin, Pin, PinError, PinFilter, PinLimit, PinPage, PinStatus, Pins, TextMatch};
pub use reach::is_public_address;
pub use receipts::{
    DoorAnswer, DoorError, FailingStep, Nearness, Open, PublicDoor, Published, ReceiptError, Receipts, Shut,
    Way, WayKind,
};
pub use remote_pins::{
    Delivered, Delivery, DeliveryError, DeliveryState, PinningClient, RemoteCall, RemoteError, RemotePin,
    RemotePins, RemoteService,
};
pub use remotes::{
    AddressError, CopiesHeld, DialError, Dialer, Dialling, Holding, HostFinder, NodeAddress, PeerStream,
    Place, Remote, RemoteNodeError, Remotes, RemotesOfCore,
};
pub use replicate::{
    ChannelError, CoreWatch, Exchanged, Link, LinkError, Mirrored, PeerFault, Replication, Side,
};
pub use requests::{
    CastVote, Decided, Finish, NewRequest, Pending, Requests, RequestsError, Standing, VoteDraft,
};
pub use resolve::{
    ContentPath, ContentPathError, NameRef, ResolveError, Resolved, Resolver, Start, key_name,
};
pub use routing::{
    ConnectedPeer, Heard, PeerNetwork, Peers, Provider, ProviderRouting, Providers, RecordRouting, Routing,
    RoutingError, StrangerError,
};
pub use rpc::{Followed, Rpc, RpcBlocks, RpcError, RpcPin, TreeNode, TreeUpload};
pub use session::{Session, SessionInfo};
pub use sessions::{
    Ask, ChallengeError, EndError, Ended, MadeChallenge, OpenedSession, Sessions, SignInError,
};
pub use users::Asks;
pub use wallet::{
    AnswerError, MethodKind, Param, SafeReady, SafeStanding, Shape, Subscription, WalletAnswer, WalletFace,
    WalletFault, WalletMethod, WalletRequest, Wallets,
};
pub use write::{SignedOp, Write, WriteError, Written};

pub use status::Status;

/// What edges need to know of the store: its errors, its mode, its figures.
pub use kubelt_store::{CommitError, Mode, OpsOrder, ReadError as StoreError, Stats, TxError};
