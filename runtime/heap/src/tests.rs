//! Tests of the heap; the modules are by subject, this file holds what they share.

mod arena;
mod buffers;
mod encoding;
mod graphs;
mod hosts;
mod interrupt;
mod layout;
mod limits;
mod local_collection;
mod model;
mod mutators;
mod old;
mod process_memory;
mod roots;
mod shapes;
mod slab_pool;
mod stress;
mod symbols;
mod text;
mod verify;
mod weak;

use crate::{Collected, Collection, Config, Heap, Roots, Stress};

/// xorshift64*, so that a failure is repeated by its seed.
pub struct Random(u64);

impl Random {
    pub fn new(seed: u64) -> Random {
        Random(seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1)
    }

    pub fn next(&mut self) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_F491_4F6C_DD1D)
    }

    pub fn below(&mut self, bound: usize) -> usize {
        (self.next() >> 33) as usize % bound
    }
}

/// A heap whose nursery is the smallest there is.
pub fn small_heap() -> Heap {
    Heap::new(small_config()).expect("64 KiB of nursery under 64 MiB")
}

pub fn small_config() -> Config {
    Config {
        nursery_bytes: 64 << 10,
        hard_limit_bytes: 64 << 20,
        stress: Stress::Off,
        ..Config::default()
    }
}

/// Collects. The tests keep rule 2 of the crate: what they use afterwards they read from `roots`.
pub fn collect(heap: &mut Heap, kind: Collection, roots: &mut dyn Roots) -> Collected {
    // SAFETY: see above.
    unsafe { heap.collect(kind, roots) }
}

/// The message of the panic that `body` ends in.
pub fn panic_message<T>(body: impl FnOnce() -> T) -> String {
    let payload = std::panic::catch_unwind(std::panic::AssertUnwindSafe(body))
        .err()
        .expect("the body was expected to panic");
    match payload.downcast::<String>() {
        Ok(message) => *message,
        Err(payload) => (*payload.downcast::<&str>().expect("a text")).to_owned(),
    }
}
