//! TLS between client and server on the simulated network: who is believed.

use super::*;
use crate::{Trust, local_authority_pem};
use std::path::PathBuf;

fn secure(trust: Trust) -> ClientRequest {
    with_options(ClientRequest::get(true, "localhost", PORT, "/"), |options| options.trust = trust)
}

/// Server and client on one host, so that `localhost` is the server.
fn beside(simulation: &Simulation, limits: ClientLimits) -> Rc<HttpClient> {
    Rc::new(HttpClient::new(Arc::new(simulation.host("server")), limits))
}

fn tls(certificate: Certificate) -> ServerConfig {
    ServerConfig { tls: Some(certificate), ..ServerConfig::default() }
}

fn hello(request: &Request) -> Reply {
    Reply::Ready(Response::text(200, request.scheme().to_owned()))
}

/// A file with this text, which stays until the process of the test has ended.
fn file(name: &str, text: &str) -> PathBuf {
    let path = std::env::temp_dir().join(format!("valk-trust-{}-{name}", std::process::id()));
    std::fs::write(&path, text).expect("a temporary file");
    path
}

valk_harness::test! {
    fn a_server_of_the_same_process_is_believed_on_this_machine() {
        simulated(|simulation| async move {
            let server = Running::start(&simulation, "server", &tls(Certificate::Local), hello);
            let client = beside(&simulation, ClientLimits::default());
            let response = client.send(secure(Trust::Platform(None))).await.unwrap();
            assert_eq!((response.status, &response.body[..]), (200, &b"https"[..]));
            let response = client.send(ClientRequest::get(true, "127.0.0.1", PORT, "/")).await;
            assert_eq!(response.unwrap().status, 200);
            // On another host the same certificate means nothing, whatever it is called there.
            let elsewhere = super::client(&simulation, ClientLimits::default());
            let error = elsewhere.send(ClientRequest::get(true, "server", PORT, "/")).await;
            assert!(matches!(error, Err(ClientError::Tls { .. })), "{error:?}");
            server.finish().await;
        });
    }

    fn an_authority_can_be_named() {
        simulated(|simulation| async move {
            let server = Running::start(&simulation, "server", &tls(Certificate::Local), hello);
            let client = beside(&simulation, ClientLimits::default());
            let own = file("own.pem", local_authority_pem().unwrap());
            let response = client.send(secure(Trust::File(own.clone()))).await.unwrap();
            assert_eq!(response.status, 200);
            let other = rcgen::generate_simple_self_signed(vec!["other.test".to_owned()]).unwrap();
            let other = file("other.pem", &other.cert.pem());
            let error = client.send(secure(Trust::File(other.clone()))).await.unwrap_err().to_string();
            assert!(error.starts_with("TLS handshake with localhost:443"), "{error}");
            assert!(error.contains("name its authority with :ca or VALK_CA_FILE"), "{error}");
            let both = client.send(secure(Trust::Platform(Some(other)))).await;
            assert_eq!(both.unwrap().status, 200, "beside the process's own");
            server.finish().await;
        });
    }

    fn a_certificate_of_another_is_refused_unless_anyone_is_believed() {
        simulated(|simulation| async move {
            let made = rcgen::generate_simple_self_signed(vec!["localhost".to_owned()]).unwrap();
            let certificate = file("server.pem", &made.cert.pem());
            let key = file("server.key", &made.signing_key.serialize_pem());
            let files = Certificate::Files { certificate: certificate.clone(), key };
            let server = Running::start(&simulation, "server", &tls(files), hello);
            let client = beside(&simulation, ClientLimits::default());
            let error = client.send(secure(Trust::Platform(None))).await.unwrap_err().to_string();
            assert!(error.contains("the certificate is not good enough"), "{error}");
            assert_eq!(client.send(secure(Trust::Anyone)).await.unwrap().status, 200);
            assert_eq!(client.send(secure(Trust::File(certificate))).await.unwrap().status, 200);
            server.finish().await;
        });
    }

    fn a_file_stands_for_the_authorities_of_the_system() {
        simulated(|simulation| async move {
            let made = rcgen::generate_simple_self_signed(vec!["server".to_owned()]).unwrap();
            let certificate = file("elsewhere.pem", &made.cert.pem());
            let key = file("elsewhere.key", &made.signing_key.serialize_pem());
            let files = Certificate::Files { certificate: certificate.clone(), key };
            let server = Running::start(&simulation, "server", &tls(files), hello);
            let client = super::client(&simulation, ClientLimits::default());
            let request = |trust| {
                let plain = ClientRequest::get(true, "server", PORT, "/");
                with_options(plain, |options| options.trust = trust)
            };
            let response = client.send(request(Trust::Platform(Some(certificate)))).await;
            assert_eq!(response.unwrap().status, 200);
            let own = file("process.pem", local_authority_pem().unwrap());
            let error = client.send(request(Trust::Platform(Some(own)))).await.unwrap_err();
            assert!(error.to_string().contains("the certificate is not good enough"), "{error}");
            server.finish().await;
        });
    }

    fn files_that_are_no_authorities_are_named() {
        simulated(|simulation| async move {
            let client = beside(&simulation, ClientLimits::default());
            let server = Running::start(&simulation, "server", &tls(Certificate::Local), hello);
            let missing = PathBuf::from("/nonexistent/ca.pem");
            for trust in [Trust::File(missing.clone()), Trust::Platform(Some(missing))] {
                let error = client.send(secure(trust)).await.unwrap_err().to_string();
                assert!(error.starts_with("cannot use /nonexistent/ca.pem for verification"), "{error}");
            }
            let empty = file("empty.pem", "nothing\n");
            let error = client.send(secure(Trust::File(empty))).await.unwrap_err().to_string();
            assert!(error.contains("for verification"), "{error}");
            let text = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n";
            let other = file("other.pem", text);
            let error = client.send(secure(Trust::File(other))).await.unwrap_err().to_string();
            assert!(error.contains("a certificate in it is not usable"), "{error}");
            assert!(error.contains("expected X.509 in PEM"), "{error}");
            server.finish().await;
        });
    }

    fn clear_text_in_place_of_tls_is_explained() {
        simulated(|simulation| async move {
            let server = Running::clear(&simulation, hello);
            let client = beside(&simulation, ClientLimits::default());
            let error = client.send(secure(Trust::Anyone)).await.unwrap_err().to_string();
            assert!(error.contains("use :tls 0"), "{error}");
            server.finish().await;
        });
    }
}

/// What takes TLS of these versions for `localhost`, and offers these protocols.
fn acceptor(
    versions: &[&'static rustls::SupportedProtocolVersion],
    alpn: &[&[u8]],
) -> tokio_rustls::TlsAcceptor {
    let made = rcgen::generate_simple_self_signed(vec!["localhost".to_owned()]).unwrap();
    let key = rustls::pki_types::PrivatePkcs8KeyDer::from(made.signing_key.serialize_der());
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let mut config = rustls::ServerConfig::builder_with_provider(provider)
        .with_protocol_versions(versions)
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![made.cert.der().clone()], key.into())
        .unwrap();
    config.alpn_protocols = alpn.iter().map(|name| name.to_vec()).collect();
    Arc::new(config).into()
}

/// A TLS server that offers these protocols, and says nothing behind the handshake.
fn silent_tls(simulation: &Simulation, alpn: &[&[u8]]) -> JoinHandle<()> {
    let acceptor = acceptor(rustls::DEFAULT_VERSIONS, alpn);
    let mut peer = Peer::listen(simulation);
    spawn_local(async move {
        let mut open = Vec::new();
        loop {
            let (stream, _) = accept(&mut *peer.0).await.unwrap();
            open.push(acceptor.accept(stream).await);
        }
    })
}

valk_harness::test! {
    fn a_server_without_http2_is_told_apart() {
        for (alpn, part) in [
            (&[][..], "localhost:443 does not speak HTTP/2: it did not choose h2 in the handshake"),
            (&[&b"http/1.1"[..]][..], "the server may not speak HTTP/2"),
        ] {
            simulated(|simulation| async move {
                let peer = silent_tls(&simulation, alpn);
                let client = beside(&simulation, ClientLimits::default());
                let error = client.send(secure(Trust::Anyone)).await.unwrap_err().to_string();
                assert!(error.contains(part), "{error}");
                peer.abort();
            });
        }
    }

    fn a_server_that_speaks_tls_1_2_only_is_served() {
        simulated(|simulation| async move {
            let acceptor = acceptor(&[&rustls::version::TLS12], &[b"h2"]);
            let mut peer = Peer::listen(&simulation);
            let served = spawn_local(async move {
                let (stream, _) = accept(&mut *peer.0).await.unwrap();
                let stream = acceptor.accept(stream).await.unwrap();
                let version = stream.get_ref().1.protocol_version();
                let mut connection = h2::server::handshake(stream).await.unwrap();
                let (_, mut answer) = connection.accept().await.unwrap().unwrap();
                answer.send_response(http::Response::new(()), true).unwrap();
                // Ends when the client has closed the connection.
                while connection.accept().await.is_some() {}
                version
            });
            let client = beside(&simulation, ClientLimits::default());
            assert_eq!(client.send(secure(Trust::Anyone)).await.unwrap().status, 200);
            drop(client);
            assert_eq!(served.await.unwrap(), Some(rustls::ProtocolVersion::TLSv1_2));
        });
    }

    fn a_host_that_no_certificate_can_be_for_is_refused() {
        simulated(|simulation| async move {
            let name = "x".repeat(64);
            let address = SocketAddr::from((Ipv4Addr::UNSPECIFIED, PORT));
            let bound = simulation.host(&name).bind(address).unwrap();
            let client = beside(&simulation, ClientLimits::default());
            let error = client.send(ClientRequest::get(true, &name, PORT, "/")).await.unwrap_err();
            assert!(error.to_string().contains("is not a name of a server"), "{error}");
            drop(bound);
        });
    }
}
