//! Random numbers: `SplitMix64` (Steele, Lea, Flood, "Fast splittable pseudorandom number
//! generators", OOPSLA 2014), one state per runtime.
//!
//! The same seed gives the same numbers. Without a seed the state comes from the operating system.
//! Not for secrets.

use crate::builtins::row::{Row, fail, number};
use std::hash::{BuildHasher, RandomState};
use valk_heap::Value;
use valk_vm::{Arity, Outcome, Vm};

pub(super) const TABLE: &[Row] =
    &[("random/seed", Arity::Exactly(1), seed), ("random/integer", Arity::Exactly(1), integer)];

/// The generator of a runtime.
struct Generator(u64);

impl Default for Generator {
    fn default() -> Generator {
        Generator(RandomState::new().hash_one(0))
    }
}

impl Generator {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// A number below `bound`, which is not 0, each with the same probability: numbers of the
    /// last, incomplete round are drawn again.
    fn below(&mut self, bound: u64) -> u64 {
        let incomplete = (u64::MAX % bound + 1) % bound;
        loop {
            let drawn = self.next();
            if drawn <= u64::MAX - incomplete {
                return drawn % bound;
            }
        }
    }
}

fn seed(vm: &mut Vm, arguments: &[Value]) -> Outcome {
    let seed = number!(vm, arguments[0]);
    *vm.extension::<Generator>() = Generator(seed as u64);
    Value::NIL.into()
}

fn integer(vm: &mut Vm, arguments: &[Value]) -> Outcome {
    let bound = number!(vm, arguments[0]);
    if bound <= 0 {
        return fail(vm, &format!("random/integer: the bound must be positive, got {bound}"));
    }
    let drawn = vm.extension::<Generator>().below(bound as u64);
    vm.heap.integer(drawn as i64).into()
}
