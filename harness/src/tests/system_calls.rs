//! Waiting, descriptors, values of statics: what stands in `ffi`.

use std::io::{Read, Write};
use std::os::fd::{AsFd, AsRawFd};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use crate as valk_harness;
use crate::ffi::descriptors::{
    is_nonblocking, message_sockets, poll_writable, read_available, receive_with_descriptor,
    send_with_descriptor, write_some,
};
use crate::ffi::signals::{block, wait_for};
use crate::ffi::static_value::StaticValue;
use crate::ffi::{self, Pid, memory};

/// Signals that a handler has taken.
static HANDLED: AtomicU32 = AtomicU32::new(0);

extern "C" fn handle(_: i32) {
    HANDLED.fetch_add(1, Ordering::SeqCst);
}

/// Runs `wait`, which has to wait, and interrupts it by a signal with a handler before `end` ends it.
fn interrupted<T>(wait: impl FnOnce() -> T, end: impl FnOnce() + Send + 'static) -> T {
    // SAFETY: the handler only counts, in an atomic number.
    unsafe { libc::signal(libc::SIGUSR1, handle as *const () as libc::sighandler_t) };
    let before = HANDLED.load(Ordering::SeqCst);
    // The test is the only thread, so that its number is that of the process.
    let waiting = std::process::id() as Pid;
    let is_asleep = move || {
        let stat = std::fs::read_to_string(format!("/proc/self/task/{waiting}/stat"));
        stat.is_ok_and(|stat| stat.rsplit_once(") ").is_some_and(|(_, rest)| rest.starts_with('S')))
    };
    // What sends the signal must not take it.
    block(&[libc::SIGUSR1]);
    let other = std::thread::spawn(move || {
        while !is_asleep() {
            std::thread::yield_now();
        }
        ffi::kill(waiting, libc::SIGUSR1);
        while HANDLED.load(Ordering::SeqCst) == before {
            std::thread::yield_now();
        }
        end();
    });
    ffi::signals::unblock();
    block(&[libc::SIGUSR2]);
    let result = wait();
    other.join().expect("it only sends signals");
    assert_eq!(HANDLED.load(Ordering::SeqCst), before + 1, "the wait was interrupted");
    result
}

valk_harness::test! {
    fn a_pipe_tells_bytes_and_its_end_apart() {
        let found = |pipe: &std::io::PipeReader| ffi::waiting([Some(pipe.as_fd()), None]);
        let (reader, mut writer) = std::io::pipe().expect("descriptors are free");
        let none = ffi::Waiting { bytes: false, ended: true };
        assert_eq!(found(&reader), [ffi::Waiting { bytes: false, ended: false }, none]);
        writer.write_all(b"x").expect("it is open");
        assert_eq!(found(&reader), [ffi::Waiting { bytes: true, ended: false }, none]);
        drop(writer);
        assert_eq!(found(&reader), [ffi::Waiting { bytes: true, ended: true }, none]);
        assert_eq!(read_available(&reader), b"x");
        assert_eq!(found(&reader)[0], none);
    }

    /// What is allocated afterwards lies in pages that nothing before it touches.
    fn the_heap_can_be_set_apart() {
        let address = |bytes: usize| Box::leak(vec![0_u8; bytes].into_boxed_slice()).as_ptr() as usize;
        let before = [24, 100, 5_000, 40_000].map(address);
        // Free blocks between them, which must not be used again.
        for bytes in [24, 100, 1_000, 5_000, 40_000] {
            let blocks: Vec<Vec<u8>> = (0..20).map(|_| vec![1; bytes]).collect();
            drop(blocks);
        }
        memory::set_heap_apart();
        let page = |address: usize| address >> 21;
        for bytes in [24, 100, 1_000, 5_000, 40_000] {
            let after = address(bytes);
            assert!(before.iter().all(|earlier| page(*earlier) < page(after)), "{before:x?} {after:x}");
        }
    }

    fn a_wait_for_a_signal_goes_on_after_another_one() {
        let this = std::process::id() as Pid;
        let arrived =
            interrupted(|| wait_for(&[libc::SIGUSR2]), move || ffi::kill(this, libc::SIGUSR2));
        assert_eq!((arrived.signal, arrived.by_process), (libc::SIGUSR2, true));
    }

    fn a_wait_for_a_descriptor_goes_on_after_a_signal() {
        let (reader, mut writer) = std::io::pipe().expect("a pipe");
        let [is_ready] = interrupted(
            || ffi::poll([Some(reader.as_fd())], Some(Duration::from_hours(1))),
            move || writer.write_all(b"x").expect("the reader is open"),
        );
        assert!(is_ready);
    }

    fn what_a_pipe_holds_is_read_without_waiting_for_its_end() {
        let (reader, mut writer) = std::io::pipe().expect("a pipe");
        writer.write_all(&[b'x'; 5000]).expect("it has room");
        assert_eq!(read_available(&reader), [b'x'; 5000], "the writer is still open");
        writer.write_all(b"y").expect("it has room");
        drop(writer);
        assert_eq!(read_available(&reader), b"y");
        assert_eq!(read_available(&reader), b"");
    }

    fn a_message_without_a_descriptor_is_refused() {
        let (ours, theirs) = message_sockets().expect("descriptors are free");
        let message = [1, 2, 3, 4, 5];
        send_with_descriptor(ours.as_fd(), message, ours.as_fd()).expect("the other end is open");
        let (received, _) = receive_with_descriptor(theirs.as_fd()).expect("it was sent");
        assert_eq!(received, message);
        write_some(ours.as_raw_fd(), &message).expect("the other end is open");
        receive_with_descriptor(theirs.as_fd()).expect_err("no descriptor");
        let on: i32 = 1;
        // SAFETY: the option's value is valid for its length. Messages now carry who sent them.
        let set = unsafe {
            let (level, name) = (libc::SOL_SOCKET, libc::SO_PASSCRED);
            libc::setsockopt(theirs.as_raw_fd(), level, name, (&raw const on).cast(), 4)
        };
        assert_eq!(set, 0);
        write_some(ours.as_raw_fd(), &message).expect("the other end is open");
        receive_with_descriptor(theirs.as_fd()).expect_err("no descriptor, but something else");
        drop(ours);
        receive_with_descriptor(theirs.as_fd()).expect_err("the other end is closed");
    }

    fn an_output_is_waited_for_until_it_takes_bytes() {
        let (mut reader, writer) = std::io::pipe().expect("a pipe");
        assert!(!is_nonblocking(writer.as_fd()));
        // SAFETY: sets a flag of an open descriptor.
        unsafe { libc::fcntl(writer.as_raw_fd(), libc::F_SETFL, libc::O_NONBLOCK) };
        assert!(is_nonblocking(writer.as_fd()));
        let mut held = 0;
        while let Ok(written) = write_some(writer.as_raw_fd(), &[b'x'; 4096]) {
            held += written;
        }
        let error = write_some(writer.as_raw_fd(), b"y").expect_err("it is full");
        assert_eq!(error.kind(), std::io::ErrorKind::WouldBlock);
        let other = std::thread::spawn(move || {
            let mut bytes = vec![0; held];
            reader.read_exact(&mut bytes).expect("it holds as much");
            reader
        });
        poll_writable(writer.as_fd());
        write_some(writer.as_raw_fd(), b"y").expect("it has room");
        let reader = other.join().expect("it reads");
        assert_eq!(read_available(&reader), b"y");
    }

    fn a_value_is_made_once_and_dropped_once() {
        struct Counted<'a>(&'a AtomicU32);
        impl Drop for Counted<'_> {
            fn drop(&mut self) {
                self.0.fetch_add(1, Ordering::SeqCst);
            }
        }
        let dropped = AtomicU32::new(0);
        let value = StaticValue::new();
        assert!(value.get().is_none());
        // SAFETY: nothing refers to the value, which has not been made.
        unsafe { value.drop_value() };
        value.get_or_init(|| Counted(&dropped));
        value.get_or_init(|| unreachable!("it is made"));
        assert!(value.get().is_some());
        assert_eq!(dropped.load(Ordering::SeqCst), 0);
        // SAFETY: nothing refers to the value any more.
        unsafe { value.drop_value() };
        assert_eq!(dropped.load(Ordering::SeqCst), 1);
        assert!(value.get().is_none());
    }
}
