//! The client of one server, from which connections are made.

use redis::{Client, ConnectionInfo, RedisResult, TlsCertificates};

/// A client that trusts an authority of its own, or the public ones.
pub(super) fn client_with(info: ConnectionInfo, authority: Option<TlsCertificates>) -> RedisResult<Client> {
    match authority {
        Some(certificates) => Client::build_with_tls(info, certificates),
        None => Client::open(info),
    }
}
