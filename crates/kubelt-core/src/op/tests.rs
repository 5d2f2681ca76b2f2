use super::{Act, Body, Header, Signed};
use crate::{Account, CoreId, Genesis, Hlc, Scheme};
use ipld_core::ipld::Ipld;

fn sample() -> (Signed, Body) {
    let by: Account = "0x00000000000000000000000000000000000000aa".parse().expect("an address");
    let core: CoreId = Genesis::Private { root: by.clone() }.id();
    let act = Act::Put { path: "content/a.txt".parse().expect("a path"), value: Ipld::Link(core.cid()) };
    let body = Body::new([7; 16], act);
    let header = Header {
        v: 1,
        core,
        prev: vec![],
        by,
        login: None,
        auth: core.as_root(),
        at: Hlc::from_ms(1_700_000_000_000),
        votes: vec![],
        verb: body.act.verb(),
        body: body.id(),
    };
    (Signed { header, scheme: Scheme::Eip191, signature: vec![1; 65], block: None }, body)
}

#[test]
fn blocks_come_back_as_they_went() {
    let (signed, body) = sample();
    assert_eq!(Signed::decode(&signed.encode()).expect("decodes"), signed);
    assert_eq!(Body::decode(&body.encode()).expect("decodes"), body);
    assert_eq!(Header::decode(&signed.header.encode()).expect("decodes"), signed.header);
}

#[test]
fn a_changed_byte_never_decodes_to_the_same_id() {
    let (signed, _) = sample();
    let bytes = signed.encode();
    for at in 0..bytes.len() {
        let mut changed = bytes.clone();
        changed[at] ^= 1;
        if let Ok(other) = Signed::decode(&changed) {
            assert!(
                other.id() != signed.id()
                    || other.signature != signed.signature
                    || other.scheme != signed.scheme
            );
        }
    }
}
