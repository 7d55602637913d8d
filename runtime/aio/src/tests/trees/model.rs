//! What handles and combinators are to do, one after another and without a heap, a VM or threads.
//!
//! 1. An operation ends once. Its waiters are told in the order in which they began to wait, each
//!    by an event; events are processed in the order in which they were caused.
//! 2. Functions that a step has caused to be called run before that step is over, each to its end
//!    or to where it waits, in the order in which they were caused.
//! 3. Cancelling goes downward: the operation ends, then what only it observed does.
//! 4. Of timers that are due at once the one that was started first fires first.
//!
//! Is written from the rules of the language, not from the code that it judges.

use super::program::{
    Answer, Body, ChainKind, Expression, GroupKind, Name, Payload, Program, Statement,
};
use std::collections::{BTreeMap, HashMap, VecDeque};
use std::fmt::Write;
use std::rc::Rc;

type Id = usize;

/// When a timer fires, and its number.
type Due = (u64, u64);

/// Longest pause of a retry, in milliseconds.
const PAUSE_MAX_MS: u64 = 30_000;

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Item {
    Nil,
    Number(i64),
    Error(String),
    Handle(Id),
    List(Vec<Item>),
    /// An entry of all-settled: it went well, and its value or error.
    Entry(bool, Box<Item>),
    Keyword(&'static str),
}

impl Item {
    pub fn text(&self) -> String {
        match self {
            Item::Nil => "()".to_string(),
            Item::Number(number) => number.to_string(),
            Item::Error(message) => format!("Error: {message}"),
            Item::Handle(_) => "<handle>".to_string(),
            Item::List(items) if items.is_empty() => "()".to_string(),
            Item::List(items) => {
                let items: Vec<String> = items.iter().map(Item::text).collect();
                format!("{{{}}}", items.join(" "))
            }
            Item::Entry(true, item) => format!("{{:status :ok :value {}}}", item.text()),
            Item::Entry(false, item) => format!("{{:status :error :error {}}}", item.text()),
            Item::Keyword(name) => (*name).to_string(),
        }
    }
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum End {
    Completed(Item),
    /// A failure may be without a value.
    Failed(Option<Item>),
    Cancelled,
}

impl End {
    fn of(item: Item) -> End {
        if let Item::Error(_) = item { End::Failed(Some(item)) } else { End::Completed(item) }
    }

    /// What awaiting gives.
    fn awaited(&self) -> Item {
        match self {
            End::Completed(item) | End::Failed(Some(item)) => item.clone(),
            End::Failed(None) => Item::Error("async operation failed".to_string()),
            End::Cancelled => Item::Error("async operation cancelled".to_string()),
        }
    }
}

/// One step of a function.
#[derive(Debug)]
enum Step {
    Show(Vec<String>, Shown),
    Make(Name, Expression),
    Cancel(Name),
    Await(Name),
    Deliver(Name, Payload),
    OnCancel(Name, Function),
    /// Goes on with the rest when this handle has completed.
    Bind(Name),
    /// The same for several.
    BindAll(Vec<Name>),
    Answer(Answer),
    /// Gives this handle.
    Give(Id),
}

/// What a line shows behind its words.
#[derive(Debug)]
enum Shown {
    Nothing,
    Parameter,
    /// What the step before gave.
    Given,
    Variables(Vec<Name>),
}

#[derive(Clone, Debug)]
struct Function {
    steps: Rc<Vec<Step>>,
    from: usize,
    variables: HashMap<Name, Item>,
    /// Names of its parameters; none for `x`.
    binds: Vec<Name>,
}

#[derive(Debug)]
struct Frame {
    function: Function,
    parameter: Item,
    given: Item,
    /// Of a traversal: the function, elements left, values so far.
    traversal: Option<(Name, Function, usize, usize, Vec<Item>)>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Target {
    Program,
    Node(Id),
    Cleanup,
}

#[derive(Debug)]
struct Fiber {
    frames: Vec<Frame>,
    target: Target,
}

#[derive(Debug)]
enum Waiter {
    Fiber(Fiber),
    Input(Id, usize),
}

#[derive(Clone, Debug)]
struct Input {
    id: Id,
    token: Option<u64>,
}

#[derive(Debug)]
enum Retry {
    Calling,
    Attempt(Input),
    Pause(Due),
}

#[derive(Debug)]
enum Stage {
    Acquiring(Input),
    Calling(Item),
    Using(Item, Input),
}

#[derive(Debug)]
enum Kind {
    Promise,
    /// When it is due, its function, its period.
    Timer(Option<Due>, Option<Function>, Option<u64>),
    Chain {
        kind: Chained,
        source: Input,
        function: Function,
    },
    Function,
    Adopt(Input),
    Group {
        kind: GroupKind,
        inputs: Vec<Input>,
        left: usize,
        failure: Option<Item>,
    },
    Within(Input, Due),
    Retry {
        function: Function,
        attempts: u64,
        base: u64,
        is_constant: bool,
        begun: u64,
        at: Retry,
    },
    Bracket {
        release: Function,
        use_: Function,
        stage: Stage,
    },
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Chained {
    Then,
    Spread,
    Catch,
    Finally,
}

#[derive(Debug)]
struct Node {
    end: Option<End>,
    kind: Option<Kind>,
    waiters: Vec<(u64, Waiter)>,
    on_cancel: Vec<Function>,
    awaiting: Option<Input>,
    is_promise: bool,
}

#[derive(Debug)]
enum Event {
    Input(Id, usize),
    Resume(Fiber, Item),
}

#[derive(Debug)]
struct Call {
    function: Function,
    arguments: Vec<Item>,
    target: Target,
}

/// Why a program has no outcome.
#[derive(Debug, PartialEq, Eq)]
pub enum Undecided {
    /// It has not ended after so many steps or that time.
    TooLong,
}

#[derive(Default)]
pub struct Model {
    nodes: Vec<Node>,
    names: Vec<Option<Id>>,
    counts: HashMap<usize, i64>,
    inbox: VecDeque<Event>,
    is_cancelling: bool,
    ended_inputs: VecDeque<(Id, usize)>,
    urgent: VecDeque<Call>,
    interrupted: Vec<(Fiber, Item)>,
    timers: BTreeMap<Due, Id>,
    timers_started: u64,
    now: u64,
    tokens: u64,
    steps: usize,
    pub output: String,
}

/// What is known of a handle in the end.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct State {
    /// Its end; none while it runs.
    pub end: Option<Result<String, Option<String>>>,
    pub is_cancelled: bool,
    pub waiters: usize,
}

fn call_text(end: Option<&End>) -> (Option<Result<String, Option<String>>>, bool) {
    match end {
        None => (None, false),
        Some(End::Completed(item)) => (Some(Ok(item.text())), false),
        Some(End::Failed(item)) => (Some(Err(item.as_ref().map(Item::text))), false),
        Some(End::Cancelled) => (None, true),
    }
}

fn compile(body: &Body, variables: &mut Vec<Name>) -> Vec<Step> {
    let mut steps = Vec::new();
    for statement in &body.statements {
        compile_statement(statement, variables, &mut steps);
    }
    steps.push(Step::Answer(body.answer.clone()));
    steps
}

fn compile_statement(statement: &Statement, variables: &mut Vec<Name>, steps: &mut Vec<Step>) {
    let words = |word: &str, name: &Name| vec![word.to_string(), name.to_string()];
    match statement {
        Statement::Define(name, expression) => steps.push(Step::Make(*name, expression.clone())),
        Statement::Cancel(name) => {
            steps.push(Step::Cancel(*name));
            steps.push(Step::Show(words("cancel", name), Shown::Given));
        }
        Statement::Await(name) => {
            steps.push(Step::Await(*name));
            steps.push(Step::Show(words("await", name), Shown::Given));
        }
        Statement::Deliver(name, payload) => {
            steps.push(Step::Deliver(*name, *payload));
            steps.push(Step::Show(words("deliver", name), Shown::Given));
        }
        Statement::OnCancel(name, body) => steps.push(Step::OnCancel(*name, function(body))),
        Statement::Bind(name) => {
            steps.push(Step::Bind(*name));
            variables.push(*name);
            steps.push(Step::Show(words("bind", name), Shown::Variables(variables.clone())));
        }
    }
}

fn function(body: &Body) -> Function {
    let shown = if body.has_parameter { Shown::Parameter } else { Shown::Nothing };
    let mut steps = vec![Step::Show(vec!["f".to_string(), body.number.to_string()], shown)];
    steps.extend(compile(body, &mut Vec::new()));
    Function { steps: Rc::new(steps), from: 0, variables: HashMap::new(), binds: Vec::new() }
}

fn let_function(groups: &[Vec<(Name, Expression)>], body: &Body) -> Function {
    let mut variables = Vec::new();
    let mut steps = Vec::new();
    for group in groups {
        for (place, (name, expression)) in group.iter().enumerate() {
            if place == 0 {
                let words = vec!["let".to_string(), name.to_string()];
                steps.push(Step::Show(words, Shown::Variables(variables.clone())));
            }
            steps.push(Step::Make(*name, expression.clone()));
        }
        let names: Vec<Name> = group.iter().map(|(name, _)| *name).collect();
        steps.push(Step::BindAll(names.clone()));
        variables.extend(names);
    }
    let words = vec!["f".to_string(), body.number.to_string()];
    steps.push(Step::Show(words, Shown::Variables(variables)));
    steps.extend(compile(body, &mut Vec::new()));
    Function { steps: Rc::new(steps), from: 0, variables: HashMap::new(), binds: Vec::new() }
}

impl Model {
    /// Runs a program until nothing more happens before `end_ms`.
    ///
    /// # Errors
    /// When the program has no outcome.
    pub fn run(program: &Program, end_ms: u64) -> Result<Model, Undecided> {
        let mut model = Model { names: vec![None; program.names], ..Model::default() };
        // Each statement of the program is a fiber of its own, as each form of a file is.
        for statement in &program.statements {
            let mut steps = Vec::new();
            compile_statement(statement, &mut Vec::new(), &mut steps);
            steps.push(Step::Answer(Answer::Number(0)));
            let function = Function {
                steps: Rc::new(steps),
                from: 0,
                variables: HashMap::new(),
                binds: Vec::new(),
            };
            let fiber = Model::fiber(&function, &[], Target::Program);
            model.go_on(fiber, Item::Nil);
            model.settle_urgent();
        }
        loop {
            while let Some(event) = model.inbox.pop_front() {
                model.perform(event);
                model.settle_urgent();
                if model.steps > 200_000 {
                    return Err(Undecided::TooLong);
                }
            }
            let Some((&(due, _), _)) = model.timers.first_key_value() else { break };
            if due >= end_ms {
                return Err(Undecided::TooLong);
            }
            model.now = due;
            // All that are due, and then what that has caused.
            while let Some(first) = model.timers.first_entry().filter(|first| first.key().0 == due)
            {
                let ((_, number), id) = first.remove_entry();
                model.timer_fired(id, number);
                model.settle_urgent();
            }
        }
        Ok(model)
    }

    /// Operations of the system that have not ended.
    pub fn endless_timers(&self) -> usize {
        let is_endless =
            |node: &&Node| matches!(node.kind, Some(Kind::Timer(..) | Kind::Retry { .. }));
        self.nodes.iter().filter(is_endless).count()
    }

    /// What is known of each handle that has a name.
    pub fn states(&self) -> Vec<Option<State>> {
        let state = |id: Id| {
            let node = &self.nodes[id];
            let (end, is_cancelled) = call_text(node.end.as_ref());
            State { end, is_cancelled, waiters: node.waiters.len() }
        };
        self.names.iter().map(|id| id.map(state)).collect()
    }

    fn node(&mut self, kind: Kind) -> Id {
        let is_promise = matches!(kind, Kind::Promise);
        self.nodes.push(Node {
            end: None,
            kind: Some(kind),
            waiters: Vec::new(),
            on_cancel: Vec::new(),
            awaiting: None,
            is_promise,
        });
        self.nodes.len() - 1
    }

    fn settled(&mut self, end: End) -> Id {
        let id = self.node(Kind::Function);
        self.nodes[id].end = Some(end);
        self.nodes[id].kind = None;
        id
    }

    fn timer(&mut self, after: u64, id: Id) -> Due {
        self.timers_started += 1;
        let due = (self.now + after.max(1), self.timers_started);
        self.timers.insert(due, id);
        due
    }

    fn fiber(function: &Function, arguments: &[Item], target: Target) -> Fiber {
        Fiber { frames: vec![frame(function, arguments)], target }
    }

    fn observe(&mut self, id: Id, by: Id, number: usize) -> Result<Input, End> {
        self.subscribe(id, Waiter::Input(by, number)).map_err(|(_, end)| end)
    }

    fn subscribe(&mut self, id: Id, waiter: Waiter) -> Result<Input, (Waiter, End)> {
        if let Some(end) = &self.nodes[id].end {
            return Err((waiter, end.clone()));
        }
        self.tokens += 1;
        self.nodes[id].waiters.push((self.tokens, waiter));
        Ok(Input { id, token: Some(self.tokens) })
    }

    fn forget(&mut self, input: &Input) {
        if let Some(token) = input.token {
            self.nodes[input.id].waiters.retain(|(other, _)| *other != token);
        }
    }

    /// Whether nothing has a use for a handle that has not ended.
    fn is_unobserved(&self, id: Id) -> bool {
        let node = &self.nodes[id];
        node.end.is_none() && !node.is_promise && node.waiters.is_empty()
    }

    fn settle(&mut self, id: Id, end: End) -> bool {
        let node = &mut self.nodes[id];
        if node.end.is_some() {
            return false;
        }
        node.end = Some(end.clone());
        node.kind = None;
        let waiters = std::mem::take(&mut node.waiters);
        let on_cancel = std::mem::take(&mut node.on_cancel);
        for (_, waiter) in waiters {
            match waiter {
                // What a cancellation means for others is done before it returns.
                Waiter::Input(node, number) if self.is_cancelling => {
                    self.ended_inputs.push_back((node, number));
                }
                Waiter::Input(node, number) => self.inbox.push_back(Event::Input(node, number)),
                Waiter::Fiber(fiber) => {
                    self.inbox.push_back(Event::Resume(fiber, end.awaited()));
                }
            }
        }
        if end == End::Cancelled {
            for function in on_cancel.into_iter().rev() {
                self.cleanup(&function, Vec::new());
            }
        }
        true
    }

    fn cleanup(&mut self, function: &Function, arguments: Vec<Item>) {
        let call = Call { function: function.clone(), arguments, target: Target::Cleanup };
        self.urgent.push_back(call);
    }

    fn call(&mut self, function: &Function, arguments: Vec<Item>, id: Id) {
        let call = Call { function: function.clone(), arguments, target: Target::Node(id) };
        self.urgent.push_back(call);
    }

    fn cancel(&mut self, id: Id) -> bool {
        if self.nodes[id].end.is_some() {
            return false;
        }
        let is_nested = std::mem::replace(&mut self.is_cancelling, true);
        self.cancel_tree(id);
        if !is_nested {
            while let Some((node, number)) = self.ended_inputs.pop_front() {
                self.input_ended(node, number);
            }
            self.is_cancelling = false;
        }
        true
    }

    fn cancel_tree(&mut self, id: Id) {
        let kind = self.nodes[id].kind.take();
        let awaiting = self.nodes[id].awaiting.take();
        self.settle(id, End::Cancelled);
        let below = kind.map_or_else(Vec::new, |kind| self.let_go(kind));
        // What it awaits is observed by no one else before its inputs are looked at.
        if let Some(input) = &awaiting {
            self.forget(input);
        }
        for id in awaiting.map(|input| input.id).into_iter().chain(below) {
            if self.is_unobserved(id) {
                self.cancel_tree(id);
            }
        }
    }

    fn cancel_unobserved(&mut self, ids: Vec<Id>) {
        for id in ids {
            if self.is_unobserved(id) {
                self.cancel(id);
            }
        }
    }

    /// An operation is cancelled: what it observed and has to cancel.
    fn let_go(&mut self, kind: Kind) -> Vec<Id> {
        match kind {
            Kind::Promise | Kind::Function => Vec::new(),
            Kind::Timer(due, ..) => {
                due.map(|due| self.timers.remove(&due));
                Vec::new()
            }
            Kind::Adopt(input) => {
                self.forget(&input);
                vec![input.id]
            }
            Kind::Chain { kind, source, function } => {
                self.forget(&source);
                if kind == Chained::Finally {
                    self.cleanup(&function, Vec::new());
                }
                Vec::new()
            }
            Kind::Group { inputs, .. } => self.let_go_inputs(&inputs),
            Kind::Within(source, due) => {
                self.forget(&source);
                self.timers.remove(&due);
                vec![source.id]
            }
            Kind::Retry { at, .. } => match at {
                Retry::Calling => Vec::new(),
                Retry::Attempt(input) => {
                    self.forget(&input);
                    vec![input.id]
                }
                Retry::Pause(due) => {
                    self.timers.remove(&due);
                    Vec::new()
                }
            },
            Kind::Bracket { release, stage, .. } => self.let_go_bracket(release, stage),
        }
    }

    fn let_go_inputs(&mut self, inputs: &[Input]) -> Vec<Id> {
        let open: Vec<Input> =
            inputs.iter().filter(|input| input.token.is_some()).cloned().collect();
        for input in &open {
            self.forget(input);
        }
        open.into_iter().map(|input| input.id).collect()
    }

    fn let_go_bracket(&mut self, release: Function, stage: Stage) -> Vec<Id> {
        match stage {
            Stage::Acquiring(input) => {
                self.forget(&input);
                if self.is_unobserved(input.id) {
                    return vec![input.id];
                }
                // A resource that comes all the same is released.
                self.chain(Chained::Then, input.id, release);
                Vec::new()
            }
            Stage::Calling(resource) => {
                self.cleanup(&release, vec![resource]);
                Vec::new()
            }
            Stage::Using(resource, input) => {
                self.forget(&input);
                self.cleanup(&release, vec![resource]);
                vec![input.id]
            }
        }
    }

    fn perform(&mut self, event: Event) {
        match event {
            Event::Input(id, number) => self.input_ended(id, number),
            Event::Resume(fiber, answer) => self.go_on(fiber, answer),
        }
    }

    fn settle_urgent(&mut self) {
        loop {
            if let Some(call) = self.urgent.pop_front() {
                let fiber = Model::fiber(&call.function, &call.arguments, call.target);
                self.go_on(fiber, Item::Nil);
            } else if let Some((fiber, answer)) = self.interrupted.pop() {
                self.go_on(fiber, answer);
            } else {
                return;
            }
        }
    }

    fn is_dead(&self, target: Target) -> bool {
        matches!(target, Target::Node(id) if self.nodes[id].end.is_some())
    }

    /// Runs a fiber until it ends, waits, is cancelled, or has caused calls.
    fn go_on(&mut self, mut fiber: Fiber, answer: Item) {
        if let Some(frame) = fiber.frames.last_mut() {
            frame.given = answer;
        }
        let mut is_between = false;
        if self.is_dead(fiber.target) {
            return;
        }
        loop {
            self.steps += 1;
            if is_between && self.is_dead(fiber.target) {
                return;
            }
            if is_between && !self.urgent.is_empty() {
                let given = fiber.frames.last().map_or(Item::Nil, |frame| frame.given.clone());
                self.interrupted.push((fiber, given));
                return;
            }
            is_between = false;
            let Some(frame) = fiber.frames.last_mut() else { return };
            if let Some((name, function, next, many, values)) = &mut frame.traversal {
                if *next < *many {
                    let element = Item::Number(*next as i64);
                    *next += 1;
                    let inner = self::frame(function, &[element]);
                    fiber.frames.push(inner);
                } else {
                    let (name, values) = (*name, std::mem::take(values));
                    frame.traversal = None;
                    let inputs = values.iter().map(handle_in).collect();
                    let id = self.group(GroupKind::All, inputs);
                    self.names[name] = Some(id);
                    is_between = true;
                }
                continue;
            }
            let steps = Rc::clone(&frame.function.steps);
            let step = &steps[frame.function.from];
            frame.function.from += 1;
            match step {
                Step::Await(name) => {
                    let Some(id) = self.names[*name] else {
                        frame.given = error("aio/await: argument must be a handle");
                        continue;
                    };
                    match self.nodes[id].end.clone() {
                        Some(end) => frame.given = end.awaited(),
                        None => return self.wait(fiber, id),
                    }
                }
                Step::Answer(_) | Step::Give(_) => {
                    let value = self.answer(step);
                    fiber.frames.pop();
                    match fiber.frames.last_mut() {
                        None => return self.finish(fiber.target, value),
                        Some(outer) => {
                            if let Some((.., values)) = &mut outer.traversal {
                                values.push(value);
                            }
                        }
                    }
                }
                Step::Bind(name) => {
                    let id = self.names[*name].expect("only handles are bound");
                    let rest = Function { binds: vec![*name], ..frame.function.clone() };
                    let result = self.chain(Chained::Then, id, rest);
                    give(&mut fiber, result);
                    is_between = true;
                }
                Step::BindAll(names) => {
                    let inputs: Vec<Id> =
                        names.iter().map(|name| self.names[*name].expect("made before")).collect();
                    let rest = Function { binds: names.clone(), ..frame.function.clone() };
                    let all = self.group(GroupKind::All, inputs);
                    let result = self.chain(Chained::Spread, all, rest);
                    give(&mut fiber, result);
                    is_between = true;
                }
                Step::Make(name, Expression::Traverse(many, body)) if *many > 0 => {
                    frame.traversal = Some((*name, function(body), 0, *many, Vec::new()));
                }
                _ => {
                    self.step(frame, step);
                    is_between = lets_functions_run(step);
                }
            }
        }
    }

    fn wait(&mut self, fiber: Fiber, id: Id) {
        let target = fiber.target;
        let input = self.subscribe(id, Waiter::Fiber(fiber));
        if let (Target::Node(own), Ok(input)) = (target, input) {
            self.nodes[own].awaiting = Some(input);
        }
    }

    fn finish(&mut self, target: Target, value: Item) {
        if let Target::Node(id) = target {
            self.returned(id, value);
        }
    }

    fn answer(&mut self, step: &Step) -> Item {
        let answer = match step {
            Step::Answer(answer) => answer,
            Step::Give(id) => return Item::Handle(*id),
            _ => return Item::Nil,
        };
        match answer {
            Answer::Number(number) => Item::Number(*number),
            Answer::Error(number) => Item::Error(format!("e{number}")),
            Answer::Handle(name) => self.names[*name].map_or(Item::Nil, Item::Handle),
            Answer::StopAfter(body, times) => {
                let count = self.counts.entry(*body).or_default();
                *count += 1;
                if *count >= *times { Item::Keyword(":stop") } else { Item::Number(*count) }
            }
        }
    }

    fn payload(&self, payload: Payload) -> Item {
        match payload {
            Payload::Number(number) => Item::Number(number),
            Payload::Error(number) => Item::Error(format!("e{number}")),
            Payload::Handle(name) => self.names[name].map_or(Item::Nil, Item::Handle),
        }
    }

    fn step(&mut self, frame: &mut Frame, step: &Step) {
        match step {
            Step::Show(words, shown) => {
                let mut line = words.join(" ");
                let items: Vec<Item> = match shown {
                    Shown::Nothing => Vec::new(),
                    Shown::Parameter => vec![frame.parameter.clone()],
                    Shown::Given => vec![frame.given.clone()],
                    Shown::Variables(names) => {
                        names.iter().map(|name| frame.function.variables[name].clone()).collect()
                    }
                };
                for item in items {
                    let _ = write!(line, " {}", item.text());
                }
                line.push('\n');
                self.output.push_str(&line);
            }
            Step::Make(name, expression) => {
                let id = self.make(expression);
                self.names[*name] = Some(id);
            }
            Step::Cancel(name) => {
                let id = self.names[*name];
                frame.given = match id {
                    None => error("aio/cancel: expected handle argument"),
                    Some(id) if self.cancel(id) => Item::Keyword(":true"),
                    Some(_) => Item::Keyword(":false"),
                };
            }
            Step::Deliver(name, payload) => {
                let id = self.names[*name].expect("promises are made before");
                let item = self.payload(*payload);
                frame.given = if self.nodes[id].is_promise {
                    Item::Number(i64::from(self.settle(id, End::of(item))))
                } else {
                    error("Actual: Handle, Expected(One-Of): [Promise]")
                };
            }
            Step::OnCancel(name, function) => {
                let id = self.names[*name].expect("made before");
                match &self.nodes[id].end {
                    None => self.nodes[id].on_cancel.push(function.clone()),
                    Some(End::Cancelled) => self.cleanup(function, Vec::new()),
                    Some(_) => {}
                }
            }
            Step::Await(_) | Step::Bind(_) | Step::BindAll(_) | Step::Answer(_) | Step::Give(_) => {
            }
        }
    }

    fn named(&self, name: Name) -> Id {
        self.names[name].expect("inputs are made before")
    }

    fn make(&mut self, expression: &Expression) -> Id {
        match expression {
            Expression::Pure(payload) => {
                let item = self.payload(*payload);
                self.settled(End::Completed(item))
            }
            Expression::Fail(payload) => {
                let item = self.payload(*payload);
                self.settled(End::Failed(Some(item)))
            }
            Expression::Promise => self.node(Kind::Promise),
            Expression::Never => self.node(Kind::Timer(None, None, None)),
            Expression::Sleep(time) => self.make_timer(*time, None, None),
            Expression::Schedule(time, body) => self.make_timer(*time, Some(function(body)), None),
            Expression::Interval(time, body) => {
                self.make_timer(*time, Some(function(body)), Some(*time))
            }
            Expression::Chain(kind, source, body) => {
                let kind = match kind {
                    ChainKind::Then => Chained::Then,
                    ChainKind::Catch => Chained::Catch,
                    ChainKind::Finally => Chained::Finally,
                };
                self.chain(kind, self.named(*source), function(body))
            }
            Expression::Group(kind, inputs) => {
                let inputs = inputs.iter().map(|name| self.named(*name)).collect();
                self.group(*kind, inputs)
            }
            Expression::Within(source, time) => self.within(self.named(*source), *time),
            Expression::Retry { attempts, base, is_constant, body } => {
                let id = self.node(Kind::Retry {
                    function: function(body),
                    attempts: *attempts,
                    base: *base,
                    is_constant: *is_constant,
                    begun: 0,
                    at: Retry::Calling,
                });
                self.attempt(id);
                id
            }
            Expression::Traverse(..) => self.settled(End::Completed(Item::Nil)),
            Expression::Bracket { acquire, release, use_ } => {
                let acquire = self.named(*acquire);
                self.bracket(acquire, function(release), function(use_))
            }
            Expression::Scope(body) => {
                let id = self.node(Kind::Function);
                self.call(&function(body), vec![Item::Handle(id)], id);
                id
            }
            Expression::Do(body) => {
                let id = self.node(Kind::Function);
                self.call(&function(body), Vec::new(), id);
                id
            }
            Expression::Let(groups, body) => {
                let id = self.node(Kind::Function);
                self.call(&let_function(groups, body), Vec::new(), id);
                id
            }
        }
    }

    fn make_timer(&mut self, time: u64, function: Option<Function>, period: Option<u64>) -> Id {
        let id = self.node(Kind::Timer(None, function, period));
        let at = self.timer(time, id);
        if let Some(Kind::Timer(due, ..)) = &mut self.nodes[id].kind {
            *due = Some(at);
        }
        id
    }

    fn chain(&mut self, kind: Chained, source: Id, function: Function) -> Id {
        let input = Input { id: source, token: None };
        let id = self.node(Kind::Chain { kind, source: input, function });
        match self.observe(source, id, 0) {
            Ok(input) => {
                if let Some(Kind::Chain { source, .. }) = &mut self.nodes[id].kind {
                    *source = input;
                }
            }
            Err(_) => self.input_ended(id, 0),
        }
        id
    }

    fn within(&mut self, source: Id, time: u64) -> Id {
        if self.nodes[source].end.is_some() {
            return source;
        }
        let id = self.node(Kind::Function);
        let due = self.timer(time, id);
        if let Ok(input) = self.observe(source, id, 0) {
            self.nodes[id].kind = Some(Kind::Within(input, due));
        }
        id
    }

    fn group(&mut self, kind: GroupKind, handles: Vec<Id>) -> Id {
        if handles.is_empty() {
            return self.settled(End::Completed(Item::Nil));
        }
        let inputs = handles.iter().map(|id| Input { id: *id, token: None }).collect();
        let left = handles.len();
        let id = self.node(Kind::Group { kind, inputs, left, failure: None });
        for (number, input) in handles.iter().enumerate() {
            match self.observe(*input, id, number) {
                Ok(input) => {
                    if let Some(Kind::Group { inputs, .. }) = &mut self.nodes[id].kind {
                        inputs[number] = input;
                    }
                }
                Err(_) => {
                    self.input_ended(id, number);
                    if self.nodes[id].end.is_some() {
                        // Those behind the one that decided are losers as well.
                        self.cancel_unobserved(handles[number + 1..].to_vec());
                        return id;
                    }
                }
            }
        }
        id
    }

    fn bracket(&mut self, acquire: Id, release: Function, use_: Function) -> Id {
        let stage = Stage::Acquiring(Input { id: acquire, token: None });
        let id = self.node(Kind::Bracket { release, use_, stage });
        match self.observe(acquire, id, 0) {
            Ok(input) => {
                if let Some(Kind::Bracket { stage, .. }) = &mut self.nodes[id].kind {
                    *stage = Stage::Acquiring(input);
                }
            }
            Err(_) => self.input_ended(id, 0),
        }
        id
    }

    fn attempt(&mut self, id: Id) {
        let Some(Kind::Retry { function, begun, at, .. }) = &mut self.nodes[id].kind else {
            return;
        };
        *begun += 1;
        *at = Retry::Calling;
        let function = function.clone();
        self.call(&function, Vec::new(), id);
    }

    fn end_of(&self, id: Id) -> End {
        self.nodes[id].end.clone().unwrap_or(End::Cancelled)
    }

    fn input_ended(&mut self, id: Id, number: usize) {
        let Some(kind) = self.nodes[id].kind.take() else { return };
        match kind {
            Kind::Chain { kind, source, function, .. } => {
                let end = self.end_of(source.id);
                self.source_ended(id, kind, source, function, end);
            }
            Kind::Adopt(input) => {
                let end = self.end_of(input.id);
                self.settle(id, end);
            }
            Kind::Group { kind, inputs, left, failure } => {
                self.group_input_ended(id, number, kind, inputs, left, failure);
            }
            Kind::Within(source, due) => {
                self.timers.remove(&due);
                let end = self.end_of(source.id);
                self.settle(id, end);
            }
            Kind::Retry {
                function,
                attempts,
                base,
                is_constant,
                begun,
                at: Retry::Attempt(input),
            } => {
                let end = self.end_of(input.id);
                let at = Retry::Calling;
                let kind = Kind::Retry { function, attempts, base, is_constant, begun, at };
                self.nodes[id].kind = Some(kind);
                self.attempt_ended(id, end);
            }
            Kind::Bracket { release, use_, stage } => match stage {
                Stage::Acquiring(input) => match self.end_of(input.id) {
                    End::Completed(resource) => {
                        self.call(&use_, vec![resource.clone()], id);
                        let stage = Stage::Calling(resource);
                        self.nodes[id].kind = Some(Kind::Bracket { release, use_, stage });
                    }
                    other => {
                        self.settle(id, other);
                    }
                },
                Stage::Using(resource, input) => {
                    let end = self.end_of(input.id);
                    self.cleanup(&release, vec![resource]);
                    self.settle(id, end);
                }
                stage @ Stage::Calling(_) => {
                    self.nodes[id].kind = Some(Kind::Bracket { release, use_, stage });
                }
            },
            other => self.nodes[id].kind = Some(other),
        }
    }

    fn source_ended(&mut self, id: Id, kind: Chained, source: Input, function: Function, end: End) {
        let arguments = match (kind, &end) {
            (Chained::Then, End::Completed(item)) => vec![item.clone()],
            (Chained::Spread, End::Completed(Item::List(items))) => items.clone(),
            (Chained::Spread, End::Completed(_)) => Vec::new(),
            (Chained::Catch, End::Failed(_)) => vec![end.awaited()],
            (Chained::Finally, _) => {
                self.cleanup(&function, Vec::new());
                self.settle(id, end);
                return;
            }
            _ => {
                self.settle(id, end);
                return;
            }
        };
        self.call(&function, arguments, id);
        let source = Input { id: source.id, token: None };
        self.nodes[id].kind = Some(Kind::Chain { kind, source, function });
    }

    fn group_input_ended(
        &mut self,
        id: Id,
        number: usize,
        kind: GroupKind,
        mut inputs: Vec<Input>,
        left: usize,
        mut failure: Option<Item>,
    ) {
        inputs[number].token = None;
        let left = left - 1;
        let end = self.end_of(inputs[number].id);
        let ends = |model: &Model| -> Vec<End> {
            inputs.iter().map(|input| model.end_of(input.id)).collect()
        };
        let decided = match (kind, end) {
            (GroupKind::All, End::Cancelled) => Some(End::Failed(None)),
            (GroupKind::All | GroupKind::Race, end @ End::Failed(_))
            | (GroupKind::Race | GroupKind::Any, end @ End::Completed(_)) => Some(end),
            (GroupKind::Race, End::Cancelled) => (left == 0).then_some(End::Cancelled),
            (GroupKind::Any, end) => {
                if let End::Failed(Some(item)) = end {
                    failure = Some(item);
                } else if let End::Failed(None) = end {
                    failure = None;
                }
                (left == 0).then(|| End::Failed(failure.clone()))
            }
            (GroupKind::All, End::Completed(_)) => (left == 0)
                .then(|| End::Completed(Item::List(ends(self).iter().map(End::awaited).collect()))),
            (GroupKind::AllSettled, _) => (left == 0).then(|| {
                let entry = |end: &End| match end {
                    End::Completed(item) => Item::Entry(true, Box::new(item.clone())),
                    End::Failed(_) => Item::Entry(false, Box::new(end.awaited())),
                    End::Cancelled => Item::Entry(false, Box::new(error("cancelled"))),
                };
                End::Completed(Item::List(ends(self).iter().map(entry).collect()))
            }),
        };
        match decided {
            None => self.nodes[id].kind = Some(Kind::Group { kind, inputs, left, failure }),
            Some(end) => {
                let open = self.let_go_inputs(&inputs);
                self.settle(id, end);
                self.cancel_unobserved(open);
            }
        }
    }

    fn attempt_ended(&mut self, id: Id, end: End) {
        let Some(Kind::Retry { attempts, base, is_constant, begun, .. }) = &self.nodes[id].kind
        else {
            return;
        };
        if matches!(end, End::Completed(_)) || begun >= attempts {
            let end = if end == End::Cancelled { End::Failed(None) } else { end };
            self.settle(id, end);
            return;
        }
        let factor = if *is_constant { 1 } else { 1 << (begun - 1) };
        let pause = (base * factor).min(PAUSE_MAX_MS);
        let due = self.timer(pause, id);
        if let Some(Kind::Retry { at, .. }) = &mut self.nodes[id].kind {
            *at = Retry::Pause(due);
        }
    }

    fn returned(&mut self, id: Id, value: Item) {
        let Some(kind) = self.nodes[id].kind.take() else { return };
        match kind {
            Kind::Timer(due, function, Some(period)) if value != Item::Keyword(":stop") => {
                self.nodes[id].kind = Some(Kind::Timer(due, function, Some(period)));
            }
            Kind::Timer(due, _, Some(_)) => {
                due.map(|due| self.timers.remove(&due));
                self.settle(id, End::Completed(Item::Nil));
            }
            // An error completes it as well, and a handle stays a value.
            Kind::Timer(..) => {
                self.settle(id, End::Completed(value));
            }
            Kind::Retry { .. } => {
                let Item::Handle(attempt) = value else {
                    let message = "aio/retry: fn must return a handle";
                    self.settle(id, End::Failed(Some(error(message))));
                    return;
                };
                self.nodes[id].kind = Some(kind);
                match self.observe(attempt, id, 0) {
                    Err(end) => self.attempt_ended(id, end),
                    Ok(input) => {
                        if let Some(Kind::Retry { at, .. }) = &mut self.nodes[id].kind {
                            *at = Retry::Attempt(input);
                        }
                    }
                }
            }
            Kind::Bracket { release, use_, stage: Stage::Calling(resource) } => {
                let end = match value {
                    Item::Handle(used) => match self.observe(used, id, 0) {
                        Ok(input) => {
                            let stage = Stage::Using(resource, input);
                            self.nodes[id].kind = Some(Kind::Bracket { release, use_, stage });
                            return;
                        }
                        Err(end) => end,
                    },
                    value => End::of(value),
                };
                self.cleanup(&release, vec![resource]);
                self.settle(id, end);
            }
            _ => match value {
                Item::Handle(adopted) => match self.observe(adopted, id, 0) {
                    Ok(input) => self.nodes[id].kind = Some(Kind::Adopt(input)),
                    Err(end) => {
                        self.settle(id, end);
                    }
                },
                value => {
                    self.settle(id, End::of(value));
                }
            },
        }
    }

    fn timer_fired(&mut self, id: Id, number: u64) {
        let Some(kind) = self.nodes[id].kind.take() else { return };
        match kind {
            Kind::Timer(_, Some(function), period) => {
                let due = period.map(|period| (self.now + period, number));
                if let Some(due) = due {
                    self.timers.insert(due, id);
                }
                self.nodes[id].kind = Some(Kind::Timer(due, Some(function.clone()), period));
                self.call(&function, Vec::new(), id);
            }
            Kind::Timer(..) => {
                self.settle(id, End::Completed(Item::Nil));
            }
            Kind::Within(source, _) => {
                self.forget(&source);
                self.settle(id, End::Failed(Some(error(":timeout"))));
                self.cancel_unobserved(vec![source.id]);
            }
            Kind::Retry { .. } => {
                self.nodes[id].kind = Some(kind);
                self.attempt(id);
            }
            other => self.nodes[id].kind = Some(other),
        }
    }
}

fn error(message: &str) -> Item {
    Item::Error(message.to_string())
}

fn handle_in(item: &Item) -> Id {
    match item {
        Item::Handle(id) => *id,
        other => panic!("a traversal gives handles, not {other:?}"),
    }
}

/// Whether a step lets the functions that wait run before it is over.
fn lets_functions_run(step: &Step) -> bool {
    match step {
        Step::Cancel(_) | Step::OnCancel(..) => true,
        Step::Make(_, expression) => !matches!(
            expression,
            Expression::Pure(_)
                | Expression::Fail(_)
                | Expression::Promise
                | Expression::Never
                | Expression::Sleep(_)
                | Expression::Schedule(..)
                | Expression::Interval(..)
        ),
        _ => false,
    }
}

/// The rest of the function is replaced by giving this handle.
fn give(fiber: &mut Fiber, id: Id) {
    if let Some(frame) = fiber.frames.last_mut() {
        frame.function.steps = Rc::new(vec![Step::Give(id)]);
        frame.function.from = 0;
    }
}

fn frame(function: &Function, arguments: &[Item]) -> Frame {
    let mut function = function.clone();
    for (name, item) in function.binds.iter().zip(arguments) {
        function.variables.insert(*name, item.clone());
    }
    let parameter = arguments.first().cloned().unwrap_or(Item::Nil);
    Frame { function, parameter, given: Item::Nil, traversal: None }
}
