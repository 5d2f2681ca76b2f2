//! What is asked over HTTP: hosts and providers that answer it, gateways for single blocks, and gateways that are known
//! for CARs.

use std::sync::Arc;

use bytes::Bytes;
use kubelt_content::{Block, Cid, Codec};
use tokio::time::Instant;

use super::{
    super::{
        GatewayError,
        cars::{Car, FromCar},
        gateways::Answered,
        progress::FetchWay,
        ways::Gateways,
    },
    Search, Wish,
};
use crate::limits::{FETCH_CARS_OF_ONE_MAX, FETCH_HEAD_START, FETCH_LOOK_BLOCKS, FETCH_QUIET};

/// Who is asked for a single block.
#[derive(Debug, Clone, Copy)]
pub(super) enum Source {
    /// A gateway of the settings.
    Gateway(usize),
    /// Somebody else.
    Door(usize),
}

impl Search {
    pub(super) fn send_to_gateways(&mut self, cid: Cid) {
        let count = self.ways.gateways.as_ref().map_or(0, |gateways| gateways.count());
        if let Some(wish) = self.wanted.get_mut(&cid)
            && !wish.at_gateways
            && (wish.tried.len() < count || self.doors.best(wish.tried_doors).is_some())
        {
            wish.at_gateways = true;
            self.for_gateways.push_back(cid);
        }
    }

    /// Sends some of what nobody who is connected has to gateways.
    pub(super) fn send_starved_to_gateways(&mut self) {
        let starved = self.wanted.iter().filter(|(_, wish)| wish.starved && !wish.at_gateways);
        let starved: Vec<Cid> = starved.map(|(cid, _)| *cid).take(FETCH_LOOK_BLOCKS).collect();
        starved.into_iter().for_each(|cid| self.send_to_gateways(cid));
    }

    /// Asks gateways for what peers lack, and for what they do not send.
    pub(super) fn ask_gateways(&mut self) {
        let Some(gateways) = self.ways.gateways.clone() else { return };
        let quiet = self.stirred.elapsed();
        if self.for_gateways.is_empty() && quiet > FETCH_HEAD_START {
            let is_due = |wish: &Wish| !wish.at_gateways && (wish.starved || quiet > FETCH_QUIET);
            let due = self.wanted.iter().filter(|(_, wish)| is_due(wish)).map(|(cid, _)| *cid);
            let due: Vec<Cid> = due.take(FETCH_LOOK_BLOCKS).collect();
            due.into_iter().for_each(|cid| self.send_to_gateways(cid));
        }
        self.begin_car(&gateways);
        self.leave_stuck_car();
        if self.car.as_ref().is_some_and(|car| car.used.elapsed() < FETCH_QUIET) {
            return;
        }
        while let Some(cid) = self.for_gateways.front().copied() {
            let Some(wish) = self.wanted.get(&cid) else {
                self.for_gateways.pop_front();
                continue;
            };
            let door = self.doors.best(wish.tried_doors);
            let places = if door.is_some() { &self.inner.door_calls } else { &self.inner.calls };
            let Ok(place) = Arc::clone(places).try_acquire_owned() else { return };
            self.for_gateways.pop_front();
            let gateway = || self.inner.standings.best(gateways.count(), &wish.tried);
            let Some(source) = door.map(Source::Door).or_else(|| gateway().map(Source::Gateway)) else {
                continue;
            };
            let url = door.map(|door| self.doors.get(door).0);
            let (gateways, hops) = (Arc::clone(&gateways), self.purpose.hops);
            self.calls.spawn_blocking(move || {
                let _place = place;
                let answer = match (source, url) {
                    (Source::Door(_), Some(url)) => gateways.block_at(&url, &cid, hops),
                    (Source::Gateway(gateway), _) => gateways.block(gateway, &cid, hops),
                    (Source::Door(_), None) => Err(GatewayError::Failed(String::new())),
                };
                (cid, source, Answered::of(&cid, answer))
            });
        }
    }

    pub(super) fn answered(
        &mut self,
        cid: Cid,
        source: Source,
        answer: Answered,
    ) -> Option<(FetchWay, Block)> {
        let way = match source {
            Source::Gateway(gateway) => {
                self.inner.standings.note(gateway, &answer);
                FetchWay::Gateway
            }
            Source::Door(door) => {
                let (failed, lied) = (matches!(answer, Answered::Failed), matches!(answer, Answered::Lied));
                self.doors.note(door, failed, lied);
                self.doors.get(door).1
            }
        };
        if let Answered::Block(block) = answer {
            return self.wished(&cid).then_some((way, block));
        }
        if let Some(wish) = self.wanted.get_mut(&cid) {
            match source {
                Source::Gateway(gateway) => wish.tried.push(gateway),
                Source::Door(door) => wish.tried_doors |= 1 << door,
            }
            wish.at_gateways = false;
            self.send_to_gateways(cid);
        }
        None
    }

    /// Asks a gateway that is known for all below a block that waits for gateways.
    fn begin_car(&mut self, gateways: &Arc<dyn Gateways>) {
        if !self.purpose.takes_cars || self.car.is_some() || self.cars_begun >= FETCH_CARS_OF_ONE_MAX {
            return;
        }
        let has_links = |cid: &&Cid| cid.codec() != Codec::Raw.code() && self.wanted.contains_key(*cid);
        let Some(cid) = self.for_gateways.iter().find(has_links).copied() else { return };
        let is_good = |gateway: &usize| gateways.gives_cars(*gateway) && !self.car_faults.contains(gateway);
        let Some(gateway) = (0..gateways.count()).find(is_good) else { return };
        let Ok(place) = Arc::clone(&self.inner.cars).try_acquire_owned() else { return };
        self.cars_begun += 1;
        self.for_gateways.retain(|waiting| *waiting != cid);
        if let Some(wish) = self.wanted.get_mut(&cid) {
            wish.in_car = true;
        }
        self.car = Some(Car::begin(Arc::clone(gateways), gateway, cid, self.purpose.hops, place));
    }

    /// Leaves a CAR that brings what nobody asks for, and for which there is no more memory.
    fn leave_stuck_car(&mut self) {
        let is_full = self.early.bytes() >= self.purpose.budget_bytes;
        if is_full && self.car.as_ref().is_some_and(|car| car.used.elapsed() > 3 * FETCH_QUIET) {
            self.end_car(true);
        }
    }

    /// Takes what comes of a CAR; gives a block that is wanted.
    pub(super) fn came_in_car(&mut self, came: FromCar) -> Option<(FetchWay, Block)> {
        match came {
            FromCar::Block(block) if self.wished(block.cid()) => {
                self.car_was_of_use();
                Some((FetchWay::Car, block))
            }
            FromCar::Block(block) => {
                self.early.put(block);
                None
            }
            FromCar::End(answered) => {
                if let Some(car) = &self.car {
                    self.inner.standings.note(car.gateway, &answered);
                }
                // What was cut short goes on by single blocks.
                self.end_car(!matches!(answered, Answered::Missing));
                None
            }
        }
    }

    pub(super) fn car_was_of_use(&mut self) {
        if let Some(car) = &mut self.car {
            car.used = Instant::now();
            car.blocks += 1;
        }
    }

    fn end_car(&mut self, is_fault: bool) {
        let Some(car) = self.car.take() else { return };
        if is_fault || car.blocks == 0 {
            self.car_faults.push(car.gateway);
        }
        let mut left = Vec::new();
        for (cid, wish) in self.wanted.iter_mut().filter(|(_, wish)| wish.in_car) {
            (wish.in_car, wish.at_gateways) = (false, false);
            left.push(*cid);
        }
        left.into_iter().for_each(|cid| self.send_to_gateways(cid));
    }
}

impl Answered {
    /// What an answer over HTTP is worth: its bytes count once they give the CID.
    fn of(cid: &Cid, answer: Result<Bytes, GatewayError>) -> Self {
        match answer {
            Ok(data) => Block::checked(*cid, data).map_or(Self::Lied, Self::Block),
            Err(error) => {
                tracing::debug!(%cid, %error, "a gateway did not give a block");
                match error {
                    GatewayError::Missing(_) => Self::Missing,
                    GatewayError::Failed(_) => Self::Failed,
                }
            }
        }
    }
}
