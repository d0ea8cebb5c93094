//! How many different values there are: counted while they are few, then estimated in two kilobytes (HyperLogLog;
//! Flajolet and others, 2007).

use std::collections::HashSet;
use std::hash::{BuildHasherDefault, Hasher};

use super::super::limits::DISTINCT_MAX;

/// A set of which only the size can be asked.
#[derive(Debug)]
pub(super) enum Distinct {
    /// All of them, by their hashes.
    Counted(HashSet<u64, BuildHasherDefault<AsItIs>>),
    /// Too many.
    Estimated(Sketch),
}

impl Distinct {
    pub(super) fn new() -> Self {
        Self::Counted(HashSet::default())
    }

    pub(super) fn insert(&mut self, value: &[u8]) {
        let hash = hash(value);
        match self {
            Self::Estimated(sketch) => sketch.insert(hash),
            Self::Counted(hashes) => {
                hashes.insert(hash);
                if hashes.len() > DISTINCT_MAX {
                    let mut sketch = Sketch::new();
                    hashes.iter().for_each(|&hash| sketch.insert(hash));
                    *self = Self::Estimated(sketch);
                }
            }
        }
    }

    pub(super) fn is_exact(&self) -> bool {
        matches!(self, Self::Counted(_))
    }

    pub(super) fn len(&self) -> u64 {
        match self {
            Self::Counted(hashes) => hashes.len() as u64,
            Self::Estimated(sketch) => sketch.estimate(),
        }
    }
}

/// Two to this many registers: a standard error of 2.3 %.
const INDEX_BITS: u32 = 11;
const REGISTERS: usize = 1 << INDEX_BITS;

/// For numbers that are hashes already. There are few of them, so that who chooses them gains nothing.
#[derive(Debug, Default)]
pub(super) struct AsItIs(u64);

impl Hasher for AsItIs {
    fn write(&mut self, bytes: &[u8]) {
        for &byte in bytes {
            self.write_u64(u64::from(byte));
        }
    }

    fn write_u64(&mut self, hash: u64) {
        self.0 = self.0.rotate_left(8) ^ hash;
    }

    fn finish(&self) -> u64 {
        self.0
    }
}

/// The estimate.
#[derive(Debug)]
pub(super) struct Sketch {
    registers: Box<[u8; REGISTERS]>,
}

impl Sketch {
    fn new() -> Self {
        Self { registers: Box::new([0; REGISTERS]) }
    }

    fn insert(&mut self, hash: u64) {
        let index = usize::try_from(hash >> (u64::BITS - INDEX_BITS)).unwrap_or(0);
        // The lowest index bit stays set below the rest, so that the rank is bounded.
        let rest = (hash << INDEX_BITS) | (1 << (INDEX_BITS - 1));
        let rank = u8::try_from(rest.leading_zeros() + 1).unwrap_or(u8::MAX);
        self.registers[index] = self.registers[index].max(rank);
    }

    /// The number of different values, nearly exact below a thousand.
    fn estimate(&self) -> u64 {
        let m = REGISTERS as f64;
        let sum: f64 = self.registers.iter().map(|&rank| (-f64::from(rank)).exp2()).sum();
        let raw = 0.7213 / (1.0 + 1.079 / m) * m * m / sum;
        let unused = self.registers.iter().filter(|&&rank| rank == 0).count();
        let estimate = if raw <= 2.5 * m && unused > 0 { m * (m / unused as f64).ln() } else { raw };
        estimate.round() as u64
    }
}

/// Eight bytes at a time, then the finish of MurmurHash3. Fast and well spread; not for keys an attacker gains by.
fn hash(value: &[u8]) -> u64 {
    const FACTOR: u64 = 0x9e37_79b9_7f4a_7c15;
    let mix = |hash: u64, word: u64| (hash ^ word).wrapping_mul(FACTOR).rotate_left(29);
    let (words, rest) = value.as_chunks::<8>();
    let mut last = [0; 8];
    last[..rest.len()].copy_from_slice(rest);
    let mut hash = words.iter().fold(value.len() as u64, |hash, &word| mix(hash, u64::from_le_bytes(word)));
    hash = mix(hash, u64::from_le_bytes(last));
    hash = (hash ^ (hash >> 33)).wrapping_mul(0xff51_afd7_ed55_8ccd);
    hash = (hash ^ (hash >> 33)).wrapping_mul(0xc4ce_b9fe_1a85_ec53);
    hash ^ (hash >> 33)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn few_are_counted_and_many_estimated_within_five_percent() {
        for (count, tolerance) in
            [(0u64, 0), (1, 0), (500, 0), (1_000, 20), (20_000, 1_000), (500_000, 25_000)]
        {
            let mut distinct = Distinct::new();
            for value in 0..count {
                distinct.insert(value.to_string().as_bytes());
                distinct.insert(value.to_string().as_bytes());
            }
            assert!(distinct.len().abs_diff(count) <= tolerance, "{} for {count}", distinct.len());
            assert_eq!(distinct.is_exact(), count <= 500);
        }
    }
}
