//! Words of acts: one line of which every character can be seen for what it is, the same as text and as typed data, and
//! none where the limit ends.
#![no_main]

use kubelt_content::Ipld;
use kubelt_core::limits::WORDS_BYTES_MAX;
use kubelt_core::schema::Request;
use kubelt_core::{Account, Act, Body, CoreId, Header, Hlc, Signed, Verb, codec, typed_data, words};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    if let Ok(value) = codec::decode::<Ipld>(data, 64 * 1_024, "value")
        && let Ok(request) = Request::from_ipld(&value)
    {
        assert_eq!(request.to_ipld(), value);
        check(&request.body);
    }
    if let Ok(body) = Body::decode(data) {
        check(&body);
    }
});

fn check(body: &Body) {
    let by = Account::Eoa([7; 20]);
    let core = CoreId::from_digest([7; 32]);
    let header = Header {
        v: 1,
        core,
        prev: Vec::new(),
        by: by.clone(),
        login: None,
        auth: core.as_root(),
        at: Hlc::from_ms(1),
        votes: Vec::new(),
        verb: body.act.verb(),
        body: body.id(),
    };
    if let Ok(text) = words::of_act(&body.act) {
        assert!(words::is_line(&text) && text.len() <= WORDS_BYTES_MAX);
        let signing = Signed::signing_text(&header, Some(body)).expect("has words");
        assert_eq!(signing.contains(&text), header.verb != Verb::Put);
        if header.verb != Verb::Put {
            assert!(typed_data::digest(&header, body).is_ok());
        }
        if !matches!(body.act, Act::Vote { .. }) && header.verb != Verb::Put {
            let json = typed_data::json(&header, body, None).expect("brings its words");
            assert_eq!(json["message"]["what"], text);
        }
    }
    if let Ok(text) = words::of_proposal(&by, body) {
        assert!(words::is_line(&text));
        assert_eq!(words::shown(&by, body), Ok(words::hash(&text)));
    }
}
