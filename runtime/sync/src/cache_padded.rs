//! Padding against false sharing.

/// Keeps its content on cache lines that hold nothing else: 128 bytes, because x86 fetches adjacent
/// lines in pairs and some ARM cores have lines of that length.
#[derive(Default)]
#[repr(align(128))]
pub(crate) struct CachePadded<T>(pub(crate) T);
