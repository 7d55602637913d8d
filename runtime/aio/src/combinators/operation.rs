//! The handle of an operation that a task of the host carries out, such as a request.
//!
//! The task settles the handle. Whatever else ends it, its cancellation above all, ends
//! [`Abandoned`], by which the task learns that its result is wanted no more.

use super::{Kind, Node};
use crate::handle::with_node;
use std::pin::Pin;
use std::task::{Context, Poll};
use tokio::sync::oneshot;
use valk_heap::Value;
use valk_vm::Vm;

/// What tells the task.
#[derive(Debug)]
pub(crate) struct Operation {
    wanted: Option<oneshot::Sender<()>>,
}

impl Operation {
    /// The handle has ended.
    pub fn release(&mut self) {
        drop(self.wanted.take());
    }
}

/// Completes when the handle of an operation has ended, on any thread.
#[derive(Debug)]
pub struct Abandoned(oneshot::Receiver<()>);

impl Future for Abandoned {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        Pin::new(&mut self.0).poll(cx).map(drop)
    }
}

/// A running handle for an operation of the host.
pub fn new_operation(vm: &mut Vm) -> (Value, Abandoned) {
    let (wanted, abandoned) = oneshot::channel();
    let node = Node::new(vm, Kind::Operation(Operation { wanted: Some(wanted) }));
    (with_node(vm, node), Abandoned(abandoned))
}

/// A running handle of something that happens whether it is waited for or not; the host settles it.
/// It is not cancelled when those that waited for it have left.
pub fn new_event(vm: &mut Vm) -> Value {
    let node = Node::new(vm, Kind::Event);
    with_node(vm, node)
}
