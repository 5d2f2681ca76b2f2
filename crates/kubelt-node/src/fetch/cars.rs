//! Whole DAGs from gateways that are known to cooperate, as CARs: block by block, each checked, and no further ahead of
//! who reads them than memory allows.

use std::{collections::HashMap, sync::Arc};

use kubelt_content::{
    Block, Cid,
    car::{CarDecoder, CarEvent, CarLimits},
};
use tokio::{
    sync::{OwnedSemaphorePermit, mpsc},
    time::Instant,
};

use super::{GatewayError, gateways::Answered, ways::Gateways};
use crate::limits::{DAG_BLOCKS_MAX, FETCH_CAR_AHEAD_BLOCKS, FETCH_TIME_MAX};

/// What one CAR may hold. What is kept of it is bounded elsewhere.
const LIMITS: CarLimits = CarLimits { blocks_max: DAG_BLOCKS_MAX as u64, payload_bytes_max: 1 << 40 };

/// A CAR on its way.
#[derive(Debug)]
pub(super) struct Car {
    pub(super) gateway: usize,
    coming: mpsc::Receiver<FromCar>,
    /// When a block of it was of use last.
    pub(super) used: Instant,
    /// Blocks of it that were.
    pub(super) blocks: u64,
}

/// What comes of a CAR.
#[derive(Debug)]
pub(super) enum FromCar {
    /// A block that matches its CID.
    Block(Block),
    /// It is over; how the gateway answered.
    End(Answered),
}

impl Car {
    /// Asks a gateway for the CAR of a DAG, in a thread of its own.
    pub(super) fn begin(
        gateways: Arc<dyn Gateways>,
        gateway: usize,
        cid: Cid,
        hops: usize,
        place: OwnedSemaphorePermit,
    ) -> Self {
        let (told, coming) = mpsc::channel(FETCH_CAR_AHEAD_BLOCKS);
        tokio::task::spawn_blocking(move || {
            let _place = place;
            let end = read(&*gateways, gateway, &cid, hops, &told);
            drop(told.blocking_send(FromCar::End(end)));
        });
        Self { gateway, coming, used: Instant::now(), blocks: 0 }
    }

    /// What comes next of it, where there is one.
    pub(super) async fn next(car: &mut Option<Self>) -> FromCar {
        match car {
            Some(car) => car.coming.recv().await.unwrap_or(FromCar::End(Answered::Failed)),
            None => std::future::pending().await,
        }
    }
}

fn read(
    gateways: &dyn Gateways,
    gateway: usize,
    cid: &Cid,
    hops: usize,
    told: &mpsc::Sender<FromCar>,
) -> Answered {
    let mut decoder = CarDecoder::new(LIMITS);
    let (mut lied, until) = (false, std::time::Instant::now() + FETCH_TIME_MAX);
    let answer = gateways.car(gateway, cid, hops, &mut |piece| {
        // Bytes that make no block are no reason to go on for who is gone.
        if told.is_closed() {
            return false;
        }
        decoder.push(piece.to_vec());
        loop {
            match decoder.next_event() {
                Ok(None) => return std::time::Instant::now() < until,
                Ok(Some(CarEvent::Header { .. })) => {}
                // Who reads may be gone, or slow: then the gateway waits.
                Ok(Some(CarEvent::Block(block))) => {
                    if told.blocking_send(FromCar::Block(block)).is_err() {
                        return false;
                    }
                }
                Err(error) => {
                    tracing::debug!(%cid, error = &error as &dyn std::error::Error, "a gateway gave no CAR");
                    lied = true;
                    return false;
                }
            }
        }
    });
    match answer {
        _ if lied => Answered::Lied,
        Ok(()) | Err(GatewayError::Missing(_)) => Answered::Missing,
        Err(GatewayError::Failed(error)) => {
            tracing::debug!(%cid, error, "a CAR broke off");
            Answered::Failed
        }
    }
}

/// Blocks of CARs that nobody has asked for yet.
#[derive(Debug, Default)]
pub(super) struct Early {
    blocks: HashMap<Cid, Block>,
    bytes: usize,
}

impl Early {
    pub(super) fn put(&mut self, block: Block) {
        let cid = *block.cid();
        self.bytes += block.data().len();
        if let Some(before) = self.blocks.insert(cid, block) {
            self.bytes -= before.data().len();
        }
    }

    pub(super) fn take(&mut self, cid: &Cid) -> Option<Block> {
        let block = self.blocks.remove(cid)?;
        self.bytes -= block.data().len();
        Some(block)
    }

    pub(super) const fn bytes(&self) -> usize {
        self.bytes
    }
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, mpsc};

    use bytes::Bytes;
    use kubelt_content::{Block, Cid, Codec};
    use parking_lot::Mutex;
    use tokio::sync::Semaphore;

    use super::Car;
    use crate::{GatewayError, Gateways};

    /// Sends bytes that make no block, each once it is told to.
    #[derive(Debug)]
    struct Drips(Mutex<mpsc::Receiver<()>>);

    impl Gateways for Drips {
        fn count(&self) -> usize {
            1
        }

        fn block(&self, _: usize, _: &Cid, _: usize) -> Result<Bytes, GatewayError> {
            Err(GatewayError::Missing("404".to_owned()))
        }

        fn car(
            &self,
            _: usize,
            _: &Cid,
            _: usize,
            take: &mut dyn FnMut(&[u8]) -> bool,
        ) -> Result<(), GatewayError> {
            while self.0.lock().recv().is_ok() && take(&[0xff, 0x7f]) {}
            Ok(())
        }
    }

    #[tokio::test]
    async fn a_car_that_drips_keeps_no_place_once_nobody_waits_for_it() {
        let (next, told) = mpsc::channel();
        let places = Arc::new(Semaphore::new(1));
        let place = Arc::clone(&places).acquire_owned().await.expect("a place");
        let (cid, _) = Block::new(Codec::Raw, Bytes::new()).expect("small").into_parts();
        let car = Car::begin(Arc::new(Drips(Mutex::new(told))), 0, cid, 0, place);
        next.send(()).expect("it listens");
        drop(car);
        next.send(()).expect("it listens, or has ended");
        // It has not been told of a third one.
        let freed = places.acquire().await.expect("the place is given back");
        drop((freed, next));
    }
}
