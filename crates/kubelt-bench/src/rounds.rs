//! Measuring contenders in interleaved rounds, so that what else the machine does hits all of them alike.

use std::time::{Duration, Instant};

use anyhow::Result;

/// Something to measure. It gives how much work it did, in the unit of its table: bytes, writes.
pub(crate) struct Contender<'a> {
    pub(crate) name: &'static str,
    pub(crate) run: Box<dyn FnMut() -> Result<Work> + 'a>,
}

/// Work done, and the time it took where that is less than the whole run.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Work {
    pub(crate) amount: f64,
    pub(crate) took: Duration,
}

/// Rates of one contender, a second, one for each round.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Rates {
    pub(crate) name: &'static str,
    pub(crate) per_second: Vec<f64>,
}

/// The middle one of some figures; of an even number the lower of the two in the middle.
pub(crate) fn median(mut figures: Vec<f64>) -> f64 {
    figures.sort_by(f64::total_cmp);
    figures[(figures.len() - 1) / 2]
}

impl<'a> Contender<'a> {
    pub(crate) fn new(name: &'static str, run: impl FnMut() -> Result<Work> + 'a) -> Self {
        Self { name, run: Box::new(run) }
    }
}

impl Work {
    /// Does `work` and times it.
    pub(crate) fn timed(amount: f64, work: impl FnOnce() -> Result<()>) -> Result<Self> {
        let start = Instant::now();
        work()?;
        Ok(Self { amount, took: start.elapsed() })
    }
}

impl Rates {
    /// The middle rate.
    pub(crate) fn median(&self) -> f64 {
        median(self.per_second.clone())
    }

    /// How far the slowest and the fastest round lie apart, as a part of the median.
    pub(crate) fn spread(&self) -> f64 {
        let fastest = self.per_second.iter().copied().fold(f64::MIN, f64::max);
        let slowest = self.per_second.iter().copied().fold(f64::MAX, f64::min);
        (fastest - slowest) / self.median()
    }
}

/// Runs each contender once a round, each round beginning with another one.
pub(crate) fn measure(rounds: usize, contenders: &mut [Contender<'_>]) -> Result<Vec<Rates>> {
    let mut rates: Vec<Rates> =
        contenders.iter().map(|contender| Rates { name: contender.name, per_second: Vec::new() }).collect();
    for round in 0..rounds {
        for turn in 0..contenders.len() {
            let index = (round + turn) % contenders.len();
            let work = (contenders[index].run)()?;
            rates[index].per_second.push(work.amount / work.took.as_secs_f64());
        }
    }
    Ok(rates)
}

#[cfg(test)]
mod tests {
    use std::cell::RefCell;
    use std::time::Duration;

    use super::{Contender, Rates, Work, measure};

    #[test]
    fn every_round_begins_with_another_contender() {
        let order = RefCell::new(String::new());
        let contender = |name: &'static str, amount: f64| {
            let order = &order;
            Contender::new(name, move || {
                order.borrow_mut().push_str(name);
                Ok(Work { amount, took: Duration::from_millis(500) })
            })
        };
        let rates = measure(3, &mut [contender("a", 1.0), contender("b", 2.0)]).expect("nothing fails");
        assert_eq!(*order.borrow(), "abbaab");
        assert_eq!(rates[0].per_second, [2.0; 3]);
        assert_eq!(rates[1].per_second, [4.0; 3]);
    }

    #[test]
    fn the_median_is_not_moved_by_an_outlier() {
        let rates = |per_second: &[f64]| Rates { name: "a", per_second: per_second.to_vec() };
        assert_eq!(rates(&[3.0, 1.0, 100.0]).median(), 3.0);
        assert_eq!(rates(&[4.0, 1.0, 2.0, 3.0]).median(), 2.0);
        assert_eq!(rates(&[1.0, 2.0, 4.0]).spread(), 1.5);
    }
}
