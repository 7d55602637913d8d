//! Fetches the page, each time on a connection of its own: a look must not wait behind another.

use std::future::poll_fn;

use http::Request;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use crate::connections::dialer::Dialer;
use crate::connections::failure::DialError;
use crate::connections::target::Target;
use crate::connections::tls::Trust;
use crate::error::LoadError;
use crate::limits::{OWN_STREAM_WINDOW, PAGE_BYTES};

/// A page on a server.
pub struct Page {
    /// Its URL as the user gave it.
    pub url: String,
    target: Target,
    path: String,
    dialer: Dialer,
    is_http1: bool,
}

/// Why there is no page.
#[derive(Debug)]
pub enum PageError {
    /// No connection.
    Dial(DialError),
    /// A connection, and no page on it.
    Answer(String),
}

impl Page {
    /// The page at a URL.
    ///
    /// # Errors
    /// As those of a target.
    pub fn new(url: &str, allowed: &[String], trust: Option<&Trust>) -> Result<Page, LoadError> {
        let behind_scheme = url.find("://").map_or(0, |at| at + 3);
        let end = url[behind_scheme..].find('/').map_or(url.len(), |at| behind_scheme + at);
        let target = Target::parse(&url[..end], allowed)?;
        let path = if end == url.len() { "/metrics" } else { &url[end..] }.to_string();
        target.uri(&path, None)?;
        let dialer = Dialer::new(&target, trust)?;
        Ok(Page { url: url.to_string(), target, path, dialer, is_http1: false })
    }

    /// Fetches the page, and finds out which HTTP the server speaks.
    ///
    /// # Errors
    /// Unreachable, with what happened.
    pub async fn first(&mut self) -> Result<String, LoadError> {
        let mut fetched = self.fetch().await;
        let is_plain = !self.target.tls;
        if let Err(PageError::Dial(error)) = &fetched
            && is_plain
            && error.kind == crate::recording::error_kind::ErrorKind::NotHttp2
        {
            self.is_http1 = true;
            fetched = self.fetch().await;
        }
        fetched.map_err(|error| match error {
            PageError::Dial(error) => error.into_load_error(&self.url),
            PageError::Answer(cause) => LoadError::Unreachable {
                target: self.url.clone(),
                cause,
                hint: "--scrape needs the URL of a page in the Prometheus text format".to_string(),
            },
        })
    }

    /// Fetches the page.
    ///
    /// # Errors
    /// Why there is none.
    pub async fn fetch(&self) -> Result<String, PageError> {
        let bytes = if self.is_http1 { self.over_http1().await } else { self.over_http2().await }?;
        String::from_utf8(bytes).map_err(|_| PageError::Answer("the page is not UTF-8".to_string()))
    }

    async fn over_http2(&self) -> Result<Vec<u8>, PageError> {
        let broken = |error: h2::Error| PageError::Answer(error.to_string());
        let opened = self.dialer.open(OWN_STREAM_WINDOW).await.map_err(PageError::Dial)?;
        let (mut sender, connection) = (opened.sender, opened.connection);
        let exchange = async {
            poll_fn(|cx| sender.poll_ready(cx)).await.map_err(broken)?;
            let mut request = Request::new(());
            *request.uri_mut() =
                self.target.uri(&self.path, None).expect("the path was one before");
            let (response, _) = sender.send_request(request, true).map_err(broken)?;
            let (head, mut body) = response.await.map_err(broken)?.into_parts();
            check_status(head.status.as_u16())?;
            let mut bytes = Vec::new();
            while let Some(chunk) = body.data().await {
                let chunk = chunk.map_err(broken)?;
                let _ = body.flow_control().release_capacity(chunk.len());
                bytes.extend_from_slice(&chunk);
                check_length(bytes.len())?;
            }
            Ok(bytes)
        };
        tokio::select! {
            biased;
            page = exchange => page,
            _ = connection => Err(PageError::Answer("the connection ended".to_string())),
        }
    }

    /// HTTP/1.0, whose bodies end with the connection.
    async fn over_http1(&self) -> Result<Vec<u8>, PageError> {
        let broken = |error: std::io::Error| PageError::Answer(error.to_string());
        let mut tcp = self.dialer.tcp().await.map_err(PageError::Dial)?;
        let host = self.target.base.split("://").last().unwrap_or_default();
        let head =
            format!("GET {} HTTP/1.0\r\nhost: {host}\r\naccept: text/plain\r\n\r\n", self.path);
        tcp.write_all(head.as_bytes()).await.map_err(broken)?;
        let mut bytes = Vec::new();
        while tcp.read_buf(&mut bytes).await.map_err(broken)? > 0 {
            check_length(bytes.len())?;
        }
        let head_end = bytes.windows(4).position(|part| part == b"\r\n\r\n");
        let begin = String::from_utf8_lossy(&bytes[..bytes.len().min(64)]).into_owned();
        let status = begin.split(' ').nth(1).and_then(|status| status.parse().ok());
        let (Some(head_end), Some(status)) = (head_end, status) else {
            return Err(PageError::Answer("the answer is not HTTP".to_string()));
        };
        check_status(status)?;
        Ok(bytes.split_off(head_end + 4))
    }
}

fn check_status(status: u16) -> Result<(), PageError> {
    match status {
        200 => Ok(()),
        other => Err(PageError::Answer(format!("the answer has the status {other}"))),
    }
}

fn check_length(bytes: usize) -> Result<(), PageError> {
    if bytes <= PAGE_BYTES {
        return Ok(());
    }
    Err(PageError::Answer(format!("the page is longer than {PAGE_BYTES} bytes")))
}
