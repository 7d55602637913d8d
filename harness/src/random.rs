//! Seeds: one per run from the operating system, everything else derived from it.
//!
//! No `RandomState` here: its per-thread keys would be inherited by every forked test.

use std::fs::File;
use std::io::Read;

/// Mixes a counter or seed into 64 well distributed bits (`SplitMix64`, Steele et al. 2014).
pub fn mix(seed: u64) -> u64 {
    let z = seed.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

/// A stable hash of a name (FNV-1a).
pub fn hash(text: &str) -> u64 {
    text.bytes().fold(0xcbf2_9ce4_8422_2325, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3)
    })
}

/// Bits that a test cannot guess; from the process number where there is no `/dev/urandom`.
pub fn secret() -> u64 {
    let mut bytes = [0; 8];
    match File::open("/dev/urandom").and_then(|mut source| source.read_exact(&mut bytes)) {
        Ok(()) => u64::from_le_bytes(bytes),
        Err(_) => mix(u64::from(std::process::id())),
    }
}

/// Puts `items` into an order decided by `seed` (Fisher-Yates).
pub fn shuffle<T>(items: &mut [T], seed: u64) {
    let mut state = seed;
    for last in (1..items.len()).rev() {
        state = mix(state);
        items.swap(last, (state % (last as u64 + 1)) as usize);
    }
}
