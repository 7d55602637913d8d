//! Random programs: in scope and well typed most of the time, and small enough to end soon.
//!
//! 1. A variable is used as the kind of value it was bound to, apart from deliberate slips.
//! 2. Recursion counts down to 0, so that nearly all programs end; the others run out of steps.
//! 3. Names of builtins are taken for local variables only: what follows a global redefinition is
//!    the prelude's business.

use super::random::Random;
use super::source::Form;

/// What an expression is meant to give.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Number,
    List,
    Text,
    /// A function of this many numbers that gives a number.
    Function(usize),
    /// A quoted list that is code for a number.
    Code,
    Any,
}

/// Top-level forms of a program at most.
const FORMS_MAX: usize = 7;
/// Parameters of a function at most.
const PARAMETERS_MAX: usize = 100;

/// Depth of an expression at most.
const DEPTH_MAX: usize = 5;

/// Names for variables; from [`LOCAL_ONLY`] on they are builtins too.
const NAMES: &[&str] = &["a", "b", "c", "x", "y", "z", "n", "list", "head", "+", "len"];
/// How many of the names may be bound globally.
const LOCAL_ONLY: usize = 7;
/// Functions of two numbers.
const ARITHMETIC: &[&str] = &["+", "-", "*", "/", "<", "<=", ">", ">=", "==", "!=", "ord"];
/// Numbers worth trying.
const NUMBERS: &[&str] = &[
    "0",
    "0.0",
    "0.5",
    "-1.25",
    "2.0",
    "3000000000.000000001",
    "1",
    "-1",
    "2",
    "3",
    "7",
    "-5",
    "10",
    "255",
    "2305843009213693951",
    "-2305843009213693952",
    "2305843009213693952",
    "9223372036854775807",
    "-9223372036854775808",
];
const TEXTS: &[&str] = &["\"\"", "\"a\"", "\"ab,c\"", "\"12\"", "\"é\\n\"", "\" -7\"", "\"aXbXc\""];

/// A name that is bound, and to what.
#[derive(Clone, Debug)]
struct Variable {
    name: String,
    kind: Kind,
}

struct Generator {
    random: Random,
    /// Innermost last.
    variables: Vec<Variable>,
    /// Global functions made so far, with the number of their parameters.
    functions: Vec<(String, usize)>,
    /// Inside a function or `let`: what is bound here is no global.
    local: bool,
}

/// The program of a seed.
pub fn program(seed: u64) -> Vec<Form> {
    let mut generator = Generator {
        random: Random::new(seed),
        variables: Vec::new(),
        functions: Vec::new(),
        local: false,
    };
    let count = 1 + generator.random.below(FORMS_MAX);
    let mut forms: Vec<Form> = (0..count).map(|_| generator.top()).collect();
    let last = generator.expression(Kind::Any, 3);
    forms.push(Form::call("print", vec![last]));
    forms
}

impl Generator {
    fn top(&mut self) -> Form {
        match self.random.below(6) {
            0 | 1 => self.function(),
            2 => {
                let kind = self.kind();
                let value = self.expression(kind, 3);
                let name = format!("g{}", self.variables.len());
                let definition = if self.random.percent(50) { "def" } else { "=" };
                self.variables.push(Variable { name: name.clone(), kind });
                Form::call(definition, vec![Form::names(&[name]), value])
            }
            _ => {
                let count = 1 + self.random.below(3);
                let shown = (0..count).map(|_| self.expression(Kind::Any, DEPTH_MAX)).collect();
                Form::call("print", shown)
            }
        }
    }

    /// `(fun {f n …} {…})`, recursive half of the time.
    fn function(&mut self) -> Form {
        let name = format!("f{}", self.functions.len());
        let count = 1 + self.random.below(3);
        let outer = std::mem::replace(&mut self.local, true);
        let start = self.variables.len();
        // A global function sees no variables but globals and its own; these are its own.
        let parameters: Vec<String> =
            ["n", "a", "b"][..count].iter().map(ToString::to_string).collect();
        self.declare(&parameters);
        let body = if self.random.percent(50) {
            let stop = self.expression(Kind::Number, 2);
            let mut arguments = vec![Form::call("-", vec![Form::atom("n"), Form::atom("1")])];
            arguments.extend((1..count).map(|_| self.expression(Kind::Number, 1)));
            let again = Form::call(&name, arguments);
            let again = if self.random.percent(50) {
                let other = self.expression(Kind::Number, 2);
                Form::call("+", vec![other, again])
            } else {
                again
            };
            let condition = Form::call("<=", vec![Form::atom("n"), Form::atom("0")]);
            let branches = [self.branch(stop), self.branch(again)];
            let [stop, again] = branches;
            Form::quoted(vec![Form::atom("if"), condition, stop, again])
        } else {
            self.body(3)
        };
        self.variables.truncate(start);
        self.local = outer;
        self.functions.push((name.clone(), count));
        let mut spec = vec![name];
        spec.extend(parameters);
        Form::call("fun", vec![Form::names(&spec), body])
    }

    fn declare(&mut self, names: &[String]) {
        for name in names {
            self.variables.push(Variable { name: name.clone(), kind: Kind::Number });
        }
    }

    fn kind(&mut self) -> Kind {
        match self.random.below(12) {
            0..=3 => Kind::Number,
            4..=6 => Kind::List,
            7 => Kind::Text,
            8 => Kind::Function(1 + self.random.below(2)),
            9 => Kind::Code,
            _ => Kind::Any,
        }
    }

    /// A body as an expression or as a sequence with local variables.
    fn body(&mut self, depth: usize) -> Form {
        if self.random.percent(50) {
            let expression = self.expression(Kind::Number, depth);
            return body_of(expression);
        }
        let mut forms = Vec::new();
        for _ in 0..=self.random.below(3) {
            forms.push(self.statement(depth.saturating_sub(1)));
        }
        let last = self.expression(Kind::Number, depth);
        forms.push(match last {
            list @ Form::List(false, _) => list,
            other => Form::call("do", vec![other]),
        });
        Form::quoted(forms)
    }

    /// A form that binds, prints or fails.
    fn statement(&mut self, depth: usize) -> Form {
        match self.random.below(8) {
            0 => {
                let shown = self.expression(Kind::Any, depth);
                Form::call("print", vec![shown])
            }
            1 if self.random.percent(20) => Form::call("error", vec![Form::atom("\"stop\"")]),
            3 if self.random.percent(30) => self.local_loop(depth),
            4 if self.random.percent(20) => {
                let value = self.expression(Kind::Number, depth);
                Form::call("def", vec![Form::names(&["shared".to_string()]), value])
            }
            5 if self.random.percent(15) => {
                let inner = self.scoped(depth);
                let spec = Form::names(&["inner".to_string(), "n".to_string()]);
                Form::call("fun", vec![spec, inner])
            }
            2 => {
                let condition = self.expression(Kind::Number, depth);
                let bind = self.assignment(depth);
                Form::call("if", vec![condition, self.branch(bind)])
            }
            _ => self.assignment(depth),
        }
    }

    /// A local function that calls itself, and a call of it.
    fn local_loop(&mut self, depth: usize) -> Form {
        let start = self.variables.len();
        let outer = std::mem::replace(&mut self.local, true);
        self.declare(&["k".to_string()]);
        let stop = self.expression(Kind::Number, depth);
        let step = self.expression(Kind::Number, depth.min(1));
        self.variables.truncate(start);
        self.local = outer;
        let next = Form::call("-", vec![Form::atom("k"), Form::atom("1")]);
        let again = Form::call("loop", vec![next]);
        let again =
            if self.random.percent(50) { Form::call("+", vec![step, again]) } else { again };
        let condition = Form::call("<=", vec![Form::atom("k"), Form::atom("0")]);
        let branches = [self.branch(stop), self.branch(again)];
        let [stop, again] = branches;
        let body = Form::quoted(vec![Form::atom("if"), condition, stop, again]);
        let function = Form::call("\\", vec![Form::names(&["k".to_string()]), body]);
        let bound = Form::call("=", vec![Form::names(&["loop".to_string()]), function]);
        let count = Form::atom(self.random.below(8));
        Form::call("do", vec![bound, Form::call("loop", vec![count])])
    }

    /// More operands than an instruction or a frame takes.
    fn wide(&mut self) -> Form {
        let count = *self.random.pick(&[58, 61, 65, 130, 260]);
        let items = self.several(Kind::Number, count, 0);
        // The compiler refuses functions whose parameters do not fit a frame.
        let ways = if count > PARAMETERS_MAX { 3 } else { 4 };
        match self.random.below(ways) {
            0 => Form::call("+", items),
            1 => Form::call("len", vec![Form::call("list", items)]),
            2 => {
                let parts = items.into_iter().map(|item| Form::Prefixed(",", Box::new(item)));
                let template = Form::List(false, parts.collect());
                Form::call("sum", vec![Form::Prefixed("`", Box::new(template))])
            }
            _ => {
                let names: Vec<String> = (0..count).map(|i| format!("p{i}")).collect();
                let last = Form::atom(&names[self.random.below(count)]);
                let body = Form::call("+", vec![Form::atom("p0"), last]);
                let body = body_of(body);
                let mut call = vec![Form::call("\\", vec![Form::names(&names), body])];
                call.extend(items);
                Form::List(false, call)
            }
        }
    }

    fn assignment(&mut self, depth: usize) -> Form {
        let kind = self.kind();
        let value = self.expression(kind, depth);
        let names = if self.local { NAMES } else { &NAMES[..LOCAL_ONLY] };
        let name = (*self.random.pick(names)).to_string();
        self.variables.push(Variable { name: name.clone(), kind });
        Form::call("=", vec![Form::names(&[name]), value])
    }

    /// A branch of `if`, a result of `select`.
    fn branch(&mut self, expression: Form) -> Form {
        match expression {
            Form::List(false, items) if self.random.percent(70) => Form::quoted(items),
            Form::Atom(name) if self.random.percent(40) => {
                Form::quoted(vec![Form::atom("do"), Form::Atom(name)])
            }
            Form::Atom(name) if self.random.percent(10) => Form::quoted(vec![Form::Atom(name)]),
            other => other,
        }
    }

    fn variable(&mut self, kind: Kind) -> Option<Form> {
        let fitting: Vec<usize> = (0..self.variables.len())
            .filter(|at| kind == Kind::Any || self.variables[*at].kind == kind)
            .collect();
        if fitting.is_empty() {
            return None;
        }
        let at = *self.random.pick(&fitting);
        Some(Form::atom(&self.variables[at].name))
    }

    fn expression(&mut self, kind: Kind, depth: usize) -> Form {
        if self.random.percent(2) {
            let other = self.kind();
            return self.fitting(other, depth);
        }
        if self.random.below(200) == 0 {
            return Form::atom("unknown");
        }
        self.fitting(kind, depth)
    }

    fn fitting(&mut self, kind: Kind, depth: usize) -> Form {
        if (depth == 0 || self.random.percent(20))
            && self.random.percent(75)
            && let Some(variable) = self.variable(kind)
        {
            return variable;
        }
        match kind {
            Kind::Number => self.number(depth),
            Kind::List => self.list(depth),
            Kind::Text => self.text(depth),
            Kind::Function(count) => self.function_value(count, depth),
            Kind::Code => {
                let inner = self.expression(Kind::Number, depth.saturating_sub(1));
                body_of(inner)
            }
            Kind::Any => self.any(depth),
        }
    }

    fn any(&mut self, depth: usize) -> Form {
        match self.random.below(12) {
            0 => Form::call("error", vec![Form::atom("\"e\"")]),
            1 => Form::atom(":key"),
            2 => Form::call("quote", vec![Form::atom("sym")]),
            3 => Form::atom("nil"),
            4 => {
                let inner = self.expression(Kind::Any, depth.saturating_sub(1));
                Form::call("error?", vec![inner])
            }
            _ => {
                let kind =
                    [Kind::Number, Kind::List, Kind::Text, Kind::Function(1)][self.random.below(4)];
                self.fitting(kind, depth)
            }
        }
    }

    fn several(&mut self, kind: Kind, count: usize, depth: usize) -> Vec<Form> {
        (0..count).map(|_| self.expression(kind, depth)).collect()
    }

    fn number(&mut self, depth: usize) -> Form {
        if depth == 0 {
            return Form::atom(self.random.pick(NUMBERS));
        }
        if self.random.below(150) == 0 {
            return self.wide();
        }
        let depth = depth - 1;
        match self.random.below(18) {
            0 => Form::atom(self.random.pick(NUMBERS)),
            1..=4 => {
                let name = *self.random.pick(ARITHMETIC);
                Form::call(name, self.several(Kind::Number, 2, depth))
            }
            5 => {
                let name = *self.random.pick(&["+", "*", "-"]);
                let count = 1 + self.random.below(4);
                Form::call(name, self.several(Kind::Number, count, depth))
            }
            6 => {
                let kind = if self.random.percent(70) { Kind::List } else { Kind::Text };
                Form::call("len", vec![self.expression(kind, depth)])
            }
            7 => Form::call("head", vec![self.expression(Kind::List, depth)]),
            8 | 9 => self.choice(Kind::Number, depth),
            10 => {
                let body = self.scoped(depth);
                Form::call("let", vec![body])
            }
            11 => {
                let mut forms = vec![self.statement(depth)];
                forms.push(self.expression(Kind::Number, depth));
                Form::call("do", forms)
            }
            12 | 13 => self.user_call(depth),
            14 => self.fold(depth),
            15 => self.evaluated(depth),
            16 => {
                let name = *self.random.pick(&["and", "or", "not"]);
                let count = if name == "not" { 1 } else { 2 };
                Form::call(name, self.several(Kind::Any, count, depth))
            }
            _ => match self.random.below(3) {
                0 => Form::call("str->num", vec![self.expression(Kind::Text, depth)]),
                1 => Form::call("==", self.several(Kind::Any, 2, depth)),
                _ => Form::call("nil?", vec![self.expression(Kind::List, depth)]),
            },
        }
    }

    fn scoped(&mut self, depth: usize) -> Form {
        let start = self.variables.len();
        let outer = std::mem::replace(&mut self.local, true);
        let body = self.body(depth);
        self.variables.truncate(start);
        self.local = outer;
        body
    }

    fn choice(&mut self, kind: Kind, depth: usize) -> Form {
        let condition = self.expression(Kind::Number, depth);
        let (first, second) = (self.expression(kind, depth), self.expression(kind, depth));
        match self.random.below(4) {
            0 => {
                let clauses = vec![
                    Form::quoted(vec![condition, self.branch(first)]),
                    Form::quoted(vec![Form::atom("otherwise"), self.branch(second)]),
                ];
                Form::call("select", clauses)
            }
            1 if kind == Kind::Number => {
                let key = self.expression(Kind::Number, 0);
                let clauses = vec![
                    condition,
                    Form::quoted(vec![key, Form::atom("1")]),
                    Form::quoted(vec![Form::atom("0"), Form::atom("2")]),
                ];
                Form::call("case", clauses)
            }
            _ => Form::call("if", vec![condition, self.branch(first), self.branch(second)]),
        }
    }

    fn user_call(&mut self, depth: usize) -> Form {
        if self.functions.is_empty() || self.random.percent(30) {
            let count = 1 + self.random.below(2);
            let function = self.expression(Kind::Function(count), depth);
            let mut items = vec![function];
            items.extend(self.several(Kind::Number, count, depth));
            return Form::List(false, items);
        }
        let (name, count) = self.random.pick(&self.functions).clone();
        // The first argument of a recursive function says how often.
        let mut arguments = vec![Form::atom(self.random.below(12))];
        arguments.extend(self.several(Kind::Number, count - 1, depth));
        if self.random.percent(3) {
            arguments.pop();
        }
        Form::call(&name, arguments)
    }

    fn fold(&mut self, depth: usize) -> Form {
        let list = self.expression(Kind::List, depth);
        if self.random.percent(30) {
            return Form::call("sum", vec![list]);
        }
        let function = self.expression(Kind::Function(2), depth);
        let start = self.expression(Kind::Number, depth);
        Form::call("foldl", vec![function, start, list])
    }

    /// Code as data that is evaluated after all.
    fn evaluated(&mut self, depth: usize) -> Form {
        match self.random.below(4) {
            0 => Form::call("eval", vec![self.expression(Kind::Code, depth)]),
            1 => {
                let mut items = vec![Form::atom(self.random.pick(ARITHMETIC))];
                items.extend(self.several(Kind::Number, 2, depth));
                Form::call("eval", vec![Form::call("list", items)])
            }
            2 => {
                let items = self.several(Kind::Number, 2, depth);
                Form::call("unpack", vec![Form::atom("+"), Form::call("list", items)])
            }
            _ => {
                let code = self.expression(Kind::Code, depth);
                Form::call("let", vec![code])
            }
        }
    }

    fn list(&mut self, depth: usize) -> Form {
        if depth == 0 {
            return Form::atom(self.random.pick(&["nil", "{1 2 3}", "{}", "(range 0 4)", "'x"]));
        }
        let depth = depth - 1;
        match self.random.below(16) {
            0 => {
                let count = self.random.below(4);
                Form::quoted(self.several(Kind::Number, count, 0))
            }
            1..=3 => {
                let count = self.random.below(4);
                Form::call("list", self.several(Kind::Number, count, depth))
            }
            4 => {
                let head = self.expression(Kind::Number, depth);
                Form::call("cons", vec![head, self.expression(Kind::List, depth)])
            }
            5 => {
                let count = 1 + self.random.below(3);
                Form::call("join", self.several(Kind::List, count, depth))
            }
            6 => {
                let name = *self.random.pick(&["tail", "init", "reverse"]);
                Form::call(name, vec![self.expression(Kind::List, depth)])
            }
            7 => {
                let to = Form::atom(self.random.below(6));
                Form::call("range", vec![Form::atom("0"), to])
            }
            8 | 9 => {
                let name = *self.random.pick(&["map", "filter"]);
                let function = self.expression(Kind::Function(1), depth);
                // These functions of the prelude promise nothing for what is no list.
                let items = self.several(Kind::Number, 3, depth);
                Form::call(name, vec![function, Form::call("list", items)])
            }
            10 | 11 => self.template(depth),
            12 => self.choice(Kind::List, depth),
            13 => {
                let text = self.expression(Kind::Text, depth);
                Form::call("str/split", vec![text, Form::atom("\",\"")])
            }
            14 => Form::call("list", self.several(Kind::Any, 2, depth)),
            _ => {
                let name = *self.random.pick(&["take", "drop"]);
                let count = Form::atom(self.random.below(3));
                let items = self.several(Kind::Number, 3, depth);
                Form::call(name, vec![count, Form::call("list", items)])
            }
        }
    }

    fn template(&mut self, depth: usize) -> Form {
        let mut items = Vec::new();
        for _ in 0..self.random.below(4) {
            items.push(match self.random.below(5) {
                0 => Form::atom(self.random.pick(&["a", "sym", "1", "\"t\""])),
                1 => {
                    let list = self.expression(Kind::List, depth);
                    Form::Prefixed(",@", Box::new(list))
                }
                2 if depth > 0 => {
                    let quoted = self.random.percent(50);
                    let inner = self.expression(Kind::Number, depth - 1);
                    Form::List(quoted, vec![Form::Prefixed(",", Box::new(inner))])
                }
                _ => {
                    let value = self.expression(Kind::Any, depth);
                    Form::Prefixed(",", Box::new(value))
                }
            });
        }
        let quoted = self.random.percent(50);
        Form::Prefixed("`", Box::new(Form::List(quoted, items)))
    }

    fn text(&mut self, depth: usize) -> Form {
        if depth == 0 {
            return Form::atom(self.random.pick(TEXTS));
        }
        let depth = depth - 1;
        match self.random.below(6) {
            0 => {
                let count = self.random.below(4);
                Form::call("str", self.several(Kind::Any, count, depth))
            }
            1 => {
                let text = self.expression(Kind::Text, depth);
                let (from, to) = (self.random.below(3), self.random.below(5));
                Form::call("str/slice", vec![text, Form::atom(from), Form::atom(to)])
            }
            2 => {
                let text = self.expression(Kind::Text, depth);
                Form::call("str/replace", vec![text, Form::atom("\"a\""), Form::atom("\"bb\"")])
            }
            3 => {
                let count = Form::atom(self.random.below(5));
                Form::call("make-string", vec![count, self.expression(Kind::Text, depth)])
            }
            4 => self.choice(Kind::Text, depth),
            _ => Form::atom(self.random.pick(TEXTS)),
        }
    }

    fn function_value(&mut self, count: usize, depth: usize) -> Form {
        if depth == 0 {
            let known = if count == 1 { ["not", "id", "-"] } else { ["+", "*", "list"] };
            return Form::atom(self.random.pick(&known));
        }
        if count == 1 && self.random.percent(25) {
            let inner = self.fitting(Kind::Function(2), depth - 1);
            // Builtins that are not curried would answer with an error.
            if !matches!(inner, Form::Atom(_)) {
                return Form::List(false, vec![inner, self.expression(Kind::Number, depth - 1)]);
            }
        }
        let start = self.variables.len();
        let outer = std::mem::replace(&mut self.local, true);
        let mut parameters: Vec<String> = Vec::new();
        while parameters.len() < count {
            let name = (*self.random.pick(NAMES)).to_string();
            if !parameters.contains(&name) {
                parameters.push(name);
            }
        }
        self.declare(&parameters);
        if self.random.percent(15) {
            parameters.extend(["&".to_string(), "rest".to_string()]);
            self.variables.push(Variable { name: "rest".to_string(), kind: Kind::List });
        }
        let body = self.body(depth - 1);
        self.variables.truncate(start);
        self.local = outer;
        Form::call("\\", vec![Form::names(&parameters), body])
    }
}

/// A body of one expression.
fn body_of(expression: Form) -> Form {
    match expression {
        Form::List(false, items) if matches!(items.first(), Some(Form::Atom(_))) => {
            Form::quoted(items)
        }
        other => Form::quoted(vec![Form::atom("do"), other]),
    }
}
