//! Cache lines of one's own, against false sharing.

/// Keeps its content on cache lines of its own: 128 bytes, because adjacent lines are fetched in
/// pairs on x86 and lines are that long on some ARM cores.
#[derive(Default)]
#[repr(align(128))]
pub(crate) struct CachePadded<T>(pub(crate) T);
