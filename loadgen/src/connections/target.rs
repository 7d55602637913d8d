//! Where the load goes, and the rule that it stays on this machine unless a host is named twice.
//!
//! A host that is not a loopback address is refused before any name is looked up.

use std::net::{IpAddr, SocketAddr, ToSocketAddrs};

use http::Uri;

use crate::error::LoadError;

/// A checked target.
#[derive(Clone, Debug)]
pub struct Target {
    /// `true` for `https`: TLS with ALPN; otherwise HTTP/2 with prior knowledge on plain TCP.
    pub tls: bool,
    /// Host as written, without brackets.
    pub host: String,
    /// Where to connect.
    pub address: SocketAddr,
    /// `scheme://host:port`, the base of every request.
    pub base: String,
}

impl Target {
    /// Checks a `--target` against the hosts named by `--allow-remote`.
    ///
    /// # Errors
    /// Usage errors for a malformed or remote URL; unreachable if a permitted name has no address.
    pub fn parse(text: &str, allowed: &[String]) -> Result<Target, LoadError> {
        let uri: Uri = text.parse().map_err(|_| {
            LoadError::usage(format!("`{text}` is not a URL; write http://127.0.0.1:8080"))
        })?;
        let tls = match uri.scheme_str() {
            Some("http") => false,
            Some("https") => true,
            other => {
                return Err(LoadError::usage(format!(
                    "target `{text}` has {}; use http:// (h2c) or https:// (TLS)",
                    other.map_or("no scheme".into(), |s| format!("the scheme `{s}`"))
                )));
            }
        };
        if uri.path() != "/" || uri.query().is_some() {
            return Err(LoadError::usage(format!(
                "target `{text}` has a path; give the paths with --path, the target is only \
                 scheme, host and port"
            )));
        }
        let host = uri.host().unwrap_or_default().trim_matches(['[', ']']).to_string();
        let port = uri.port_u16().unwrap_or(if tls { 443 } else { 80 });
        let remote = match host.parse::<IpAddr>() {
            Ok(ip) => !ip.is_loopback(),
            Err(_) => host != "localhost",
        };
        if remote && !allowed.contains(&host) {
            return Err(LoadError::usage(format!(
                "target host `{host}` is not on this machine; if it is yours to load, add \
                 --allow-remote {host}"
            )));
        }
        let address = resolve(&host, port, !remote)?;
        let shown = if host.contains(':') { format!("[{host}]") } else { host.clone() };
        let scheme = if tls { "https" } else { "http" };
        Ok(Target { tls, host, address, base: format!("{scheme}://{shown}:{port}") })
    }

    /// The full URI of a path on this target.
    ///
    /// # Errors
    /// Usage error if the path is not one.
    pub fn uri(&self, path: &str) -> Result<Uri, LoadError> {
        if !path.starts_with('/') {
            return Err(LoadError::usage(format!("path `{path}` does not start with `/`")));
        }
        format!("{}{path}", self.base).parse().map_err(|_| {
            LoadError::usage(format!("path `{path}` holds characters a URL path cannot have"))
        })
    }
}

fn resolve(host: &str, port: u16, loopback_only: bool) -> Result<SocketAddr, LoadError> {
    let unknown = |cause: String| LoadError::Unreachable {
        target: host.to_string(),
        cause,
        hint: "check the spelling, or use the address itself".to_string(),
    };
    let addresses = (host, port).to_socket_addrs().map_err(|e| unknown(e.to_string()))?;
    // IPv4 first: most test servers listen on 127.0.0.1 only, and `localhost` often names ::1.
    let mut usable: Vec<SocketAddr> =
        addresses.filter(|a| !loopback_only || a.ip().is_loopback()).collect();
    usable.sort_by_key(SocketAddr::is_ipv6);
    usable.first().copied().ok_or_else(|| unknown("the name has no loopback address".to_string()))
}
