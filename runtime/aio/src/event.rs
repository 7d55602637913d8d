//! What executors are told to do, and the fibers that events carry.
//!
//! 1. An event holds values, so it lies in a queue that collections look into until it is
//!    processed.
//! 2. A fiber has one [`Target`], which gets its final value once.
//!
//! Does not know how an event is processed.

use crate::handle;
use std::collections::VecDeque;
use valk_heap::{HostObject, Tracer, Value};
use valk_vm::{DetachedFiber, Vm};

/// Where the final value of a fiber goes.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Target {
    /// It ends this handle.
    Handle(Value),
    /// It ends this handle of the program's own thread, whatever it is.
    Program(Value),
    /// It is the result of the function that a combinator called.
    Node(Value),
    /// It is a part of the result of a parallel map.
    Part(Value, u32),
    /// Nothing waits for it; the function runs to its end even if its cause is cancelled.
    Cleanup,
}

impl Target {
    fn value_mut(&mut self) -> Option<&mut Value> {
        match self {
            Target::Handle(value)
            | Target::Program(value)
            | Target::Node(value)
            | Target::Part(value, _) => Some(value),
            Target::Cleanup => None,
        }
    }

    /// The handle whose cancellation ends the fiber.
    pub fn handle(self) -> Option<Value> {
        match self {
            Target::Handle(value) | Target::Program(value) | Target::Node(value) => Some(value),
            Target::Part(..) | Target::Cleanup => None,
        }
    }

    /// Whether the fiber is to run no further step.
    pub fn is_cancelled(self, vm: &Vm) -> bool {
        match self {
            Target::Part(join, _) => crate::futures::is_cancelled(vm, join),
            _ => self.handle().is_some_and(|value| handle::has_ended(vm, value)),
        }
    }

    pub fn trace(&mut self, tracer: &mut Tracer<'_>) {
        if let Some(value) = self.value_mut() {
            tracer.value(value);
        }
    }
}

/// A fiber that does not run, and where its value goes.
#[derive(Debug)]
pub(crate) struct Parked {
    pub fiber: DetachedFiber,
    pub target: Target,
    /// The executor that it goes on with: the one that created it, or any.
    pub home: u16,
}

impl Parked {
    pub fn trace(&mut self, tracer: &mut Tracer<'_>) {
        self.fiber.trace(tracer);
        self.target.trace(tracer);
    }

    pub fn bytes(&self) -> usize {
        size_of::<Parked>() + self.fiber.bytes()
    }
}

/// A function to be called on a fiber of its own.
#[derive(Debug)]
pub(crate) struct Call {
    pub function: Value,
    pub arguments: Vec<Value>,
    pub target: Target,
    /// The request context that it runs in.
    pub context: Value,
    /// `def` gives an error in it: it works for a request.
    pub forbids_definitions: bool,
}

impl Call {
    /// A call on behalf of the fiber that runs.
    pub fn new(vm: &Vm, function: Value, arguments: &[Value], target: Target) -> Call {
        Call {
            function,
            arguments: arguments.to_vec(),
            target,
            context: vm.context,
            forbids_definitions: vm.definitions_forbidden,
        }
    }

    pub fn trace(&mut self, tracer: &mut Tracer<'_>) {
        tracer.value(&mut self.function);
        tracer.slice(&mut self.arguments);
        tracer.value(&mut self.context);
        self.target.trace(tracer);
    }
}

/// Work of the host for an executor's thread.
pub(crate) type HostCall = Box<dyn FnOnce(&valk_lang::SharedVm) + Send + Sync>;

/// A fiber that has used its slice while others were interrupted for it.
pub(crate) struct Preempted {
    pub parked: Parked,
    /// The fibers that wait for it, innermost last, and what they go on with.
    pub interrupted: Vec<(Parked, Value)>,
    /// What they wait for beside it.
    pub urgent: VecDeque<Event>,
}

impl Preempted {
    fn trace(&mut self, tracer: &mut Tracer<'_>) {
        self.parked.trace(tracer);
        for (parked, answer) in &mut self.interrupted {
            parked.trace(tracer);
            tracer.value(answer);
        }
        for event in &mut self.urgent {
            event.trace(tracer);
        }
    }
}

/// What an executor is told to do.
pub(crate) enum Event {
    /// Go on with a fiber that has used its slice, and then with those that wait for it.
    Preempted(Box<Preempted>),
    /// Go on with a fiber that waited for this answer.
    Resume(Box<Parked>, Value),
    /// Call a function.
    Call(Box<Call>),
    /// An input of a combinator has ended.
    Input {
        /// The combinator's handle.
        node: Value,
        /// Which input.
        input: u32,
    },
    /// End what a stopped system has pending on this executor.
    StopSystem(u32),
    /// Forget a timer that was started here.
    CancelTimer(crate::timers::TimerId),
    /// Call a function of the host.
    Host(HostCall),
}

impl Event {
    pub fn trace(&mut self, tracer: &mut Tracer<'_>) {
        match self {
            Event::Preempted(preempted) => preempted.trace(tracer),
            Event::Resume(parked, answer) => {
                parked.trace(tracer);
                tracer.value(answer);
            }
            Event::Call(call) => call.trace(tracer),
            Event::Input { node, .. } => tracer.value(node),
            Event::StopSystem(_) | Event::CancelTimer(_) | Event::Host(_) => {}
        }
    }
}

/// What a worker of the pool is to do: call a function, or go on with a fiber.
#[derive(Debug)]
pub(crate) enum Job {
    Call(Box<Call>),
    Resume(Box<Parked>, Value),
}

/// A job in the heap, until a worker takes it.
pub(crate) struct JobObject(pub std::sync::Mutex<Option<Job>>);

/// What a job that waits takes beside the heap, about, in bytes.
const JOB_BYTES: usize = 256;

impl HostObject for JobObject {
    fn trace(&mut self, tracer: &mut Tracer<'_>) {
        let job = self.0.get_mut().unwrap_or_else(std::sync::PoisonError::into_inner);
        match job {
            Some(Job::Call(call)) => call.trace(tracer),
            Some(Job::Resume(parked, answer)) => {
                parked.trace(tracer);
                tracer.value(answer);
            }
            None => {}
        }
    }

    fn type_name(&self) -> &'static str {
        "job"
    }

    fn external_bytes(&self) -> usize {
        if valk_sync::shim::lock(&self.0).is_some() { JOB_BYTES } else { 0 }
    }
}
