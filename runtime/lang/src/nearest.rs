//! Names that are spelt almost like a wanted one.

/// Names offered at most.
pub const NEAREST_MAX: usize = 3;

/// Longest name for which neighbours are looked for, in characters.
const NAME_CHARACTERS_MAX: usize = 64;

/// Shortest name that counts as near because another begins with it, in characters.
const PREFIX_CHARACTERS_MIN: usize = 3;

/// The names among `known` nearest to `wanted`, best first: at most three. Near is what a
/// third of the wanted name's length in edits (at least one) makes of it, or else what begins with
/// it or it begins with, if not more than three times as long. Names more than one edit worse than the best are left out.
pub fn nearest<'n>(wanted: &str, known: impl Iterator<Item = &'n str>) -> Vec<&'n str> {
    let characters: Vec<char> = wanted.chars().collect();
    if characters.len() > NAME_CHARACTERS_MAX {
        return Vec::new();
    }
    let limit = (characters.len() / 3).max(1);
    let rank = |name: &str| {
        let other: Vec<char> = name.chars().take(NAME_CHARACTERS_MAX + 1).collect();
        let distance = distance(&characters, &other);
        // A name of one letter is no misspelling of another.
        if distance <= limit && distance < other.len() {
            return Some(distance);
        }
        let shorter = characters.len().min(other.len());
        let begins = wanted.starts_with(name) || name.starts_with(wanted);
        let alike = shorter >= PREFIX_CHARACTERS_MIN && distance <= 2 * shorter;
        (begins && alike).then_some(limit + distance)
    };
    let mut found: Vec<(usize, &str)> =
        known.filter_map(|name| rank(name).map(|rank| (rank, name))).collect();
    found.sort_unstable();
    found.dedup();
    let best = found.first().map_or(0, |(rank, _)| *rank);
    found.retain(|(rank, _)| *rank <= best + 1);
    found.truncate(NEAREST_MAX);
    found.into_iter().map(|(_, name)| name).collect()
}

/// Edits that make `a` of `b`: insertions, deletions, replacements, swaps of neighbours (the
/// restricted Damerau-Levenshtein distance).
fn distance(a: &[char], b: &[char]) -> usize {
    let mut before_last = vec![0; b.len() + 1];
    let mut last: Vec<usize> = (0..=b.len()).collect();
    for (i, x) in a.iter().enumerate() {
        let mut row = vec![i + 1; b.len() + 1];
        for (j, y) in b.iter().enumerate() {
            let replaced = last[j] + usize::from(x != y);
            row[j + 1] = replaced.min(last[j + 1] + 1).min(row[j] + 1);
            if i > 0 && j > 0 && *x == b[j - 1] && a[i - 1] == *y {
                row[j + 1] = row[j + 1].min(before_last[j - 1] + 1);
            }
        }
        before_last = std::mem::replace(&mut last, row);
    }
    last[b.len()]
}
