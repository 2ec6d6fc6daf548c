//! The server, from the settings.

use std::{fs, path::Path, time::Duration};

use super::settings::Settings;
use crate::{
    problem::Problem,
    transport::{Balancing, Endpoint, TlsOptions},
};

const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);

/// Longest message where no limit is given: what ghz allows.
pub(super) const LONGEST_MESSAGE: usize = 0x7fff_ffff;

/// What gRPC takes for a port where none is given.
const PORT: u16 = 443;

/// The server that the settings name.
pub(super) fn of(settings: &Settings) -> Result<Endpoint, Problem> {
    let (host, port) = address(settings.host.as_deref().unwrap_or_default())?;
    let connection = &settings.connection;
    Ok(Endpoint {
        host,
        port,
        authority: settings.security.authority.clone(),
        tls: tls(settings)?,
        connect_timeout: connection.connect_timeout.map_or(CONNECT_TIMEOUT, |given| given.0),
        keepalive: connection.keepalive.map(|given| given.0).filter(|every| !every.is_zero()),
        max_receive: connection.max_recv_message_size.map_or(LONGEST_MESSAGE, |given| given.0),
        balancing: balancing(connection.lb_strategy.as_deref())?,
    })
}

fn address(text: &str) -> Result<(String, u16), Problem> {
    let text = text.trim();
    let plain =
        ["dns:///", "passthrough:///"].iter().find_map(|scheme| text.strip_prefix(scheme)).unwrap_or(text);
    let wrong = |reason: &str| {
        Problem::new(format!("the server {text:?} {reason}"), "give it as host:port, such as localhost:50051")
    };
    if plain.is_empty() {
        return Err(Problem::new(
            "no server is given",
            "give one as host:port at the end of the command line",
        ));
    }
    if plain.contains('/') {
        return Err(wrong("is not an address: of gRPC's schemes only dns:/// and passthrough:/// are known"));
    }
    let (host, port) = match plain.rsplit_once(':') {
        // An IPv6 address has colons of its own: its port comes after brackets.
        Some((host, port)) if !host.contains(':') || host.ends_with(']') => {
            let port = port.parse().map_err(|_| wrong("has no port between 0 and 65535"))?;
            (host, port)
        }
        _ => (plain, PORT),
    };
    let host = host.trim_start_matches('[').trim_end_matches(']');
    Ok((if host.is_empty() { "localhost" } else { host }.to_owned(), port))
}

fn tls(settings: &Settings) -> Result<Option<TlsOptions>, Problem> {
    let security = &settings.security;
    if security.insecure.unwrap_or(false) {
        return Ok(None);
    }
    let identity = match (&security.cert, &security.key) {
        (None, None) => None,
        (Some(cert), Some(key)) => Some((pem("--cert", cert)?, pem("--key", key)?)),
        (Some(_), None) => {
            return Err(Problem::new("--cert is given without --key", "give its private key as well"));
        }
        (None, Some(_)) => {
            return Err(Problem::new("--key is given without --cert", "give its certificate as well"));
        }
    };
    Ok(Some(TlsOptions {
        authorities: security.cacert.as_deref().map(|path| pem("--cacert", path)).transpose()?,
        identity,
        server_name: security.cname.clone().filter(|name| !name.is_empty()),
        skip_verification: security.skip_tls.unwrap_or(false),
    }))
}

fn pem(flag: &str, path: &Path) -> Result<String, Problem> {
    fs::read_to_string(path).map_err(|error| {
        Problem::new(
            format!("{flag} {} cannot be read: {error}", path.display()),
            "give the path of a file in PEM",
        )
    })
}

fn balancing(strategy: Option<&str>) -> Result<Balancing, Problem> {
    match strategy {
        None | Some("" | "pick_first") => Ok(Balancing::First),
        Some("round_robin") => Ok(Balancing::RoundRobin),
        Some(other) => Err(Problem::new(
            format!("--lb-strategy {other:?} is not known"),
            "use pick_first or round_robin",
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_understood_as_grpc_does() {
        let cases = [
            ("localhost:50051", "localhost", 50051),
            ("dns:///shop.example:80", "shop.example", 80),
            ("shop.example", "shop.example", 443),
            ("[::1]:50051", "::1", 50051),
            ("::1", "::1", 443),
            (":50051", "localhost", 50051),
        ];
        for (text, host, port) in cases {
            assert_eq!(address(text), Ok((host.to_owned(), port)), "{text}");
        }
        for text in ["", " ", "xds:///shop", "localhost:http", "localhost:70000"] {
            assert!(address(text).is_err(), "{text:?}");
        }
    }
}
