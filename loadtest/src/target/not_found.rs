//! Errors for a service or method that is not defined.

use inrush_simulation::nearest;
use inrush_transport::Error;
use prost_reflect::ServiceDescriptor;

use super::method_name::MethodName;

/// The service is not among `services`, which `source` defines.
pub(super) fn service_not_found(name: &MethodName, services: &[String], source: &str) -> Error {
    let hint = nearest::hint(&name.service, services.iter().map(String::as_str));
    let remedy = if services.is_empty() {
        "name a file that defines a service".to_owned()
    } else {
        format!("call a method of {}", services.join(", "))
    };
    Error::new(format!("--call: no service {:?} in {source}{hint}", name.service), remedy)
}

/// The service has no such method.
pub(super) fn method_not_found(service: &ServiceDescriptor, method: &str, source: &str) -> Error {
    let methods: Vec<String> = service.methods().map(|method| method.name().to_owned()).collect();
    let hint = nearest::hint(method, methods.iter().map(String::as_str));
    Error::new(
        format!("--call: {} in {source} has no method {method:?}{hint}", service.full_name()),
        format!("call one of {}", methods.join(", ")),
    )
}
