//! What forms bind, found by looking and not by understanding, so there may be a few names too many.

use super::expand::elements;
use super::names::Names;
use std::collections::HashSet;
use valk_heap::{SymbolId, Value};
use valk_vm::Vm;

/// Inlinable names that stand in a list some form of `form` binds: formals, targets of `=`, `def`
/// and `fun`. Found by looking, not by understanding, so there may be a few too many.
pub(super) fn bound_names(vm: &mut Vm, names: &Names, form: Value) -> HashSet<SymbolId> {
    let mut found = HashSet::new();
    let mut pending = vec![form];
    while let Some(mut list) = pending.pop() {
        let mut first = true;
        while list.is_pair() {
            let item = list.head();
            if item.is_pair() {
                pending.push(item);
            }
            if first && binds(vm, names, item) && list.tail().is_pair() {
                let bound = elements(list.tail().head());
                let symbols = bound.into_iter().filter_map(Value::as_symbol);
                found.extend(symbols.filter(|symbol| names.is_inlined(*symbol)));
            }
            first = false;
            list = list.tail();
        }
    }
    found
}

/// True for the builtins whose first argument names variables, by name, alias or value.
fn binds(vm: &mut Vm, names: &Names, head: Value) -> bool {
    let Some(symbol) = head.as_symbol() else { return names.is_binder_value(head) };
    let name = vm.alias(symbol).map_or(symbol, |(_, name)| name);
    names.binders.contains(&name)
}

/// The names that a form defines in its module when it is evaluated, each with the list that does:
/// those of `def`, `fun` and `defmacro` anywhere, and of `=` outside of everything.
pub fn definitions(vm: &mut Vm, form: Value) -> Vec<(SymbolId, Value)> {
    let heads = ["def", "fun", "defmacro", "="].map(|name| vm.intern(name));
    let mut found = Vec::new();
    let mut pending = vec![(form, true)];
    while let Some((list, is_outermost)) = pending.pop() {
        let items = elements(list);
        let head = items.first().and_then(|head| head.as_symbol());
        let kind = heads.iter().position(|known| Some(*known) == head);
        if let (Some(kind), Some(names)) = (kind, items.get(1))
            && (kind < 3 || is_outermost)
            && names.is_quoted()
        {
            let names = elements(*names).into_iter().map_while(Value::as_symbol);
            let count = if kind == 0 || kind == 3 { usize::MAX } else { 1 };
            found.extend(names.take(count).map(|name| (name, list)));
        }
        pending.extend(items.into_iter().filter(|item| item.is_pair()).map(|item| (item, false)));
    }
    found
}
