//! A switch of our own, in user space: Ethernet frames between the places of a network, each of which may come late,
//! after later ones, or not at all. Everything random follows from one seed, which is printed.
//!
//! Each place has a TAP device as its only cable. So this works on kernels that cannot make links bad by themselves
//! (netem), and what is cut is cut in the middle: the devices at its ends stay up, as with a router that is gone.

use std::cmp::Reverse;
use std::collections::{BinaryHeap, HashMap};
use std::io;
use std::sync::{Arc, Condvar, Mutex, MutexGuard};
use std::thread;
use std::time::{Duration, Instant};

use tappers::{Interface, Tap};

use crate::faults::{Dice, say};

/// Longest Ethernet frame, with room for a tag.
const FRAME_BYTES_MAX: usize = 1_522;
/// How long frames wait at most for a link that is full.
const QUEUE_MAX: Duration = Duration::from_millis(200);

/// How bad a cable is.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Badness {
    pub(super) delay: Duration,
    /// Of a thousand frames, those that are lost.
    pub(super) lost: u64,
    /// Of a thousand frames, those that are passed by others: they come later by a delay more.
    pub(super) late: u64,
    /// Bytes that go through in a second; none for all.
    pub(super) rate: Option<u64>,
}

/// The switch; its threads end when its devices are gone.
pub(super) struct Wires(Arc<Inner>);

struct Inner {
    taps: Vec<Tap>,
    state: Mutex<State>,
    sooner: Condvar,
}

struct State {
    badness: Badness,
    dice: Dice,
    /// Which places hear each other: those of the same number.
    sides: Vec<usize>,
    /// Behind which place an Ethernet address was seen.
    known: HashMap<[u8; 6], usize>,
    /// When each cable is free again.
    free: Vec<Instant>,
    /// What is on its way, the first to arrive on top.
    flying: BinaryHeap<Reverse<Flight>>,
    counted: Counted,
    is_over: bool,
}

/// A frame on its way: when it arrives, in which order it came, where to, and its bytes.
type Flight = (Instant, u64, usize, Vec<u8>);

/// What became of frames.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Counted {
    pub(super) carried: u64,
    pub(super) lost: u64,
    pub(super) late: u64,
    pub(super) cut: u64,
}

impl Wires {
    /// Devices of these names, and a switch between them.
    pub(super) fn new(names: &[String], seed: u64) -> io::Result<Self> {
        let tap = |name: &String| Tap::new_named(Interface::new(name.as_str())?);
        let taps = names.iter().map(tap).collect::<io::Result<Vec<_>>>()?;
        let state = State {
            badness: Badness::default(),
            dice: Dice::new(seed),
            sides: vec![0; names.len()],
            known: HashMap::new(),
            free: vec![Instant::now(); names.len()],
            flying: BinaryHeap::new(),
            counted: Counted::default(),
            is_over: false,
        };
        let inner = Arc::new(Inner { taps, state: Mutex::new(state), sooner: Condvar::new() });
        Ok(Self(inner))
    }

    /// Begins to carry frames, once the devices are where they belong.
    pub(super) fn start(&self) {
        for from in 0..self.0.taps.len() {
            let inner = Arc::clone(&self.0);
            thread::spawn(move || inner.read(from));
        }
        let inner = Arc::clone(&self.0);
        thread::spawn(move || inner.deliver());
    }

    pub(super) fn worsen(&self, badness: Badness) {
        self.0.lock().badness = badness;
    }

    /// From now on places hear only those of the same side.
    pub(super) fn part(&self, sides: &[usize]) {
        self.0.lock().sides = sides.to_vec();
    }

    pub(super) fn counted(&self) -> Counted {
        self.0.lock().counted
    }
}

impl Drop for Wires {
    fn drop(&mut self) {
        let mut state = self.0.lock();
        state.is_over = true;
        say(&format!("the network carried: {:?}", state.counted));
        drop(state);
        self.0.sooner.notify_all();
    }
}

impl Inner {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().expect("no thread panics with it")
    }

    /// Takes what a place sends, until its device is gone.
    fn read(&self, from: usize) {
        let mut frame = [0; FRAME_BYTES_MAX];
        while let Ok(len) = self.taps[from].recv(&mut frame) {
            let mut state = self.lock();
            if state.is_over {
                return;
            }
            state.send(from, &frame[..len]);
            drop(state);
            self.sooner.notify_all();
        }
    }

    /// Gives each frame to its place when its time has come.
    fn deliver(&self) {
        let mut state = self.lock();
        while !state.is_over {
            let now = Instant::now();
            state = match state.flying.peek() {
                None => self.sooner.wait(state).expect("no thread panics with it"),
                Some(Reverse((at, ..))) if *at > now => {
                    let wait = *at - now;
                    self.sooner.wait_timeout(state, wait).expect("no thread panics with it").0
                }
                Some(_due) => {
                    let Some(Reverse((_, _, to, frame))) = state.flying.pop() else { continue };
                    drop(state);
                    // A device that is down takes nothing.
                    let _lost = self.taps[to].send(&frame);
                    self.lock()
                }
            };
        }
    }
}

impl State {
    fn send(&mut self, from: usize, frame: &[u8]) {
        let (Some(to), Some(source)) = (frame.first_chunk::<6>(), frame[6..].first_chunk::<6>()) else {
            return;
        };
        self.known.insert(*source, from);
        match self.known.get(to).copied().filter(|_| to[0] & 1 == 0) {
            Some(place) if place != from => self.carry(from, place, frame),
            Some(_own) => {}
            None => {
                for place in (0..self.sides.len()).filter(|place| *place != from) {
                    self.carry(from, place, frame);
                }
            }
        }
    }

    fn carry(&mut self, from: usize, to: usize, frame: &[u8]) {
        if self.sides[from] != self.sides[to] {
            self.counted.cut += 1;
            return;
        }
        // The same dice for each frame, so that one that is lost changes nothing for others.
        let (loss, order) = (self.dice.below(1_000), self.dice.below(1_000));
        let Badness { delay, lost, late, rate } = self.badness;
        let now = Instant::now();
        let takes = rate.map_or(Duration::ZERO, |rate| {
            Duration::from_nanos(1_000_000_000 * frame.len() as u64 / rate.max(1))
        });
        let begins = self.free[from].max(now);
        if loss < lost || begins - now > QUEUE_MAX {
            self.counted.lost += 1;
            return;
        }
        self.free[from] = begins + takes;
        let mut at = begins + takes + delay;
        if order < late {
            self.counted.late += 1;
            at += delay.max(Duration::from_millis(2));
        }
        self.counted.carried += 1;
        self.flying.push(Reverse((at, self.counted.carried, to, frame.to_vec())));
    }
}
