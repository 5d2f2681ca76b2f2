//! The worker: makes remote pins equal to what is published, one call after the other.

use std::{sync::Arc, time::Duration};

use cid::Cid;
use kubelt_core::{CoreId, codec};

use super::{
    Delivered, PinningClient, ROWS, RemoteCall, RemoteError, RemotePin, RemotePins, RemoteService, SECRETS,
    row_key, token_for,
};
use crate::{
    StoreError,
    content::UploadError,
    limits::{
        REMOTE_CALLS_PER_STEP_MAX, REMOTE_ID_BYTES_MAX, REMOTE_LOOK, REMOTE_REASON_CHARS_MAX, REMOTE_RECHECK,
        REMOTE_RETRY_MAX, REMOTE_RETRY_MIN,
    },
    worker::{Progress, Step, Stepping, Work},
};

/// The worker's own state: none, all of it is in the store.
#[derive(Debug)]
pub(super) struct Deliverer(pub(super) RemotePins);

impl Work for Deliverer {
    fn step<'a>(&'a mut self, progress: &'a Progress) -> Stepping<'a> {
        Box::pin(async move {
            let client = self.0.0.client.read().clone();
            let Some(client) = client else { return Ok(Step::Idle(REMOTE_LOOK)) };
            let (done, waiting) = self.0.deliver(&client).await?;
            progress.waiting(waiting);
            Ok(if done > 0 && waiting > 0 { Step::More } else { Step::Idle(REMOTE_LOOK) })
        })
    }
}

/// What is to be done about one path.
struct Job {
    path: String,
    row: Option<Delivered>,
    call: RemoteCall,
    /// What is to be pinned; none where the pin is to go.
    cid: Option<Cid>,
}

impl RemotePins {
    /// Makes the calls that are due, a few of each service; gives how many, and how many are left.
    async fn deliver(&self, client: &Arc<dyn PinningClient>) -> Result<(u64, u64), UploadError> {
        let (mut done, mut left) = (0, 0);
        let secrets = self.0.store.meta_scan(SECRETS, &[], None).collect::<Result<Vec<_>, _>>()?;
        for (key, secret) in secrets {
            let Some((core, name)) = read_key(&key) else { continue };
            let Some(delivery) = self.setting(&core, &name)? else {
                self.forget(&core, &name).await?;
                continue;
            };
            let Some(token) = token_for(&secret, &delivery) else { continue };
            let jobs = self.due(&core, &name, &delivery)?;
            let count = jobs.len() as u64;
            if self.is_paused(&key) {
                left += count;
                continue;
            }
            let service = RemoteService { endpoint: delivery.endpoint, token };
            let mut made = 0;
            for job in jobs.into_iter().take(REMOTE_CALLS_PER_STEP_MAX) {
                made += 1;
                let well = self.make(client, &service, &core, &name, job).await?;
                self.pause(&key, well);
                if !well {
                    break;
                }
            }
            done += made;
            left += count - made;
        }
        Ok((done, left))
    }

    /// Whether the service failed a moment ago.
    fn is_paused(&self, key: &[u8]) -> bool {
        let now_ms = self.0.clock.now_ms();
        self.0.paused.lock().get(key).is_some_and(|(_, until_ms)| now_ms < *until_ms)
    }

    /// A service that fails is left alone for a while, longer each time.
    fn pause(&self, key: &[u8], well: bool) {
        let mut paused = self.0.paused.lock();
        if well {
            paused.remove(key);
            return;
        }
        let failures = paused.get(key).map_or(0, |(failures, _)| *failures).saturating_add(1);
        let pause_ms = u64::try_from(pause(failures).as_millis()).unwrap_or(u64::MAX);
        paused.insert(key.to_vec(), (failures, self.0.clock.now_ms().saturating_add(pause_ms)));
    }

    fn due(&self, core: &CoreId, name: &str, delivery: &super::Delivery) -> Result<Vec<Job>, StoreError> {
        let now_ms = self.0.clock.now_ms();
        let wanted = self.wanted(core, delivery)?;
        let mut rows = self.rows(core, name)?;
        let mut jobs = Vec::new();
        for (path, cid) in wanted {
            let row = rows.remove(&path);
            let text = cid.to_string();
            let same = row.as_ref().is_some_and(|row| row.cid == text);
            let waits = |row: &Delivered| (same || row.status == REPLACING) && now_ms < row.next_ms;
            if row.as_ref().is_some_and(waits) {
                continue;
            }
            let pin_name = format!("{name}/{path}").chars().take(255).collect();
            let call = match row.as_ref().and_then(|row| row.id.clone()) {
                Some(id) if same => RemoteCall::Status { id },
                Some(id) => RemoteCall::Replace { id, cid, name: pin_name },
                None => RemoteCall::Add { cid, name: pin_name },
            };
            jobs.push(Job { path, row, call, cid: Some(cid) });
        }
        for (path, row) in rows {
            if row.status == REMOVING && now_ms < row.next_ms {
                continue;
            }
            let call = RemoteCall::Remove { id: row.id.clone().unwrap_or_default() };
            jobs.push(Job { path, row: Some(row), call, cid: None });
        }
        Ok(jobs)
    }

    /// Makes one call and notes what became of it; whether the service answered well.
    async fn make(
        &self,
        client: &Arc<dyn PinningClient>,
        service: &RemoteService,
        core: &CoreId,
        name: &str,
        job: Job,
    ) -> Result<bool, UploadError> {
        let Job { path, row, call, cid } = job;
        let nothing_there = matches!(&call, RemoteCall::Remove { id } if id.is_empty());
        let answer = if nothing_there {
            Err(RemoteError::Gone)
        } else {
            let (client, service) = (Arc::clone(client), service.clone());
            tokio::task::spawn_blocking(move || client.call(&service, &call))
                .await
                .unwrap_or_else(|_panicked| Err(RemoteError::Failed("the call broke off".to_owned())))
        };
        let well = !matches!(answer, Err(RemoteError::Failed(_)));
        let now_ms = self.0.clock.now_ms();
        let after = match cid {
            Some(cid) => Some(after_pin(row, &cid, answer, now_ms)),
            None => after_removal(row, answer, now_ms),
        };
        let mut tx = self.0.store.begin();
        let row = after.map(|row| codec::encode(&row));
        tx.put_meta(ROWS, &row_key(core, name, &path), row.as_deref())?;
        tx.commit().await?;
        Ok(well)
    }
}

const REPLACING: &str = "replacing";
const REMOVING: &str = "removing";
const WAITING: &str = "waiting";

fn after_pin(
    row: Option<Delivered>,
    cid: &Cid,
    answer: Result<RemotePin, RemoteError>,
    now_ms: u64,
) -> Delivered {
    let text = cid.to_string();
    let same = row.as_ref().filter(|row| row.cid == text);
    let attempts = same.map_or(0, |row| row.attempts).saturating_add(1);
    let next = |pause: Duration| now_ms.saturating_add(u64::try_from(pause.as_millis()).unwrap_or(u64::MAX));
    let made = |id, status: &str, reason, attempts, pause| Delivered {
        v: 1,
        cid: text.clone(),
        id,
        status: status.to_owned(),
        reason,
        attempts,
        next_ms: next(pause),
    };
    match answer.and_then(|pin| sound(pin, cid)) {
        Ok(pin) if pin.status == "pinned" => made(Some(pin.id), "pinned", None, 0, REMOTE_RECHECK),
        Ok(pin) => {
            let reason = pin.details.map(|details| shortened(&details));
            // One that failed there is asked for anew, not asked about.
            let id = (pin.status != "failed").then_some(pin.id);
            made(id, &pin.status, reason, attempts, pause(attempts))
        }
        // The pin that was to be replaced or asked about is gone: the next call makes a new one.
        Err(RemoteError::Gone) => {
            let reason = Some("the service lost the pin".to_owned());
            made(None, WAITING, reason, attempts, pause(attempts))
        }
        Err(RemoteError::Failed(reason)) => {
            let reason = Some(shortened(&reason));
            match row {
                // Under its old CID the next call replaces it still.
                Some(row) if row.cid != text && row.id.is_some() => {
                    let attempts = if row.status == REPLACING { row.attempts.saturating_add(1) } else { 1 };
                    let (status, next_ms) = (REPLACING.to_owned(), next(pause(attempts)));
                    Delivered { status, reason, attempts, next_ms, ..row }
                }
                Some(row) => made(row.id, &row.status, reason, attempts, pause(attempts)),
                None => made(None, WAITING, reason, attempts, pause(attempts)),
            }
        }
    }
}

fn after_removal(
    row: Option<Delivered>,
    answer: Result<RemotePin, RemoteError>,
    now_ms: u64,
) -> Option<Delivered> {
    let Err(RemoteError::Failed(reason)) = answer else { return None };
    let row = row?;
    let attempts = if row.status == REMOVING { row.attempts.saturating_add(1) } else { 1 };
    let next_ms = now_ms.saturating_add(u64::try_from(pause(attempts).as_millis()).unwrap_or(u64::MAX));
    Some(Delivered {
        status: REMOVING.to_owned(),
        reason: Some(shortened(&reason)),
        attempts,
        next_ms,
        ..row
    })
}

/// A pin that the service may have meant.
fn sound(pin: RemotePin, cid: &Cid) -> Result<RemotePin, RemoteError> {
    let lies = |what: &str| RemoteError::Failed(format!("the service answers nonsense: {what}"));
    if pin.id.is_empty() || pin.id.len() > REMOTE_ID_BYTES_MAX {
        return Err(lies("a pin without an id"));
    }
    let same =
        pin.cid.parse::<Cid>().is_ok_and(|found| found.hash() == cid.hash() && found.codec() == cid.codec());
    if !same {
        return Err(lies("a pin of other content"));
    }
    if !["queued", "pinning", "pinned", "failed"].contains(&pin.status.as_str()) {
        return Err(lies("a status that there is not"));
    }
    Ok(pin)
}

fn pause(attempts: u32) -> Duration {
    REMOTE_RETRY_MIN.saturating_mul(2_u32.saturating_pow(attempts.saturating_sub(1))).min(REMOTE_RETRY_MAX)
}

fn shortened(text: &str) -> String {
    text.chars().filter(|c| !c.is_control()).take(REMOTE_REASON_CHARS_MAX).collect()
}

fn read_key(key: &[u8]) -> Option<(CoreId, String)> {
    let (digest, name) = key.split_first_chunk::<32>()?;
    Some((CoreId::from_digest(*digest), std::str::from_utf8(name).ok()?.to_owned()))
}
