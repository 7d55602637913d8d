//! A small HTTP/2 client for tests: clear text with prior knowledge, over h2.

use bytes::Bytes;
use h2::SendStream;
use h2::client::{ResponseFuture, SendRequest};
use http::{Method, Request};
use tokio::net::TcpStream;

/// A response with its whole body.
#[derive(Debug, Clone)]
pub struct Answer {
    /// Status code.
    pub status: u16,
    /// Fields by name.
    pub headers: http::HeaderMap,
    /// The body as text.
    pub body: String,
}

/// A connection.
pub struct Client {
    sender: SendRequest<Bytes>,
    authority: String,
}

impl Client {
    /// Connects to a port of this machine. Must run inside a tokio runtime.
    pub async fn connect(port: u16) -> Client {
        let authority = format!("127.0.0.1:{port}");
        let stream = TcpStream::connect(&authority).await.expect("the server listens");
        let (sender, connection) = h2::client::handshake(stream).await.expect("it speaks HTTP/2");
        tokio::spawn(async move {
            // The test looks at its requests, not at how the connection ends.
            let _ = connection.await;
        });
        Client { sender, authority }
    }

    /// Sends a request; the future is the answer.
    pub async fn send(
        &mut self,
        method: Method,
        path: &str,
        headers: &[(&str, &str)],
        body: &[u8],
    ) -> impl Future<Output = Result<Answer, h2::Error>> + use<> {
        let (response, mut stream) = self.open(method, path, headers, body.is_empty()).await;
        if !body.is_empty() {
            stream.send_data(Bytes::copy_from_slice(body), true).expect("the body is sent");
        }
        read(response)
    }

    /// Sends the beginning of a request with a body; the stream takes the rest of the body, its last
    /// part with `true`.
    pub async fn begin(
        &mut self,
        path: &str,
        headers: &[(&str, &str)],
        part: &[u8],
    ) -> (impl Future<Output = Result<Answer, h2::Error>> + use<>, SendStream<Bytes>) {
        let (response, mut stream) = self.open(Method::POST, path, headers, false).await;
        stream.send_data(Bytes::copy_from_slice(part), false).expect("the part is sent");
        (read(response), stream)
    }

    async fn open(
        &mut self,
        method: Method,
        path: &str,
        headers: &[(&str, &str)],
        last: bool,
    ) -> (ResponseFuture, SendStream<Bytes>) {
        let mut request =
            Request::builder().method(method).uri(format!("http://{}{path}", self.authority));
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let request = request.body(()).expect("a valid request");
        let mut sender = self.sender.clone().ready().await.expect("the connection is open");
        sender.send_request(request, last).expect("the stream opens")
    }

    /// A GET request and its answer.
    pub async fn get(&mut self, path: &str) -> Answer {
        self.send(Method::GET, path, &[], b"").await.await.expect("an answer")
    }
}

/// The whole response.
async fn read(response: ResponseFuture) -> Result<Answer, h2::Error> {
    let (head, mut body) = response.await?.into_parts();
    let mut bytes = Vec::new();
    while let Some(part) = body.data().await {
        let part = part?;
        bytes.extend_from_slice(&part);
        body.flow_control().release_capacity(part.len())?;
    }
    let body = String::from_utf8_lossy(&bytes).into_owned();
    Ok(Answer { status: head.status.as_u16(), headers: head.headers, body })
}

/// Runs a future on a runtime of its own.
pub fn block_on<T>(future: impl Future<Output = T>) -> T {
    let runtime =
        tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build();
    runtime.expect("a runtime").block_on(future)
}
