//! Which builtins are still what compiled code takes them for.
//!
//! 1. A guard belongs to an instruction of a primitive. It is pristine while the builtin's global still
//!    holds the builtin.
//! 2. A VM that rebinds such a global counts that for all VMs of its heap and has them poll. Each looks
//!    at its guards when the count has changed.

use super::instance::Vm;
use crate::code::opcode::Opcode;
use crate::code::primitives::PRIMITIVES;
use std::collections::HashSet;
use std::sync::atomic::Ordering;
use valk_heap::{SymbolId, Value};

/// An operation that compiled code inlines, and the builtin it stands for.
#[derive(Clone, Copy)]
pub(crate) struct Guard {
    pub(crate) symbol: SymbolId,
    pub(crate) builtin: Value,
    pub(crate) pristine: bool,
}

/// The operations that compiled code inlines.
#[derive(Clone)]
pub(crate) struct Guards {
    /// By opcode.
    pub(crate) of: [Option<Guard>; Opcode::ALL.len()],
    /// The names of the builtins they stand for.
    pub(crate) names: HashSet<SymbolId>,
}

impl Default for Guards {
    fn default() -> Guards {
        Guards { of: [None; Opcode::ALL.len()], names: HashSet::new() }
    }
}

impl Vm {
    /// Declares that compiled code has instructions for the builtins of [`PRIMITIVES`], which are bound.
    ///
    /// # Panics
    /// When one of them is unbound.
    pub fn guard_primitives(&mut self) {
        for primitive in &PRIMITIVES {
            let symbol = self.intern(primitive.name);
            let builtin = self.global(symbol);
            let builtin = builtin.unwrap_or_else(|| panic!("no builtin `{}`", primitive.name));
            for opcode in primitive.opcodes() {
                self.guards.of[opcode as usize] = Some(Guard { symbol, builtin, pristine: true });
            }
            self.guards.names.insert(symbol);
        }
    }

    /// Finds out which builtins are still what compiled code takes them for, if any VM has
    /// rebound one since the last look.
    pub(crate) fn refresh_guards(&mut self) {
        let rebindings = self.group.rebindings.load(Ordering::Acquire);
        if std::mem::replace(&mut self.rebindings_seen, rebindings) == rebindings {
            return;
        }
        for guard in self.guards.of.iter_mut().flatten() {
            guard.pristine = guard.builtin == self.heap.global(guard.symbol);
            self.guarded |= !guard.pristine;
        }
    }
}
