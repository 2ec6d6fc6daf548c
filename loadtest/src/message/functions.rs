//! The functions of templates: those of ghz, and the functions of sprig that test data needs.

mod arguments;
mod random;
mod sprig;

use self::arguments::Function;

/// All functions and their names.
pub(super) fn all() -> impl Iterator<Item = Function> {
    [random::FUNCTIONS, sprig::FUNCTIONS].into_iter().flatten().copied()
}

/// A random UUID.
pub(super) fn new_uuid() -> String {
    random::new_uuid()
}

/// The names of all functions.
pub fn names() -> impl Iterator<Item = &'static str> {
    all().map(|(name, _)| name)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use gtmpl_ng::{Context, Template};

    use super::*;

    #[test]
    fn function_names_are_unique() {
        assert_eq!(names().collect::<BTreeSet<_>>().len(), names().count());
    }

    #[test]
    fn functions_return_what_sprig_returns() {
        let cases = [
            ("{{ trim `  a ` }}", "a"),
            ("{{ upper `hé` }}{{ lower `HÉ` }}", "HÉhé"),
            ("{{ `test` | upper | repeat 3 }}", "TESTTESTTEST"),
            ("{{ trunc 5 `hello world` }}|{{ trunc -5 `hello world` }}", "hello|world"),
            ("{{ `I Am` | replace ` ` `-` }}", "I-Am"),
            ("{{ add 1 2 3 }} {{ sub 5 2 }} {{ mul 2 3 4 }} {{ div 7 2 }} {{ mod 7 2 }}", "6 3 24 3 1"),
            ("{{ add 1 -3 }} {{ add `7` 1.9 }} {{ max 1 5 3 }} {{ min 4 1 3 }}", "-2 8 5 1"),
            ("{{ default `x` `` }} {{ default `x` `y` }} {{ `` | default `z` }}", "x y z"),
            ("{{ ternary `yes` `no` true }} {{ ternary `yes` `no` 0 }}", "yes no"),
            (
                "{{ join `-` (list 1 `a`) }} {{ until 3 }} {{ index (list `a` `b`) (mod 3 2) }}",
                "1-a [0 1 2] b",
            ),
            ("{{ b64enc `hello` }}", "aGVsbG8="),
            ("{{ env `CARGO_PKG_NAME` }}{{ env `INRUSH_NOT_SET` }}", "inrush-loadtest"),
        ];
        for (text, expected) in cases {
            assert_eq!(render(text).as_deref(), Ok(expected), "{text}");
        }
    }

    #[test]
    fn random_values_have_the_requested_form() {
        let count = |text: &str, matches: fn(&char) -> bool| text.chars().filter(matches).count();
        assert_eq!(count(&render("{{ randomString 8 }}").unwrap(), char::is_ascii_alphanumeric), 8);
        assert_eq!(count(&render("{{ randAlpha 9 }}").unwrap(), char::is_ascii_alphabetic), 9);
        assert_eq!(count(&render("{{ randNumeric 7 }}").unwrap(), char::is_ascii_digit), 7);
        assert_eq!(count(&render("{{ randAlphaNum 5 }}").unwrap(), char::is_ascii_alphanumeric), 5);
        assert!((2..=16).contains(&render("{{ randomString 0 }}").unwrap().len()));
        for text in ["{{ randomInt 3 7 }}", "{{ randInt 3 7 }}"] {
            for _ in 0..100 {
                assert!((3..7).contains(&render(text).unwrap().parse().unwrap()));
            }
        }
        for text in ["{{ newUUID }}", "{{ uuidv4 }}"] {
            let id = render(text).unwrap();
            assert_eq!(uuid::Uuid::parse_str(&id).unwrap().get_version_num(), 4, "{id}");
            assert_ne!(render(text).unwrap(), id);
        }
    }

    #[test]
    fn invalid_arguments_are_errors_and_never_panics() {
        for (name, _) in all() {
            for arguments in
                ["", "1", "`x`", "-1 `x`", "(list)", "`x` `y` `z`", "9223372036854775807 2 2", "0 0 0 0"]
            {
                // Some of these are valid; no combination may panic or hang.
                let _ = render(&format!("{{{{ {name} {arguments} }}}}"));
            }
        }
        for text in
            ["{{ div 1 0 }}", "{{ repeat 999999999 `x` }}", "{{ until 99999999 }}", "{{ randomInt 2 2 }}"]
        {
            assert!(render(text).is_err(), "{text}");
        }
    }

    fn render(text: &str) -> Result<String, String> {
        let mut template = Template::default();
        all().for_each(|(name, function)| template.add_func(name, function));
        template.parse(text).map_err(|error| error.to_string())?;
        template.render(&Context::empty()).map_err(|error| error.to_string())
    }
}
