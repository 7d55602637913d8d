//! Links: the words of a frame that lead back to its caller.

use valk_heap::Value;

/// A machine word that the collector takes for a number: its two low bits are zero.
#[inline(always)]
pub(crate) fn number_word(bits: u64) -> Value {
    debug_assert!(
        bits.trailing_zeros() >= 2,
        "an address is aligned to words, a sum of fixnums is a fixnum"
    );
    // SAFETY: a word with two low zero bits is a fixnum, whatever the other bits are.
    unsafe { Value::from_bits(bits) }
}

/// Where the address of native code begins in a link, in bits.
pub(crate) const LINK_TARGET_SHIFT: i8 = 16;

/// The bits of a link that say how many bytes away the caller's base is.
pub(crate) const LINK_DISTANCE_MASK: i32 = 0xfff8;

/// The link of a frame whose base is `distance` slots above its caller's; `again` when the caller's
/// instruction is executed again on return. Native code adds where it goes on.
#[inline(always)]
pub(crate) const fn link(distance: usize, again: bool) -> Value {
    debug_assert!(distance * size_of::<Value>() <= LINK_DISTANCE_MASK as usize);
    Value::fixnum((distance << 1 | again as usize) as i64)
}

/// A link without that, and with it.
#[inline(always)]
pub(crate) fn link_to(link: Value, target: Option<*const u8>) -> Value {
    let address = target.map_or(0, <*const u8>::expose_provenance) as u64;
    number_word(link.bits() | address << LINK_TARGET_SHIFT)
}

/// How many slots below the base of a frame with this link that of its caller is.
#[inline(always)]
pub(crate) const fn link_distance(link: Value) -> usize {
    (link.bits() as i32 & LINK_DISTANCE_MASK) as usize / size_of::<Value>()
}

/// Whether the caller's instruction is executed again.
#[inline(always)]
pub(crate) const fn link_says_again(link: Value) -> bool {
    link.as_fixnum() & 1 == 1
}

/// Where the caller's native code goes on, if it was that which called.
#[inline(always)]
pub(crate) fn link_target(link: Value) -> Option<*const u8> {
    let address = (link.bits() >> LINK_TARGET_SHIFT) as usize;
    (address != 0).then(|| std::ptr::with_exposed_provenance(address))
}

const _: () = assert!(link_distance(link(200, true)) == 200 && size_of::<Value>() == 8);
