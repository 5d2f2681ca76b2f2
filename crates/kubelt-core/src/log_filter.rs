//! Which events of a chain somebody wants to hear of: the filter of `eth_subscribe` (EIP-1474), and what fits it.

use serde_json::{Map, Value};

use crate::limits::{LOG_ADDRESSES_MAX, LOG_TOPIC_CHOICES_MAX, LOG_TOPICS_MAX};

/// Events of some contracts, or of all, with some topics. By default all events there are.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct LogFilter {
    /// Of which contracts; of all where empty.
    addresses: Vec<[u8; 20]>,
    /// What may stand at each place; anything where empty.
    topics: Vec<Vec<[u8; 32]>>,
}

/// Why JSON is no filter.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum LogFilterError {
    /// Not an object, or one with other members.
    #[error(
        "a filter is an object of `address` and `topics` and nothing else: it is about what comes from now on"
    )]
    Form,
    /// No address, no list of addresses, or too many.
    #[error("`address` is an address, or a list of {LOG_ADDRESSES_MAX} at most")]
    Address,
    /// Not what topics are.
    #[error(
        "`topics` is a list of {LOG_TOPICS_MAX} at most, each null, 32 bytes of hex, or a list of {LOG_TOPIC_CHOICES_MAX} such at most"
    )]
    Topics,
}

impl LogFilter {
    /// Reads a filter as JSON-RPC writes it.
    ///
    /// # Errors
    /// [`LogFilterError`] says what is wrong.
    pub fn read(value: &Value) -> Result<Self, LogFilterError> {
        let members = value.as_object().ok_or(LogFilterError::Form)?;
        if members.keys().any(|name| name != "address" && name != "topics") {
            return Err(LogFilterError::Form);
        }
        let mut addresses = match members.get("address") {
            None | Some(Value::Null) => Vec::new(),
            Some(one @ Value::String(_)) => vec![bytes(one).ok_or(LogFilterError::Address)?],
            Some(Value::Array(all)) if all.len() <= LOG_ADDRESSES_MAX => {
                all.iter().map(bytes).collect::<Option<_>>().ok_or(LogFilterError::Address)?
            }
            Some(_) => return Err(LogFilterError::Address),
        };
        addresses.sort_unstable();
        addresses.dedup();
        let topics = match members.get("topics") {
            None | Some(Value::Null) => Vec::new(),
            Some(Value::Array(places)) if places.len() <= LOG_TOPICS_MAX => {
                places.iter().map(choices).collect::<Option<_>>().ok_or(LogFilterError::Topics)?
            }
            Some(_) => return Err(LogFilterError::Topics),
        };
        Ok(Self { addresses, topics })
    }

    /// The contracts that it is about; of all where there are none.
    pub fn addresses(&self) -> &[[u8; 20]] {
        &self.addresses
    }

    /// Whether an event, as JSON-RPC tells it, is asked for.
    pub fn fits(&self, log: &Value) -> bool {
        let Some(address) = log.get("address").and_then(bytes) else { return false };
        let Some(found) = log.get("topics").and_then(Value::as_array) else { return false };
        let is_of = self.addresses.is_empty() || self.addresses.binary_search(&address).is_ok();
        // A place that the filter names is one that the event must have.
        is_of
            && self.topics.iter().enumerate().all(|(place, choices)| {
                let topic = found.get(place).and_then(bytes::<32>);
                topic.is_some_and(|topic| choices.is_empty() || choices.contains(&topic))
            })
    }

    /// The filter as JSON-RPC writes it.
    pub fn to_json(&self) -> Value {
        let mut members = Map::new();
        if !self.addresses.is_empty() {
            members.insert("address".to_owned(), self.addresses.iter().map(|bytes| text(bytes)).collect());
        }
        if !self.topics.is_empty() {
            let place = |choices: &Vec<[u8; 32]>| match choices.as_slice() {
                [] => Value::Null,
                choices => choices.iter().map(|topic| text(topic)).collect(),
            };
            members.insert("topics".to_owned(), self.topics.iter().map(place).collect());
        }
        Value::Object(members)
    }
}

fn choices(place: &Value) -> Option<Vec<[u8; 32]>> {
    match place {
        Value::Null => Some(Vec::new()),
        Value::String(_) => Some(vec![bytes(place)?]),
        // A list of nothing would fit no event, and is read by clients as anything.
        Value::Array(all) if all.len() <= LOG_TOPIC_CHOICES_MAX => all.iter().map(bytes).collect(),
        _ => None,
    }
}

fn bytes<const N: usize>(value: &Value) -> Option<[u8; N]> {
    let mut bytes = [0; N];
    hex::decode_to_slice(value.as_str()?.strip_prefix("0x")?, &mut bytes).ok()?;
    Some(bytes)
}

fn text(bytes: &[u8]) -> Value {
    Value::String(format!("0x{}", hex::encode(bytes)))
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::{LogFilter, LogFilterError};
    use crate::limits::{LOG_ADDRESSES_MAX, LOG_TOPIC_CHOICES_MAX};

    fn address(n: usize) -> String {
        format!("0x{n:040x}")
    }

    fn topic(n: usize) -> String {
        format!("0x{n:064x}")
    }

    fn log(address: &str, topics: &[String]) -> Value {
        json!({"address": address, "topics": topics, "data": "0x"})
    }

    #[track_caller]
    fn check(filter: &Value, log: &Value, fits: bool) {
        let filter = LogFilter::read(filter).expect("a filter");
        assert_eq!(filter.fits(log), fits, "{filter:?} and {log}");
        assert_eq!(LogFilter::read(&filter.to_json()), Ok(filter));
    }

    #[test]
    fn events_fit_by_contract_and_by_the_places_of_their_topics() {
        let event = log(&address(0xab), &[topic(1), topic(2)]);
        for (filter, fits) in [
            (json!({}), true),
            (json!({"address": address(0xab), "topics": null}), true),
            (json!({"address": [address(1), address(0xab).to_uppercase().replacen("0X", "0x", 1)]}), true),
            (json!({"address": address(1)}), false),
            (json!({"address": []}), true),
            (json!({"topics": [topic(1)]}), true),
            (json!({"topics": [topic(2)]}), false),
            (json!({"topics": [null, topic(2)]}), true),
            (json!({"topics": [[topic(3), topic(1)], []]}), true),
            (json!({"topics": [null, null, null]}), false),
            (json!({"address": address(1), "topics": [topic(1)]}), false),
        ] {
            check(&filter, &event, fits);
        }
        check(&json!({}), &json!({"topics": []}), false);
        check(&json!({}), &json!({"address": address(1)}), false);
    }

    #[test]
    fn what_is_no_filter_is_refused() {
        let many = |count: usize, text: fn(usize) -> String| (0..count).map(text).collect::<Vec<_>>();
        assert!(LogFilter::read(&json!({"address": many(LOG_ADDRESSES_MAX, address)})).is_ok());
        assert!(LogFilter::read(&json!({"topics": [many(LOG_TOPIC_CHOICES_MAX, topic)]})).is_ok());
        for (filter, error) in [
            (json!(null), LogFilterError::Form),
            (json!([]), LogFilterError::Form),
            (json!({"fromBlock": "0x0"}), LogFilterError::Form),
            (json!({"address": "0x12"}), LogFilterError::Address),
            (json!({"address": 1}), LogFilterError::Address),
            (json!({"address": [null]}), LogFilterError::Address),
            (json!({"address": many(LOG_ADDRESSES_MAX + 1, address)}), LogFilterError::Address),
            (json!({"topics": topic(1)}), LogFilterError::Topics),
            (json!({"topics": [address(1)]}), LogFilterError::Topics),
            (json!({"topics": [[null]]}), LogFilterError::Topics),
            (json!({"topics": [null, null, null, null, null]}), LogFilterError::Topics),
            (json!({"topics": [many(LOG_TOPIC_CHOICES_MAX + 1, topic)]}), LogFilterError::Topics),
        ] {
            assert_eq!(LogFilter::read(&filter), Err(error), "{filter}");
        }
    }
}
