//! Memory for walks of DAGs that come from peers: all fetches of the node together have so much, and each a part.
//!
//! Whoever makes a DAG chooses how wide it is, so what waits to be looked at is counted. A walk that gets no more lets go
//! of what it has not looked at, and is begun again later.

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};

use crate::limits::{
    FETCH_ROOM_BYTES_MAX, FETCH_ROOM_FREE_BYTES, FETCH_ROOM_OF_ONE_BYTES_MAX, FETCH_ROOM_STEP_BYTES,
};

/// What all fetches have; cheap to clone.
#[derive(Debug, Clone, Default)]
pub(super) struct Room(Arc<AtomicUsize>);

/// What one has, given back with it.
#[derive(Debug)]
pub(super) struct Part {
    room: Room,
    bytes: usize,
}

impl Room {
    pub(super) const fn part(self) -> Part {
        Part { room: self, bytes: 0 }
    }

    /// Bytes that are taken.
    pub(super) fn taken(&self) -> usize {
        self.0.load(Ordering::Relaxed)
    }
}

impl Part {
    /// Whether so many bytes may be held in all. A little may be in any case.
    pub(super) fn holds(&mut self, bytes: usize) -> bool {
        if bytes <= self.bytes || bytes <= FETCH_ROOM_FREE_BYTES {
            return true;
        }
        let wanted = bytes.next_multiple_of(FETCH_ROOM_STEP_BYTES);
        if wanted > FETCH_ROOM_OF_ONE_BYTES_MAX {
            return false;
        }
        let more = wanted - self.bytes;
        let fits = |taken: usize| taken.checked_add(more).filter(|taken| *taken <= FETCH_ROOM_BYTES_MAX);
        let got = self.room.0.fetch_update(Ordering::Relaxed, Ordering::Relaxed, fits).is_ok();
        if got {
            self.bytes = wanted;
        }
        got
    }

    /// Gives back what is not needed for so many bytes, where that is worth it.
    pub(super) fn shrink(&mut self, bytes: usize) {
        let wanted =
            if bytes <= FETCH_ROOM_FREE_BYTES { 0 } else { bytes.next_multiple_of(FETCH_ROOM_STEP_BYTES) };
        if wanted < self.bytes {
            self.room.0.fetch_sub(self.bytes - wanted, Ordering::Relaxed);
            self.bytes = wanted;
        }
    }
}

impl Drop for Part {
    fn drop(&mut self) {
        self.shrink(0);
    }
}

#[cfg(test)]
mod tests {
    use super::Room;
    use crate::limits::{FETCH_ROOM_BYTES_MAX, FETCH_ROOM_FREE_BYTES, FETCH_ROOM_OF_ONE_BYTES_MAX};

    #[test]
    fn one_has_a_part_and_all_have_so_much() {
        let room = Room::default();
        let mut first = room.clone().part();
        assert!(first.holds(FETCH_ROOM_FREE_BYTES) && room.taken() == 0, "a little is free");
        assert!(first.holds(FETCH_ROOM_OF_ONE_BYTES_MAX));
        assert!(!first.holds(FETCH_ROOM_OF_ONE_BYTES_MAX + 1));
        assert_eq!(room.taken(), FETCH_ROOM_OF_ONE_BYTES_MAX);

        let mut others = Vec::new();
        while room.taken() < FETCH_ROOM_BYTES_MAX {
            let mut other = room.clone().part();
            assert!(other.holds(FETCH_ROOM_OF_ONE_BYTES_MAX));
            others.push(other);
        }
        let mut late = room.clone().part();
        assert!(!late.holds(FETCH_ROOM_FREE_BYTES + 1) && late.holds(FETCH_ROOM_FREE_BYTES));
        first.shrink(FETCH_ROOM_OF_ONE_BYTES_MAX / 2);
        assert!(late.holds(FETCH_ROOM_OF_ONE_BYTES_MAX / 2));
        drop((first, late, others));
        assert_eq!(room.taken(), 0);
    }
}
