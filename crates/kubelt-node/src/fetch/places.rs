//! How many readers the node fetches for at once, in all and for each client.

use std::{collections::HashMap, net::IpAddr, sync::Arc};

use kubelt_core::Account;
use parking_lot::Mutex;

use super::RetrievalError;
use crate::{
    access::Reader,
    limits::{READS_MAX, READS_OF_CLIENT_MAX},
};

/// Who a fetch counts for.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) enum Client {
    Account(Account),
    Network(IpAddr),
}

impl Client {
    pub(super) fn of(reader: &Reader, network: IpAddr) -> Self {
        reader.session().map_or(Self::Network(network), |session| Self::Account(session.account().clone()))
    }
}

/// The places that are taken, by client.
#[derive(Debug, Clone, Default)]
pub(super) struct Places(Arc<Mutex<HashMap<Client, usize>>>);

/// A place, given back when it is dropped.
#[derive(Debug)]
pub(super) struct Place(Places, Client);

impl Places {
    pub(super) fn take(&self, client: Client) -> Result<Place, RetrievalError> {
        let mut taken = self.0.lock();
        if taken.get(&client).is_some_and(|own| *own >= READS_OF_CLIENT_MAX) {
            return Err(RetrievalError::ClientBusy);
        }
        if taken.values().sum::<usize>() >= READS_MAX {
            return Err(RetrievalError::Busy);
        }
        *taken.entry(client.clone()).or_default() += 1;
        drop(taken);
        Ok(Place(self.clone(), client))
    }

    /// How many are taken.
    pub(super) fn taken(&self) -> usize {
        self.0.lock().values().sum()
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut taken = self.0.0.lock();
        if let Some(own) = taken.get_mut(&self.1) {
            *own -= 1;
            if *own == 0 {
                taken.remove(&self.1);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::net::IpAddr;

    use super::{Client, Places};
    use crate::{
        fetch::RetrievalError,
        limits::{READS_MAX, READS_OF_CLIENT_MAX},
    };

    fn client(n: usize) -> Client {
        Client::Network(IpAddr::from([10, 0, 0, u8::try_from(n).expect("few")]))
    }

    #[test]
    fn one_client_has_so_many_places_and_all_have_so_many() {
        let places = Places::default();
        let mut held: Vec<_> =
            (0..READS_OF_CLIENT_MAX).map(|_| places.take(client(0)).expect("a place")).collect();
        assert!(matches!(places.take(client(0)), Err(RetrievalError::ClientBusy)));
        held.pop();
        held.push(places.take(client(0)).expect("one was given back"));
        for n in READS_OF_CLIENT_MAX..READS_MAX {
            held.push(places.take(client(1 + n / READS_OF_CLIENT_MAX)).expect("a place"));
        }
        assert!(matches!(places.take(client(200)), Err(RetrievalError::Busy)));
        held.clear();
        assert_eq!(places.taken(), 0);
        assert!(places.0.lock().is_empty());
    }
}
