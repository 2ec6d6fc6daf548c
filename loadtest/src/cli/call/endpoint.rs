//! The server of a run, from the settings.

use std::{fs, path::Path, time::Duration};

use inrush_transport::{Balancing, Endpoint, Error, TlsOptions};

use super::settings::Settings;

const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);

/// The default limit of message sizes, as in ghz.
pub(super) const MAX_MESSAGE_SIZE: usize = 0x7fff_ffff;

/// The default port of gRPC.
const DEFAULT_PORT: u16 = 443;

/// The server that the settings name.
pub(super) fn of(settings: &Settings) -> Result<Endpoint, Error> {
    let (host, port) = parse_address(settings.host.as_deref().unwrap_or_default())?;
    let connection = &settings.connection;
    Ok(Endpoint {
        host,
        port,
        authority: settings.security.authority.clone(),
        tls: tls(settings)?,
        connect_timeout: connection.connect_timeout.map_or(CONNECT_TIMEOUT, |timeout| timeout.0),
        keepalive: connection.keepalive.map(|interval| interval.0).filter(|interval| !interval.is_zero()),
        max_receive: connection.max_recv_message_size.map_or(MAX_MESSAGE_SIZE, |size| size.0),
        balancing: balancing(connection.lb_strategy.as_deref())?,
    })
}

fn parse_address(text: &str) -> Result<(String, u16), Error> {
    let text = text.trim();
    let plain =
        ["dns:///", "passthrough:///"].iter().find_map(|scheme| text.strip_prefix(scheme)).unwrap_or(text);
    let invalid = |reason: &str| {
        Error::new(
            format!("invalid server address {text:?}: {reason}"),
            "pass host:port, such as localhost:50051",
        )
    };
    if plain.is_empty() {
        return Err(Error::new(
            "the server address is missing",
            "pass host:port at the end of the command line",
        ));
    }
    if plain.contains('/') {
        return Err(invalid("of gRPC's schemes only dns:/// and passthrough:/// are supported"));
    }
    let (host, port) = match plain.rsplit_once(':') {
        // An IPv6 address contains colons: its port follows brackets.
        Some((host, port)) if !host.contains(':') || host.ends_with(']') => {
            let port = port.parse().map_err(|_| invalid("expected a port from 0 to 65535"))?;
            (host, port)
        }
        _ => (plain, DEFAULT_PORT),
    };
    let host = host.trim_start_matches('[').trim_end_matches(']');
    Ok((if host.is_empty() { "localhost" } else { host }.to_owned(), port))
}

fn tls(settings: &Settings) -> Result<Option<TlsOptions>, Error> {
    let security = &settings.security;
    if security.insecure.unwrap_or(false) {
        return Ok(None);
    }
    let identity = match (&security.cert, &security.key) {
        (None, None) => None,
        (Some(cert), Some(key)) => Some((read_pem("--cert", cert)?, read_pem("--key", key)?)),
        (Some(_), None) => {
            return Err(Error::new("--cert requires --key", "pass the private key of the certificate"));
        }
        (None, Some(_)) => {
            return Err(Error::new("--key requires --cert", "pass the certificate of the key"));
        }
    };
    Ok(Some(TlsOptions {
        authorities: security.cacert.as_deref().map(|path| read_pem("--cacert", path)).transpose()?,
        identity,
        server_name: security.cname.clone().filter(|name| !name.is_empty()),
        skip_verification: security.skip_tls.unwrap_or(false),
    }))
}

fn read_pem(flag: &str, path: &Path) -> Result<String, Error> {
    fs::read_to_string(path).map_err(|error| {
        Error::new(format!("cannot read {flag} {}: {error}", path.display()), "pass the path of a PEM file")
    })
}

fn balancing(strategy: Option<&str>) -> Result<Balancing, Error> {
    match strategy {
        None | Some("" | "pick_first") => Ok(Balancing::First),
        Some("round_robin") => Ok(Balancing::RoundRobin),
        Some(other) => {
            Err(Error::new(format!("unknown --lb-strategy {other:?}"), "use pick_first or round_robin"))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_parsed_as_in_grpc() {
        let cases = [
            ("localhost:50051", "localhost", 50051),
            ("dns:///shop.example:80", "shop.example", 80),
            ("shop.example", "shop.example", 443),
            ("[::1]:50051", "::1", 50051),
            ("::1", "::1", 443),
            (":50051", "localhost", 50051),
        ];
        for (text, host, port) in cases {
            assert_eq!(parse_address(text), Ok((host.to_owned(), port)), "{text}");
        }
        for text in ["", " ", "xds:///shop", "localhost:http", "localhost:70000"] {
            assert!(parse_address(text).is_err(), "{text:?}");
        }
    }
}
