//! Text in a form: padding, patterns with directives, source form.

use super::room::Text;
use crate::builtins::row::{Row, ask, fail, fail_over, number, text, wrong_type};
use crate::print::{Style, display};
use valk_decimal::{Decimal, FRACTION_DIGITS, Rounding};
use valk_heap::{Heap, Value};
use valk_vm::{Arity, Outcome, Vm, is_number, number_as_decimal, type_name};

pub(super) const TABLE: &[Row] = &[
    ("str/format", Arity::MoreThan(0), format_text),
    ("str/repr", Arity::Exactly(1), repr),
    ("str/pad-left", Arity::MoreThan(1), pad_left),
    ("str/pad-right", Arity::MoreThan(1), pad_right),
];

/// Widest field, in code points.
pub(crate) const WIDTH_MAX: i64 = 1 << 20;

/// The value as it is written in source.
fn repr(vm: &mut Vm, arguments: &[Value]) -> Outcome {
    if arguments[0].is_error() {
        return arguments[0].into();
    }
    let mut out = Text::default();
    out.print(&vm.heap, arguments[0], Style::Source);
    out.string(vm)
}

fn pad_left(vm: &mut Vm, arguments: &[Value]) -> Outcome {
    pad(vm, "str/pad-left", arguments, true)
}

fn pad_right(vm: &mut Vm, arguments: &[Value]) -> Outcome {
    pad(vm, "str/pad-right", arguments, false)
}

/// `(str/pad-left text width)` or `(str/pad-left text width padding)`.
fn pad(vm: &mut Vm, name: &str, arguments: &[Value], left: bool) -> Outcome {
    if arguments.len() > 3 {
        let text = format!("Invalid argument count, Actual[{}] <= Expected[3]", arguments.len());
        return fail(vm, &text);
    }
    let text = text!(vm, name, arguments[0]);
    let width = number!(vm, arguments[1]);
    let padding = match arguments.get(2) {
        Some(padding) => text!(vm, name, *padding),
        None => " ",
    };
    if padding.is_empty() {
        return fail(vm, &format!("{name}: the padding is empty"));
    }
    if width > WIDTH_MAX {
        return fail(vm, &format!("{name}: a width is at most {WIDTH_MAX}, got {width}"));
    }
    let missing = width.max(0) as usize;
    let missing = missing.saturating_sub(text.chars().count());
    if missing == 0 {
        return arguments[0].into();
    }
    ask!(vm, text.len() + missing * padding.len());
    let filling = padding.chars().cycle().take(missing);
    let mut out = Text::default();
    if !left {
        out.push(&vm.heap, text.as_bytes());
    }
    filling.for_each(|character| out.push_char(&vm.heap, character));
    if left {
        out.push(&vm.heap, text.as_bytes());
    }
    out.string(vm)
}

/// A directive: `%`, flags, width, point and digits, kind.
#[derive(Default)]
struct Directive {
    /// At the left of its field, padded on the right.
    left: bool,
    zeros: bool,
    sign: bool,
    width: usize,
    /// Digits after the point; as many as it takes unless given.
    precision: Option<usize>,
    kind: char,
}

impl Directive {
    /// Reads a directive behind its `%`; what follows it.
    fn read(text: &str) -> Result<(Directive, &str), String> {
        let mut directive = Directive::default();
        for (at, character) in text.char_indices() {
            match character {
                '-' if directive.width == 0 => directive.left = true,
                '+' if directive.width == 0 => directive.sign = true,
                '0' if directive.width == 0 => directive.zeros = true,
                '.' if directive.precision.is_none() => directive.precision = Some(0),
                '0'..='9' if directive.precision.is_some() => {
                    let digit = character as usize - '0' as usize;
                    let digits = directive.precision.unwrap_or(0) * 10 + digit;
                    if digits > FRACTION_DIGITS {
                        return Err(format!("a decimal has at most {FRACTION_DIGITS} digits"));
                    }
                    directive.precision = Some(digits);
                }
                '0'..='9' => {
                    let digit = character as usize - '0' as usize;
                    directive.width = directive.width * 10 + digit;
                    if directive.width as i64 > WIDTH_MAX {
                        return Err(format!("a width is at most {WIDTH_MAX}"));
                    }
                }
                's' | 'd' | 'x' | 'f' | 'r' | '%' => {
                    if directive.precision.is_some() && character != 'f' {
                        return Err(format!("%{character} takes no digits after a point, %f does"));
                    }
                    directive.kind = character;
                    return Ok((directive, &text[at + 1..]));
                }
                other => {
                    return Err(format!(
                        "unknown directive %{other}; the kinds are %s %d %x %f %r and %%"
                    ));
                }
            }
        }
        Err("the text ends within a directive; %% is a per cent sign".to_owned())
    }

    /// A number with its digits after the point, rounded half to even.
    fn fraction(&self, value: Value) -> Result<String, String> {
        let number = number_as_decimal(value).expect("the caller has looked");
        let shown = match self.precision {
            None => number.to_string(),
            Some(digits) => {
                let number = number.round_to(digits, Rounding::HalfEven);
                let number = number.ok_or("%f: the number is outside the range when rounded")?;
                number.with_digits(digits)
            }
        };
        Ok(if self.sign && number >= Decimal::ZERO { format!("+{shown}") } else { shown })
    }

    /// Appends a value as the directive says, in its field.
    fn write(&self, heap: &Heap, value: Value, out: &mut Text) -> Result<(), String> {
        let field = match (self.kind, value.as_integer()) {
            ('s', _) => display(heap, value),
            ('r', _) => {
                let mut bytes = Vec::new();
                crate::print::print(heap, value, Style::Source, &mut bytes);
                bytes
            }
            ('f', _) if is_number(value) => self.fraction(value)?.into_bytes(),
            (_, None) => {
                return Err(format!("%{} takes a Number, got {}", self.kind, type_name(value)));
            }
            ('x', Some(number)) => format!("{number:x}").into_bytes(),
            (_, Some(number)) if self.sign && number >= 0 => format!("+{number}").into_bytes(),
            (_, Some(number)) => number.to_string().into_bytes(),
        };
        // A string that is not UTF-8 has as many places as bytes begin a code point.
        let places = field.iter().filter(|byte| **byte & 0xC0 != 0x80).count();
        let missing = self.width.saturating_sub(places);
        let is_number = matches!(self.kind, 'd' | 'x' | 'f');
        let (sign, digits) = match field.split_first() {
            Some((sign @ (b'-' | b'+'), digits)) if is_number && self.zeros => {
                (&[*sign][..], digits)
            }
            _ => (&[][..], &field[..]),
        };
        let filling = if is_number && self.zeros && !self.left { b"0" } else { b" " };
        if self.left {
            out.push(heap, &field);
        } else {
            out.push(heap, sign);
        }
        (0..missing).for_each(|_| out.push(heap, filling));
        if !self.left {
            out.push(heap, digits);
        }
        Ok(())
    }
}

/// `(str/format pattern value …)`: as many values as the pattern has directives.
fn format_text(vm: &mut Vm, arguments: &[Value]) -> Outcome {
    if !arguments[0].is_string() {
        return wrong_type(vm, arguments[0], "String");
    }
    let pattern = text!(vm, "str/format", arguments[0]);
    let mut out = Text::default();
    match fill(&vm.heap, pattern, &arguments[1..], &mut out) {
        Ok(()) => out.string(vm),
        Err(problem) => fail_over(vm, arguments, &format!("str/format: {problem}")),
    }
}

fn fill(heap: &Heap, pattern: &str, values: &[Value], out: &mut Text) -> Result<(), String> {
    let (mut rest, mut left) = (pattern, values.iter());
    while let Some(at) = rest.find('%') {
        out.push(heap, &rest.as_bytes()[..at]);
        let (directive, behind) = Directive::read(&rest[at + 1..])?;
        rest = behind;
        if directive.kind == '%' {
            out.push(heap, b"%");
            continue;
        }
        let Some(value) = left.next() else {
            return Err(format!(
                "the pattern has more directives than the {} values",
                values.len()
            ));
        };
        directive.write(heap, *value, out)?;
    }
    out.push(heap, rest.as_bytes());
    match left.len() {
        0 => Ok(()),
        surplus => Err(format!(
            "{} values, the pattern has directives for {}",
            values.len(),
            values.len() - surplus
        )),
    }
}
