//! One acceptor and several workers, all on the thread of the test.

use super::*;
use crate::worker::Worker;
use tokio::task::yield_now;

struct Split {
    pipes: mpsc::UnboundedSender<io::Result<DuplexStream>>,
    counters: Vec<Arc<Counters>>,
    /// Those that have not begun.
    workers: Vec<Option<Worker>>,
    accepting: JoinHandle<()>,
    handler: Rc<dyn Handler>,
    events: Rc<RefCell<Vec<String>>>,
    stop: StopSignal,
}

impl Split {
    fn new(workers: usize, limits: Limits) -> Self {
        let (pipes, receiver) = mpsc::unbounded_channel();
        let events: Rc<RefCell<Vec<String>>> = Rc::default();
        let answer = |request: Request| match request.path() {
            "/wait" => Reply::pending(std::future::pending()),
            _ => Reply::Ready(Response::text(200, "hello")),
        };
        let handler: Rc<dyn Handler> = Rc::new(Recorder { answer, events: Rc::clone(&events) });
        let stop = StopSignal::new();
        let shared = shared(limits, &stop);
        let (dealing, parts) = shared.deal_to(workers);
        let counters: Vec<Arc<Counters>> = parts.iter().map(|_| Arc::default()).collect();
        let (told, counted) = (Rc::clone(&handler), Arc::clone(&counters[0]));
        let accepting = spawn_local(async move {
            dealing.accept_from(Box::new(Pipes(receiver)), &*told, &counted).await;
        });
        let workers = parts.into_iter().map(Some).collect();
        Self { pipes, counters, workers, accepting, handler, events, stop }
    }

    /// Has a worker serve.
    fn begin(&mut self, worker: usize) -> JoinHandle<ServeReport> {
        let counters = Arc::clone(&self.counters[worker]);
        let worker = self.workers[worker].take().expect("begun once");
        spawn_local(worker.serve(Rc::clone(&self.handler), counters))
    }

    async fn connect(&self) -> Client {
        let (near, far) = duplex(1 << 20);
        self.pipes.send(Ok(far)).expect("the server listens");
        Client::over(near, h2::client::Builder::new()).await
    }

    fn open(&self) -> Vec<u64> {
        self.counters.iter().map(|counters| counters.snapshot().connections_open).collect()
    }

    async fn ask(&self) -> Client {
        let mut client = self.connect().await;
        assert_eq!(client.get("/").await.expect("an answer").status, 200);
        client
    }
}

/// Closes a connection and lets the server see that.
async fn close(client: Client) {
    client.driver.abort();
    drop(client);
    settle().await;
}

valk_harness::test! {
    fn a_connection_goes_to_the_worker_that_has_the_fewest() {
        virtual_time(async {
            let mut split = Split::new(3, Limits::default());
            let serving = [split.begin(0), split.begin(1), split.begin(2)];
            yield_now().await;
            let mut clients = Vec::new();
            for _ in 0..6 {
                clients.push(split.ask().await);
            }
            assert_eq!(split.open(), [2, 2, 2]);
            // The first worker got the first and the fourth.
            close(clients.remove(3)).await;
            close(clients.remove(0)).await;
            assert_eq!(split.open(), [0, 2, 2]);
            clients.extend([split.ask().await, split.ask().await]);
            assert_eq!(split.open(), [2, 2, 2]);
            split.stop.stop();
            let mut totals = Vec::new();
            for serving in serving {
                totals.push(serving.await.expect("no panic").totals);
            }
            split.accepting.await.expect("no panic");
            let total: Snapshot = totals.into_iter().sum();
            assert_eq!((total.connections, total.connections_open), (8, 0));
            assert_eq!((total.requests, total.responses_2xx), (8, 8));
        });
    }

    fn connections_that_come_one_after_the_other_go_round() {
        virtual_time(async {
            let mut split = Split::new(2, Limits::default());
            let _serving = [split.begin(0), split.begin(1)];
            yield_now().await;
            for _ in 0..4 {
                close(split.ask().await).await;
            }
            let seen: Vec<u64> =
                split.counters.iter().map(|counters| counters.snapshot().connections).collect();
            assert_eq!(seen, [2, 2]);
        });
    }

    fn a_worker_that_has_not_begun_gets_none_while_another_has() {
        virtual_time(async {
            let mut split = Split::new(2, Limits::default());
            let _first = split.begin(1);
            yield_now().await;
            let _clients = [split.ask().await, split.ask().await];
            assert_eq!(split.open(), [0, 2]);
            let _second = split.begin(0);
            yield_now().await;
            let _more = [split.ask().await, split.ask().await];
            assert_eq!(split.open(), [2, 2]);
        });
    }

    fn a_worker_that_is_gone_is_told_of_and_others_go_on() {
        virtual_time(async {
            let mut split = Split::new(2, Limits::default());
            let (_first, second) = (split.begin(0), split.begin(1));
            yield_now().await;
            second.abort();
            settle().await;
            let _clients = [split.ask().await, split.ask().await, split.ask().await];
            assert_eq!(split.open(), [3, 0]);
            let told = ["worker 1 has ended, and its connections with it"];
            assert_eq!(*split.events.borrow(), told);
        });
    }

    fn without_a_worker_a_connection_is_closed() {
        virtual_time(async {
            let mut split = Split::new(1, Limits::default());
            split.begin(0).abort();
            settle().await;
            let (near, far) = duplex(1 << 10);
            split.pipes.send(Ok(far)).expect("the acceptor lives");
            assert!(talk(near, PREFACE).await.is_empty());
            assert_eq!(split.events.borrow().len(), 1);
        });
    }

    fn the_most_connections_are_those_of_all_workers() {
        virtual_time(async {
            let limits = Limits { max_connections: 2, ..Limits::default() };
            let mut split = Split::new(2, limits);
            let _serving = [split.begin(0), split.begin(1)];
            yield_now().await;
            let (mut first, mut second) = (split.ask().await, split.ask().await);
            let _busy = [first.start(get("/wait"), true), second.start(get("/wait"), true)];
            settle().await;
            let mut third = split.connect().await;
            let waiting = tokio::time::timeout(std::time::Duration::from_secs(1), third.get("/"));
            assert!(waiting.await.is_err(), "it is not accepted");
            assert_eq!(split.open(), [1, 1]);
            close(first).await;
            assert_eq!(third.get("/").await.expect("an answer").status, 200);
        });
    }
}
