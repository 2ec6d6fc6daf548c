//! The banner of a service that has started: its addresses and the next steps.

use std::net::SocketAddr;

use serde_json::{Map, Value};

use crate::output::{Output, Render, Style};

/// The addresses of a process and notes for the user.
#[derive(Debug, Default)]
pub(super) struct StartupBanner {
    /// The title.
    pub(super) title: &'static str,
    /// The URL of the front.
    pub(super) front: Option<String>,
    /// The URL of the order system.
    pub(super) orders: Option<String>,
    /// The URL of admin HTTP.
    pub(super) admin: Option<String>,
    /// Notes and next steps.
    pub(super) notes: Vec<String>,
}

impl StartupBanner {
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

impl Render for StartupBanner {
    fn text(&self, output: &Output) -> String {
        let mut lines = vec![output.paint(Style::Title, self.title)];
        lines
            .extend(self.addresses().map(|(name, url, what)| {
                format!("  {name:<7} {url:<25} {}", output.paint(Style::Dim, what))
            }));
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
