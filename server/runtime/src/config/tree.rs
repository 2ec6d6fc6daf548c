//! A settings value as a tree of keys. It is built by serialising the value, so that the keys need not be listed
//! a second time, and keys that are not set are included.

use serde::ser::{self, Impossible, Serialize, Serializer};
use toml::Value;

use super::error::{ConfigError, Problem};
use crate::secret::Secret;

/// A node of a settings value.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Node {
    /// A struct: its fields in the order of declaration.
    Table(Vec<(String, Node)>),
    /// A map with free names.
    Map(Vec<(String, Node)>),
    /// A list.
    List(Vec<Node>),
    /// A string, number or boolean.
    Scalar(Value),
    /// A secret that is set, without its text.
    Secret,
    /// A key without a value.
    Unset,
}

impl Node {
    /// The tree of a settings value.
    pub(super) fn of(settings: &impl Serialize) -> Result<Self, ConfigError> {
        settings.serialize(TreeSerializer).map_err(|Unsupported(what)| Problem::Unsupported { what }.into())
    }

    /// The value as TOML; `None` if it is not set.
    pub(super) fn to_toml(&self) -> Option<Value> {
        match self {
            Self::Table(entries) | Self::Map(entries) => Some(Value::Table(
                entries
                    .iter()
                    .filter_map(|(name, node)| node.to_toml().map(|value| (name.clone(), value)))
                    .collect(),
            )),
            Self::List(items) => Some(Value::Array(items.iter().filter_map(Self::to_toml).collect())),
            Self::Scalar(value) => Some(value.clone()),
            Self::Secret => Some(Value::String(Secret::REDACTED.to_owned())),
            Self::Unset => None,
        }
    }
}

/// A kind of value that settings cannot contain.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
struct Unsupported(String);

impl ser::Error for Unsupported {
    fn custom<T: std::fmt::Display>(message: T) -> Self {
        Self(message.to_string())
    }
}

struct TreeSerializer;

impl Serializer for TreeSerializer {
    type Ok = Node;
    type Error = Unsupported;
    type SerializeSeq = Items;
    type SerializeTuple = Items;
    type SerializeTupleStruct = Items;
    type SerializeTupleVariant = Impossible<Node, Unsupported>;
    type SerializeMap = Entries;
    type SerializeStruct = Fields;
    type SerializeStructVariant = Impossible<Node, Unsupported>;

    fn serialize_bool(self, value: bool) -> Result<Node, Unsupported> {
        Ok(Node::Scalar(Value::Boolean(value)))
    }

    fn serialize_i8(self, value: i8) -> Result<Node, Unsupported> {
        self.serialize_i64(value.into())
    }

    fn serialize_i16(self, value: i16) -> Result<Node, Unsupported> {
        self.serialize_i64(value.into())
    }

    fn serialize_i32(self, value: i32) -> Result<Node, Unsupported> {
        self.serialize_i64(value.into())
    }

    fn serialize_i64(self, value: i64) -> Result<Node, Unsupported> {
        Ok(Node::Scalar(Value::Integer(value)))
    }

    fn serialize_u8(self, value: u8) -> Result<Node, Unsupported> {
        self.serialize_i64(value.into())
    }

    fn serialize_u16(self, value: u16) -> Result<Node, Unsupported> {
        self.serialize_i64(value.into())
    }

    fn serialize_u32(self, value: u32) -> Result<Node, Unsupported> {
        self.serialize_i64(value.into())
    }

    fn serialize_u64(self, value: u64) -> Result<Node, Unsupported> {
        let value = i64::try_from(value)
            .map_err(|_| Unsupported(format!("{value} is more than TOML can write ({})", i64::MAX)))?;
        self.serialize_i64(value)
    }

    fn serialize_f32(self, value: f32) -> Result<Node, Unsupported> {
        self.serialize_f64(value.into())
    }

    fn serialize_f64(self, value: f64) -> Result<Node, Unsupported> {
        Ok(Node::Scalar(Value::Float(value)))
    }

    fn serialize_char(self, value: char) -> Result<Node, Unsupported> {
        Ok(Node::Scalar(Value::String(value.to_string())))
    }

    fn serialize_str(self, value: &str) -> Result<Node, Unsupported> {
        Ok(Node::Scalar(Value::String(value.to_owned())))
    }

    fn serialize_bytes(self, _value: &[u8]) -> Result<Node, Unsupported> {
        Err(Unsupported("bytes cannot be written in TOML".to_owned()))
    }

    fn serialize_none(self) -> Result<Node, Unsupported> {
        Ok(Node::Unset)
    }

    fn serialize_some<T: Serialize + ?Sized>(self, value: &T) -> Result<Node, Unsupported> {
        value.serialize(self)
    }

    fn serialize_unit(self) -> Result<Node, Unsupported> {
        Ok(Node::Unset)
    }

    fn serialize_unit_struct(self, _name: &'static str) -> Result<Node, Unsupported> {
        Ok(Node::Unset)
    }

    fn serialize_unit_variant(
        self,
        _name: &'static str,
        _index: u32,
        variant: &'static str,
    ) -> Result<Node, Unsupported> {
        self.serialize_str(variant)
    }

    fn serialize_newtype_struct<T: Serialize + ?Sized>(
        self,
        name: &'static str,
        value: &T,
    ) -> Result<Node, Unsupported> {
        if name == Secret::TYPE_NAME { Ok(Node::Secret) } else { value.serialize(self) }
    }

    fn serialize_newtype_variant<T: Serialize + ?Sized>(
        self,
        name: &'static str,
        _index: u32,
        _variant: &'static str,
        _value: &T,
    ) -> Result<Node, Unsupported> {
        Err(variant_with_content(name))
    }

    fn serialize_seq(self, _length: Option<usize>) -> Result<Items, Unsupported> {
        Ok(Items::default())
    }

    fn serialize_tuple(self, _length: usize) -> Result<Items, Unsupported> {
        Ok(Items::default())
    }

    fn serialize_tuple_struct(self, _name: &'static str, _length: usize) -> Result<Items, Unsupported> {
        Ok(Items::default())
    }

    fn serialize_tuple_variant(
        self,
        name: &'static str,
        _index: u32,
        _variant: &'static str,
        _length: usize,
    ) -> Result<Self::SerializeTupleVariant, Unsupported> {
        Err(variant_with_content(name))
    }

    fn serialize_map(self, _length: Option<usize>) -> Result<Entries, Unsupported> {
        Ok(Entries::default())
    }

    fn serialize_struct(self, _name: &'static str, _length: usize) -> Result<Fields, Unsupported> {
        Ok(Fields::default())
    }

    fn serialize_struct_variant(
        self,
        name: &'static str,
        _index: u32,
        _variant: &'static str,
        _length: usize,
    ) -> Result<Self::SerializeStructVariant, Unsupported> {
        Err(variant_with_content(name))
    }
}

fn variant_with_content(name: &str) -> Unsupported {
    Unsupported(format!("the enum {name} has content, and a setting is one value or a table of fixed keys"))
}

/// The items of a list or tuple so far.
#[derive(Default)]
struct Items(Vec<Node>);

impl Items {
    fn push<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), Unsupported> {
        self.0.push(value.serialize(TreeSerializer)?);
        Ok(())
    }
}

impl ser::SerializeSeq for Items {
    type Ok = Node;
    type Error = Unsupported;

    fn serialize_element<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), Unsupported> {
        self.push(value)
    }

    fn end(self) -> Result<Node, Unsupported> {
        Ok(Node::List(self.0))
    }
}

impl ser::SerializeTuple for Items {
    type Ok = Node;
    type Error = Unsupported;

    fn serialize_element<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), Unsupported> {
        self.push(value)
    }

    fn end(self) -> Result<Node, Unsupported> {
        Ok(Node::List(self.0))
    }
}

impl ser::SerializeTupleStruct for Items {
    type Ok = Node;
    type Error = Unsupported;

    fn serialize_field<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), Unsupported> {
        self.push(value)
    }

    fn end(self) -> Result<Node, Unsupported> {
        Ok(Node::List(self.0))
    }
}

/// The entries of a map so far, and the name of the one whose value comes next.
#[derive(Default)]
struct Entries {
    done: Vec<(String, Node)>,
    name: Option<String>,
}

impl ser::SerializeMap for Entries {
    type Ok = Node;
    type Error = Unsupported;

    fn serialize_key<T: Serialize + ?Sized>(&mut self, key: &T) -> Result<(), Unsupported> {
        self.name = Some(match key.serialize(TreeSerializer)? {
            Node::Scalar(Value::String(name)) => name,
            Node::Scalar(other) => other.to_string(),
            Node::Table(_) | Node::Map(_) | Node::List(_) | Node::Secret | Node::Unset => {
                return Err(Unsupported("a map's names must be strings or numbers".to_owned()));
            }
        });
        Ok(())
    }

    fn serialize_value<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), Unsupported> {
        let name =
            self.name.take().ok_or_else(|| Unsupported("a map gave a value without a name".to_owned()))?;
        self.done.push((name, value.serialize(TreeSerializer)?));
        Ok(())
    }

    fn end(self) -> Result<Node, Unsupported> {
        Ok(Node::Map(self.done))
    }
}

/// The fields of a struct so far.
#[derive(Default)]
struct Fields(Vec<(String, Node)>);

impl ser::SerializeStruct for Fields {
    type Ok = Node;
    type Error = Unsupported;

    fn serialize_field<T: Serialize + ?Sized>(
        &mut self,
        key: &'static str,
        value: &T,
    ) -> Result<(), Unsupported> {
        self.0.push((key.to_owned(), value.serialize(TreeSerializer)?));
        Ok(())
    }

    fn end(self) -> Result<Node, Unsupported> {
        Ok(Node::Table(self.0))
    }
}

#[cfg(test)]
mod tests {
    use std::collections::{BTreeMap, HashMap};
    use std::time::Duration;

    use serde::Serialize;

    use super::*;

    #[test]
    fn every_field_is_in_the_tree_even_when_unset() {
        #[derive(Serialize)]
        struct Settings {
            zone: Option<String>,
            limits: Limits,
            names: Vec<&'static str>,
            stock: BTreeMap<u8, u16>,
            token: Option<Secret>,
        }
        #[derive(Serialize)]
        struct Limits {
            ratio: f32,
            most: u64,
        }
        let settings = Settings {
            zone: None,
            limits: Limits { ratio: 0.5, most: 7 },
            names: vec!["a"],
            stock: BTreeMap::from([(1, 2)]),
            token: Some(Secret::new("hidden")),
        };
        assert_eq!(
            Node::of(&settings).unwrap(),
            Node::Table(vec![
                ("zone".into(), Node::Unset),
                (
                    "limits".into(),
                    Node::Table(vec![
                        ("ratio".into(), Node::Scalar(Value::Float(0.5))),
                        ("most".into(), Node::Scalar(Value::Integer(7))),
                    ])
                ),
                ("names".into(), Node::List(vec![Node::Scalar("a".into())])),
                ("stock".into(), Node::Map(vec![("1".into(), Node::Scalar(Value::Integer(2)))])),
                ("token".into(), Node::Secret),
            ])
        );
    }

    #[test]
    fn values_that_toml_cannot_hold_are_rejected() {
        #[derive(Serialize)]
        enum Shape {
            Circle(u8),
        }
        for (settings, text) in [
            (Node::of(&u64::MAX), "more than TOML can write"),
            (Node::of(&Shape::Circle(1)), "the enum Shape has content"),
            (Node::of(&HashMap::from([((1, 2), 3)])), "names must be strings or numbers"),
        ] {
            let message = settings.unwrap_err().to_string();
            assert!(message.contains(text), "{message}");
        }
        assert!(
            matches!(Node::of(&Duration::ZERO), Ok(Node::Table(_))),
            "a plain Duration is a struct to serde"
        );
    }
}
