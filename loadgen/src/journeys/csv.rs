//! One column of a CSV file (RFC 4180): the first record names the columns.

use super::spelling::suggestion;

/// The values of a column.
///
/// # Errors
/// Says what is wrong with the text, with the line in it.
pub fn column(text: &str, name: &str) -> Result<Vec<String>, String> {
    let mut records = records(text)?.into_iter();
    let (_, names) = records.next().ok_or("the file is empty; its first line names the columns")?;
    let place = names.iter().position(|column| column.trim() == name).ok_or_else(|| {
        let hint = suggestion(name, names.iter().map(|column| column.trim()));
        format!("no column `{name}`{hint}; there are {}", names.join(", "))
    })?;
    let values: Result<Vec<String>, String> = records
        .map(|(line, fields)| match fields.into_iter().nth(place) {
            Some(value) => Ok(value),
            None => Err(format!("line {line} has no column `{name}`")),
        })
        .collect();
    let values = values?;
    if values.is_empty() {
        Err("there are no lines below the names".to_string())
    } else {
        Ok(values)
    }
}

/// Records with the line in which they begin; empty lines are none.
fn records(text: &str) -> Result<Vec<(usize, Vec<String>)>, String> {
    let mut records = Vec::new();
    let mut fields: Vec<String> = Vec::new();
    let mut field = String::new();
    let (mut line, mut begin) = (1, 1);
    // The line in which the open quoted part begins.
    let mut quoted: Option<usize> = None;
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let mut characters = text.chars().peekable();
    while let Some(character) = characters.next() {
        line += usize::from(character == '\n');
        match (character, quoted) {
            ('"', Some(_)) if characters.peek() == Some(&'"') => {
                characters.next();
                field.push('"');
            }
            ('"', Some(_)) => quoted = None,
            (other, Some(_)) => field.push(other),
            ('"', None) if field.is_empty() => quoted = Some(line),
            (',', None) => fields.push(std::mem::take(&mut field)),
            ('\r', None) if characters.peek() == Some(&'\n') => {}
            ('\n', None) => {
                end_record(&mut records, begin, &mut fields, &mut field);
                begin = line;
            }
            (other, None) => field.push(other),
        }
    }
    if let Some(line) = quoted {
        return Err(format!("line {line}: a `\"` is not closed"));
    }
    end_record(&mut records, begin, &mut fields, &mut field);
    Ok(records)
}

fn end_record(
    records: &mut Vec<(usize, Vec<String>)>,
    line: usize,
    fields: &mut Vec<String>,
    field: &mut String,
) {
    if fields.is_empty() && field.is_empty() {
        return;
    }
    fields.push(std::mem::take(field));
    records.push((line, std::mem::take(fields)));
}
