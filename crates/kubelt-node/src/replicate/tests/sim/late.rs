//! A member is removed while the network is cut, and goes on signing: now, and with dates from before. Whoever knows of the
//! removal shows none of it, at no moment.

use std::{collections::HashMap, env};

use kubelt_content::Ipld;
use kubelt_core::{Act, CoreId, Genesis, OpId, Principal, codec};

use super::{
    dice::Dice,
    machines::{self, Made, Sim, host, path},
};
use crate::replicate::tests::world::{everything, wallet};

const HOSTS: usize = 3;
/// Where the member signs, alone: it hears of nothing.
const FORK: usize = HOSTS;
const PATH: &str = "profile/name";
const LATE: u8 = 5;

#[test]
#[allow(clippy::print_stdout, reason = "whoever sees it fail needs the seed")]
fn what_a_removed_member_signs_late_appears_nowhere_whatever_its_date() {
    let read = |name: &str| env::var(name).ok().and_then(|value| value.parse::<u64>().ok());
    let first = read("KUBELT_SIM_SEED").unwrap_or(31);
    for seed in first..first + read("KUBELT_SIM_ROUNDS").unwrap_or(4) {
        println!("KUBELT_SIM_SEED={seed}");
        machines::run(|| async move { Story::begin(seed).await.go_on().await });
    }
}

/// Of several things that somebody signs in the same place, at the same date, each host gets another one.
#[test]
#[allow(clippy::print_stdout, reason = "whoever sees it fail needs the seed")]
fn who_signs_several_things_at_once_is_shown_the_same_by_all() {
    let first = env::var("KUBELT_SIM_SEED").ok().and_then(|seed| seed.parse().ok()).unwrap_or(51);
    for seed in first..first + 3 {
        println!("KUBELT_SIM_SEED={seed}");
        machines::run(|| async move {
            let mut story = Story::begin(seed).await;
            let [a, b, c] = [0, 1, 2].map(|n: usize| story.sim.machines[n].key);
            story.sim.net.cut(HashMap::from([(a, 0), (b, 1), (c, 2)]));
            let mut made = Vec::new();
            for n in 0..HOSTS {
                made.push(story.sign(FORK, 4, written(&format!("said to {n}")), 0).await);
                story.sim.machines[n].post(&made[n]).await.expect("is taken");
            }
            let place = |made: &Made| (made.signed.header.at, made.signed.header.prev.clone());
            assert!(made.iter().all(|one| place(one) == place(&made[0])), "they stand in one place");
            story.sim.net.cut(HashMap::new());
            // None of them is late: it is waited until all are everywhere.
            story.late = made;
            story.become_equal().await;
        });
    }
}

struct Story {
    sim: Sim,
    core: CoreId,
    salt: u128,
    revoked: Option<OpId>,
    late: Vec<Made>,
}

impl Story {
    /// Three hosts, on all of which a member has written.
    async fn begin(seed: u64) -> Self {
        let mut sim = Sim::new(Dice::seeded(seed), (5, 80));
        for _ in 0..=FORK {
            sim.add(0).await;
        }
        let root = Principal::One(wallet(1).account());
        let genesis = Genesis::Shared { root, parent: None, name: "shared".to_owned(), nonce: [0; 16] };
        for machine in &sim.machines {
            machine.take_genesis(&genesis.id(), &genesis.encode()).await;
        }
        sim.net.listen(sim.machines[FORK].key, None);
        let mut story = Self { sim, core: genesis.id(), salt: 0, revoked: None, late: Vec::new() };
        let mut acts: Vec<Act> = story.sim.machines[..HOSTS].iter().map(|m| host(&m.key)).collect();
        let can = vec!["put profile/**".parse().expect("one")];
        acts.push(Act::Grant { to: Principal::One(wallet(4).account()), role: None, can, wait_ms: None });
        for act in acts {
            let made = story.sign(0, 1, act, 0).await;
            story.post_at(0..=FORK, &made).await;
        }
        let made = story.sign(0, 4, written("before"), 0).await;
        story.post_at(0..=FORK, &made).await;
        story
    }

    async fn sign(&mut self, at: usize, by: u8, act: Act, earlier_ms: u64) -> Made {
        self.salt += 1;
        let machine = &self.sim.machines[at];
        machine.sign_earlier(&self.core, &wallet(by), act, self.salt.to_be_bytes(), earlier_ms).await
    }

    async fn post_at(&self, places: std::ops::RangeInclusive<usize>, made: &Made) {
        for n in places {
            self.sim.machines[n].post(made).await.expect("is taken");
        }
    }

    async fn go_on(mut self) {
        self.sim.pass(3_000).await;
        let [a, b, c] = [0, 1, 2].map(|n: usize| self.sim.machines[n].key);
        self.sim.net.cut(HashMap::from([(a, 0), (b, 0), (c, 1)]));
        self.watch(1_000).await;
        self.revoke().await;
        for n in 0..LATE {
            let ms = self.sim.dice.below(2_000) as u64;
            self.watch(ms).await;
            // What is dated back the farthest still lies behind what it follows.
            let earlier_ms = self.sim.dice.below(2) as u64 * self.sim.elapsed_ms();
            let made = self.sign(FORK, 4, written(&format!("late {n}")), earlier_ms).await;
            self.sim.machines[FORK].post(&made).await.expect("it has not heard of the removal");
            self.late.push(made);
            // On either side of the cut; a host takes what follows something only with that.
            let at = self.sim.dice.below(HOSTS);
            for made in &self.late {
                self.sim.machines[at].post(made).await.expect("is well-formed");
            }
        }
        self.watch(2_000).await;
        self.sim.net.cut(HashMap::new());
        for made in self.late.clone() {
            self.post_at(0..=1, &made).await;
        }
        self.become_equal().await;
        for machine in &self.sim.machines[..HOSTS] {
            let value = machine.store.state(&self.core, &path(PATH)).expect("reads").expect("is there").value;
            assert_eq!(
                value.as_ref(),
                codec::encode(&Ipld::String("before".to_owned())),
                "what he wrote in time stays"
            );
            for made in &self.late {
                assert_eq!(
                    machine.effective(&self.core, &made.signed.id()),
                    Some(false),
                    "a late write counts"
                );
            }
        }
    }

    async fn become_equal(&self) {
        let until = self.sim.elapsed_ms() + 20 * 60 * 1_000;
        while !self.is_equal() {
            assert!(self.sim.elapsed_ms() < until, "they never become equal");
            self.watch(1_000).await;
        }
    }

    async fn revoke(&mut self) {
        let member = wallet(4).account();
        let find = |log: &kubelt_core::Log| {
            log.grants().find(|grant| grant.to.accounts().contains(&member)).map(|grant| grant.id)
        };
        let grant = self.sim.machines[0].node.cores.with_log(&self.core, find).await.expect("reads");
        let act = Act::Revoke { grant: grant.expect("was granted"), from: None };
        let made = self.sign(0, 1, act, 0).await;
        self.sim.machines[0].post(&made).await.expect("is taken");
        self.revoked = Some(made.signed.id());
    }

    /// Lets time pass, and looks at every host after each step of it.
    async fn watch(&self, ms: u64) {
        let until = self.sim.elapsed_ms() + ms;
        while self.sim.elapsed_ms() < until {
            self.sim.step().await;
            self.look();
        }
        self.sim.rest().await;
        self.look();
    }

    fn look(&self) {
        let Some(revoked) = &self.revoked else { return };
        for machine in &self.sim.machines[..HOSTS] {
            // Read first: the removal may arrive in between.
            let knows = machine.effective(&self.core, revoked).is_some();
            let value = machine.store.state(&self.core, &path(PATH)).expect("reads").map(|state| state.value);
            let is_late = value.is_some_and(|value| value.windows(4).any(|part| part == b"late"));
            assert!(!knows || !is_late, "somebody who knows of the removal shows a late write");
        }
    }

    fn is_equal(&self) -> bool {
        let all: Vec<_> =
            self.sim.machines[..HOSTS].iter().map(|m| everything(&m.store, &self.core)).collect();
        let whole = self.sim.machines[..HOSTS].iter().all(|machine| {
            self.late.iter().all(|made| machine.effective(&self.core, &made.signed.id()).is_some())
        });
        whole && all.iter().all(|one| *one == all[0])
    }
}

fn written(text: &str) -> Act {
    Act::Put { path: path(PATH), value: Ipld::String(text.to_owned()) }
}
