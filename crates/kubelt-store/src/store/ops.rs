//! Reading operations and heads.

use bytes::Bytes;
use kubelt_core::{CoreId, Hlc, MapPath, OpId, Verb};

use super::{Store, damaged_row};
use crate::{
    error::ReadError,
    index::Range,
    keys,
    tx::decode_date,
    values::{decode_body, decode_heads, decode_op},
};

/// An operation as it is stored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OpRecord {
    /// Its id.
    pub id: OpId,
    /// Its date.
    pub at: Hlc,
    /// What kind of act it is.
    pub verb: Verb,
    /// The signed header, in canonical bytes.
    pub signed: Bytes,
    /// The body, in canonical bytes; absent where it was withheld or dropped.
    pub body: Option<Bytes>,
    /// Where the body puts; absent for other acts and with the body.
    pub path: Option<MapPath>,
    /// Whether it counts.
    pub effective: bool,
}

/// Which way a log is read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OpsOrder {
    /// From the oldest.
    Forward,
    /// From the newest.
    Backward,
}

impl Store {
    /// One operation.
    ///
    /// # Errors
    /// [`ReadError`] when it cannot be read.
    pub fn op(&self, core: &CoreId, id: &OpId) -> Result<Option<OpRecord>, ReadError> {
        let key = keys::op_date(core, id);
        let Some(row) = self.value(&key)? else { return Ok(None) };
        let at = decode_date(&row).ok_or_else(|| damaged_row(&key))?;
        let mut key = keys::op(core, at, id, 0);
        key.pop();
        let rows = self.scan(Range::prefix(&key), false).collect::<Result<Vec<_>, _>>()?;
        record(*id, at, &rows)
    }

    /// Whether the operation is stored.
    ///
    /// # Errors
    /// [`ReadError`] when the index cannot be read.
    pub fn has_op(&self, core: &CoreId, id: &OpId) -> Result<bool, ReadError> {
        self.has(&keys::op_date(core, id))
    }

    /// The operations of a core in order of (`at`, id), or backwards; those that come after `after` that
    /// way, if it is given.
    pub fn ops(
        &self,
        core: &CoreId,
        after: Option<(Hlc, OpId)>,
        order: OpsOrder,
    ) -> impl Iterator<Item = Result<OpRecord, ReadError>> + Send + use<> {
        let all = Range::prefix(&keys::ops(core));
        let backwards = order == OpsOrder::Backward;
        let range = match after {
            Some((at, id)) if backwards => all.before(&keys::op(core, at, &id, 0)),
            Some((at, id)) => all.after(&keys::op(core, at, &id, u8::MAX)),
            None => all,
        };
        Ops { rows: self.scan(range, backwards).peekable() }
    }

    /// How many operations a core has.
    ///
    /// # Errors
    /// [`ReadError`] when the index cannot be read.
    pub fn op_count(&self, core: &CoreId) -> Result<u64, ReadError> {
        Ok(self.usage(core)?.ops)
    }

    /// The operations of a core that no other one follows.
    ///
    /// # Errors
    /// [`ReadError`] when they cannot be read.
    pub fn heads(&self, core: &CoreId) -> Result<Vec<OpId>, ReadError> {
        let key = keys::heads(core);
        let Some(row) = self.value(&key)? else { return Ok(Vec::new()) };
        decode_heads(&row).ok_or_else(|| damaged_row(&key))
    }
}

/// Joins the rows of each operation.
struct Ops<I: Iterator> {
    rows: std::iter::Peekable<I>,
}

impl<I: Iterator<Item = Result<(Bytes, Bytes), ReadError>>> Ops<I> {
    fn read(&mut self) -> Result<Option<OpRecord>, ReadError> {
        loop {
            let Some(first) = self.rows.next().transpose()? else { return Ok(None) };
            let (at, id, _part) = keys::parse_op(&first.0).ok_or_else(|| damaged_row(&first.0))?;
            let same = |row: &Result<(Bytes, Bytes), ReadError>| {
                row.as_ref().is_ok_and(|(key, _)| key[..key.len() - 1] == first.0[..first.0.len() - 1])
            };
            let mut rows = Vec::with_capacity(3);
            while let Some(next) = self.rows.next_if(same) {
                rows.push(next?);
            }
            rows.push(first);
            if let Some(record) = record(id, at, &rows)? {
                return Ok(Some(record));
            }
        }
    }
}

impl<I: Iterator<Item = Result<(Bytes, Bytes), ReadError>>> Iterator for Ops<I> {
    type Item = Result<OpRecord, ReadError>;

    fn next(&mut self) -> Option<Self::Item> {
        self.read().transpose()
    }
}

/// An operation from its rows, in any order; `None` where the operation itself is missing.
fn record(id: OpId, at: Hlc, rows: &[(Bytes, Bytes)]) -> Result<Option<OpRecord>, ReadError> {
    let part = |part: u8| rows.iter().find(|(key, _)| key.last() == Some(&part)).map(|(_, row)| row);
    let Some(signed) = part(keys::OP_SIGNED) else { return Ok(None) };
    let (verb, signed) = decode_op(signed).ok_or_else(|| damaged_row(b"O"))?;
    let body =
        part(keys::OP_BODY).map(|row| decode_body(row).ok_or_else(|| damaged_row(b"O"))).transpose()?;
    let (path, body) = body.map_or((None, None), |(path, body)| (path, Some(body)));
    let effective = part(keys::OP_VOID).is_none();
    Ok(Some(OpRecord { id, at, verb, signed, body, path, effective }))
}
