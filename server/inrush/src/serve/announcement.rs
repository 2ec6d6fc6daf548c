//! What a service prints when it listens: where, and what to do next.

use std::net::SocketAddr;

use serde_json::{Map, Value};

use crate::screen::{Present, Screen, Tone};

/// The addresses of a process.
#[derive(Debug, Default)]
pub(super) struct Announcement {
    /// What is up.
    pub(super) title: &'static str,
    /// The public edge.
    pub(super) front: Option<String>,
    /// The bundled order system.
    pub(super) orders: Option<String>,
    /// HTTP for operators and orchestrators.
    pub(super) admin: Option<String>,
    /// What people should know or do next; empty if nothing.
    pub(super) notes: Vec<String>,
}

impl Announcement {
    fn addresses(&self) -> impl Iterator<Item = (&'static str, &str, &'static str)> {
        [
            ("front", &self.front, "gRPC for buyers and operators"),
            ("orders", &self.orders, "gRPC for fulfilment"),
            ("admin", &self.admin, "HTTP: /metrics, /readyz, /config"),
        ]
        .into_iter()
        .filter_map(|(name, url, what)| url.as_deref().map(|url| (name, url, what)))
    }
}

impl Present for Announcement {
    fn text(&self, screen: &Screen) -> String {
        let mut lines = vec![screen.paint(Tone::Title, self.title)];
        lines.extend(
            self.addresses().map(|(name, url, what)| {
                format!("  {name:<7} {url:<25} {}", screen.paint(Tone::Quiet, what))
            }),
        );
        lines.extend(self.notes.iter().cloned());
        lines.join("\n")
    }

    fn json(&self) -> Value {
        self.addresses()
            .map(|(name, url, _)| (name.to_owned(), Value::from(url)))
            .collect::<Map<_, _>>()
            .into()
    }
}

/// The URL of a listener.
pub(super) fn url(tls: bool, address: SocketAddr) -> String {
    let scheme = if tls { "https" } else { "http" };
    format!("{scheme}://{address}")
}
