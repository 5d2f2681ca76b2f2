//! Sessions that are opened and ended.

use std::{collections::BTreeSet, sync::Arc};

use kubelt_api::{ContentReceipt, SessionList};

use super::{
    api::{Api, Gone},
    cores::{Owner, Writes},
    dice::Dice,
    kill::Load,
};

const OPEN_MAX: usize = 12;
/// Ended sessions that are tried again after each kill, the latest.
const ENDED_TRIED: usize = 16;

/// Somebody who signs in again and again, writes something, and signs out.
pub(super) struct SignIns {
    owner: Arc<Owner>,
    dice: Dice,
    open: Vec<Session>,
    ended: Vec<Session>,
    /// One whose end was asked for, and not acknowledged.
    ending: Option<Session>,
    opening: bool,
    /// Sessions of others of the same account.
    others: BTreeSet<String>,
    writes: Writes,
}

#[derive(Debug, Clone)]
struct Session {
    id: String,
    token: String,
}

impl SignIns {
    /// Leaves the sessions alone that the account has now.
    pub(super) fn new(owner: &Arc<Owner>, seed: u64, api: &Api, token: &str) -> Self {
        let list: SessionList =
            api.get("/-/session", Some(token)).expect("the node answers").expect(200).json();
        Self {
            owner: Arc::clone(owner),
            dice: Dice::new(seed),
            open: Vec::new(),
            ended: Vec::new(),
            ending: None,
            opening: false,
            others: list.sessions.into_iter().map(|session| session.id).collect(),
            writes: Writes::default(),
        }
    }

    fn open(&mut self, api: &Api) -> Result<(), Gone> {
        self.opening = true;
        let (session, _) = api.sign_in(&self.owner.key, None)?;
        self.opening = false;
        api.acknowledged();
        let session = Session { id: session.id, token: session.token };
        self.open.push(session.clone());
        self.writes.ask(1);
        let path = format!("{}/-/content/visits?visibility=public", self.owner.address);
        let answer =
            api.call("PUT", &path, Some(&session.token), Some(("text/plain", session.id.as_bytes())))?;
        let receipt: ContentReceipt = answer.expect(201).json();
        self.writes.acknowledge(Some(receipt.op));
        api.acknowledged();
        Ok(())
    }

    fn end(&mut self, api: &Api) -> Result<(), Gone> {
        let one = usize::try_from(self.dice.below(self.open.len() as u64)).expect("small");
        let session = self.open.swap_remove(one);
        self.ending = Some(session.clone());
        self.writes.ask(1);
        api.call("DELETE", "/-/session", Some(&session.token), None)?.expect(204);
        self.ending = None;
        self.ended.push(session);
        self.writes.acknowledge(None);
        api.acknowledged();
        Ok(())
    }

    /// Ends sessions whose token never reached the client.
    fn end_unknown(&mut self, api: &Api) -> Result<(), Gone> {
        let Some(Session { token, .. }) = self.open.first() else { return Ok(()) };
        let list: SessionList = api.get("/-/session", Some(token))?.expect(200).json();
        let listed: BTreeSet<String> = list.sessions.into_iter().map(|session| session.id).collect();
        let mine: BTreeSet<String> = self.open.iter().map(|session| session.id.clone()).collect();
        assert!(listed.is_superset(&mine) && listed.is_superset(&self.others), "a session is not listed");
        let unknown: Vec<_> =
            listed.into_iter().filter(|id| !mine.contains(id) && !self.others.contains(id)).collect();
        assert!(unknown.len() <= usize::from(self.opening), "nobody opened {unknown:?}");
        for id in unknown {
            self.writes.ask(1);
            api.call("DELETE", &format!("/-/session/{id}"), Some(token), None)?.expect(204);
            self.writes.acknowledge(None);
        }
        self.opening = false;
        Ok(())
    }
}

impl Load for SignIns {
    fn step(&mut self, api: &Api) -> Result<(), Gone> {
        if self.open.len() < 2 || (self.open.len() < OPEN_MAX && self.dice.one_in(2)) {
            self.open(api)
        } else {
            self.end(api)
        }
    }

    fn settle(&mut self, api: &Api) -> Result<Writes, Gone> {
        if let Some(session) = self.ending.take() {
            match api.get("/-/session", Some(&session.token))?.status {
                200 => self.open.push(session),
                _ => self.ended.push(session),
            }
        }
        for session in &self.open {
            api.get("/-/session", Some(&session.token))?.expect(200);
        }
        for session in self.ended.iter().rev().take(ENDED_TRIED) {
            api.get("/-/session", Some(&session.token))?.expect_problem(401, "unauthorized");
        }
        self.end_unknown(api)?;
        Ok(std::mem::take(&mut self.writes))
    }
}
