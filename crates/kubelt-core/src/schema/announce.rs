//! The value of `config/announce`: whether nodes that have the core tell others that they do.

use ipld_core::ipld::Ipld;

use super::{SchemaError, fields::Fields};

/// Where the setting stands in a core's map.
pub const ANNOUNCE: &str = "config/announce";

/// Whether the nodes that have a core announce its id in the DHT, so that it is found from the id alone.
///
/// The id of a private core follows from its account: who knows the address can then ask who has the core, and sees
/// the node that answers. So nothing is announced unless the owner says so.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Default)]
pub struct Announce {
    /// In the DHT.
    pub dht: bool,
}

impl Announce {
    /// Reads the value of `config/announce`.
    ///
    /// # Errors
    /// [`SchemaError`] when it is none.
    pub fn from_ipld(value: &Ipld) -> Result<Self, SchemaError> {
        let fields = Fields::of(value)?;
        fields.only(&["dht"])?;
        let dht = fields.required("dht", "true or false", |value| match value {
            Ipld::Bool(announced) => Some(*announced),
            _ => None,
        })?;
        Ok(Self { dht })
    }

    /// The value to put.
    pub fn to_ipld(&self) -> Ipld {
        Ipld::Map([("dht".to_owned(), Ipld::Bool(self.dht))].into())
    }
}

#[cfg(test)]
mod tests {
    use ipld_core::ipld::Ipld;

    use super::{ANNOUNCE, Announce};
    use crate::schema::check;

    #[test]
    fn it_is_a_map_of_dht_alone() {
        let at = ANNOUNCE.parse().expect("a path");
        let map = |field: &str, value: Ipld| Ipld::Map([(field.to_owned(), value)].into());
        for dht in [true, false] {
            let value = Announce { dht }.to_ipld();
            assert!(check(&at, &value).is_ok());
            assert_eq!(Announce::from_ipld(&value), Ok(Announce { dht }));
        }
        for value in [
            Ipld::Bool(true),
            map("dht", Ipld::Integer(1)),
            map("dns", Ipld::Bool(true)),
            Ipld::Map([].into()),
        ] {
            assert!(check(&at, &value).is_err(), "{value:?}");
        }
        assert!(check(&at, &Ipld::Null).is_ok(), "cleared");
    }
}
