//! Buffers: page-aligned, filled without copying, and their memory goes back.

#[cfg(target_os = "linux")]
use crate::ProcessMemory;
use crate::memory::os::GRAIN_BYTES;
use crate::{Buffer, BufferFull, BufferPool, HeapError};

const MIB: usize = 1 << 20;

fn page_bytes() -> usize {
    // SAFETY: asks for a constant of the system.
    unsafe { libc::sysconf(libc::_SC_PAGESIZE) as usize }
}

/// Resident memory of this process in bytes.
#[cfg(target_os = "linux")]
fn resident_bytes() -> usize {
    ProcessMemory::now().resident_bytes
}

fn filled(pool: &BufferPool, bytes: usize) -> Buffer {
    let mut buffer = pool.acquire().expect("a free buffer");
    buffer.extend_from_slice(&vec![0xa5; bytes]).expect("it fits");
    buffer
}

valk_harness::test! {
    fn buffers_begin_at_a_page_of_their_own() {
        let pool = BufferPool::new(5, 100_000, 0).expect("small");
        assert_eq!(pool.capacity_bytes(), 2 * GRAIN_BYTES);
        let buffers: Vec<_> = (0..5).map(|_| filled(&pool, 1)).collect();
        for buffer in &buffers {
            assert_eq!(buffer.as_ptr() as usize % page_bytes(), 0);
            assert_eq!((buffer.len(), buffer.capacity()), (1, 2 * GRAIN_BYTES));
        }
        assert!(pool.acquire().is_none());
        assert_eq!(pool.statistics().buffers.refused, 1);
        assert_eq!(pool.usage().in_use(), 5);
    }

    fn a_buffer_shows_what_was_written_and_nothing_older() {
        let pool = BufferPool::new(1, GRAIN_BYTES, MIB).expect("small");
        let mut buffer = filled(&pool, GRAIN_BYTES);
        assert_eq!(buffer.extend_from_slice(&[1]), Err(BufferFull { room: 0 }));
        assert_eq!(buffer.extend_from_slice(&[]), Ok(()));
        assert_eq!(
            format!("{buffer:?}"),
            "Buffer { filled: 65536, capacity: 65536, .. }"
        );
        drop(buffer);
        let mut again = pool.acquire().expect("put back");
        assert!(again.is_empty() && again.as_ref().is_empty());
        again.extend_from_slice(b"one ").expect("it fits");
        let place = again.as_ptr();
        again.extend_from_slice(b"two").expect("it fits");
        assert_eq!((&*again, again.as_ptr()), (&b"one two"[..], place));
        let refused = again.extend_from_slice(&vec![0; GRAIN_BYTES]).expect_err("too much");
        assert_eq!(
            refused.to_string(),
            "the buffer has room for 65529 more bytes; use a larger one"
        );
        assert_eq!(&*again, b"one two", "as it was");
    }

    fn free_buffers_keep_memory_up_to_the_limit() {
        let pool = BufferPool::new(4, MIB, 3 * GRAIN_BYTES).expect("small");
        let kept = || {
            let seen = pool.statistics();
            (seen.retained_bytes / GRAIN_BYTES, seen.returned_bytes as usize / GRAIN_BYTES)
        };
        let (two, one, three) = (
            filled(&pool, 2 * GRAIN_BYTES - 1),
            filled(&pool, 1),
            filled(&pool, 2 * GRAIN_BYTES + 1),
        );
        drop(pool.acquire().expect("a free buffer"));
        assert_eq!(kept(), (0, 0), "an empty buffer has no memory");
        drop(two);
        assert_eq!(kept(), (2, 0));
        drop(three);
        assert_eq!(kept(), (2, 3), "two and three are above the limit");
        drop(one);
        assert_eq!(kept(), (3, 3));
        // The last one put back is the first to be taken, with its memory.
        let again = pool.acquire().expect("a free buffer");
        assert_eq!(kept(), (2, 3));
        drop(again);
        assert_eq!(kept(), (3, 3), "what had memory before has it still");
        assert!(format!("{pool:?}").contains("retained_bytes: 196608, returned_bytes: 196608"));
    }

    fn what_was_given_back_reads_as_zero() {
        let pool = BufferPool::new(1, GRAIN_BYTES, 0).expect("small");
        let buffer = filled(&pool, GRAIN_BYTES);
        let place = buffer.as_ptr() as usize;
        drop(buffer);
        let again = filled(&pool, 1);
        assert_eq!(again.as_ptr() as usize, place);
        let second: *const u8 = std::ptr::with_exposed_provenance(place + 1);
        // SAFETY: the second byte of a buffer that is out and has a grain; no thread writes it.
        assert_eq!(unsafe { second.read() }, 0);
    }

    fn pools_that_cannot_be_are_refused() {
        let refused = |buffers, bytes| BufferPool::new(buffers, bytes, 0).expect_err("no such pool");
        assert_eq!(refused(0, 1), HeapError::Pool { items: 0, item_bytes: GRAIN_BYTES });
        assert_eq!(refused(1, 0), HeapError::Pool { items: 1, item_bytes: 0 });
        for bytes in [usize::MAX, usize::MAX / 4] {
            assert!(matches!(refused(4, bytes), HeapError::Map { .. }));
        }
    }
}

#[cfg(target_os = "linux")]
valk_harness::test! {
    /// A gibibyte passes through the pool, an eighth of it at a time.
    fn memory_of_a_gibibyte_of_buffers_goes_back() {
        let pool = BufferPool::new(16, 8 * MIB, MIB).expect("128 MiB of address space");
        let pattern = vec![0x5a; MIB];
        let before = resident_bytes();
        for _ in 0..8 {
            let mut buffers: Vec<_> = (0..16).map(|_| pool.acquire().expect("free")).collect();
            for buffer in &mut buffers {
                for _ in 0..8 {
                    buffer.extend_from_slice(&pattern).expect("it fits");
                }
            }
            let held = resident_bytes() - before;
            assert!(held > 120 * MIB, "{held} bytes for 128 MiB of buffers");
        }
        let left = resident_bytes().saturating_sub(before);
        assert!(left < 16 * MIB, "{left} bytes more than before");
        let seen = pool.statistics();
        assert_eq!((seen.returned_bytes, seen.buffers.acquired), (1 << 30, 128));
    }
}

const THREADS: usize = 4;
const STRIPES: usize = if cfg!(miri) { 10 } else { 5_000 };

valk_harness::test! {
    fn threads_take_and_put_back_and_the_sums_hold() {
        let pool = BufferPool::new(3, GRAIN_BYTES, 2 * GRAIN_BYTES).expect("small");
        let threads: Vec<_> = (0..THREADS)
            .map(|thread| {
                let pool = pool.clone();
                std::thread::spawn(move || {
                    for _ in 0..STRIPES {
                        if let Some(mut buffer) = pool.acquire() {
                            let mark = [thread as u8; 9];
                            buffer.extend_from_slice(&mark).expect("it fits");
                            std::thread::yield_now();
                            assert_eq!(*buffer, mark);
                        }
                    }
                })
            })
            .collect();
        for thread in threads {
            thread.join().expect("a buffer has one writer");
        }
        let seen = pool.statistics();
        assert_eq!(seen.buffers.in_use, 0);
        assert!(seen.retained_bytes <= 2 * GRAIN_BYTES, "{seen:?}");
        let buffers: Vec<_> = (0..3).map(|_| pool.acquire().expect("free")).collect();
        assert_eq!(pool.statistics().retained_bytes, 0, "none is free");
        drop(buffers);
        assert_eq!(pool.statistics().retained_bytes, seen.retained_bytes);
    }
}
