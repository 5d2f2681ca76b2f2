//! Operations that the client signs itself.

use std::{
    sync::Arc,
    time::{SystemTime, UNIX_EPOCH},
};

use base64::{Engine as _, engine::general_purpose::STANDARD};
use kubelt_api::{OpReceipts, StatePage};
use kubelt_content::Ipld;
use kubelt_core::{Act, Body, Header, Hlc, Login, LoginId, OpId, Scheme, SessionKey};
use serde_json::{Value, json};

use super::{
    api::{Answer, Api, Gone},
    cores::{Owner, Writes},
    dice::Dice,
    kill::Load,
};

/// Somebody who holds a session key and posts chains of operations, each of which counts one up.
pub(super) struct Signer {
    owner: Arc<Owner>,
    key: SessionKey,
    dice: Dice,
    session: Option<(String, LoginId)>,
    /// The last operation made, whether acknowledged or not.
    last: Option<(OpId, Hlc)>,
    /// The number that the last acknowledged one wrote.
    count: u64,
    /// What was posted, and not acknowledged.
    trying: Vec<Posted>,
    writes: Writes,
}

#[derive(Debug, Clone)]
struct Posted {
    id: OpId,
    wire: Value,
}

impl Signer {
    pub(super) fn new(owner: &Arc<Owner>, seed: u64) -> Self {
        Self {
            owner: Arc::clone(owner),
            key: SessionKey::from_seed([9; 32]),
            dice: Dice::new(seed),
            session: None,
            last: None,
            count: 0,
            trying: Vec::new(),
            writes: Writes::default(),
        }
    }

    fn sign_in(&mut self, api: &Api) -> Result<(), Gone> {
        let (session, signed) = api.sign_in(&self.owner.key, Some(self.key.public().to_string()))?;
        let login = Login::new(signed.message, Scheme::Eip191, signed.signature, None);
        assert_eq!(login.id().to_string(), session.id);
        self.session = Some((session.token, login.id()));
        Ok(())
    }

    /// The next operation of the chain.
    fn make(&mut self, login: LoginId) -> Posted {
        let value = Ipld::String((self.count + self.trying.len() as u64 + 1).to_string());
        let path = "profile/name".parse().expect("a path");
        let body = Body::new([3; 16], Act::Put { path, value });
        let now = SystemTime::now().duration_since(UNIX_EPOCH).expect("after 1970").as_millis();
        let now = Hlc::from_ms(u64::try_from(now).expect("fits"));
        let at = self.last.map_or(now, |(_, at)| now.max(Hlc::from_bits(at.bits() + 1)));
        let header = Header {
            v: 1,
            core: self.owner.core,
            prev: self.last.iter().map(|(id, _)| *id).collect(),
            by: self.owner.key.account(),
            login: Some(login),
            auth: self.owner.core.as_root(),
            at,
            votes: vec![],
            verb: body.act.verb(),
            body: body.id(),
        };
        let signed = self.key.sign_header(header);
        let id = signed.id();
        self.last = Some((id, at));
        Posted {
            id,
            wire: json!({ "signed": STANDARD.encode(signed.encode()), "body": STANDARD.encode(body.encode()) }),
        }
    }

    /// Posts what waits for it, for the first time or again.
    fn post(&mut self, api: &Api) -> Result<(), Gone> {
        let receipts: OpReceipts = self.post_raw(api)?.expect(201).json();
        let ids: Vec<String> = self.trying.iter().map(|op| op.id.to_string()).collect();
        assert!(receipts.ops.iter().all(|op| op.effective), "{receipts:?}");
        assert_eq!(receipts.ops.iter().map(|op| &op.id).collect::<Vec<_>>(), ids.iter().collect::<Vec<_>>());
        self.count += ids.len() as u64;
        self.trying.clear();
        ids.into_iter().for_each(|id| self.writes.acknowledge(Some(id)));
        api.acknowledged();
        Ok(())
    }

    fn post_raw(&self, api: &Api) -> Result<Answer, Gone> {
        let (token, _) = self.session.as_ref().expect("whoever makes operations is signed in");
        let wires: Vec<&Value> = self.trying.iter().map(|op| &op.wire).collect();
        api.post(&format!("{}/-/ops", self.owner.address), Some(token), &json!({ "ops": wires }))
    }

    /// The number that the core's state holds.
    fn stored(&self, api: &Api) -> Result<u64, Gone> {
        let Some((token, _)) = &self.session else { return Ok(0) };
        let answer = api.get(&format!("{}/-/state/profile", self.owner.address), Some(token))?;
        let page: StatePage = answer.expect(200).json();
        let Some(entry) = page.entries.iter().find(|entry| entry.path == "profile/name") else {
            return Ok(0);
        };
        Ok(entry.value.as_str().and_then(|text| text.parse().ok()).expect("a number is all it ever held"))
    }
}

impl Load for Signer {
    fn step(&mut self, api: &Api) -> Result<(), Gone> {
        if self.session.is_none() {
            self.sign_in(api)?;
        }
        let login = self.session.as_ref().expect("signed in just now").1;
        let count = 1 + self.dice.below(3);
        for _ in 0..count {
            let op = self.make(login);
            self.trying.push(op);
        }
        self.writes.ask(count);
        self.post(api)
    }

    fn settle(&mut self, api: &Api) -> Result<Writes, Gone> {
        let stored = self.stored(api)?;
        let most = self.count + self.trying.len() as u64;
        assert!((self.count..=most).contains(&stored), "{} was acknowledged, not {stored}", self.count);
        if !self.trying.is_empty() {
            // Nobody knows whether they arrived, so the client sends them again.
            self.post(api)?;
            assert_eq!(self.stored(api)?, self.count);
        }
        Ok(std::mem::take(&mut self.writes))
    }
}
