//! Invites: seen by whoever was invited, and accepted.

use std::sync::Arc;

use kubelt_core::{CoreId, role::HEIR, schema::ChildCore};

use super::{Members, MembersError};
use crate::{
    parts,
    remotes::{NodeAddress, Remote},
    session::Session,
};

/// A core that gave the account a part and that its private core does not name yet.
#[derive(Debug, Clone)]
pub struct Invite {
    /// The core.
    pub core: CoreId,
    /// What its makers call it.
    pub title: Option<String>,
    /// What the account would be in it.
    pub roles: Vec<String>,
}

/// An invite was accepted.
#[derive(Debug, Clone)]
pub struct Accepted {
    /// The name in the private core.
    pub name: String,
    /// The core.
    pub core: CoreId,
    /// What its makers call it.
    pub title: Option<String>,
    /// What the account is in it.
    pub roles: Vec<String>,
    /// Whether the private core named it before.
    pub known: bool,
    /// The node that it is exchanged with from now on, where it was to come from one.
    pub remote: Option<Remote>,
}

/// The name that stands where a core's own cannot stand in an address.
const NAMELESS: &str = "core";

impl Members {
    /// The invites that wait for the session's account on this node.
    ///
    /// # Errors
    /// [`MembersError::Forbidden`] for a session that is a token for one program.
    pub async fn invites(&self, session: &Session) -> Result<Vec<Invite>, MembersError> {
        if !session.speaks_for_account() {
            return Err(MembersError::Forbidden);
        }
        let known: Vec<CoreId> = self.named(&session.core)?.into_iter().map(|(_, core)| core).collect();
        let mut found = Vec::new();
        for core in parts::of(&self.store, session.account())? {
            let roles = self.roles(session.account(), &core).await?;
            if !roles.is_empty() && !known.contains(&core) {
                found.push(Invite { core, title: self.title(&core)?, roles });
            }
        }
        Ok(found)
    }

    /// Accepts an invite: looks that the session's account has a part in the core, brings the core `from` another node
    /// where it is to come from there, and names it in the account's private core. Again it changes nothing.
    ///
    /// # Errors
    /// [`MembersError::NotFound`] alike where the account has no part in the core, and where there is no such core.
    pub async fn accept(
        &self,
        session: &Arc<Session>,
        core: CoreId,
        name: Option<String>,
        from: Option<NodeAddress>,
    ) -> Result<Accepted, MembersError> {
        if !session.speaks_for_account() {
            return Err(MembersError::Forbidden);
        }
        let own = self.remotes.own_key().await?;
        let remote = match from {
            Some(from) if from.peer != own => Some(self.join(session, core, from).await?),
            // From here it need not come.
            _ => None,
        };
        let roles = self.roles(session.account(), &core).await?;
        if roles.is_empty() {
            return Err(MembersError::NotFound);
        }
        // Of a private core nobody is a member, but an heir whose wait is over.
        let title = self.title(&core)?;
        if title.is_none() && !roles.iter().any(|role| role == HEIR.name) {
            return Err(MembersError::NotFound);
        }
        let named = self.named(&session.core)?.into_iter().find(|(_, named)| *named == core);
        if let (None, Some((name, _))) = (&name, &named) {
            return Ok(Accepted { name: name.clone(), core, title, roles, known: true, remote });
        }
        let name = name.unwrap_or_else(|| label(title.as_deref().unwrap_or_default()));
        let path = self.free_path(session, &session.core, &name, Some(&core))?;
        let known = self.cores.named_core(&session.core, &path)?.is_some();
        if !known {
            self.enter(session, &session.core, vec![(path, ChildCore::new(core).to_ipld())]).await?;
        }
        Ok(Accepted { name, core, title, roles, known, remote })
    }
}

/// A name for an address, made of what a core's makers call it.
fn label(title: &str) -> String {
    let mut label = String::new();
    for c in title.chars().map(|c| c.to_ascii_lowercase()) {
        match c {
            'a'..='z' | '0'..='9' | '_' => label.push(c),
            _ if !label.is_empty() && !label.ends_with('-') => label.push('-'),
            _ => {}
        }
    }
    let label = label.trim_matches('-');
    match ChildCore::path(label) {
        Some(_) => label.to_owned(),
        None => NAMELESS.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::label;

    #[test]
    fn titles_become_names() {
        for (title, name) in [
            ("Acme", "acme"),
            ("Acme Corp. (Zürich)", "acme-corp-z-rich"),
            ("0xabc", "core"),
            ("…", "core"),
            ("", "core"),
            ("a_b", "a_b"),
        ] {
            assert_eq!(label(title), name, "{title}");
        }
    }
}
