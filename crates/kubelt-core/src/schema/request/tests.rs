use ipld_core::ipld::Ipld;

use super::Request;
use crate::{
    Account, Act, Body, BodyId, Genesis, MapPath,
    limits::{REQUEST_BODY_BYTES_MAX, REQUEST_TITLE_BYTES_MAX},
    schema,
};

fn by() -> Account {
    Account::Eoa([1; 20])
}

fn request(value_bytes: usize) -> Request {
    let core = Genesis::Private { root: by() }.id();
    let path = "content/a".parse().expect("a path");
    let body = Body::new([5; 16], Act::Put { path, value: Ipld::Bytes(vec![0; value_bytes]) });
    Request { auth: core.as_root(), body, expires_ms: 1_800_000_000_000, title: Some("New site".to_owned()) }
}

fn path(request: &Request) -> MapPath {
    Request::path(&by(), &request.proposal(Genesis::Private { root: by() }.id(), &by()))
}

#[test]
fn a_request_is_read_as_it_was_written() {
    for account in [
        "did:key:z6MkiTBz1ymuepAQ4HEHYSF1H8quG5GLVVQR3djdX3mDooWp",
        "eip155:10:0x00000000000000000000000000000000000000aa",
    ] {
        let account: Account = account.parse().expect("an account");
        let path = Request::path(&account, &BodyId::of(b"a"));
        assert_eq!(Request::read_path(&path), Some((account, BodyId::of(b"a"))));
    }
    for title in [None, Some("New site".to_owned())] {
        let request = Request { title, ..request(100) };
        let path = path(&request);
        schema::check(&path, &request.to_ipld()).expect("fits");
        assert_eq!(Request::read(&path, &request.to_ipld()), Ok(request));
        schema::check(&path, &Ipld::Null).expect("is cleared");
    }
}

#[test]
fn a_request_has_limits() {
    let overhead = request(1_000).body.encode().len() - 1_000;
    let fits = request(REQUEST_BODY_BYTES_MAX - overhead);
    assert_eq!(fits.body.encode().len(), REQUEST_BODY_BYTES_MAX);
    assert!(Request::from_ipld(&fits.to_ipld()).is_ok());
    assert!(Request::from_ipld(&request(REQUEST_BODY_BYTES_MAX - overhead + 1).to_ipld()).is_err());
    for (len, fits) in
        [(0, false), (1, true), (REQUEST_TITLE_BYTES_MAX, true), (REQUEST_TITLE_BYTES_MAX + 1, false)]
    {
        let request = Request { title: Some("t".repeat(len)), ..request(1) };
        assert_eq!(Request::from_ipld(&request.to_ipld()).is_ok(), fits, "{len}");
    }
    for (expires_ms, fits) in [((1 << 48) - 1, true), (1 << 48, false)] {
        assert_eq!(Request::from_ipld(&Request { expires_ms, ..request(1) }.to_ipld()).is_ok(), fits);
    }
}

#[test]
fn what_is_no_request_is_refused() {
    let good = request(1);
    let Ipld::Map(fields) = good.to_ipld() else { panic!("a map") };
    let with = |field: &str, value: Ipld| {
        let mut fields = fields.clone();
        fields.insert(field.to_owned(), value);
        Ipld::Map(fields)
    };
    for value in [
        with("auth", Ipld::Null),
        with("body", Ipld::Bytes(vec![0xa0])),
        with("expires", Ipld::Integer(-1)),
        with("title", Ipld::String("a\nb".to_owned())),
        with("by", Ipld::String(by().to_string())),
        Ipld::Bool(true),
    ] {
        assert!(schema::check(&path(&good), &value).is_err(), "{value:?}");
    }
    let id = BodyId::of(b"a");
    for other in [
        "requests".to_owned(),
        format!("requests/{}", by()),
        format!("requests/{}/x", by()),
        format!("requests/x/{id}"),
        format!("requests/{}/{id}", by().checksummed().expect("has one").replace("0x", "0X")),
        format!("requests/{}/{id}/x", by()),
    ] {
        let path: MapPath = other.parse().expect("a path");
        assert!(
            Request::read_path(&path).is_none() && schema::check(&path, &good.to_ipld()).is_err(),
            "{other}"
        );
    }
    // Another spelling of the account is another path, and no request.
    let spelled = format!("requests/{}/{id}", Account::Eoa([0xab; 20]).checksummed().expect("has one"));
    assert!(Request::read_path(&spelled.parse().expect("a path")).is_none());
}
