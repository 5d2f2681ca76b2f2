//! One method for each route that the command line uses.

use std::io::{self, BufRead as _, BufReader, Read};

use kubelt_api::{
    AcceptRequest, AcceptedView, CAR, CarReceipt, Challenge, ChallengeRequest, ContentReceipt,
    ContentRemoved, ContentVersions, CoreImport, CoreMade, CoreUsage, CoreView, DecidedView, DeviceKeySet,
    DraftList, DraftRequest, DraftView, EndChallengeRequest, EndRequest, EnsView, GateList, GateTrial,
    Health, HeirList, HostNameList, HostNameView, InviteList, Listing, MemberList, MirrorList, MirrorRequest,
    MirrorView, NameView, NamedCoreList, NewCoreRequest, OpPost, OpPostEntry, OpReceipt, OpReceipts, OpsPage,
    OwnInviteList, PeerConnect, PeerConnected, PeerList, Possession, PossessionRequest, Receipt, ReceiptOf,
    RemoteList, RemotePinList, RemotePinSetting, RemoteRequest, RemoteView, RequestDetail, RequestList,
    RequestRequest, SealedView, SessionCreated, SessionEnded, SessionList, SessionRequest, StateEntry,
    StatePage, Visibility, VoteRequest, Waiting, WayView, Wish,
};
use kubelt_content::limits::IPNS_RECORD_BYTES_MAX;
use kubelt_core::EnsName;
use ureq::Body;
use ureq::SendBody;
use ureq::http::{Method, Response, StatusCode, header, request};

use super::place::encode_query;
use super::{Client, ClientError, CorePlace, Download, Watched};
use crate::limits::{JSON_BYTES_MAX, PAGE_ENTRIES_MAX};

/// Long bodies are sent once the node wants them: a refusal should be heard before a gigabyte is on its way.
const FIRST_ASK: &str = "100-continue";

/// The media type of IPNS records.
const IPNS_RECORD: &str = "application/vnd.ipfs.ipns-record";

/// Bytes to send: where they come from, and how many they are where that is known.
#[derive(Debug)]
pub(crate) struct Sending<R> {
    pub(crate) reader: R,
    pub(crate) bytes: Option<u64>,
    pub(crate) media_type: Option<String>,
}

/// A DAG to put at a path.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Link<'a> {
    pub(crate) cid: &'a str,
    /// Whether blocks of it may be missing.
    pub(crate) partial: bool,
}

impl Client {
    /// Whether the node is alive.
    pub(crate) fn health(&self) -> Result<Health, ClientError> {
        self.get_json("/healthz")
    }

    /// The node's peers; for its operator.
    pub(crate) fn peers(&self) -> Result<PeerList, ClientError> {
        self.get_json("/-/peers")
    }

    /// Lets the node connect to a peer; for its operator.
    pub(crate) fn connect_peer(&self, address: &str) -> Result<PeerConnected, ClientError> {
        self.post_json("/-/peers", &PeerConnect { address: address.to_owned() })
    }

    /// Asks for a message to sign.
    pub(crate) fn challenge(&self, request: &ChallengeRequest) -> Result<Challenge, ClientError> {
        self.post_json("/-/session/challenge", request)
    }

    /// Begins a session with a signed message.
    pub(crate) fn begin_session(&self, request: &SessionRequest) -> Result<SessionCreated, ClientError> {
        self.post_json("/-/session", request)
    }

    /// Every session of the account that asks.
    pub(crate) fn sessions(&self) -> Result<SessionList, ClientError> {
        self.get_json("/-/session")
    }

    /// Ends the session that asks, or another of the same account.
    pub(crate) fn end_session(&self, id: Option<&str>) -> Result<SessionEnded, ClientError> {
        let path = id.map_or("/-/session".to_owned(), |id| format!("/-/session/{}", encode_query(id)));
        self.what_is_left(self.send(self.request(Method::DELETE, &path), SendBody::none())?)
    }

    fn what_is_left(&self, response: Response<Body>) -> Result<SessionEnded, ClientError> {
        match response.status() {
            StatusCode::NO_CONTENT => Ok(SessionEnded::default()),
            _ => self.read_json(response),
        }
    }

    /// Asks for a message that ends a session when the wallet signs it.
    pub(crate) fn end_challenge(&self, request: &EndChallengeRequest) -> Result<Challenge, ClientError> {
        self.post_json("/-/session/end/challenge", request)
    }

    /// Ends a session with the wallet's signature.
    pub(crate) fn end_session_by_wallet(&self, request: &EndRequest) -> Result<SessionEnded, ClientError> {
        self.what_is_left(self.post("/-/session/end", request)?)
    }

    /// Makes a shared core inside another.
    pub(crate) fn create_core(
        &self,
        inside: &CorePlace,
        request: &NewCoreRequest,
    ) -> Result<CoreMade, ClientError> {
        self.post_json(&inside.api("cores"), request)
    }

    /// The cores that a core names.
    pub(crate) fn named_cores(&self, core: &CorePlace) -> Result<NamedCoreList, ClientError> {
        self.get_json(&core.api("cores"))
    }

    /// Who has which part in a core.
    pub(crate) fn members(&self, core: &CorePlace) -> Result<MemberList, ClientError> {
        self.get_json(&core.api("members"))
    }

    /// The invites of a core, with their links.
    pub(crate) fn invites(&self, core: &CorePlace) -> Result<InviteList, ClientError> {
        self.get_json(&core.api("invites"))
    }

    /// The invites that wait for whoever asks.
    pub(crate) fn own_invites(&self) -> Result<OwnInviteList, ClientError> {
        self.get_json("/-/invites")
    }

    /// The heirs of a core, as far as whoever asks may know them.
    pub(crate) fn heirs(&self, core: &CorePlace) -> Result<HeirList, ClientError> {
        self.get_json(&core.api("heirs"))
    }

    /// What whoever asks is heir to.
    pub(crate) fn heir_to(&self) -> Result<HeirList, ClientError> {
        self.get_json("/-/heirs")
    }

    /// Accepts an invite.
    pub(crate) fn accept(&self, request: &AcceptRequest) -> Result<AcceptedView, ClientError> {
        self.post_json("/-/invites", request)
    }

    /// Operations for the account to sign itself.
    pub(crate) fn drafts(&self, core: &CorePlace, act: &Wish) -> Result<Vec<DraftView>, ClientError> {
        let request = DraftRequest { act: act.clone() };
        self.post_json::<DraftList>(&core.api("drafts"), &request).map(|list| list.drafts)
    }

    /// Posts operations that were signed here.
    pub(crate) fn post_ops(
        &self,
        core: &CorePlace,
        ops: Vec<OpPostEntry>,
    ) -> Result<Vec<OpReceipt>, ClientError> {
        self.post_json::<OpReceipts>(&core.api("ops"), &OpPost { ops }).map(|receipts| receipts.ops)
    }

    /// What waits for others to agree, or for a signer.
    pub(crate) fn requests(&self, core: &CorePlace) -> Result<RequestList, ClientError> {
        self.get_json(&core.api("requests"))
    }

    /// One request, and the votes that the account could sign.
    pub(crate) fn pending(&self, core: &CorePlace, id: &str) -> Result<RequestDetail, ClientError> {
        self.get_json(&core.api(&format!("requests/{}", encode_query(id))))
    }

    /// Asks others to agree.
    pub(crate) fn ask(
        &self,
        core: &CorePlace,
        request: &RequestRequest,
    ) -> Result<Vec<Waiting>, ClientError> {
        self.post_json::<RequestList>(&core.api("requests"), request).map(|list| list.requests)
    }

    /// Decides a request, or finishes it: `approve`, `reject` or `finish`.
    pub(crate) fn decide(
        &self,
        core: &CorePlace,
        id: &str,
        word: &str,
        said: &VoteRequest,
    ) -> Result<DecidedView, ClientError> {
        self.post_json(&core.api(&format!("requests/{}/{word}", encode_query(id))), said)
    }

    /// Withdraws a request.
    pub(crate) fn withdraw(&self, core: &CorePlace, id: &str) -> Result<(), ClientError> {
        let route = core.api(&format!("requests/{}", encode_query(id)));
        self.send(self.request(Method::DELETE, &route), SendBody::none()).map(drop)
    }

    /// A core as this reader may know it.
    pub(crate) fn core(&self, core: &CorePlace) -> Result<CoreView, ClientError> {
        self.get_json(&core.published(""))
    }

    /// Which account an ENS name leads to.
    pub(crate) fn ens(&self, name: &EnsName) -> Result<EnsView, ClientError> {
        self.get_json(&format!("/-/ens/{}", encode_query(name.as_str())))
    }

    /// Where a name leads.
    pub(crate) fn resolve(&self, name: &str) -> Result<NameView, ClientError> {
        self.get_json(&format!("/-/resolve/{}", encode_query(name)))
    }

    /// The record of an IPNS name.
    pub(crate) fn record(&self, name: &str) -> Result<Vec<u8>, ClientError> {
        let request = self.request(Method::GET, &record_path(name)).header(header::ACCEPT, IPNS_RECORD);
        self.read_bytes(self.send(request, SendBody::none())?, IPNS_RECORD_BYTES_MAX as u64)
    }

    /// Brings the record of an IPNS name.
    pub(crate) fn put_record(&self, name: &str, record: &[u8]) -> Result<(), ClientError> {
        let request = self
            .request(Method::PUT, &record_path(name))
            .header(header::CONTENT_TYPE, IPNS_RECORD)
            .header(header::CONTENT_LENGTH, record.len());
        self.send(request, SendBody::from_reader(&mut &*record)).map(drop)
    }

    /// Writes a file in one stream.
    pub(crate) fn put_stream(
        &self,
        core: &CorePlace,
        path: &str,
        visibility: Visibility,
        sending: Sending<impl Read>,
    ) -> Result<ContentReceipt, ClientError> {
        let route = format!("{}?visibility={}", core.content(path), visibility.as_str());
        let request = self.request(Method::PUT, &route).header(header::EXPECT, FIRST_ASK);
        let response = self.send_reader(request, sending)?;
        self.read_json(response)
    }

    /// Puts a DAG that the core possesses at a path.
    pub(crate) fn link(
        &self,
        core: &CorePlace,
        path: &str,
        visibility: Visibility,
        media_type: Option<&str>,
        link: &Link<'_>,
    ) -> Result<ContentReceipt, ClientError> {
        let (route, cid) = (core.content(path), encode_query(link.cid));
        let partial = if link.partial { "&partial=allow" } else { "" };
        let route = format!("{route}?cid={cid}&visibility={}{partial}", visibility.as_str());
        let mut request = self.request(Method::PUT, &route).header(header::CONTENT_LENGTH, 0);
        if let Some(media_type) = media_type {
            request = request.header(header::CONTENT_TYPE, media_type);
        }
        let response = self.send(request, SendBody::from_reader(&mut std::io::empty()))?;
        self.read_json(response)
    }

    /// Who can open the sealed content at a path.
    pub(crate) fn sealed(&self, core: &CorePlace, path: &str) -> Result<SealedView, ClientError> {
        self.get_json(&core.sealed(path))
    }

    /// Puts sealed content at a path: an entry as dag-json. Where `expected` is given, that CID must be there now.
    pub(crate) fn put_sealed(
        &self,
        core: &CorePlace,
        path: &str,
        entry: &[u8],
        expected: Option<&str>,
    ) -> Result<ContentReceipt, ClientError> {
        let mut request =
            self.request(Method::PUT, &core.sealed(path)).header(header::CONTENT_LENGTH, entry.len());
        if let Some(cid) = expected {
            request = request.header(header::IF_MATCH, format!("\"{cid}\""));
        }
        let mut entry = entry;
        let response = self.send(request, SendBody::from_reader(&mut entry))?;
        self.read_json(response)
    }

    /// The public keys of a core's devices.
    pub(crate) fn device_keys(&self, core: &CorePlace) -> Result<DeviceKeySet, ClientError> {
        self.get_json(&core.api("keys"))
    }

    /// The proof of where the content at a path came from.
    pub(crate) fn proof(&self, core: &CorePlace, path: &str) -> Result<Vec<u8>, ClientError> {
        let response = self.send(self.request(Method::GET, &core.proof(path)), SendBody::none())?;
        self.read_bytes(response, kubelt_core::limits::PROVENANCE_BYTES_MAX as u64)
    }

    /// All blocks of what is published at a path, as a CAR.
    pub(crate) fn published_car(&self, core: &CorePlace, path: &str) -> Result<Download, ClientError> {
        self.download(self.request(Method::GET, &format!("{}?format=car", core.published(path))))
    }

    /// Clears a path.
    pub(crate) fn remove(&self, core: &CorePlace, path: &str) -> Result<ContentRemoved, ClientError> {
        self.read_json(self.send(self.request(Method::DELETE, &core.content(path)), SendBody::none())?)
    }

    /// What a core uses, and what its content needs of that.
    pub(crate) fn usage(&self, core: &CorePlace) -> Result<CoreUsage, ClientError> {
        self.get_json(&core.api("usage"))
    }

    /// The state at and below a path of the map, every page of it.
    pub(crate) fn whole_state(&self, core: &CorePlace, path: &str) -> Result<Vec<StateEntry>, ClientError> {
        let route = format!("{}?limit={PAGE_ENTRIES_MAX}", core.state(path));
        let mut page: StatePage = self.get_json(&route)?;
        let mut entries = std::mem::take(&mut page.entries);
        while let Some(cursor) = page.next.take() {
            page = self.get_json(&with_cursor(route.clone(), Some(&cursor)))?;
            entries.append(&mut page.entries);
        }
        Ok(entries)
    }

    /// Sets a value of the map that is not content.
    pub(crate) fn set_state(
        &self,
        core: &CorePlace,
        path: &str,
        value: &serde_json::Value,
    ) -> Result<OpReceipt, ClientError> {
        let body = serde_json::to_vec(value).expect("JSON is written as it was read");
        let request = self.request(Method::PUT, &core.state(path));
        let response = self.send(request, SendBody::from_reader(&mut body.as_slice()))?;
        self.read_json(response)
    }

    /// Clears a path of the map that is not content.
    pub(crate) fn clear_state(&self, core: &CorePlace, path: &str) -> Result<OpReceipt, ClientError> {
        let response = self.send(self.request(Method::DELETE, &core.state(path)), SendBody::none())?;
        self.read_json(response)
    }

    /// The gates of a core, as far as whoever asks may know them.
    pub(crate) fn gates(&self, core: &CorePlace) -> Result<GateList, ClientError> {
        self.get_json(&core.api("gates"))
    }

    /// The host names that a core binds.
    pub(crate) fn host_names(&self, core: &CorePlace) -> Result<HostNameList, ClientError> {
        self.get_json(&core.api("names"))
    }

    /// Has the node ask the DNS about a host name.
    pub(crate) fn check_host_name(&self, core: &CorePlace, host: &str) -> Result<HostNameView, ClientError> {
        self.get_json(&core.api(&format!("names/{host}/check")))
    }

    /// How an account fares at a gate; one's own, where none is named.
    pub(crate) fn check_gate(
        &self,
        core: &CorePlace,
        name: &str,
        account: Option<&str>,
    ) -> Result<GateTrial, ClientError> {
        let (name, account) = (encode_query(name), account.map(encode_query));
        let query = account.map(|account| format!("?account={account}")).unwrap_or_default();
        self.get_json(&core.api(&format!("gates/{name}/check{query}")))
    }

    /// Whether strangers can fetch what stands at a path.
    pub(crate) fn receipt(&self, core: &CorePlace, path: &str) -> Result<Receipt, ClientError> {
        self.get_json(&core.receipts(path))
    }

    /// The same, first what it is about, then each way as soon as it was tried.
    pub(crate) fn receipt_in_lines(
        &self,
        core: &CorePlace,
        path: &str,
    ) -> Result<(ReceiptOf, impl Iterator<Item = Result<WayView, ClientError>>), ClientError> {
        let request = self.request(Method::GET, &core.receipts(path));
        let request = request.header(header::ACCEPT, "application/x-ndjson");
        let body = self.send(request, SendBody::none())?.into_body().into_reader();
        let mut lines = BufReader::new(body.take(JSON_BYTES_MAX)).lines();
        let unreadable = |error: Box<dyn std::error::Error + Send + Sync>| {
            let source = io::Error::other(error);
            ClientError::Unreadable { node: self.node.clone(), source: Box::new(source.into()) }
        };
        let first =
            lines.next().unwrap_or_else(|| Ok(String::new())).map_err(|error| unreadable(error.into()))?;
        let of = serde_json::from_str(&first).map_err(|error| unreadable(error.into()))?;
        let read = move |line: io::Result<String>| {
            serde_json::from_str(&line.map_err(|error| unreadable(error.into()))?)
                .map_err(|error| unreadable(error.into()))
        };
        Ok((of, lines.map(read)))
    }

    /// The other nodes that hold a core.
    pub(crate) fn remotes(&self, core: &CorePlace) -> Result<RemoteList, ClientError> {
        self.get_json(&core.api("remotes"))
    }

    /// Exchanges a core with another node from now on.
    pub(crate) fn add_remote(
        &self,
        core: &CorePlace,
        request: &RemoteRequest,
    ) -> Result<RemoteView, ClientError> {
        self.post_json(&core.api("remotes"), request)
    }

    /// Waits until another node and this one have the same, for a while.
    pub(crate) fn sync_remote(&self, core: &CorePlace, peer: &str) -> Result<RemoteView, ClientError> {
        self.post_json(&core.api(&format!("remotes/{}/sync", encode_query(peer))), &())
    }

    /// What the node mirrors for an account, whose core this is.
    pub(crate) fn mirrors(&self, own: &CorePlace) -> Result<MirrorList, ClientError> {
        self.get_json(&own.api("mirrors"))
    }

    /// Mirrors what another core has published.
    pub(crate) fn add_mirror(
        &self,
        own: &CorePlace,
        request: &MirrorRequest,
    ) -> Result<MirrorView, ClientError> {
        self.post_json(&own.api("mirrors"), request)
    }

    /// Mirrors a core no more.
    pub(crate) fn remove_mirror(&self, own: &CorePlace, core: &str) -> Result<(), ClientError> {
        let route = own.api(&format!("mirrors/{}", encode_query(core)));
        self.send(self.request(Method::DELETE, &route), SendBody::none()).map(drop)
    }

    /// Exchanges a core with another node no more.
    pub(crate) fn remove_remote(&self, core: &CorePlace, peer: &str) -> Result<(), ClientError> {
        let route = core.api(&format!("remotes/{}", encode_query(peer)));
        self.send(self.request(Method::DELETE, &route), SendBody::none()).map(drop)
    }

    /// Where a core's published content is delivered.
    pub(crate) fn remote_pins(&self, core: &CorePlace) -> Result<RemotePinList, ClientError> {
        self.get_json(&core.api("pinning"))
    }

    /// Delivers published content to a pinning service.
    pub(crate) fn set_remote_pin(
        &self,
        core: &CorePlace,
        name: &str,
        setting: &RemotePinSetting,
    ) -> Result<(), ClientError> {
        let json = serde_json::to_vec(setting).expect("wire types are always JSON");
        let request = self.request(Method::PUT, &core.api(&format!("pinning/{}", encode_query(name))));
        self.send(request, SendBody::from_reader(&mut json.as_slice())).map(drop)
    }

    /// Delivers to a pinning service no more.
    pub(crate) fn remove_remote_pin(&self, core: &CorePlace, name: &str) -> Result<(), ClientError> {
        let route = core.api(&format!("pinning/{}", encode_query(name)));
        self.send(self.request(Method::DELETE, &route), SendBody::none()).map(drop)
    }

    /// What lies below a path, one level, every page of it.
    pub(crate) fn whole_listing(&self, core: &CorePlace, path: &str) -> Result<Listing, ClientError> {
        let route = format!("{}?list&limit={PAGE_ENTRIES_MAX}", core.content(path));
        let mut listing: Listing = self.get_json(&route)?;
        while let Some(cursor) = listing.next.take() {
            let page: Listing = self.get_json(&with_cursor(route.clone(), Some(&cursor)))?;
            listing.entries.extend(page.entries);
            listing.next = page.next;
        }
        Ok(listing)
    }

    /// Versions of a path.
    pub(crate) fn versions(&self, core: &CorePlace, path: &str) -> Result<ContentVersions, ClientError> {
        self.get_json(&format!("{}?versions", core.content(path)))
    }

    /// Reads content by its path in a core; `range` as RFC 9110 writes it after `bytes=`.
    pub(crate) fn content(
        &self,
        core: &CorePlace,
        path: &str,
        range: Option<&str>,
    ) -> Result<Download, ClientError> {
        self.download(with_range(self.request(Method::GET, &core.content(path)), range))
    }

    /// Reads from the gateway, at a path that [`super::gateway_path`] made.
    pub(crate) fn gateway(&self, path: &str, range: Option<&str>) -> Result<Download, ClientError> {
        self.download(with_range(self.request(Method::GET, path), range))
    }

    /// Which blocks the core lacks.
    pub(crate) fn possession(
        &self,
        core: &CorePlace,
        request: &PossessionRequest,
    ) -> Result<Possession, ClientError> {
        self.post_json(&core.api("possession"), request)
    }

    /// Uploads the blocks of a CAR into a core.
    pub(crate) fn put_car(
        &self,
        core: &CorePlace,
        sending: Sending<impl Read>,
    ) -> Result<CarReceipt, ClientError> {
        let response = self.send_reader(self.request(Method::POST, &core.api("car")), sending)?;
        self.read_json(response)
    }

    /// A whole core as a CAR.
    pub(crate) fn export(&self, core: &CorePlace) -> Result<Download, ClientError> {
        self.download(self.request(Method::GET, &core.api("car")).header(header::ACCEPT, CAR))
    }

    /// Takes in a whole core from a CAR.
    pub(crate) fn import(&self, sending: Sending<impl Read>) -> Result<CoreImport, ClientError> {
        let request = self.request(Method::POST, "/-/car").header(header::EXPECT, FIRST_ASK);
        let response = self.send_reader(request, sending)?;
        self.read_json(response)
    }

    /// A page of the log, newest first.
    pub(crate) fn ops(
        &self,
        core: &CorePlace,
        limit: usize,
        cursor: Option<&str>,
    ) -> Result<OpsPage, ClientError> {
        self.get_json(&with_cursor(format!("{}?order=desc&limit={limit}", core.api("ops")), cursor))
    }

    fn send_reader(
        &self,
        mut request: request::Builder,
        mut sending: Sending<impl Read>,
    ) -> Result<ureq::http::Response<ureq::Body>, ClientError> {
        if let Some(bytes) = sending.bytes {
            request = request.header(header::CONTENT_LENGTH, bytes);
        }
        if let Some(media_type) = &sending.media_type {
            request = request.header(header::CONTENT_TYPE, media_type);
        }
        let mut watched = Watched { reader: &mut sending.reader, failure: None };
        let result = self.send(request, SendBody::from_reader(&mut watched));
        match watched.failure {
            Some(failure) => Err(ClientError::Body(failure)),
            None => result,
        }
    }
}

fn record_path(name: &str) -> String {
    format!("/routing/v1/ipns/{}", encode_query(name))
}

fn with_range(request: request::Builder, range: Option<&str>) -> request::Builder {
    match range {
        Some(range) => request.header(header::RANGE, format!("bytes={range}")),
        None => request,
    }
}

fn with_cursor(route: String, cursor: Option<&str>) -> String {
    match cursor {
        Some(cursor) => format!("{route}&cursor={}", encode_query(cursor)),
        None => route,
    }
}
