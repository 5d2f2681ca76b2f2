//! Hosts that a map names and that never answer.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use kubelt_core::{Act, PublicKey, SessionKey, schema::Host};

use super::Side;
use crate::{
    Dialer, Dialling, NodeAddress, RemoteNodeError, Write,
    limits::{REMOTE_DIALS_OF_CORE_MAX, REMOTE_HOSTS_OF_CORE_MAX, REMOTE_UNPROVEN_TRIES_MAX},
    peer_id,
};

/// Calls that nobody answers.
#[derive(Debug, Default)]
struct Nobody {
    calls: AtomicU64,
    now: Arc<AtomicU64>,
    most: AtomicU64,
}

/// A call that is going on.
struct Call(Arc<AtomicU64>);

impl Drop for Call {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::SeqCst);
    }
}

impl Dialer for Nobody {
    fn dial<'a>(&'a self, _: &'a NodeAddress) -> Dialling<'a> {
        self.calls.fetch_add(1, Ordering::SeqCst);
        let now = self.now.fetch_add(1, Ordering::SeqCst) + 1;
        self.most.fetch_max(now, Ordering::SeqCst);
        let call = Call(Arc::clone(&self.now));
        Box::pin(async move {
            let _call = call;
            std::future::pending().await
        })
    }

    fn reached_at(&self) -> Vec<String> {
        Vec::new()
    }
}

async fn name(side: &Side, peer: PublicKey) {
    let id = peer_id(&peer).expect("an Ed25519 key");
    let addresses = [format!("/ip4/192.0.2.1/tcp/1/tls/p2p/{id}")].into();
    let value = Host { peer, addresses, spare: false }.to_ipld();
    let act = Act::Put { path: Host::path(&peer), value };
    let write = Write::Act { session: Arc::clone(&side.session), act };
    side.node.cores.write(side.session.core, write).await.expect("is written");
}

#[tokio::test(start_paused = true)]
async fn hosts_that_never_answer_are_called_a_few_at_a_time_and_let_be_in_the_end() {
    let side = Side::new().await;
    let hosts = 2 * REMOTE_HOSTS_OF_CORE_MAX + 3;
    name(&side, side.key).await;
    let named: Vec<PublicKey> =
        (1..=hosts).map(|n| SessionKey::from_seed([u8::try_from(n).expect("few"); 32]).public()).collect();
    for peer in &named {
        name(&side, *peer).await;
    }
    let nobody = Arc::new(Nobody::default());
    side.node.remotes.dial_by(Arc::clone(&nobody) as Arc<dyn Dialer>);
    let given_up = || {
        let figures = side.node.remotes.figures();
        figures
            .into_iter()
            .find(|(one, _, _)| *one == "replication_remotes_given_up")
            .expect("it is counted")
            .2
    };
    let mut most = 0;
    while given_up() < hosts as u64 {
        side.node.workers.get("replicator").expect("there is one").step().await.expect("a step");
        most = most.max(side.node.remotes.counts().0 as u64 - given_up());
        tokio::time::sleep(Duration::from_secs(60 * 60)).await;
    }
    assert_eq!(most, REMOTE_HOSTS_OF_CORE_MAX as u64);
    assert_eq!(nobody.most.load(Ordering::SeqCst), REMOTE_DIALS_OF_CORE_MAX as u64);
    let calls = nobody.calls.load(Ordering::SeqCst);
    assert_eq!(calls, hosts as u64 * u64::from(REMOTE_UNPROVEN_TRIES_MAX));

    tokio::time::sleep(Duration::from_secs(30 * 24 * 60 * 60)).await;
    assert_eq!(nobody.calls.load(Ordering::SeqCst), calls, "nobody is called any more");
    let asked = side.node.remotes.sync(&side.session, side.session.core, &named[0]).await;
    assert!(matches!(asked, Ok(_) | Err(RemoteNodeError::Failed(_))), "{asked:?}");
    assert_eq!(nobody.calls.load(Ordering::SeqCst), calls + 1, "somebody asks");
}
