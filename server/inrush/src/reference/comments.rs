//! What the doc comments of the settings say, read from their source: it is the one place where a setting is explained.

use std::{collections::HashMap, fs, path::Path};

use syn::{Attribute, Expr, ExprLit, Fields, Item, ItemEnum, ItemStruct, Lit, Meta, Type};

const SERVER: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/..");

/// Where settings are defined.
const SOURCES: [&str; 9] = [
    "inrush/src/settings.rs",
    "front/src/settings.rs",
    "fulfilment/src/settings.rs",
    "orders/src/settings.rs",
    "runtime/src/admin/settings.rs",
    "runtime/src/backoff.rs",
    "telemetry/src/logs.rs",
    "telemetry/src/settings.rs",
    "runtime/src/tls.rs",
];

/// The type that holds all others.
const ROOT: &str = "Settings";

/// The meaning of every key, by its path.
pub(super) fn meanings() -> HashMap<String, String> {
    let sources = Sources::read();
    let mut meanings = HashMap::new();
    sources.explain(ROOT, "", &mut meanings);
    meanings
}

/// The types that sources define, by name.
#[derive(Default)]
struct Sources {
    structs: HashMap<String, ItemStruct>,
    enums: HashMap<String, ItemEnum>,
}

impl Sources {
    fn read() -> Self {
        let mut sources = Self::default();
        for name in SOURCES {
            let text = fs::read_to_string(Path::new(SERVER).join(name)).unwrap();
            for item in syn::parse_file(&text).unwrap().items {
                match item {
                    Item::Struct(item) => drop(sources.structs.insert(item.ident.to_string(), item)),
                    Item::Enum(item) => drop(sources.enums.insert(item.ident.to_string(), item)),
                    _ => {}
                }
            }
        }
        sources
    }

    /// Goes down through tables to keys.
    fn explain(&self, table: &str, path: &str, meanings: &mut HashMap<String, String>) {
        let Fields::Named(fields) = &self.structs[table].fields else { panic!("{table} is no table") };
        for field in &fields.named {
            let name = field.ident.as_ref().unwrap().to_string();
            let key = if path.is_empty() { name } else { format!("{path}.{name}") };
            let of = type_name(&field.ty);
            if self.structs.contains_key(&of) {
                self.explain(&of, &key, meanings);
                continue;
            }
            let mut meaning = comment(&field.attrs);
            if let Some(choices) = self.enums.get(&of) {
                meaning.push_str(&explain_choices(choices));
            }
            assert!(!meaning.is_empty(), "{key} has no comment");
            meanings.insert(key, meaning);
        }
    }
}

/// The words that a setting takes, each with its meaning.
fn explain_choices(choices: &ItemEnum) -> String {
    let explained = choices.variants.iter().map(|variant| {
        format!(" `{}`: {}", variant.ident.to_string().to_lowercase(), comment(&variant.attrs))
    });
    explained.collect()
}

/// The last word of a type, which for an optional one is that of what it may be.
fn type_name(of: &Type) -> String {
    let Type::Path(path) = of else { return String::new() };
    let last = path.path.segments.last().unwrap();
    match &last.arguments {
        syn::PathArguments::AngleBracketed(inner) if last.ident == "Option" => match inner.args.first() {
            Some(syn::GenericArgument::Type(inner)) => type_name(inner),
            _ => String::new(),
        },
        _ => last.ident.to_string(),
    }
}

/// A doc comment in one line.
fn comment(attributes: &[Attribute]) -> String {
    let lines = attributes.iter().filter_map(|attribute| match &attribute.meta {
        Meta::NameValue(pair) if pair.path.is_ident("doc") => match &pair.value {
            Expr::Lit(ExprLit { lit: Lit::Str(text), .. }) => Some(text.value().trim().to_owned()),
            _ => None,
        },
        _ => None,
    });
    lines.collect::<Vec<_>>().join(" ").trim().to_owned()
}
