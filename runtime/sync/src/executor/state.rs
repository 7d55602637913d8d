//! What the lock protects: the phase, the injected tasks, who sleeps and who has ended.

use super::Thread;
use super::job::Task;
use super::refusal::Reason;
use std::collections::VecDeque;
use std::mem;
use std::task::Waker;

/// Where the pool is in its life (rule 5).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Phase {
    /// Tasks are accepted.
    Open,
    /// Those that were accepted run.
    Draining,
    /// Those that have not begun are dropped.
    Discarding,
}

/// What a worker wants to know without taking the lock: a copy of parts of [`State`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Signals(pub(super) usize);

impl Signals {
    const CLOSED: usize = 1;
    const DISCARDING: usize = 2;
    const INJECTED: usize = 4;
    const SLEEPER: usize = 8;

    /// Whether no task is accepted any more.
    pub(super) fn is_closed(self) -> bool {
        self.0 & Self::CLOSED != 0
    }

    /// Whether tasks that have not begun are dropped.
    pub(super) fn is_discarding(self) -> bool {
        self.0 & Self::DISCARDING != 0
    }

    /// Whether there are injected tasks.
    pub(super) fn has_injected(self) -> bool {
        self.0 & Self::INJECTED != 0
    }

    /// Whether there is somebody to wake.
    pub(super) fn has_sleeper(self) -> bool {
        self.0 & Self::SLEEPER != 0
    }
}

/// A worker's thread.
enum Seat {
    /// Not started, or joined.
    Empty,
    /// At work, or asleep.
    Taken(Thread),
    /// The same, on a thread that is not the pool's.
    Hosted,
    /// At the end of its last function.
    Left(Thread),
}

/// Whether a worker sleeps.
pub(super) enum Sleep {
    /// It looks for work or does some.
    Awake,
    /// Until it is woken.
    Asleep(Waker),
    /// It was woken and has not noticed.
    Woken,
}

pub(super) struct State {
    pub(super) phase: Phase,
    injected: VecDeque<Task>,
    injected_max: usize,
    /// Whether each worker sleeps, and how to wake it.
    sleep: Vec<Sleep>,
    /// Workers that sleep and were not woken; the one that fell asleep last is woken first.
    sleepers: Vec<usize>,
    seats: Vec<Seat>,
    /// How many calls of `shutdown` each worker is in.
    in_shutdown: Vec<u32>,
    /// The signals that were published last.
    told: Signals,
    /// Tasks handed back.
    pub(super) refused: u64,
    /// Tasks dropped by who discarded.
    pub(super) dropped: u64,
    /// Of these, the ones whose destructor or observer panicked.
    pub(super) panicked: u64,
}

impl State {
    pub(super) fn new(workers: usize, injected_max: usize) -> Self {
        Self {
            phase: Phase::Open,
            injected: VecDeque::new(),
            injected_max,
            sleep: (0..workers).map(|_| Sleep::Awake).collect(),
            sleepers: Vec::new(),
            seats: (0..workers).map(|_| Seat::Empty).collect(),
            in_shutdown: vec![0; workers],
            told: Signals(0),
            refused: 0,
            dropped: 0,
            panicked: 0,
        }
    }

    /// What to tell those without the lock, if it is not what they know.
    pub(super) fn changed_signals(&mut self) -> Option<Signals> {
        let signals = self.signals();
        (mem::replace(&mut self.told, signals) != signals).then_some(signals)
    }

    fn signals(&self) -> Signals {
        let flag = |is_set, flag| if is_set { flag } else { 0 };
        Signals(
            flag(self.phase > Phase::Open, Signals::CLOSED)
                | flag(self.phase == Phase::Discarding, Signals::DISCARDING)
                | flag(!self.injected.is_empty(), Signals::INJECTED)
                | flag(!self.sleepers.is_empty(), Signals::SLEEPER),
        )
    }

    /// Adds a task as the newest, unless rule 2 forbids it.
    pub(super) fn inject(&mut self, task: Task) -> Result<(), (Reason, Task)> {
        let reason = if self.phase > Phase::Open {
            Reason::ShuttingDown
        } else if self.injected.len() >= self.injected_max {
            Reason::Full
        } else {
            self.injected.push_back(task);
            return Ok(());
        };
        self.refused += 1;
        Err((reason, task))
    }

    /// Number of injected tasks.
    pub(super) fn injected(&self) -> usize {
        self.injected.len()
    }

    /// Takes the oldest injected task.
    pub(super) fn take_injected(&mut self) -> Option<Task> {
        self.injected.pop_front()
    }

    /// Takes the oldest injected tasks, at most `most`.
    pub(super) fn drain_injected(&mut self, most: usize) -> impl Iterator<Item = Task> {
        let count = most.min(self.injected.len());
        self.injected.drain(..count)
    }

    /// Number of workers that sleep and were not woken.
    pub(super) fn asleep(&self) -> usize {
        self.sleepers.len()
    }

    /// Whether worker `lane` sleeps, and if so has been woken.
    pub(super) fn sleep(&mut self, lane: usize) -> &mut Sleep {
        &mut self.sleep[lane]
    }

    /// Worker `lane` falls asleep; `waker` wakes it.
    pub(super) fn fall_asleep(&mut self, lane: usize, waker: Waker) {
        self.sleep[lane] = Sleep::Asleep(waker);
        self.sleepers.push(lane);
    }

    /// Worker `lane` is awake, for whatever reason. Returns whether it was woken.
    pub(super) fn stay_awake(&mut self, lane: usize) -> bool {
        let before = mem::replace(&mut self.sleep[lane], Sleep::Awake);
        if let Sleep::Asleep(_) = before {
            self.sleepers.retain(|sleeper| *sleeper != lane);
        }
        matches!(before, Sleep::Woken)
    }

    /// Chooses a sleeper to be woken, if there is one.
    pub(super) fn take_sleeper(&mut self) -> Option<Waker> {
        let lane = self.sleepers.pop()?;
        match mem::replace(&mut self.sleep[lane], Sleep::Woken) {
            Sleep::Asleep(waker) => Some(waker),
            Sleep::Awake | Sleep::Woken => None,
        }
    }

    /// Worker `lane` is at work on a thread that is not the pool's.
    pub(super) fn host(&mut self, lane: usize) {
        self.seats[lane] = Seat::Hosted;
    }

    pub(super) fn sit_down(&mut self, lane: usize, thread: Thread) {
        self.seats[lane] = Seat::Taken(thread);
    }

    /// A worker is done, and so is its thread but for the way out; or it could not be started.
    pub(super) fn leave(&mut self, lane: usize) {
        self.stay_awake(lane);
        if let Seat::Taken(thread) = mem::replace(&mut self.seats[lane], Seat::Empty) {
            self.seats[lane] = Seat::Left(thread);
        }
    }

    /// Worker `lane` calls `shutdown`.
    pub(super) fn enter_shutdown(&mut self, lane: usize) {
        self.in_shutdown[lane] += 1;
    }

    /// Worker `lane` returns from `shutdown`.
    pub(super) fn leave_shutdown(&mut self, lane: usize) {
        self.in_shutdown[lane] -= 1;
    }

    /// Whether worker `lane` may still end without being told: it is there, and does not wait for
    /// others to end.
    pub(super) fn is_at_work(&self, lane: usize) -> bool {
        matches!(self.seats[lane], Seat::Taken(_) | Seat::Hosted) && self.in_shutdown[lane] == 0
    }

    /// The threads of the workers that are done, each once.
    pub(super) fn take_threads(&mut self) -> Vec<Thread> {
        let take = |seat: &mut Seat| match mem::replace(seat, Seat::Empty) {
            Seat::Left(thread) => Some(thread),
            other => {
                *seat = other;
                None
            }
        };
        self.seats.iter_mut().filter_map(take).collect()
    }
}
