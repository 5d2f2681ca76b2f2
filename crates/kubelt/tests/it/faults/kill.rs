//! Kill -9 at random moments while clients of every kind write: what was acknowledged is there, nothing
//! is there that nobody asked for, and whole cores verify.
//!
//! `KUBELT_KILL_ROUNDS` says how often (2 unless it is set), `KUBELT_KILL_SEED` repeats a run's dice.

use std::{
    fs,
    hash::{BuildHasher as _, Hasher as _, RandomState},
    sync::{Arc, mpsc},
    thread,
};

use super::{
    api::{Api, Event, Gone},
    cores::{Core, Writes},
    dice::Dice,
    files::{Files, How},
    process::{Place, Process},
    say,
    sign_ins::SignIns,
    signer::Signer,
};
use crate::cli::Person;

/// Somebody who writes, and remembers what the node acknowledged.
pub(super) trait Load: Send {
    /// Does one thing, from the first request to the last answer.
    fn step(&mut self, api: &Api) -> Result<(), Gone>;

    /// Checks at a node that came back that everything acknowledged is there, and finds out what became of
    /// the rest. Returns the operations asked for since the last time.
    fn settle(&mut self, api: &Api) -> Result<Writes, Gone>;
}

#[test]
fn whatever_was_acknowledged_survives_kill_9() {
    let number = |name: &str| std::env::var(name).ok().map(|text| text.parse::<u64>().expect("a number"));
    let rounds = number("KUBELT_KILL_ROUNDS").unwrap_or(2);
    let seed = number("KUBELT_KILL_SEED").unwrap_or_else(|| RandomState::new().build_hasher().finish());
    say(&format!("killing a node {rounds} times, KUBELT_KILL_SEED={seed}"));
    let dir = tempfile::tempdir().expect("a directory for the test");
    let mut place = Place::new(dir.path(), dir.path().join("data"));
    let mut node = place.start();
    let mut world = World::new(place, &node, seed);
    for round in 1..=rounds {
        let mut story = world.load_and_kill(&mut node);
        story.push_str(&world.kill_at_start(round));
        if round % 5 == 1 {
            fs::remove_dir_all(world.place.data.join("index")).expect("the index can be deleted");
            story.push_str(", index deleted");
        }
        node = world.place.start();
        world.check(&node);
        if round % 5 == 2 {
            node = world.rebuild_index(node);
            story.push_str(", index rebuilt");
        }
        let ops: usize = world.cores.iter().map(Core::len).sum();
        say(&format!("kill {round} of {rounds} {story}: {ops} operations, nothing lost, all verified"));
    }
    node.kill();
    let found = doctor(&world.place, &["--leaks"]);
    say(&format!("{rounds} kills, {} more at start; {found}", world.kills_at_start));
}

struct World {
    place: Place,
    dice: Dice,
    cores: Vec<Core>,
    /// With the place of their core.
    loads: Vec<(usize, Box<dyn Load>)>,
    kills_at_start: u64,
}

impl World {
    fn new(place: Place, node: &Process, seed: u64) -> Self {
        let mut dice = Dice::new(seed);
        let cores: Vec<Core> = (1..=3).map(|seed| Core::new(seed, &node.url)).collect();
        let owner = |core: usize| Arc::clone(&cores[core].owner);
        let mut files = |core, how, name| -> (usize, Box<dyn Load>) {
            (core, Box::new(Files::new(&owner(core), how, name, dice.roll())))
        };
        let mut loads = vec![
            files(0, How::Small, "ann"),
            files(0, How::Small, "bob"),
            files(1, How::Big, "big"),
            files(1, How::Car, "car"),
        ];
        loads.push((1, Box::new(Signer::new(&owner(1), dice.roll()))));
        let (api, token) = (Api::new(&node.url), &cores[2].token);
        loads.push((2, Box::new(SignIns::new(&owner(2), dice.roll(), &api, token))));
        Self { place, dice, cores, loads, kills_at_start: 0 }
    }

    /// Lets everybody write, and kills the node after a random number of acknowledgements or bytes.
    fn load_and_kill(&mut self, node: &mut Process) -> String {
        let (acknowledged_max, sent_max) = match self.dice.below(4) {
            0 => (self.dice.below(8), u64::MAX),
            1 => (u64::MAX, self.dice.below(8 << 20)),
            _ => (self.dice.below(200), u64::MAX),
        };
        let (events, told) = mpsc::channel();
        let (mut acknowledged, mut sent) = (0, 0);
        thread::scope(|scope| {
            for (_, load) in &mut self.loads {
                let api = Api::telling(&node.url, events.clone());
                scope.spawn(move || while load.step(&api).is_ok() {});
            }
            drop(events);
            while acknowledged < acknowledged_max && sent < sent_max {
                match told.recv() {
                    Ok(Event::Acknowledged) => acknowledged += 1,
                    Ok(Event::Sent(bytes)) => sent += bytes,
                    Err(_everybody_stopped) => break,
                }
            }
            node.kill();
        });
        format!("after {acknowledged} acknowledgements and {} KiB", sent >> 10)
    }

    /// Kills the node some times while it starts, before it is ready and right after.
    fn kill_at_start(&mut self, round: u64) -> String {
        let times = if round == 1 { 2 } else { self.dice.below(4).saturating_sub(1) };
        let ready: Vec<bool> = (0..times).map(|_| self.place.start_and_kill(&mut self.dice)).collect();
        self.kills_at_start += times;
        let after = ready.iter().filter(|ready| **ready).count();
        match ready.len() - after {
            _ if times == 0 => String::new(),
            before => format!(", then {before} times before it was ready and {after} times just after"),
        }
    }

    /// Checks everything that is known at a node that came back.
    fn check(&mut self, node: &Process) {
        self.place.assert_undamaged();
        let api = Api::new(&node.url);
        api.get("/readyz", None).expect("the node answers").expect(200);
        for (core, load) in &mut self.loads {
            let writes = load.settle(&api).expect("the node answers");
            self.cores[*core].take_in(writes);
        }
        self.cores.iter_mut().for_each(|core| core.check(&node.url));
        self.place.assert_undamaged();
    }

    /// Makes the index again from the segments; the node answers as before.
    fn rebuild_index(&mut self, mut node: Process) -> Process {
        let answers = |node: &Process| -> Vec<_> {
            self.cores.iter().flat_map(|core| core.answers(&node.url)).collect()
        };
        let before = answers(&node);
        node.kill();
        doctor(&self.place, &["--rebuild-index"]);
        let node = self.place.start();
        assert!(answers(&node) == before, "the node answers otherwise over an index made again");
        self.check(&node);
        node
    }
}

/// Has the doctor look at the store; returns what it says.
pub(super) fn doctor(place: &Place, more: &[&str]) -> String {
    let data = place.data.to_str().expect("a path of text");
    let report = Person::at("http://127.0.0.1:1").json(&[&["doctor", "--data-dir", data], more].concat());
    let findings = report["findings"].as_array().expect("a list");
    let found = |what: &str| findings.iter().find(|finding| finding["what"] == what);
    let store = found("store").expect("it looks at the store");
    assert_eq!(store["state"], "well", "{report}");
    let index = found("index").map(|finding| finding["detail"].as_str().expect("text"));
    assert!(index.is_none_or(|detail| detail.ends_with("; 0 skipped")), "{report}");
    let leaks = found("leaks");
    assert!(leaks.is_none_or(|finding| finding["state"] == "well"), "{report}");
    format!("the doctor says {}", store["detail"])
}
