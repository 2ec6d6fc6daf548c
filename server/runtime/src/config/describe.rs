//! Settings structs that know the meaning of their keys: [`settings!`](crate::settings) takes it from doc comments.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

use super::keys::join;
use crate::connection_url::ConnectionUrl;
use crate::secret::Secret;

/// Defines a settings struct, or an enum that is a field's type.
///
/// A field is written with its default, `listen: String = "127.0.0.1:50051".to_owned()`; without one it has the
/// default of its type. The struct implements `Serialize`, `Deserialize`, `Default` and [`SettingType`]. Its doc
/// comments are the texts of the reference page, so that a setting is explained in one place.
///
/// ```
/// use inrush_runtime::config::key_docs;
///
/// inrush_runtime::settings! {
///     /// The edge.
///     #[derive(Debug)]
///     struct Front {
///         /// Address to listen on.
///         listen: String = "127.0.0.1:50051".to_owned(),
///         /// Threads; 0: one per core.
///         threads: usize,
///     }
/// }
///
/// assert_eq!(Front::default().threads, 0);
/// let docs = key_docs::<Front>();
/// assert_eq!((docs[0].key.as_str(), docs[0].text.as_str()), ("listen", "Address to listen on."));
/// ```
#[macro_export]
macro_rules! settings {
    (@default) => { ::core::default::Default::default() };
    (@default $default:expr) => { $default };
    (@doc doc = $line:literal) => { $line };
    (@doc $($attribute:tt)*) => { "" };
    (
        $(#[$($attribute:tt)*])*
        $vis:vis struct $name:ident {
            $(
                $(#[$($field_attribute:tt)*])*
                $field_vis:vis $field:ident: $type:ty $(= $default:expr)?
            ),* $(,)?
        }
    ) => {
        $(#[$($attribute)*])*
        #[derive(::serde::Serialize, ::serde::Deserialize)]
        #[serde(default, deny_unknown_fields)]
        $vis struct $name {
            $(
                $(#[$($field_attribute)*])*
                $field_vis $field: $type,
            )*
        }

        impl ::core::default::Default for $name {
            fn default() -> Self {
                Self { $($field: $crate::settings!(@default $($default)?)),* }
            }
        }

        impl $crate::config::SettingType for $name {
            fn describe(path: &str, _comment: &[&str], docs: &mut ::std::vec::Vec<$crate::config::KeyDoc>) {
                $(
                    $crate::config::describe_field::<$type>(
                        path,
                        stringify!($field),
                        &[$($crate::settings!(@doc $($field_attribute)*)),*],
                        docs,
                    );
                )*
            }
        }
    };
    (
        $(#[$($attribute:tt)*])*
        $vis:vis enum $name:ident {
            $(
                $(#[$($variant_attribute:tt)*])*
                $variant:ident
            ),* $(,)?
        }
    ) => {
        $(#[$($attribute)*])*
        #[derive(::serde::Serialize, ::serde::Deserialize)]
        #[serde(rename_all = "lowercase")]
        $vis enum $name {
            $(
                $(#[$($variant_attribute)*])*
                $variant,
            )*
        }

        impl $crate::config::SettingType for $name {
            fn describe(path: &str, comment: &[&str], docs: &mut ::std::vec::Vec<$crate::config::KeyDoc>) {
                let doc = $crate::config::KeyDoc::new(path, comment);
                docs.push(doc$(.with_choice(
                    stringify!($variant),
                    &[$($crate::settings!(@doc $($variant_attribute)*)),*],
                ))*);
            }
        }
    };
}

/// The meaning of a key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeyDoc {
    /// The path of the key: `front.listen`.
    pub key: String,
    /// The doc comment of its field as one line, and the words that it takes if it is an enum.
    pub text: String,
}

impl KeyDoc {
    /// A key with the lines of its comment.
    #[must_use]
    pub fn new(key: &str, comment: &[&str]) -> Self {
        Self { key: key.to_owned(), text: one_line(comment) }
    }

    /// Adds a word that the key takes, with its meaning.
    #[must_use]
    pub fn with_choice(mut self, variant: &str, comment: &[&str]) -> Self {
        self.text.push_str(&format!(" `{}`: {}", variant.to_lowercase(), one_line(comment)));
        self
    }
}

/// The keys of a settings type with their meanings, in the order of declaration.
#[must_use]
pub fn key_docs<T: SettingType>() -> Vec<KeyDoc> {
    let mut docs = Vec::new();
    T::describe("", &[], &mut docs);
    docs
}

/// A type that a field of a settings struct may have. It is one key unless it overrides [`describe`](Self::describe).
pub trait SettingType {
    /// Adds the keys at or below this path. `comment` has the lines of the field's doc comment.
    fn describe(path: &str, comment: &[&str], docs: &mut Vec<KeyDoc>) {
        docs.push(KeyDoc::new(path, comment));
    }
}

impl SettingType for ConnectionUrl {}
impl SettingType for Duration {}
impl SettingType for PathBuf {}
impl SettingType for Secret {}
impl SettingType for String {}
impl SettingType for f64 {}
impl SettingType for u32 {}
impl SettingType for usize {}
impl<T> SettingType for Vec<T> {}
impl<T> SettingType for BTreeMap<String, T> {}

impl<T: SettingType> SettingType for Option<T> {
    fn describe(path: &str, comment: &[&str], docs: &mut Vec<KeyDoc>) {
        T::describe(path, comment, docs);
    }
}

/// Adds the keys of a field; [`settings!`](crate::settings) calls it for each.
pub fn describe_field<T: SettingType>(table: &str, field: &str, comment: &[&str], docs: &mut Vec<KeyDoc>) {
    T::describe(&join(table, field), comment, docs);
}

/// The lines of a doc comment as one.
fn one_line(comment: &[&str]) -> String {
    let lines: Vec<_> = comment.iter().map(|line| line.trim()).filter(|line| !line.is_empty()).collect();
    lines.join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    settings! {
        #[derive(Debug, PartialEq)]
        struct Outer {
            /// The first
            /// key.
            first: Option<u32>,
            /// A table: its comment describes no key.
            inner: Inner = Inner { ratio: 0.5, ..Inner::default() },
        }
    }

    settings! {
        #[derive(Debug, PartialEq)]
        struct Inner {
            /// A ratio.
            ratio: f64 = 0.25,
            /// The colour.
            colour: Option<Colour>,
            /// A delay.
            #[serde(with = "humantime_serde")]
            delay: Duration = Duration::from_secs(1),
        }
    }

    settings! {
        #[derive(Debug, PartialEq)]
        enum Colour {
            /// Like blood.
            Red,
            /// Like
            /// grass.
            Green,
        }
    }

    #[test]
    fn a_key_has_the_comment_of_its_field_and_the_words_that_it_takes() {
        let docs = key_docs::<Outer>();
        let docs: Vec<_> = docs.iter().map(|doc| (doc.key.as_str(), doc.text.as_str())).collect();
        assert_eq!(
            docs,
            [
                ("first", "The first key."),
                ("inner.ratio", "A ratio."),
                ("inner.colour", "The colour. `red`: Like blood. `green`: Like grass."),
                ("inner.delay", "A delay."),
            ]
        );
    }

    #[test]
    fn defaults_are_those_of_the_fields_and_serde_knows_the_same_keys() {
        let inner = Inner { ratio: 0.5, colour: None, delay: Duration::from_secs(1) };
        assert_eq!(Outer::default(), Outer { first: None, inner });
        let outer: Outer = toml::from_str("inner = { colour = 'green', delay = '2s' }").unwrap();
        let inner = Inner { ratio: 0.25, colour: Some(Colour::Green), delay: Duration::from_secs(2) };
        assert_eq!(outer, Outer { first: None, inner });
        assert!(toml::from_str::<Outer>("second = 1").is_err());
    }
}
