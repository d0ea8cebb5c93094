//! Archives: what is in them, and whether they are made to hurt.

pub(super) mod gzip;
pub(super) mod zip;

use super::limits::{BOMB_MIN_BYTES, BOMB_RATIO};

/// Whether so much out of so little is what only bombs do.
fn is_bomb(unpacked_bytes: u64, packed_bytes: u64) -> bool {
    unpacked_bytes > BOMB_MIN_BYTES && unpacked_bytes / packed_bytes.max(1) >= BOMB_RATIO
}

/// Unpacked bytes for each packed one, to one decimal.
fn ratio(unpacked_bytes: u64, packed_bytes: u64) -> f64 {
    (unpacked_bytes as f64 / packed_bytes.max(1) as f64 * 10.0).round() / 10.0
}
