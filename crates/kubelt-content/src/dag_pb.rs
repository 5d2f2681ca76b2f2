//! dag-pb, strictly: the protobuf node of UnixFS (IPLD specification "DAG-PB").
//!
//! Writing is links first, as every implementation does. Reading takes either order, since both are
//! in use, but nothing else that is loose: unknown or repeated fields, fields of a link out of order,
//! links without a CID, integers or lengths that are not minimal.

use bytes::Bytes;
use cid::Cid;
use ipld_core::ipld::Ipld;
use thiserror::Error;

use crate::cid_text::cid_from_bytes;
use crate::limits::LINKS_PER_BLOCK_MAX;
use crate::protobuf::{self, Field, ProtobufError, Value};
use crate::varint;

/// A decoded node that borrows from its block.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PbNode<'a> {
    /// The links in the order of the block.
    pub links: Vec<PbLink<'a>>,
    /// The data, where there is any.
    pub data: Option<&'a [u8]>,
}

/// One link of a node.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PbLink<'a> {
    /// What it points to.
    pub cid: Cid,
    /// Its name; links between the parts of a file have an empty one.
    pub name: Option<&'a str>,
    /// The bytes of all blocks below, as whoever wrote the link says.
    pub tsize: Option<u64>,
}

/// Why bytes are not dag-pb.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
pub enum PbError {
    /// Not protobuf.
    #[error("the protobuf is malformed")]
    Protobuf(#[from] ProtobufError),
    /// A field that the schema does not have, has once, or has elsewhere.
    #[error("field `{0}` is unknown, repeated or out of order")]
    Field(u64),
    /// A link without a CID, or with bytes that are none.
    #[error("a link has no valid CID")]
    LinkCid,
    /// A name that is not UTF-8.
    #[error("the name of a link is not UTF-8")]
    LinkName,
    /// More than [`LINKS_PER_BLOCK_MAX`] links.
    #[error("the node has more than `{max}` links", max = LINKS_PER_BLOCK_MAX)]
    TooManyLinks,
}

impl<'a> PbNode<'a> {
    /// Reads a node.
    pub fn decode(block: &'a [u8]) -> Result<Self, PbError> {
        let mut node = Self::default();
        visit(block, |part| {
            match part {
                Part::Link(bytes) => node.links.push(PbLink::decode(bytes)?),
                Part::Data(data) => node.data = Some(data),
            }
            Ok(())
        })?;
        Ok(node)
    }

    /// Writes a node in its canonical form, links in the order given.
    pub fn encode(&self) -> Bytes {
        let data = self.data.map(|data| (data.len(), |out: &mut Vec<u8>| out.extend_from_slice(data)));
        encode_with(&self.links, data)
    }

    /// The node in the IPLD data model, as the schema of dag-pb says.
    pub fn to_ipld(&self) -> Ipld {
        let mut links = Vec::with_capacity(self.links.len());
        for link in &self.links {
            let mut map = std::collections::BTreeMap::from([("Hash".to_owned(), Ipld::Link(link.cid))]);
            if let Some(name) = link.name {
                map.insert("Name".to_owned(), Ipld::String(name.to_owned()));
            }
            if let Some(tsize) = link.tsize {
                map.insert("Tsize".to_owned(), Ipld::Integer(i128::from(tsize)));
            }
            links.push(Ipld::Map(map));
        }
        let mut map = std::collections::BTreeMap::from([("Links".to_owned(), Ipld::List(links))]);
        if let Some(data) = self.data {
            map.insert("Data".to_owned(), Ipld::Bytes(data.to_vec()));
        }
        Ipld::Map(map)
    }
}

/// The CIDs that a node links to, in order.
pub fn links(block: &[u8]) -> Result<Vec<Cid>, PbError> {
    let mut cids = Vec::new();
    visit(block, |part| {
        if let Part::Link(bytes) = part {
            cids.push(PbLink::decode(bytes)?.cid);
        }
        Ok(())
    })?;
    Ok(cids)
}

/// Writes a value of the data model that has the shape of a node; `None` for any other.
pub(crate) fn encode_ipld(value: &Ipld) -> Option<Bytes> {
    let Ipld::Map(map) = value else { return None };
    if map.keys().any(|key| key != "Links" && key != "Data") {
        return None;
    }
    let mut node = PbNode::default();
    match map.get("Data") {
        Some(Ipld::Bytes(data)) => node.data = Some(data),
        Some(_) => return None,
        None => {}
    }
    let Some(Ipld::List(list)) = map.get("Links") else { return None };
    for item in list {
        node.links.push(link_from_ipld(item)?);
    }
    // A node has one form: links sorted by the bytes of their names.
    node.links.is_sorted_by_key(|link| link.name.unwrap_or_default()).then(|| node.encode())
}

/// Writes a node whose data of a known length is written in place by a function.
pub(crate) fn encode_with(links: &[PbLink<'_>], data: Option<(usize, impl FnOnce(&mut Vec<u8>))>) -> Bytes {
    let links_len: usize = links.iter().map(PbLink::encoded_len).sum();
    let data_len = data.as_ref().map_or(0, |(length, _)| protobuf::bytes_len(*length));
    let mut out = Vec::with_capacity(links_len + data_len);
    for link in links {
        link.put(&mut out);
    }
    if let Some((length, write)) = data {
        protobuf::put_header(&mut out, NODE_DATA, length);
        write(&mut out);
    }
    debug_assert_eq!(out.len(), links_len + data_len, "lengths are computed exactly");
    Bytes::from(out)
}

impl<'a> PbLink<'a> {
    /// Bytes that this link adds to a node, its header included.
    pub(crate) fn encoded_len(&self) -> usize {
        protobuf::bytes_len(self.body_len())
    }

    fn body_len(&self) -> usize {
        protobuf::bytes_len(self.cid.encoded_len())
            + self.name.map_or(0, |name| protobuf::bytes_len(name.len()))
            + self.tsize.map_or(0, |tsize| 1 + varint::len(tsize))
    }

    fn put(&self, out: &mut Vec<u8>) {
        protobuf::put_header(out, NODE_LINKS, self.body_len());
        protobuf::put_header(out, LINK_HASH, self.cid.encoded_len());
        self.cid.write_bytes(&mut *out).expect("a vector takes every write");
        if let Some(name) = self.name {
            protobuf::put_header(out, LINK_NAME, name.len());
            out.extend_from_slice(name.as_bytes());
        }
        if let Some(tsize) = self.tsize {
            protobuf::put_integer(out, LINK_TSIZE, tsize);
        }
    }

    fn decode(mut bytes: &'a [u8]) -> Result<Self, PbError> {
        let (mut cid, mut name, mut tsize) = (None, None, None);
        let mut last = 0;
        while let Some(field) = Field::take(&mut bytes)? {
            if field.number <= last {
                return Err(PbError::Field(field.number));
            }
            last = field.number;
            match (field.number, field.value) {
                (LINK_HASH, Value::Bytes(bytes)) => {
                    cid = Some(cid_from_bytes(bytes).map_err(|_error| PbError::LinkCid)?);
                }
                (LINK_NAME, Value::Bytes(bytes)) => {
                    name = Some(std::str::from_utf8(bytes).map_err(|_error| PbError::LinkName)?);
                }
                (LINK_TSIZE, Value::Integer(value)) => tsize = Some(value),
                _ => return Err(PbError::Field(field.number)),
            }
        }
        Ok(Self { cid: cid.ok_or(PbError::LinkCid)?, name, tsize })
    }
}

const NODE_DATA: u64 = 1;
const NODE_LINKS: u64 = 2;
const LINK_HASH: u64 = 1;
const LINK_NAME: u64 = 2;
const LINK_TSIZE: u64 = 3;

enum Part<'a> {
    Link(&'a [u8]),
    Data(&'a [u8]),
}

fn visit<'a>(
    mut block: &'a [u8],
    mut each: impl FnMut(Part<'a>) -> Result<(), PbError>,
) -> Result<(), PbError> {
    let (mut has_data, mut links, mut last) = (false, 0_usize, 0);
    while let Some(field) = Field::take(&mut block)? {
        let fresh_group = field.number != last;
        last = field.number;
        match (field.number, field.value) {
            // Links stand together, before or after the data.
            (NODE_LINKS, Value::Bytes(_)) if fresh_group && links > 0 => {
                return Err(PbError::Field(NODE_LINKS));
            }
            (NODE_LINKS, Value::Bytes(bytes)) => {
                links += 1;
                if links > LINKS_PER_BLOCK_MAX {
                    return Err(PbError::TooManyLinks);
                }
                each(Part::Link(bytes))?;
            }
            (NODE_DATA, Value::Bytes(data)) if !has_data => {
                has_data = true;
                each(Part::Data(data))?;
            }
            _ => return Err(PbError::Field(field.number)),
        }
    }
    Ok(())
}

fn link_from_ipld(item: &Ipld) -> Option<PbLink<'_>> {
    let Ipld::Map(map) = item else { return None };
    let Some(Ipld::Link(cid)) = map.get("Hash") else { return None };
    let mut link = PbLink { cid: *cid, name: None, tsize: None };
    for (key, value) in map {
        match (key.as_str(), value) {
            ("Hash", _) => {}
            ("Name", Ipld::String(name)) => link.name = Some(name),
            ("Tsize", Ipld::Integer(tsize)) => link.tsize = Some(u64::try_from(*tsize).ok()?),
            _ => return None,
        }
    }
    Some(link)
}

#[cfg(test)]
mod tests;
