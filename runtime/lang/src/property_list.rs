//! Property lists: the options `{:key value …}` of builtins, read and built. A map does as well.
//!
//! 1. A builtin describes its keys once, in an [`OptionTable`]. Reading, the rows of
//!    `valk --limits`, and documentation come from the table.
//! 2. Programs carry keys that mean nothing here: an unknown key is a warning that names the
//!    nearest key. With `:strict 1`, which every table knows, it is an error, and so is everything
//!    else that would be a warning.
//! 3. Of equal keys the last wins.
//! 4. The order of checks is the order of the list; a number out of range is always an error.
//!
//! Does not know which builtins have options.

use crate::{elements, nearest};
use std::fmt::Write;
use valk_heap::{Kind, Value};
use valk_vm::persistent::map;
use valk_vm::{Vm, type_name};

/// The key that makes warnings errors.
const STRICT: &str = ":strict";

/// What a key's value may be.
#[derive(Debug, Clone, Copy)]
pub enum OptionKind {
    /// A number within bounds, both inclusive.
    Integer {
        /// The least value.
        min: i64,
        /// The greatest value.
        max: i64,
    },
    /// A string.
    Text,
    /// 0 or 1, `:true` or `:false`; nil is false.
    Boolean,
    /// A function.
    Function,
    /// A list, also an empty one.
    List,
    /// One of these symbols, or numbers.
    Choice(&'static [&'static str]),
    /// Anything; older programs give the key and nothing reads it.
    Ignored,
}

/// Describes one key.
#[derive(Debug, Clone, Copy)]
pub struct OptionKey {
    /// The key with its colon.
    pub name: &'static str,
    /// What its value may be.
    pub kind: OptionKind,
    /// The number that applies without the key; 0 when it is derived or there is none.
    pub default: i64,
    /// 0 stands for the default.
    pub zero_is_default: bool,
    /// The unit of a number.
    pub unit: &'static str,
    /// What the key is for.
    pub text: &'static str,
    /// The error of a number out of range; empty for one made from name and bounds.
    pub out_of_range: &'static str,
}

impl OptionKey {
    /// A key whose value is of this kind.
    pub const fn new(name: &'static str, kind: OptionKind, text: &'static str) -> OptionKey {
        let (default, zero_is_default, unit, out_of_range) = (0, false, "", "");
        OptionKey { name, kind, default, zero_is_default, unit, text, out_of_range }
    }

    /// A key whose value is a number.
    pub const fn integer(
        name: &'static str,
        (min, max): (i64, i64),
        default: i64,
        unit: &'static str,
        text: &'static str,
    ) -> OptionKey {
        let key = OptionKey::new(name, OptionKind::Integer { min, max }, text);
        OptionKey { default, unit, ..key }
    }

    /// The same with 0 standing for the default.
    #[must_use]
    pub const fn with_zero_as_default(self) -> OptionKey {
        OptionKey { zero_is_default: true, ..self }
    }

    /// The same with this error for numbers out of range.
    #[must_use]
    pub const fn with_error(self, out_of_range: &'static str) -> OptionKey {
        OptionKey { out_of_range, ..self }
    }

    /// The error of a number out of range.
    fn range_error(&self, min: i64, max: i64) -> String {
        if !self.out_of_range.is_empty() {
            return self.out_of_range.to_string();
        }
        let unit = if self.unit.is_empty() { String::new() } else { format!(" {}", self.unit) };
        format!("{} must be between {min} and {max}{unit}", self.name)
    }

    /// What a value may be, for messages and documentation.
    fn expected(&self) -> String {
        match self.kind {
            OptionKind::Integer { .. } => "a number".to_string(),
            OptionKind::Text => "a string".to_string(),
            OptionKind::Boolean => "0, 1, :true or :false".to_string(),
            OptionKind::Function => "a function".to_string(),
            OptionKind::List => "a list".to_string(),
            OptionKind::Choice(names) => format!("one of {}", names.join(" ")),
            OptionKind::Ignored => "anything".to_string(),
        }
    }
}

/// What a value of a wrong kind means.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WrongKind {
    /// The call fails.
    Fails,
    /// The default applies, with a warning.
    IsIgnored,
}

/// The keys of a builtin.
#[derive(Debug)]
pub struct OptionTable {
    /// The builtin.
    pub builtin: &'static str,
    /// What a value of a wrong kind means.
    pub wrong_kind: WrongKind,
    /// Its keys.
    pub keys: &'static [OptionKey],
}

/// A key with a numeric default, as `valk --limits` shows it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LimitRow {
    /// Family and key: `aio/max-connections`.
    pub name: String,
    /// The default.
    pub default: i64,
    /// Its unit.
    pub unit: &'static str,
    /// How it is set: `:max-connections of aio/start`.
    pub set: String,
}

/// A value as its key's kind describes it.
#[derive(Debug, Clone, PartialEq)]
enum Setting {
    Integer(i64),
    Text(Vec<u8>),
    Boolean(bool),
    Function(Value),
    List(Value),
    Choice(&'static str),
    Ignored,
}

/// What a property list says. It holds values, so it is read before the fiber goes on.
#[derive(Debug)]
pub struct Options {
    table: &'static OptionTable,
    settings: Vec<Option<Setting>>,
}

/// The end of a reading that found an error.
struct Refused(String);

/// Reads a list and collects warnings.
struct Reading<'v> {
    vm: &'v Vm,
    table: &'static OptionTable,
    is_strict: bool,
    warnings: Vec<String>,
}

impl Reading<'_> {
    fn warn(&mut self, text: String) -> Result<(), Refused> {
        if self.is_strict {
            return Err(Refused(text));
        }
        self.warnings.push(text);
        Ok(())
    }

    fn wrong_kind(&mut self, text: String) -> Result<(), Refused> {
        match self.table.wrong_kind {
            WrongKind::Fails => Err(Refused(text)),
            WrongKind::IsIgnored => self.warn(format!("{text}; it is ignored")),
        }
    }

    fn name(&self, key: Value) -> Option<String> {
        let name = self.vm.heap.symbols().name(key.as_symbol()?);
        Some(String::from_utf8_lossy(name).into_owned())
    }

    fn read(&mut self, list: Value) -> Result<Vec<Option<Setting>>, Refused> {
        let mut settings = vec![None; self.table.keys.len()];
        let items = if list.kind() == Kind::Map {
            let entries = map::entries(&self.vm.heap, list).into_iter();
            entries.flat_map(|(key, value)| [key, value]).collect()
        } else if list.is_pair() {
            elements(list)
        } else {
            if !list.is_nil() {
                let found = type_name(list);
                self.wrong_kind(format!("expected a property list or a map, got {found}"))?;
            }
            return Ok(settings);
        };
        let is_strict = |pair: &[Value]| {
            self.name(pair[0]).as_deref() == Some(STRICT) && boolean(self.vm, pair[1]) == Some(true)
        };
        self.is_strict = items.chunks_exact(2).any(is_strict);
        for pair in items.chunks(2) {
            let Some(name) = self.name(pair[0]) else {
                let found = type_name(pair[0]);
                self.warn(format!("expected a key such as :key, got {found}; it is ignored"))?;
                continue;
            };
            let [_, value] = *pair else {
                self.warn(format!("the key {name} has no value; it is ignored"))?;
                continue;
            };
            if name == STRICT {
                continue;
            }
            let Some(at) = self.table.keys.iter().position(|key| key.name == name) else {
                let text = self.unknown(&name);
                self.warn(text)?;
                continue;
            };
            if settings[at].is_some() {
                self.warn(format!("the key {name} is given twice; the last value counts"))?;
            }
            if let Some(setting) = self.setting(&self.table.keys[at], value)? {
                settings[at] = Some(setting);
            }
        }
        Ok(settings)
    }

    fn unknown(&self, name: &str) -> String {
        let known = || self.table.keys.iter().map(|key| key.name);
        match nearest(name, known().chain([STRICT])).first() {
            Some(near) => format!("unknown key {name}; did you mean {near}?"),
            None => {
                let known: Vec<&str> = known().collect();
                format!("unknown key {name}; keys: {}", known.join(" "))
            }
        }
    }

    /// What a value means for a key; nothing when the default applies.
    fn setting(&mut self, key: &OptionKey, value: Value) -> Result<Option<Setting>, Refused> {
        let setting = match key.kind {
            OptionKind::Integer { min, max } => match value.as_integer() {
                Some(0) if key.zero_is_default => return Ok(None),
                Some(number) if !(min..=max).contains(&number) => {
                    return Err(Refused(key.range_error(min, max)));
                }
                number => number.map(Setting::Integer),
            },
            OptionKind::Text => {
                value.as_bytes(&self.vm.heap).map(|text| Setting::Text(text.into()))
            }
            OptionKind::Boolean => boolean(self.vm, value).map(Setting::Boolean),
            OptionKind::Function => Vm::is_function(value).then_some(Setting::Function(value)),
            OptionKind::List => value.is_list().then_some(Setting::List(value)),
            OptionKind::Choice(names) => {
                let number = value.as_integer().map(|number| number.to_string());
                let name = number.or_else(|| self.name(value));
                let chosen = names.iter().find(|known| Some(**known) == name.as_deref());
                chosen.map(|name| Setting::Choice(name))
            }
            OptionKind::Ignored => Some(Setting::Ignored),
        };
        if setting.is_none() {
            let (name, expected, found) = (key.name, key.expected(), type_name(value));
            self.wrong_kind(format!("{name} must be {expected}, got {found}"))?;
        }
        Ok(setting)
    }
}

/// 0, 1, nil, `:true`, `:false` and the same without colons: a literal list is not evaluated.
fn boolean(vm: &Vm, value: Value) -> Option<bool> {
    if value.is_nil() {
        return Some(false);
    }
    match value.as_integer() {
        Some(0) => Some(false),
        Some(1) => Some(true),
        Some(_) => None,
        None => match vm.heap.symbols().name(value.as_symbol()?) {
            b":true" | b"true" => Some(true),
            b":false" | b"false" | b"nil" => Some(false),
            _ => None,
        },
    }
}

impl OptionTable {
    /// Reads the options in a list and logs what is odd about it.
    ///
    /// # Errors
    /// The text of the first error, without the builtin's name.
    pub fn read(&'static self, vm: &Vm, list: Value) -> Result<Options, String> {
        let (options, warnings) = self.examine(vm, list);
        for warning in warnings {
            tracing::warn!(target: crate::LOG_TARGET, "{}: {warning}", self.builtin);
        }
        options
    }

    /// Reads the options in a list. Returns them, or the first error, and the warnings.
    pub fn examine(&'static self, vm: &Vm, list: Value) -> (Result<Options, String>, Vec<String>) {
        let mut reading = Reading { vm, table: self, is_strict: false, warnings: Vec::new() };
        let settings = reading.read(list);
        let options = match settings {
            Ok(settings) => Ok(Options { table: self, settings }),
            Err(Refused(text)) => Err(text),
        };
        (options, reading.warnings)
    }

    /// The options of an empty list.
    pub fn defaults(&'static self) -> Options {
        Options { table: self, settings: vec![None; self.keys.len()] }
    }

    /// Keys with a numeric default.
    pub fn limits(&'static self) -> impl Iterator<Item = LimitRow> {
        let family = self.builtin.split('/').next().unwrap_or_default();
        let bounded = |key: &&OptionKey| matches!(key.kind, OptionKind::Integer { .. });
        self.keys.iter().filter(bounded).map(move |key| LimitRow {
            name: format!("{family}/{}", key.name.trim_start_matches(':')),
            default: key.default,
            unit: key.unit,
            set: format!("{} of {}", key.name, self.builtin),
        })
    }

    /// The keys as a table in Markdown.
    pub fn document(&self) -> String {
        let mut text = String::from("| Key | Value | Default | Meaning |\n|---|---|---|---|\n");
        for key in self.keys {
            let (value, default) = match key.kind {
                OptionKind::Integer { min, max: i64::MAX } => {
                    (format!("{min} or more {}", key.unit), key.default.to_string())
                }
                OptionKind::Integer { min, max } => {
                    (format!("{min} to {max} {}", key.unit), key.default.to_string())
                }
                _ => (key.expected(), String::new()),
            };
            let value = value.trim_end();
            // Writing to memory does not fail.
            let _ = writeln!(text, "| `{}` | {value} | {default} | {} |", key.name, key.text);
        }
        text
    }
}

impl Options {
    fn setting(&self, name: &str) -> Option<(&OptionKey, Option<&Setting>)> {
        let at = self.table.keys.iter().position(|key| key.name == name);
        debug_assert!(at.is_some(), "{name} is a key of {}", self.table.builtin);
        at.map(|at| (&self.table.keys[at], self.settings[at].as_ref()))
    }

    /// The number of a key, or its default.
    pub fn integer(&self, name: &str) -> i64 {
        match self.setting(name) {
            Some((_, Some(Setting::Integer(number)))) => *number,
            other => other.map_or(0, |(key, _)| key.default),
        }
    }

    /// Whether the list gives a value of the right kind that is not the default.
    pub fn is_given(&self, name: &str) -> bool {
        self.setting(name).is_some_and(|(_, setting)| setting.is_some())
    }

    /// The string of a key.
    pub fn text(&self, name: &str) -> Option<String> {
        match self.setting(name)?.1? {
            Setting::Text(text) => Some(String::from_utf8_lossy(text).into_owned()),
            _ => None,
        }
    }

    /// The bytes of a key's string.
    pub fn bytes(&self, name: &str) -> Option<&[u8]> {
        match self.setting(name)?.1? {
            Setting::Text(text) => Some(text),
            _ => None,
        }
    }

    /// The list of a key.
    pub fn list(&self, name: &str) -> Option<Value> {
        match self.setting(name)?.1? {
            Setting::List(list) => Some(*list),
            _ => None,
        }
    }

    /// Whether a key says so.
    pub fn boolean(&self, name: &str) -> Option<bool> {
        match self.setting(name)?.1? {
            Setting::Boolean(boolean) => Some(*boolean),
            _ => None,
        }
    }

    /// The function of a key.
    pub fn function(&self, name: &str) -> Option<Value> {
        match self.setting(name)?.1? {
            Setting::Function(function) => Some(*function),
            _ => None,
        }
    }

    /// The symbol of a key.
    pub fn choice(&self, name: &str) -> Option<&'static str> {
        match self.setting(name)?.1? {
            Setting::Choice(choice) => Some(choice),
            _ => None,
        }
    }
}

/// A quoted property list with these keys and values.
pub fn build(vm: &mut Vm, pairs: &[(&str, Value)]) -> Value {
    pairs.iter().rev().fold(Value::NIL, |rest, (key, value)| {
        let rest = vm.heap.cons(*value, rest, true);
        let key = vm.heap.intern(key.as_bytes());
        vm.heap.cons(key, rest, true)
    })
}
