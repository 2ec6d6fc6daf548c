//! The variables that Kubernetes sets in every pod for every service of its namespace. A service named `inrush-front` has
//! `INRUSH_FRONT_SERVICE_HOST`, `INRUSH_FRONT_PORT=tcp://…` and more, which are not settings.

use std::collections::BTreeMap;
use std::ffi::OsString;

/// The services whose variables are present.
pub(super) struct ServiceLinks(Vec<String>);

impl ServiceLinks {
    /// A service is recognised by the pair of variables that Kubernetes always sets.
    pub(super) fn among(variables: &BTreeMap<String, OsString>) -> Self {
        let hosts = variables.keys().filter_map(|name| name.strip_suffix("_SERVICE_HOST"));
        let services = hosts.filter(|service| variables.contains_key(&format!("{service}_SERVICE_PORT")));
        Self(services.map(str::to_owned).collect())
    }

    /// Whether Kubernetes set this variable.
    pub(super) fn include(&self, name: &str, value: &str) -> bool {
        self.0.iter().filter_map(|service| name.strip_prefix(service.as_str())).any(|rest| {
            rest == "_SERVICE_HOST"
                || rest == "_SERVICE_PORT"
                || rest.starts_with("_SERVICE_PORT_")
                || (rest == "_PORT" && has_transport(value))
                || is_port_detail(rest)
        })
    }
}

fn has_transport(value: &str) -> bool {
    ["tcp://", "udp://", "sctp://"].iter().any(|transport| value.starts_with(transport))
}

/// `_PORT_50051_TCP` and what follows it: `_PROTO`, `_PORT`, `_ADDR`.
fn is_port_detail(rest: &str) -> bool {
    let Some(detail) = rest.strip_prefix("_PORT_") else { return false };
    let mut parts = detail.split('_');
    parts.next().is_some_and(|port| port.parse::<u16>().is_ok())
        && matches!(parts.next(), Some("TCP" | "UDP" | "SCTP"))
        && matches!(parts.next(), None | Some("PROTO" | "PORT" | "ADDR"))
        && parts.next().is_none()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn links(names: &[&str]) -> ServiceLinks {
        ServiceLinks::among(&names.iter().map(|name| ((*name).to_owned(), OsString::from("1"))).collect())
    }

    #[test]
    fn all_variables_of_a_service_are_recognised() {
        let links = links(&["INRUSH_FRONT_SERVICE_HOST", "INRUSH_FRONT_SERVICE_PORT"]);
        for (name, value) in [
            ("INRUSH_FRONT_SERVICE_HOST", "10.0.0.7"),
            ("INRUSH_FRONT_SERVICE_PORT", "50051"),
            ("INRUSH_FRONT_SERVICE_PORT_GRPC", "50051"),
            ("INRUSH_FRONT_PORT", "tcp://10.0.0.7:50051"),
            ("INRUSH_FRONT_PORT_50051_TCP", "tcp://10.0.0.7:50051"),
            ("INRUSH_FRONT_PORT_50051_TCP_PROTO", "tcp"),
            ("INRUSH_FRONT_PORT_50051_TCP_PORT", "50051"),
            ("INRUSH_FRONT_PORT_50051_TCP_ADDR", "10.0.0.7"),
        ] {
            assert!(links.include(name, value), "{name}");
        }
        for (name, value) in [
            ("INRUSH_FRONT_PORT", "50051"),
            ("INRUSH_FRONT_LISTEN", "tcp://10.0.0.7:50051"),
            ("INRUSH_FRONT_PORT_50051_TCP_COLOUR", "red"),
            ("INRUSH_ORDERS_SERVICE_HOST", "10.0.0.8"),
        ] {
            assert!(!links.include(name, value), "{name}");
        }
    }

    #[test]
    fn one_variable_alone_is_not_a_service() {
        assert!(!links(&["INRUSH_FRONT_SERVICE_HOST"]).include("INRUSH_FRONT_SERVICE_HOST", "10.0.0.7"));
    }
}
