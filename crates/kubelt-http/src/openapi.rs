//! The API's description (OpenAPI 3.1), generated from the handlers and the wire types.
//!
//! Routes under `/@core` are dispatched by hand, since a core's address has any number of segments; they are
//! described here, one function each, and nothing else lives in them.

#![allow(dead_code, reason = "functions under `/@core` carry descriptions and are never called")]

use std::sync::LazyLock;

use kubelt_api::{
    CarReceipt, ContentReceipt, ContentRemoved, CoreMade, CoreUsage, CoreView, DecidedView, DeviceKeySet,
    DraftList, DraftRequest, GateList, GateTrial, Heads, HeirList, HostNameList, HostNameView, InviteList,
    Listing, MemberList, MirrorList, MirrorRequest, MirrorView, NamedCoreList, NewCoreRequest, OpPost,
    OpReceipt, OpReceipts, OpsPage, PinFailure, PinObject, PinResults, PinState, Possession,
    PossessionRequest, Problem, Receipt, RemoteList, RemotePinList, RemotePinSetting, RemoteRequest,
    RemoteView, RequestDetail, RequestList, RequestRequest, SealedView, StatePage, VoteRequest,
};
use serde_json::Value;
use utoipa::{
    Modify, OpenApi,
    openapi::{
        OpenApi as Document,
        security::{HttpAuthScheme, HttpBuilder, SecurityScheme},
    },
};

use crate::{delegated, ens_routes, member_routes, naming, node_routes, peer_routes, session_routes};

#[derive(OpenApi)]
#[openapi(
    info(title = "Kubelt node", description = "Cores: places of their own for wallets. Every `{core}` is an account (`0x…`), its name (`alice.eth`) or a core id (`bafy…`)."),
    paths(
        session_routes::challenge, session_routes::open, session_routes::list, session_routes::end_current,
        session_routes::end, session_routes::end_challenge, session_routes::end_signed,
        node_routes::healthz, node_routes::readyz, node_routes::info, node_routes::import,
        peer_routes::list, peer_routes::connect, delegated::of_content, delegated::of_peer,
        core_view, usage, published, put_content, get_content, delete_content, possession, upload_car, export_car,
        read_ops, post_ops, heads, events, state, set_state, clear_state, list_pins, add_pin, get_pin, replace_pin,
        remove_pin, list_remote_pins, set_remote_pin, remove_remote_pin, list_remotes, add_remote,
        remove_remote, sync_remote, list_mirrors, add_mirror, remove_mirror, list_cores, create_core, list_members, list_invites, list_heirs, draft_ops,
        list_requests, file_request, read_request, withdraw_request, approve_request, reject_request, finish_request,
        read_sealed, put_sealed, device_keys, proof,
        member_routes::own_invites, member_routes::heir_to, member_routes::accept, member_routes::roles, receipt, list_gates, check_gate, list_names, check_name, ipfs, ipns,
        wallet_rpc, wallet_socket, get_record, put_record, naming::resolve, ens_routes::resolve,
    ),
    components(schemas(Problem, Listing, kubelt_api::ContentVersions)),
    modifiers(&Bearer),
    tags(
        (name = "session", description = "Sign-in (EIP-4361 with ReCap, ERC-5573) and sessions"),
        (name = "content", description = "Content of a core"),
        (name = "sealed", description = "Content encrypted to public keys: the node has ciphertext only"),
        (name = "log", description = "The signed log of a core and what it adds up to"),
        (name = "cores", description = "Whole cores in and out"),
        (name = "pins", description = "The IPFS Pinning Service API 1.0.0: `/@{core}/-` is the endpoint to name to its clients"),
        (name = "members", description = "Cores of several people: members, roles and invites, and drafts of what accounts sign themselves"),
        (name = "remotes", description = "Other nodes that hold a core"),
        (name = "mirrors", description = "What other cores have published, kept and served by this node"),
        (name = "names", description = "IPNS records by delegated routing (Delegated Routing V1 HTTP API), and where names lead"),
        (name = "wallet", description = "What programs made for wallets ask of a core (JSON-RPC; EIP-1193, OpenRPC at `rpc.discover`)"),
        (name = "node", description = "The node itself"),
    )
)]
struct Api;

struct Bearer;

impl Modify for Bearer {
    fn modify(&self, document: &mut Document) {
        let scheme = HttpBuilder::new().scheme(HttpAuthScheme::Bearer).build();
        document
            .components
            .get_or_insert_default()
            .add_security_scheme("bearer", SecurityScheme::Http(scheme));
    }
}

/// The description as JSON.
pub fn openapi_json() -> String {
    Api::openapi().to_pretty_json().expect("the description is plain JSON")
}

/// The description.
pub(crate) fn document() -> &'static Value {
    static DOCUMENT: LazyLock<Value> =
        LazyLock::new(|| serde_json::to_value(Api::openapi()).expect("the description is plain JSON"));
    &DOCUMENT
}

#[utoipa::path(get, path = "/@{core}", tag = "cores", params(("core" = String, Path)),
    responses((status = 200, body = CoreView), (status = 404, body = Problem, content_type = "application/problem+json")))]
fn core_view() {}

#[utoipa::path(get, path = "/@{core}/{path}", tag = "content", params(("core" = String, Path), ("path" = String, Path)),
    responses(
        (status = 200, description = "the content, with `ETag` = CID", content_type = "application/octet-stream"),
        (status = 206, description = "the range asked for"), (status = 304, description = "not modified"),
        (status = 404, body = Problem, content_type = "application/problem+json"), (status = 416, body = Problem, content_type = "application/problem+json")))]
fn published() {}

#[utoipa::path(put, path = "/@{core}/-/content/{path}", tag = "content", security(("bearer" = [])),
    params(("core" = String, Path), ("path" = String, Path),
        ("visibility" = Option<String>, Query, description = "`public`, `members` or `private` (default)"),
        ("cid" = Option<String>, Query, description = "link a DAG whose blocks the core has uploaded, instead of sending a body")),
    request_body(content_type = "application/octet-stream", description = "the bytes of the file"),
    responses((status = 201, body = ContentReceipt), (status = "4XX", body = Problem, content_type = "application/problem+json")))]
fn put_content() {}

#[utoipa::path(get, path = "/@{core}/-/content/{path}", tag = "content",
    params(("core" = String, Path), ("path" = String, Path),
        ("list" = Option<String>, Query, description = "list what lies below the path (`Listing`)"),
        ("versions" = Option<String>, Query, description = "list the versions of the path (`ContentVersions`)"),
        ("cursor" = Option<String>, Query), ("limit" = Option<u32>, Query)),
    responses((status = 200, description = "the content, a `Listing` or `ContentVersions`"), (status = 404, body = Problem, content_type = "application/problem+json")))]
fn get_content() {}

#[utoipa::path(delete, path = "/@{core}/-/content/{path}", tag = "content", security(("bearer" = [])),
    params(("core" = String, Path), ("path" = String, Path)),
    responses((status = 200, body = ContentRemoved), (status = "4XX", body = Problem, content_type = "application/problem+json")))]
fn delete_content() {}

#[utoipa::path(get, path = "/@{core}/-/usage", tag = "cores", security(("bearer" = [])), params(("core" = String, Path)),
    responses((status = 200, body = CoreUsage), (status = 404, body = Problem, content_type = "application/problem+json")))]
fn usage() {}

#[utoipa::path(post, path = "/@{core}/-/possession", tag = "content", security(("bearer" = [])), params(("core" = String, Path)),
    request_body = PossessionRequest, responses((status = 200, body = Possession)))]
fn possession() {}

#[utoipa::path(post, path = "/@{core}/-/car", tag = "content", security(("bearer" = [])), params(("core" = String, Path)),
    request_body(content_type = "application/vnd.ipld.car", description = "blocks to upload"),
    responses((status = 201, body = CarReceipt), (status = "4XX", body = Problem, content_type = "application/problem+json")))]
fn upload_car() {}

#[utoipa::path(get, path = "/@{core}/-/car", tag = "cores", params(("core" = String, Path)),
    responses((status = 200, description = "the core as a CAR: all of it for its own people, the public part for others", content_type = "application/vnd.ipld.car")))]
fn export_car() {}

#[utoipa::path(get, path = "/@{core}/-/ops", tag = "log",
    params(("core" = String, Path), ("cursor" = Option<String>, Query), ("limit" = Option<u32>, Query),
        ("order" = Option<String>, Query, description = "`asc` (default) or `desc`")),
    responses((status = 200, body = OpsPage), (status = 404, body = Problem, content_type = "application/problem+json")))]
fn read_ops() {}

#[utoipa::path(post, path = "/@{core}/-/ops", tag = "log", params(("core" = String, Path)), request_body = OpPost,
    responses((status = 201, body = OpReceipts), (status = "4XX", body = Problem, content_type = "application/problem+json")))]
fn post_ops() {}

#[utoipa::path(get, path = "/@{core}/-/heads", tag = "log", params(("core" = String, Path)),
    responses((status = 200, body = Heads), (status = 404, body = Problem, content_type = "application/problem+json")))]
fn heads() {}

/// Tells that the core has changed, as soon as it has: server-sent events, each called `heads`, with what `/-/heads` says then as
/// its data. The first one says how it is now, unless `Last-Event-ID` says that this is known. It ends with the session, and when
/// the node stops.
#[utoipa::path(get, path = "/@{core}/-/events", tag = "log", security(("bearer" = [])),
    params(("core" = String, Path), ("Last-Event-ID" = Option<String>, Header, description = "the last event that was heard")),
    responses((status = 200, body = String, content_type = "text/event-stream"), (status = 404, body = Problem, content_type = "application/problem+json")))]
fn events() {}

#[utoipa::path(get, path = "/@{core}/-/state/{prefix}", tag = "log",
    params(("core" = String, Path), ("prefix" = String, Path), ("cursor" = Option<String>, Query), ("limit" = Option<u32>, Query)),
    responses((status = 200, body = StatePage), (status = 404, body = Problem, content_type = "application/problem+json")))]
fn state() {}

#[utoipa::path(put, path = "/@{core}/-/state/{path}", tag = "log",
    params(("core" = String, Path), ("path" = String, Path, description = "a path of the map other than content, such as `config/exposure`")),
    request_body(content = serde_json::Value, description = "the value, as dag-json"),
    responses((status = 200, body = OpReceipt), (status = "4XX", body = Problem, content_type = "application/problem+json")))]
fn set_state() {}

#[utoipa::path(delete, path = "/@{core}/-/state/{path}", tag = "log",
    params(("core" = String, Path), ("path" = String, Path)),
    responses((status = 200, body = OpReceipt), (status = "4XX", body = Problem, content_type = "application/problem+json")))]
fn clear_state() {}

#[utoipa::path(post, path = "/@{core}/-/rpc", tag = "wallet", security(("bearer" = [])),
    params(("core" = String, Path), ("chain" = Option<u64>, Query, description = "the chain that is meant (EIP-155 id)")),
    request_body(content = serde_json::Value, description = "a call of JSON-RPC 2.0, or up to 100 of them"),
    responses((status = 200, description = "what is answered, errors included"), (status = 404, body = Problem, content_type = "application/problem+json")))]
fn wallet_rpc() {}

/// Opens a WebSocket for the same calls, and for subscriptions.
#[utoipa::path(get, path = "/@{core}/-/rpc", tag = "wallet", security(("bearer" = [])),
    params(("core" = String, Path), ("chain" = Option<u64>, Query, description = "the chain that is meant (EIP-155 id)"),
        ("token" = Option<String>, Query, description = "the bearer token, for clients whose sockets can send no `Authorization`")),
    responses((status = 101, description = "each message is a call, a batch of calls, or what is answered to one"), (status = 404, body = Problem, content_type = "application/problem+json")))]
fn wallet_socket() {}

#[utoipa::path(get, path = "/@{core}/-/pins", tag = "pins", security(("bearer" = [])),
    params(("core" = String, Path),
        ("cid" = Option<String>, Query, description = "10 CIDs at most, with commas between"),
        ("name" = Option<String>, Query),
        ("match" = Option<String>, Query, description = "`exact` (default), `iexact`, `partial` or `ipartial`"),
        ("status" = Option<String>, Query, description = "`queued`, `pinning`, `pinned`, `failed`, with commas between; without it a plain list holds what is pinned"),
        ("before" = Option<String>, Query), ("after" = Option<String>, Query),
        ("limit" = Option<u32>, Query, description = "1 to 1000, 10 by default"),
        ("meta" = Option<String>, Query, description = "a JSON object of texts")),
    responses((status = 200, body = PinResults), (status = "4XX", body = PinFailure)))]
fn list_pins() {}

#[utoipa::path(post, path = "/@{core}/-/pins", tag = "pins", security(("bearer" = [])), params(("core" = String, Path)),
    request_body = PinObject, responses((status = 202, body = PinState), (status = "4XX", body = PinFailure)))]
fn add_pin() {}

#[utoipa::path(get, path = "/@{core}/-/pins/{requestid}", tag = "pins", security(("bearer" = [])),
    params(("core" = String, Path), ("requestid" = String, Path)),
    responses((status = 200, body = PinState), (status = "4XX", body = PinFailure)))]
fn get_pin() {}

#[utoipa::path(post, path = "/@{core}/-/pins/{requestid}", tag = "pins", security(("bearer" = [])),
    params(("core" = String, Path), ("requestid" = String, Path)),
    request_body = PinObject, responses((status = 202, body = PinState), (status = "4XX", body = PinFailure)))]
fn replace_pin() {}

#[utoipa::path(delete, path = "/@{core}/-/pins/{requestid}", tag = "pins", security(("bearer" = [])),
    params(("core" = String, Path), ("requestid" = String, Path)),
    responses((status = 202), (status = "4XX", body = PinFailure)))]
fn remove_pin() {}

/// Lists the other nodes that hold the core, and how far it is with each.
#[utoipa::path(get, path = "/@{core}/-/remotes", tag = "remotes", security(("bearer" = [])), params(("core" = String, Path)),
    responses((status = 200, body = RemoteList), (status = "4XX", body = Problem, content_type = "application/problem+json")))]
fn list_remotes() {}

/// Exchanges the core with another node, from now on. Answers when both have all of it, or after a while.
#[utoipa::path(post, path = "/@{core}/-/remotes", tag = "remotes", security(("bearer" = [])), params(("core" = String, Path)),
    request_body = RemoteRequest,
    responses((status = 201, body = RemoteView), (status = "4XX", body = Problem, content_type = "application/problem+json"),
        (status = 502, body = Problem, content_type = "application/problem+json")))]
fn add_remote() {}

/// Exchanges the core with a node no more, and clears it from the core's hosts.
#[utoipa::path(delete, path = "/@{core}/-/remotes/{peer}", tag = "remotes", security(("bearer" = [])),
    params(("core" = String, Path), ("peer" = String, Path, description = "the node's peer id")),
    responses((status = 204), (status = "4XX", body = Problem, content_type = "application/problem+json")))]
fn remove_remote() {}

/// Connects to the node now if it is not connected. Answers when both have all of the core, or after a while.
#[utoipa::path(post, path = "/@{core}/-/remotes/{peer}/sync", tag = "remotes", security(("bearer" = [])),
    params(("core" = String, Path), ("peer" = String, Path, description = "the node's peer id")),
    responses((status = 200, body = RemoteView), (status = "4XX", body = Problem, content_type = "application/problem+json"),
        (status = 502, body = Problem, content_type = "application/problem+json")))]
fn sync_remote() {}

/// Lists what the node mirrors for the account, and how far each is.
#[utoipa::path(get, path = "/@{core}/-/mirrors", tag = "mirrors", security(("bearer" = [])),
    params(("core" = String, Path, description = "the account's own core")),
    responses((status = 200, body = MirrorList), (status = "4XX", body = Problem, content_type = "application/problem+json")))]
fn list_mirrors() {}

/// Mirrors what another core has published, from now on. Answers when all of it is here, or after a while.
#[utoipa::path(post, path = "/@{core}/-/mirrors", tag = "mirrors", security(("bearer" = [])),
    params(("core" = String, Path, description = "the account's own core")), request_body = MirrorRequest,
    responses((status = 201, body = MirrorView), (status = "4XX", body = Problem, content_type = "application/problem+json"),
        (status = 502, body = Problem, content_type = "application/problem+json")))]
fn add_mirror() {}

/// Mirrors a core no more. Where nobody else mirrors it, nothing of it is served when this answers.
#[utoipa::path(delete, path = "/@{core}/-/mirrors/{mirrored}", tag = "mirrors", security(("bearer" = [])),
    params(("core" = String, Path, description = "the account's own core"),
        ("mirrored" = String, Path, description = "the core that is mirrored")),
    responses((status = 204), (status = "4XX", body = Problem, content_type = "application/problem+json")))]
fn remove_mirror() {}

/// Tries on each way out whether a stranger can fetch what stands at a path, and says at which step it fails. As NDJSON
/// (`Accept: application/x-ndjson`) the first line says what it is about, each further one is a way, as soon as it is known.
#[utoipa::path(get, path = "/@{core}/-/receipts/{path}", tag = "content", security(("bearer" = [])),
    params(("core" = String, Path), ("path" = String, Path)),
    responses((status = 200, body = Receipt), (status = "4XX", body = Problem, content_type = "application/problem+json")))]
fn receipt() {}

/// Proves where the content at a path came from: which core, which signer, by which authority. A dag-cbor block, to be checked
/// without the node (`kubelt verify`).
#[utoipa::path(get, path = "/@{core}/-/proofs/{path}", tag = "content", security((), ("bearer" = [])),
    params(("core" = String, Path), ("path" = String, Path)),
    responses((status = 200, content_type = "application/vnd.ipld.dag-cbor"), (status = "4XX", body = Problem, content_type = "application/problem+json")))]
fn proof() {}

/// Says who can open the sealed content at a path, and in which form it is.
#[utoipa::path(get, path = "/@{core}/-/sealed/{path}", tag = "sealed", security((), ("bearer" = [])),
    params(("core" = String, Path), ("path" = String, Path)),
    responses((status = 200, body = SealedView), (status = "4XX", body = Problem, content_type = "application/problem+json")))]
fn read_sealed() {}

/// Puts sealed content at a path: a content entry with its `encryption`, as dag-json. The core has uploaded its blocks before.
/// `If-Match` guards against another write in between. Versions that were sealed before are not kept.
#[utoipa::path(put, path = "/@{core}/-/sealed/{path}", tag = "sealed", security(("bearer" = [])),
    params(("core" = String, Path), ("path" = String, Path)),
    request_body(content = serde_json::Value, description = "the entry, as dag-json (`spec/sealed.md`)"),
    responses((status = 201, body = ContentReceipt), (status = "4XX", body = Problem, content_type = "application/problem+json")))]
fn put_sealed() {}

/// The public keys of a core's devices, for anybody: a JSON Web Key Set, each key with the operation by which the account
/// itself published it.
#[utoipa::path(get, path = "/@{core}/-/keys", tag = "sealed", params(("core" = String, Path)),
    responses((status = 200, body = DeviceKeySet), (status = "4XX", body = Problem, content_type = "application/problem+json")))]
fn device_keys() {}

/// Lists the gates of a core: all of them to its members, to others those that are shown. They are set in the map, as
/// `gates/{name}`.
#[utoipa::path(get, path = "/@{core}/-/gates", tag = "content", security((), ("bearer" = [])), params(("core" = String, Path)),
    responses((status = 200, body = GateList), (status = "4XX", body = Problem, content_type = "application/problem+json")))]
fn list_gates() {}

/// Tells whether an account passes a gate, and why not: members ask about anybody, others about themselves.
#[utoipa::path(get, path = "/@{core}/-/gates/{name}/check", tag = "content", security(("bearer" = [])),
    params(("core" = String, Path), ("name" = String, Path),
        ("account" = Option<String>, Query, description = "the account; your own when absent")),
    responses((status = 200, body = GateTrial), (status = "4XX", body = Problem, content_type = "application/problem+json")))]
fn check_gate() {}

/// Lists the host names that a core binds, to its own people. They are bound in the map, as `names/{host}`.
#[utoipa::path(get, path = "/@{core}/-/names", tag = "names", security(("bearer" = [])), params(("core" = String, Path)),
    responses((status = 200, body = HostNameList), (status = "4XX", body = Problem, content_type = "application/problem+json")))]
fn list_names() {}

/// Asks the DNS about a host now, and says which record would prove it.
#[utoipa::path(get, path = "/@{core}/-/names/{host}/check", tag = "names", security(("bearer" = [])),
    params(("core" = String, Path), ("host" = String, Path)),
    responses((status = 200, body = HostNameView), (status = "4XX", body = Problem, content_type = "application/problem+json")))]
fn check_name() {}

/// Lists the cores that the core names, with what you are in each: to strangers the children that publish something.
#[utoipa::path(get, path = "/@{core}/-/cores", tag = "members", security(("bearer" = [])), params(("core" = String, Path)),
    responses((status = 200, body = NamedCoreList), (status = "4XX", body = Problem, content_type = "application/problem+json")))]
fn list_cores() {}

/// Makes a shared core: inside your private core, or as a child of the core. It is dead until its root has signed a first
/// operation.
#[utoipa::path(post, path = "/@{core}/-/cores", tag = "members", security(("bearer" = [])), params(("core" = String, Path)),
    request_body = NewCoreRequest,
    responses((status = 201, body = CoreMade), (status = "4XX", body = Problem, content_type = "application/problem+json")))]
fn create_core() {}

/// Lists who has which part in the core, for those who have one.
#[utoipa::path(get, path = "/@{core}/-/members", tag = "members", security(("bearer" = [])), params(("core" = String, Path)),
    responses((status = 200, body = MemberList), (status = "4XX", body = Problem, content_type = "application/problem+json")))]
fn list_members() {}

/// Lists the grants to single accounts, each with the link to send.
#[utoipa::path(get, path = "/@{core}/-/invites", tag = "members", security(("bearer" = [])), params(("core" = String, Path)),
    responses((status = 200, body = InviteList), (status = "4XX", body = Problem, content_type = "application/problem+json")))]
fn list_invites() {}

/// Lists the heirs of a private core, and which of them claim it: all for who may hold a copy, and for an heir itself.
#[utoipa::path(get, path = "/@{core}/-/heirs", tag = "members", security(("bearer" = [])), params(("core" = String, Path)),
    responses((status = 200, body = HeirList), (status = 404, body = Problem, content_type = "application/problem+json")))]
fn list_heirs() {}

/// Drafts operations for the account itself to sign; each is then posted to `ops`.
#[utoipa::path(post, path = "/@{core}/-/drafts", tag = "members", security(("bearer" = [])), params(("core" = String, Path)),
    request_body = DraftRequest,
    responses((status = 200, body = DraftList), (status = "4XX", body = Problem, content_type = "application/problem+json")))]
fn draft_ops() {}

/// Lists what waits: for others to agree, of what you have a part in; for a signer, of what programs asked the core's wallet for.
#[utoipa::path(get, path = "/@{core}/-/requests", tag = "members", security(("bearer" = [])), params(("core" = String, Path)),
    responses((status = 200, body = RequestList), (status = "4XX", body = Problem, content_type = "application/problem+json")))]
fn list_requests() {}

/// Asks those who share your authority to agree to something.
#[utoipa::path(post, path = "/@{core}/-/requests", tag = "members", security(("bearer" = [])), params(("core" = String, Path)),
    request_body = RequestRequest,
    responses((status = 201, body = RequestList), (status = "4XX", body = Problem, content_type = "application/problem+json")))]
fn file_request() {}

/// Says how a request stands, and gives the votes that your account could sign.
#[utoipa::path(get, path = "/@{core}/-/requests/{id}", tag = "members", security(("bearer" = [])),
    params(("core" = String, Path), ("id" = String, Path)),
    responses((status = 200, body = RequestDetail), (status = "4XX", body = Problem, content_type = "application/problem+json")))]
fn read_request() {}

/// Withdraws a request of your own.
#[utoipa::path(delete, path = "/@{core}/-/requests/{id}", tag = "members", security(("bearer" = [])),
    params(("core" = String, Path), ("id" = String, Path)),
    responses((status = 204), (status = "4XX", body = Problem, content_type = "application/problem+json")))]
fn withdraw_request() {}

/// Approves a request: with a vote that your account signed, or, on content, by the session; with the signature that a program
/// asked for.
#[utoipa::path(post, path = "/@{core}/-/requests/{id}/approve", tag = "members", security(("bearer" = [])),
    params(("core" = String, Path), ("id" = String, Path)), request_body = VoteRequest,
    responses((status = 200, body = DecidedView), (status = "4XX", body = Problem, content_type = "application/problem+json")))]
fn approve_request() {}

/// Declines a request, in the same ways.
#[utoipa::path(post, path = "/@{core}/-/requests/{id}/reject", tag = "members", security(("bearer" = [])),
    params(("core" = String, Path), ("id" = String, Path)), request_body = VoteRequest,
    responses((status = 200, body = DecidedView), (status = "4XX", body = Problem, content_type = "application/problem+json")))]
fn reject_request() {}

/// Does what enough agree to, for its proposer: content by the session, anything else as a draft to sign.
#[utoipa::path(post, path = "/@{core}/-/requests/{id}/finish", tag = "members", security(("bearer" = [])),
    params(("core" = String, Path), ("id" = String, Path)),
    responses((status = 200, body = DecidedView), (status = "4XX", body = Problem, content_type = "application/problem+json")))]
fn finish_request() {}

#[utoipa::path(get, path = "/@{core}/-/pinning", tag = "pins", security(("bearer" = [])), params(("core" = String, Path)),
    responses((status = 200, body = RemotePinList), (status = "4XX", body = Problem, content_type = "application/problem+json")))]
fn list_remote_pins() {}

#[utoipa::path(put, path = "/@{core}/-/pinning/{name}", tag = "pins", security(("bearer" = [])),
    params(("core" = String, Path), ("name" = String, Path)), request_body = RemotePinSetting,
    responses((status = 204), (status = "4XX", body = Problem, content_type = "application/problem+json")))]
fn set_remote_pin() {}

#[utoipa::path(delete, path = "/@{core}/-/pinning/{name}", tag = "pins", security(("bearer" = [])),
    params(("core" = String, Path), ("name" = String, Path)),
    responses((status = 204), (status = "4XX", body = Problem, content_type = "application/problem+json")))]
fn remove_remote_pin() {}

#[utoipa::path(get, path = "/ipfs/{cid}", tag = "content", params(("cid" = String, Path, description = "a CID, and a path below it")),
    responses((status = 200, description = "published content, verified by its hash when it was stored"), (status = 404, body = Problem, content_type = "application/problem+json")))]
fn ipfs() {}

#[utoipa::path(get, path = "/ipns/{name}", tag = "content",
    params(("name" = String, Path, description = "an IPNS name or a DNS name with a DNSLink, and a path below it")),
    responses((status = 200, description = "published content, or with `format=ipns-record` the record of the name"),
        (status = 404, description = "nothing there"), (status = 502, description = "the name leads nowhere")))]
fn ipns() {}

#[utoipa::path(get, path = "/routing/v1/ipns/{name}", tag = "names", params(("name" = String, Path)),
    responses((status = 200, content_type = "application/vnd.ipfs.ipns-record", description = "the best valid record"),
        (status = 404, description = "none is known here"), (status = "4XX", body = Problem, content_type = "application/problem+json")))]
fn get_record() {}

#[utoipa::path(put, path = "/routing/v1/ipns/{name}", tag = "names", params(("name" = String, Path)),
    request_body(content_type = "application/vnd.ipfs.ipns-record", description = "a valid record, 10 KiB at most"),
    responses((status = 200, description = "kept"), (status = 409, description = "a better one is here"), (status = "4XX", body = Problem, content_type = "application/problem+json")))]
fn put_record() {}
