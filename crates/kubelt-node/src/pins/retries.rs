//! Pins whose blocks nobody had are looked for again by themselves, each time after a longer pause, until they are
//! whole, gone, or too old.

use std::{
    collections::{BTreeSet, HashMap},
    time::Duration,
};

use kubelt_core::{CoreId, MapPath};

use super::{Pins, record::created_ms};
use crate::{
    StoreError,
    access::Reader,
    limits::{
        PIN_AGAIN_MAX, PIN_AGAIN_MIN, PIN_RETRIES_MAX, PIN_RETRIES_PER_STEP, PIN_RETRY_CORES, PIN_WAIT,
    },
    names::named,
    worker::{Progress, Step, Stepping, Work},
};

/// When which pins are looked for again.
#[derive(Debug, Default)]
pub(super) struct Retries {
    due: BTreeSet<(u64, CoreId, MapPath)>,
    /// How often each was put off, and until when.
    tries: HashMap<(CoreId, MapPath), (u32, u64)>,
}

impl Retries {
    /// A pin lacks blocks that nobody has now. Where too many do, it is looked for when somebody asks about it.
    pub(super) fn put_off(&mut self, core: CoreId, path: MapPath, now_ms: u64) {
        let key = (core, path);
        let known = self.tries.get(&key).copied();
        if known.is_none() && self.tries.len() >= PIN_RETRIES_MAX {
            return;
        }
        let (tries, before) = known.unwrap_or_default();
        let pause = PIN_AGAIN_MIN.saturating_mul(1 << tries.min(16)).min(PIN_AGAIN_MAX);
        let due = now_ms.saturating_add(u64::try_from(pause.as_millis()).unwrap_or(u64::MAX));
        let (core, path) = key.clone();
        self.due.remove(&(before, core, path.clone()));
        self.due.insert((due, core, path));
        self.tries.insert(key, (tries.saturating_add(1), due));
    }

    /// A pin is whole, or gone.
    pub(super) fn forget(&mut self, core: &CoreId, path: &MapPath) {
        if let Some((_, due)) = self.tries.remove(&(*core, path.clone())) {
            self.due.remove(&(due, *core, path.clone()));
        }
    }

    /// Some of those whose time has come.
    fn take_due(&mut self, now_ms: u64) -> Vec<(CoreId, MapPath)> {
        let mut taken = Vec::new();
        while taken.len() < PIN_RETRIES_PER_STEP
            && self.due.first().is_some_and(|(due, ..)| *due <= now_ms)
            && let Some((_, core, path)) = self.due.pop_first()
        {
            taken.push((core, path));
        }
        taken
    }

    fn has(&self, core: &CoreId, path: &MapPath) -> bool {
        self.tries.contains_key(&(*core, path.clone()))
    }

    fn next_ms(&self) -> Option<u64> {
        self.due.first().map(|(due, ..)| *due)
    }

    fn len(&self) -> usize {
        self.due.len()
    }
}

/// Looks for them again.
#[derive(Debug)]
pub(super) struct Retrier {
    pub(super) pins: Pins,
    /// Cores whose pins were not looked at since the node began: those behind this one.
    pub(super) unseen: Option<Option<CoreId>>,
}

impl Work for Retrier {
    fn step<'a>(&'a mut self, progress: &'a Progress) -> Stepping<'a> {
        Box::pin(async move {
            if !self.pins.fetcher.can_fetch() {
                return Ok(Step::Idle(PIN_AGAIN_MIN));
            }
            if let Some(after) = self.unseen {
                let pins = self.pins.clone();
                let looked = tokio::task::spawn_blocking(move || pins.put_off_behind(after));
                let last = looked.await.expect("looking for pins does not panic")?;
                self.unseen = last.map(Some);
                return Ok(Step::More);
            }
            let now_ms = self.pins.clock.now_ms();
            let due = self.pins.shared.retries.lock().take_due(now_ms);
            for (core, path) in &due {
                if self.pins.waits(core, path)? {
                    self.pins.take(core, path.clone(), Reader::Anonymous);
                } else {
                    self.pins.shared.retries.lock().forget(core, path);
                }
            }
            let (next, waiting) = {
                let retries = self.pins.shared.retries.lock();
                (retries.next_ms(), retries.len())
            };
            progress.waiting(waiting as u64);
            if due.len() == PIN_RETRIES_PER_STEP {
                return Ok(Step::More);
            }
            let pause = next.map(|next| Duration::from_millis(next.saturating_sub(now_ms)));
            Ok(Step::Idle(pause.unwrap_or(PIN_AGAIN_MIN).clamp(Duration::from_secs(1), PIN_AGAIN_MIN)))
        })
    }
}

impl Pins {
    /// Puts off what waits in the next cores; gives the last of these, none behind the last of all.
    fn put_off_behind(&self, after: Option<CoreId>) -> Result<Option<CoreId>, StoreError> {
        let cores: Vec<CoreId> =
            self.store.cores(after.as_ref()).take(PIN_RETRY_CORES).collect::<Result<_, _>>()?;
        let now_ms = self.clock.now_ms();
        for core in &cores {
            let mut waiting = Vec::new();
            self.each(core, |path, _, _| {
                if self.waits(core, path)? {
                    waiting.push(path.clone());
                }
                Ok(())
            })?;
            let mut retries = self.shared.retries.lock();
            for path in waiting {
                if !retries.has(core, &path) {
                    retries.put_off(*core, path, now_ms);
                }
            }
        }
        Ok(cores.last().copied())
    }

    /// Whether a pin is there, lacks blocks, and is young enough to be looked for.
    fn waits(&self, core: &CoreId, path: &MapPath) -> Result<bool, StoreError> {
        let Some((op_ms, entry)) = self.entry(core, path)? else { return Ok(false) };
        let wait_ms = u64::try_from(PIN_WAIT.as_millis()).expect("days fit");
        let is_young = self.clock.now_ms() < created_ms(op_ms, &entry).saturating_add(wait_ms);
        let is_whole = named(&self.store, core, path)?.is_some_and(|opened| opened.root == entry.cid);
        Ok(is_young && !is_whole)
    }
}

#[cfg(test)]
mod tests {
    use kubelt_core::{CoreId, MapPath};

    use super::Retries;
    use crate::limits::{PIN_AGAIN_MAX, PIN_AGAIN_MIN, PIN_RETRIES_MAX, PIN_RETRIES_PER_STEP};

    fn pin(n: usize) -> (CoreId, MapPath) {
        (CoreId::of(b"a core"), MapPath::new(format!("content/pins/{n}")).expect("a path"))
    }

    #[test]
    fn each_pause_is_longer_up_to_a_bound() {
        let (mut retries, mut now_ms) = (Retries::default(), 0);
        let ms = |pause: std::time::Duration| u64::try_from(pause.as_millis()).expect("hours fit");
        let (min, max) = (ms(PIN_AGAIN_MIN), ms(PIN_AGAIN_MAX));
        let mut pauses = Vec::new();
        for _ in 0..12 {
            let (core, path) = pin(1);
            retries.put_off(core, path, now_ms);
            let due = retries.next_ms().expect("it waits");
            assert!(retries.take_due(due - 1).is_empty());
            assert_eq!(retries.take_due(due), [pin(1)]);
            pauses.push(due - now_ms);
            now_ms = due;
        }
        assert_eq!(pauses[..3], [min, 2 * min, 4 * min]);
        assert_eq!(pauses[11], max);
        let (core, path) = pin(1);
        retries.forget(&core, &path);
        retries.put_off(core, path.clone(), now_ms);
        assert_eq!(retries.next_ms(), Some(now_ms + min), "it begins anew");
        retries.put_off(core, path, now_ms);
        assert_eq!(retries.len(), 1, "it waits once");
    }

    #[test]
    fn so_many_wait_and_so_many_are_taken_at_once() {
        let mut retries = Retries::default();
        for n in 0..=PIN_RETRIES_MAX {
            let (core, path) = pin(n);
            retries.put_off(core, path, 0);
        }
        assert_eq!(retries.len(), PIN_RETRIES_MAX);
        assert_eq!(retries.take_due(u64::MAX).len(), PIN_RETRIES_PER_STEP);
    }
}
