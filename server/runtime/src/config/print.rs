//! The effective configuration as TOML, with the origin of every key beside it.

use std::fmt::Write as _;

use super::keys::{Keys, join};
use super::origin::Origin;
use super::tree::Node;

/// Writes a settings tree: the keys of a table first, then the tables in it, as TOML wants it.
pub(super) fn to_toml(settings: &Node, keys: &Keys) -> String {
    let mut out = String::new();
    if let Node::Table(fields) = settings {
        table(&mut out, "", fields, keys);
    }
    out
}

fn table(out: &mut String, path: &str, fields: &[(String, Node)], keys: &Keys) {
    let lines: Vec<_> = fields
        .iter()
        .filter(|(_, node)| !matches!(node, Node::Table(_)))
        .map(|(name, node)| (setting(name, node), comment(&join(path, name), keys)))
        .collect();
    if !lines.is_empty() && !path.is_empty() {
        let gap = if out.is_empty() { "" } else { "\n" };
        let _ = writeln!(out, "{gap}[{path}]");
    }
    // Origins stand in one column, so that the eye can run down them.
    let column = lines.iter().map(|(setting, _)| setting.chars().count()).max().unwrap_or(0);
    for (setting, comment) in lines {
        let _ = writeln!(out, "{setting:<column$}  # {comment}");
    }
    for (name, node) in fields {
        if let Node::Table(inner) = node {
            table(out, &join(path, name), inner, keys);
        }
    }
}

fn setting(name: &str, node: &Node) -> String {
    match (node, node.to_toml()) {
        (Node::Unset, _) | (_, None) => format!("# {name} is not set"),
        // Written as a comment: a hidden secret is not a value that could be read back.
        (Node::Secret, Some(value)) => format!("# {name} = {value}"),
        (_, Some(value)) => format!("{name} = {value}"),
    }
}

fn comment(path: &str, keys: &Keys) -> String {
    keys.get(path).map_or(&Origin::Default, |key| key.origin()).to_string()
}
