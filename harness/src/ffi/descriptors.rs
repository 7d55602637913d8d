//! Descriptors: waiting for, passing on, redirecting them.

use std::fs::File;
use std::io::{self, PipeReader, Read};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, FromRawFd, OwnedFd, RawFd};
use std::time::Duration;

use super::check;

/// Waits until a descriptor is readable or hung up; `None` entries are left out.
///
/// Without a timeout it waits for ever. A wait that a signal handler interrupts begins anew.
pub fn poll<const N: usize>(
    descriptors: [Option<BorrowedFd<'_>>; N],
    timeout: Option<Duration>,
) -> [bool; N] {
    poll_for(libc::POLLIN, descriptors, timeout).map(|found| found != 0)
}

/// What a pipe has for its reader.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Waiting {
    /// Bytes.
    pub bytes: bool,
    /// Nothing can write to it any more.
    pub ended: bool,
}

/// What pipes have for their reader at the moment; `None` entries have nothing and have ended.
pub fn waiting<const N: usize>(pipes: [Option<BorrowedFd<'_>>; N]) -> [Waiting; N] {
    let is_open = pipes.map(|pipe| pipe.is_some());
    let found = poll_for(libc::POLLIN, pipes, Some(Duration::ZERO));
    std::array::from_fn(|at| Waiting {
        bytes: found[at] & libc::POLLIN != 0,
        ended: !is_open[at] || found[at] & (libc::POLLHUP | libc::POLLERR) != 0,
    })
}

/// Waits until a descriptor takes bytes.
pub fn poll_writable(descriptor: BorrowedFd<'_>) {
    poll_for(libc::POLLOUT, [Some(descriptor)], None);
}

fn poll_for<const N: usize>(
    events: i16,
    descriptors: [Option<BorrowedFd<'_>>; N],
    timeout: Option<Duration>,
) -> [i16; N] {
    let mut entries = descriptors.map(|fd| libc::pollfd {
        fd: fd.map_or(-1, |fd| fd.as_raw_fd()),
        events,
        revents: 0,
    });
    // Rounded up: rounding down would spin through the last millisecond before a deadline.
    let milliseconds =
        timeout.map_or(-1, |t| i32::try_from(t.as_micros().div_ceil(1000)).unwrap_or(i32::MAX));
    let is_interrupted = || io::Error::last_os_error().kind() == io::ErrorKind::Interrupted;
    // SAFETY: `entries` is an array of N initialised entries.
    while unsafe { libc::poll(entries.as_mut_ptr(), N as libc::nfds_t, milliseconds) } == -1
        && is_interrupted()
    {}
    entries.map(|entry| entry.revents)
}

/// Everything that has been written to a pipe; a process that still holds the other end is not waited
/// for.
pub fn read_available(mut from: &PipeReader) -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut buffer = [0; 4096];
    while poll([Some(from.as_fd())], Some(Duration::ZERO))[0] {
        match from.read(&mut buffer) {
            Ok(read) if read > 0 => bytes.extend_from_slice(&buffer[..read]),
            _ => break,
        }
    }
    bytes
}

/// Makes descriptor `number` (0, 1 or 2) a duplicate of `source`.
pub fn redirect(source: BorrowedFd<'_>, number: i32) -> io::Result<()> {
    assert!((0..=2).contains(&number), "only standard descriptors are redirected, not {number}");
    // SAFETY: std never owns descriptors 0 to 2, so no owner is surprised (rule 3).
    check(unsafe { libc::dup2(source.as_raw_fd(), number) }).map(drop)
}

/// Lets `descriptor` survive `exec`, or not.
pub fn inherit(descriptor: BorrowedFd<'_>, across_exec: bool) -> io::Result<()> {
    let flags = if across_exec { 0 } else { libc::FD_CLOEXEC };
    // SAFETY: a borrowed descriptor is open.
    check(unsafe { libc::fcntl(descriptor.as_raw_fd(), libc::F_SETFD, flags) }).map(drop)
}

/// Takes over a descriptor that the parent left open for us, if it is open at all.
pub fn adopt_descriptor(number: i32) -> io::Result<File> {
    // SAFETY: F_GETFD only asks whether the number is open.
    check(unsafe { libc::fcntl(number, libc::F_GETFD) })?;
    // SAFETY: the parent passed this number to this process, and the caller is the only one
    // that takes it, once, at start-up (rule 3).
    Ok(unsafe { File::from_raw_fd(number) })
}

/// Whether writing to `descriptor` fails where it would have to wait.
pub fn is_nonblocking(descriptor: BorrowedFd<'_>) -> bool {
    // SAFETY: a borrowed descriptor is open.
    let flags = check(unsafe { libc::fcntl(descriptor.as_raw_fd(), libc::F_GETFL) });
    flags.is_ok_and(|flags| flags & libc::O_NONBLOCK != 0)
}

/// Identifies the file behind a descriptor; `None` if the number is not open.
pub fn file_identity(descriptor: RawFd) -> Option<(u64, u64)> {
    // SAFETY: `stat` is valid for the call; a number that is not open is an error of the call.
    unsafe {
        let mut stat: libc::stat = std::mem::zeroed();
        (libc::fstat(descriptor, &raw mut stat) == 0).then_some((stat.st_dev, stat.st_ino))
    }
}

/// Writes what the descriptor takes at once; the caller need not own it.
///
/// # Errors
/// That of the call, `WouldBlock` among them.
pub fn write_some(descriptor: RawFd, bytes: &[u8]) -> io::Result<usize> {
    // SAFETY: the slice is valid for its length; a number that is not open is an error of the call.
    let written = unsafe { libc::write(descriptor, bytes.as_ptr().cast(), bytes.len()) };
    usize::try_from(written).map_err(|_| io::Error::last_os_error())
}

/// Two connected sockets that keep messages apart.
///
/// # Errors
/// No descriptor is free.
pub fn message_sockets() -> io::Result<(OwnedFd, OwnedFd)> {
    let mut pair = [0; 2];
    let kind = libc::SOCK_SEQPACKET | libc::SOCK_CLOEXEC;
    // SAFETY: the array has room for the two descriptors.
    check(unsafe { libc::socketpair(libc::AF_UNIX, kind, 0, pair.as_mut_ptr()) })?;
    // SAFETY: the kernel has just made both, so nothing else owns them.
    Ok(unsafe { (OwnedFd::from_raw_fd(pair[0]), OwnedFd::from_raw_fd(pair[1])) })
}

/// Bytes of a message that carries a descriptor.
pub const MESSAGE_BYTES: usize = 5;

/// Room for one descriptor in the control part of a message, aligned as its header is.
#[repr(C, align(8))]
struct ControlBuffer([u8; 64]);

/// Sends a message with a descriptor.
///
/// # Errors
/// The other end is closed.
pub fn send_with_descriptor(
    socket: BorrowedFd<'_>,
    message: [u8; MESSAGE_BYTES],
    descriptor: BorrowedFd<'_>,
) -> io::Result<()> {
    let mut control = ControlBuffer([0; 64]);
    let mut message = message;
    let number = descriptor.as_raw_fd();
    let bytes = size_of::<RawFd>() as libc::c_uint;
    // SAFETY: the header points at `message` and `control`, which outlive the call; the control
    // buffer is aligned and has room for one header with one descriptor.
    unsafe {
        let mut part =
            libc::iovec { iov_base: message.as_mut_ptr().cast(), iov_len: message.len() };
        let mut header: libc::msghdr = std::mem::zeroed();
        header.msg_iov = &raw mut part;
        header.msg_iovlen = 1;
        header.msg_control = control.0.as_mut_ptr().cast();
        header.msg_controllen = libc::CMSG_SPACE(bytes) as usize;
        let entry = libc::CMSG_FIRSTHDR(&raw const header);
        (*entry).cmsg_level = libc::SOL_SOCKET;
        (*entry).cmsg_type = libc::SCM_RIGHTS;
        (*entry).cmsg_len = libc::CMSG_LEN(bytes) as usize;
        std::ptr::write_unaligned(libc::CMSG_DATA(entry).cast::<RawFd>(), number);
        let sent = libc::sendmsg(socket.as_raw_fd(), &raw const header, libc::MSG_NOSIGNAL);
        check(i32::try_from(sent).unwrap_or(-1)).map(drop)
    }
}

/// Receives what [`send_with_descriptor`] sent; an error when the other end is closed.
///
/// # Errors
/// The other end is closed, or sent something else.
pub fn receive_with_descriptor(
    socket: BorrowedFd<'_>,
) -> io::Result<([u8; MESSAGE_BYTES], OwnedFd)> {
    let mut control = ControlBuffer([0; 64]);
    let mut message = [0_u8; MESSAGE_BYTES];
    // SAFETY: as in `send_with_descriptor`; a received descriptor belongs to this process alone.
    unsafe {
        let mut part =
            libc::iovec { iov_base: message.as_mut_ptr().cast(), iov_len: message.len() };
        let mut header: libc::msghdr = std::mem::zeroed();
        header.msg_iov = &raw mut part;
        header.msg_iovlen = 1;
        header.msg_control = control.0.as_mut_ptr().cast();
        header.msg_controllen = control.0.len();
        let received = libc::recvmsg(socket.as_raw_fd(), &raw mut header, libc::MSG_CMSG_CLOEXEC);
        let entry = libc::CMSG_FIRSTHDR(&raw const header);
        if received != MESSAGE_BYTES as isize
            || entry.is_null()
            || (*entry).cmsg_type != libc::SCM_RIGHTS
        {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        let number = std::ptr::read_unaligned(libc::CMSG_DATA(entry).cast::<RawFd>());
        Ok((message, OwnedFd::from_raw_fd(number)))
    }
}
