//! The worker that gives the records of this node's cores to other nodes.

use std::{collections::HashMap, time::Duration};

use kubelt_content::ipns::{Name, Record};
use kubelt_core::CoreId;
use tokio::task::JoinSet;

use super::{Ipns, own::RECORDS};
use crate::{
    StoreError,
    limits::{NAME_SPREAD_EVERY, NAME_SPREAD_RETRY, NAME_SPREAD_ROUND, NAMES_SPREAD_AT_ONCE},
    worker::{Progress, Step, Stepping, Work, Worker},
};

/// What it is called.
const NAME: &str = "names";

#[derive(Debug)]
struct Spread {
    ipns: Ipns,
    /// When the record of a core was last given to others, and its sequence and end.
    given: HashMap<CoreId, Given>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Given {
    at: Duration,
    version: (u64, Duration),
}

impl Ipns {
    /// The worker that gives records to others.
    pub(crate) fn spreader(&self) -> Worker {
        Worker::new(NAME, &self.0.spreading, Spread { ipns: self.clone(), given: HashMap::new() })
    }

    /// The cores that have a record.
    fn named_cores(&self) -> Result<Vec<CoreId>, StoreError> {
        let mut cores = Vec::new();
        for row in self.0.store.meta_scan(RECORDS, &[], None) {
            let (key, _row) = row?;
            cores.extend(<[u8; 32]>::try_from(key.as_ref()).ok().map(CoreId::from_digest));
        }
        Ok(cores)
    }

    /// The record of a core that says what is public now; none where it is behind or publishes nothing.
    fn standing_record(&self, core: &CoreId) -> Result<Option<Record>, StoreError> {
        let Some(standing) = self.standing(core)? else { return Ok(None) };
        let record = standing.published().then(|| Record::decode(standing.record().to_vec()).ok());
        Ok(record.flatten().filter(|record| record.validity_end() >= self.now()))
    }
}

impl Spread {
    /// The record of a core, where it is to be given to others now.
    fn due(&self, core: &CoreId, now: Duration) -> Result<Option<Record>, StoreError> {
        let Some(record) = self.ipns.standing_record(core)? else { return Ok(None) };
        let version = (record.sequence(), record.validity_end());
        let is_given = self.given.get(core).is_some_and(|given| {
            given.version == version && now.saturating_sub(given.at) < NAME_SPREAD_EVERY
        });
        Ok((!is_given).then_some(record))
    }
}

impl Work for Spread {
    fn step<'a>(&'a mut self, progress: &'a Progress) -> Stepping<'a> {
        Box::pin(async move {
            let Some(routing) = self.ipns.routing().routing() else {
                return Ok(Step::Idle(NAME_SPREAD_ROUND));
            };
            let now = self.ipns.now();
            let cores = self.ipns.named_cores()?;
            self.given.retain(|core, _| cores.binary_search(core).is_ok());
            let mut due: Vec<(CoreId, Name, Record)> = Vec::new();
            let mut waiting = 0_u64;
            for core in cores {
                let Some(record) = self.due(&core, now)? else { continue };
                waiting += 1;
                if due.len() < NAMES_SPREAD_AT_ONCE {
                    due.push((core, self.ipns.name_of(&core).await?, record));
                }
            }
            progress.waiting(waiting);
            let (asked, mut putting, mut failed) = (due.len(), JoinSet::new(), None);
            for (core, name, record) in due {
                let (routing, version) =
                    (std::sync::Arc::clone(&routing), (record.sequence(), record.validity_end()));
                putting.spawn(async move { (core, version, routing.put_record(&name, record).await) });
            }
            while let Some(done) = putting.join_next().await {
                match done {
                    Ok((core, version, Ok(_peers))) => {
                        self.given.insert(core, Given { at: now, version });
                    }
                    Ok((_, _, Err(error))) => failed = Some(error.to_string()),
                    Err(error) => failed = Some(error.to_string()),
                }
            }
            progress.waiting(waiting - (asked as u64).min(waiting));
            progress.say(match &failed {
                Some(why) => format!("{} names are known to others; {why}", self.given.len()),
                None => format!("{} names are known to others", self.given.len()),
            });
            Ok(match failed {
                Some(_) => Step::Idle(NAME_SPREAD_RETRY),
                None if waiting > asked as u64 => Step::More,
                None => Step::Idle(NAME_SPREAD_ROUND),
            })
        })
    }
}
