//! Which connections and streams have something to do.
//!
//! 1. Every connection and every place of its table of streams has a waker that is made once. Waking
//!    sets a bit; the loop takes whole words of bits.
//! 2. While the loop is at work nothing has to wake it: it looks at the bits again before it sleeps.
//!    Asleep, the first bit wakes its task.

use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError, RwLock};
use std::task::{Context, Wake, Waker};

/// A set of small numbers that wakers write and the loop empties.
#[derive(Debug, Default)]
struct Bits {
    words: Vec<AtomicU64>,
}

impl Bits {
    fn with_room(count: usize) -> Bits {
        Bits { words: (0..count.div_ceil(64)).map(|_| AtomicU64::new(0)).collect() }
    }

    fn set(&self, index: usize) {
        self.words[index / 64].fetch_or(1 << (index % 64), Ordering::SeqCst);
    }

    fn clear(&self, index: usize) {
        self.words[index / 64].fetch_and(!(1 << (index % 64)), Ordering::SeqCst);
    }

    fn is_empty(&self) -> bool {
        self.words.iter().all(|word| word.load(Ordering::SeqCst) == 0)
    }

    /// Appends all numbers of the set to `into` and empties it.
    fn take(&self, into: &mut Vec<u32>) {
        for (place, word) in self.words.iter().enumerate() {
            if word.load(Ordering::Relaxed) == 0 {
                continue;
            }
            let mut bits = word.swap(0, Ordering::SeqCst);
            while bits != 0 {
                into.push((place * 64) as u32 + bits.trailing_zeros());
                bits &= bits - 1;
            }
        }
    }
}

/// The bits of all connections, and the task that sleeps on them.
#[derive(Debug)]
pub struct Signals {
    /// Grows in steps as connections are added; written rarely.
    connections: RwLock<Bits>,
    asleep: AtomicBool,
    task: Mutex<Option<Waker>>,
    /// The connection whose streams the loop is about to look at, or none.
    serving: AtomicUsize,
}

const NONE: usize = usize::MAX;

impl Signals {
    /// No connection yet.
    pub fn new() -> Arc<Signals> {
        Arc::new(Signals {
            connections: RwLock::default(),
            asleep: AtomicBool::new(false),
            task: Mutex::new(None),
            serving: AtomicUsize::new(NONE),
        })
    }

    /// Makes room for connection `index`.
    pub fn make_room(&self, index: usize) {
        let mut bits = self.connections.write().unwrap_or_else(PoisonError::into_inner);
        while bits.words.len() <= index / 64 {
            bits.words.push(AtomicU64::new(0));
        }
    }

    /// Connection `index` has something to do.
    pub fn set(&self, index: usize) {
        self.connections.read().unwrap_or_else(PoisonError::into_inner).set(index);
        if self.asleep.load(Ordering::SeqCst) && self.asleep.swap(false, Ordering::SeqCst) {
            let task = self.task.lock().unwrap_or_else(PoisonError::into_inner);
            if let Some(waker) = &*task {
                waker.wake_by_ref();
            }
        }
    }

    /// The loop will look at the streams of connection `index` when this call of h2 is over; what was
    /// asked of the connection before is done with it.
    pub fn begin_serving(&self, index: usize) {
        self.connections.read().unwrap_or_else(PoisonError::into_inner).clear(index);
        self.serving.store(index, Ordering::SeqCst);
    }

    /// The loop has looked.
    pub fn end_serving(&self) {
        self.serving.store(NONE, Ordering::SeqCst);
    }

    /// Takes the connections that have something to do. The loop is at work from here on.
    pub fn take(&self, into: &mut Vec<u32>) {
        self.asleep.store(false, Ordering::SeqCst);
        self.connections.read().unwrap_or_else(PoisonError::into_inner).take(into);
    }

    /// Lets the loop sleep; false if there is something to do after all.
    pub fn sleep(&self, cx: &Context<'_>) -> bool {
        let mut task = self.task.lock().unwrap_or_else(PoisonError::into_inner);
        match &mut *task {
            Some(waker) => waker.clone_from(cx.waker()),
            none => *none = Some(cx.waker().clone()),
        }
        drop(task);
        self.asleep.store(true, Ordering::SeqCst);
        self.connections.read().unwrap_or_else(PoisonError::into_inner).is_empty()
    }
}

/// The bits of one connection's streams.
#[derive(Debug)]
pub struct StreamSignals {
    streams: Bits,
    index: usize,
    all: Arc<Signals>,
}

impl StreamSignals {
    /// For connection `index` with this many streams.
    pub fn new(all: &Arc<Signals>, index: usize, streams: u32) -> Arc<StreamSignals> {
        all.make_room(index);
        let streams = Bits::with_room(streams as usize);
        Arc::new(StreamSignals { streams, index, all: Arc::clone(all) })
    }

    /// The waker of one place of the table of streams.
    pub fn stream_waker(self: &Arc<Self>, place: u32) -> Waker {
        Waker::from(Arc::new(StreamWaker { signals: Arc::clone(self), place }))
    }

    /// The waker of the connection itself.
    pub fn connection_waker(self: &Arc<Self>) -> Waker {
        Waker::from(Arc::new(ConnectionWaker(Arc::clone(self))))
    }

    /// Takes the streams that have something to do.
    pub fn take(&self, into: &mut Vec<u32>) {
        self.streams.take(into);
    }

    /// The connection has something to do.
    pub fn set_connection(&self) {
        self.all.set(self.index);
    }
}

struct StreamWaker {
    signals: Arc<StreamSignals>,
    place: u32,
}

impl Wake for StreamWaker {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        let signals = &self.signals;
        signals.streams.set(self.place as usize);
        if signals.all.serving.load(Ordering::SeqCst) != signals.index {
            signals.set_connection();
        }
    }
}

struct ConnectionWaker(Arc<StreamSignals>);

impl Wake for ConnectionWaker {
    fn wake(self: Arc<Self>) {
        self.0.set_connection();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        self.0.set_connection();
    }
}
