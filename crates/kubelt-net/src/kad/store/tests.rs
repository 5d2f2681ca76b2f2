use std::{
    sync::{Arc, OnceLock},
    time::{Duration, Instant},
};

use kubelt_content::ipns::{Generations, NewRecord, Record as IpnsRecord, SecretKey};
use libp2p::{
    Multiaddr, PeerId,
    identity::Keypair,
    kad::{ProviderRecord, Record, RecordKey, store::RecordStore as _},
};

use super::{BadRecord, Provided, Records, Spot, valid_record};
use crate::limits::{
    ADDRESS_BYTES_MAX, PEER_ADDRESSES_TOLD_BYTES_MAX, PEER_ADDRESSES_TOLD_MAX, PROVIDER_LIFE,
    PROVIDERS_PER_KEY_MAX, RECORDS_PER_PROVIDER_MAX,
};

#[derive(Debug)]
struct Only(Vec<u8>);

impl Provided for Only {
    fn provides(&self, multihash: &[u8]) -> bool {
        self.0 == multihash
    }
}

fn store() -> Records {
    Records::new(PeerId::random(), Arc::default())
}

fn ipns(secret: &SecretKey, sequence: u64, end: Duration) -> IpnsRecord {
    let new = NewRecord { value: b"/ipfs/bafkqaaa", sequence, validity_end: end, ttl: Duration::ZERO };
    IpnsRecord::create(secret, &new, Generations::V1AndV2).expect("a record")
}

const NOW: Duration = Duration::from_secs(1_000_000);
const LATER: Duration = Duration::from_secs(2_000_000);

fn record(secret: &SecretKey, sequence: u64) -> Record {
    let bytes = ipns(secret, sequence, LATER).encode().to_vec();
    Record::new(secret.name().routing_key(), bytes)
}

#[test]
fn only_valid_records_of_names_are_taken() {
    let (one, other) = (SecretKey::from_seed(&[1; 32]), SecretKey::from_seed(&[2; 32]));
    let good = record(&one, 1);
    let mut store = store();
    let with_key = |key: Vec<u8>| Record::new(key, good.value.clone());
    let mut damaged = good.clone();
    *damaged.value.last_mut().expect("bytes") ^= 1;
    let refused = [
        with_key([b"/pk/".as_slice(), &one.name().hash().to_bytes()].concat()),
        with_key(b"/other/key".to_vec()),
        with_key(b"/ipns/".to_vec()),
        with_key(one.name().hash().to_bytes()),
        with_key(other.name().routing_key()),
        Record::new(one.name().routing_key(), b"no record".to_vec()),
        damaged,
    ];
    for record in refused {
        assert!(store.take_record(record.clone(), NOW).is_err(), "{:?}", record.key);
    }
    assert!(matches!(
        store.take_record(good.clone(), LATER + Duration::from_secs(1)),
        Err(BadRecord::Invalid(_))
    ));
    assert_eq!(store.counts(), (0, 0));
    assert!(store.take_record(good, NOW).expect("valid"));
    assert_eq!(store.counts(), (1, 0));
}

#[test]
fn the_better_record_stays() {
    let secret = SecretKey::from_seed(&[1; 32]);
    let mut store = store();
    for (sequence, taken) in [(2, true), (1, false), (2, true), (3, true), (2, false)] {
        assert_eq!(store.take_record(record(&secret, sequence), NOW).expect("valid"), taken, "{sequence}");
    }
    let kept = store.records.values().next().expect("one");
    assert_eq!(kept.ipns.sequence(), 3);
    let bytes: usize = store.records.values().map(|kept| kept.record.value.len()).sum();
    assert_eq!(store.record_bytes, bytes);
    assert!(valid_record(&secret.name().routing_key(), &kept.record.value, NOW).is_ok());
}

#[test]
fn an_expired_record_is_neither_given_nor_kept() {
    let secret = SecretKey::from_seed(&[1; 32]);
    let mut store = store();
    // Valid at the made-up now, and over by the real one.
    assert!(store.take_record(record(&secret, 1), NOW).expect("valid"));
    let key = RecordKey::from(secret.name().routing_key());
    assert_eq!(store.get(&key), None);
    store.sweep(Instant::now());
    assert_eq!(store.counts(), (0, 0));
    assert_eq!(store.record_bytes, 0);
}

fn provides(key: &[u8], peer: PeerId) -> ProviderRecord {
    let address: Multiaddr = "/ip4/192.0.2.1/tcp/1".parse().expect("an address");
    ProviderRecord::new(key.to_vec(), peer, vec![address; 100])
}

#[test]
fn sybils_do_not_push_out_the_closest_providers() {
    let (mut store, key, now) = (store(), b"key".as_slice(), Instant::now());
    let spot = Spot::of(key);
    let mut peers: Vec<PeerId> = (0..=u8::MAX)
        .map(|seed| Keypair::ed25519_from_bytes([seed; 32]).expect("a key").public().to_peer_id())
        .collect();
    peers.sort_by_key(|peer| spot.distance(&Spot::of_peer(peer)));
    let (honest, sybils) = peers.split_at(PROVIDERS_PER_KEY_MAX / 2);
    for peer in honest {
        assert!(store.take_provider(provides(key, *peer), now));
    }
    for round in 1..5 {
        for sybil in sybils {
            store.take_provider(provides(key, *sybil), now + Duration::from_secs(round));
        }
    }
    let found: Vec<PeerId> =
        store.providers(&RecordKey::new(&key)).into_iter().map(|record| record.provider).collect();
    assert_eq!(found.len(), PROVIDERS_PER_KEY_MAX);
    assert!(honest.iter().all(|peer| found.contains(peer)));
    assert_eq!(store.counts().1, PROVIDERS_PER_KEY_MAX);
    assert_eq!(store.of_provider.len(), PROVIDERS_PER_KEY_MAX);
}

#[test]
fn one_peer_fills_only_its_share() {
    let (mut store, peer, now) = (store(), PeerId::random(), Instant::now());
    for i in 0..RECORDS_PER_PROVIDER_MAX + 5 {
        let taken = store.take_provider(provides(&i.to_be_bytes(), peer), now);
        assert_eq!(taken, i < RECORDS_PER_PROVIDER_MAX, "{i}");
    }
    // What it has announced it may announce again.
    assert!(store.take_provider(provides(&1_usize.to_be_bytes(), peer), now));
    assert!(store.take_provider(provides(b"other", PeerId::random()), now));
    assert_eq!(store.counts().1, RECORDS_PER_PROVIDER_MAX + 1);
}

#[test]
fn providers_expire_and_are_counted() {
    let (mut store, now) = (store(), Instant::now());
    let (one, other) = (PeerId::random(), PeerId::random());
    store.take_provider(provides(b"a", one), now);
    store.take_provider(provides(b"a", other), now + Duration::from_secs(10));
    store.take_provider(provides(b"b", one), now);
    let kept = store.providers(&RecordKey::new(b"a"));
    assert_eq!(kept.len(), 2);
    assert!(kept.iter().all(|record| record.addresses.len() == PEER_ADDRESSES_TOLD_MAX));
    store.sweep(now + PROVIDER_LIFE);
    assert_eq!(store.counts(), (0, 1));
    store.remove_provider(&RecordKey::new(b"a"), &one);
    assert_eq!(store.counts(), (0, 1), "it was gone");
    store.remove_provider(&RecordKey::new(b"a"), &other);
    assert_eq!(store.counts(), (0, 0));
    assert!(store.of_provider.is_empty() && store.providers.is_empty());
}

#[test]
fn what_this_node_provides_is_read_from_the_node() {
    let (own, key) = (PeerId::random(), b"mine".to_vec());
    let mut store =
        Records::new(own, Arc::new(OnceLock::from(Arc::new(Only(key.clone())) as Arc<dyn Provided>)));
    let found = store.providers(&RecordKey::from(key.clone()));
    assert_eq!(found.len(), 1);
    assert_eq!(found[0].provider, own);
    assert!(store.providers(&RecordKey::new(b"other")).is_empty());
    assert!(!store.take_provider(provides(b"other", own), Instant::now()), "nobody speaks for this node");
    assert!(!store.take_provider(provides(&[0; 81], PeerId::random()), Instant::now()), "no multihash");
}

#[test]
fn only_what_nobody_ever_took_counts_as_forged() {
    let secret = SecretKey::from_seed(&[1; 32]);
    let name = secret.name();
    let good = ipns(&secret, 1, LATER).encode().to_vec();
    let forged = |key: &[u8], value: &[u8], now| {
        valid_record(key, value, now).err().map(|bad: BadRecord| bad.is_forged())
    };
    let key = name.routing_key();
    let of_key = [b"/pk/".as_slice(), &name.hash().to_bytes()].concat();
    let mut damaged = good.clone();
    *damaged.last_mut().expect("bytes") ^= 1;
    assert_eq!(forged(&key, &good, NOW), None);
    assert_eq!(forged(&key, &good, LATER + Duration::from_secs(1)), Some(false), "it has ended");
    assert_eq!(forged(&of_key, &good, NOW), Some(false), "a record of another kind");
    assert_eq!(forged(&key, &damaged, NOW), Some(true));
    assert_eq!(forged(&SecretKey::from_seed(&[2; 32]).name().routing_key(), &good, NOW), Some(true));
}

#[test]
fn a_provider_with_long_addresses_takes_no_more_memory_than_others() {
    let (mut store, peer) = (store(), PeerId::random());
    let long: Multiaddr =
        format!("/dns4/{}/tcp/1", "a".repeat(ADDRESS_BYTES_MAX)).parse().expect("an address");
    let short: Multiaddr = "/ip4/8.8.8.8/tcp/4001".parse().expect("an address");
    let key = RecordKey::from(vec![1; 34]);
    let mut addresses = vec![long; PEER_ADDRESSES_TOLD_MAX];
    addresses.push(short.clone());
    assert!(store.take_provider(ProviderRecord::new(key.clone(), peer, addresses), Instant::now()));
    assert_eq!(store.providers(&key)[0].addresses, [short]);
    let middling = |n| format!("/dns4/{}.example/tcp/{n}", "a".repeat(150)).parse().expect("an address");
    let addresses = (1..=PEER_ADDRESSES_TOLD_MAX).map(middling).collect();
    assert!(store.take_provider(ProviderRecord::new(key.clone(), peer, addresses), Instant::now()));
    let bytes: usize = store.providers(&key)[0].addresses.iter().map(|one: &Multiaddr| one.len()).sum();
    assert!((1..=PEER_ADDRESSES_TOLD_BYTES_MAX).contains(&bytes), "{bytes} bytes");
}
