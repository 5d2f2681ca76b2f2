//! Writing operations and heads.

use bytes::Bytes;
use kubelt_core::{CoreId, Hlc, MapPath, OpId};

use super::Tx;
use crate::{
    error::{ReadError, TxError},
    keys,
    limits::HEADS_MAX,
    mutation::Count,
    store::{OpRecord, damaged_row},
    values::{
        decode_body, decode_heads, decode_op, decode_put, encode_body, encode_heads, encode_op, encode_put,
    },
};

impl Tx {
    /// Stores an operation. One that is there stays as it is, but for whether it is effective.
    ///
    /// # Errors
    /// [`TxError`] when the transaction is too large or the index cannot be read.
    pub fn put_op(&mut self, core: &CoreId, op: &OpRecord) -> Result<(), TxError> {
        let known = self.has(&keys::op_date(core, &op.id))?;
        let count = Count { key: keys::usage(core).into(), add: [1, signed(op.signed.len()), 0, 0] };
        self.insert_if(
            !known,
            &keys::op(core, op.at, &op.id, keys::OP_SIGNED),
            &encode_op(op.verb, &op.signed),
            &count,
        )?;
        self.put(&keys::op_date(core, &op.id), &[&[1], op.at.bits().to_be_bytes().as_slice()].concat())?;
        if let Some(body) = &op.body {
            let absent = !known || !self.has(&keys::op(core, op.at, &op.id, keys::OP_BODY))?;
            self.insert_body(core, op.at, &op.id, body, op.path.as_ref(), absent)?;
        }
        let void = keys::op(core, op.at, &op.id, keys::OP_VOID);
        if !op.effective {
            self.put(&void, &[])
        } else if known && self.has(&void)? {
            self.delete(&void)
        } else {
            Ok(())
        }
    }

    /// Stores the body of an operation that came without it; `path` is where it puts, if it does.
    ///
    /// # Errors
    /// [`TxError::UnknownOp`] when the operation is not there; otherwise as [`Tx::put_op`].
    pub fn put_body(
        &mut self,
        core: &CoreId,
        id: &OpId,
        body: &[u8],
        path: Option<&MapPath>,
    ) -> Result<(), TxError> {
        let at = self.date(core, id)?;
        let absent = !self.has(&keys::op(core, at, id, keys::OP_BODY))?;
        self.insert_body(core, at, id, body, path, absent)
    }

    /// Drops the body of an operation, and what it put.
    ///
    /// # Errors
    /// [`TxError::UnknownOp`] when the operation is not there; otherwise as [`Tx::put_op`].
    pub fn drop_body(&mut self, core: &CoreId, id: &OpId) -> Result<(), TxError> {
        let at = self.date(core, id)?;
        let key = keys::op(core, at, id, keys::OP_BODY);
        let Some(row) = self.value(&key)? else { return Ok(()) };
        let (path, body) = decode_body(&row).ok_or_else(|| damaged_row(&key))?;
        if let Some(path) = path {
            for effective in [true, false] {
                let put = keys::put(effective, core, &path, at, id);
                if self.has(&put)? {
                    self.delete(&put)?;
                }
            }
        }
        let count = Count { key: keys::usage(core).into(), add: [0, -signed(body.len()), 0, 0] };
        self.remove(&key, &count)
    }

    /// Says whether an operation is effective; what it put counts or does not count from then on.
    ///
    /// # Errors
    /// [`TxError::UnknownOp`] when the operation is not there; otherwise as [`Tx::put_op`].
    pub fn set_effective(&mut self, core: &CoreId, id: &OpId, effective: bool) -> Result<(), TxError> {
        let at = self.date(core, id)?;
        let void = keys::op(core, at, id, keys::OP_VOID);
        if self.has(&void)? != effective {
            return Ok(());
        }
        if effective {
            self.delete(&void)?
        } else {
            self.put(&void, &[])?
        }
        let body = keys::op(core, at, id, keys::OP_BODY);
        let Some(row) = self.value(&body)? else { return Ok(()) };
        let (path, _body) = decode_body(&row).ok_or_else(|| damaged_row(&body))?;
        let Some(path) = path else { return Ok(()) };
        let from = keys::put(!effective, core, &path, at, id);
        if let Some(put) = self.value(&from)? {
            self.delete(&from)?;
            self.put(&keys::put(effective, core, &path, at, id), &put)?;
        }
        Ok(())
    }

    /// An operation, as this transaction leaves it.
    ///
    /// # Errors
    /// [`TxError::Read`] when it cannot be read.
    pub fn op(&self, core: &CoreId, id: &OpId) -> Result<Option<OpRecord>, TxError> {
        let at = match self.date(core, id) {
            Err(TxError::UnknownOp { .. }) => return Ok(None),
            at => at?,
        };
        let key = |part| keys::op(core, at, id, part);
        let Some(row) = self.value(&key(keys::OP_SIGNED))? else { return Ok(None) };
        let (verb, signed) = decode_op(&row).ok_or_else(|| damaged_row(b"O"))?;
        let body = self.value(&key(keys::OP_BODY))?;
        let body = body.map(|row| decode_body(&row).ok_or_else(|| damaged_row(b"O"))).transpose()?;
        let (path, body) = body.map_or((None, None), |(path, body)| (path, Some(body)));
        let effective = !self.has(&key(keys::OP_VOID))?;
        Ok(Some(OpRecord { id: *id, at, verb, signed, body, path, effective }))
    }

    /// Sets the operations that no other one follows.
    ///
    /// # Errors
    /// [`TxError`] when there are too many or the transaction is too large.
    pub fn set_heads(&mut self, core: &CoreId, heads: &[OpId]) -> Result<(), TxError> {
        if heads.len() > HEADS_MAX {
            return Err(TxError::TooManyHeads { count: heads.len(), max: HEADS_MAX });
        }
        self.put(&keys::heads(core), &encode_heads(heads))
    }

    /// The heads, as this transaction leaves them.
    ///
    /// # Errors
    /// [`TxError::Read`] when they cannot be read.
    pub fn heads(&self, core: &CoreId) -> Result<Vec<OpId>, TxError> {
        let key = keys::heads(core);
        let Some(row) = self.value(&key)? else { return Ok(Vec::new()) };
        Ok(decode_heads(&row).ok_or_else(|| damaged_row(&key))?)
    }

    /// Stores what an operation puts at a path. The value of the path is that of the effective put with
    /// the greatest (`at`, id). `cleared` says that the put removes the value.
    ///
    /// # Errors
    /// [`TxError`] when the transaction is too large or the index cannot be read.
    #[expect(clippy::too_many_arguments, reason = "these are the columns of one row")]
    pub fn index_put(
        &mut self,
        core: &CoreId,
        path: &MapPath,
        at: Hlc,
        id: &OpId,
        effective: bool,
        cleared: bool,
        value: &[u8],
    ) -> Result<(), TxError> {
        let other = keys::put(!effective, core, path, at, id);
        if self.has(&other)? {
            self.delete(&other)?;
        }
        self.put(&keys::put(effective, core, path, at, id), &encode_put(cleared, value))
    }

    fn insert_body(
        &mut self,
        core: &CoreId,
        at: Hlc,
        id: &OpId,
        body: &[u8],
        path: Option<&MapPath>,
        absent: bool,
    ) -> Result<(), TxError> {
        let count = Count { key: keys::usage(core).into(), add: [0, signed(body.len()), 0, 0] };
        self.insert_if(absent, &keys::op(core, at, id, keys::OP_BODY), &encode_body(path, body), &count)
    }

    fn date(&self, core: &CoreId, id: &OpId) -> Result<Hlc, TxError> {
        let key = keys::op_date(core, id);
        let row = self.value(&key)?.ok_or(TxError::UnknownOp { core: *core, id: *id })?;
        decode_date(&row).ok_or_else(|| damaged_row(&key).into())
    }
}

/// The row at [`keys::op_date`]: `1 at`.
pub(crate) fn decode_date(row: &Bytes) -> Option<Hlc> {
    let (&1, at) = row.split_first()? else { return None };
    Some(Hlc::from_bits(u64::from_be_bytes(at.try_into().ok()?)))
}

/// What a row says of a put: cleared or its value.
pub(crate) fn read_put(row: &Bytes) -> Result<(bool, Bytes), ReadError> {
    decode_put(row).ok_or_else(|| damaged_row(b"E"))
}

fn signed(len: usize) -> i64 {
    i64::try_from(len).expect("a transaction is under `TX_BYTES_MAX`")
}
