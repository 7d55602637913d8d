//! The numbers of a pool: each worker counts its own, and a reader adds them up.

/// What became of all tasks that were accepted. What those that ran have done is visible to a
/// thread that reads it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Report {
    /// Tasks that returned or panicked.
    pub ran: u64,
    /// Tasks that were dropped before they began.
    pub dropped: u64,
    /// Tasks that were running when the report was made; each keeps its worker from ending.
    pub running: u64,
}

/// The numbers of one worker since it was started.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WorkerStatistics {
    /// Tasks that returned or panicked.
    pub executed: u64,
    /// Whether it runs a task at the moment.
    pub running: bool,
    /// Tasks it took from the queues of other workers.
    pub stolen: u64,
    /// Times it parked.
    pub parked: u64,
    /// Times it looked everywhere for a task that was not in its own queue.
    pub searches: u64,
    /// Tasks that panicked, or whose destructor or observer did.
    pub panicked: u64,
    /// Tasks in its queue, an estimate.
    pub queued: usize,
}

/// The numbers of a pool. Each is exact for some recent moment, not all for the same.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Statistics {
    /// Tasks from outside that wait.
    pub injected: usize,
    /// Workers that are parked and were not woken.
    pub idle: usize,
    /// Tasks that were refused, wherever they came from.
    pub refused: u64,
    /// Tasks that panicked, or whose destructor or observer did.
    pub panicked: u64,
    /// By worker.
    pub workers: Vec<WorkerStatistics>,
}

impl Statistics {
    /// Tasks that returned or panicked.
    pub fn executed(&self) -> u64 {
        self.workers.iter().map(|worker| worker.executed).sum()
    }

    /// Tasks that changed workers.
    pub fn stolen(&self) -> u64 {
        self.workers.iter().map(|worker| worker.stolen).sum()
    }

    /// Times that workers parked.
    pub fn parked(&self) -> u64 {
        self.workers.iter().map(|worker| worker.parked).sum()
    }

    /// Times that workers looked everywhere.
    pub fn searches(&self) -> u64 {
        self.workers.iter().map(|worker| worker.searches).sum()
    }

    /// Tasks that wait, an estimate.
    pub fn queued(&self) -> usize {
        self.injected + self.workers.iter().map(|worker| worker.queued).sum::<usize>()
    }
}
