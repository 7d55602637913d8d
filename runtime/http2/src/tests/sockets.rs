//! Real sockets and TLS: binding, certificates, handshakes.

use super::*;
use crate::{
    Certificate, Server, ServerConfig, ServerError, TokioNetwork, bind, local_authority_pem,
};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;

fn real_time(test: impl Future<Output = ()>) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    LocalSet::new().block_on(&runtime.expect("a runtime"), test);
}

fn loopback(tls: Option<Certificate>) -> Result<Server, ServerError> {
    let config = ServerConfig { tls, ..ServerConfig::default() };
    bind(&TokioNetwork, SocketAddr::from(([127, 0, 0, 1], 0)), &config)
}

struct Hello;

impl Handler for Hello {
    fn handle(&self, request: Request) -> Reply {
        Reply::Ready(Response::text(200, format!("{} {}", request.scheme(), request.path())))
    }
}

fn connector(alpn: &[&[u8]], ca_pem: &str) -> TlsConnector {
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let mut roots = rustls::RootCertStore::empty();
    roots.add(CertificateDer::from_pem_slice(ca_pem.as_bytes()).unwrap()).unwrap();
    let mut config = rustls::ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    config.alpn_protocols = alpn.iter().map(|name| name.to_vec()).collect();
    TlsConnector::from(Arc::new(config))
}

/// A directory of PEM files that is removed at the end.
struct Files(PathBuf);

impl Files {
    fn new(name: &str) -> Self {
        let path = std::env::temp_dir().join(format!("valk-http2-{name}-{}", std::process::id()));
        std::fs::create_dir_all(&path).unwrap();
        Self(path)
    }

    fn write(&self, name: &str, text: impl AsRef<[u8]>) -> PathBuf {
        let path = self.0.join(name);
        std::fs::write(&path, text).unwrap();
        path
    }

    /// Text of the error that these two files make.
    fn error(&self, certificate: &Path, key: &Path) -> String {
        let files = Certificate::Files { certificate: certificate.to_owned(), key: key.to_owned() };
        let text = loopback(Some(files)).expect_err("unusable files").to_string();
        text.replace(&format!("{}/", self.0.display()), "")
    }
}

impl Drop for Files {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

/// A self-signed certificate and its key.
fn make_pair() -> (String, String) {
    let made = rcgen::generate_simple_self_signed(vec!["localhost".to_owned()]).unwrap();
    (made.cert.pem(), made.signing_key.serialize_pem())
}

valk_harness::test! {
    fn clear_text_over_loopback() {
        real_time(async {
            let server = loopback(None).unwrap();
            let (address, stop) = (server.local_addr(), StopSignal::new());
            let second = server.try_clone().unwrap();
            let serving = spawn_local(server.serve(Rc::new(Hello), stop.clone()));
            let sharing = spawn_local(second.serve(Rc::new(Hello), stop.clone()));
            let socket = TcpStream::connect(address).await.unwrap();
            let mut client = Client::over(socket, h2::client::Builder::new()).await;
            assert_eq!(client.get("/x").await.unwrap().body, b"http /x");
            stop.stop();
            let reports =
                (serving.await.unwrap().unwrap().totals, sharing.await.unwrap().unwrap().totals);
            assert_eq!(reports.0.responses_2xx + reports.1.responses_2xx, 1);
            assert!(reports.0.bytes_in + reports.1.bytes_in > 24);
            assert!(TcpStream::connect(address).await.is_err(), "the port is free again");
        });
    }
}

valk_harness::test! {
    fn tls_with_the_local_authority() {
        real_time(async {
            let server = loopback(Some(Certificate::Local)).unwrap();
            assert!(format!("{server:?}").contains("OnlyWithProtocols"));
            let (address, stop) = (server.local_addr(), StopSignal::new());
            let serving = spawn_local(server.serve(Rc::new(Hello), stop.clone()));
            let connector = connector(&[b"h2"], local_authority_pem().unwrap());
            for name in ["localhost", "127.0.0.1", "::1"] {
                let socket = TcpStream::connect(address).await.unwrap();
                let name = ServerName::try_from(name).unwrap();
                let socket = connector.connect(name, socket).await.unwrap();
                let mut client = Client::over(socket, h2::client::Builder::new()).await;
                let mut ask = get("/y");
                *ask.uri_mut() = "https://localhost/y".parse().unwrap();
                assert_eq!(client.ask(ask, Bytes::new()).await.unwrap().body, b"https /y");
            }
            let socket = TcpStream::connect(address).await.unwrap();
            let elsewhere = ServerName::try_from("example.test").unwrap();
            connector.connect(elsewhere, socket).await.expect_err("a foreign name");
            stop.stop();
            serving.await.unwrap().unwrap();
        });
    }
}

valk_harness::test! {
    fn handshake_without_h2_is_refused() {
        real_time(async {
            let server = loopback(Some(Certificate::Local)).unwrap();
            let (address, stop) = (server.local_addr(), StopSignal::new());
            let counters = Arc::<Counters>::default();
            let counted = Arc::clone(&counters);
            let serving =
                spawn_local(server.serve_counted(Rc::new(Hello), stop.clone(), counted));
            for (alpn, alert) in
                [(&[][..], "AccessDenied"), (&[&b"http/1.1"[..]], "NoApplicationProtocol")]
            {
                let socket = TcpStream::connect(address).await.unwrap();
                let connector = connector(alpn, local_authority_pem().unwrap());
                let name = ServerName::try_from("localhost").unwrap();
                let error = connector.connect(name, socket).await.expect_err("no h2 offered");
                assert!(error.to_string().contains(&format!("fatal alert: {alert}")), "{error}");
            }
            stop.stop();
            let totals = serving.await.unwrap().unwrap().totals;
            assert_eq!(totals.handshakes_failed, 2);
        });
    }
}

valk_harness::test! {
    fn unfinished_tls_handshake_is_dropped() {
        virtual_time(async {
            let tls = crate::tls::server_config(&Certificate::Local).unwrap();
            let (pipes, receiver) = mpsc::unbounded_channel();
            let stop = StopSignal::new();
            let events = Rc::default();
            let handler = Rc::new(Recorder {
                answer: |_| Reply::Ready(Response::new(200)),
                events: Rc::clone(&events),
            });
            let counters = Arc::<Counters>::default();
            let shared = Shared { tls: Some(tls), ..shared(Limits::default(), &stop) };
            let listener = Box::new(Pipes(receiver));
            let serving = serve_on_one_thread(listener, shared, handler, Arc::clone(&counters));
            let serving = spawn_local(serving);
            let (near, far) = duplex(1 << 16);
            pipes.send(Ok(far)).unwrap();
            let began = tokio::time::Instant::now();
            talk(near, &[22, 3, 1]).await;
            assert_eq!(began.elapsed(), Limits::default().tls_timeout);
            assert_eq!(counters.snapshot().handshakes_failed, 1);
            let told: Rc<RefCell<Vec<String>>> = events;
            assert!(told.borrow()[0].contains("did not finish in time"));
            // A stop does not wait for a handshake either.
            let (near, far) = duplex(1 << 16);
            pipes.send(Ok(far)).unwrap();
            settle().await;
            stop.stop();
            assert!(serving.await.unwrap().stop_took.is_zero());
            drop(near);
        });
    }
}

valk_harness::test! {
    fn address_errors_say_what_to_do() {
        let taken = loopback(None).unwrap();
        let address = taken.local_addr();
        let error = bind(&TokioNetwork, address, &ServerConfig::default()).unwrap_err().to_string();
        assert_eq!(
            error,
            format!(
                "cannot listen on {address}: port {} is in use; stop the program that holds it, \
                 choose another port, or use port 0 for any free one",
                address.port()
            )
        );
        let foreign = SocketAddr::from(([192, 0, 2, 1], 0));
        let error = bind(&TokioNetwork, foreign, &ServerConfig::default()).unwrap_err().to_string();
        assert!(error.contains("no interface of this machine has the address 192.0.2.1"));
        let denied = ServerError::listen(foreign, io::ErrorKind::PermissionDenied.into());
        assert!(denied.to_string().contains("permission denied; ports below 1024"));
        assert!(std::error::Error::source(&denied).is_none());
        let other = ServerError::listen(foreign, io::Error::other("strange"));
        assert_eq!(other.to_string(), "cannot listen on 192.0.2.1:0: strange");
        assert!(std::error::Error::source(&other).is_some());
        let tls = ServerError::Tls { reason: "no entropy".to_owned() };
        assert_eq!(tls.to_string(), "cannot set up TLS: no entropy");
    }
}

valk_harness::test! {
    fn certificate_files_serve() {
        let files = Files::new("good");
        let (certificate, key) = make_pair();
        let chain = format!("Subject: text before is allowed\n{certificate}{certificate}");
        let good = Certificate::Files {
            certificate: files.write("cert.pem", chain),
            key: files.write("key.pem", key),
        };
        loopback(Some(good)).expect("a usable pair");
    }
}

valk_harness::test! {
    fn certificate_errors_say_which_file_and_why() {
        let files = Files::new("bad");
        let (certificate, key) = make_pair();
        let cert = files.write("cert.pem", &certificate);
        let good_key = files.write("key.pem", &key);
        let other_key = files.write("other.pem", make_pair().1);
        let missing = files.0.join("missing.pem");
        let empty = files.write("empty.pem", " \n");
        let garbage = files.write("garbage.pem", "hello\n");
        let der = files.write("cert.der", [0x30, 0x82, 0xff, 0xfe]);
        let swapped_hint = "were the certificate and key files swapped?";
        let not_pem = "no line begins with -----BEGIN, so it is not PEM; expected a PEM file with";

        let says = |certificate: &Path, key: &Path, expected: &str| {
            let error = files.error(certificate, key);
            assert!(error.contains(expected), "{error:?} lacks {expected:?}");
        };
        says(&missing, &good_key, "cannot use missing.pem: No such file");
        says(&empty, &good_key, "cannot use empty.pem: the file is empty; expected");
        says(&garbage, &good_key, &format!("cannot use garbage.pem: {not_pem}"));
        says(&der, &good_key, "cannot use cert.der: it is binary and looks like DER");
        says(&good_key, &cert, &format!("line 1 begins a PRIVATE KEY; {swapped_hint}"));
        says(&cert, &missing, "cannot use missing.pem: No such file");
        says(&cert, &garbage, &format!("cannot use garbage.pem: {not_pem}"));
        says(&cert, &cert, &format!("line 1 begins a CERTIFICATE; {swapped_hint}"));
        says(&cert, &other_key, "the key in other.pem does not belong to the first certificate");

        let public = files.write("public.pem", "\n-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----\n");
        says(&public, &good_key, "line 2 begins a PUBLIC KEY; expected a PEM file");
        says(&cert, &public, "line 2 begins a PUBLIC KEY; expected a PEM file");
        let locked = "-----BEGIN ENCRYPTED PRIVATE KEY-----\nAAAA\n-----END ENCRYPTED PRIVATE KEY-----\n";
        let locked = files.write("locked.pem", locked);
        says(&cert, &locked, "begins a ENCRYPTED PRIVATE KEY; decrypt it with");
        let cut = files.write("cut.pem", &certificate[..certificate.len() / 2]);
        says(&cut, &good_key, "the CERTIFICATE that begins in line 1 is damaged");
        let second = files.write("second.pem", format!("{certificate}{}", &certificate[..100]));
        says(&second, &good_key, "is damaged");
        let cut_key = files.write("cut-key.pem", &key[..key.len() / 2]);
        says(&cert, &cut_key, "the PRIVATE KEY that begins in line 1 is damaged");
        let hollow = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n";
        let hollow = files.write("hollow.pem", hollow);
        says(&hollow, &good_key, "its first certificate is not valid X.509");
        let hollow_key = "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n";
        let hollow_key = files.write("hollow-key.pem", hollow_key);
        says(&cert, &hollow_key, "cannot use hollow-key.pem: the key is not usable");
        let huge = files.write("huge.pem", vec![b'\n'; 1024 * 1024 + 1]);
        says(&huge, &good_key, "it has 1048577 bytes, expected at most 1048576");
        let begin = files.write("begin.pem", "-----BEGIN \n");
        says(&begin, &good_key, "cannot use begin.pem");
    }
}
