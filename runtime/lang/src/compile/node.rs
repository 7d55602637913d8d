//! Core forms: what the expander makes of code and the emitter turns into instructions.
//!
//! Nodes live in one arena and refer to each other by index, so that a form of any depth can be
//! dropped without recursion.

use std::collections::HashSet;
use valk_heap::{SymbolId, Value};
use valk_vm::{Opcode, Position};

/// Index of a node in its [`Arena`].
pub type NodeId = u32;

/// Names a scope binds with `=`, and names that functions inside it mention.
#[derive(Debug, Default, Clone)]
pub struct Scope {
    /// Names bound with `=` in exactly this scope, in order of appearance.
    pub assigned: Vec<SymbolId>,
    /// Names mentioned by functions nested in this scope.
    pub inner: HashSet<SymbolId>,
}

/// A literal function.
#[derive(Debug)]
pub struct Lambda {
    /// Required parameters.
    pub parameters: Vec<SymbolId>,
    /// Name that collects further arguments.
    pub rest: Option<SymbolId>,
    /// `&` without a usable name.
    pub broken: bool,
    /// The scope of the body.
    pub scope: Scope,
    /// The body.
    pub body: NodeId,
    /// Formals as written.
    pub formals: Value,
    /// Body as written.
    pub source: Value,
    /// Sees only globals outside its own scope (`fun`).
    pub global_only: bool,
    /// Name for listings.
    pub name: Option<SymbolId>,
}

/// A core form.
#[derive(Debug)]
pub enum Node {
    /// A value.
    Constant(Value),
    /// A variable by name.
    Variable(SymbolId),
    /// `(if c t e)`; a missing branch is nil.
    If(NodeId, NodeId, Option<NodeId>),
    /// A call.
    Call(NodeId, Vec<NodeId>),
    /// A call of a builtin that needs the environment, by name.
    Reflective(SymbolId, Vec<NodeId>),
    /// `(e)`.
    Single(NodeId),
    /// A body of several expressions: an error in any but the last ends it.
    Sequence(Vec<NodeId>),
    /// `do`: errors in any but the last are ignored.
    Do(Vec<NodeId>),
    /// `=` with literal names.
    Assign(Vec<SymbolId>, Vec<NodeId>),
    /// `def` with literal names.
    Define(Vec<SymbolId>, Vec<NodeId>),
    /// `(\ …)`.
    Lambda(Box<Lambda>),
    /// `fun`: the name and a lambda.
    Fun(SymbolId, NodeId),
    /// `let`: a body in a scope of its own.
    Let(Scope, NodeId),
    /// `select` with literal clauses.
    Select(Vec<(NodeId, NodeId)>),
    /// `case` with literal clauses: the key and the result, which stays data.
    Case(NodeId, Vec<(NodeId, Value)>),
    /// Two-argument `and`.
    And(NodeId, NodeId),
    /// Two-argument `or`.
    Or(NodeId, NodeId),
    /// An inlined builtin.
    Primitive(Opcode, Vec<NodeId>),
    /// `list` with few arguments.
    List(Vec<NodeId>),
    /// A quasiquoted list: items, each perhaps spliced; whether the list is quoted.
    Template(Vec<(NodeId, bool)>, bool),
    /// A function without parameters for code that stays in the scope it stands in.
    Delayed(NodeId),
    /// `reset`: the delayed body.
    Reset(NodeId),
    /// `shift`: the function that gets the continuation.
    Shift(NodeId),
    /// `ctx/with…`: what makes the context, the delayed body.
    WithContext(NodeId, NodeId),
}

/// What an expression may do, for ordering decisions.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Effects {
    /// Runs no code outside itself: no calls, no assignments.
    pub pure: bool,
    /// Assigns a variable of the function it stands in.
    pub assigns: bool,
}

/// The nodes of one top-level form.
#[derive(Debug, Default)]
pub struct Arena {
    nodes: Vec<Node>,
    effects: Vec<Effects>,
    positions: Vec<Option<Position>>,
}

impl Arena {
    /// Adds a node.
    pub fn add(&mut self, node: Node, position: Option<Position>) -> NodeId {
        let effects = self.effects_of(&node);
        self.nodes.push(node);
        self.effects.push(effects);
        self.positions.push(position);
        (self.nodes.len() - 1) as NodeId
    }

    /// The node.
    pub fn node(&self, id: NodeId) -> &Node {
        &self.nodes[id as usize]
    }

    /// What evaluating the node may do.
    pub fn effects(&self, id: NodeId) -> Effects {
        self.effects[id as usize]
    }

    /// Where the node was written.
    pub fn position(&self, id: NodeId) -> Option<Position> {
        self.positions[id as usize]
    }

    fn effects_of(&self, node: &Node) -> Effects {
        let any = |ids: &mut dyn Iterator<Item = NodeId>| {
            let mut ids = ids;
            Iterator::any(&mut ids, |id| self.effects(id).assigns)
        };
        let all = |ids: &[NodeId]| ids.iter().all(|id| self.effects(*id).pure);
        let (pure, assigns) = match node {
            Node::Constant(_) | Node::Variable(_) | Node::Lambda(_) | Node::Delayed(_) => {
                (true, false)
            }
            Node::Primitive(_, ids) | Node::List(ids) => (all(ids), any(&mut ids.iter().copied())),
            Node::If(c, t, e) => (false, any(&mut [*c, *t].into_iter().chain(*e))),
            Node::Call(head, ids) => {
                (false, any(&mut std::iter::once(*head).chain(ids.iter().copied())))
            }
            Node::Single(id)
            | Node::Fun(_, id)
            | Node::Reset(id)
            | Node::Shift(id)
            | Node::WithContext(id, _) => (false, any(&mut std::iter::once(*id))),
            Node::Let(_, _) => (false, true),
            Node::Sequence(ids) | Node::Do(ids) | Node::Define(_, ids) => {
                (false, any(&mut ids.iter().copied()))
            }
            Node::Assign(..) | Node::Reflective(..) => (false, true),
            Node::Select(clauses) => (false, any(&mut clauses.iter().flat_map(|(c, r)| [*c, *r]))),
            Node::Case(x, clauses) => {
                (false, any(&mut std::iter::once(*x).chain(clauses.iter().map(|(k, _)| *k))))
            }
            Node::And(x, y) | Node::Or(x, y) => (false, any(&mut [*x, *y].into_iter())),
            Node::Template(items, _) => (false, any(&mut items.iter().map(|(id, _)| *id))),
        };
        Effects { pure, assigns }
    }
}
