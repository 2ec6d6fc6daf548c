//! The OpenTelemetry resource: the identity of the process in all that it exports.

use opentelemetry::KeyValue;
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::resource::{EnvResourceDetector, TelemetryResourceDetector};
use opentelemetry_semantic_conventions::resource::{SERVICE_INSTANCE_ID, SERVICE_VERSION};

/// A service, by name and version.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Service {
    /// The name, such as `inrush-front`.
    pub name: &'static str,
    /// The version of its program.
    pub version: &'static str,
}

/// The resource of this process. `OTEL_RESOURCE_ATTRIBUTES` takes precedence: a cluster names its pods with it.
pub(super) fn resource(service: Service) -> Resource {
    // Replicas have the same name: every start has an id of its own.
    let instance = format!("{:032x}", rand::random::<u128>());
    Resource::builder_empty()
        .with_service_name(service.name)
        .with_attributes([
            KeyValue::new(SERVICE_VERSION, service.version),
            KeyValue::new(SERVICE_INSTANCE_ID, instance),
        ])
        .with_detector(Box::new(TelemetryResourceDetector))
        .with_detector(Box::new(EnvResourceDetector::new()))
        .build()
}

#[cfg(test)]
mod tests {
    use opentelemetry::Key;

    use super::*;

    #[test]
    fn a_resource_has_name_version_and_a_unique_instance() {
        let service = Service { name: "inrush-front", version: "1.2.3" };
        let (one, other) = (resource(service), resource(service));
        let of = |resource: &Resource, key: &'static str| resource.get(&Key::new(key)).unwrap().to_string();
        assert_eq!(of(&one, "service.name"), "inrush-front");
        assert_eq!(of(&one, "service.version"), "1.2.3");
        assert_ne!(of(&one, "service.instance.id"), of(&other, "service.instance.id"));
    }
}
