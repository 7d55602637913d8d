//! The control socket of a group: how the runner asks for the processes of a group.
//!
//! A message has five bytes, the kind and the number of a child group, and carries a descriptor: the
//! other end of a channel for a new supervisor, or of the control socket for a child group.
//! Closing the control socket ends the group.

use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::net::UnixStream;

use crate::ffi::descriptors;

/// What the runner wants from a group.
pub enum Order {
    /// A supervisor that serves this channel.
    Supervisor(UnixStream),
    /// A process that builds the fixtures of this child group and obeys this control socket.
    Child(usize, OwnedFd),
}

const SUPERVISOR: u8 = 1;
const CHILD: u8 = 2;

/// Makes a control socket: the runner's end and the group's end.
///
/// # Errors
/// No descriptor is free.
pub fn sockets() -> io::Result<(OwnedFd, OwnedFd)> {
    descriptors::message_sockets()
}

/// Sends an order.
///
/// # Errors
/// The group's process has ended.
pub fn send(control: &OwnedFd, order: &Order) -> io::Result<()> {
    let (kind, group, descriptor) = match order {
        Order::Supervisor(channel) => (SUPERVISOR, 0, channel.as_fd()),
        Order::Child(group, control) => (CHILD, *group as u32, control.as_fd()),
    };
    let mut message = [kind; descriptors::MESSAGE_BYTES];
    message[1..].copy_from_slice(&group.to_le_bytes());
    descriptors::send_with_descriptor(control.as_fd(), message, descriptor)
}

/// Waits for an order; an error when the runner has closed the socket.
///
/// # Errors
/// The socket is closed, or the message is none of ours.
pub fn receive(control: &OwnedFd) -> io::Result<Order> {
    let (message, descriptor) = descriptors::receive_with_descriptor(control.as_fd())?;
    let [kind, group @ ..] = message;
    match kind {
        SUPERVISOR => Ok(Order::Supervisor(descriptor.into())),
        CHILD => Ok(Order::Child(u32::from_le_bytes(group) as usize, descriptor)),
        _ => Err(io::ErrorKind::InvalidData.into()),
    }
}
