//! Emission of code that runs below a marker frame: `reset`, `shift`, `ctx/with`.
//!
//! A delayed body becomes a function without parameters. It has no scope of its own: what it binds
//! with `=` belongs to the function it stands in, where such a variable is always a cell because
//! the expander counts the binding as a mention by a nested function.

use super::emit::Emitter;
use super::frame::Frame;
use super::node::NodeId;
use valk_heap::Value;
use valk_vm::{CodeKind, Opcode, WINDOW_SLOTS};

impl Emitter<'_> {
    /// A function without parameters for `body`, in `target`.
    pub(super) fn delayed(&mut self, body: NodeId, target: u8) {
        let environment = self.frame().environment;
        let made = if self.by_name {
            let sources = environment.map(u32::from).into_iter().collect();
            self.thunk(body, environment.is_some()).map(|code| (code, sources))
        } else {
            self.transparent_thunk(body)
        };
        match made {
            Some((code, sources)) => self.closure(code, &sources, target),
            None => self.frame().overflow = true,
        }
    }

    /// Code for a delayed body whose variables live in registers, and where its captures are.
    fn transparent_thunk(&mut self, body: NodeId) -> Option<(Value, Vec<u32>)> {
        let mut frame = Frame::default();
        frame.transparent = true;
        self.frames.push(frame);
        self.tail(body);
        let frame = self.frames.pop().expect("pushed above");
        let sources = frame.captures.iter().map(|captured| captured.source).collect();
        let code = frame.finish(CodeKind::Thunk, None, self.module)?;
        Some((self.vm.install(code), sources))
    }

    /// Binds a variable of the enclosing function `owner` from a delayed body.
    pub(super) fn bind_outside(&mut self, owner: usize, index: usize, register: u8) {
        self.frames[owner].locals[index].assigned = true;
        let capture = self.capture(self.frames.len() - 1, owner, index) as u8;
        let cell = self.frame().register();
        self.emit(Opcode::Capture, cell, capture, 0);
        self.emit(Opcode::SetCell, cell, register, 0);
    }

    /// An operation on the function in a window; its result replaces the function.
    pub(super) fn in_window(&mut self, opcode: Opcode, function: NodeId, target: Option<u8>) {
        self.frame().reserve(WINDOW_SLOTS);
        let window = self.frame().register();
        self.value(function, window);
        self.emit(opcode, window, 0, 0);
        self.deliver(window, target);
    }

    /// A delayed body run with the context that `make` gives; an error of `make` is the value.
    pub(super) fn with_context(&mut self, make: NodeId, body: NodeId, target: u8) {
        let start = self.frame().next;
        let context = self.frame().take();
        self.value(make, context);
        let skip = self.emit_jump(Opcode::JumpError, context);
        self.frame().reserve(WINDOW_SLOTS);
        let window = self.frame().register();
        self.value(body, window);
        self.emit(Opcode::WithContext, window, context, 0);
        self.frame().next = start;
        self.copy(target, window);
        self.land(vec![(skip, context)], target);
    }
}
