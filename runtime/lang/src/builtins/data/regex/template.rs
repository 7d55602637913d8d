//! Replacement templates: text in which `$1`, `$name` and `${name}` stand for groups and `$$` for `$`.
//!
//! A name without braces is the longest run of letters, digits and underscores. A group that the
//! pattern does not have is an error: most often its name was meant to end earlier. A `$` that
//! begins none of this stands for itself.

use regex::Regex;

/// A part of a template.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Part<'t> {
    Text(&'t str),
    /// The text of the group of this number.
    Group(usize),
}

/// A template, taken apart.
pub(super) struct Template<'t> {
    pub parts: Vec<Part<'t>>,
}

impl<'t> Template<'t> {
    /// The parts of a template for matches of `regex`.
    ///
    /// # Errors
    /// When the pattern does not have a group that is named.
    pub fn parse(text: &'t str, regex: &Regex) -> Result<Template<'t>, String> {
        let (mut parts, mut rest) = (Vec::new(), text);
        while let Some(at) = rest.find('$') {
            let behind = &rest[at + 1..];
            let (taken, part) = match behind.chars().next() {
                Some('$') => (1, Part::Text("$")),
                Some('{') => match behind.find('}') {
                    Some(end) => (end + 1, group(&behind[1..end], false, regex)?),
                    None => (0, Part::Text("$")),
                },
                Some(first) if is_of_name(first) => {
                    let end = behind.find(|c| !is_of_name(c)).unwrap_or(behind.len());
                    (end, group(&behind[..end], true, regex)?)
                }
                _ => (0, Part::Text("$")),
            };
            parts.push(Part::Text(&rest[..at]));
            parts.push(part);
            rest = &behind[taken..];
        }
        parts.push(Part::Text(rest));
        parts.retain(|part| *part != Part::Text(""));
        Ok(Template { parts })
    }

    /// Whether the text depends on the groups of a match.
    pub fn has_groups(&self) -> bool {
        self.parts.iter().any(|part| matches!(part, Part::Group(_)))
    }
}

fn is_of_name(character: char) -> bool {
    character.is_ascii_alphanumeric() || character == '_'
}

/// The group of this name or number.
fn group<'t>(name: &str, is_bare: bool, regex: &Regex) -> Result<Part<'t>, String> {
    let number = match name.parse::<usize>() {
        Ok(number) => Some(number).filter(|number| *number < regex.captures_len()),
        Err(_) => regex.capture_names().position(|known| known == Some(name)),
    };
    number.map(Part::Group).ok_or_else(|| unknown(name, is_bare, regex))
}

/// The message for a group that the pattern does not have, with what was probably meant.
fn unknown(name: &str, is_bare: bool, regex: &Regex) -> String {
    let written = if is_bare { format!("${name}") } else { format!("${{{name}}}") };
    let ends = (1..name.len()).rev().filter(|_| is_bare);
    let meant = ends.map(|end| name.split_at(end)).find(|(group, _)| {
        group.parse().is_ok_and(|number: usize| number < regex.captures_len())
            || regex.capture_names().any(|known| known == Some(group))
    });
    let advice = match meant {
        Some((group, rest)) => format!("write ${{{group}}}{rest} for group {group}"),
        None => format!("its groups are 0 to {}, $$ is a dollar", regex.captures_len() - 1),
    };
    format!("the replacement names the group {written}, which the pattern does not have; {advice}")
}
