//! Nodes that are known to hold a core: its own map names them (`config/hosts`).

use kubelt_core::{
    CoreId, MapPath, codec,
    limits::VALUE_BYTES_MAX,
    schema::{HOSTS, Host},
};
use kubelt_store::Store;

use crate::{StoreError, identity::peer_id, limits::FETCH_HOSTS_MAX, routing::Provider};

/// The hosts that a core names, some of them where there are many.
pub(super) fn hosts_of(store: &Store, core: &CoreId) -> Result<Vec<Provider>, StoreError> {
    let base: MapPath = HOSTS.parse().expect("a constant path");
    let rows = store.state_scan(core, Some(&base), None, FETCH_HOSTS_MAX)?;
    let read = |(path, state): (MapPath, kubelt_store::StateEntry)| {
        let value = codec::decode(&state.value, VALUE_BYTES_MAX, "value").ok()?;
        let host = Host::read(&path, &value).ok()?;
        Some(Provider { peer: peer_id(&host.peer)?, addresses: host.addresses.into_iter().collect() })
    };
    Ok(rows.into_iter().filter_map(read).collect())
}
