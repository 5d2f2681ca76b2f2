//! What a core *is*: a signed, mergeable map from paths to values.
//!
//! This crate holds the rules of a core and nothing else: accounts and signatures, sign-in messages,
//! operations and their canonical bytes, authority, merge, and the steps by which two replicas become
//! equal. It is values only: no clock, randomness, files or sockets; time and entropy are arguments, so
//! every rule can be run by a test, a simulation or a stranger who checks an exported core.
//!
//! It is not: storage (`kubelt-store`), sessions and use cases (`kubelt-node`), content
//! (`kubelt-content`).
//!
//! Start at [`op`] (what is signed), then [`log`] (which operations count), then [`map`] (what they add
//! up to). [`replica`] puts them together in memory, [`sync`] makes two replicas equal, [`peer`] is what nodes say around it, [`verify`] checks a
//! core that somebody handed over, [`provenance`] where a single piece of content came from. [`words`] says what an operation does, and [`typed_data`] how a wallet is asked to sign it.
#![warn(missing_docs)]
#![cfg_attr(not(test), warn(clippy::indexing_slicing))]

pub mod abi;
pub mod ability;
pub mod account;
pub mod checkpoint;
pub mod codec;
pub mod eip712;
pub mod ens;
pub mod genesis;
pub mod hlc;
pub mod host_name;
pub mod host_record;
pub mod id;
pub mod invite;
pub mod limits;
pub mod log;
pub mod log_filter;
pub mod login;
pub mod map;
pub mod op;
pub mod path;
pub mod peer;
pub mod provenance;
pub mod recap;
pub mod replica;
mod rfc3339;
pub mod role;
pub mod safe;
pub mod schema;
pub mod session;
pub mod sign;
pub mod sign_in;
pub mod signature;
pub mod siwe;
pub mod sync;
pub mod typed_data;
mod uri;
pub mod verify;
pub mod webauthn;
pub mod words;

pub use ability::{Ability, PathPattern, Verb};
pub use account::{Account, AccountError, Principal, PublicKey};
pub use checkpoint::Checkpoint;
pub use codec::DecodeError;
pub use ens::{EnsName, EnsNameError};
pub use genesis::Genesis;
pub use hlc::Hlc;
pub use host_name::{HostName, HostNameError};
pub use host_record::HostRecord;
pub use id::{BodyId, CoreId, LoginId, OpId};
pub use log::{Batch, Entry, Inserted, Intent, Log, LoginFacts, Refusal};
pub use log_filter::{LogFilter, LogFilterError};
pub use login::{BlockRef, Login, Scheme};
pub use map::MapState;
pub use op::{Act, Body, Header, Holder, Signed};
pub use path::{MapPath, PathError};
pub use replica::Replica;
pub use role::Role;
pub use schema::{ContentEntry, SchemaError, Visibility};
pub use session::{CheckedLogin, LoginError, Outcome};
pub use sign::{EoaKey, PasskeyKey, SessionKey};
pub use sign_in::{SignIn, SignInError};
pub use signature::{
    ContractQuestion, ContractSignatures, ContractVerdict, SignatureError, Unchecked, Verdict,
};
