//! The nearest right word to a misspelt one.

/// ` (did you mean ...?)` with the candidate at most two edits away; empty if there is none.
pub fn suggestion<'a>(word: &str, candidates: impl IntoIterator<Item = &'a str>) -> String {
    let nearest = candidates.into_iter().map(|c| (distance(word, c), c)).min();
    match nearest {
        Some((0..=2, candidate)) => format!(" (did you mean `{candidate}`?)"),
        _ => String::new(),
    }
}

/// Edits (insert, remove, replace a character) from one word to another (Levenshtein 1965).
fn distance(from: &str, to: &str) -> usize {
    let to: Vec<char> = to.chars().collect();
    let mut row: Vec<usize> = (0..=to.len()).collect();
    for (i, a) in from.chars().enumerate() {
        let mut diagonal = row[0];
        row[0] = i + 1;
        for (j, b) in to.iter().enumerate() {
            let replaced = diagonal + usize::from(a != *b);
            diagonal = row[j + 1];
            row[j + 1] = replaced.min(row[j] + 1).min(diagonal + 1);
        }
    }
    row[to.len()]
}
