//! Memory: pages that a fork does not copy, huge pages, and the leak check of `LeakSanitizer`.

use std::io;
use std::mem::ManuallyDrop;

/// Bytes of a huge page.
const HUGE_PAGE_BYTES: usize = 2 << 20;
/// Blocks taken from the heap to reach its end: an allocator of another kind may give such below for ever.
const BLOCKS_MAX: usize = 1 << 16;

/// A buffer that forked children do not have, so that writing to it never copies a shared page.
pub struct UnsharedBuffer {
    start: *mut u8,
    bytes: usize,
}

impl UnsharedBuffer {
    /// Maps a buffer of zero bytes.
    ///
    /// # Errors
    /// Too little memory.
    pub fn new(bytes: usize) -> io::Result<Self> {
        // SAFETY: a fresh private mapping of our own; the result is checked before use.
        let start = unsafe {
            libc::mmap(
                std::ptr::null_mut(),
                bytes,
                libc::PROT_READ | libc::PROT_WRITE,
                libc::MAP_PRIVATE | libc::MAP_ANONYMOUS,
                -1,
                0,
            )
        };
        if start == libc::MAP_FAILED {
            return Err(io::Error::last_os_error());
        }
        // SAFETY: the range is the mapping above. A kernel that refuses only makes forks slower.
        unsafe { libc::madvise(start, bytes, libc::MADV_DONTFORK) };
        Ok(Self { start: start.cast(), bytes })
    }

    /// The whole buffer. A forked child must not call this: it does not have the mapping.
    pub fn bytes(&mut self) -> &mut [u8] {
        // SAFETY: the mapping is readable, writable and initialised (with zeros) for its whole
        // length, and borrowed mutably with `self`.
        unsafe { std::slice::from_raw_parts_mut(self.start, self.bytes) }
    }
}

/// Asks the kernel to put large private mappings with content into huge pages: a fork then copies
/// one entry per 2 MiB instead of 512.
///
/// Only makes forks faster; a kernel without it refuses.
pub fn use_huge_pages() {
    let maps = std::fs::read_to_string("/proc/self/maps").unwrap_or_default();
    for (start, end) in maps.lines().filter_map(private_mapping) {
        let first = start.next_multiple_of(HUGE_PAGE_BYTES);
        let last = end - end % HUGE_PAGE_BYTES;
        if first < last {
            // SAFETY: the range lies in a mapping of this process, and moving its content between
            // physical pages changes nothing that a program can see.
            unsafe {
                libc::madvise(first as *mut _, last - first, libc::MADV_COLLAPSE);
            }
        }
    }
}

/// Has the heap go on in a huge page of its own: takes memory, which is never used, up to the next one.
/// Returns the address at which that begins, or 0 where memory that nobody uses would be told as a leak.
pub fn begin_huge_page() -> usize {
    /// Small enough to come from the heap of any allocator, not from a mapping of its own.
    const STEP_BYTES: usize = 64 << 10;
    if cfg!(miri) || leak_check().is_some() {
        return 0;
    }
    // SAFETY: with 0 it only tells where the heap ends.
    let top = unsafe { libc::sbrk(0) } as usize;
    // Behind the last block that was free below the top, as many as a huge page holds.
    for _ in 0..BLOCKS_MAX {
        let end = take(STEP_BYTES) + STEP_BYTES;
        if end > top && end % HUGE_PAGE_BYTES < STEP_BYTES {
            return end;
        }
    }
    0
}

/// Has all that is allocated from now on lie behind what there is, so that nothing writes to the huge pages
/// of [`use_huge_pages`]: a process that writes to one which it shares splits it, and each fork after that
/// copies 512 entries.
///
/// Takes the free blocks between those in use, and never uses them.
pub fn set_heap_apart() {
    let start = begin_huge_page();
    let large = (10..16).rev().map(|power| 1 << power);
    // Every size that glibc keeps a list of.
    let small = (24..=1032).rev().step_by(16);
    let mut blocks = 0;
    for bytes in large.chain(small).filter(|_| start > 0) {
        while take(bytes) < start && blocks < BLOCKS_MAX {
            blocks += 1;
        }
    }
}

/// Takes a block from the heap for ever; its address.
fn take(bytes: usize) -> usize {
    let mut block = ManuallyDrop::new(Vec::<u8>::with_capacity(bytes));
    // The compiler may leave out an allocation that nobody sees.
    std::hint::black_box(block.as_mut_ptr()) as usize
}

/// Start and end of a line of `/proc/self/maps` that describes private writable anonymous memory.
pub fn private_mapping(line: &str) -> Option<(usize, usize)> {
    let mut fields = line.split_ascii_whitespace();
    let (start, end) = fields.next()?.split_once('-')?;
    let permissions = fields.next()?;
    let inode = fields.nth(2)?;
    let name = fields.next().unwrap_or("");
    let is_ours = permissions == "rw-p" && inode == "0" && matches!(name, "" | "[heap]");
    let number = |text| usize::from_str_radix(text, 16).ok();
    if is_ours { Some((number(start)?, number(end)?)) } else { None }
}

type LeakCheck = unsafe extern "C" fn() -> libc::c_int;

/// The leak check of `LeakSanitizer`, in a build that has it.
///
/// The sanitizer is linked into the program and exports nothing, so that only a weak reference finds
/// it: its address is zero where the symbol does not exist.
fn leak_check() -> Option<LeakCheck> {
    let address: usize;
    #[cfg(all(target_arch = "x86_64", not(miri)))]
    // SAFETY: loads an address from the global offset table, and changes nothing else.
    unsafe {
        std::arch::asm!(
            ".weak __lsan_do_recoverable_leak_check",
            "mov {}, qword ptr [rip + __lsan_do_recoverable_leak_check@GOTPCREL]",
            out(reg) address,
            options(nostack, pure, readonly, preserves_flags),
        );
    }
    #[cfg(all(target_arch = "aarch64", not(miri)))]
    // SAFETY: loads an address from the global offset table, and changes nothing else.
    unsafe {
        std::arch::asm!(
            ".weak __lsan_do_recoverable_leak_check",
            "adrp {0}, :got:__lsan_do_recoverable_leak_check",
            "ldr {0}, [{0}, :got_lo12:__lsan_do_recoverable_leak_check]",
            out(reg) address,
            options(nostack, pure, readonly, preserves_flags),
        );
    }
    #[cfg(any(miri, not(any(target_arch = "x86_64", target_arch = "aarch64"))))]
    {
        address = 0;
    }
    // SAFETY: zero is `None`; any other address is that of the function, whose type is declared in
    // lsan_interface.h.
    unsafe { std::mem::transmute::<usize, Option<LeakCheck>>(address) }
}

/// Has `LeakSanitizer` look for leaks, report them on standard error and tell whether there are any;
/// `false` without `LeakSanitizer`. Its own check belongs to exit handlers, which a forked test skips.
pub fn has_leaks() -> bool {
    // SAFETY: may be called at any time by the only thread that runs.
    leak_check().is_some_and(|check| unsafe { check() } != 0)
}
