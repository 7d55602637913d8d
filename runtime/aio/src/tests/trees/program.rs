//! Programs over handles: what they are made of, how they are drawn from a seed, and their text.
//!
//! 1. Every handle that a program makes has a name, `h0`, `h1`, …, a global variable; what uses a
//!    handle names it. So one statement calls one builtin.
//! 2. A statement uses a name as the input of another operation only if it surely has a handle by
//!    then. Cancelling and awaiting may also meet names that have none yet.
//! 3. A program ends by itself: intervals stop, attempts are limited, and nothing recurs.
//!
//! Does not know what any of it does.

use std::collections::HashSet;
use std::fmt::Write;

/// The number of a handle's variable.
pub type Name = usize;

/// Longest duration, in milliseconds. So many that two timers are hardly ever due at once.
const DURATION_MAX: u64 = 30_000_000;

/// How deep functions lie in functions.
const DEPTH_MAX: usize = 4;

/// `SplitMix64`: a seed gives one sequence of choices everywhere.
pub struct Choices(u64);

impl Choices {
    pub fn new(seed: u64) -> Choices {
        Choices(seed)
    }

    pub fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// A number below `limit`.
    pub fn below(&mut self, limit: usize) -> usize {
        (self.next() % limit as u64) as usize
    }

    /// True once in so many.
    pub fn one_in(&mut self, many: usize) -> bool {
        self.below(many) == 0
    }

    fn duration(&mut self) -> u64 {
        1 + self.next() % DURATION_MAX
    }
}

/// What a function gives.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Answer {
    Number(i64),
    Error(usize),
    Handle(Name),
    /// `:stop` from the so-many-th call on, the count before that.
    StopAfter(usize, i64),
}

/// A value that a program settles a handle with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Payload {
    Number(i64),
    Error(usize),
    Handle(Name),
}

/// A function: it prints its number and its argument, does its statements, and gives its answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Body {
    pub number: usize,
    /// It has one parameter, or none.
    pub has_parameter: bool,
    pub statements: Vec<Statement>,
    pub answer: Answer,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Statement {
    Define(Name, Expression),
    Cancel(Name),
    Await(Name),
    Deliver(Name, Payload),
    OnCancel(Name, Body),
    /// Of `aio/do`: waits for the handle and binds its value to a variable.
    Bind(Name),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ChainKind {
    Then,
    Catch,
    Finally,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum GroupKind {
    All,
    Race,
    Any,
    AllSettled,
}

/// A call of a builtin that gives a handle.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Expression {
    Pure(Payload),
    Fail(Payload),
    Promise,
    Never,
    Sleep(u64),
    Schedule(u64, Body),
    Interval(u64, Body),
    Chain(ChainKind, Name, Body),
    Group(GroupKind, Vec<Name>),
    Within(Name, u64),
    Retry {
        attempts: u64,
        base: u64,
        is_constant: bool,
        body: Body,
    },
    Traverse(usize, Body),
    Bracket {
        acquire: Name,
        release: Body,
        use_: Body,
    },
    Scope(Body),
    Do(Body),
    /// Groups of bindings, and the body.
    Let(Vec<Vec<(Name, Expression)>>, Body),
}

/// A whole program.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Program {
    pub statements: Vec<Statement>,
    /// Handles that it has names for.
    pub names: usize,
    /// Functions that it has.
    pub bodies: usize,
}

struct Generator {
    choices: Choices,
    names: usize,
    bodies: usize,
    /// Handles that may still be made.
    left: usize,
    /// Promises among the names.
    promises: Vec<Name>,
    /// Names of the outermost statements.
    outer: Vec<Name>,
}

/// A program of about `size` handles.
pub fn program(seed: u64, size: usize) -> Program {
    let mut generator = Generator {
        choices: Choices::new(seed),
        names: 0,
        bodies: 0,
        left: size,
        promises: Vec::new(),
        outer: Vec::new(),
    };
    let mut statements = Vec::new();
    while generator.left > size / 4 {
        let visible = generator.outer.clone();
        let statement = generator.statement(&visible, 0, false);
        if let Statement::Define(name, _) = statement {
            generator.outer.push(name);
        }
        statements.push(statement);
    }
    // What happens to all of them, at times of its own.
    while generator.left > 0 {
        let visible = generator.outer.clone();
        generator.left -= 1;
        let time = generator.choices.duration();
        let body = generator.body(&visible, 1, false, true);
        let name = generator.name();
        statements.push(Statement::Define(name, Expression::Schedule(time, body)));
    }
    Program { statements, names: generator.names, bodies: generator.bodies }
}

impl Generator {
    fn name(&mut self) -> Name {
        self.names += 1;
        self.names - 1
    }

    fn one_of(&mut self, names: &[Name]) -> Name {
        // The latest more often, so that trees grow deep as well as wide.
        if self.choices.one_in(2) && names.len() > 4 {
            names[names.len() - 1 - self.choices.below(4)]
        } else {
            names[self.choices.below(names.len())]
        }
    }

    /// A statement; one of a fiber that `waits` may wait.
    fn statement(&mut self, visible: &[Name], depth: usize, waits: bool) -> Statement {
        let choice = if visible.is_empty() { 99 } else { self.choices.below(100) };
        let any = |this: &mut Self| match this.outer.is_empty() {
            true => this.one_of(visible),
            false if this.choices.one_in(2) => this.one_of(&this.outer.clone()),
            false => this.one_of(visible),
        };
        match choice {
            0..10 => Statement::Cancel(any(self)),
            10..20 if waits => Statement::Await(any(self)),
            20..30 if !self.promises.is_empty() => {
                let promises = self.promises.clone();
                let promise = promises[self.choices.below(promises.len())];
                Statement::Deliver(promise, self.payload(visible, true))
            }
            30..38 => {
                let name = self.one_of(visible);
                Statement::OnCancel(name, self.body(visible, depth + 1, false, false))
            }
            _ => {
                let expression = self.expression(visible, depth, waits);
                let name = self.name();
                if expression == Expression::Promise && depth == 0 {
                    self.promises.push(name);
                }
                Statement::Define(name, expression)
            }
        }
    }

    fn payload(&mut self, visible: &[Name], may_fail: bool) -> Payload {
        match self.choices.below(8) {
            0 if may_fail => Payload::Error(self.choices.below(1000)),
            1 if !visible.is_empty() => Payload::Handle(self.one_of(visible)),
            _ => Payload::Number(self.choices.below(1000) as i64),
        }
    }

    fn body(&mut self, visible: &[Name], depth: usize, has_parameter: bool, waits: bool) -> Body {
        self.bodies += 1;
        let number = self.bodies - 1;
        let mut visible = visible.to_vec();
        let mut statements = Vec::new();
        let many = if depth > DEPTH_MAX { 0 } else { self.choices.below(4) };
        for _ in 0..many {
            let statement = self.statement(&visible, depth, waits);
            if let Statement::Define(name, _) = statement {
                visible.push(name);
            }
            statements.push(statement);
        }
        let answer = match self.choices.below(10) {
            0 | 1 => Answer::Error(self.choices.below(1000)),
            2..6 if !visible.is_empty() => Answer::Handle(self.one_of(&visible)),
            _ => Answer::Number(self.choices.below(1000) as i64),
        };
        Body { number, has_parameter, statements, answer }
    }

    /// A body that gives a handle whenever it can.
    fn handle_body(&mut self, visible: &[Name], depth: usize, waits: bool) -> Body {
        let mut body = self.body(visible, depth, true, waits);
        let name = self.name();
        let expression = match self.choices.below(3) {
            0 => Expression::Fail(Payload::Error(self.choices.below(1000))),
            1 => Expression::Sleep(self.choices.duration()),
            _ => Expression::Pure(Payload::Number(self.choices.below(1000) as i64)),
        };
        if !matches!(body.answer, Answer::Handle(_)) {
            body.statements.push(Statement::Define(name, expression));
            body.answer = Answer::Handle(name);
        }
        body
    }

    /// The body of `aio/do`: some of its statements bind.
    fn do_body(&mut self, visible: &[Name], depth: usize) -> Body {
        let mut body = self.body(visible, depth, false, true);
        let mut known = visible.to_vec();
        let mut statements = Vec::new();
        for statement in body.statements {
            if let Statement::Define(name, _) = statement {
                known.push(name);
            }
            statements.push(statement);
            if !known.is_empty() && self.choices.one_in(2) {
                statements.push(Statement::Bind(self.one_of(&known)));
            }
        }
        body.statements = statements;
        body
    }

    fn expression(&mut self, visible: &[Name], depth: usize, waits: bool) -> Expression {
        self.left = self.left.saturating_sub(1);
        let choice =
            if visible.is_empty() { self.choices.below(20) } else { self.choices.below(100) };
        match choice {
            0..4 => Expression::Pure(self.payload(visible, false)),
            4..8 => Expression::Fail(self.payload(visible, true)),
            8..16 => Expression::Sleep(self.choices.duration()),
            16..19 => Expression::Promise,
            19 => Expression::Never,
            20..24 => {
                let time = self.choices.duration();
                Expression::Schedule(time, self.body(visible, depth + 1, false, true))
            }
            24..26 => {
                let time = self.choices.duration();
                let mut body = self.body(visible, depth + 1, false, false);
                body.answer = Answer::StopAfter(body.number, 1 + self.choices.below(4) as i64);
                Expression::Interval(time, body)
            }
            26..50 => {
                let kind = [ChainKind::Then, ChainKind::Catch, ChainKind::Finally];
                let kind = kind[self.choices.below(3)];
                let source = self.one_of(visible);
                let has_parameter = kind != ChainKind::Finally;
                Expression::Chain(kind, source, self.body(visible, depth + 1, has_parameter, true))
            }
            50..68 => {
                let kinds =
                    [GroupKind::All, GroupKind::Race, GroupKind::Any, GroupKind::AllSettled];
                let kind = kinds[self.choices.below(4)];
                let can_be_empty = matches!(kind, GroupKind::All | GroupKind::AllSettled);
                let many = self.choices.below(6) + usize::from(!can_be_empty);
                Expression::Group(kind, (0..many).map(|_| self.one_of(visible)).collect())
            }
            68..76 => Expression::Within(self.one_of(visible), self.choices.duration()),
            76..80 => Expression::Retry {
                attempts: 1 + self.choices.below(4) as u64,
                base: 1 + self.choices.next() % 20_000,
                is_constant: self.choices.one_in(2),
                body: self.body(visible, depth + 1, false, true),
            },
            80..84 => {
                let many = self.choices.below(4);
                Expression::Traverse(many, self.handle_body(visible, depth + 1, waits))
            }
            84..90 => Expression::Bracket {
                acquire: self.one_of(visible),
                release: self.body(visible, depth + 1, true, true),
                use_: self.body(visible, depth + 1, true, true),
            },
            90..93 => Expression::Scope(self.body(visible, depth + 1, true, true)),
            93..97 => Expression::Do(self.do_body(visible, depth + 1)),
            _ => {
                let groups = 1 + self.choices.below(3);
                let groups = (0..groups).map(|_| self.bindings(visible, depth)).collect();
                Expression::Let(groups, self.body(visible, depth + 1, false, true))
            }
        }
    }

    fn bindings(&mut self, visible: &[Name], depth: usize) -> Vec<(Name, Expression)> {
        let many = 1 + self.choices.below(3);
        let binding = |this: &mut Self| {
            let expression = this.expression(visible, depth + 1, true);
            (this.name(), expression)
        };
        (0..many).map(|_| binding(self)).collect()
    }
}

/// The program as text. Its last form waits until nothing more happens.
pub fn text(program: &Program, end_ms: u64) -> String {
    let statements: Vec<String> =
        program.statements.iter().map(|statement| statement_text(statement, "")).collect();
    let statements = statements.join("\n");
    let used: HashSet<&str> = statements.split([' ', '(', ')', '{', '}', '\n']).collect();
    let mut text = String::from("(def {sys} (aio/await (aio/start)))\n");
    let names = (0..program.names).map(|name| (format!("h{name}"), "()"));
    let counts = (0..program.bodies).map(|body| (format!("k{body}"), "0"));
    for (name, value) in names.chain(counts) {
        if used.contains(name.as_str()) {
            let _ = write!(text, "(def {{{name}}} {value}) ");
        }
    }
    let _ = write!(text, "\n{statements}\n(aio/await (aio/sleep sys {end_ms}))\n");
    text
}

/// A statement, which shows `variables` if it binds one more.
fn statement_text(statement: &Statement, variables: &str) -> String {
    match statement {
        Statement::Define(name, expression) => {
            format!("(def {{h{name}}} {})", expression_text(expression))
        }
        Statement::Cancel(name) => format!("(print \"cancel\" {name} (aio/cancel h{name}))"),
        Statement::Await(name) => format!("(print \"await\" {name} (aio/await h{name}))"),
        Statement::Deliver(name, payload) => {
            let payload = payload_text(*payload);
            format!("(print \"deliver\" {name} (promise/deliver h{name} {payload}))")
        }
        Statement::OnCancel(name, body) => format!("(aio/on-cancel h{name} {})", body_text(body)),
        Statement::Bind(name) => {
            format!("(v{name} <- h{name}) (print \"bind\" {name} {variables})")
        }
    }
}

fn statements_text(statements: &[Statement]) -> String {
    let mut text = String::new();
    let mut variables = String::new();
    for statement in statements {
        if let Statement::Bind(name) = statement {
            let _ = write!(variables, "v{name} ");
        }
        text.push_str(&statement_text(statement, &variables));
        text.push(' ');
    }
    text
}

fn payload_text(payload: Payload) -> String {
    match payload {
        Payload::Number(number) => number.to_string(),
        Payload::Error(number) => format!("(error \"e{number}\")"),
        Payload::Handle(name) => format!("h{name}"),
    }
}

fn answer_text(answer: &Answer) -> String {
    match answer {
        Answer::Number(number) => number.to_string(),
        Answer::Error(number) => format!("(error \"e{number}\")"),
        Answer::Handle(name) => format!("h{name}"),
        Answer::StopAfter(body, times) => {
            format!(
                "(def {{k{body}}} (+ k{body} 1)) (if (>= k{body} {times}) {{:stop}} {{k{body}}})"
            )
        }
    }
}

/// What a body does, as statements.
fn inner_text(body: &Body, shown: &str) -> String {
    let statements = statements_text(&body.statements);
    format!("(print \"f\" {}{shown}) {statements}{}", body.number, answer_text(&body.answer))
}

fn body_text(body: &Body) -> String {
    if body.has_parameter {
        format!("(\\ {{x}} {{do {}}})", inner_text(body, " x"))
    } else {
        format!("(\\ {{}} {{do {}}})", inner_text(body, ""))
    }
}

fn names_text(names: &[Name]) -> String {
    let words: Vec<String> = names.iter().map(|name| format!(" h{name}")).collect();
    words.concat()
}

fn expression_text(expression: &Expression) -> String {
    match expression {
        Expression::Pure(payload) => format!("(aio/pure {})", payload_text(*payload)),
        Expression::Fail(payload) => format!("(aio/fail {})", payload_text(*payload)),
        Expression::Promise => "(promise)".to_string(),
        Expression::Never => "(aio/never sys)".to_string(),
        Expression::Sleep(time) => format!("(aio/sleep sys {time})"),
        Expression::Schedule(time, body) => {
            format!("(aio/schedule sys {time} {})", body_text(body))
        }
        Expression::Interval(time, body) => {
            format!("(aio/interval sys {time} {})", body_text(body))
        }
        Expression::Chain(kind, source, body) => {
            let name = match kind {
                ChainKind::Then => "then",
                ChainKind::Catch => "catch",
                ChainKind::Finally => "finally",
            };
            format!("(aio/{name} h{source} {})", body_text(body))
        }
        Expression::Group(kind, inputs) => {
            let name = match kind {
                GroupKind::All => "all",
                GroupKind::Race => "race",
                GroupKind::Any => "any",
                GroupKind::AllSettled => "all-settled",
            };
            format!("(aio/{name} (list{}))", names_text(inputs))
        }
        Expression::Within(source, time) => format!("(aio/within h{source} {time})"),
        Expression::Retry { attempts, base, is_constant, body } => {
            let backoff = if *is_constant { ":none" } else { ":exponential" };
            let body = body_text(body);
            format!(
                "(aio/retry sys {body} {{:max-attempts {attempts} :base-ms {base} :backoff {backoff}}})"
            )
        }
        Expression::Traverse(many, body) => {
            format!("(aio/traverse (range 0 {many}) {})", body_text(body))
        }
        Expression::Bracket { acquire, release, use_ } => {
            format!("(aio/bracket h{acquire} {} {})", body_text(release), body_text(use_))
        }
        Expression::Scope(body) => format!("(aio/scope {})", body_text(body)),
        Expression::Do(body) => format!("(aio/do {{{}}})", inner_text(body, "")),
        Expression::Let(groups, body) => let_text(groups, body),
    }
}

fn let_text(groups: &[Vec<(Name, Expression)>], body: &Body) -> String {
    let mut variables = String::new();
    let mut bindings = String::new();
    for (number, group) in groups.iter().enumerate() {
        if number > 0 {
            bindings.push_str(" :then ");
        }
        for (place, (name, expression)) in group.iter().enumerate() {
            let expression = expression_text(expression);
            let shown = if place == 0 {
                format!("(print \"let\" {name}{variables}) ")
            } else {
                String::new()
            };
            let _ =
                write!(bindings, "(v{name} (do {shown}(def {{h{name}}} {expression}) h{name}))");
        }
        for (name, _) in group {
            let _ = write!(variables, " v{name}");
        }
    }
    format!("(aio/let {{({bindings})}} {{(do {})}})", inner_text(body, &variables))
}

/// Programs with a little less in them.
pub fn smaller(program: &Program) -> Vec<Program> {
    let mut all = Vec::new();
    for place in 0..program.statements.len() {
        let mut statements = program.statements.clone();
        match &statements[place] {
            Statement::Define(name, Expression::Pure(Payload::Number(0))) => {
                let name = *name;
                statements.remove(place);
                let text: String =
                    statements.iter().map(|other| statement_text(other, "")).collect();
                let is_used =
                    [" ", ")", "}"].iter().any(|end| text.contains(&format!("h{name}{end}")));
                if !is_used {
                    all.push(Program { statements, ..*program });
                }
            }
            Statement::Define(name, _) => {
                let name = *name;
                for expression in [Expression::Pure(Payload::Number(0)), Expression::Never] {
                    let is_new = statements[place] != Statement::Define(name, Expression::Never);
                    statements[place] = Statement::Define(name, expression);
                    if is_new {
                        all.push(Program { statements: statements.clone(), ..*program });
                    }
                }
            }
            Statement::Bind(_) => {}
            _ => {
                statements.remove(place);
                all.push(Program { statements, ..*program });
            }
        }
    }
    for place in 0..program.statements.len() {
        for bodies in smaller_bodies(&program.statements[place]) {
            let mut statements = program.statements.clone();
            statements[place] = bodies;
            all.push(Program { statements, ..*program });
        }
    }
    all
}

/// The same statement with one statement less in one of its functions.
fn smaller_bodies(statement: &Statement) -> Vec<Statement> {
    let mut all = Vec::new();
    let mut count = 0;
    loop {
        let mut copy = statement.clone();
        let mut place = count;
        if !leave_out(&mut copy, &mut place) {
            return all;
        }
        all.push(copy);
        count += 1;
    }
}

/// Leaves out the `place`-th inner statement that nothing else needs.
fn leave_out(statement: &mut Statement, place: &mut usize) -> bool {
    match statement {
        Statement::OnCancel(_, body) => leave_out_of(body, place),
        Statement::Define(_, expression) => match expression {
            Expression::Schedule(_, body)
            | Expression::Interval(_, body)
            | Expression::Chain(_, _, body)
            | Expression::Retry { body, .. }
            | Expression::Traverse(_, body)
            | Expression::Scope(body)
            | Expression::Do(body) => leave_out_of(body, place),
            Expression::Bracket { release, use_, .. } => {
                leave_out_of(release, place) || leave_out_of(use_, place)
            }
            Expression::Let(groups, body) => {
                groups.iter_mut().flatten().any(|(name, expression)| {
                    let mut inner = Statement::Define(*name, expression.clone());
                    let is_done = leave_out(&mut inner, place);
                    if let (true, Statement::Define(_, smaller)) = (is_done, inner) {
                        *expression = smaller;
                    }
                    is_done
                }) || leave_out_of(body, place)
            }
            _ => false,
        },
        _ => false,
    }
}

fn leave_out_of(body: &mut Body, place: &mut usize) -> bool {
    for at in 0..body.statements.len() {
        match &body.statements[at] {
            Statement::Define(_, Expression::Pure(Payload::Number(0))) => {}
            Statement::Define(name, _) => {
                let name = *name;
                if *place == 0 {
                    let least = Expression::Pure(Payload::Number(0));
                    body.statements[at] = Statement::Define(name, least);
                    return true;
                }
                *place -= 1;
            }
            _ => {
                if *place == 0 {
                    body.statements.remove(at);
                    return true;
                }
                *place -= 1;
            }
        }
        if leave_out(&mut body.statements[at], place) {
            return true;
        }
    }
    false
}
