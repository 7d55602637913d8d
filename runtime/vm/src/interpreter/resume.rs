//! Starting and resuming a fiber: its first call, the answer it waits for, the call it was preempted
//! before.

use super::exit::Exit;
use super::run::run;
use crate::code::opcode::Opcode;
use crate::code::{REGISTERS_MAX, WINDOW_SLOTS};
use crate::frames::fiber::{Fiber, State};
use crate::vm::{Step, Vm};
use valk_heap::Value;

impl Vm {
    /// Puts a call on a new fiber's stack.
    pub(crate) fn prepare(fiber: &mut Fiber, function: Value, arguments: &[Value]) {
        let count = arguments.len();
        assert!(count <= REGISTERS_MAX, "an embedder passes few arguments");
        fiber.ensure(WINDOW_SLOTS + count);
        fiber.stack[0] = function;
        fiber.stack[WINDOW_SLOTS..WINDOW_SLOTS + count].copy_from_slice(arguments);
        fiber.top = WINDOW_SLOTS + count;
        *fiber.boot = [Opcode::Call as u32 | (count as u32) << 16, Opcode::Halt as u32];
        fiber.pc = fiber.boot.as_ptr();
        fiber.result = WINDOW_SLOTS - 1;
    }

    /// Runs a waiting fiber until it stops.
    pub(crate) fn interpret(&mut self, fiber: &mut Fiber, answer: Value) -> Step {
        fiber.state = State::Running;
        let mut exit = self.proceed(fiber, answer).err();
        loop {
            match exit.take().unwrap_or_else(|| self.run(fiber)) {
                Exit::Guarded => {}
                Exit::Done(value) => {
                    fiber.state = State::Finished;
                    return Step::Done(value);
                }
                Exit::Suspended(question) => {
                    fiber.state = State::Waiting;
                    return Step::Suspended(question);
                }
                Exit::Preempted => {
                    fiber.state = State::Waiting;
                    return Step::Preempted;
                }
            }
        }
    }

    /// Does what a waiting fiber stopped for: performs the call it was preempted before, or gives it
    /// the answer it waits for.
    fn proceed(&mut self, fiber: &mut Fiber, answer: Value) -> Result<(), Exit> {
        if let Some(site) = fiber.preempted_call.take() {
            self.safepoints_passed += 1;
            return self.perform_call(fiber, site);
        }
        self.locate(fiber, answer);
        fiber.stack[fiber.result] = answer;
        Ok(())
    }

    fn run(&mut self, fiber: &mut Fiber) -> Exit {
        if self.guarded { run::<true>(self, fiber) } else { run::<false>(self, fiber) }
    }
}
