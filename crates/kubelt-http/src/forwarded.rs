//! What proxies say of a request: who made it, for which host, by which scheme.
//!
//! Anybody can write these headers, so they are believed from the addresses alone that the operator trusts. Each proxy adds
//! the address that it was connected from at the end; from there it is walked back for as long as addresses are those of
//! trusted proxies, and the first other one is the client's. What stands before it the client may have written.
//!
//! There are two families, `X-Forwarded-*` and `Forwarded` (RFC 7239). A proxy that writes the one passes on what a client
//! wrote as the other; where a request has both, neither is believed.

use std::{net::IpAddr, str::FromStr};

use axum::http::{Extensions, HeaderMap, HeaderName, header, uri::Authority};
use kubelt_api::Code;

use crate::{app::client, limits::FORWARDED_HOPS_MAX, problem::ApiError};

const X_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");
const X_HOST: HeaderName = HeaderName::from_static("x-forwarded-host");
const X_PROTO: HeaderName = HeaderName::from_static("x-forwarded-proto");

/// The proxies whose word is taken.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TrustedProxies(Vec<Network>);

/// Addresses that begin alike: `10.0.0.0/8`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Network {
    address: IpAddr,
    bits: u8,
}

/// Text that is no network.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is no network; write `10.0.0.0/8`, `fd00::/8` or a single address")]
pub struct NotANetwork(String);

/// How a request came.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Arrival {
    /// The client's address, as far as it is known.
    pub(crate) client: IpAddr,
    /// The host that it asked for, where a trusted proxy says so.
    pub(crate) host: Option<Authority>,
    /// Whether it asked by `https`, where a trusted proxy or the connection says so.
    pub(crate) https: Option<bool>,
}

impl Arrival {
    /// How a request came, as the edge has noted it.
    pub(crate) fn of(extensions: &Extensions) -> Self {
        let direct = || Self { client: client(extensions), host: None, https: None };
        extensions.get().cloned().unwrap_or_else(direct)
    }
}

/// What one proxy says. An address that it does not tell, or in no known form, is none.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
struct Hop {
    client: Option<IpAddr>,
    host: Option<String>,
    proto: Option<String>,
}

impl Default for TrustedProxies {
    /// Proxies on this machine.
    fn default() -> Self {
        let loopback = ["127.0.0.0/8", "::1"].map(|network| network.parse().expect("a constant network"));
        Self(loopback.into())
    }
}

impl TrustedProxies {
    /// Reads networks; none of them trusts nobody.
    ///
    /// # Errors
    /// The first that is none.
    pub fn read<'a>(networks: impl IntoIterator<Item = &'a str>) -> Result<Self, NotANetwork> {
        networks.into_iter().map(str::parse).collect::<Result<_, _>>().map(Self)
    }

    fn contain(&self, address: IpAddr) -> bool {
        let address = address.to_canonical();
        self.0.iter().any(|network| network.contains(address))
    }

    /// How a request came that was sent by `peer`.
    ///
    /// # Errors
    /// [`Code::BadRequest`] when a trusted proxy names a host that is none.
    pub(crate) fn arrival(&self, peer: IpAddr, headers: &HeaderMap) -> Result<Arrival, ApiError> {
        let direct = Arrival { client: peer, host: None, https: None };
        if !self.contain(peer) {
            return Ok(direct);
        }
        let is_x = [X_FOR, X_HOST, X_PROTO].iter().any(|name| headers.contains_key(name));
        match (headers.contains_key(header::FORWARDED), is_x) {
            (true, false) => self.by_forwarded(peer, headers),
            (false, true) => self.by_x_forwarded(peer, headers),
            _ => Ok(direct),
        }
    }

    fn by_forwarded(&self, peer: IpAddr, headers: &HeaderMap) -> Result<Arrival, ApiError> {
        let hops = hops(&joined(headers, &header::FORWARDED)).unwrap_or_default();
        let (client, at) = self.walk(peer, hops.iter().map(|hop| hop.client));
        let hop = at.and_then(|at| hops.get(at));
        Ok(Arrival {
            client,
            host: hop
                .and_then(|hop| hop.host.as_deref())
                .map(|host| authority(host, "Forwarded"))
                .transpose()?,
            https: hop.and_then(|hop| hop.proto.as_deref()).map(is_https),
        })
    }

    fn by_x_forwarded(&self, peer: IpAddr, headers: &HeaderMap) -> Result<Arrival, ApiError> {
        let [addresses, hosts, protos] = [X_FOR, X_HOST, X_PROTO].map(|name| {
            let text = joined(headers, &name);
            let values =
                text.split(',').map(|value| value.trim().to_owned()).filter(|value| !value.is_empty());
            values.collect::<Vec<_>>()
        });
        let (client, at) = self.walk(peer, addresses.iter().map(|text| address(text)));
        // Where each proxy adds a value, that of the client's stands where its address does; else the last proxy's counts.
        let told = |values: &[String]| {
            let place = at.filter(|_| values.len() == addresses.len());
            place.and_then(|at| values.get(at)).or(values.last()).cloned()
        };
        Ok(Arrival {
            client,
            host: told(&hosts).map(|host| authority(&host, "X-Forwarded-Host")).transpose()?,
            https: told(&protos).as_deref().map(is_https),
        })
    }

    /// The client's address, and which of the addresses it is, if any: from the end on, the first that is no trusted
    /// proxy's, or the last before one that nobody can read.
    fn walk(
        &self,
        peer: IpAddr,
        addresses: impl DoubleEndedIterator<Item = Option<IpAddr>> + ExactSizeIterator,
    ) -> (IpAddr, Option<usize>) {
        let (mut client, mut at) = (peer, None);
        for (index, address) in addresses.enumerate().rev().take(FORWARDED_HOPS_MAX) {
            match address.filter(|_| self.contain(client)) {
                Some(address) => (client, at) = (address, Some(index)),
                None => {
                    // The proxy that says nothing of who asked may say the rest.
                    return (client, if self.contain(client) { Some(index) } else { at });
                }
            }
        }
        (client, at)
    }
}

impl Network {
    fn contains(self, address: IpAddr) -> bool {
        let shared = |own: &[u8], other: &[u8]| {
            let (whole, rest) = (usize::from(self.bits / 8), self.bits % 8);
            let mask = !(0xff_u8.checked_shr(u32::from(rest)).unwrap_or(0));
            own.iter().zip(other).enumerate().all(|(index, (own, other))| match index.cmp(&whole) {
                std::cmp::Ordering::Less => own == other,
                std::cmp::Ordering::Equal => own & mask == other & mask,
                std::cmp::Ordering::Greater => true,
            })
        };
        match (self.address, address) {
            (IpAddr::V4(own), IpAddr::V4(other)) => shared(&own.octets(), &other.octets()),
            (IpAddr::V6(own), IpAddr::V6(other)) => shared(&own.octets(), &other.octets()),
            _ => false,
        }
    }
}

impl FromStr for Network {
    type Err = NotANetwork;

    fn from_str(text: &str) -> Result<Self, NotANetwork> {
        let read = || {
            let (address, bits) =
                text.split_once('/').map_or((text, None), |(address, bits)| (address, Some(bits)));
            let address: IpAddr = address.parse().ok()?;
            let most = if address.is_ipv4() { 32 } else { 128 };
            let bits = bits.map_or(Some(most), |bits| bits.parse().ok())?;
            (bits <= most).then_some(Self { address, bits })
        };
        read().ok_or_else(|| NotANetwork(text.chars().take(64).collect()))
    }
}

/// All values of a header, as one list; what is no text is nothing.
fn joined(headers: &HeaderMap, name: &HeaderName) -> String {
    let values: Vec<&str> =
        headers.get_all(name).iter().map(|value| value.to_str().unwrap_or("\u{0}")).collect();
    values.join(",")
}

fn authority(text: &str, header: &str) -> Result<Authority, ApiError> {
    let plain = |host: &Authority| !host.as_str().contains('@') && !host.host().is_empty();
    let bad = || ApiError::new(Code::BadRequest, format!("the request names no valid `{header}`"));
    text.parse().ok().filter(plain).ok_or_else(bad)
}

fn is_https(proto: &str) -> bool {
    proto.eq_ignore_ascii_case("https")
}

/// An address, with a port or without: `192.0.2.1:80`, `2001:db8::1`, `[2001:db8::1]:80`.
fn address(text: &str) -> Option<IpAddr> {
    if let Some(rest) = text.strip_prefix('[') {
        let (address, port) = rest.split_once(']')?;
        let is_port =
            port.is_empty() || port.strip_prefix(':').is_some_and(|port| port.parse::<u16>().is_ok());
        return address.parse::<std::net::Ipv6Addr>().ok().filter(|_| is_port).map(IpAddr::V6);
    }
    let whole = text.parse::<IpAddr>().ok();
    let address =
        whole.or_else(|| text.parse::<std::net::SocketAddrV4>().ok().map(|at| IpAddr::V4(*at.ip())));
    address.map(|address| address.to_canonical())
}

/// The elements of `Forwarded` (RFC 7239, section 4); none where it breaks the grammar.
fn hops(text: &str) -> Option<Vec<Hop>> {
    let mut hops = Vec::new();
    for element in split(text, ',')? {
        if element.trim().is_empty() {
            continue;
        }
        let (mut hop, mut has_client) = (Hop::default(), false);
        for pair in split(element, ';')? {
            if pair.trim().is_empty() {
                continue;
            }
            let (name, value) = pair.trim().split_once('=')?;
            let value = unquoted(value)?;
            let place = match name.to_ascii_lowercase().as_str() {
                "for" if !has_client => {
                    (hop.client, has_client) = (address(&value), true);
                    continue;
                }
                "host" => &mut hop.host,
                "proto" => &mut hop.proto,
                name if is_token(name) && name != "for" => continue,
                _ => return None,
            };
            // No parameter stands twice.
            if place.replace(value).is_some() {
                return None;
            }
        }
        hops.push(hop);
    }
    Some(hops)
}

/// Splits outside of quotes; none where a quote is not closed.
fn split(text: &str, at: char) -> Option<Vec<&str>> {
    let (mut parts, mut start, mut quoted, mut escaped) = (Vec::new(), 0, false, false);
    for (index, c) in text.char_indices() {
        match c {
            _ if escaped => escaped = false,
            '\\' if quoted => escaped = true,
            '"' => quoted = !quoted,
            c if c == at && !quoted => {
                parts.push(text.get(start..index)?);
                start = index + c.len_utf8();
            }
            _ => {}
        }
    }
    parts.push(text.get(start..)?);
    (!quoted).then_some(parts)
}

/// A token, or what a quoted string says.
fn unquoted(text: &str) -> Option<String> {
    let Some(inner) = text.strip_prefix('"') else { return is_token(text).then(|| text.to_owned()) };
    let (mut out, mut chars) = (String::new(), inner.strip_suffix('"')?.chars());
    while let Some(c) = chars.next() {
        match c {
            '\\' => out.push(chars.next()?),
            '"' => return None,
            c => out.push(c),
        }
    }
    Some(out)
}

fn is_token(text: &str) -> bool {
    let is_char = |b: u8| b.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&b);
    !text.is_empty() && text.bytes().all(is_char)
}

#[cfg(test)]
mod tests;
