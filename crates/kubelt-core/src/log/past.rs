//! A persistent set of small numbers: which authority operations lie in a node's past.
//!
//! Consecutive operations share one set; adding a member copies three small arrays, whatever the size of
//! the set, and a merge copies only where its two sides differ.

use std::{array, sync::Arc};

use crate::limits::AUTHORITY_OPS_MAX;

/// Members that one set can hold: numbers below it.
const PAST_MEMBERS_MAX: usize = FAN * FAN * LEAF_BITS;
const _: () = assert!(PAST_MEMBERS_MAX == AUTHORITY_OPS_MAX, "every authority operation has a number");

const FAN: usize = 16;
const WORDS: usize = 16;
const LEAF_BITS: usize = WORDS * 64;

/// The set. Cloning is one reference count.
#[derive(Clone, Default, Debug)]
pub(super) struct Past(Slot<Branch<Branch<Leaf>>>);

impl Past {
    pub(super) fn contains(&self, member: u32) -> bool {
        self.0.as_deref().is_some_and(|tree| tree.contains(member as usize))
    }

    pub(super) fn insert(&mut self, member: u32) {
        set_in(&mut self.0, member as usize);
    }

    /// Everything in either.
    pub(super) fn union(&self, other: &Self) -> Self {
        Self(merge(&self.0, &other.0, How::Union))
    }

    /// What is in both.
    pub(super) fn meet(&self, other: &Self) -> Self {
        Self(merge(&self.0, &other.0, How::Meet))
    }
}

type Slot<T> = Option<Arc<T>>;

#[derive(Clone, Copy)]
enum How {
    Union,
    Meet,
}

/// One level of the tree. `SPAN` is how many numbers it holds.
trait Level: Clone + Default {
    const SPAN: usize;
    fn contains(&self, member: usize) -> bool;
    fn set(&mut self, member: usize);
    fn merged(&self, other: &Self, how: How) -> Self;
    fn same(&self, other: &Self) -> bool;
}

#[derive(Clone, Default, Debug)]
struct Leaf([u64; WORDS]);

impl Level for Leaf {
    const SPAN: usize = LEAF_BITS;

    fn contains(&self, member: usize) -> bool {
        self.0[member / 64] & (1 << (member % 64)) != 0
    }

    fn set(&mut self, member: usize) {
        self.0[member / 64] |= 1 << (member % 64);
    }

    fn merged(&self, other: &Self, how: How) -> Self {
        Self(array::from_fn(|i| match how {
            How::Union => self.0[i] | other.0[i],
            How::Meet => self.0[i] & other.0[i],
        }))
    }

    fn same(&self, other: &Self) -> bool {
        self.0 == other.0
    }
}

#[derive(Clone, Debug)]
struct Branch<T>([Slot<T>; FAN]);

impl<T> Default for Branch<T> {
    fn default() -> Self {
        Self(array::from_fn(|_| None))
    }
}

impl<T: Level> Level for Branch<T> {
    const SPAN: usize = FAN * T::SPAN;

    fn contains(&self, member: usize) -> bool {
        let slot = self.0.get(member / T::SPAN);
        slot.and_then(Option::as_deref).is_some_and(|below| below.contains(member % T::SPAN))
    }

    fn set(&mut self, member: usize) {
        set_in(&mut self.0[member / T::SPAN], member % T::SPAN);
    }

    fn merged(&self, other: &Self, how: How) -> Self {
        Self(array::from_fn(|i| merge(&self.0[i], &other.0[i], how)))
    }

    fn same(&self, other: &Self) -> bool {
        self.0.iter().zip(&other.0).all(|pair| match pair {
            (Some(a), Some(b)) => Arc::ptr_eq(a, b),
            (None, None) => true,
            _ => false,
        })
    }
}

fn set_in<T: Level>(slot: &mut Slot<T>, member: usize) {
    Arc::make_mut(slot.get_or_insert_default()).set(member);
}

fn merge<T: Level>(a: &Slot<T>, b: &Slot<T>, how: How) -> Slot<T> {
    let (Some(left), Some(right)) = (a, b) else {
        return match how {
            How::Union => a.as_ref().or(b.as_ref()).cloned(),
            How::Meet => None,
        };
    };
    if Arc::ptr_eq(left, right) {
        return Some(Arc::clone(left));
    }
    let merged = left.merged(right, how);
    if merged.same(left) {
        Some(Arc::clone(left))
    } else if merged.same(right) {
        Some(Arc::clone(right))
    } else {
        Some(Arc::new(merged))
    }
}

#[cfg(test)]
mod tests {
    use super::{PAST_MEMBERS_MAX, Past};
    use proptest::prelude::*;
    use std::collections::BTreeSet;

    fn past(of: &BTreeSet<u32>) -> Past {
        let mut past = Past::default();
        of.iter().for_each(|member| past.insert(*member));
        past
    }

    #[test]
    fn the_last_number_fits() {
        let last = u32::try_from(PAST_MEMBERS_MAX - 1).expect("fits");
        let mut past = Past::default();
        past.insert(last);
        assert!(past.contains(last) && !past.contains(last - 1) && !past.contains(last + 1));
    }

    #[test]
    fn a_merge_that_adds_nothing_shares_the_larger_side() {
        let large = past(&(0..5_000).collect());
        let mut small = past(&(0..10).collect());
        small.insert(3);
        let merged = small.union(&large);
        let shared = match (&merged.0, &large.0) {
            (Some(a), Some(b)) => std::sync::Arc::ptr_eq(a, b),
            _ => false,
        };
        assert!(shared);
    }

    proptest! {
        #[test]
        fn behaves_as_a_set(
            a in prop::collection::btree_set(0..40_000u32, 0..60),
            b in prop::collection::btree_set(0..40_000u32, 0..60),
        ) {
            let (union, meet) = (past(&a).union(&past(&b)), past(&a).meet(&past(&b)));
            for member in a.union(&b) {
                prop_assert!(union.contains(*member));
                prop_assert_eq!(meet.contains(*member), a.contains(member) && b.contains(member));
                prop_assert!(!union.contains(member + 40_000));
            }
        }
    }
}
