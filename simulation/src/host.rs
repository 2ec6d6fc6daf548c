//! The server of a sale, as people write it.

use std::{fs, path::PathBuf};

use inrush_transport::{Endpoint, Error, TlsOptions};

/// The port of a front where none is given.
const FRONT_PORT: u16 = 50_051;

/// Reads `host:port`, `http://host:port` or `https://host:port`. `authority` is a file with the authorities that are
/// trusted; giving one means TLS.
///
/// # Errors
/// When the address is invalid, or the file cannot be read.
pub fn endpoint(host: &str, authority: Option<&PathBuf>) -> Result<Endpoint, Error> {
    let (tls, address) = match host.split_once("://") {
        Some(("http", address)) => (false, address),
        Some(("https", address)) => (true, address),
        None => (authority.is_some(), host),
        Some(_) => return Err(no_server(host)),
    };
    let address = address.trim_end_matches('/');
    let parsed: http::uri::Authority = address.parse().map_err(|_| no_server(host))?;
    let name = parsed.host().trim_start_matches('[').trim_end_matches(']');
    let given_port = address.get(parsed.host().len()..).unwrap_or_default();
    let port = if given_port.is_empty() { Some(FRONT_PORT) } else { parsed.port_u16() };
    let port = port.filter(|_| !name.is_empty() && !address.contains('@')).ok_or_else(|| no_server(host))?;
    let mut endpoint = Endpoint::plain(name, port);
    if tls {
        let authorities = authority.map(|path| {
            fs::read_to_string(path).map_err(|error| {
                Error::new(
                    format!("--cacert: cannot read {}: {error}", path.display()),
                    "give a PEM file with the certificates of the authorities to trust",
                )
            })
        });
        endpoint.tls = Some(TlsOptions { authorities: authorities.transpose()?, ..TlsOptions::default() });
    }
    Ok(endpoint)
}

fn no_server(host: &str) -> Error {
    Error::new(format!("invalid address {host:?}"), "expected the host:port of a front of Inrush")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn servers_are_read_as_people_write_them() {
        for (text, address, tls) in [
            ("127.0.0.1:7", "127.0.0.1:7", false),
            ("http://sale.example:7/", "sale.example:7", false),
            ("https://sale.example", "sale.example:50051", true),
            ("[::1]:7", "[::1]:7", false),
        ] {
            let endpoint = endpoint(text, None).unwrap();
            assert_eq!((endpoint.address().as_str(), endpoint.tls.is_some()), (address, tls));
        }
        for text in ["", "ftp://x", "a b", "host:port", "me@host:1"] {
            assert!(endpoint(text, None).is_err(), "{text:?}");
        }
        let missing = PathBuf::from("/nowhere.pem");
        assert!(endpoint("x:1", Some(&missing)).unwrap_err().wrong().contains("/nowhere.pem"));
    }
}
