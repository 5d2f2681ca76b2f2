//! Tables of rates with their ratio to one of them, and figures with their aim.

use std::fmt;

use crate::rounds::Rates;

/// Rates of several contenders in one unit.
#[derive(Debug)]
pub(crate) struct Table<'a> {
    /// What was measured.
    pub(crate) title: String,
    /// What the rates count, a second.
    pub(crate) unit: &'static str,
    /// How much of what contenders report makes one of the unit.
    pub(crate) unit_size: f64,
    /// What everything is compared with.
    pub(crate) reference: f64,
    /// One row each.
    pub(crate) rates: &'a [Rates],
}

impl fmt::Display for Table<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let unit = format!("{}/s", self.unit);
        writeln!(f, "{}", self.title)?;
        writeln!(f, "| {:<44} | {unit:>12} | {:>6} | {:>6} |", "", "ratio", "spread")?;
        writeln!(f, "| {:-<44} | {:->11}: | {:->5}: | {:->5}: |", "", "", "", "")?;
        for rates in self.rates {
            let median = rates.median();
            let rate = rounded(median / self.unit_size);
            let (ratio, spread) = (median / self.reference, rates.spread() * 100.0);
            writeln!(f, "| {:<44} | {rate:>12} | {ratio:>6.2} | {spread:>5.0}% |", rates.name)?;
        }
        Ok(())
    }
}

/// A figure and what it should be.
#[derive(Debug)]
pub(crate) struct Aim {
    what: &'static str,
    value: f64,
    bound: f64,
    unit: &'static str,
    at_least: bool,
}

impl Aim {
    pub(crate) fn at_least(what: &'static str, value: f64, bound: f64, unit: &'static str) -> Self {
        Self { what, value, bound, unit, at_least: true }
    }

    pub(crate) fn below(what: &'static str, value: f64, bound: f64, unit: &'static str) -> Self {
        Self { what, value, bound, unit, at_least: false }
    }
}

impl fmt::Display for Aim {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { what, value, bound, unit, at_least } = self;
        let (word, met) = if *at_least { ("at least", value >= bound) } else { ("below", value < bound) };
        let verdict = if met { "met" } else { "missed" };
        let gap = if unit.is_empty() { "" } else { " " };
        write!(f, "{what}: {}{gap}{unit} (aim: {word} {bound}{gap}{unit}; {verdict})", rounded(*value))
    }
}

/// Three significant digits, or all before the point.
fn rounded(number: f64) -> String {
    let decimals = if number < 10.0 {
        2
    } else if number < 100.0 {
        1
    } else {
        0
    };
    format!("{number:.decimals$}")
}

#[cfg(test)]
mod tests {
    use super::{Aim, Table};
    use crate::rounds::Rates;

    #[test]
    fn a_table_reads_as_markdown() {
        let rates = [
            Rates { name: "the limit", per_second: vec![2.0e9, 2.1e9, 1.9e9] },
            Rates { name: "ours", per_second: vec![1.0e9; 3] },
        ];
        let title = "Import".to_owned();
        let table = Table { title, unit: "MB", unit_size: 1e6, reference: rates[0].median(), rates: &rates };
        let expected = "\
Import
|                                              |         MB/s |  ratio | spread |
| -------------------------------------------- | -----------: | -----: | -----: |
| the limit                                    |         2000 |   1.00 |    10% |
| ours                                         |         1000 |   0.50 |     0% |
";
        assert_eq!(table.to_string(), expected);
    }

    #[test]
    fn an_aim_says_whether_it_is_met() {
        let share = |value| Aim::at_least("share", value, 0.9, "").to_string();
        assert_eq!(share(0.9), "share: 0.90 (aim: at least 0.9; met)");
        assert_eq!(share(0.5), "share: 0.50 (aim: at least 0.9; missed)");
        assert_eq!(
            Aim::below("memory", 101.0, 100.0, "MB").to_string(),
            "memory: 101 MB (aim: below 100 MB; missed)"
        );
    }
}
