//! A core's log in the store, as the steps of a sync read it.

use std::cell::RefCell;

use kubelt_core::{CoreId, Log, LoginId, OpId, sync::Holdings};
use kubelt_store::OpRecord;

use super::Replication;

/// One core. Whoever makes one holds the log, so that nothing changes meanwhile.
pub(super) struct StoreHoldings<'a> {
    log: &'a Log,
    replication: &'a Replication,
    core: CoreId,
    /// Whether bodies of public puts are among it.
    bodies: bool,
    /// The record read last: header and body of an operation are asked for one after the other.
    last: RefCell<Option<OpRecord>>,
}

impl<'a> StoreHoldings<'a> {
    pub(super) fn new(log: &'a Log, replication: &'a Replication, core: CoreId) -> Self {
        Self { log, replication, core, bodies: true, last: RefCell::new(None) }
    }

    /// The same without the body of any put: for whoever asks for those that are open one by one.
    pub(super) fn without_puts(log: &'a Log, replication: &'a Replication, core: CoreId) -> Self {
        Self { bodies: false, ..Self::new(log, replication, core) }
    }

    fn record<T>(&self, op: &OpId, read: impl FnOnce(&OpRecord) -> T) -> Option<T> {
        let mut last = self.last.borrow_mut();
        if last.as_ref().is_none_or(|record| record.id != *op) {
            *last = match self.replication.0.store.op(&self.core, op) {
                Ok(record) => record,
                Err(error) => {
                    tracing::warn!(%op, error = &error as &dyn std::error::Error, "an operation cannot be read");
                    None
                }
            };
        }
        last.as_ref().map(read)
    }
}

impl Holdings for StoreHoldings<'_> {
    fn log(&self) -> &Log {
        self.log
    }

    fn signed(&self, op: &OpId) -> Option<Vec<u8>> {
        self.record(op, |record| record.signed.to_vec())
    }

    fn login(&self, login: &LoginId) -> Option<Vec<u8>> {
        self.replication.0.store.login(&self.core, login).ok().flatten().map(|block| block.to_vec())
    }

    fn body(&self, op: &OpId) -> Option<Vec<u8>> {
        self.record(op, |record| record.body.as_ref().map(|body| body.to_vec())).flatten()
    }

    fn lacking(&self) -> Vec<OpId> {
        Vec::new()
    }

    fn is_public(&self, op: &OpId) -> bool {
        self.bodies
            && self.body(op).is_some_and(|body| {
                self.replication.is_public_op(&self.core, op, &body).unwrap_or_else(|error| {
                    tracing::warn!(%op, error = &error as &dyn std::error::Error, "a path cannot be read");
                    false
                })
            })
    }
}
