//! Where the load goes, and the rule that it stays on this machine unless a host is named twice.
//!
//! 1. A host that is not a loopback address is refused before any name is looked up.
//! 2. A port is named and valid, or that of the scheme. User names and passwords are refused: no
//!    request would carry them.
//! 3. A path goes to the target byte for byte, whatever it looks like (`//host/x` is a path).

use std::net::{IpAddr, SocketAddr, ToSocketAddrs};

use http::Uri;

use crate::error::LoadError;

/// A checked target.
#[derive(Clone, Debug)]
pub struct Target {
    /// `true` for `https`: TLS with ALPN; otherwise HTTP/2 with prior knowledge on plain TCP.
    pub tls: bool,
    /// Host as written, in lower case, without brackets.
    pub host: String,
    /// Where to connect, in the order of trying; never empty.
    pub addresses: Vec<SocketAddr>,
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
        if uri.path() != "/" || uri.query().is_some() || text.contains('#') {
            return Err(LoadError::usage(format!(
                "target `{text}` has a path; give the paths with --path, the target is only \
                 scheme, host and port"
            )));
        }
        let authority = uri.authority().map_or("", http::uri::Authority::as_str);
        if authority.contains('@') {
            return Err(LoadError::usage(
                "the target has a user name; requests do not carry it: give \
                 --header 'authorization: ...'",
            ));
        }
        let host = uri.host().unwrap_or_default().trim_matches(['[', ']']).to_ascii_lowercase();
        if host.is_empty() {
            return Err(LoadError::usage(format!("target `{text}` has no host")));
        }
        let port = port(text, authority, if tls { 443 } else { 80 })?;
        let remote = match host.parse::<IpAddr>() {
            Ok(ip) => !ip.is_loopback(),
            Err(_) => host != "localhost",
        };
        if remote && !allowed.iter().any(|name| name.eq_ignore_ascii_case(&host)) {
            return Err(LoadError::usage(format!(
                "target host `{host}` is not on this machine; if it is yours to load, add \
                 --allow-remote {host}"
            )));
        }
        let addresses = resolve(&host, port, !remote)?;
        let shown = if host.contains(':') { format!("[{host}]") } else { host.clone() };
        let scheme = if tls { "https" } else { "http" };
        Ok(Target { tls, host, addresses, base: format!("{scheme}://{shown}:{port}") })
    }

    /// The full URI of a path on this target, with another `:authority` if there is one.
    ///
    /// # Errors
    /// Usage error if the path is not one.
    pub fn uri(&self, path: &str, authority: Option<&str>) -> Result<Uri, LoadError> {
        if !path.starts_with('/') {
            let why = if path.contains("://") {
                "is a URL; give the host with --target"
            } else {
                "does not start with `/`"
            };
            return Err(LoadError::usage(format!("path `{path}` {why}")));
        }
        if path.contains('#') {
            return Err(LoadError::usage(format!(
                "path `{path}` has a `#`: the part behind it never leaves a client; write %23 for \
                 the character"
            )));
        }
        let base = match authority {
            None => self.base.clone(),
            Some(name) => format!("{}://{name}", if self.tls { "https" } else { "http" }),
        };
        let unusable =
            || LoadError::usage(format!("path `{path}` holds characters a URL path cannot have"));
        let uri: Uri = format!("{base}{path}").parse().map_err(|_| unusable())?;
        match uri.path_and_query() {
            Some(sent) if sent.as_str() == path => Ok(uri),
            _ => Err(unusable()),
        }
    }
}

/// The port behind the host, which may be an address in brackets.
fn port(text: &str, authority: &str, default: u16) -> Result<u16, LoadError> {
    let behind_host = authority.rsplit_once(']').map_or(authority, |(_, rest)| rest);
    let Some((_, port)) = behind_host.rsplit_once(':') else { return Ok(default) };
    match port.parse() {
        Ok(port) if port != 0 => Ok(port),
        _ => Err(LoadError::usage(format!(
            "target `{text}` has the port `{port}`; a port is a number from 1 to 65535"
        ))),
    }
}

fn resolve(host: &str, port: u16, loopback_only: bool) -> Result<Vec<SocketAddr>, LoadError> {
    let unknown = |cause: String| LoadError::Unreachable {
        target: host.to_string(),
        cause: format!("dns: {cause}"),
        hint: "check the spelling, or use the address itself".to_string(),
    };
    let addresses = (host, port).to_socket_addrs().map_err(|e| unknown(e.to_string()))?;
    // IPv4 first: most test servers listen on 127.0.0.1 only, and `localhost` often names ::1.
    let mut usable: Vec<SocketAddr> =
        addresses.filter(|a| !loopback_only || a.ip().is_loopback()).collect();
    usable.sort_by_key(SocketAddr::is_ipv6);
    usable.dedup();
    if usable.is_empty() {
        return Err(unknown("the name has no loopback address".to_string()));
    }
    Ok(usable)
}
