//! Makes a failing program smaller: greedy, on the tree, until nothing helps.
//!
//! Each step either removes a form, puts a part in the place of the whole, or replaces a part with
//! an atom; it is kept if the program still fails. Steps reduce size, so this ends.

use super::source::Form;
use std::time::{Duration, Instant};

/// Time for shrinking at most.
const TIME_MAX: Duration = Duration::from_secs(20);

/// The smallest program found for which `fails` holds. It holds for `program`.
pub fn shrink(program: &[Form], mut fails: impl FnMut(&[Form]) -> bool) -> Vec<Form> {
    let mut best = program.to_vec();
    let end = Instant::now() + TIME_MAX;
    'again: loop {
        // Larger changes come first.
        let mut candidates: Vec<Vec<Form>> = smaller_lists(&best);
        candidates.sort_by_cached_key(|candidate| candidate.iter().map(Form::size).sum::<usize>());
        for candidate in candidates {
            if Instant::now() > end {
                return best;
            }
            if fails(&candidate) {
                best = candidate;
                continue 'again;
            }
        }
        return best;
    }
}

/// Every list with an element removed or made smaller.
fn smaller_lists(items: &[Form]) -> Vec<Vec<Form>> {
    let mut found = Vec::new();
    for index in 0..items.len() {
        let mut without = items.to_vec();
        without.remove(index);
        found.push(without);
        for replacement in smaller(&items[index]) {
            let mut changed = items.to_vec();
            changed[index] = replacement;
            found.push(changed);
        }
    }
    found
}

fn smaller(form: &Form) -> Vec<Form> {
    match form {
        Form::Atom(text) if text.len() > 1 && text.starts_with('"') => {
            if text == "\"\"" {
                Vec::new()
            } else {
                vec![Form::atom("\"\"")]
            }
        }
        Form::Atom(_) => Vec::new(),
        Form::Prefixed(prefix, inner) => {
            let mut found = vec![(**inner).clone()];
            let inside = smaller(inner).into_iter();
            found.extend(inside.map(|inner| Form::Prefixed(prefix, Box::new(inner))));
            found
        }
        Form::List(quoted, items) => {
            let mut found = vec![Form::atom("0")];
            found.extend(items.iter().cloned());
            found.extend(smaller_lists(items).into_iter().map(|items| Form::List(*quoted, items)));
            found
        }
    }
}
