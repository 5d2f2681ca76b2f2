//! What every engine must do.

use bytes::Bytes;
use cid::Cid;
use kubelt_core::LoginId;
use kubelt_store::{CommitError, OpsOrder, Quota, QuotaExceeded, Store, TxError, Usage};

use crate::world::{block, commit, core, on_every_engine, op, op_id, path, put};

fn value(store: &Store, n: u8, at_path: &str) -> Option<String> {
    let entry = store.state(&core(n), &path(at_path)).expect("reads");
    entry.map(|entry| String::from_utf8(entry.value.to_vec()).expect("tests put text"))
}

fn paths(store: &Store, n: u8, under: Option<&str>, after: Option<&str>, limit: usize) -> Vec<String> {
    let [under, after] = [under, after].map(|text| text.map(path));
    let found = store.state_scan(&core(n), under.as_ref(), after.as_ref(), limit).expect("reads");
    found.into_iter().map(|(path, _entry)| path.to_string()).collect()
}

#[test]
fn blocks_are_stored_once_and_possessed_by_core() {
    on_every_engine(|world| {
        let (cid, data) = block(1, 5_000);
        commit(&world.store, |tx| tx.put_block(&core(1), &cid, data.clone()).expect("fits"));
        commit(&world.store, |tx| {
            tx.put_block(&core(2), &cid, data.clone()).expect("fits");
            tx.put_block(&core(2), &cid, data.clone()).expect("fits");
        });
        let world = world.reopen();
        let store = &world.store;
        assert_eq!(store.block(&cid).expect("reads"), Some(data));
        assert_eq!(store.block_len(&cid).expect("reads"), Some(5_000));
        assert!(store.possesses(&core(1), &cid).expect("reads"));
        assert!(!store.possesses(&core(3), &cid).expect("reads"));
        let stats = store.stats().expect("reads");
        assert_eq!((stats.blocks, stats.block_bytes), (1, 5_000));
        let usage = Usage { blocks: 1, block_bytes: 5_000, ..Usage::default() };
        assert_eq!(store.usage(&core(1)).expect("reads"), usage);
        assert_eq!(store.usage(&core(2)).expect("reads"), usage);
    });
}

#[test]
fn a_block_is_found_under_every_cid_of_its_bytes() {
    on_every_engine(|world| {
        let (raw, data) = block(1, 100);
        commit(&world.store, |tx| tx.put_block(&core(1), &raw, data.clone()).expect("fits"));
        let v0 = Cid::new_v0(*raw.hash()).expect("a sha2-256 digest");
        assert_eq!(world.store.block(&v0).expect("reads"), Some(data));
        assert!(world.store.possesses(&core(1), &v0).expect("reads"));
    });
}

#[test]
fn possession_can_be_had_by_reading_and_given_up() {
    on_every_engine(|world| {
        let store = &world.store;
        let (cid, data) = block(1, 300);
        let (unknown, _) = block(2, 300);
        commit(store, |tx| {
            tx.put_block(&core(1), &cid, data).expect("fits");
            assert!(tx.possess(&core(2), &cid).expect("its own block counts"));
        });
        commit(store, |tx| {
            assert!(tx.possess(&core(3), &cid).expect("reads"));
            assert!(!tx.possess(&core(3), &unknown).expect("reads"));
            tx.dispossess(&core(1), &cid).expect("fits");
        });
        commit(store, |tx| tx.dispossess(&core(1), &cid).expect("fits"));
        assert_eq!(store.usage(&core(1)).expect("reads"), Usage::default());
        assert_eq!(store.usage(&core(3)).expect("reads").block_bytes, 300);
        assert!(!store.possesses(&core(1), &cid).expect("reads"));
        assert!(store.possesses(&core(2), &cid).expect("reads"));
    });
}

#[test]
fn a_forgotten_block_is_gone_and_nobody_can_count_on_it() {
    on_every_engine(|world| {
        let store = &world.store;
        let (cid, data) = block(1, 300);
        commit(store, |tx| tx.put_block(&core(1), &cid, data.clone()).expect("fits"));
        let mut counts_on_it = store.begin();
        counts_on_it.put_block(&core(2), &cid, data.clone()).expect("fits");
        commit(store, |tx| tx.forget_block(&cid).expect("fits"));
        assert!(matches!(counts_on_it.commit().wait(), Err(CommitError::BlockForgotten)));
        assert_eq!(store.block(&cid).expect("reads"), None);
        assert_eq!(store.stats().expect("reads").blocks, 0);
        commit(store, |tx| tx.put_block(&core(2), &cid, data.clone()).expect("fits"));
        assert_eq!(store.block(&cid).expect("reads"), Some(data));
    });
}

#[test]
fn cores_and_logins_are_listed_in_order() {
    on_every_engine(|world| {
        let login = LoginId::of(b"login");
        for n in [3, 1, 2, 1] {
            commit(&world.store, |tx| tx.put_core(&core(n), &[n]).expect("fits"));
        }
        commit(&world.store, |tx| tx.put_login(&core(1), &login, b"login").expect("fits"));
        let world = world.reopen();
        let store = &world.store;
        let all: Vec<_> = store.cores(None).map(|core| core.expect("reads")).collect();
        assert_eq!(all, [core(1), core(2), core(3)]);
        let rest: Vec<_> = store.cores(Some(&core(1))).map(|core| core.expect("reads")).collect();
        assert_eq!(rest, [core(2), core(3)]);
        assert_eq!(store.core_count().expect("reads"), 3);
        assert_eq!(store.genesis(&core(2)).expect("reads"), Some(Bytes::from_static(&[2])));
        assert_eq!(store.genesis(&core(9)).expect("reads"), None);
        assert_eq!(store.login(&core(1), &login).expect("reads"), Some(Bytes::from_static(b"login")));
        assert_eq!(store.login(&core(2), &login).expect("reads"), None);
    });
}

#[test]
fn operations_come_in_order_of_date_and_id() {
    on_every_engine(|world| {
        let mut want: Vec<_> = (0..50_u32).map(|n| op(n, u64::from(n % 7), None)).collect();
        want[3].body = Some(Bytes::from(vec![7; 60_000]));
        want[4].effective = false;
        want[5].body = None;
        commit(&world.store, |tx| want.iter().for_each(|op| tx.put_op(&core(1), op).expect("fits")));
        commit(&world.store, |tx| tx.put_op(&core(1), &want[0]).expect("fits"));
        let world = world.reopen();
        let store = &world.store;
        assert_eq!(store.op(&core(1), &want[3].id).expect("reads").as_ref(), Some(&want[3]));
        assert_eq!(store.op(&core(2), &want[3].id).expect("reads"), None);
        want.sort_by_key(|op| (op.at, op.id));
        let read = |after, order| -> Vec<_> {
            store.ops(&core(1), after, order).map(|op| op.expect("reads")).collect()
        };
        assert_eq!(read(None, OpsOrder::Forward), want);
        assert_eq!(read(Some((want[9].at, want[9].id)), OpsOrder::Forward), want[10..]);
        let mut back = want[..9].to_vec();
        back.reverse();
        assert_eq!(read(Some((want[9].at, want[9].id)), OpsOrder::Backward), back);
        let bytes =
            want.iter().map(|op| op.signed.len() + op.body.as_ref().map_or(0, Bytes::len)).sum::<usize>();
        let usage = Usage { ops: 50, op_bytes: bytes as u64, ..Usage::default() };
        assert_eq!(store.usage(&core(1)).expect("reads"), usage);
    });
}

#[test]
fn heads_are_those_last_set() {
    on_every_engine(|world| {
        let store = &world.store;
        assert_eq!(store.heads(&core(1)).expect("reads"), []);
        commit(store, |tx| {
            tx.set_heads(&core(1), &[op_id(1), op_id(2)]).expect("fits");
            assert_eq!(tx.heads(&core(1)).expect("reads"), [op_id(1), op_id(2)]);
        });
        commit(store, |tx| tx.set_heads(&core(1), &[op_id(3)]).expect("fits"));
        assert_eq!(store.heads(&core(1)).expect("reads"), [op_id(3)]);
        let many = vec![op_id(1); 5_000];
        assert!(matches!(
            store.begin().set_heads(&core(1), &many),
            Err(TxError::TooManyHeads { count: 5_000, .. })
        ));
    });
}

#[test]
fn the_latest_effective_put_wins() {
    on_every_engine(|world| {
        let store = &world.store;
        commit(store, |tx| {
            put(tx, &core(1), 1, 10, "profile/name", Some("one"));
            put(tx, &core(1), 2, 20, "profile/name", Some("two"));
            let state = tx.state(&core(1), &path("profile/name")).expect("reads").expect("was put");
            assert_eq!((state.value.as_ref(), state.id), (b"two".as_slice(), op_id(2)));
        });
        commit(store, |tx| put(tx, &core(1), 3, 15, "profile/name", Some("late")));
        assert_eq!(value(store, 1, "profile/name").as_deref(), Some("two"));
        commit(store, |tx| {
            tx.set_effective(&core(1), &op_id(2), false).expect("known");
            let state = tx.state(&core(1), &path("profile/name")).expect("reads").expect("was put");
            assert_eq!(state.id, op_id(3), "a transaction sees its own writes");
        });
        assert_eq!(value(store, 1, "profile/name").as_deref(), Some("late"));
        assert!(!store.op(&core(1), &op_id(2)).expect("reads").expect("kept").effective);
        commit(store, |tx| put(tx, &core(1), 4, 30, "profile/name", None));
        assert_eq!(value(store, 1, "profile/name"), None, "cleared");
        commit(store, |tx| {
            tx.set_effective(&core(1), &op_id(4), false).expect("known");
            tx.set_effective(&core(1), &op_id(2), true).expect("known");
        });
        assert_eq!(value(store, 1, "profile/name").as_deref(), Some("two"));
        let versions = store.versions(&core(1), &path("profile/name"), 10).expect("reads");
        let seen: Vec<_> = versions.iter().map(|v| (v.id, v.effective, v.value.is_some())).collect();
        assert_eq!(
            seen,
            [
                (op_id(4), false, false),
                (op_id(2), true, true),
                (op_id(3), true, true),
                (op_id(1), true, true)
            ]
        );
        let unknown = store.begin().set_effective(&core(2), &op_id(2), false);
        assert!(matches!(unknown, Err(TxError::UnknownOp { .. })));
    });
}

#[test]
fn a_dropped_body_takes_its_value_with_it() {
    on_every_engine(|world| {
        let store = &world.store;
        commit(store, |tx| {
            put(tx, &core(1), 1, 10, "a", Some("one"));
            put(tx, &core(1), 2, 20, "a", Some("two"));
        });
        commit(store, |tx| {
            tx.set_effective(&core(1), &op_id(2), false).expect("known");
            tx.drop_body(&core(1), &op_id(2)).expect("known");
        });
        commit(store, |tx| tx.drop_body(&core(1), &op_id(2)).expect("once is enough"));
        let kept = store.op(&core(1), &op_id(2)).expect("reads").expect("the header is kept");
        assert_eq!((kept.body, kept.path), (None, None));
        assert_eq!(store.versions(&core(1), &path("a"), 10).expect("reads").len(), 1);
        assert_eq!(store.usage(&core(1)).expect("reads").op_bytes, 8 + 6 + 8);
        commit(store, |tx| tx.put_body(&core(1), &op_id(2), b"body 2", Some(&path("a"))).expect("known"));
        let back = store.op(&core(1), &op_id(2)).expect("reads").expect("kept");
        assert_eq!((back.body.as_deref(), back.path), (Some(b"body 2".as_slice()), Some(path("a"))));
    });
}

#[test]
fn a_scan_of_the_state_goes_by_path_and_in_pages() {
    on_every_engine(|world| {
        let store = &world.store;
        let all = ["a", "a-b", "a/b", "a/b/c", "a/c", "b", "profile/name"];
        commit(store, |tx| {
            for (n, at_path) in (0..).zip(all) {
                put(tx, &core(1), n, 5, at_path, Some(at_path));
            }
            put(tx, &core(1), 100, 5, "a/gone", Some("x"));
            put(tx, &core(1), 101, 6, "a/gone", None);
            put(tx, &core(2), 102, 5, "other", Some("x"));
            for n in 200..280 {
                put(tx, &core(1), n, u64::from(n), "a/b", Some("again"));
            }
        });
        assert_eq!(paths(store, 1, None, None, 100), all);
        assert_eq!(paths(store, 1, Some("a"), None, 100), ["a", "a/b", "a/b/c", "a/c"]);
        assert_eq!(paths(store, 1, Some("a"), Some("a"), 1), ["a/b"]);
        assert_eq!(paths(store, 1, Some("a"), Some("a/b"), 100), ["a/b/c", "a/c"]);
        assert_eq!(paths(store, 1, Some("a"), Some("a/c"), 100), [""; 0]);
        assert_eq!(paths(store, 1, Some("a"), Some("b"), 100), [""; 0]);
        assert_eq!(paths(store, 1, None, Some("a/c"), 1), ["b"]);
        assert_eq!(paths(store, 1, Some("b"), None, 0), [""; 0]);
        assert_eq!(paths(store, 3, None, None, 100), [""; 0]);
        assert_eq!(value(store, 1, "a/b").as_deref(), Some("again"));
    });
}

#[test]
fn a_root_is_shown_by_the_paths_that_name_it() {
    on_every_engine(|world| {
        let store = &world.store;
        let [(root, _), (other, _), (leaf, _)] = [1, 2, 3].map(|n| block(n, 10));
        commit(store, |tx| {
            tx.link(&root, [&root, &leaf]).expect("fits");
            tx.link(&other, [&leaf]).expect("fits");
            tx.set_linked(&root).expect("fits");
            tx.name_root(&root, &core(1), &path("content/site"), 2).expect("fits");
            tx.name_root(&root, &core(1), &path("content/copy"), 0).expect("fits");
        });
        let roots = |cid| {
            let mut roots: Vec<Cid> = store.roots_of(cid).map(|root| root.expect("reads")).collect();
            roots.sort();
            roots
        };
        let mut both = vec![root, other];
        both.sort();
        assert_eq!(roots(&leaf), both);
        assert_eq!(roots(&root), [root]);
        assert_eq!([root, other].map(|root| store.is_linked(&root).expect("reads")), [true, false]);
        let names = || store.names_of_root(&root).map(|name| name.expect("reads")).collect::<Vec<_>>();
        assert_eq!(names(), [(core(1), path("content/copy"), 0), (core(1), path("content/site"), 2)]);
        // The same bytes under another codec have other links: nothing is said of those.
        let as_directory = Cid::new_v1(0x70, *leaf.hash());
        assert_eq!(roots(&as_directory), []);
        commit(store, |tx| tx.link(&root, [&as_directory]).expect("fits"));
        let v0 = Cid::new_v0(*leaf.hash()).expect("a sha2-256 digest");
        assert_eq!((roots(&as_directory), roots(&v0), roots(&leaf)), (vec![root], vec![root], both));
        commit(store, |tx| tx.unname_root(&root, &core(1), &path("content/site")).expect("fits"));
        assert_eq!(names(), [(core(1), path("content/copy"), 0)]);
    });
}

#[test]
fn node_records_live_in_namespaces() {
    on_every_engine(|world| {
        let store = &world.store;
        let long = vec![9; 5_000];
        commit(store, |tx| {
            tx.put_meta("session", b"b", Some(&long)).expect("fits");
            tx.put_meta("session", b"a", Some(b"1")).expect("fits");
            tx.put_meta("sess", b"iona", Some(b"2")).expect("fits");
            assert_eq!(tx.meta("session", b"a").expect("reads").as_deref(), Some(b"1".as_slice()));
        });
        let scan = |namespace: &str, prefix: &[u8]| -> Vec<(Bytes, Bytes)> {
            store.meta_scan(namespace, prefix, None).map(|row| row.expect("reads")).collect()
        };
        let row = |key: &'static [u8], value: &[u8]| (Bytes::from_static(key), Bytes::copy_from_slice(value));
        assert_eq!(scan("session", b""), [row(b"a", b"1"), row(b"b", &long)]);
        assert_eq!(scan("session", b"b"), [row(b"b", &long)]);
        let behind = |after: &[u8]| store.meta_scan("session", b"", Some(after)).count();
        assert_eq!([behind(b""), behind(b"a"), behind(b"aa"), behind(b"b"), behind(b"z")], [2, 1, 1, 0, 0]);
        assert_eq!(scan("sess", b""), [row(b"iona", b"2")]);
        commit(store, |tx| tx.put_meta("session", b"b", None).expect("fits"));
        assert_eq!(store.meta("session", b"b").expect("reads"), None);
    });
}

#[test]
fn a_quota_stops_what_would_grow_past_it() {
    on_every_engine(|world| {
        let store = &world.store;
        let quota = Quota { block_bytes: 1_000, ..Quota::UNLIMITED };
        commit(store, |tx| tx.set_quota(&core(1), Some(quota)).expect("fits"));
        assert_eq!(store.quota(&core(1)).expect("reads"), quota);
        let store_block = |n: u32, len: usize| {
            let (cid, data) = block(n, len);
            let mut tx = store.begin();
            tx.put_block(&core(1), &cid, data).expect("fits");
            tx.enforce_quota(&core(1));
            tx.commit()
        };
        let tickets = [store_block(1, 600), store_block(2, 600), store_block(3, 400), store_block(1, 600)];
        let [one, two, three, again] = tickets.map(kubelt_store::CommitTicket::wait);
        one.expect("600 of 1,000");
        let over = QuotaExceeded { core: core(1), what: "bytes of blocks", limit: 1_000, usage: 1_200 };
        assert!(matches!(two, Err(CommitError::Quota(error)) if error == over), "{two:?}");
        three.expect("1,000 of 1,000");
        again.expect("the same block does not count twice");
        assert_eq!(store.usage(&core(1)).expect("reads").block_bytes, 1_000);
        assert!(
            !store.has_block(&block(2, 600).0).expect("reads"),
            "nothing of a refused transaction is stored"
        );
    });
}

#[test]
fn many_writers_share_syncs_and_are_all_counted() {
    on_every_engine(|world| {
        let store = world.store.clone();
        let writers: Vec<_> = (0..16_u32)
            .map(|writer| {
                let store = store.clone();
                std::thread::spawn(move || {
                    for n in 0..20 {
                        let (shared, data) = block(n, 100);
                        commit(&store, |tx| {
                            tx.put_op(&core(1), &op(writer * 100 + n, 5, None)).expect("fits");
                            tx.put_block(&core(1), &shared, data).expect("fits");
                        });
                    }
                })
            })
            .collect();
        writers.into_iter().for_each(|writer| writer.join().expect("no writer panics"));
        drop(store);
        let world = world.reopen();
        let usage = world.store.usage(&core(1)).expect("reads");
        assert_eq!((usage.ops, usage.blocks, usage.block_bytes), (320, 20, 2_000));
        assert_eq!(world.store.ops(&core(1), None, OpsOrder::Forward).count(), 320);
    });
}

#[test]
fn large_and_endless_writes_are_refused() {
    on_every_engine(|world| {
        let store = &world.store;
        let (cid, data) = block(1, 4 * 1_024 * 1_024 + 1);
        let mut tx = store.begin();
        assert!(matches!(tx.put_block(&core(1), &cid, data), Err(TxError::BlockTooLarge { .. })));
        let mut refused = None;
        for n in 0..20 {
            let (cid, data) = block(n, 4 * 1_024 * 1_024);
            refused = refused.or(tx.put_block(&core(1), &cid, data).err());
        }
        assert!(matches!(refused, Some(TxError::TooLarge { .. })), "{refused:?}");
        assert!(matches!(tx.put_meta("m", &[0; 5_000], None), Err(TxError::KeyTooLong { .. })));
    });
}

#[test]
fn more_than_the_queue_holds_waits_and_gets_through() {
    on_every_engine(|world| {
        let tickets: Vec<_> = (0..40)
            .map(|n| {
                let (cid, data) = block(n, 1_024 * 1_024);
                let mut tx = world.store.begin();
                tx.put_block(&core(1), &cid, data).expect("fits");
                tx.commit()
            })
            .collect();
        tickets.into_iter().for_each(|ticket| ticket.wait().expect("committed"));
        assert_eq!(world.store.usage(&core(1)).expect("reads").blocks, 40);
    });
}

#[test]
fn a_dropped_or_empty_transaction_leaves_no_trace() {
    on_every_engine(|world| {
        let store = &world.store;
        let before = store.stats().expect("reads").segment_bytes;
        let (cid, data) = block(1, 100);
        let mut tx = store.begin();
        tx.put_block(&core(1), &cid, data).expect("fits");
        drop(tx);
        store.begin().commit().wait().expect("nothing to do");
        assert_eq!(store.stats().expect("reads").segment_bytes, before);
        assert_eq!(store.generation(), 0);
    });
}
