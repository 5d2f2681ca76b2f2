//! Challenges: messages that wait to be signed, each good once and for a short while.

use std::collections::{HashMap, VecDeque};

use kubelt_core::{Account, Body, CoreId, Header, LoginId};
use parking_lot::Mutex;

use crate::{
    clock::random,
    limits::{CHALLENGE_LIFE, CHALLENGES_MAX, CONTRACT_CHALLENGE_LIFE},
    session::Token,
};

/// What becomes of the answer.
#[derive(Debug, Clone)]
pub(crate) enum Purpose {
    /// A session begins, in the private core or in the user's core within another one.
    SignIn { token: Token, held: bool, within: Option<CoreId> },
    /// A session ends by the wallet's own word: the operation that is signed.
    End { session: LoginId, header: Box<Header>, body: Box<Body> },
}

/// A message that waits.
#[derive(Debug, Clone)]
pub(crate) struct Pending {
    pub(crate) account: Account,
    pub(crate) origin: String,
    /// SHA-256 of the text: texts may be long, and anybody may ask for many.
    pub(crate) message: [u8; 32],
    pub(crate) expires_ms: u64,
    pub(crate) purpose: Purpose,
}

/// The messages that wait, by nonce; the oldest give way when there are too many.
#[derive(Debug, Default)]
pub(crate) struct Challenges(Mutex<Inner>);

#[derive(Debug, Default)]
struct Inner {
    by_nonce: HashMap<String, Pending>,
    order: VecDeque<String>,
}

impl Challenges {
    /// A nonce of 128 bits (EIP-4361 asks for 8 letters and digits at least).
    pub(crate) fn nonce() -> String {
        hex::encode(random::<16>())
    }

    /// When a challenge made now for `account` stops being good.
    pub(crate) fn expiry(account: &Account, now_ms: u64) -> u64 {
        let life = match account {
            Account::Contract { .. } => CONTRACT_CHALLENGE_LIFE,
            _ => CHALLENGE_LIFE,
        };
        now_ms + u64::try_from(life.as_millis()).expect("minutes fit")
    }

    pub(crate) fn put(&self, nonce: String, pending: Pending, now_ms: u64) {
        let inner = &mut *self.0.lock();
        while let Some(oldest) = inner.order.front() {
            let gone = inner.by_nonce.get(oldest).is_none_or(|pending| pending.expires_ms <= now_ms);
            if !gone && inner.order.len() < CHALLENGES_MAX {
                break;
            }
            inner.by_nonce.remove(oldest);
            inner.order.pop_front();
        }
        inner.order.push_back(nonce.clone());
        inner.by_nonce.insert(nonce, pending);
    }

    /// Takes a challenge: a second call finds nothing.
    pub(crate) fn take(&self, nonce: &str, now_ms: u64) -> Option<Pending> {
        self.0.lock().by_nonce.remove(nonce).filter(|pending| now_ms < pending.expires_ms)
    }
}

#[cfg(test)]
mod tests {
    use super::{Challenges, Pending, Purpose};
    use crate::{limits::CHALLENGES_MAX, session::Token};

    fn pending(expires_ms: u64) -> Pending {
        Pending {
            account: "0x00000000000000000000000000000000000000aa".parse().expect("an address"),
            origin: "localhost".to_owned(),
            message: [0; 32],
            expires_ms,
            purpose: Purpose::SignIn { token: Token::generate(), held: true, within: None },
        }
    }

    #[test]
    fn a_challenge_is_good_once_and_not_for_long() {
        let challenges = Challenges::default();
        challenges.put("a".to_owned(), pending(10), 0);
        challenges.put("b".to_owned(), pending(10), 0);
        assert!(challenges.take("a", 9).is_some());
        assert!(challenges.take("a", 9).is_none());
        assert!(challenges.take("b", 10).is_none());
    }

    #[test]
    fn the_oldest_give_way() {
        let challenges = Challenges::default();
        for n in 0..=CHALLENGES_MAX {
            challenges.put(n.to_string(), pending(10), 0);
        }
        assert!(challenges.take("0", 1).is_none());
        assert!(challenges.take("1", 1).is_some());
        assert!(challenges.take(&CHALLENGES_MAX.to_string(), 1).is_some());
    }
}
