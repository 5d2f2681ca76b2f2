//! Every limit, read from the files `limits.rs` of the crates: what it bounds, and its value.

use std::collections::HashMap;
use std::fmt::Write as _;

use anyhow::{Result, ensure};

use super::MADE_BY;
use super::types::prose;

/// The files, and what each is about.
pub(crate) const FILES: &[(&str, &str)] = &[
    ("crates/kubelt-core/src/limits.rs", "Cores: part of the format, alike on every node"),
    ("crates/kubelt-content/src/limits.rs", "Content"),
    ("crates/kubelt-http/src/limits.rs", "HTTP"),
    ("crates/kubelt-node/src/limits.rs", "What a node does"),
    ("crates/kubelt-node/src/limits/host_names.rs", "Host names"),
    ("crates/kubelt-node/src/limits/mirrors.rs", "Mirrors"),
    ("crates/kubelt-node/src/limits/replicate.rs", "Replication"),
    ("crates/kubelt-store/src/limits.rs", "The store"),
    ("crates/kubelt-net/src/limits.rs", "Peers"),
    ("crates/kubelt-net/src/bitswap/limits.rs", "Blocks for peers"),
    ("crates/kubelt-chain/src/limits.rs", "Chains"),
    ("crates/kubelt/src/limits.rs", "The command line, and what a node fetches by HTTP"),
];

/// The page, made of the texts of [`FILES`].
pub(crate) fn page(texts: &[String]) -> Result<String> {
    let mut page = format!(
        "# Limits\n\n{MADE_BY}Everything has a limit. These are in the code; quotas of cores and rates of requests are settings of the \
         operator, see [running a node](../operate/running-a-node.md#settings).\n"
    );
    let sections: Vec<Vec<Limit<'_>>> = texts.iter().map(|text| limits(text)).collect();
    for ((file, title), section) in FILES.iter().zip(&sections) {
        ensure!(!section.is_empty(), "`{file}` has no limits that can be read");
        // Of two of one name the file's own is meant.
        let expressions: HashMap<&str, &str> =
            sections.iter().flatten().chain(section).map(|limit| (limit.name, limit.expression)).collect();
        let _ = write!(page, "\n## {title}\n\n| Limit | Value | Name |\n| --- | --- | --- |\n");
        for Limit { name, about, expression, .. } in section.iter().filter(|limit| limit.is_told) {
            let value = match value_of(expression, &expressions) {
                Some(Value::Number(number)) => shown(name, number),
                Some(Value::Milliseconds(time)) => time_text(time),
                None => format!("`{expression}`"),
            };
            // The value says its unit.
            let about = about.replace(", in milliseconds", "").replace(", in bytes", "");
            let _ = writeln!(page, "| {} | {value} | `{name}` |", prose(&about));
        }
    }
    Ok(page)
}

#[derive(Debug)]
struct Limit<'a> {
    name: &'a str,
    about: String,
    expression: &'a str,
    /// Whether it is more than a part of others.
    is_told: bool,
}

/// The constants of a file with their descriptions; one that goes over several lines is read whole.
fn limits(text: &str) -> Vec<Limit<'_>> {
    let mut limits = Vec::new();
    let mut about = String::new();
    let mut rest = text;
    while let Some((line, after)) = rest.split_once('\n') {
        let declared = ["pub const ", "pub(crate) const ", "const "];
        let declared = declared.iter().find_map(|start| line.strip_prefix(start));
        if let Some(said) = line.strip_prefix("/// ") {
            about.push_str(said);
            about.push(' ');
        } else if let Some(name) = declared.and_then(|declared| declared.split(':').next()) {
            let end = rest.find(';').unwrap_or(rest.len());
            let expression = rest[..end].split_once('=').map_or("", |(_, expression)| expression.trim());
            let is_told = line.starts_with("pub");
            limits.push(Limit { name, about: std::mem::take(&mut about), expression, is_told });
        } else {
            about.clear();
        }
        rest = after;
    }
    limits
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Value {
    Number(u64),
    Milliseconds(u64),
}

/// What a constant expression comes to: numbers, names of other limits, `+`, `-`, `*`, `<<`, brackets, durations.
fn value_of(expression: &str, known: &HashMap<&str, &str>) -> Option<Value> {
    let expression = expression.trim();
    for (start, ms) in [("Duration::from_secs(", 1_000), ("Duration::from_millis(", 1)] {
        if let Some(inner) = expression.strip_prefix(start).and_then(|rest| rest.strip_suffix(')')) {
            return number(inner, known)?.checked_mul(ms).map(Value::Milliseconds);
        }
    }
    number(expression, known).map(Value::Number)
}

fn number(expression: &str, known: &HashMap<&str, &str>) -> Option<u64> {
    let expression = expression.trim();
    // The operator that binds least is what is done last; of equal ones the last.
    for operators in [&["<<"][..], &[" + ", " - "], &["*"]] {
        if let Some((at, operator)) = last_outside(expression, operators) {
            let left = number(&expression[..at], known)?;
            let right = number(&expression[at + operator.len()..], known)?;
            return match operator.trim() {
                "<<" => left.checked_shl(u32::try_from(right).ok()?),
                "+" => left.checked_add(right),
                "-" => left.checked_sub(right),
                _ => left.checked_mul(right),
            };
        }
    }
    if let Some(inner) = expression.strip_prefix('(').and_then(|rest| rest.strip_suffix(')')) {
        return number(inner, known);
    }
    match known.get(expression) {
        Some(named) => number(named, known),
        None => expression.replace('_', "").parse().ok(),
    }
}

/// The last place of one of the operators that lies in no brackets.
fn last_outside<'a>(expression: &str, operators: &[&'a str]) -> Option<(usize, &'a str)> {
    let mut depth = 0_usize;
    let mut found = None;
    for (at, c) in expression.char_indices() {
        match c {
            '(' => depth += 1,
            ')' => depth = depth.saturating_sub(1),
            _ => {}
        }
        if depth == 0
            && let Some(operator) = operators.iter().find(|operator| expression[at..].starts_with(**operator))
        {
            found = Some((at, *operator));
        }
    }
    found
}

fn shown(name: &str, number: u64) -> String {
    match name {
        _ if name.contains("_MS") => time_text(number),
        _ if name.contains("BYTES") => bytes_text(number),
        _ => grouped(number),
    }
}

fn time_text(ms: u64) -> String {
    const UNITS: [(u64, &str); 5] =
        [(86_400_000, "day"), (3_600_000, "hour"), (60_000, "minute"), (1_000, "second"), (1, "ms")];
    let (unit, name) =
        UNITS.into_iter().find(|(unit, _)| ms.is_multiple_of(*unit) && ms >= *unit).unwrap_or((1, "ms"));
    let count = ms / unit;
    let plural = if count == 1 || name == "ms" { "" } else { "s" };
    format!("{} {name}{plural}", grouped(count))
}

fn bytes_text(bytes: u64) -> String {
    const UNITS: [(u64, &str); 4] = [(1 << 40, "TiB"), (1 << 30, "GiB"), (1 << 20, "MiB"), (1 << 10, "KiB")];
    match UNITS.into_iter().find(|(unit, _)| bytes.is_multiple_of(*unit) && bytes >= *unit) {
        Some((unit, name)) => format!("{} {name}", grouped(bytes / unit)),
        None => format!("{} bytes", grouped(bytes)),
    }
}

fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::new();
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::{HashMap, Value, bytes_text, grouped, limits, time_text, value_of};

    #[test]
    fn expressions_are_worked_out() {
        let known = HashMap::from([("A", "64 * 1_024"), ("DAY", "24 * 60 * 60 * 1_000")]);
        for (expression, value) in [
            ("7 * DAY", Value::Number(604_800_000)),
            ("2 * A + 16 * 1_024", Value::Number(147_456)),
            ("(1 << 53) - 1", Value::Number(9_007_199_254_740_991)),
            ("1 << 20", Value::Number(1 << 20)),
            ("10 - 2 - 3", Value::Number(5)),
            ("Duration::from_secs(5 * 60)", Value::Milliseconds(300_000)),
        ] {
            assert_eq!(value_of(expression, &known), Some(value), "{expression}");
        }
        for expression in ["-100", "CarLimits { blocks_max: 1 }", "B", "", "1 << 99"] {
            assert_eq!(value_of(expression, &known), None, "{expression}");
        }
    }

    #[test]
    fn values_are_said_in_their_units() {
        assert_eq!(time_text(90_000), "90 seconds");
        assert_eq!(time_text(604_800_000), "7 days");
        assert_eq!(time_text(200), "200 ms");
        assert_eq!(bytes_text(2_097_152), "2 MiB");
        assert_eq!(bytes_text(1_000), "1,000 bytes");
        assert_eq!(grouped(1_234_567), "1,234,567");
    }

    #[test]
    fn constants_are_read_with_what_is_said_of_them() {
        let text = "//! About.\n\n/// Longest\n/// name.\npub const A: usize = 1;\n/// B.\npub(crate) const B: u8 =\n    2;\nconst C: u8 = 3;\n";
        let found = limits(text);
        let found: Vec<_> = found
            .iter()
            .map(|limit| (limit.name, limit.about.trim(), limit.expression, limit.is_told))
            .collect();
        assert_eq!(found, [("A", "Longest name.", "1", true), ("B", "B.", "2", true), ("C", "", "3", false)]);
    }
}
