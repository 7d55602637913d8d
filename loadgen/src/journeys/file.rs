//! Reads journeys from a TOML file.
//!
//! The order of the check is that of the file's meaning: variables, then each journey with its steps. A
//! name in a text is a variable, or captured by an earlier step of the same journey.

use std::path::Path;
use std::time::Duration;

use http::Method;
use http::header::{HeaderName, HeaderValue};
use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::capture::Capture;
use super::csv::column;
use super::journey::{Journey, Journeys, Step};
use super::section::{Section, Source, SpanOf};
use super::spelling::suggestion;
use super::text::Text;
use super::variables::{Order, Variable};
use crate::error::LoadError;
use crate::limits::{KEPT_BODY, MAX_BODY, MAX_STEPS, MAX_TIMEOUT, MAX_WEIGHT};
use crate::quantity::{parse_bytes, parse_duration};
use crate::requests::checks::Checks;
use crate::requests::template::is_forbidden;

const FILE_KEYS: &[&str] = &["variables", "journey"];
const JOURNEY_KEYS: &[&str] = &["name", "weight", "step"];
const STEP_KEYS: &[&str] = &[
    "name",
    "method",
    "path",
    "headers",
    "body",
    "expect-status",
    "expect-contains",
    "expect-bytes",
    "capture",
    "think",
];
const CSV_KEYS: &[&str] = &["csv", "column", "values", "order"];
const CAPTURE_KEYS: &[&str] = &["json", "regex"];

/// Names that groups of steps cannot have.
const TAKEN: &[&str] = &["journey"];

/// Reads a file.
///
/// # Errors
/// File errors; usage errors with the line of what is wrong.
pub fn read(path: &str) -> Result<Journeys, LoadError> {
    let text = read_text(path).map_err(|error| match error {
        ReadError::File(cause) => LoadError::File { path: path.to_string(), action: "read", cause },
        ReadError::Long(bytes) => {
            LoadError::usage(format!("{path} has {bytes} bytes; at most {MAX_BODY}"))
        }
    })?;
    parse(path, &text)
}

enum ReadError {
    File(std::io::Error),
    Long(u64),
}

fn read_text(path: impl AsRef<Path>) -> Result<String, ReadError> {
    let bytes = std::fs::metadata(&path).map_err(ReadError::File)?.len();
    if bytes > MAX_BODY {
        return Err(ReadError::Long(bytes));
    }
    std::fs::read_to_string(path).map_err(ReadError::File)
}

/// Parses the text of a file; `path` is for errors, and CSV files are beside it.
///
/// # Errors
/// Usage errors with the line of what is wrong.
pub fn parse(path: &str, text: &str) -> Result<Journeys, LoadError> {
    let source = Source { path, text };
    let document = DeTable::parse(text).map_err(|error| {
        source.error(&error.span().unwrap_or_default(), error.message().replace('\n', ", "))
    })?;
    let what = "the file".to_string();
    let file = Section::of_table(source, what, document.get_ref(), document.span(), FILE_KEYS)?;
    let variables = match file.get("variables") {
        Some(value) => variables(source, value)?,
        None => Vec::new(),
    };
    let parsed =
        Journeys { journeys: Vec::new(), steps: Vec::new(), variables, captured: Vec::new() };
    let mut parser = Parser { source, parsed };
    for value in file.array("journey")? {
        parser.journey(value)?;
    }
    if parser.parsed.journeys.is_empty() {
        return Err(file.error("has no journey; begin one with [[journey]]"));
    }
    Ok(parser.parsed)
}

fn variables<'a>(
    source: Source<'a>,
    value: &'a Spanned<DeValue<'a>>,
) -> Result<Vec<Variable>, LoadError> {
    let section = Section::new(source, "`variables`", value, &[])?;
    let mut variables = Vec::new();
    for (name, value) in section.entries() {
        check_name(source, "a variable", name, &value.span())?;
        let (values, order) = match value.get_ref() {
            DeValue::Table(_) => variable_table(source, name, value)?,
            DeValue::Array(_) => (texts(&section, name, name)?, Order::Next),
            _ => (vec![section.scalar(name, value)?.to_string()], Order::Next),
        };
        if values.is_empty() {
            return Err(source.error(&value.span(), format!("variable `{name}` has no value")));
        }
        if let Some(bad) = values.iter().find(|v| v.contains(|c: char| c.is_control() && c != '\t'))
        {
            let message = format!("variable `{name}` has a control character in {bad:?}");
            return Err(source.error(&value.span(), message));
        }
        variables.push(Variable::new(name.to_string(), values, order));
    }
    Ok(variables)
}

/// The texts of the array under `key`.
fn texts(section: &Section<'_>, key: &str, name: &str) -> Result<Vec<String>, LoadError> {
    let elements = section.array(key)?.into_iter();
    elements.map(|value| section.scalar(name, value).map(str::to_string)).collect()
}

fn variable_table<'a>(
    source: Source<'a>,
    name: &str,
    value: &'a Spanned<DeValue<'a>>,
) -> Result<(Vec<String>, Order), LoadError> {
    let section = Section::new(source, format!("variable `{name}`"), value, CSV_KEYS)?;
    let order = section.parsed("order", |text| match text {
        "next" => Ok(Order::Next),
        "random" => Ok(Order::Random),
        other => Err(format!("`{other}` is no order; there are next, random")),
    })?;
    let order = order.unwrap_or(Order::Next);
    let Some((path, span)) = section.text("csv")? else {
        if section.get("values").is_none() {
            return Err(section.error("needs `values`, or `csv` and `column`"));
        }
        return Ok((texts(&section, "values", name)?, order));
    };
    if section.get("values").is_some() {
        return Err(section.error("has both `csv` and `values`"));
    }
    let (name, _) =
        section.text("column")?.ok_or_else(|| section.error("needs `column` beside `csv`"))?;
    let beside = Path::new(source.path).parent().unwrap_or(Path::new("")).join(path);
    let text = read_text(&beside).map_err(|error| {
        let why = match error {
            ReadError::File(cause) => cause.to_string(),
            ReadError::Long(bytes) => format!("it has {bytes} bytes; at most {MAX_BODY}"),
        };
        source.error(&span, format!("cannot read {}: {why}", beside.display()))
    })?;
    let values = column(&text, name)
        .map_err(|why| source.error(&span, format!("{}: {why}", beside.display())))?;
    Ok((values, order))
}

fn check_name(source: Source<'_>, what: &str, name: &str, span: &SpanOf) -> Result<(), LoadError> {
    let fits = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '_';
    if name.is_empty() || !name.chars().all(fits) {
        let message = format!("{what} cannot be called `{name}`; use letters, digits, `-` and `_`");
        return Err(source.error(span, message));
    }
    Ok(())
}

struct Parser<'a> {
    source: Source<'a>,
    parsed: Journeys,
}

impl<'a> Parser<'a> {
    fn journey(&mut self, value: &'a Spanned<DeValue<'a>>) -> Result<(), LoadError> {
        let section = Section::new(self.source, "a journey", value, JOURNEY_KEYS)?;
        let number = self.parsed.journeys.len() + 1;
        let name = match section.text("name")? {
            Some((name, _)) => name.to_string(),
            None => format!("journey-{number}"),
        };
        let weight = section.parsed("weight", |text| match text.parse() {
            Ok(weight) if (1..=MAX_WEIGHT).contains(&weight) => Ok(weight),
            _ => Err(format!("`{text}` is not a number from 1 to {MAX_WEIGHT}")),
        })?;
        let first = self.parsed.steps.len();
        // Names of values that earlier steps of this journey capture.
        let mut captured = Vec::new();
        for value in section.array("step")? {
            let step = self.step(value, &mut captured)?;
            self.parsed.steps.push(step);
        }
        if self.parsed.steps.len() == first {
            return Err(section.error("has no step; begin one with [[journey.step]]"));
        }
        if self.parsed.steps.len() > MAX_STEPS {
            return Err(section.error(format!("goes beyond the {MAX_STEPS} steps of a file")));
        }
        let steps = first..self.parsed.steps.len();
        self.parsed.journeys.push(Journey { name, weight: weight.unwrap_or(1), steps });
        Ok(())
    }

    fn step(
        &mut self,
        value: &'a Spanned<DeValue<'a>>,
        captured: &mut Vec<String>,
    ) -> Result<Step, LoadError> {
        let section = Section::new(self.source, "a step", value, STEP_KEYS)?;
        let (name, span) = section.text("name")?.ok_or_else(|| section.error("needs a `name`"))?;
        check_name(self.source, "a step", name, &span)?;
        if TAKEN.contains(&name) {
            let message = format!("a step cannot be called `{name}`: whole journeys are");
            return Err(self.source.error(&span, message));
        }
        let known: &[String] = captured;
        let text = |key: &str| section.parsed(key, |text| self.text(text, known));
        let (path, body) = (text("path")?, text("body")?.unwrap_or_default());
        let path = path.ok_or_else(|| section.error("needs a `path`"))?;
        Self::check_path(&section)?;
        let method = section.parsed("method", |name| {
            let method = Method::from_bytes(name.as_bytes()).ok();
            let sent = method.filter(|method| *method != Method::CONNECT);
            sent.ok_or_else(|| format!("`{name}` is not a method to send"))
        })?;
        let default_method = if body.is_empty() { Method::GET } else { Method::POST };
        let headers = self.headers(&section, known)?;
        let captures = self.captures(&section, captured)?;
        let think = section.parsed("think", |text| match parse_duration(text)? {
            think if think <= MAX_TIMEOUT => Ok(think),
            _ => Err(format!("{text} is longer than {} s", MAX_TIMEOUT.as_secs())),
        })?;
        let checks = Checks {
            statuses: section.parsed("expect-status", Checks::parse_statuses)?.unwrap_or_default(),
            contains: section.text("expect-contains")?.map(|(text, _)| text.as_bytes().to_vec()),
            bytes: section.parsed("expect-bytes", parse_bytes)?,
            keep: if captures.is_empty() { 0 } else { KEPT_BODY },
        };
        Ok(Step {
            name: name.to_string(),
            method: method.unwrap_or(default_method),
            path,
            headers,
            body,
            checks,
            captures,
            think: think.unwrap_or(Duration::ZERO),
        })
    }

    /// A path whose values are left out must be one: values are percent-encoded.
    fn check_path(section: &Section<'_>) -> Result<(), LoadError> {
        section.parsed("path", |text| {
            let without_values = Text::parse(text, |_| Ok(0))?.render_path(&["x".into()]);
            if !text.starts_with('/') {
                return Err(format!(
                    "`{text}` does not start with `/`; the host is that of --target"
                ));
            }
            match without_values.parse::<http::Uri>() {
                Ok(uri) if uri.path_and_query().is_some_and(|p| p.as_str() == without_values) => {
                    Ok(())
                }
                _ => Err(format!("`{text}` holds characters a URL path cannot have")),
            }
        })?;
        Ok(())
    }

    fn headers(
        &self,
        section: &Section<'a>,
        captured: &[String],
    ) -> Result<Vec<(HeaderName, Text)>, LoadError> {
        let Some(value) = section.get("headers") else { return Ok(Vec::new()) };
        let fields = Section::new(self.source, "`headers`", value, &[])?;
        let mut headers = Vec::new();
        for (name, value) in fields.entries() {
            let wrong = |why: String| self.source.error(&value.span(), why);
            let field: HeaderName = name
                .parse()
                .map_err(|_| wrong(format!("`{name}` is not the name of a header field")))?;
            if is_forbidden(&field) {
                return Err(wrong(format!("HTTP/2 does not have the field `{name}`")));
            }
            let text = fields.scalar(name, value)?;
            if HeaderValue::from_str(text).is_err() {
                return Err(wrong(format!("`{name}` has a value that no header field can have")));
            }
            headers.push((field, self.text(text, captured).map_err(wrong)?));
        }
        Ok(headers)
    }

    /// The captures of a step; their names are known from here on.
    fn captures(
        &mut self,
        section: &Section<'a>,
        captured: &mut Vec<String>,
    ) -> Result<Vec<(usize, Capture)>, LoadError> {
        let Some(value) = section.get("capture") else { return Ok(Vec::new()) };
        let mut captures = Vec::new();
        for (name, value) in Section::new(self.source, "`capture`", value, &[])?.entries() {
            check_name(self.source, "a captured value", name, &value.span())?;
            if self.parsed.variables.iter().any(|variable| variable.name == name) {
                let message = format!("`{name}` is a variable already");
                return Err(self.source.error(&value.span(), message));
            }
            let what = format!("capture `{name}`");
            let how = Section::new(self.source, what, value, CAPTURE_KEYS)?;
            let json = how.parsed("json", Capture::json)?;
            let regex = how.parsed("regex", Capture::regex)?;
            let ((Some(capture), None) | (None, Some(capture))) = (json, regex) else {
                return Err(how.error("needs `json` or `regex`, one of them"));
            };
            let all = &mut self.parsed.captured;
            let place = all.iter().position(|other| other == name).unwrap_or(all.len());
            if place == all.len() {
                all.push(name.to_string());
            }
            captured.push(name.to_string());
            captures.push((self.parsed.variables.len() + place, capture));
        }
        Ok(captures)
    }

    fn text(&self, text: &str, captured: &[String]) -> Result<Text, String> {
        let variables = &self.parsed.variables;
        Text::parse(text, |name| {
            if let Some(number) = variables.iter().position(|variable| variable.name == name) {
                return Ok(number);
            }
            if captured.iter().any(|known| known == name) {
                let place = self.parsed.captured.iter().position(|known| known == name);
                return Ok(variables.len() + place.expect("captured names are in both lists"));
            }
            let known = variables.iter().map(|v| v.name.as_str());
            let hint = suggestion(name, known.chain(captured.iter().map(String::as_str)));
            Err(format!("no value `{name}`{hint}; it is neither a variable nor captured before"))
        })
    }
}
