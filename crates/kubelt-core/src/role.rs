//! Ready-made roles: names for sets of abilities that people hand out often.
//!
//! A role is nothing that a core knows: a grant names it and carries its abilities copied in, so that changing this
//! table changes nobody's grant. Whoever wants other abilities gives them a name of their own, or none ([`choose`]).
//!
//! | role | in plain words |
//! | --- | --- |
//! | `owner` | runs the core: all but replacing its root |
//! | `developer` | writes content, functions, databases and channels, and holds copies |
//! | `designer` | writes content and the core's profile, and holds copies |
//! | `contract` | outside help: reads content, writes below `content/contract` |
//! | `reader` | reads content |

use crate::{
    ability::{Ability, AbilityError},
    limits::{ABILITIES_MAX, ROLE_BYTES_MAX},
    log::HEIR_ROLE,
};

/// A ready-made role.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Role {
    /// Its name, which stands on grants.
    pub name: &'static str,
    /// What it is for, in plain words.
    pub says: &'static str,
    can: &'static [&'static str],
}

/// Every ready-made role, the mightiest first.
pub const ROLES: [Role; 5] = [
    Role {
        name: "owner",
        says: "runs the core: all but replacing its root",
        can: &[
            "read **",
            "put **",
            "grant **",
            "revoke **",
            "logout **",
            "vote **",
            "seal **",
            "call **",
            "replicate **",
        ],
    },
    Role {
        name: "developer",
        says: "writes content, functions, databases and channels, and holds copies",
        can: &[
            "read **",
            "put content/**",
            "put functions/**",
            "put databases/**",
            "put channels/**",
            "put streams/**",
            "put docs/**",
            "call **",
            "replicate **",
        ],
    },
    Role {
        name: "designer",
        says: "writes content and the core's profile, and holds copies",
        can: &["read **", "put content/**", "put profile/**", "put docs/**", "replicate **"],
    },
    Role {
        name: "contract",
        says: "outside help: reads content, writes below `content/contract`",
        can: &["read content/**", "put content/contract/**"],
    },
    Role { name: "reader", says: "reads content", can: &["read content/**"] },
];

/// What an heir of a private core may once its wait is over: all but end the sign-ins of who named it. It is in no list:
/// it is given with a wait, and in private cores alone.
pub const HEIR: Role = Role {
    name: HEIR_ROLE,
    says: "opens after a wait in which it can be refused: reads, writes and takes away everything",
    can: &["read **", "put **", "seal **", "call **", "replicate **"],
};

impl Role {
    /// The ready-made role of this name.
    pub fn named(name: &str) -> Option<&'static Self> {
        ROLES.iter().find(|role| role.name == name)
    }

    /// What it may do, sorted as grants want it.
    pub fn abilities(&self) -> Vec<Ability> {
        let mut abilities: Vec<Ability> =
            self.can.iter().map(|text| text.parse().expect("the table holds abilities")).collect();
        abilities.sort_unstable();
        abilities
    }
}

/// Why a name and abilities make no role.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RoleError {
    /// No such ready-made role, and no abilities either.
    #[error(
        "there is no role `{0}`; take owner, developer, designer, contract or reader, or say what it may do, such as `put content/site/**`"
    )]
    Unknown(String),
    /// A ready-made name over other abilities would mislead whoever reads it.
    #[error("`{0}` is a ready-made role; give one with other abilities another name")]
    Taken(String),
    /// The role that only a wait gives.
    #[error("an heir is named in a private core, with a wait; take another name")]
    Heir,
    /// Neither a name nor abilities.
    #[error("say which role to give, or what it may do, such as `put content/site/**`")]
    Empty,
    /// A name that no grant can carry.
    #[error("a role's name has 1 to {ROLE_BYTES_MAX} bytes, without control characters")]
    Name,
    /// Over [`ABILITIES_MAX`].
    #[error("{0} abilities are over the limit of {ABILITIES_MAX} for one role")]
    TooMany(usize),
    /// An ability that is none.
    #[error(transparent)]
    Ability(#[from] AbilityError),
}

/// The name and the abilities of a grant: those of a ready-made role, or abilities of one's own (`can`), with a name
/// or without.
///
/// # Errors
/// [`RoleError`] says what is missing, or what would mislead.
pub fn choose<S: AsRef<str>>(
    name: Option<&str>,
    can: &[S],
) -> Result<(Option<String>, Vec<Ability>), RoleError> {
    if let Some(name) = name
        && (name.is_empty() || name.len() > ROLE_BYTES_MAX || name.chars().any(char::is_control))
    {
        return Err(RoleError::Name);
    }
    let short = |name: &str| name.chars().take(64).collect();
    match (name.and_then(Role::named), name, can) {
        (_, Some(HEIR_ROLE), _) => Err(RoleError::Heir),
        (Some(role), _, []) => Ok((Some(role.name.to_owned()), role.abilities())),
        (Some(role), _, _) => Err(RoleError::Taken(role.name.to_owned())),
        (None, Some(name), []) => Err(RoleError::Unknown(short(name))),
        (None, None, []) => Err(RoleError::Empty),
        (None, name, can) => {
            if can.len() > ABILITIES_MAX {
                return Err(RoleError::TooMany(can.len()));
            }
            let mut abilities =
                can.iter().map(|text| text.as_ref().parse()).collect::<Result<Vec<Ability>, _>>()?;
            abilities.sort_unstable();
            abilities.dedup();
            Ok((name.map(str::to_owned), abilities))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{HEIR, ROLES, Role, RoleError, choose};
    use crate::{
        ability::Verb,
        limits::{ABILITIES_MAX, ROLE_BYTES_MAX},
    };

    #[test]
    fn every_role_has_abilities_that_a_grant_takes() {
        for role in ROLES.into_iter().chain([HEIR]) {
            let abilities = role.abilities();
            assert!(abilities.is_sorted_by(|a, b| a < b), "{}", role.name);
            assert!(!abilities.is_empty() && abilities.len() <= ABILITIES_MAX);
            assert!(!abilities.iter().any(|ability| ability.verb == Verb::Rotate), "only the root rotates");
            if role != HEIR {
                assert_eq!(choose::<&str>(Some(role.name), &[]), Ok((Some(role.name.to_owned()), abilities)));
            }
        }
    }

    #[test]
    fn the_owner_may_all_that_any_other_may() {
        let owner = Role::named("owner").expect("is in the table").abilities();
        for role in ROLES {
            for ability in role.abilities() {
                assert!(owner.iter().any(|own| own.covers(&ability)), "{}: {ability}", role.name);
            }
        }
    }

    #[test]
    fn custom_roles_have_names_that_do_not_mislead() {
        let put = ["put content/site/**", "put content/site/**", "read **"];
        let (name, can) = choose(Some("press"), &put).expect("is a role");
        assert_eq!((name.as_deref(), can.len()), (Some("press"), 2));
        assert_eq!(choose(None, &put[..1]).expect("is a role").0, None);
        assert_eq!(choose(Some("owner"), &put), Err(RoleError::Taken("owner".to_owned())));
        assert_eq!(choose::<&str>(Some("boss"), &[]), Err(RoleError::Unknown("boss".to_owned())));
        assert_eq!(choose::<&str>(None, &[]), Err(RoleError::Empty));
        assert!(matches!(choose(None, &["fly **"]), Err(RoleError::Ability(_))));
        assert_eq!(choose(Some("heir"), &put), Err(RoleError::Heir));
        assert!(choose(Some(&"x".repeat(ROLE_BYTES_MAX)), &put).is_ok());
        assert_eq!(choose(Some(&"x".repeat(ROLE_BYTES_MAX + 1)), &put), Err(RoleError::Name));
        assert_eq!(choose(Some("a\nb"), &put), Err(RoleError::Name));
        let many: Vec<String> = (0..=ABILITIES_MAX).map(|n| format!("put content/{n}")).collect();
        assert!(choose(None, &many[1..]).is_ok());
        assert_eq!(choose(None, &many), Err(RoleError::TooMany(ABILITIES_MAX + 1)));
    }
}
