//! One diagnostic as one JSON object on one line.
//!
//! | Field | Type | Meaning |
//! |---|---|---|
//! | `code` | string | stable identifier, `E0003` |
//! | `name` | string | name of the code, `bad-escape` |
//! | `severity` | string | `error`, `warning` or `info` |
//! | `message` | string | headline |
//! | `file` | string or null | name of the main label's file; null when there is no place |
//! | `line`, `column` | number or null | start of the main label, from 1, columns in code points |
//! | `end_line`, `end_column` | number or null | one past its last character |
//! | `labels` | array | objects with the five place fields, `message` and `primary` |
//! | `calls` | array | calls in progress, innermost first: the five place fields and `name` |
//! | `causes` | array | latest first: the five place fields, `code`, `name`, `message` |
//! | `notes` | array of strings | facts without a place |
//! | `help` | string or null | what to do |

use crate::{Call, Cause, Diagnostic, Label, SourceMap, Span};
use serde_json::{Map, Value, json};

/// Renders one line of JSON, without a newline at its end.
pub fn render_json(diagnostic: &Diagnostic, sources: &SourceMap) -> String {
    let mut object = place(diagnostic.main_label().map(|label| label.span), sources);
    object.insert("code".into(), diagnostic.code.id().into());
    object.insert("name".into(), diagnostic.code.name().into());
    object.insert("severity".into(), diagnostic.severity.name().into());
    object.insert("message".into(), diagnostic.message.as_str().into());
    let labels = diagnostic.labels.iter().map(|label| label_object(label, sources));
    object.insert("labels".into(), Value::Array(labels.collect()));
    let calls = diagnostic.calls.iter().map(|call| call_object(call, sources));
    object.insert("calls".into(), Value::Array(calls.collect()));
    let causes = diagnostic.causes.iter().map(|cause| cause_object(cause, sources));
    object.insert("causes".into(), Value::Array(causes.collect()));
    object.insert("notes".into(), json!(diagnostic.notes));
    object.insert("help".into(), json!(diagnostic.help));
    Value::Object(object).to_string()
}

fn label_object(label: &Label, sources: &SourceMap) -> Value {
    let mut object = place(Some(label.span), sources);
    object.insert("message".into(), label.text.as_str().into());
    object.insert("primary".into(), label.primary.into());
    Value::Object(object)
}

fn call_object(call: &Call, sources: &SourceMap) -> Value {
    let mut object = place(call.span, sources);
    object.insert("name".into(), call.name.as_str().into());
    Value::Object(object)
}

fn cause_object(cause: &Cause, sources: &SourceMap) -> Value {
    let mut object = place(cause.span, sources);
    object.insert("code".into(), cause.code.id().into());
    object.insert("name".into(), cause.code.name().into());
    object.insert("message".into(), cause.message.as_str().into());
    Value::Object(object)
}

/// The fields that say where; null where nothing is known.
fn place(span: Option<Span>, sources: &SourceMap) -> Map<String, Value> {
    let name = span.and_then(|span| sources.file(span.file)).map(crate::SourceFile::name);
    let ends = span.and_then(|span| sources.positions(span));
    let mut object = Map::new();
    object.insert("file".into(), json!(name));
    object.insert("line".into(), json!(ends.map(|(start, _)| start.line)));
    object.insert("column".into(), json!(ends.map(|(start, _)| start.column)));
    object.insert("end_line".into(), json!(ends.map(|(_, end)| end.line)));
    object.insert("end_column".into(), json!(ends.map(|(_, end)| end.column)));
    object
}
