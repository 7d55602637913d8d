//! Size classes of the old space: pure arithmetic.
//!
//! Steps of one granule up to 128 bytes, then four per doubling, so that rounding wastes at most a
//! fifth. Every class is a multiple of the granule.

use crate::accounting::limits::LARGE_OBJECT_BYTES;
use crate::values::object::GRANULE_BYTES;

/// Slot sizes in bytes, ascending.
pub(crate) const CLASS_BYTES: [usize; CLASS_COUNT] = [
    16, 32, 48, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320, 384, 448, 512, 640, 768, 896, 1024,
    1280, 1536, 1792, 2048, 2560, 3072, 3584, 4096, 5120, 6144, 7168, 8192,
];

/// Number of size classes.
pub(crate) const CLASS_COUNT: usize = 32;

const _: () = assert!(CLASS_BYTES[CLASS_COUNT - 1] == LARGE_OBJECT_BYTES);

/// Class of each size, indexed by the size in granules.
const CLASS_OF_GRANULES: [u8; LARGE_OBJECT_BYTES / GRANULE_BYTES + 1] = {
    let mut table = [0; LARGE_OBJECT_BYTES / GRANULE_BYTES + 1];
    let (mut granules, mut class) = (0, 0);
    while granules < table.len() {
        if granules * GRANULE_BYTES > CLASS_BYTES[class] {
            class += 1;
        }
        table[granules] = class as u8;
        granules += 1;
    }
    table
};

/// The smallest class whose slots hold `bytes`, a multiple of the granule up to
/// [`LARGE_OBJECT_BYTES`].
#[inline(always)]
pub(crate) const fn class_of(bytes: usize) -> usize {
    CLASS_OF_GRANULES[bytes / GRANULE_BYTES] as usize
}
