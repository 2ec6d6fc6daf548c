//! The effective configuration as TOML, with the origin of every key in a comment.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use super::keys::join;
use super::origin::Origin;
use super::tree::Node;

type Origins = BTreeMap<String, Origin>;

/// Writes a settings tree: the keys of a table first, then its tables, as TOML requires.
pub(super) fn to_toml(settings: &Node, origins: &Origins) -> String {
    let mut out = String::new();
    if let Node::Table(fields) = settings {
        table(&mut out, "", fields, origins);
    }
    out
}

fn table(out: &mut String, path: &str, fields: &[(String, Node)], origins: &Origins) {
    let lines: Vec<_> = fields
        .iter()
        .filter(|(_, node)| !matches!(node, Node::Table(_)))
        .map(|(name, node)| (setting(name, node), comment(&join(path, name), origins)))
        .collect();
    if !lines.is_empty() && !path.is_empty() {
        let gap = if out.is_empty() { "" } else { "\n" };
        let _ = writeln!(out, "{gap}[{path}]");
    }
    // Origins are aligned.
    let column = lines.iter().map(|(setting, _)| setting.chars().count()).max().unwrap_or(0);
    for (setting, comment) in lines {
        let _ = writeln!(out, "{setting:<column$}  # {comment}");
    }
    for (name, node) in fields {
        if let Node::Table(inner) = node {
            table(out, &join(path, name), inner, origins);
        }
    }
}

fn setting(name: &str, node: &Node) -> String {
    match (node, node.to_toml()) {
        (Node::Unset, _) | (_, None) => format!("# {name} is not set"),
        // A comment: the redacted form cannot be read back.
        (Node::Secret, Some(value)) => format!("# {name} = {value}"),
        (_, Some(value)) => format!("{name} = {value}"),
    }
}

fn comment(path: &str, origins: &Origins) -> String {
    origins.get(path).unwrap_or(&Origin::Default).to_string()
}
