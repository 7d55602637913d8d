//! Functions of the language on several threads: futures and parallel maps.
//!
//! 1. The workers of a program are the threads of one pool, started when the first function is
//!    handed to them. Each has a machine of its own on the program's heap, asleep while nothing
//!    runs on it.
//! 2. What is to run is a *job*: a function or a fiber that waited, and the addressee of its value. A
//!    job lies in a heap object, so that collections see it, until a worker takes it.
//! 3. A fiber that waits for a handle waits inside it and occupies no worker; any worker goes on with
//!    it. So functions may wait for one another as they like.
//! 4. Workers have no event loop: operations of systems belong to the program's own thread.
//!
//! Does not know what the builtins are called.

use crate::clock::{Clock, Ring};
use crate::executor::Reactor;
use crate::handle::{Handle, HandleState, Parked, settle, timed_out};
use crate::mailbox::{Letter, Mailbox};
use std::cell::RefCell;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::rc::Rc;
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::{Duration, Instant};
use valk_heap::{HostObject, Interrupt, Root, Tracer, Value};
use valk_lang::{Language, SharedVm};
use valk_sync::executor::{Executor, Options, Reason, Statistics};
use valk_sync::shim::lock;
use valk_vm::{DetachedFiber, FiberId, ParkedVm, Step, Vm, VmTemplate};

/// How long a program that has ended lets its functions finish.
const PATIENCE: Duration = Duration::from_secs(2);
/// How long they then have to notice that they are interrupted.
const INTERRUPTION: Duration = Duration::from_millis(500);

/// Functions that wait for a thread, at most: handed over by the program, and by the functions on each
/// thread.
pub const JOBS_WAITING_MAX: usize = 1 << 20;
/// What one that waits takes beside the heap, about, in bytes.
const JOB_BYTES: usize = 256;

/// The value of a function during which the runtime itself failed.
const PANICKED: &str = "the runtime failed while it ran this function; please report it";

/// The pool as a machine knows it.
#[derive(Default)]
struct Known {
    /// With the program's own machine.
    owned: Option<Arc<Pool>>,
    /// With a worker's.
    member: Weak<Pool>,
    /// What a pool that has ended has done.
    ended: Option<Statistics>,
}

struct Pool {
    executor: Executor,
    template: VmTemplate,
    language: Mutex<Language>,
    /// By which the functions that run are ended.
    interrupts: Mutex<Vec<Interrupt>>,
    /// Of the program's own machine.
    mailbox: Arc<Mailbox>,
    clock: Arc<Clock>,
}

/// Whom a value is for: a handle, or one part of a [`Gathering`].
#[derive(Clone, Copy, Debug)]
pub(crate) struct Addressee {
    owner: Value,
    part: usize,
}

impl Addressee {
    pub fn trace(&mut self, tracer: &mut Tracer<'_>) {
        tracer.value(&mut self.owner);
    }
}

enum Start {
    Call(Value, Vec<Value>),
    GoOn(DetachedFiber, Value),
}

/// What a worker is to do (rule 2).
struct Job {
    start: Start,
    context: Value,
    /// `def` gives an error: whoever handed it over answers a request.
    forbids_definitions: bool,
    then: Addressee,
}

impl Job {
    /// A call on behalf of the running fiber.
    fn call(vm: &Vm, function: Value, arguments: Vec<Value>, then: Addressee) -> Job {
        let start = Start::Call(function, arguments);
        let forbids_definitions = vm.definitions_forbidden;
        Job { start, context: vm.context, forbids_definitions, then }
    }
}

struct JobObject(Mutex<Option<Job>>);

impl HostObject for JobObject {
    fn trace(&mut self, tracer: &mut Tracer<'_>) {
        let Some(job) = self.0.get_mut().unwrap_or_else(PoisonError::into_inner) else { return };
        match &mut job.start {
            Start::Call(function, arguments) => {
                tracer.value(function);
                tracer.slice(arguments);
            }
            Start::GoOn(fiber, answer) => {
                fiber.trace(tracer);
                tracer.value(answer);
            }
        }
        tracer.value(&mut job.context);
        job.then.trace(tracer);
    }
    fn type_name(&self) -> &'static str {
        "job"
    }
    fn external_bytes(&self) -> usize {
        if lock(&self.0).is_some() { JOB_BYTES } else { 0 }
    }
}

/// The parts of a parallel map's value, as they come.
struct Gathering {
    handle: Value,
    parts: Mutex<Parts>,
}

struct Parts {
    values: Vec<Value>,
    missing: usize,
}

impl HostObject for Gathering {
    fn trace(&mut self, tracer: &mut Tracer<'_>) {
        tracer.value(&mut self.handle);
        let parts = self.parts.get_mut().unwrap_or_else(PoisonError::into_inner);
        tracer.slice(&mut parts.values);
    }
    fn type_name(&self) -> &'static str {
        "gathering"
    }
}

/// The program's pool, started if there is none.
fn pool(vm: &mut Vm) -> Result<Arc<Pool>, String> {
    let known = vm.extension::<Known>();
    if let Some(pool) = known.owned.clone().or_else(|| known.member.upgrade()) {
        return Ok(pool);
    }
    let spare = vm.heap.mutators_max() - vm.heap.mutators().min(vm.heap.mutators_max());
    if spare == 0 {
        return Err("no thread can be started: the heap was made for one".to_owned());
    }
    let options = Options {
        name: "valk-worker".to_owned(),
        workers: spare,
        injected_max: JOBS_WAITING_MAX,
        local_max: JOBS_WAITING_MAX,
        ..Options::default()
    };
    let executor = Executor::new(&options)
        .map_err(|error| format!("the system gives no thread for a function: {error}"))?;
    let pool = Arc::new(Pool {
        executor,
        template: vm.template(),
        language: Mutex::new(vm.extension::<Language>().of_same_program()),
        interrupts: Mutex::default(),
        mailbox: Arc::clone(&vm.extension::<Reactor>().mailbox),
        clock: Arc::clone(&vm.extension::<Reactor>().clock),
    });
    vm.extension::<Known>().owned = Some(Arc::clone(&pool));
    Ok(pool)
}

/// Number of workers of the program, which are started if there are none.
pub(crate) fn count(vm: &mut Vm) -> Result<usize, String> {
    Ok(pool(vm)?.executor.workers())
}

/// Has a worker call `function`; its value ends `handle`.
///
/// # Errors
/// What to tell the program when no worker takes it.
pub(crate) fn call(vm: &mut Vm, function: Value, handle: Value) -> Result<(), String> {
    let then = Addressee { owner: handle, part: 0 };
    let job = Job::call(vm, function, Vec::new(), then);
    submit(vm, job)
}

/// Has workers call `function` with each of `parts`, lists whose values in turn are one list that
/// ends `handle`; or the first error among them does.
///
/// # Errors
/// As [`call`]; parts before the one that was not taken run for nobody.
pub(crate) fn call_each(
    vm: &mut Vm,
    function: Value,
    parts: &[[Value; 2]],
    handle: Value,
) -> Result<(), String> {
    let values = vec![Value::NIL; parts.len()];
    let collected = Mutex::new(Parts { values, missing: parts.len() });
    let owner = vm.heap.host(Box::new(Gathering { handle, parts: collected }));
    for (part, arguments) in parts.iter().enumerate() {
        let job = Job::call(vm, function, arguments.to_vec(), Addressee { owner, part });
        submit(vm, job)?;
    }
    Ok(())
}

/// Has a worker go on with a fiber that has waited for `answer`.
pub(crate) fn go_on(vm: &mut Vm, parked: Parked, answer: Value) {
    let Parked { fiber, then } = parked;
    let start = Start::GoOn(fiber, answer);
    // The fiber knows the rest itself.
    let job = Job { start, context: Value::NIL, forbids_definitions: false, then };
    if let Err(problem) = submit(vm, job) {
        let error = vm.error(&problem);
        deliver(vm, then, error);
    }
}

fn submit(vm: &mut Vm, job: Job) -> Result<(), String> {
    let pool = pool(vm)?;
    let object = vm.heap.host(Box::new(JobObject(Mutex::new(Some(job)))));
    // Shared with the task, which does not give it back when it is refused.
    let root = Arc::new(Mutex::new(Some(vm.heap.root(object))));
    let (kept, member) = (Arc::clone(&root), Arc::downgrade(&pool));
    let submitted = pool.executor.spawn(move || {
        if let (Some(root), Some(pool)) = (lock(&root).take(), member.upgrade()) {
            work(&pool, root);
        }
    });
    submitted.map(drop).map_err(|refused| {
        if let Some(root) = lock(&kept).take() {
            vm.heap.release(root);
        }
        match refused.reason {
            Reason::Full => format!(
                "{JOBS_WAITING_MAX} functions wait for a thread, which is the most there can be; \
                 await some of them first"
            ),
            Reason::ShuttingDown => "the program is ending and starts no function".to_owned(),
        }
    })
}

/// The program's clock, and how a handle whose time is over comes to a machine like this one.
pub(crate) fn alarm(vm: &mut Vm) -> (Arc<Clock>, Ring) {
    let member = vm.extension::<Known>().member.clone();
    if let Some(pool) = member.upgrade() {
        let ring = move |root| {
            let Some(pool) = member.upgrade() else { return };
            let own = Arc::clone(&pool);
            // Refused when the program is ending, and then nobody waits any more.
            let _ = pool.executor.spawn(move || work(&own, root));
        };
        return (Arc::clone(&pool.clock), Box::new(ring));
    }
    let reactor = vm.extension::<Reactor>();
    let mailbox = Arc::clone(&reactor.mailbox);
    (Arc::clone(&reactor.clock), Box::new(move |root| mailbox.post(Letter::Expired(root))))
}

/// A worker's machine.
struct Worker {
    vm: SharedVm,
    /// While nothing runs on it.
    asleep: Option<ParkedVm>,
}

thread_local! {
    static WORKER: RefCell<Option<Worker>> = const { RefCell::new(None) };
}

/// Runs a job on the calling worker, or ends a handle whose time is over.
fn work(pool: &Arc<Pool>, root: Root) {
    let vm = WORKER.with_borrow_mut(|worker| {
        let worker = worker.get_or_insert_with(|| Worker { vm: machine(pool), asleep: None });
        worker.asleep = None;
        Rc::clone(&worker.vm)
    });
    let mut machine = vm.borrow_mut();
    let object = machine.heap.release(root);
    if object.host::<Handle>(&machine.heap).is_some() {
        let state = timed_out(&mut machine);
        settle(&mut machine, object, state, None);
    }
    let job = object.host::<JobObject>(&machine.heap).and_then(|job| lock(&job.0).take());
    if let Some(job) = job {
        let owner = machine.heap.root(job.then.owner);
        let part = job.then.part;
        // A defect of the runtime must not make others wait for ever.
        let ran = catch_unwind(AssertUnwindSafe(|| run(&mut machine, job)));
        let owner = machine.heap.release(owner);
        if ran.is_err() {
            let error = machine.error(PANICKED);
            deliver(&mut machine, Addressee { owner, part }, error);
        }
    }
    let stopping = machine.extension::<Language>().is_stopping();
    drop(machine);
    if stopping {
        pool.mailbox.ring();
    }
    WORKER.with_borrow_mut(|worker| {
        if let Some(worker) = worker {
            worker.asleep = ParkedVm::new(&worker.vm);
        }
    });
}

/// The machine of a new worker.
fn machine(pool: &Arc<Pool>) -> SharedVm {
    let mut vm =
        pool.template.instantiate().expect("there are no more workers than the heap has room for");
    *vm.extension::<Language>() = lock(&pool.language).of_same_program();
    vm.extension::<Known>().member = Arc::downgrade(pool);
    lock(&pool.interrupts).push(vm.heap.interrupt().clone());
    Rc::new(RefCell::new(vm))
}

fn run(vm: &mut Vm, job: Job) {
    let (mut fiber, mut answer) = match job.start {
        Start::Call(function, arguments) => {
            let fiber = vm.spawn(function, &arguments);
            vm.set_context(fiber, job.context);
            if job.forbids_definitions {
                vm.forbid_definitions(fiber);
            }
            (fiber, Value::NIL)
        }
        Start::GoOn(fiber, answer) => (vm.attach(fiber), answer),
    };
    let owner = vm.heap.root(job.then.owner);
    let then = |owner| Addressee { owner, part: job.then.part };
    loop {
        match vm.resume(fiber, answer) {
            Step::Preempted => {}
            Step::Done(value) => {
                // Whoever gets the value finds what it took counted.
                vm.hand_in_counters();
                let owner = vm.heap.release(owner);
                return deliver(vm, then(owner), value);
            }
            Step::Suspended(question) => {
                let addressee = then(vm.heap.resolve(&owner));
                match wait(vm, fiber, question, addressee) {
                    None => {
                        vm.heap.release(owner);
                        return;
                    }
                    Some((same, value)) => (fiber, answer) = (same, value),
                }
            }
        }
    }
}

/// Has a fiber wait for a handle (rule 3); it and its answer when there is nothing to wait for.
fn wait(vm: &mut Vm, fiber: FiberId, question: Value, then: Addressee) -> Option<(FiberId, Value)> {
    if question.host::<Handle>(&vm.heap).is_none() {
        return Some((fiber, vm.error("only handles can be waited for")));
    }
    let parked = Parked { fiber: vm.detach(fiber), then };
    vm.heap.touch_host(question);
    let handle = question.host::<Handle>(&vm.heap)?;
    let (parked, value) = handle.park(parked).err()?;
    Some((vm.attach(parked.fiber), value))
}

/// Hands a value to whom it is for.
fn deliver(vm: &mut Vm, to: Addressee, value: Value) {
    vm.heap.touch_host(to.owner);
    let Some(gathering) = to.owner.host::<Gathering>(&vm.heap) else {
        settle(vm, to.owner, HandleState::of(value), None);
        return;
    };
    let handle = gathering.handle;
    let whole = {
        let mut parts = lock(&gathering.parts);
        parts.values[to.part] = value;
        parts.missing -= 1;
        (parts.missing == 0).then(|| std::mem::take(&mut parts.values))
    };
    if let Some(values) = whole {
        let value = joined(vm, &values);
        settle(vm, handle, HandleState::of(value), None);
    }
}

/// One list of the elements of all; the first error instead, if there is one.
fn joined(vm: &mut Vm, lists: &[Value]) -> Value {
    if let Some(error) = lists.iter().find(|list| list.is_error()) {
        return *error;
    }
    let elements: Vec<Value> = lists.iter().flat_map(|list| valk_lang::elements(*list)).collect();
    elements.iter().rev().fold(Value::NIL, |rest, item| vm.heap.cons(*item, rest, true))
}

/// Lets the functions that run finish, for a while, and then ends them; the machine waits.
pub(crate) fn finish(vm: &SharedVm) {
    let pool = vm.borrow_mut().extension::<Known>().owned.take();
    let Some(pool) = pool else { return };
    let deadline = Instant::now() + PATIENCE;
    vm.borrow_mut().outside(|| {
        pool.executor.shutdown(deadline.saturating_duration_since(Instant::now()));
        for interrupt in lock(&pool.interrupts).iter() {
            interrupt.request();
        }
        pool.executor.shutdown(INTERRUPTION);
    });
    vm.borrow_mut().extension::<Known>().ended = Some(pool.executor.statistics());
}

/// What the program's workers have done, if it has or had any.
pub(crate) fn statistics(vm: &mut Vm) -> Option<Statistics> {
    let known = vm.extension::<Known>();
    let pool = known.owned.clone().or_else(|| known.member.upgrade());
    pool.map(|pool| pool.executor.statistics()).or_else(|| known.ended.clone())
}
