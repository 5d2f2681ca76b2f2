//! How much of the processor's time peers may take: a question can be far cheaper to ask than to answer.
//!
//! What an answer took is put down to whoever asked, less what it gave: bytes that go out are paid for. A part of it is
//! forgiven as time goes by. Who owes too much waits for that. Keys cost nothing, so strangers have an account together,
//! too.

use std::{collections::HashMap, time::Duration};

use kubelt_core::PublicKey;
use parking_lot::Mutex;
use tokio::time::{Instant, sleep};

use crate::limits::{
    PEER_EFFORT_BYTES_PER_MICRO, PEER_EFFORT_MAX, PEER_EFFORT_REMEMBERED_MAX, PEER_EFFORT_SHARE,
    STRANGERS_EFFORT_MAX,
};

/// The accounts of all peers.
#[derive(Debug)]
pub(super) struct Efforts(Mutex<Accounts>);

#[derive(Debug)]
struct Accounts {
    peers: HashMap<PublicKey, Account>,
    strangers: Account,
    waits: u64,
}

#[derive(Debug, Clone, Copy)]
struct Account {
    owed: Duration,
    at: Instant,
}

/// Who asks.
#[derive(Debug, Clone, Copy)]
pub(super) struct Asker<'a> {
    pub(super) peer: &'a PublicKey,
    pub(super) is_stranger: bool,
}

impl Default for Efforts {
    fn default() -> Self {
        Self(Mutex::new(Accounts { peers: HashMap::new(), strangers: Account::new(), waits: 0 }))
    }
}

impl Efforts {
    /// Puts down what an answer took, and the bytes that it gave.
    pub(super) fn put_down(&self, asker: Asker<'_>, took: Duration, gave_bytes: usize) {
        let paid = Duration::from_micros(gave_bytes as u64 / PEER_EFFORT_BYTES_PER_MICRO);
        let owed = took.saturating_sub(paid);
        if owed.is_zero() {
            return;
        }
        let mut accounts = self.0.lock();
        accounts.make_room(asker.peer);
        accounts.peers.entry(*asker.peer).or_insert_with(Account::new).owe(owed, PEER_EFFORT_SHARE);
        if asker.is_stranger {
            accounts.strangers.owe(owed, 1);
        }
    }

    /// Waits until a peer may ask.
    pub(super) async fn turn(&self, asker: Asker<'_>) {
        while let Some(wait) = self.wait(asker) {
            sleep(wait).await;
        }
    }

    /// How long the peer has to wait.
    fn wait(&self, asker: Asker<'_>) -> Option<Duration> {
        let mut accounts = self.0.lock();
        let own =
            accounts.peers.get_mut(asker.peer).and_then(|own| own.wait(PEER_EFFORT_MAX, PEER_EFFORT_SHARE));
        let all = if asker.is_stranger { accounts.strangers.wait(STRANGERS_EFFORT_MAX, 1) } else { None };
        let wait = own.max(all);
        accounts.waits += u64::from(wait.is_some());
        wait
    }

    /// How often peers had to wait.
    pub(super) fn waits(&self) -> u64 {
        self.0.lock().waits
    }
}

impl Accounts {
    fn make_room(&mut self, peer: &PublicKey) {
        if self.peers.len() < PEER_EFFORT_REMEMBERED_MAX || self.peers.contains_key(peer) {
            return;
        }
        self.peers.retain(|_, account| {
            account.forgive(PEER_EFFORT_SHARE);
            !account.owed.is_zero()
        });
        let least = self.peers.iter().min_by_key(|(_, account)| account.owed).map(|(peer, _)| *peer);
        if self.peers.len() >= PEER_EFFORT_REMEMBERED_MAX
            && let Some(least) = least
        {
            self.peers.remove(&least);
        }
    }
}

impl Account {
    fn new() -> Self {
        Self { owed: Duration::ZERO, at: Instant::now() }
    }

    /// Of all time that goes by, one part of so many is forgiven.
    fn forgive(&mut self, share: u32) {
        let now = Instant::now();
        self.owed = self.owed.saturating_sub((now - self.at) / share);
        self.at = now;
    }

    fn owe(&mut self, owed: Duration, share: u32) {
        self.forgive(share);
        self.owed += owed;
    }

    fn wait(&mut self, most: Duration, share: u32) -> Option<Duration> {
        self.forgive(share);
        let over = self.owed.saturating_sub(most);
        (!over.is_zero()).then(|| over * share)
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use kubelt_core::{PublicKey, SessionKey};
    use tokio::time::{Instant, advance};

    use super::{Asker, Efforts};
    use crate::limits::{
        PEER_EFFORT_BYTES_PER_MICRO, PEER_EFFORT_MAX, PEER_EFFORT_REMEMBERED_MAX, PEER_EFFORT_SHARE,
        STRANGERS_EFFORT_MAX,
    };

    const SECOND: Duration = Duration::from_secs(1);

    fn key(seed: u8) -> PublicKey {
        SessionKey::from_seed([seed; 32]).public()
    }

    fn host(peer: &PublicKey) -> Asker<'_> {
        Asker { peer, is_stranger: false }
    }

    #[tokio::test(start_paused = true)]
    async fn who_takes_too_much_waits_and_others_do_not() {
        let (efforts, greedy, other) = (Efforts::default(), key(1), key(2));
        efforts.put_down(host(&greedy), PEER_EFFORT_MAX, 0);
        assert_eq!(efforts.wait(host(&greedy)), None, "so much is free");
        efforts.put_down(host(&greedy), SECOND, 0);
        assert_eq!(efforts.wait(host(&greedy)), Some(SECOND * PEER_EFFORT_SHARE));
        assert_eq!(efforts.wait(host(&other)), None);
        let began = Instant::now();
        efforts.turn(host(&greedy)).await;
        assert_eq!(began.elapsed(), SECOND * PEER_EFFORT_SHARE);
        assert_eq!(efforts.waits(), 2);

        // What gives as much as it takes is free.
        let micros = 1_000_000 * PEER_EFFORT_BYTES_PER_MICRO;
        for _ in 0..1_000 {
            efforts.put_down(host(&other), SECOND, usize::try_from(micros).expect("small"));
        }
        assert_eq!(efforts.wait(host(&other)), None);
    }

    #[tokio::test(start_paused = true)]
    async fn strangers_with_many_keys_are_bounded_together() {
        let (efforts, hosts) = (Efforts::default(), key(0));
        let mut owed = Duration::ZERO;
        for seed in 1.. {
            let (peer, stranger) = (key(seed), true);
            if efforts.wait(Asker { peer: &peer, is_stranger: stranger }).is_some() {
                break;
            }
            efforts.put_down(Asker { peer: &peer, is_stranger: stranger }, PEER_EFFORT_MAX, 0);
            owed += PEER_EFFORT_MAX;
        }
        assert!(owed <= STRANGERS_EFFORT_MAX + PEER_EFFORT_MAX, "{owed:?}");
        assert_eq!(efforts.wait(Asker { peer: &hosts, is_stranger: false }), None);
        advance(STRANGERS_EFFORT_MAX).await;
        assert_eq!(efforts.wait(Asker { peer: &key(200), is_stranger: true }), None);
    }

    #[tokio::test(start_paused = true)]
    async fn few_are_remembered_and_the_greediest_among_them() {
        let (efforts, greedy) = (Efforts::default(), key(1));
        efforts.put_down(host(&greedy), 2 * PEER_EFFORT_MAX, 0);
        let mut seed = [0; 32];
        for n in 0..=PEER_EFFORT_REMEMBERED_MAX as u64 {
            seed[..8].copy_from_slice(&n.to_be_bytes());
            let peer = SessionKey::from_seed(seed).public();
            efforts.put_down(host(&peer), SECOND, 0);
        }
        assert_eq!(efforts.0.lock().peers.len(), PEER_EFFORT_REMEMBERED_MAX);
        assert!(efforts.wait(host(&greedy)).is_some());
    }
}
