//! Arguments that say a step, and the sentences about those that do not.

use super::*;
use proptest::prelude::*;

/// The name and the configuration, as JSON.
fn read(argument: &str) -> String {
    let step = parse(argument).expect("a step");
    let StepReference::Name(name) = step.reference else {
        panic!("arguments name steps");
    };
    format!("{name} {}", Value::Object(step.configuration))
}

fn complaint(argument: &str) -> String {
    let error = parse(argument).err().expect("no step");
    let hint = error.hint.clone();
    format!("{error}\nhint: {}", hint.as_deref().unwrap_or("none"))
}

#[test]
fn names_and_values_are_read() {
    insta::assert_snapshot!(read("trim-lines"), @"trim-lines {}");
    insta::assert_snapshot!(read(" acme-filters/min-words : minimum=100"), @r#"acme-filters/min-words {"minimum":100}"#);
    insta::assert_snapshot!(read("s:a=true, b=false,c=-5 ,d=1.5e3,e=some words ,f=,g=null,h=007,i=1_000,j=True"), @r#"s {"a":true,"b":false,"c":-5,"d":1500.0,"e":"some words","f":"","g":"null","h":"007","i":"1_000","j":"True"}"#);
    insta::assert_snapshot!(read(r#"s:a="x, \"y\"\n",b='\d+, [a]',c=[1, two,"three, 3",[true],[]],d=a:b=c"#), @r#"s {"a":"x, \"y\"\n","b":"\\d+, [a]","c":[1,"two","three, 3",[true],[]],"d":"a:b=c"}"#);
    insta::assert_snapshot!(read("s:big=18446744073709551615,pattern={2}"), @r#"s {"big":18446744073709551615,"pattern":"{2}"}"#);
}

#[test]
fn mistakes_are_shown_with_a_caret() {
    insta::assert_snapshot!(complaint(""), @"
    The step has no name.
     |
     | -s
     |    ^ expected the name of a step
    hint: none
    ");
    insta::assert_snapshot!(complaint(":a=1"), @"
    The step has no name.
     |
     | -s :a=1
     |    ^ expected the name of a step
    hint: none
    ");
    insta::assert_snapshot!(complaint("acme-filters:min-words"), @"
    `min-words` has no value.
     |
     | -s acme-filters:min-words
     |                 ^^^^^^^^^ expected `key=value`
    hint: A plugin of a certain distribution is written with a slash: `distribution/name`.
    ");
    insta::assert_snapshot!(complaint("length:"), @"
    A key is missing.
     |
     | -s length:
     |           ^ expected `key=value`
    hint: A plugin of a certain distribution is written with a slash: `distribution/name`.
    ");
    insta::assert_snapshot!(complaint("length:minimum=1,unit"), @"
    `unit` has no value.
     |
     | -s length:minimum=1,unit
     |                     ^^^^ expected `key=value`
    hint: A value that is text and holds a comma or begins with a bracket stands in quotes, as in `key='a,b'`.
    ");
    insta::assert_snapshot!(complaint("length:minimum=1,,unit=words"), @"
    A key is missing.
     |
     | -s length:minimum=1,,unit=words
     |                     ^ expected `key=value`
    hint: A value that is text and holds a comma or begins with a bracket stands in quotes, as in `key='a,b'`.
    ");
    insta::assert_snapshot!(complaint("length:minimum=1,minimum=2"), @"
    The key `minimum` is given twice.
     |
     | -s length:minimum=1,minimum=2
     |                     ^^^^^^^^^ expected another key
    hint: none
    ");
    insta::assert_snapshot!(complaint("replace:pattern=[a-z]+,replacement="), @"
    There is more text after the value of `pattern`.
     |
     | -s replace:pattern=[a-z]+,replacement=
     |                         ^^^^^^^^^^^^^^ expected `,` or the end
    hint: A value that is text and holds a comma or begins with a bracket stands in quotes, as in `key='a,b'`.
    ");
    insta::assert_snapshot!(complaint("replace:pattern='a"), @"
    The value of `pattern` lacks its closing `'`.
     |
     | -s replace:pattern='a
     |                    ^ expected a `'` for this
    hint: none
    ");
    insta::assert_snapshot!(complaint(r#"replace:pattern="\d""#), @r#"
    The value of `pattern` has an escape that is not known.
     |
     | -s replace:pattern="\d"
     |                     ^^ expected `\"`, `\\`, `\n`, `\r` or `\t`
    hint: In single quotes nothing is escaped.
    "#);
    insta::assert_snapshot!(complaint("s:list=[1, 2"), @"
    The value of `list` lacks its closing `]`.
     |
     | -s s:list=[1, 2
     |           ^ expected a `]` for this
    hint: A value that is text and holds a comma or begins with a bracket stands in quotes, as in `key='a,b'`.
    ");
    insta::assert_snapshot!(complaint("s:list=['one' 'two']"), @"
    There is more text after an item of the list of `list`.
     |
     | -s s:list=['one' 'two']
     |                  ^^^^^^ expected `,` or `]`
    hint: A value that is text and holds a comma or begins with a bracket stands in quotes, as in `key='a,b'`.
    ");
    insta::assert_snapshot!(complaint("s:n=99999999999999999999"), @"
    The number of `n` does not fit 64 bits.
     |
     | -s s:n=99999999999999999999
     |        ^^^^^^^^^^^^^^^^^^^^ expected a smaller number, or text in quotes
    hint: none
    ");
    assert!(complaint(&format!("s:a={}", "[".repeat(100_000))).contains("nested too deep"));
}

proptest! {
    #[test]
    fn any_argument_is_read_or_refused_with_a_caret(argument in any::<String>()) {
        if let Err(error) = parse(&argument) {
            prop_assert!(!error.to_string().contains(char::from(0x1b)));
            prop_assert!(error.snippet.is_some_and(|snippet| snippet.contains('^')));
        }
    }

    #[test]
    fn whatever_looks_like_configuration_does_not_panic(argument in r#"s:([a-c]=|[\[\]"',\\:0-9e.-]|é){0,30}"#) {
        let _ = parse(&argument);
    }

    #[test]
    fn any_text_can_be_given_in_double_quotes(text in any::<String>()) {
        let quoted = text.replace('\\', r"\\").replace('"', "\\\"");
        let step = parse(&format!("s:a=\"{quoted}\",b=1")).expect("a step");
        prop_assert_eq!(step.configuration.get("a"), Some(&Value::String(text)));
    }
}
