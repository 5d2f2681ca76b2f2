//! CARs: however the bytes are cut into pieces, the same events or the same refusal come out.
#![no_main]

use kubelt_content::car::{CarDecoder, CarEvent, CarLimits};
use libfuzzer_sys::fuzz_target;

const LIMITS: CarLimits = CarLimits { blocks_max: 64, payload_bytes_max: 1 << 20 };

fuzz_target!(|input: (u8, &[u8])| {
    let (piece_bytes, car) = input;
    let whole = decode(car, car.len().max(1));
    let in_pieces = decode(car, usize::from(piece_bytes).max(1));
    assert_eq!(whole, in_pieces);
});

/// The events, and how it ended.
fn decode(car: &[u8], piece_bytes: usize) -> (Vec<CarEvent>, String) {
    let mut decoder = CarDecoder::new(LIMITS);
    let mut events = Vec::new();
    for piece in car.chunks(piece_bytes) {
        decoder.push(piece.to_vec());
        loop {
            match decoder.next_event() {
                Ok(Some(event)) => events.push(event),
                Ok(None) => break,
                Err(error) => return (events, error.to_string()),
            }
        }
    }
    let end = decoder.finish().map_or_else(|error| error.to_string(), |summary| format!("{summary:?}"));
    (events, end)
}
