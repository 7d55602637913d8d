//! Random numbers: `SplitMix64` (Steele, Lea, Flood, "Fast splittable pseudorandom number
//! generators", OOPSLA 2014), one state per runtime.
//!
//! The same seed gives the same numbers. Without a seed the state comes from the operating system.
//! Not for secrets.

use crate::builtins::row::{Row, fail, number};
use crate::runtime::Language;
use crate::time_and_seeds::split_mix;
use valk_heap::Value;
use valk_vm::{Arity, Outcome, Vm};

pub(super) const TABLE: &[Row] =
    &[("random/seed", Arity::Exactly(1), seed), ("random/integer", Arity::Exactly(1), integer)];

/// The generator of a VM; it begins with a number drawn from the program's seeds.
#[derive(Default)]
struct Generator(Option<u64>);

impl Generator {
    fn next(&mut self) -> u64 {
        split_mix(self.0.get_or_insert_default())
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
    vm.extension::<Generator>().0 = Some(seed as u64);
    Value::NIL.into()
}

fn integer(vm: &mut Vm, arguments: &[Value]) -> Outcome {
    let bound = number!(vm, arguments[0]);
    if bound <= 0 {
        return fail(vm, &format!("random/integer: the bound must be positive, got {bound}"));
    }
    if vm.extension::<Generator>().0.is_none() {
        let seed = vm.extension::<Language>().seeds.draw();
        vm.extension::<Generator>().0 = Some(seed);
    }
    let drawn = vm.extension::<Generator>().below(bound as u64);
    vm.heap.integer(drawn as i64).into()
}
