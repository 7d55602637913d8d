//! Heads of `match` that the report calls never executed although an arm of theirs was.
//!
//! 1. A line is such a head if it ends with `{`, holds the word `match`, and has the count 0.
//! 2. Its arms are the lines below it that are indented further. If one of them has been executed, so
//!    has the head, which then gets the highest count of its arms.
//!
//! Relies on sources that are formatted; where they are not, nothing is corrected.

use crate::model::FileCoverage;

/// The counts with these heads corrected, lines and the regions that begin and end on them.
pub fn correct(text: &str, counts: &FileCoverage) -> FileCoverage {
    let mut counts = counts.clone();
    let lines: Vec<&str> = text.lines().collect();
    let missed = counts.lines.iter().filter(|(_, count)| **count == 0).map(|(line, _)| *line);
    for line in missed.collect::<Vec<u32>>() {
        let at = (line as usize).wrapping_sub(1);
        if lines.get(at).is_some_and(|head| is_head(head))
            && let Some(count) = highest_of_arms(&lines, at, &counts).filter(|count| *count > 0)
        {
            counts.add_line(line, count);
            let here = counts
                .regions
                .iter_mut()
                .filter(|(span, seen)| span.line == line && span.end_line == line && **seen == 0);
            here.for_each(|(_, seen)| *seen = count);
        }
    }
    counts
}

fn is_head(line: &str) -> bool {
    let line = line.trim_end();
    line.ends_with('{') && line.split(|c: char| !c.is_alphanumeric()).any(|word| word == "match")
}

fn indentation(line: &str) -> usize {
    line.len() - line.trim_start().len()
}

fn highest_of_arms(lines: &[&str], head: usize, counts: &FileCoverage) -> Option<u64> {
    let depth = indentation(lines[head]);
    let arms = lines.iter().enumerate().skip(head + 1);
    arms.take_while(|(_, line)| line.trim().is_empty() || indentation(line) > depth)
        .filter_map(|(at, _)| counts.lines.get(&(at as u32 + 1)).copied())
        .max()
}
