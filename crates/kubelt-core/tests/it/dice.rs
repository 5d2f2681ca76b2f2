//! Choices: from a script that proptest shrinks, or from a seed.

use std::fmt;

/// Answers small questions.
pub(crate) struct Dice {
    script: Option<std::vec::IntoIter<u16>>,
    seed: u64,
}

impl Dice {
    /// Choices from a script; when it is used up, the first choice is taken always.
    pub(crate) fn scripted(script: Vec<u16>) -> Self {
        Self { script: Some(script.into_iter()), seed: 0 }
    }

    /// Choices from a seed (splitmix64).
    pub(crate) fn seeded(seed: u64) -> Self {
        Self { script: None, seed }
    }

    /// Whether a script has choices left.
    pub(crate) fn has_more(&self) -> bool {
        self.script.as_ref().is_none_or(|script| script.len() > 0)
    }

    /// A number below `bound`.
    pub(crate) fn below(&mut self, bound: usize) -> usize {
        let word = match &mut self.script {
            Some(script) => script.next().unwrap_or(0).into(),
            None => self.word(),
        };
        usize::try_from(word % bound as u64).expect("below a usize")
    }

    /// True once in `n`.
    pub(crate) fn once_in(&mut self, n: usize) -> bool {
        self.below(n) == n - 1
    }

    /// One of several.
    pub(crate) fn pick<'a, T>(&mut self, of: &'a [T]) -> &'a T {
        &of[self.below(of.len())]
    }

    /// Another order.
    pub(crate) fn shuffle<T>(&mut self, items: &mut [T]) {
        for i in (1..items.len()).rev() {
            items.swap(i, self.below(i + 1));
        }
    }

    fn word(&mut self) -> u64 {
        self.seed = self.seed.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.seed;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }
}

impl fmt::Debug for Dice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Dice").field("seed", &self.seed).finish_non_exhaustive()
    }
}
