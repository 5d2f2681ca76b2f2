//! The value of `config/copies`: how many nodes are to hold all of the core.

use ipld_core::ipld::Ipld;

use super::{SchemaError, fields::Fields};
use crate::limits::COPIES_MAX;

/// Where the setting stands in a core's map.
pub const COPIES: &str = "config/copies";

/// How many nodes are to hold all of the core, log and content: a map of `wanted`, 1 to [`COPIES_MAX`]. No other fields.
/// Its hosts see to it; without the setting they hold it as they can, and nobody counts.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct Copies {
    /// So many.
    pub wanted: u16,
}

impl Copies {
    /// Reads the value of `config/copies`.
    ///
    /// # Errors
    /// [`SchemaError`] when it is none.
    pub fn from_ipld(value: &Ipld) -> Result<Self, SchemaError> {
        let fields = Fields::of(value)?;
        fields.only(&["wanted"])?;
        let wanted = fields.required("wanted", "1 to 64", |value| match value {
            Ipld::Integer(wanted) => u16::try_from(*wanted).ok().filter(|n| (1..=COPIES_MAX).contains(n)),
            _ => None,
        })?;
        Ok(Self { wanted })
    }

    /// The value to put.
    pub fn to_ipld(&self) -> Ipld {
        Ipld::Map([("wanted".to_owned(), Ipld::Integer(self.wanted.into()))].into())
    }
}

#[cfg(test)]
mod tests {
    use ipld_core::ipld::Ipld;

    use super::{COPIES, Copies};
    use crate::{limits::COPIES_MAX, schema::check};

    #[test]
    fn it_is_a_map_of_wanted_alone() {
        let at = COPIES.parse().expect("a path");
        let map = |field: &str, value: i128| Ipld::Map([(field.to_owned(), Ipld::Integer(value))].into());
        for wanted in [1, 2, COPIES_MAX] {
            let value = Copies { wanted }.to_ipld();
            assert!(check(&at, &value).is_ok());
            assert_eq!(Copies::from_ipld(&value), Ok(Copies { wanted }));
        }
        for value in [
            map("wanted", 0),
            map("wanted", i128::from(COPIES_MAX) + 1),
            map("wanted", -1),
            map("copies", 2),
            Ipld::Integer(2),
            Ipld::Map([].into()),
        ] {
            assert!(check(&at, &value).is_err(), "{value:?}");
        }
        assert!(check(&at, &Ipld::Null).is_ok(), "cleared");
    }
}
