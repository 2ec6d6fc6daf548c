//! What templates can do: ghz's own functions, and those of sprig that make test data.
//! <https://masterminds.github.io/sprig/>

mod arguments;
mod dates;
mod encodings;
mod lists;
mod logic;
mod maps;
mod numbers;
mod random;
mod strings;

use gtmpl_ng::Func;

pub(super) use self::random::new_uuid;

/// A function and its name.
type Named = (&'static str, Func);

/// All functions, by subject.
const SUBJECTS: [&[Named]; 8] = [
    random::FUNCTIONS,
    strings::FUNCTIONS,
    numbers::FUNCTIONS,
    logic::FUNCTIONS,
    lists::FUNCTIONS,
    maps::FUNCTIONS,
    encodings::FUNCTIONS,
    dates::FUNCTIONS,
];

/// All functions and their names.
pub(super) fn all() -> impl Iterator<Item = Named> {
    SUBJECTS.into_iter().flatten().copied()
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
    fn every_name_is_used_once() {
        assert_eq!(names().collect::<BTreeSet<_>>().len(), names().count());
    }

    #[test]
    fn functions_do_what_sprig_does() {
        let cases = [
            ("{{ trim `  a ` }}", "a"),
            ("{{ trimAll `$` `$5.00$` }}", "5.00"),
            ("{{ `-hello` | trimPrefix `-` }}", "hello"),
            ("{{ `hello-` | trimSuffix `-` }}", "hello"),
            (
                "{{ upper `hé` }}{{ lower `HÉ` }}{{ title `hello world` }}{{ untitle `Hello World` }}",
                "HÉhéHello Worldhello world",
            ),
            ("{{ repeat 3 `ab` }}", "ababab"),
            ("{{ substr 0 5 `hello world` }}", "hello"),
            ("{{ nospace `h e l` }}", "hel"),
            ("{{ trunc 5 `hello world` }}|{{ trunc -5 `hello world` }}", "hello|world"),
            ("{{ abbrev 5 `hello world` }}", "he..."),
            ("{{ initials `First Try` }}", "FT"),
            ("{{ contains `cat` `catch` }}", "true"),
            ("{{ hasPrefix `cat` `catch` }}{{ hasSuffix `cat` `catch` }}", "truefalse"),
            ("{{ quote 1 `a` }}{{ squote `b` }}", "\"1\" \"a\"'b'"),
            ("{{ cat `a` 1 `b` }}", "a 1 b"),
            ("{{ `I Am` | replace ` ` `-` }}", "I-Am"),
            ("{{ indent 2 `a\nb` }}", "  a\n  b"),
            (
                "{{ snakecase `FirstName` }} {{ camelcase `http_server` }} {{ kebabcase `FirstName` }}",
                "first_name HttpServer first-name",
            ),
            ("{{ swapcase `aB` }}", "Ab"),
            ("{{ plural `one` `many` 2 }}", "many"),
            (
                "{{ add 1 2 3 }} {{ add1 5 }} {{ sub 5 2 }} {{ mul 2 3 4 }} {{ div 7 2 }} {{ mod 7 2 }}",
                "6 6 3 24 3 1",
            ),
            ("{{ add 1 -3 }} {{ max 1 5 3 }} {{ min 4 1 3 }}", "-2 5 1"),
            ("{{ floor 123.9 }} {{ ceil 123.1 }} {{ round 123.555 2 }}", "123 124 123.56"),
            ("{{ addf 1.5 2 }} {{ subf 7.5 2 3 }} {{ mulf 1.5 2 2 }} {{ divf 10 4 }}", "3.5 2.5 6 2.5"),
            (
                "{{ int `7` }} {{ int64 `-7` }} {{ atoi `12` }} {{ float64 `1.5` }} {{ toString 5 }}",
                "7 -7 12 1.5 5",
            ),
            ("{{ default `x` `` }} {{ default `x` `y` }} {{ `` | default `z` }}", "x y z"),
            ("{{ coalesce 0 `` `c` }} {{ ternary `yes` `no` true }} {{ empty `` }}", "c yes true"),
            ("{{ all 1 `a` }} {{ all 1 0 }} {{ any 0 1 }}", "true false true"),
            (
                "{{ list 1 2 3 | first }} {{ last (list 1 2 3) }} {{ rest (list 1 2 3) }} {{ initial (list 1 2 3) }}",
                "1 3 [2 3] [1 2]",
            ),
            (
                "{{ append (list 1 2) 3 }} {{ prepend (list 1 2) 0 }} {{ concat (list 1) (list 2) }}",
                "[1 2 3] [0 1 2] [1 2]",
            ),
            (
                "{{ reverse (list 1 2) }} {{ uniq (list 1 1 2) }} {{ without (list 1 2 3) 1 3 }} {{ has 4 (list 1 2) }}",
                "[2 1] [1 2] [2] false",
            ),
            (
                "{{ join `-` (list 1 `a`) }} {{ splitList `,` `a,b` }} {{ sortAlpha (list `b` `a`) }}",
                "1-a [a b] [a b]",
            ),
            ("{{ until 3 }} {{ untilStep 3 6 2 }} {{ seq 1 3 }}", "[0 1 2] [3 5] 1 2 3"),
            ("{{ index (list `a` `b` `c`) (mod 4 3) }}", "b"),
            (
                "{{ get (dict `a` 1) `a` }} {{ hasKey (dict `a` 1) `b` }} {{ keys (dict `a` 1) }} {{ values (dict `a` 1) }}",
                "1 false [a] [1]",
            ),
            ("{{ b64enc `hello` }} {{ b64dec `aGVsbG8=` }}", "aGVsbG8= hello"),
            (
                "{{ dict `a` (list 1 `x` true) | toJson }} {{ (fromJson `{\"a\":[1,2]}`).a }}",
                "{\"a\":[1,\"x\",true]} [1 2]",
            ),
            ("{{ sha256sum `hello` }}", "2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824"),
            ("{{ date `2006-01-02 15:04:05` 86400 }}", "1970-01-02 00:00:00"),
            (
                "{{ dateModify `-1h30m` (toDate `2006-01-02` `2026-11-22`) | date `Mon Jan _2 03:04PM 2006` }}",
                "Sat Nov 21 10:30PM 2026",
            ),
            ("{{ unixEpoch (toDate `2006-01-02T15:04:05` `2026-11-22T20:00:00`) }}", "1795377600"),
        ];
        for (text, expected) in cases {
            assert_eq!(render(text).as_deref(), Ok(expected), "{text}");
        }
    }

    #[test]
    fn random_values_have_the_form_that_was_asked_for() {
        let letters = |text: &str, fits: fn(&char) -> bool| text.chars().filter(fits).count();
        assert_eq!(letters(&render("{{ randomString 8 }}").unwrap(), char::is_ascii_alphanumeric), 8);
        assert_eq!(letters(&render("{{ randAlpha 9 }}").unwrap(), char::is_ascii_alphabetic), 9);
        assert_eq!(letters(&render("{{ randNumeric 7 }}").unwrap(), char::is_ascii_digit), 7);
        assert_eq!(render("{{ randAlphaNum 5 }}{{ randAscii 5 }}").unwrap().len(), 10);
        assert!((2..=16).contains(&render("{{ randomString 0 }}").unwrap().len()));
        for _ in 0..100 {
            assert!((3..7).contains(&render("{{ randomInt 3 7 }}").unwrap().parse().unwrap()));
        }
        for text in ["{{ newUUID }}", "{{ uuidv4 }}"] {
            let id = render(text).unwrap();
            assert_eq!(uuid::Uuid::parse_str(&id).unwrap().get_version_num(), 4, "{id}");
            assert_ne!(render(text).unwrap(), id);
        }
        let now = render("{{ now | unixEpoch }}").unwrap();
        assert!(now.parse::<u64>().unwrap() > 1_700_000_000, "{now}");
    }

    #[test]
    fn wrong_arguments_are_errors_and_nothing_else() {
        for (name, _) in all() {
            for arguments in
                ["", "1", "`x`", "-1 `x`", "(list)", "`x` `y` `z`", "9223372036854775807 2 2", "0 0 0 0"]
            {
                let text = format!("{{{{ {name} {arguments} }}}}");
                // Whether it is an error differs; that it neither panics nor hangs is what counts.
                let _ = render(&text);
            }
        }
        for text in [
            "{{ div 1 0 }}",
            "{{ repeat 999999999 `x` }}",
            "{{ fail `why` }}",
            "{{ b64dec `?` }}",
            "{{ until 99999999 }}",
        ] {
            assert!(render(text).is_err(), "{text}");
        }
        assert!(render("{{ fail `why` }}").unwrap_err().contains("why"));
    }

    fn render(text: &str) -> Result<String, String> {
        let mut template = Template::default();
        all().for_each(|(name, function)| template.add_func(name, function));
        template.parse(text).map_err(|error| error.to_string())?;
        template.render(&Context::empty()).map_err(|error| error.to_string())
    }
}
