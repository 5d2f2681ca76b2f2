//! What an update costs each node, in a small network and in a large one.

use kubelt_content::Ipld;
use kubelt_core::{Act, Genesis, Principal};

use super::{
    dice::Dice,
    machines::{self, Sim, host, path},
};
use crate::replicate::tests::world::{wallet, word};

/// Other nodes that each node connects to.
const DEGREE: usize = 3;
const UPDATES: u8 = 4;

/// The pieces and bytes that one update costs a node, on average.
#[derive(Debug, Clone, Copy)]
struct Cost {
    pieces: f64,
    bytes: f64,
}

async fn cost(nodes: usize, seed: u64) -> Cost {
    let mut sim = Sim::new(Dice::seeded(seed), (5, 40));
    for _ in 0..nodes {
        sim.add(0).await;
    }
    let genesis = Genesis::Shared {
        root: Principal::One(wallet(1).account()),
        parent: None,
        name: "large".to_owned(),
        nonce: [0; 16],
    };
    let core = genesis.id();
    // A ring, so that all hang together, and chords.
    let keys: Vec<_> = sim.machines.iter().map(|machine| machine.key).collect();
    let first = {
        sim.machines[0].take_genesis(&core, &genesis.encode()).await;
        sim.machines[0].sign(&core, &wallet(1), host(&keys[0]), [1; 16]).await
    };
    for n in 0..nodes {
        let mut others = vec![keys[(n + 1) % nodes]];
        others.extend((1..DEGREE).map(|_| keys[sim.dice.below(nodes)]));
        let machine = &sim.machines[n];
        if n > 0 {
            machine.take_genesis(&core, &genesis.encode()).await;
        }
        machine.post(&first).await.expect("is taken");
        for other in others.into_iter().filter(|other| *other != keys[n]) {
            let there = sim.machines.iter().find(|there| there.key == other).expect("is one of them");
            there.node.replication.trust(core, keys[n], word(&wallet(1), core));
            machine.node.replication.trust(core, other, word(&wallet(1), core));
            machine.node.remotes.keep_for_test(core, other, machines::address(&other));
        }
    }
    sim.pass(20_000).await;
    let before = sim.net.sent();
    for update in 0..UPDATES {
        let at = sim.dice.below(nodes);
        let value = Ipld::String(format!("update {update}"));
        let act = Act::Put { path: path("profile/name"), value };
        let made = sim.machines[at].sign(&core, &wallet(1), act, [update + 2; 16]).await;
        sim.machines[at].post(&made).await.expect("is taken");
        let id = made.signed.id();
        let mut steps = 0;
        while sim.machines.iter().any(|machine| machine.effective(&core, &id).is_none()) {
            steps += 1;
            assert!(steps < 5_000, "the update does not get everywhere");
            sim.step().await;
        }
        sim.pass(3_000).await;
    }
    let after = sim.net.sent();
    let sum = |all: &std::collections::HashMap<_, (u64, u64)>| {
        all.values().fold((0, 0), |(pieces, bytes), (p, b)| (pieces + p, bytes + b))
    };
    let ((pieces, bytes), (pieces_before, bytes_before)) = (sum(&after), sum(&before));
    let share = (nodes * usize::from(UPDATES)) as f64;
    Cost { pieces: (pieces - pieces_before) as f64 / share, bytes: (bytes - bytes_before) as f64 / share }
}

#[test]
#[allow(clippy::print_stdout, reason = "figures are for whoever reads the test's output")]
fn an_update_costs_each_node_as_much_among_many_as_among_few() {
    let many = std::env::var("KUBELT_SIM_NODES").ok().and_then(|count| count.parse().ok()).unwrap_or(100);
    let few = 20;
    let mut costs = Vec::new();
    for nodes in [few, many] {
        let (sender, receiver) = std::sync::mpsc::channel();
        machines::run(|| async move { sender.send(cost(nodes, 7).await).expect("is awaited") });
        let cost = receiver.recv().expect("is told");
        println!(
            "{nodes} nodes: {:.1} pieces and {:.0} bytes a node for one update",
            cost.pieces, cost.bytes
        );
        costs.push(cost);
    }
    assert!(costs[1].bytes < 1.3 * costs[0].bytes, "{costs:?}");
    assert!(costs[1].pieces < 1.3 * costs[0].pieces, "{costs:?}");
}
