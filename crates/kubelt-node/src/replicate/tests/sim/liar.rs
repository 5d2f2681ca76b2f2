//! A host that lies: it has a good key and a name among the core's hosts, and keeps to nothing else.

use std::sync::Arc;

use kubelt_core::{
    Body, CoreId, Signed, Verb,
    peer::{FRAME_HEAD_BYTES, FrameHead, Hello, Kind, Open, Opened},
    sync::Message,
};
use kubelt_store::{OpsOrder, Store};
use parking_lot::Mutex;
use serde_bytes::ByteBuf;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

use super::{
    dice::Dice,
    wire::{End, Target},
};

/// What it does with a core.
const MANNERS: usize = 7;

/// Answers whoever comes. `store` is where it learns what others have signed.
pub(super) fn answering(store: Store, genesis: Vec<u8>, dice: Dice) -> Target {
    let dice = Arc::new(Mutex::new(dice));
    Target::Liar(Arc::new(move |end| {
        let dice = dice.lock().fork();
        let liar = Liar { store: store.clone(), genesis: genesis.clone(), dice };
        // The others hang up on it in the middle of a word.
        tokio::spawn(async move { liar.speak(end).await.ok() });
    }))
}

struct Liar {
    store: Store,
    genesis: Vec<u8>,
    dice: Dice,
}

impl Liar {
    async fn speak(mut self, mut end: End) -> std::io::Result<()> {
        let hello = Hello { v: 1, nonce: [7; 32] }.encode();
        send(&mut end, 0, Kind::Hello, &hello).await?;
        let manner = self.dice.below(MANNERS);
        loop {
            let mut head = [0; FRAME_HEAD_BYTES];
            end.read_exact(&mut head).await?;
            let Ok(head) = FrameHead::decode(&head) else { return Ok(()) };
            let mut payload = vec![0; head.len];
            end.read_exact(&mut payload).await?;
            match head.kind {
                Kind::Ping => send(&mut end, 0, Kind::Pong, &[]).await?,
                Kind::Open => {
                    let Ok(open) = Open::decode(&payload) else { return Ok(()) };
                    let opened = Opened { genesis: ByteBuf::from(self.genesis.clone()), full: true };
                    send(&mut end, head.channel, Kind::Opened, &opened.encode()).await?;
                    if manner == 1 {
                        end.write_all(&[0xff; 40]).await?;
                    }
                    if manner == 2 {
                        for _ in 0..50 {
                            send(&mut end, head.channel, Kind::News, &[]).await?;
                        }
                    }
                    drop(open);
                }
                Kind::Sync => {
                    let Ok(Message::Hello { core, .. }) = Message::decode(&payload) else { continue };
                    for message in self.answer(&core, manner) {
                        send(&mut end, head.channel, Kind::Sync, &message.encode()).await?;
                    }
                }
                Kind::Want => {
                    send(&mut end, head.channel, Kind::NotHere, &payload[payload.len().min(20)..]).await?
                }
                _ => {}
            }
        }
    }

    fn answer(&mut self, core: &CoreId, manner: usize) -> Vec<Message> {
        let ops: Vec<_> =
            self.store.ops(core, None, OpsOrder::Forward).map(|op| op.expect("memory is read")).collect();
        let hello =
            |heads: Vec<_>, count, knows| Message::Hello { core: *core, heads, count, knows, wants: false };
        let count = ops.len() as u64;
        match manner {
            // Nothing at all, for ever.
            0 => Vec::new(),
            // Old heads: what it had long ago.
            3 => {
                let old = &ops[self.dice.below(ops.len())];
                vec![hello(vec![old.id], count / 2, true), Message::Sent]
            }
            // Headers without the bodies of what puts, so that nobody asks for those again.
            4 => {
                let headers = ops.iter().map(|op| ByteBuf::from(op.signed.to_vec())).take(1_000).collect();
                let authority = ops.iter().filter(|op| op.verb != Verb::Put);
                let bodies =
                    authority.filter_map(|op| Some(ByteBuf::from(op.body.as_ref()?.to_vec()))).collect();
                vec![
                    hello(Vec::new(), count, true),
                    Message::Headers { ops: headers, logins: Vec::new() },
                    Message::Bodies { bodies, last: true },
                    Message::Sent,
                ]
            }
            // Announces what it does not have.
            5 => {
                let mut made_up: Vec<_> = (0..10_u8).map(|n| kubelt_core::OpId::of(&[n, 1, 2])).collect();
                made_up.sort_unstable();
                vec![hello(made_up, count + 10, false), Message::Sent]
            }
            // A forged operation: what somebody signed, with another date or another body.
            _ => {
                let real = &ops[self.dice.below(ops.len())];
                let mut signed = Signed::decode(&real.signed).expect("it is one");
                let body = real.body.as_ref().map(|body| Body::decode(body).expect("it is one"));
                let Some(mut body) = body else { return Vec::new() };
                body.salt[0] ^= 1;
                signed.header.body = body.id();
                vec![
                    hello(Vec::new(), count, true),
                    Message::Headers { ops: vec![ByteBuf::from(signed.encode())], logins: Vec::new() },
                    Message::Bodies { bodies: vec![ByteBuf::from(body.encode())], last: true },
                    Message::Sent,
                ]
            }
        }
    }
}

async fn send(end: &mut End, channel: u32, kind: Kind, payload: &[u8]) -> std::io::Result<()> {
    let head = FrameHead { len: payload.len(), channel, kind }.encode();
    end.write_all(&[head.as_slice(), payload].concat()).await
}
