//! The decision at accept, as a function and at the server.

use super::*;
use crate::overload::admission::{Admission, Rejection, Watermarks};

const DRAWS: u32 = 100_000;

fn watermarks() -> Watermarks {
    Watermarks::of_percents(85, 95)
}

/// The part that is rejected at an occupancy.
fn rejected_share(occupancy: f64) -> f64 {
    let mut admission = Admission::new(watermarks());
    let rejected = (0..DRAWS).filter(|_| admission.decide(occupancy).is_err()).count();
    rejected as f64 / f64::from(DRAWS)
}

valk_harness::test! {
    fn the_rejected_part_is_as_specified() {
        // (occupancy - 0.7 high) / (0.3 high) * 0.3, with high = 0.85.
        for (occupancy, share) in [
            (0.0, 0.0),
            (0.5, 0.0),
            (0.594, 0.0),
            (0.6, 0.005_88),
            (0.65, 0.064_71),
            (0.7, 0.123_53),
            (0.75, 0.182_35),
            (0.8, 0.241_18),
            (0.849, 0.298_82),
            (0.85, 1.0),
            (0.9, 1.0),
            (0.95, 1.0),
            (1.0, 1.0),
        ] {
            let rejected = rejected_share(occupancy);
            assert!((rejected - share).abs() < 0.01, "{occupancy}: {rejected}, not {share}");
        }
    }

    fn each_level_has_its_reason() {
        let mut admission = Admission::new(watermarks());
        assert_eq!(admission.decide(0.95), Err(Rejection::Critical));
        assert_eq!(admission.decide(0.9499), Err(Rejection::High));
        assert_eq!(admission.decide(0.85), Err(Rejection::High));
        let by_chance = (0..100).find_map(|_| admission.decide(0.84).err());
        assert_eq!(by_chance, Some(Rejection::Probabilistic));
        let texts = [Rejection::Critical, Rejection::High, Rejection::Probabilistic];
        assert_eq!(
            texts.map(|reason| reason.to_string()),
            ["critical pressure", "high pressure", "probabilistic shed"]
        );
    }

    fn the_same_occupancies_bring_the_same_decisions() {
        let decisions = || {
            let mut admission = Admission::new(watermarks());
            (0..1000).map(|_| admission.decide(0.8)).collect::<Vec<_>>()
        };
        assert_eq!(decisions(), decisions());
    }
}

/// A pool that says how full it is.
#[derive(Debug)]
struct Filled(Arc<std::sync::atomic::AtomicU32>);

impl ReceiveBuffers for Filled {
    fn capacity_bytes(&self) -> usize {
        1
    }

    fn occupancy(&self) -> f64 {
        f64::from(self.0.load(std::sync::atomic::Ordering::Relaxed)) / 100.0
    }

    fn acquire(&self) -> Option<Box<dyn crate::ReceiveBuffer>> {
        None
    }
}

valk_harness::test! {
    fn under_pressure_connections_are_closed_at_once_and_counted() {
        virtual_time(async {
            let percent = Arc::<std::sync::atomic::AtomicU32>::default();
            let fill = |to| percent.store(to, std::sync::atomic::Ordering::Relaxed);
            let buffers: Arc<dyn ReceiveBuffers> = Arc::new(Filled(Arc::clone(&percent)));
            let server = TestServer::start_with(Limits::default(), Some(buffers), |_| {
                Reply::Ready(Response::text(200, "hello"))
            });
            let mut early = server.connect().await;
            assert_eq!(early.get("/").await.expect("an answer").status, 200);
            for (occupancy, connections) in [(96, 2), (90, 3)] {
                fill(occupancy);
                for _ in 0..connections {
                    let answered = talk(server.pipe(1 << 16), &greeting(&[])).await;
                    assert!(answered.is_empty(), "{answered:?}");
                }
            }
            let totals = server.snapshot();
            assert_eq!((totals.rejected_critical, totals.rejected_high), (2, 3));
            assert!(server.saw_event("connections are rejected: critical pressure; 1 so far"));
            assert_eq!(server.events.borrow().len(), 1, "further ones are told of later");
            tokio::time::sleep(std::time::Duration::from_secs(10)).await;
            talk(server.pipe(1 << 16), &greeting(&[])).await;
            assert!(server.saw_event("connections are rejected: high pressure; 6 so far"));
            assert_eq!(early.get("/").await.expect("an answer").status, 200, "it was there before");
            // Some of a hundred are rejected by chance.
            fill(84);
            let mut accepted = 0;
            for _ in 0..100 {
                let pipe = server.pipe(1 << 16);
                let bytes = greeting(&frame(HEADERS, WHOLE, 1, GET_BLOCK));
                let answer = tokio::time::timeout(std::time::Duration::from_secs(1), talk(pipe, &bytes));
                // A connection that is served stays open.
                accepted += u64::from(answer.await.is_err());
            }
            let rejected = server.snapshot().rejected_by_chance;
            assert_eq!(accepted + rejected, 100);
            assert!((10..60).contains(&rejected), "{rejected}");
            assert_eq!(server.snapshot().rejected(), 6 + rejected);
            server.finish().await;
        });
    }
}
