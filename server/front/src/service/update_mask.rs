//! Which fields of a sale an update changes.

use inrush_proto::v1::Sale;
use prost_types::FieldMask;

use crate::call_error::CallError;

/// Copies one field from one sale to another.
type Change = fn(&Sale, &mut Sale);

/// Every field that can be changed.
const SETTINGS: [(&str, Change); 12] = [
    ("stock", |from, to| to.stock = from.stock),
    ("cap", |from, to| to.cap = from.cap),
    ("open_time", |from, to| to.open_time = from.open_time),
    ("close_time", |from, to| to.close_time = from.close_time),
    ("unit_limit", |from, to| to.unit_limit = from.unit_limit),
    ("route", |from, to| to.route = from.route),
    ("admission_held", |from, to| to.admission_held = from.admission_held),
    ("fulfilment_held", |from, to| to.fulfilment_held = from.fulfilment_held),
    ("pace", |from, to| to.pace = from.pace),
    ("max_attempts", |from, to| to.max_attempts = from.max_attempts),
    ("lease_duration", |from, to| to.lease_duration = from.lease_duration),
    ("durability", |from, to| to.durability = from.durability),
];

/// Fields that the server computes.
const OUTPUT_ONLY: [&str; 6] = ["state", "epoch", "version", "ledger", "measured_pace", "create_time"];

/// Copies the fields that `mask` names from `given`. A field that is absent there gets its default.
///
/// # Errors
/// If the mask is missing or names a field that cannot be changed; `sale` is unchanged then.
pub(crate) fn apply(mask: Option<&FieldMask>, given: &Sale, sale: &mut Sale) -> Result<(), CallError> {
    let paths = mask.map_or(&[][..], |mask| &mask.paths);
    if paths.is_empty() {
        return Err(refuse("must name at least one field to change"));
    }
    let changes = paths.iter().map(|path| change_of(path)).collect::<Result<Vec<_>, _>>()?;
    changes.into_iter().for_each(|change| change(given, sale));
    Ok(())
}

fn change_of(path: &str) -> Result<Change, CallError> {
    if let Some((_, change)) = SETTINGS.iter().find(|(name, _)| *name == path) {
        return Ok(*change);
    }
    if OUTPUT_ONLY.contains(&path) {
        return Err(refuse(&format!("names {path}, which only the server sets")));
    }
    // Only the beginning: the path is a caller's text of any length.
    let shown: String = path.chars().take(64).collect();
    Err(refuse(&format!("names {shown:?}, which is none of the fields that can be changed")))
}

fn refuse(what: &str) -> CallError {
    let valid: Vec<&str> = SETTINGS.iter().map(|(name, _)| *name).collect();
    CallError::field("update_mask", format!("{what}; those are {}", valid.join(", ")))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mask(paths: &[&str]) -> FieldMask {
        FieldMask { paths: paths.iter().map(ToString::to_string).collect() }
    }

    #[test]
    fn apply_copies_only_the_named_fields_and_absent_ones_get_their_default() {
        let given = Sale { unit_limit: 9, route: 2, ..Sale::default() };
        let mut sale = Sale { stock: Some(5), cap: Some(6), unit_limit: 1, route: 1, ..Sale::default() };
        apply(Some(&mask(&["unit_limit", "cap"])), &given, &mut sale).unwrap();
        assert_eq!(sale, Sale { stock: Some(5), cap: None, unit_limit: 9, route: 1, ..Sale::default() });
    }

    #[test]
    fn an_invalid_mask_changes_nothing_and_lists_the_valid_fields() {
        let given = Sale { unit_limit: 9, ..Sale::default() };
        for wrong in [
            None,
            Some(mask(&[])),
            Some(mask(&["unit_limit", "epoch"])),
            Some(mask(&["unit_limit", "prize"])),
        ] {
            let mut sale = Sale::default();
            let failure = apply(wrong.as_ref(), &given, &mut sale).unwrap_err();
            assert!(failure.to_string().contains("stock, cap, open_time"), "{failure}");
            assert_eq!(sale, Sale::default());
        }
    }
}
