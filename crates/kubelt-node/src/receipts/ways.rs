//! One trial for each way.

use std::{future::Future, pin::Pin};

use cid::Cid;
use kubelt_content::{Block, ipns::Record};
use kubelt_core::MapPath;

use super::{FailingStep, Nearness, Open, Shut, Trial, WayKind};
use crate::{
    content::PREFIX,
    identity::peer_id,
    limits::{RECEIPT_HOSTS_MAX, STRANGER_ADDRESSES_MAX},
    remote_pins::AskedPin,
    remotes::Remote,
    routing::{PeerNetwork, StrangerError},
};

/// Where a way leads, and what came of trying it.
type Tried = (Option<String>, Result<Open, Shut>);

/// A trial, when it is done.
pub(super) type Trying = Pin<Box<dyn Future<Output = Tried> + Send>>;

/// What could not be tried.
pub(super) fn untried(error: &(dyn std::error::Error + 'static)) -> Shut {
    let causes = std::iter::successors(error.source(), |error| error.source());
    let why = causes.fold(error.to_string(), |text, cause| format!("{text}: {cause}"));
    shut(FailingStep::Trial, why, None)
}

fn shut(step: FailingStep, why: impl Into<String>, remedy: Option<&str>) -> Shut {
    Shut { step, why: why.into(), remedy: remedy.map(str::to_owned) }
}

fn open(nearness: Nearness, detail: impl Into<String>) -> Open {
    Open { nearness, detail: detail.into() }
}

/// How many others are told of, after these words; nothing where nobody is.
fn others_text(words: &str, others: usize) -> String {
    match others {
        0 => String::new(),
        1 => format!("{words} another one"),
        others => format!("{words} {others} others"),
    }
}

impl Trial {
    /// Tries a way that every node has.
    pub(super) async fn one(&self, kind: WayKind) -> Tried {
        match kind {
            WayKind::HttpPath => {
                let core = format!("@{}", self.core);
                let segments = [std::slice::from_ref(&core), &self.segments].concat();
                self.http(segments).await
            }
            WayKind::HttpCid => self.http(vec!["ipfs".to_owned(), self.entry.cid.to_string()]).await,
            WayKind::Peer => self.own_blocks().await,
            WayKind::Dht => (None, self.dht().await),
            WayKind::Ipns => self.name().await,
            // These are as many as there are hosts and services.
            WayKind::Host | WayKind::Pinning => (None, Err(shut(FailingStep::Trial, "not tried", None))),
        }
    }

    async fn http(&self, segments: Vec<String>) -> Tried {
        let Some(door) = self.inner.door.read().clone() else {
            let remedy = "the operator names it as `public_url` in the node's settings";
            return (
                None,
                Err(shut(
                    FailingStep::Address,
                    "no way in: no public URL of this node is known",
                    Some(remedy),
                )),
            );
        };
        let at = door.url().to_owned();
        let asked = tokio::task::spawn_blocking(move || {
            let segments: Vec<&str> = segments.iter().map(String::as_str).collect();
            door.block(&segments)
        });
        let outcome = match asked.await {
            Err(panicked) => Err(untried(&panicked)),
            Ok(Err(error)) => Err(shut(
                FailingStep::Connection,
                error.to_string(),
                Some("see that its name leads here, and that the proxy before the node lets requests in"),
            )),
            Ok(Ok(answer)) if answer.status == 200 => {
                let is_it = Block::checked(self.entry.cid, answer.body).is_ok();
                let other = || shut(FailingStep::Answer, "something else was answered", None);
                is_it.then(|| open(answer.nearness, "it gives the content to anybody")).ok_or_else(other)
            }
            Ok(Ok(answer)) => Err(shut(
                FailingStep::Answer,
                format!("it answers {}", answer.status),
                Some("see that the URL leads to this very node"),
            )),
        };
        (Some(at), outcome)
    }

    /// A stranger asks this node for the first block.
    async fn own_blocks(&self) -> Tried {
        let Some(network) = self.inner.peers.network() else {
            return (None, Err(alone()));
        };
        let own = network.own();
        if own.addresses.is_empty() {
            let remedy = "the operator lets the node listen for peers: `[network] listen`";
            return (
                Some(own.peer),
                Err(shut(FailingStep::Setup, "no way in: this node listens for no peers", Some(remedy))),
            );
        }
        let announced = network.announced();
        if announced.addresses.is_empty() {
            return (Some(own.peer), Err(no_address()));
        }
        let addresses = with_peer(announced.addresses, &own.peer);
        let asked = network.ask_as_stranger(&addresses, &self.entry.cid).await;
        let outcome = match asked {
            Ok(()) => Ok(open(nearness(&addresses), "a stranger got its first block")),
            Err(error) => Err(refused(&error)),
        };
        (Some(own.peer), outcome)
    }

    async fn dht(&self) -> Result<Open, Shut> {
        let network = self.inner.peers.network().ok_or_else(alone)?;
        let (own, announced) = (network.own().peer, network.announced());
        let heard = network.heard_of(&self.entry.cid).await;
        let Some(peers) = heard.peers else {
            let remedy = "the operator sets `dht` under `[network]`";
            return Err(shut(
                FailingStep::Setup,
                "no way in: this node takes no part in the DHT",
                Some(remedy),
            ));
        };
        let others = heard.providers.iter().filter(|peer| **peer != own).count();
        if heard.providers.contains(&own) {
            let also = others_text(", and of", others);
            return Ok(open(nearness(&announced.addresses), format!("others tell of this node{also}")));
        }
        if peers == 0 {
            let remedy = "the operator names peers: `bootstrap` or `preset` under `[network]`";
            return Err(shut(
                FailingStep::Connection,
                "no way in: no peer of the DHT is known",
                Some(remedy),
            ));
        }
        if announced.addresses.is_empty() {
            return Err(no_address());
        }
        let others = others_text("; they tell of", others);
        Err(shut(
            FailingStep::Announcement,
            format!("others do not tell of this node yet{others}"),
            Some(
                "what is new is announced within minutes, unless `[network] provide` says `nothing`; ask again",
            ),
        ))
    }

    /// The core's name, as others have it.
    async fn name(&self) -> Tried {
        match self.try_name().await {
            Ok(tried) => tried,
            Err(shut) => (None, Err(shut)),
        }
    }

    async fn try_name(&self) -> Result<Tried, Shut> {
        let ipns = &self.inner.ipns;
        let failed = |error: &dyn std::error::Error| shut(FailingStep::Trial, error.to_string(), None);
        let name = ipns.name_of(&self.core).await.map_err(|error| failed(&error))?;
        let at = Some(format!("/ipns/{name}"));
        let Some(behind) = ipns.behind(&self.core, &self.segments).map_err(|error| failed(&error))? else {
            let remedy = "`kubelt config @me ipns` shows where it leads";
            return Ok((
                at,
                Err(shut(FailingStep::Setup, "the core's name leads to another path", Some(remedy))),
            ));
        };
        let at =
            Some(format!("/ipns/{name}{}", behind.iter().map(|name| format!("/{name}")).collect::<String>()));
        let newest = ipns.record(&name).await.map_err(|error| failed(&error))?;
        let Some(newest) = newest else {
            return Ok((at, Err(shut(FailingStep::Announcement, "the name leads nowhere yet", None))));
        };
        let Some(routing) = ipns.routing().routing() else { return Ok((at, Err(alone()))) };
        let found = routing.find_record_elsewhere(&name).await;
        Ok((at, self.compare(found, &newest)))
    }

    fn compare(&self, found: Option<Record>, newest: &Record) -> Result<Open, Shut> {
        let text = |record: &Record| String::from_utf8_lossy(record.value()).into_owned();
        let Some(found) = found else {
            // Being asked for it is a reason to do it soon.
            self.inner.ipns.spread_now();
            return Err(shut(
                FailingStep::Announcement,
                "nobody else knows the name",
                Some("the node gives its record to others as soon as it knows some; ask again"),
            ));
        };
        if found.value() == newest.value() {
            let network = self.inner.peers.network();
            let addresses = network.map(|network| network.announced().addresses).unwrap_or_default();
            return Ok(open(
                nearness(&addresses),
                format!("others have the newest record, {}", text(newest)),
            ));
        }
        self.inner.ipns.spread_now();
        Err(shut(
            FailingStep::Announcement,
            format!("others still have {}, the newest is {}", text(&found), text(newest)),
            Some("the node gives the newest record to others within a minute; ask again"),
        ))
    }

    /// Every host of the core, for who may replicate it.
    pub(super) async fn begin_hosts(&self) {
        let Ok(remotes) = self.inner.remotes.list(&self.session, &self.core).await else { return };
        for remote in remotes.remotes.into_iter().filter(|remote| remote.host).take(RECEIPT_HOSTS_MAX) {
            let at = peer_id(&remote.peer);
            self.spawn(WayKind::Host, at, |trial| Box::pin(async move { (None, trial.host(&remote).await) }));
        }
    }

    async fn host(&self, remote: &Remote) -> Result<Open, Shut> {
        let holds = if !remote.connected {
            let why = remote.error.clone().unwrap_or_else(|| "it is not connected".to_owned());
            return Err(shut(FailingStep::Connection, why, Some("`kubelt remote ls` shows how it is")));
        } else if remote.holding.counts() {
            "it has all of the core"
        } else {
            let why = "it does not have all of the core yet";
            return Err(shut(FailingStep::Copy, why, Some("`kubelt remote sync @me` waits until it has")));
        };
        let network = self.inner.peers.network().ok_or_else(alone)?;
        let peer = peer_id(&remote.peer).unwrap_or_default();
        let addresses = known_addresses(&*network, remote, &peer).await;
        let asked = network.ask_as_stranger(&addresses, &self.entry.cid).await;
        match asked {
            Ok(()) => Ok(open(nearness(&addresses), format!("{holds}, and gave a stranger the first block"))),
            Err(error) => Err(Shut { why: format!("{holds}, but {error}"), ..refused(&error) }),
        }
    }

    /// Every pinning service that what is published here is delivered to, for who may set them.
    pub(super) async fn begin_services(&self) {
        let Ok(services) = self.inner.remote_pins.list(&self.session, &self.core).await else { return };
        let entry = self.entry.path.below(PREFIX).unwrap_or_default().to_owned();
        let covers = |path: &String| {
            let above: Option<MapPath> = MapPath::new(format!("{PREFIX}/{path}")).ok();
            above.is_some_and(|above| {
                self.entry.path == above || self.entry.path.below(above.as_str()).is_some()
            })
        };
        let mut is_delivered = false;
        for service in services.into_iter().filter(|service| service.delivery.paths.iter().any(covers)) {
            is_delivered = true;
            let (name, entry) = (service.name.clone(), entry.clone());
            self.spawn(WayKind::Pinning, Some(service.name), |trial| {
                Box::pin(async move { (None, trial.service(&name, &entry).await) })
            });
        }
        if !is_delivered {
            self.spawn(WayKind::Pinning, None, |_trial| {
                let remedy = "`kubelt remote-pin add` delivers it to one";
                let why = "no way in: it is delivered to no pinning service";
                Box::pin(async move { (None, Err(shut(FailingStep::Setup, why, Some(remedy)))) })
            });
        }
    }

    async fn service(&self, name: &str, entry: &str) -> Result<Open, Shut> {
        let pins = &self.inner.remote_pins;
        let asked = pins.ask(&self.core, name, entry).await.map_err(|error| untried(&error))?;
        let is_it =
            |text: &str| text.parse::<Cid>().is_ok_and(|cid| cid.hash() == self.entry.named.root.hash());
        match asked {
            AskedPin::NoToken => Err(shut(
                FailingStep::Setup,
                "this node has no token for the service",
                Some("`kubelt remote-pin add … --token-file` gives it one"),
            )),
            AskedPin::Waiting => Err(shut(
                FailingStep::Announcement,
                "the service was not asked to pin it yet",
                Some("the node does that within seconds; ask again"),
            )),
            AskedPin::Answered(pin) if pin.status == "pinned" && is_it(&pin.cid) => {
                Ok(open(Nearness::Everywhere, "the service says that it has pinned it"))
            }
            AskedPin::Answered(pin) if pin.status == "pinned" => {
                Err(shut(FailingStep::Copy, "the service has pinned what was there before", None))
            }
            AskedPin::Answered(pin) => {
                let details = pin.details.map(|details| format!(": {details}")).unwrap_or_default();
                Err(shut(FailingStep::Copy, format!("the service says `{}`{details}", pin.status), None))
            }
            AskedPin::Failed(why) => Err(shut(FailingStep::Connection, why, None)),
        }
    }
}

fn alone() -> Shut {
    shut(FailingStep::Setup, "no way in: this node knows no other peers", None)
}

fn no_address() -> Shut {
    shut(
        FailingStep::Address,
        "no way in: no address is known under which strangers reach this node",
        Some(
            "peers confirm one where they can reach it; the operator can name it (`[network] announce`), or listen \
             through a relay",
        ),
    )
}

fn refused(error: &StrangerError) -> Shut {
    let (step, remedy) = match error {
        StrangerError::NoAddress => (FailingStep::Address, None),
        StrangerError::NotReached(_) => (
            FailingStep::Connection,
            Some("see that its port is open, and forwarded where there is a router"),
        ),
        StrangerError::NotGiven => (FailingStep::Answer, None),
    };
    shut(step, error.to_string(), remedy)
}

/// Where a host may be asked for blocks: what the core's map says, where it is connected, and what the DHT knows.
async fn known_addresses(network: &dyn PeerNetwork, remote: &Remote, peer: &str) -> Vec<String> {
    let mut addresses = remote.addresses.clone();
    let connected = network.peers().into_iter().filter(|one| one.peer == peer);
    addresses.extend(connected.flat_map(|one| with_peer(one.addresses, peer)));
    if let Some(found) = network.find_peer(peer).await {
        addresses.extend(with_peer(found.addresses, peer));
    }
    addresses
}

/// Addresses with the peer's id at their end.
fn with_peer(addresses: Vec<String>, peer: &str) -> Vec<String> {
    let end = format!("/p2p/{peer}");
    let whole = |address: String| if address.ends_with(&end) { address } else { format!("{address}{end}") };
    addresses.into_iter().take(STRANGER_ADDRESSES_MAX).map(whole).collect()
}

/// From where the best of some addresses is reached, as far as they say.
fn nearness(addresses: &[String]) -> Nearness {
    let of = |address: &String| {
        let mut parts = address.split('/').skip(1);
        match (parts.next(), parts.next()) {
            (Some("ip4" | "ip6"), Some(ip)) => ip.parse().map_or(Nearness::Everywhere, Nearness::of),
            _ => Nearness::Everywhere,
        }
    };
    let all: Vec<Nearness> = addresses.iter().map(of).collect();
    [Nearness::Everywhere, Nearness::Network]
        .into_iter()
        .find(|nearness| all.contains(nearness))
        .unwrap_or(Nearness::Machine)
}
