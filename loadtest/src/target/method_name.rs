//! The name of a method, as in `--call`.

use std::str::FromStr;

use inrush_transport::Error;

/// A service and one of its methods.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MethodName {
    /// The service with its package: `helloworld.Greeter`.
    pub service: String,
    /// The method without its service: `SayHello`.
    pub method: String,
}

impl FromStr for MethodName {
    type Err = Error;

    /// Parses `package.Service/Method` or `package.Service.Method`, with an optional leading dot or slash.
    fn from_str(text: &str) -> Result<Self, Error> {
        let invalid = || {
            Error::new(
                format!("--call: {text:?} is not a method name"),
                "write package.Service/Method or package.Service.Method, such as helloworld.Greeter/SayHello",
            )
        };
        let plain = text.trim().trim_start_matches(['.', '/']);
        let (service, method) =
            plain.split_once('/').or_else(|| plain.rsplit_once('.')).ok_or_else(invalid)?;
        if service.is_empty() || method.is_empty() || method.contains(['/', '.']) {
            return Err(invalid());
        }
        Ok(Self { service: service.to_owned(), method: method.to_owned() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_notations_name_the_same_method() {
        for text in
            ["a.b.Greeter/SayHello", "a.b.Greeter.SayHello", ".a.b.Greeter.SayHello", "/a.b.Greeter/SayHello"]
        {
            let name: MethodName = text.parse().unwrap();
            assert_eq!((name.service.as_str(), name.method.as_str()), ("a.b.Greeter", "SayHello"), "{text}");
        }
    }

    #[test]
    fn other_texts_are_errors() {
        for text in ["", "SayHello", "Greeter/", "/SayHello", "a/b/c", "Greeter."] {
            assert!(text.parse::<MethodName>().is_err(), "{text:?}");
        }
    }
}
