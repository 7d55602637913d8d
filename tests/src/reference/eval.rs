//! The rules of evaluation.
//!
//! Frames live in one vector and are never freed, so that closures and frames may refer to each
//! other without cycles of owners. Frame 0 is the root.

use super::builtins::{self, Builtin};
use super::value::{Closure, Value, display};
use std::collections::HashMap;
use std::rc::Rc;
use valk_diagnostics::FileId;
use valk_syntax::{NodeKind, Tree, read_all};

/// The root frame.
pub const ROOT: usize = 0;

/// There are no steps left.
#[derive(Debug)]
pub struct OutOfSteps;

/// A value, or no more steps.
pub type Evaluation = Result<Value, OutOfSteps>;

/// What came of running a text.
#[derive(Debug)]
pub enum Outcome {
    /// The last form's value.
    Value(Value),
    /// The error that ended it.
    Failed(Value),
    /// It did not end.
    OutOfSteps,
}

/// Variables of one call.
struct Frame {
    names: HashMap<Rc<str>, Value>,
    parent: Option<usize>,
    /// Whether a function's text ends here.
    outermost: bool,
}

/// A running program.
pub struct Interpreter {
    frames: Vec<Frame>,
    /// What it printed.
    pub output: Vec<u8>,
    /// Evaluations it may still make.
    pub steps: u64,
    /// Whether `def` or `=` was given a symbol that names a variable of a function around the one
    /// it is in. The language promises that only for variables which the function uses.
    pub open: bool,
}

impl Interpreter {
    /// An interpreter with the builtins and nothing else.
    pub fn new(steps: u64) -> Interpreter {
        let root = Frame { names: HashMap::new(), parent: None, outermost: false };
        let mut interpreter =
            Interpreter { frames: vec![root], output: Vec::new(), steps, open: false };
        for builtin in builtins::all() {
            interpreter.bind(ROOT, builtin.name(), Value::Builtin(builtin));
        }
        interpreter.bind(ROOT, "nil", Value::Nil);
        for (name, number) in [("true", 1), ("false", 0), ("otherwise", 1)] {
            interpreter.bind(ROOT, name, Value::Number(number));
        }
        interpreter
    }

    /// Runs the forms of a text up to the first error.
    pub fn run(&mut self, text: &[u8]) -> Outcome {
        let reading = read_all(FileId(0), text);
        let mut last = Value::Nil;
        for root in reading.tree.roots() {
            match self.eval(&form(&reading.tree, root), ROOT) {
                Ok(value) if value.is_error() => return Outcome::Failed(value),
                Ok(value) => last = value,
                Err(OutOfSteps) => return Outcome::OutOfSteps,
            }
        }
        match reading.error {
            Some(error) => Outcome::Failed(Value::error(&error.legacy)),
            None => Outcome::Value(last),
        }
    }

    fn step(&mut self) -> Result<(), OutOfSteps> {
        self.steps = self.steps.checked_sub(1).ok_or(OutOfSteps)?;
        Ok(())
    }

    fn frame(&mut self, parent: usize, outermost: bool) -> usize {
        self.frames.push(Frame { names: HashMap::new(), parent: Some(parent), outermost });
        self.frames.len() - 1
    }

    /// Binds a name in a frame.
    pub fn bind(&mut self, frame: usize, name: &str, value: Value) {
        self.frames[frame].names.insert(name.into(), value);
    }

    /// The value of a variable.
    pub fn lookup(&self, frame: usize, name: &str) -> Option<Value> {
        let mut at = Some(frame);
        while let Some(index) = at {
            if let Some(value) = self.frames[index].names.get(name) {
                return Some(value.clone());
            }
            at = self.frames[index].parent;
        }
        None
    }

    /// The value of the variable that a symbol which is a value names; sets `open`.
    pub fn lookup_value(&mut self, frame: usize, name: &str) -> Option<Value> {
        let (mut at, mut outside) = (frame, false);
        while at != ROOT && !self.frames[at].names.contains_key(name) {
            outside |= self.frames[at].outermost;
            at = self.frames[at].parent.unwrap_or(ROOT);
        }
        self.open |= outside && at != ROOT;
        self.lookup(at, name)
    }

    /// Prints displays separated by spaces.
    pub fn print(&mut self, values: &[Value]) {
        let texts: Vec<Vec<u8>> = values.iter().map(display).collect();
        self.output.extend_from_slice(&texts.join(&b' '));
        self.output.push(b'\n');
    }

    /// The value of a form.
    ///
    /// # Errors
    /// When there are no steps left.
    pub fn eval(&mut self, form: &Value, frame: usize) -> Evaluation {
        self.step()?;
        match form {
            Value::Symbol(_) => Ok(match form.variable() {
                None => form.clone(),
                Some(name) => self.lookup(frame, name).unwrap_or_else(|| {
                    Value::error(&format!("LEnv: Symbol `{name}` is not bound"))
                }),
            }),
            Value::Pair(cell) if !cell.quoted => self.application(form, frame),
            _ => Ok(form.clone()),
        }
    }

    /// The value of a form in a place where a quoted list is code.
    ///
    /// # Errors
    /// When there are no steps left.
    pub fn code(&mut self, form: &Value, frame: usize) -> Evaluation {
        if form.is_quoted() { self.application(form, frame) } else { self.eval(form, frame) }
    }

    /// A body: one expression, or a sequence if its first element is a list.
    ///
    /// # Errors
    /// When there are no steps left.
    pub fn body(&mut self, body: &Value, frame: usize) -> Evaluation {
        let Value::Pair(cell) = body else { return Ok(Value::Nil) };
        if !cell.head.is_list() {
            return self.application(body, frame);
        }
        let mut last = Value::Nil;
        for form in body.elements() {
            last = self.eval(&form, frame)?;
            if last.is_error() {
                break;
            }
        }
        Ok(last)
    }

    /// The value of a non-empty list as an application, whatever its bracket.
    fn application(&mut self, list: &Value, frame: usize) -> Evaluation {
        let items = list.elements();
        if let [only] = &items[..] {
            let value = self.eval(only, frame)?;
            return if value.is_function() { self.apply(&value, &[], frame) } else { Ok(value) };
        }
        match items[0].variable() {
            Some("quote") => return Ok(quote(&items[1..])),
            Some("quasiquote") => return self.quasiquote(&items[1..], frame),
            Some("if") => return self.if_(&items[1..], frame),
            _ => {}
        }
        let function = self.eval(&items[0], frame)?;
        if function.is_error() {
            return Ok(function);
        }
        // Written out with both operands, these look at the second one only when needed.
        if let (Value::Builtin(builtin @ (Builtin::And | Builtin::Or)), [_, x, y]) =
            (&function, &items[..])
            && items[0].variable().is_some()
        {
            let x = self.eval(x, frame)?;
            let decides = x.is_error() || x.is_true() == (*builtin == Builtin::Or);
            let y = if decides { Value::Nil } else { self.eval(y, frame)? };
            return self.apply(&function, &[x, y], frame);
        }
        let mut arguments = Vec::new();
        for item in &items[1..] {
            arguments.push(self.eval(item, frame)?);
        }
        self.apply(&function, &arguments, frame)
    }

    /// Calls a function; `frame` is the caller's.
    ///
    /// # Errors
    /// When there are no steps left.
    pub fn apply(&mut self, function: &Value, arguments: &[Value], frame: usize) -> Evaluation {
        self.step()?;
        match function {
            Value::Error(_) => Ok(function.clone()),
            Value::Builtin(builtin) => builtins::apply(self, *builtin, arguments, frame),
            Value::Waiting(builtin, given) => {
                let all = [given, arguments].concat();
                builtins::apply(self, *builtin, &all, frame)
            }
            Value::Closure(closure) => self.call(closure, arguments),
            other => Ok(Value::error(&format!("Cannot call non-function: {}", other.type_name()))),
        }
    }

    fn call(&mut self, closure: &Closure, arguments: &[Value]) -> Evaluation {
        let formals = closure.formals.elements();
        let names: Vec<&str> = formals.iter().filter_map(Value::variable).collect();
        // The frame of a partial's first arguments is inside the function.
        let own = self.frame(closure.frame, closure.given.is_empty());
        let mut given = arguments.iter();
        let mut bound = 0;
        while bound < names.len() {
            if names[bound] == "&" {
                let Some(rest) = names.get(bound + 1) else {
                    if given.as_slice().is_empty() {
                        bound += 1;
                        continue;
                    }
                    let text = "Invalid function format: & not followed by varargs name";
                    return Ok(Value::error(text));
                };
                let items: Vec<Value> = given.by_ref().cloned().collect();
                self.bind(own, rest, Value::list(&items, Value::Nil, true));
                bound += 2;
                break;
            }
            let Some(argument) = given.next() else { break };
            self.bind(own, names[bound], argument.clone());
            bound += 1;
        }
        if given.next().is_some() {
            return Ok(Value::error(&format!(
                "More arguments were given than required. Actual: {}, Expected: {}",
                arguments.len(),
                names.len()
            )));
        }
        if bound < formals.len() {
            let formals = Value::list(&formals[bound..], Value::Nil, true);
            let given = [&closure.given[..], arguments].concat();
            let partial = Closure { formals, body: closure.body.clone(), frame: own, given };
            return Ok(Value::Closure(Rc::new(partial)));
        }
        self.body(&closure.body, own)
    }

    /// `let`: a body in a scope of its own.
    ///
    /// # Errors
    /// When there are no steps left.
    pub fn scope(&mut self, body: &Value, frame: usize) -> Evaluation {
        let own = self.frame(frame, false);
        self.body(body, own)
    }

    fn if_(&mut self, arguments: &[Value], frame: usize) -> Evaluation {
        if !(2..=3).contains(&arguments.len()) {
            let text = format!("if requires 2-3 arguments, got {}", arguments.len());
            return Ok(Value::error(&text));
        }
        let condition = self.eval(&arguments[0], frame)?;
        if condition.is_error() {
            return Ok(condition);
        }
        let branch = if condition.is_true() { Some(&arguments[1]) } else { arguments.get(2) };
        branch.map_or(Ok(Value::Nil), |branch| self.code(branch, frame))
    }

    fn quasiquote(&mut self, arguments: &[Value], frame: usize) -> Evaluation {
        let [template] = arguments else {
            let text = format!("quasiquote expects exactly 1 argument, got {}", arguments.len());
            return Ok(Value::error(&text));
        };
        if tagged(template, "unquote-splicing").is_some() {
            let text = "unquote-splicing (,@) not valid at top level of quasiquote";
            return Ok(Value::error(text));
        }
        self.template(template, frame)
    }

    fn template(&mut self, template: &Value, frame: usize) -> Evaluation {
        self.step()?;
        if !matches!(template, Value::Pair(_)) {
            return Ok(template.clone());
        }
        if let Some(arguments) = tagged(template, "unquote") {
            return match &arguments[..] {
                [form] => self.eval(form, frame),
                _ => Ok(Value::error("unquote expects exactly 1 argument")),
            };
        }
        let mut items = Vec::new();
        for item in template.elements() {
            let Some(arguments) = tagged(&item, "unquote-splicing") else {
                let value = self.template(&item, frame)?;
                if value.is_error() {
                    return Ok(value);
                }
                items.push(value);
                continue;
            };
            let [form] = &arguments[..] else {
                return Ok(Value::error("unquote-splicing expects exactly 1 argument"));
            };
            let spliced = self.eval(form, frame)?;
            if spliced.is_error() {
                return Ok(spliced);
            }
            if !spliced.is_list() {
                let actual = spliced.type_name();
                let text = format!("unquote-splicing requires a list, got {actual}");
                return Ok(Value::error(&text));
            }
            if let Some(error) = spliced.elements().into_iter().find(Value::is_error) {
                return Ok(error);
            }
            items.extend(spliced.elements());
        }
        Ok(Value::list(&items, Value::Nil, template.is_quoted()))
    }
}

fn quote(arguments: &[Value]) -> Value {
    match arguments {
        [form] => form.clone(),
        _ => Value::error(&format!("quote expects exactly 1 argument, got {}", arguments.len())),
    }
}

/// The elements after this symbol, if the list starts with it.
fn tagged(list: &Value, tag: &str) -> Option<Vec<Value>> {
    let items = list.elements();
    (items.first()?.variable()? == tag).then(|| items[1..].to_vec())
}

/// The form of a node.
pub fn form(tree: &Tree, index: u32) -> Value {
    match tree.node(index).kind {
        NodeKind::Integer(number) => Value::Number(number),
        NodeKind::Decimal(number) => Value::Decimal(tree.decimal(number)),
        NodeKind::Symbol(id) => Value::Symbol(tree.symbol(id).into()),
        NodeKind::Name(name) => Value::Symbol(name.into()),
        NodeKind::String(text) => Value::text(tree.string(text).as_bytes()),
        NodeKind::List { quoted } => {
            let items: Vec<Value> = tree.children(index).map(|child| form(tree, child)).collect();
            Value::list(&items, Value::Nil, quoted)
        }
    }
}
