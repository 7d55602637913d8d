//! Tail calls of the function being emitted: its loops.
//!
//! The arguments are left in the registers of the parameters, so that the next round begins where
//! the function does without moving anything. What a parameter still has to give to other arguments
//! decides the order: an argument is evaluated into its parameter once no other one reads that any
//! more, and waits in a register of its own if there is a circle.

use super::emit::Emitter;
use super::frame::Frame;
use super::node::{Arena, Lambda, Node, NodeId};
use valk_heap::SymbolId;
use valk_vm::{Opcode, WINDOW_SLOTS};

/// The parameters of a named function, if they are plain registers from 0 on and nothing else is
/// bound by a call.
pub(super) fn parameters(lambda: &Lambda, frame: &Frame) -> Option<(SymbolId, Vec<SymbolId>)> {
    let plain = frame.locals.iter().filter(|local| local.formal && !local.cell).count();
    let simple = lambda.rest.is_none() && !lambda.broken && plain == lambda.parameters.len();
    Some((lambda.name?, lambda.parameters.clone())).filter(|_| simple)
}

/// Whether a pure node's value depends on a variable of this name.
fn reads(arena: &Arena, node: NodeId, name: SymbolId) -> bool {
    match arena.node(node) {
        Node::Constant(_) => false,
        Node::Variable(variable) => *variable == name,
        Node::Primitive(_, nodes) | Node::List(nodes) => {
            nodes.iter().any(|node| reads(arena, *node, name))
        }
        // Functions and whatever else is pure: perhaps.
        _ => true,
    }
}

impl Emitter<'_> {
    /// The parameters when a tail call of this global is one of the running function by itself.
    pub(super) fn itself(&mut self, name: SymbolId, count: usize) -> Option<Vec<SymbolId>> {
        let (own, parameters) = self.frame().itself.clone()?;
        (own == name && parameters.len() == count).then_some(parameters)
    }

    /// A tail call of the running function with pure arguments. Should the global have become
    /// another function by then, it is called with them.
    pub(super) fn call_itself(
        &mut self,
        node: NodeId,
        name: SymbolId,
        parameters: &[SymbolId],
        arguments: &[NodeId],
    ) {
        let start = self.frame().next;
        let mut left: Vec<usize> =
            (0..arguments.len()).filter(|i| !self.keeps(arguments[*i], *i)).collect();
        let mut places = Vec::new();
        while !left.is_empty() {
            let unread = left.iter().position(|i| {
                let mut others = left.iter().filter(|other| *other != i);
                !others.any(|other| reads(self.arena, arguments[*other], parameters[*i]))
            });
            let place = left.remove(unread.unwrap_or(0));
            let parameter = place as u8;
            let register = if unread.is_some() { parameter } else { self.frame().take() };
            self.value(arguments[place], register);
            places.push((parameter, register));
        }
        for (parameter, register) in places {
            self.copy(parameter, register);
        }
        self.frame().next = start;
        self.frame().reserve(WINDOW_SLOTS + arguments.len());
        let window = self.frame().register();
        self.position(node);
        self.frame().expose();
        let cell = self.cell(name);
        self.emit_word(Opcode::TailSelf, window, arguments.len() as u8, 0, cell);
        self.deliver(window, None);
    }

    /// Whether an argument is what its parameter holds already.
    fn keeps(&mut self, argument: NodeId, parameter: usize) -> bool {
        let Node::Variable(name) = self.arena.node(argument) else { return false };
        let frame = self.frame();
        let found = frame.find(*name, frame.scopes.len()).map(|(_, local)| &frame.locals[local]);
        found.is_some_and(|local| local.formal && usize::from(local.register) == parameter)
    }
}
