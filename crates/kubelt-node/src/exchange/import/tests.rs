use std::sync::Arc;

use bytes::Bytes;
use kubelt_core::{Act, EoaKey, schema::Visibility};
use kubelt_store::{Options, Store};

use super::ImportError;
use crate::{Ask, Node, Reader, Session, SystemClock, Target, Write, content_path, limits::IMPORTS_KIB_MAX};

async fn signed_in(node: &Node) -> Arc<Session> {
    let key = EoaKey::from_secret(&[1; 32]).expect("a secret key");
    let ask = Ask::of(key.account());
    let made = node.sessions.challenge("localhost", ask).expect("a challenge");
    let opened = node.sessions.open("localhost", &made.message, &key.sign(made.message.as_bytes())).await;
    opened.expect("a session").session
}

#[tokio::test]
async fn imports_share_the_memory_for_logs() {
    let node = Node::new(Store::memory(Options::default()), Arc::new(SystemClock));
    let session = signed_in(&node).await;
    let path = content_path(&["a".to_owned()]).expect("a path");
    let target =
        Target { path: path.clone(), visibility: Visibility::Private, partial: false, media_type: None };
    let upload = node.content.upload(Arc::clone(&session), session.core, target).await;
    upload.finish().await.expect("written");
    for _ in 0..16 {
        let act = Act::Put { path: path.clone(), value: kubelt_content::Ipld::Null };
        let write = Write::Act { session: Arc::clone(&session), act };
        node.cores.write(session.core, write).await.expect("written");
    }
    let reader = Reader::Session(Arc::clone(&session));
    let export = node.exchange.export(&reader, &session.core).await.expect("an export");
    let file: Vec<Bytes> = export.collect::<Result<_, _>>().expect("whole");
    let import = async || {
        let mut import = node.exchange.import(Arc::clone(&session));
        for piece in &file {
            import.write(piece.clone()).await?;
        }
        import.finish().await.map(drop)
    };
    import().await.expect("there is room");
    assert_eq!(node.exchange.import_kib.available_permits(), IMPORTS_KIB_MAX, "all of it is given back");
    let others = node.exchange.import_kib.acquire_many(u32::try_from(IMPORTS_KIB_MAX - 2).expect("small"));
    let others = others.await.expect("never closed");
    assert!(matches!(import().await, Err(ImportError::Busy)));
    drop(others);
    import().await.expect("there is room again");
}
