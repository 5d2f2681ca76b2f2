//! Which pins are looked at next: each core in its turn, so that none keeps the others waiting however many pins it has.

use std::collections::{HashMap, VecDeque};

use kubelt_core::{CoreId, MapPath};

use crate::{
    access::Reader,
    limits::{
        PIN_RETRY, PIN_TAKES_MAX, PIN_TAKES_OF_CORE_MAX, PIN_TAKES_REMEMBERED_MAX, PIN_WAITING_OF_CORE_MAX,
    },
};

/// A look for the blocks of a pin.
#[derive(Debug)]
pub(super) struct Look {
    pub(super) core: CoreId,
    pub(super) path: MapPath,
    pub(super) reader: Reader,
}

/// Looks that wait, run, or were a moment ago.
#[derive(Debug, Default)]
pub(super) struct Looks {
    waiting: HashMap<CoreId, VecDeque<(MapPath, Reader)>>,
    /// Cores that have some waiting, the one whose turn it is first.
    turns: VecDeque<CoreId>,
    /// How many run, by core.
    running: HashMap<CoreId, usize>,
    known: HashMap<(CoreId, MapPath), Known>,
    workers: usize,
}

#[derive(Debug, Clone, Copy)]
struct Known {
    asked_ms: u64,
    /// Whether it waits or runs.
    is_open: bool,
}

impl Looks {
    /// Lets a look wait for its turn, unless there was one a moment ago or its core has enough of them. Gives whether a
    /// worker is wanted for it, which counts as started then.
    pub(super) fn ask(&mut self, look: Look, now_ms: u64) -> bool {
        let Look { core, path, reader } = look;
        let key = (core, path);
        let pause_ms = u64::try_from(PIN_RETRY.as_millis()).expect("seconds fit");
        let is_recent = |known: &Known| known.is_open || now_ms < known.asked_ms.saturating_add(pause_ms);
        let own = self.waiting.get(&core).map_or(0, VecDeque::len);
        if self.known.get(&key).is_some_and(is_recent) || own >= PIN_WAITING_OF_CORE_MAX {
            return false;
        }
        if self.known.len() >= PIN_TAKES_REMEMBERED_MAX {
            self.known.retain(|_, known| is_recent(known));
        }
        if self.known.len() >= PIN_TAKES_REMEMBERED_MAX && !self.make_room(own) {
            return false;
        }
        let (core, path) = key.clone();
        self.known.insert(key, Known { asked_ms: now_ms, is_open: true });
        let waiting = self.waiting.entry(core).or_default();
        if waiting.is_empty() {
            self.turns.push_back(core);
        }
        waiting.push_back((path, reader));
        let wanted = self.workers < PIN_TAKES_MAX;
        self.workers += usize::from(wanted);
        wanted
    }

    /// The look whose turn it is; without one the worker that asks ends.
    pub(super) fn next(&mut self) -> Option<Look> {
        for _ in 0..self.turns.len() {
            let core = self.turns.pop_front()?;
            let running = self.running.get(&core).copied().unwrap_or(0);
            if running >= PIN_TAKES_OF_CORE_MAX {
                self.turns.push_back(core);
                continue;
            }
            let Some(waiting) = self.waiting.get_mut(&core) else { continue };
            let Some((path, reader)) = waiting.pop_front() else { continue };
            match waiting.is_empty() {
                true => drop(self.waiting.remove(&core)),
                false => self.turns.push_back(core),
            }
            self.running.insert(core, running + 1);
            return Some(Look { core, path, reader });
        }
        self.workers -= 1;
        None
    }

    /// A look is over.
    pub(super) fn done(&mut self, core: &CoreId, path: &MapPath) {
        if let Some(known) = self.known.get_mut(&(*core, path.clone())) {
            known.is_open = false;
        }
        if let Some(running) = self.running.get_mut(core) {
            *running -= 1;
            if *running == 0 {
                self.running.remove(core);
            }
        }
    }

    /// Whether a look for this pin waits or runs.
    pub(super) fn is_open(&self, core: &CoreId, path: &MapPath) -> bool {
        self.known.get(&(*core, path.clone())).is_some_and(|known| known.is_open)
    }

    /// Whether any look waits or runs.
    pub(super) fn is_busy(&self) -> bool {
        !self.waiting.is_empty() || !self.running.is_empty()
    }

    /// Lets go of the look that the core with the most of them asked for last, if that has more than `own`.
    fn make_room(&mut self, own: usize) -> bool {
        let most = self.waiting.iter().max_by_key(|(_, waiting)| waiting.len());
        let Some(core) = most.filter(|(_, waiting)| waiting.len() > own + 1).map(|(core, _)| *core) else {
            return false;
        };
        let Some((path, _reader)) = self.waiting.get_mut(&core).and_then(VecDeque::pop_back) else {
            return false;
        };
        self.known.remove(&(core, path));
        true
    }
}

#[cfg(test)]
mod tests {
    use kubelt_core::{CoreId, MapPath};

    use super::{Look, Looks};
    use crate::{
        access::Reader,
        limits::{PIN_TAKES_MAX, PIN_TAKES_OF_CORE_MAX, PIN_TAKES_REMEMBERED_MAX, PIN_WAITING_OF_CORE_MAX},
    };

    fn core(n: usize) -> CoreId {
        CoreId::of(&n.to_be_bytes())
    }

    fn look(of: usize, n: usize) -> Look {
        let path = MapPath::new(format!("content/pins/{n}")).expect("a path");
        Look { core: core(of), path, reader: Reader::Anonymous }
    }

    /// The core and path of the next look.
    fn next(looks: &mut Looks) -> Option<(CoreId, MapPath)> {
        looks.next().map(|look| (look.core, look.path))
    }

    #[test]
    fn cores_take_turns_and_none_has_all_the_places() {
        let mut looks = Looks::default();
        let started = (0..100).filter(|n| looks.ask(look(1, *n), 0)).count();
        assert_eq!(started, PIN_TAKES_MAX);
        // One after the other, but no more at once than are one core's.
        let first: Vec<_> = std::iter::from_fn(|| next(&mut looks)).collect();
        assert_eq!(first.len(), PIN_TAKES_OF_CORE_MAX);
        assert!(first.iter().all(|(of, _)| *of == core(1)));
        assert!(looks.ask(look(2, 0), 0), "there is a place for somebody else");
        assert_eq!(next(&mut looks).map(|(of, _)| of), Some(core(2)));
        // Two cores that wait are served in turn, whoever has more.
        for n in 1..4 {
            looks.ask(look(2, n), 0);
        }
        let mut served = Vec::new();
        let mut at_work = first;
        while let Some((of, path)) = at_work.pop() {
            looks.done(&of, &path);
            if served.len() < 6
                && let Some(found) = next(&mut looks)
            {
                served.push(found.0);
                at_work.push(found);
            }
        }
        let ones = served.iter().filter(|of| **of == core(1)).count();
        assert!((2..=4).contains(&ones), "{ones} of {}", served.len());
    }

    #[test]
    fn a_core_has_so_many_waiting_and_a_full_queue_takes_newcomers() {
        let mut looks = Looks::default();
        for n in 0..2 * PIN_WAITING_OF_CORE_MAX {
            looks.ask(look(1, n), 0);
        }
        assert_eq!(looks.known.len(), PIN_WAITING_OF_CORE_MAX);
        for of in 2..2 * PIN_TAKES_REMEMBERED_MAX / PIN_WAITING_OF_CORE_MAX {
            for n in 0..PIN_WAITING_OF_CORE_MAX {
                looks.ask(look(of, n), 0);
            }
        }
        assert_eq!(looks.known.len(), PIN_TAKES_REMEMBERED_MAX);
        looks.ask(look(9_999, 7), 0);
        assert!(looks.is_open(&core(9_999), &look(9_999, 7).path), "somebody with one pin has a place");
        assert_eq!(looks.known.len(), PIN_TAKES_REMEMBERED_MAX);
    }

    #[test]
    fn what_was_looked_for_a_moment_ago_waits() {
        let mut looks = Looks::default();
        assert!(looks.ask(look(1, 1), 0) && !looks.ask(look(1, 1), 0));
        let (of, path) = next(&mut looks).expect("it waits");
        assert!(looks.is_busy() && looks.is_open(&of, &path));
        looks.done(&of, &path);
        assert!(!looks.is_busy() && !looks.is_open(&of, &path));
        assert_eq!(next(&mut looks), None);
        assert!(!looks.ask(look(1, 1), 4_999));
        assert!(looks.ask(look(1, 1), 5_000));
    }
}
