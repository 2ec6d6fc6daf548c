//! The rights of the Redis user.

/// The ACL rules of a Redis user that may do all that Inrush needs and nothing dangerous: `CONFIG GET` is for sales with
/// durability `fsync`. The README, the runbook and the README of the chart have the same line.
pub const USER_RULES: &str = "~inrush:* &inrush:* +@all -@admin -@dangerous +info +config|get";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_line_of_rules_is_documented() {
        for (name, page) in [
            ("README.md", include_str!("../../../../README.md")),
            ("docs/runbook.md", include_str!("../../../../docs/runbook.md")),
            ("helm/inrush/README.md", include_str!("../../../../helm/inrush/README.md")),
        ] {
            assert!(page.contains(USER_RULES), "{name}");
        }
    }
}
