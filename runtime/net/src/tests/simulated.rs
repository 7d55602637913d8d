//! What only a simulated network can do: delays, partitions, losses, and the same run again.

use super::*;
use crate::{ConnectError, Listener, Simulation, Stream, accept};
use std::io::ErrorKind;
use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::task::spawn_local;
use tokio::time::Instant;

const PORT: u16 = 80;
const DELAY: Duration = Duration::from_millis(10);

fn run(test: impl AsyncFnOnce(Simulation)) {
    simulate(1, SimulationConfig::default(), async |simulation| {
        simulation.set_latency("client", "server", DELAY..=DELAY);
        test(simulation).await;
    });
}

fn listen(simulation: &Simulation) -> Box<dyn Listener> {
    let any = SocketAddr::new(Ipv4Addr::UNSPECIFIED.into(), PORT);
    simulation.host("server").bind(any).unwrap().listen().unwrap()
}

/// The ends of client and server.
async fn pair(simulation: &Simulation) -> (Box<dyn Stream>, Box<dyn Stream>) {
    let mut listener = listen(simulation);
    let client = simulation.host("client").connect("server", PORT);
    let (client, server) = tokio::join!(biased; client, accept(&mut *listener));
    (client.unwrap(), server.unwrap().0)
}

async fn connect_error(simulation: &Simulation, host: &str) -> ConnectError {
    simulation.host("client").connect(host, PORT).await.expect_err("nobody is there")
}

valk_harness::test! {
    fn bytes_take_the_time_of_their_link() {
        run(async |simulation| {
            let began = Instant::now();
            let (mut client, mut server) = pair(&simulation).await;
            assert_eq!(began.elapsed(), 2 * DELAY, "one round trip");
            let addresses = [simulation.host("client").address(), simulation.host("server").address()];
            assert_eq!(client.local_addr().unwrap().ip(), addresses[0]);
            assert_eq!(client.peer_addr().unwrap(), SocketAddr::new(addresses[1], PORT));
            client.write_all(b"x").await.unwrap();
            server.read_u8().await.unwrap();
            assert_eq!(began.elapsed(), 3 * DELAY);
            server.write_all(b"y").await.unwrap();
            client.read_u8().await.unwrap();
            assert_eq!(began.elapsed(), 4 * DELAY);
            // A link that has become faster does not let bytes overtake others.
            client.write_all(b"1").await.unwrap();
            simulation.set_latency("server", "client", Duration::ZERO..=Duration::ZERO);
            client.write_all(b"2").await.unwrap();
            assert_eq!(server.read_u16().await.unwrap(), u16::from_be_bytes(*b"12"));
            assert_eq!(began.elapsed(), 5 * DELAY);
        });
    }

    fn hosts_have_addresses_of_both_families() {
        run(async |simulation| {
            let v6 = "[fd00::2]:80".parse().unwrap();
            simulation.host("client");
            let mut listener = simulation.host("server").bind(v6).unwrap().listen().unwrap();
            // The name has an IPv4 address too, where nobody listens.
            let client = simulation.host("client").connect("server", PORT);
            let (client, accepted) = tokio::join!(biased; client, accept(&mut *listener));
            assert_eq!(client.unwrap().peer_addr().unwrap(), v6);
            assert_eq!(accepted.unwrap().1.ip().to_string(), "fd00::1");
            let text = format!("{:?}", simulation.host("client"));
            assert_eq!(text, "SimulatedHost(10.0.0.1)");
        });
    }

    fn a_partition_holds_back_what_arrives_after_it() {
        run(async |simulation| {
            let (mut client, mut server) = pair(&simulation).await;
            client.write_all(b"1").await.unwrap();
            tokio::time::sleep(DELAY).await;
            client.write_all(b"2").await.unwrap();
            tokio::time::sleep(DELAY / 2).await;
            simulation.partition("server", "client");
            client.write_all(b"3").await.unwrap();
            client.shutdown().await.unwrap();
            assert_eq!(server.read_u8().await.unwrap(), b'1', "it came before the partition");
            let began = Instant::now();
            let healing = spawn_local(async move {
                tokio::time::sleep(Duration::from_mins(1)).await;
                simulation.heal("client", "server");
                simulation
            });
            let mut rest = Vec::new();
            server.read_to_end(&mut rest).await.unwrap();
            assert_eq!(rest, b"23");
            assert_eq!(began.elapsed(), Duration::from_mins(1) + DELAY);
            healing.await.unwrap();
        });
    }

    fn a_partition_holds_back_connections_and_their_window() {
        run(async |simulation| {
            let (mut client, mut server) = pair(&simulation).await;
            client.write_all(&vec![1; 64 << 10]).await.unwrap();
            tokio::time::sleep(DELAY).await;
            simulation.partition("client", "server");
            // The server may read what it has; the client does not hear of the room.
            server.read_exact(&mut vec![0; 64 << 10]).await.unwrap();
            let (writing, connecting) = (
                tokio::time::timeout(Duration::from_secs(9), client.write_all(b"more")),
                simulation.host("client").connect("server", PORT),
            );
            let connecting = spawn_local(connecting);
            assert!(writing.await.is_err());
            assert!(!connecting.is_finished());
            simulation.heal("client", "server");
            client.write_all(b"more").await.unwrap();
            server.read_exact(&mut [0; 4]).await.unwrap();
            let error = connecting.await.unwrap().unwrap_err();
            assert_eq!(error.kind(), ErrorKind::ConnectionRefused, "the listener is gone");
        });
    }

    fn broken_connections_fail_at_both_ends() {
        run(async |simulation| {
            let (mut client, mut server) = pair(&simulation).await;
            let mut other = {
                let mut listener = listen(&simulation);
                let other = simulation.host("other").connect("server", PORT);
                let (other, accepted) = tokio::join!(biased; other, accept(&mut *listener));
                (other.unwrap(), accepted.unwrap().0)
            };
            client.write_all(b"lost").await.unwrap();
            let reading = spawn_local(async move { server.read(&mut [0; 8]).await });
            tokio::task::yield_now().await;
            simulation.break_connections("client", "server");
            assert_eq!(reading.await.unwrap().unwrap_err().kind(), ErrorKind::ConnectionReset);
            assert_eq!(client.write(b"x").await.unwrap_err().kind(), ErrorKind::ConnectionReset);
            other.0.write_all(b"x").await.unwrap();
            assert_eq!(other.1.read_u8().await.unwrap(), b'x', "other connections go on");
        });
    }

    fn a_blocked_writer_learns_of_a_reset() {
        run(async |simulation| {
            let (mut client, server) = pair(&simulation).await;
            let writing = spawn_local(async move { client.write_all(&vec![1; 1 << 20]).await });
            tokio::time::sleep(DELAY).await;
            drop(server);
            assert_eq!(writing.await.unwrap().unwrap_err().kind(), ErrorKind::ConnectionReset);
        });
    }

    fn names_can_fail_for_a_time() {
        run(async |simulation| {
            let _listener = listen(&simulation);
            simulation.set_resolvable("server", false);
            let error = connect_error(&simulation, "server").await;
            assert!(matches!(error, ConnectError::Unresolvable { .. }), "{error}");
            assert_eq!(error.kind(), ErrorKind::NotFound);
            simulation.set_resolvable("server", true);
            simulation.host("client").connect("server", PORT).await.unwrap();
        });
    }

    fn an_address_of_no_host_gives_no_answer() {
        run(async |simulation| {
            let began = Instant::now();
            let error = connect_error(&simulation, "192.0.2.1").await;
            assert_eq!(error.kind(), ErrorKind::TimedOut);
            assert_eq!(began.elapsed(), SimulationConfig::default().connect_timeout);
        });
    }
}

valk_harness::test! {
    fn a_full_backlog_is_tried_again() {
        let config = SimulationConfig { backlog_max: 1, ..SimulationConfig::default() };
        simulate(1, config, async |simulation| {
            let mut listener = listen(&simulation);
            let began = Instant::now();
            let _first = simulation.host("client").connect("server", PORT).await.unwrap();
            let second = spawn_local(simulation.host("client").connect("server", PORT));
            tokio::time::sleep(Duration::from_millis(2500)).await;
            assert!(!second.is_finished());
            accept(&mut *listener).await.unwrap();
            second.await.unwrap().unwrap();
            // Tried at 0, 1 and 3 seconds.
            assert_eq!(began.elapsed().as_secs(), 3);
        });
    }

    fn ports_begin_again_at_the_end_of_their_range() {
        run(async |simulation| {
            let host = simulation.host("server");
            let any = SocketAddr::new(Ipv4Addr::UNSPECIFIED.into(), 0);
            let kept = host.bind(any).unwrap();
            let ports: Vec<u16> =
                (0..17_000).map(|_| host.bind(any).unwrap().local_addr().port()).collect();
            assert!(ports.iter().all(|port| *port >= 49152));
            assert!(!ports.contains(&kept.local_addr().port()), "it is in use");
            assert!(ports[1..].contains(&ports[0]));
        });
    }
}

/// Hash and latest events of a run in which everything is drawn from the seed.
fn traced(seed: u64) -> (u64, Vec<String>) {
    simulate(seed, SimulationConfig::default(), async |simulation| {
        let (mut client, mut server) = pair(&simulation).await;
        let mut entropy = simulation.entropy();
        for count in 0..200 {
            let bytes = entropy.below(1000) as usize;
            client.write_all(&vec![7; bytes]).await.unwrap();
            server.read_exact(&mut vec![0; bytes]).await.unwrap();
            tokio::time::sleep(Duration::from_millis(entropy.below(50))).await;
            simulation.record("round", count, bytes as u64);
        }
        let trace = simulation.trace();
        assert!(trace.count() > 600);
        let latest: Vec<String> = trace.latest().map(ToString::to_string).collect();
        assert_eq!(latest.len(), 512);
        (trace.hash(), latest)
    })
}

valk_harness::test! {
    fn a_seed_repeats_its_run() {
        let (first, second) = (traced(1), traced(1));
        assert_eq!(first, second);
        assert_ne!(first.0, traced(2).0);
        assert!(first.1.iter().any(|event| event.contains("us round 199 0x")), "{:?}", first.1);
    }
}
