//! Wire types of a node's API: what goes over HTTP as JSON, and the codes of its errors.
//!
//! A leaf: no rules, no I/O, only serde and schema derives, so that the server, the command line and
//! tests speak of the same shapes. Domain types are converted by hand in `kubelt-http`.
//!
//! Start at [`Code`] (every error a client can meet), then [`session`] and [`content`].
#![warn(missing_docs)]

pub mod content;
pub mod core;
pub mod gates;
pub mod heirs;
pub mod host_names;
pub mod log;
pub mod members;
pub mod mirrors;
pub mod node;
pub mod peers;
pub mod pins;
pub mod problem;
pub mod receipts;
pub mod remotes;
pub mod requests;
mod sealed;
pub mod session;
pub mod wallet;

pub use content::{
    CarReceipt, ContentReceipt, ContentRemoved, ContentVersion, ContentVersions, Fate, Listing, ListingEntry,
    ListingKind, Possession, PossessionRequest, RemovedBlocks, Visibility,
};
pub use core::{
    ContentUsage, CoreUsage, CoreView, EnsView, Heads, NameView, StateEntry, StatePage, UsageView,
};
pub use gates::{GateBlock, GateList, GateTest, GateTrial, GateView};
pub use heirs::{HeirList, HeirView};
pub use host_names::{CertificateView, HostNameList, HostNameView, HostRecordView};
pub use log::{OpPost, OpPostEntry, OpReceipt, OpReceipts, OpView, OpsPage, SignatureScheme};
pub use members::{
    AcceptRequest, AcceptedView, CoreMade, DraftList, DraftRequest, DraftView, InviteList, InviteView,
    MemberList, MemberView, NamedCoreList, NamedCoreView, NamingPut, NewCoreRequest, OwnInviteList,
    OwnInviteView, PrincipalView, RoleList, RoleView, Wish,
};
pub use mirrors::{MirrorList, MirrorRequest, MirrorView};
pub use node::{CoreImport, Health, NodeInfo, WorkerInfo};
pub use peers::{PeerConnect, PeerConnected, PeerList, PeerView, SecureAddress, TriedAddress};
pub use pins::{
    PinFailure, PinFailureReason, PinObject, PinResults, PinState, RemotePinList, RemotePinService,
    RemotePinSetting, RemotePinView,
};
pub use problem::{Code, Problem};
pub use receipts::{Receipt, ReceiptOf, WayView};
pub use remotes::{CopiesView, RemoteList, RemoteRequest, RemoteView};
pub use requests::{
    Asked, DecidedView, RequestDetail, RequestList, RequestRequest, RequestStanding, RequestView,
    VoteDraftView, VoteRequest, VoteView, Waiting,
};
pub use sealed::{DeviceJwk, DeviceKeySet, KeyProof, SealedView};
pub use session::{
    AsksView, Challenge, ChallengeRequest, CoreAbilities, EndChallengeRequest, EndRequest, PasskeyResponse,
    SessionCreated, SessionEnded, SessionList, SessionRequest, SessionView,
};
pub use wallet::{SafeExecution, SafeStandingView, WalletRequestView};

/// Media type of problem documents (RFC 9457).
pub const PROBLEM_JSON: &str = "application/problem+json";
/// Media type of CAR files (IANA).
pub const CAR: &str = "application/vnd.ipld.car";
