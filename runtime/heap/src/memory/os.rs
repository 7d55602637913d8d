//! Address space from the operating system: private anonymous mappings, unmapped when dropped.
//!
//! The only file that maps memory. All ranges are multiples of [`GRAIN_BYTES`], which every
//! page size in use divides. Knows nothing of what the memory is for.

use crate::error::HeapError;
use crate::memory::address;

/// Unit of mapping and of giving back.
pub(crate) const GRAIN_BYTES: usize = 64 << 10;

/// Rounds up to whole grains; `None` when that overflows.
pub(crate) fn round_to_grains(bytes: usize) -> Option<usize> {
    bytes.checked_next_multiple_of(GRAIN_BYTES)
}

/// A range of zeroed address space, aligned to [`GRAIN_BYTES`] or more, that takes memory when
/// touched.
#[derive(Debug)]
pub(crate) struct Mapping {
    base: usize,
    bytes: usize,
}

impl Mapping {
    /// Reserves at least `bytes`.
    ///
    /// # Errors
    /// [`HeapError::Map`] when the system refuses.
    pub fn new(bytes: usize) -> Result<Mapping, HeapError> {
        Mapping::aligned(bytes, GRAIN_BYTES)
    }

    /// The same, aligned to `alignment`, a multiple of [`GRAIN_BYTES`].
    ///
    /// # Errors
    /// As [`Mapping::new`].
    pub fn aligned(bytes: usize, alignment: usize) -> Result<Mapping, HeapError> {
        let refused = |errno| HeapError::Map { bytes, errno };
        let rounded = round_to_grains(bytes).ok_or_else(|| refused(libc::ENOMEM))?;
        // As much more than needed always contains an aligned range of the wanted length.
        let padded = rounded.checked_add(alignment).ok_or_else(|| refused(libc::ENOMEM))?;
        // SAFETY: a fresh anonymous mapping at an address of the system's choice touches nothing
        // that exists.
        let start = unsafe {
            libc::mmap(
                std::ptr::null_mut(),
                padded,
                libc::PROT_READ | libc::PROT_WRITE,
                libc::MAP_PRIVATE | libc::MAP_ANONYMOUS | libc::MAP_NORESERVE,
                -1,
                0,
            )
        };
        if start == libc::MAP_FAILED {
            let errno = std::io::Error::last_os_error().raw_os_error().unwrap_or(0);
            return Err(refused(errno));
        }
        let start = start.expose_provenance();
        let base = start.next_multiple_of(alignment);
        let (before, after) = (base - start, start + padded - base - rounded);
        unmap(start, before);
        unmap(base + rounded, after);
        Ok(Mapping { base, bytes: rounded })
    }

    pub fn base(&self) -> usize {
        self.base
    }

    pub fn bytes(&self) -> usize {
        self.bytes
    }
}

impl Drop for Mapping {
    fn drop(&mut self) {
        unmap(self.base, self.bytes);
    }
}

fn unmap(base: usize, bytes: usize) {
    if bytes > 0 {
        // SAFETY: only called on (parts of) mappings this module made, by their owner, at the end
        // of their life.
        let result = unsafe { libc::munmap(address::at(base), bytes) };
        debug_assert_eq!(result, 0, "munmap of {base:#x}, {bytes} bytes");
    }
}

/// Populates a range that is about to be filled, which costs one call instead of a fault for each
/// page of the system. Where the system cannot do that, the faults come.
///
/// # Safety
/// The range lies in a live [`Mapping`] and begins at a multiple of [`GRAIN_BYTES`].
pub(crate) unsafe fn commit(base: usize, bytes: usize) {
    // SAFETY: the caller's promise; the contents stay what they are.
    #[cfg(target_os = "linux")]
    let _ = unsafe { libc::madvise(address::at(base), bytes, libc::MADV_POPULATE_WRITE) };
    #[cfg(not(target_os = "linux"))]
    let _ = (base, bytes);
}

/// Requests huge pages for a range: one fault and one TLB entry each. Where the system has none, it
/// uses small ones.
///
/// # Safety
/// As [`commit`].
pub(crate) unsafe fn use_huge_pages(base: usize, bytes: usize) {
    // SAFETY: the caller's promise; the contents stay what they are.
    #[cfg(target_os = "linux")]
    let _ = unsafe { libc::madvise(address::at(base), bytes, libc::MADV_HUGEPAGE) };
    #[cfg(not(target_os = "linux"))]
    let _ = (base, bytes);
}

/// Requests the system's smallest pages for a range, so that it takes little memory when little of
/// it is touched.
///
/// # Safety
/// As [`commit`].
pub(crate) unsafe fn use_small_pages(base: usize, bytes: usize) {
    // SAFETY: the caller's promise; the contents stay what they are.
    #[cfg(target_os = "linux")]
    let _ = unsafe { libc::madvise(address::at(base), bytes, libc::MADV_NOHUGEPAGE) };
    #[cfg(not(target_os = "linux"))]
    let _ = (base, bytes);
}

/// Returns the memory of a range to the system; it reads as zero afterwards and stays usable.
///
/// # Safety
/// The range lies in a live [`Mapping`], is a multiple of [`GRAIN_BYTES`], and holds
/// nothing needed.
#[cfg(target_os = "linux")]
pub(crate) unsafe fn decommit(base: usize, bytes: usize) {
    // SAFETY: the caller's promise.
    let result = unsafe { libc::madvise(address::at(base), bytes, libc::MADV_DONTNEED) };
    debug_assert_eq!(result, 0, "madvise of {base:#x}, {bytes} bytes");
}

/// As above, for systems whose `MADV_DONTNEED` neither clears nor returns memory: a fresh mapping
/// in place of the old one does both.
///
/// # Safety
/// As above.
#[cfg(not(target_os = "linux"))]
pub(crate) unsafe fn decommit(base: usize, bytes: usize) {
    // SAFETY: the caller's promise; what is mapped anew is private memory of the same mapping.
    let fresh = unsafe {
        libc::mmap(
            address::at(base),
            bytes,
            libc::PROT_READ | libc::PROT_WRITE,
            libc::MAP_PRIVATE | libc::MAP_ANONYMOUS | libc::MAP_NORESERVE | libc::MAP_FIXED,
            -1,
            0,
        )
    };
    // The callers rely on zeros.
    assert_ne!(fresh, libc::MAP_FAILED, "mmap over {base:#x}, {bytes} bytes");
}
