//! What every network does: the same tests on sockets and on simulated hosts.

use super::*;
use crate::{BoundSocket, ConnectError, Listener, Stream, accept};
use std::io::{ErrorKind, IoSlice};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::task::spawn_local;

const V4: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);
const V6: IpAddr = IpAddr::V6(Ipv6Addr::LOCALHOST);

fn bound(network: &dyn Network, address: IpAddr) -> Box<dyn BoundSocket> {
    network.bind(SocketAddr::new(address, 0)).expect("a free port")
}

fn listening(network: &dyn Network, address: IpAddr) -> (Box<dyn Listener>, u16) {
    let socket = bound(network, address);
    let port = socket.local_addr().port();
    (socket.listen().expect("a reactor"), port)
}

/// Both ends of a connection: the client's, the server's.
async fn pair(network: &dyn Network) -> (Box<dyn Stream>, Box<dyn Stream>) {
    let (mut listener, port) = listening(network, V4);
    let client = network.connect("127.0.0.1", port);
    let (client, server) = tokio::join!(biased; client, accept(&mut *listener));
    (client.expect("connected"), server.expect("accepted").0)
}

async fn connect_error(network: &dyn Network, host: &str, port: u16) -> ConnectError {
    network.connect(host, port).await.expect_err("nobody can be reached there")
}

valk_harness::cases! {
    fn bytes_go_both_ways_and_ends_know_each_other(backend: Backend) in backends() {
        backend.run(async |network| {
            let (mut listener, port) = listening(&*network, V4);
            assert!(port != 0 && listener.local_addr() == SocketAddr::new(V4, port));
            let client = network.connect("127.0.0.1", port);
            let (client, accepted) = tokio::join!(biased; client, accept(&mut *listener));
            let (mut client, (mut server, peer)) = (client.unwrap(), accepted.unwrap());
            assert_eq!(client.peer_addr().unwrap(), listener.local_addr());
            assert_eq!(server.local_addr().unwrap(), listener.local_addr());
            assert_eq!(client.local_addr().unwrap(), peer);
            assert_eq!((server.peer_addr().unwrap(), peer.ip()), (peer, V4));
            let mut bytes = [0; 4];
            client.write_all(b"ping").await.unwrap();
            server.read_exact(&mut bytes).await.unwrap();
            assert_eq!(&bytes, b"ping");
            server.write_all(b"pong").await.unwrap();
            server.flush().await.unwrap();
            // In pieces smaller than what was written.
            client.read_exact(&mut bytes[..3]).await.unwrap();
            assert_eq!(client.read(&mut []).await.unwrap(), 0, "no room, no bytes");
            client.read_exact(&mut bytes[3..]).await.unwrap();
            assert_eq!(&bytes, b"pong");
        });
    }

    fn vectored_writes_keep_their_order(backend: Backend) in backends() {
        backend.run(async |network| {
            let (mut client, mut server) = pair(&*network).await;
            assert!(client.is_write_vectored());
            let parts = [IoSlice::new(b"one "), IoSlice::new(b""), IoSlice::new(b"two")];
            assert_eq!(client.write_vectored(&parts).await.unwrap(), 7);
            assert_eq!(client.write_vectored(&[]).await.unwrap(), 0);
            client.shutdown().await.unwrap();
            let mut text = String::new();
            server.read_to_string(&mut text).await.unwrap();
            assert_eq!(text, "one two");
        });
    }

    fn nodelay_is_kept(backend: Backend) in backends() {
        backend.run(async |network| {
            let (client, _server) = pair(&*network).await;
            for nodelay in [true, false, true] {
                client.set_nodelay(nodelay).unwrap();
                assert_eq!(client.nodelay().unwrap(), nodelay);
            }
        });
    }

    fn one_direction_can_end_before_the_other(backend: Backend) in backends() {
        backend.run(async |network| {
            let (mut client, mut server) = pair(&*network).await;
            client.write_all(b"question").await.unwrap();
            client.shutdown().await.unwrap();
            let mut text = String::new();
            server.read_to_string(&mut text).await.unwrap();
            assert_eq!(text, "question");
            assert_eq!(server.read(&mut [0; 8]).await.unwrap(), 0, "the end stays");
            assert_eq!(client.write(b"more").await.unwrap_err().kind(), ErrorKind::BrokenPipe);
            server.write_all(b"answer").await.unwrap();
            drop(server);
            let mut text = String::new();
            client.read_to_string(&mut text).await.unwrap();
            assert_eq!(text, "answer");
        });
    }

    fn an_end_that_is_dropped_with_unread_bytes_resets_the_connection(
        backend: Backend
    ) in backends() {
        backend.run(async |network| {
            let (mut client, mut server) = pair(&*network).await;
            client.write_all(b"some bytes").await.unwrap();
            server.read_exact(&mut [0; 4]).await.unwrap();
            drop(server);
            let error = client.read(&mut [0; 8]).await.unwrap_err();
            assert_eq!(error.kind(), ErrorKind::ConnectionReset);
            client.shutdown().await.expect("nothing is left to be ended");
        });
    }

    fn what_is_written_to_a_dropped_end_fails_after_a_while(backend: Backend) in backends() {
        backend.run(async |network| {
            let (mut client, server) = pair(&*network).await;
            drop(server);
            assert_eq!(client.read(&mut [0; 8]).await.unwrap(), 0);
            let error = loop {
                if let Err(error) = client.write(b"anybody there?").await {
                    break error;
                }
                tokio::task::yield_now().await;
            };
            let kinds = [ErrorKind::BrokenPipe, ErrorKind::ConnectionReset];
            assert!(kinds.contains(&error.kind()), "{error}");
        });
    }

    fn a_reader_that_does_not_read_holds_its_writer_back(backend: Backend) in backends() {
        const BYTES: usize = 20 << 20;
        backend.run(async |network| {
            let (mut client, mut server) = pair(&*network).await;
            let writing = spawn_local(async move {
                let bytes: Vec<u8> = (0..BYTES).map(|n| (n % 251) as u8).collect();
                client.write_all(&bytes).await.map(|()| client)
            });
            for _ in 0..100 {
                tokio::task::yield_now().await;
            }
            assert!(!writing.is_finished(), "nobody buffers this much");
            let mut received = vec![0; BYTES];
            server.read_exact(&mut received).await.unwrap();
            assert!(received.iter().enumerate().all(|(n, byte)| *byte == (n % 251) as u8));
            drop(writing.await.unwrap().unwrap());
            assert_eq!(server.read(&mut [0; 8]).await.unwrap(), 0);
        });
    }

    fn a_port_without_listener_refuses(backend: Backend) in backends() {
        backend.run(async |network| {
            let port = bound(&*network, V4).local_addr().port();
            let error = connect_error(&*network, "127.0.0.1", port).await;
            assert_eq!(error.kind(), ErrorKind::ConnectionRefused);
            let text = error.to_string();
            assert!(text.starts_with(&format!("cannot connect to `127.0.0.1` port {port}: ")), "{text}");
            assert!(std::error::Error::source(&error).is_some());
        });
    }

    fn a_name_without_address_is_unresolvable(backend: Backend) in backends() {
        backend.run(async |network| {
            let error = connect_error(&*network, "no-such-host.invalid", 80).await;
            assert!(matches!(&error, ConnectError::Unresolvable { host, .. } if host.contains("such")));
            let text = error.to_string();
            assert!(text.starts_with("cannot resolve `no-such-host.invalid`: "), "{text}");
            assert!(std::error::Error::source(&error).is_some());
        });
    }

    fn names_lead_to_addresses(backend: Backend) in backends() {
        backend.run(async |network| {
            let (mut listener, port) = listening(&*network, V4);
            let client = network.connect("localhost", port);
            let (client, accepted) = tokio::join!(biased; client, accept(&mut *listener));
            assert_eq!(client.unwrap().peer_addr().unwrap().port(), port);
            assert_eq!(accepted.unwrap().1.ip(), V4);
        });
    }

    fn ipv6_addresses_work_with_and_without_brackets(backend: Backend) in backends() {
        backend.run(async |network| {
            let (mut listener, port) = listening(&*network, V6);
            for host in ["::1", "[::1]"] {
                let client = network.connect(host, port);
                let (client, accepted) = tokio::join!(biased; client, accept(&mut *listener));
                let peer = accepted.unwrap().1;
                assert_eq!((peer.ip(), client.unwrap().local_addr().unwrap()), (V6, peer));
            }
        });
    }

    fn addresses_that_cannot_be_bound_say_why(backend: Backend) in backends() {
        backend.run(async |network| {
            let socket = bound(&*network, V4);
            let kind = |address: SocketAddr| network.bind(address).unwrap_err().kind();
            assert_eq!(kind(socket.local_addr()), ErrorKind::AddrInUse);
            let any = SocketAddr::new(Ipv4Addr::UNSPECIFIED.into(), socket.local_addr().port());
            assert_eq!(kind(any), ErrorKind::AddrInUse);
            let foreign = SocketAddr::new(Ipv4Addr::new(192, 0, 2, 1).into(), 0);
            assert_eq!(kind(foreign), ErrorKind::AddrNotAvailable);
        });
    }

    fn a_socket_bound_to_every_address_takes_all(backend: Backend) in backends() {
        backend.run(async |network| {
            for (any, host) in [
                (IpAddr::V4(Ipv4Addr::UNSPECIFIED), "127.0.0.1"),
                (IpAddr::V6(Ipv6Addr::UNSPECIFIED), "::1"),
            ] {
                let (mut listener, port) = listening(&*network, any);
                let client = network.connect(host, port);
                let (client, accepted) = tokio::join!(biased; client, accept(&mut *listener));
                assert_eq!(client.unwrap().local_addr().unwrap(), accepted.unwrap().1);
            }
        });
    }

    fn clones_share_a_socket_until_the_last_is_dropped(backend: Backend) in backends() {
        backend.run(async |network| {
            let first = bound(&*network, V4);
            let address = first.local_addr();
            let second = first.try_clone().unwrap();
            assert!(format!("{second:?}").contains(&address.port().to_string()));
            assert_eq!(second.local_addr(), address);
            drop(first);
            let mut listener = second.listen().unwrap();
            let client = network.connect("127.0.0.1", address.port());
            let (client, accepted) = tokio::join!(biased; client, accept(&mut *listener));
            client.unwrap();
            accepted.unwrap();
            drop(listener);
            let error = connect_error(&*network, "127.0.0.1", address.port()).await;
            assert_eq!(error.kind(), ErrorKind::ConnectionRefused);
            network.bind(address).expect("the port is free again");
        });
    }

    fn a_waiting_accept_is_woken(backend: Backend) in backends() {
        backend.run(async |network| {
            let (mut listener, port) = listening(&*network, V4);
            let accepting = spawn_local(async move { accept(&mut *listener).await.unwrap().1 });
            tokio::task::yield_now().await;
            let client = network.connect("127.0.0.1", port).await.unwrap();
            assert_eq!(accepting.await.unwrap(), client.local_addr().unwrap());
        });
    }

    fn a_connection_that_nobody_accepts_is_reset_with_its_listener(backend: Backend) in backends() {
        backend.run(async |network| {
            let (listener, port) = listening(&*network, V4);
            let mut client = network.connect("127.0.0.1", port).await.unwrap();
            drop(listener);
            let error = client.read(&mut [0; 8]).await.unwrap_err();
            assert_eq!(error.kind(), ErrorKind::ConnectionReset);
        });
    }

    fn a_stream_stays_usable_on_its_reactor(backend: Backend) in backends() {
        backend.run(async |network| {
            let (client, server) = pair(&*network).await;
            let mut client = client.move_to_current_reactor().unwrap();
            let mut server = server.move_to_current_reactor().unwrap();
            client.write_all(b"x").await.unwrap();
            assert_eq!(server.read_u8().await.unwrap(), b'x');
            assert!(!format!("{client:?}").is_empty());
        });
    }
}

valk_harness::test! {
    fn a_stream_moves_to_the_reactor_of_another_thread() {
        Backend::System.run(async |network| {
            let (mut client, server) = pair(&*network).await;
            let echo = std::thread::spawn(move || {
                // The first reactor does nothing meanwhile: the second one must watch the socket.
                Backend::System.run(async |_| {
                    let mut server = server.move_to_current_reactor().expect("a reactor");
                    let byte = server.read_u8().await.expect("a byte");
                    server.write_u8(byte + 1).await.expect("a writable socket");
                });
            });
            client.write_u8(7).await.unwrap();
            echo.join().unwrap();
            assert_eq!(client.read_u8().await.unwrap(), 8);
        });
    }
}
