//! Each form against the portable one, and that one against reading and writing byte by byte.

use super::*;
use proptest::prelude::*;

/// Every form that this processor has.
fn forms() -> Vec<Form> {
    let mut forms = vec![Form::Portable];
    #[cfg(target_arch = "x86_64")]
    {
        let vectors = [
            Some(x86::Form::Sse2),
            x86::Avx2::found().map(x86::Form::Avx2),
            x86::Avx512::found().map(x86::Form::Avx512),
        ];
        forms.extend(vectors.into_iter().flatten().map(Form::X86));
    }
    forms
}

/// Where the string at `start` ends, byte by byte.
fn simple_string_end(bytes: &[u8], start: usize) -> Option<(usize, Escapes)> {
    let mut escapes = Escapes::None;
    let mut at = start;
    loop {
        match bytes.get(at)? {
            b'"' => return Some((at, escapes)),
            0..0x20 => return None,
            b'\\' if bytes.get(at + 1) == Some(&b'u') => {
                let digits = bytes.get(at + 2..at + 6)?;
                if !digits.iter().all(u8::is_ascii_hexdigit) {
                    return None;
                }
                escapes = Escapes::Unicode;
                at += 6;
            }
            b'\\' => {
                if !b"\"\\/bfnrt".contains(bytes.get(at + 1)?) {
                    return None;
                }
                escapes = escapes.max(Escapes::Short);
                at += 2;
            }
            _ => at += 1,
        }
    }
}

/// What the forms append for a text whose escapes are all of two characters, up to the first that is not.
fn simple_unescape(spelled: &str) -> (usize, String) {
    let mut text = String::new();
    let mut characters = spelled.char_indices();
    while let Some((index, character)) = characters.next() {
        if character != '\\' {
            text.push(character);
            continue;
        }
        let Some((_, second)) = characters.next() else { break };
        match second {
            'u' => return (index, text),
            'n' => text.push('\n'),
            't' => text.push('\t'),
            'r' => text.push('\r'),
            'b' => text.push('\u{8}'),
            'f' => text.push('\u{c}'),
            other => text.push(other),
        }
    }
    (spelled.len(), text)
}

fn simple_escape(text: &str) -> String {
    let quoted = serde_json::to_string(text).expect("a text can be written");
    quoted[1..quoted.len() - 1].to_owned()
}

fn check_string_end(bytes: &[u8], start: usize) {
    let expected = simple_string_end(bytes, start);
    for form in forms() {
        assert_eq!(
            string_end_by(form, bytes, start),
            expected,
            "{form:?} on {:?} from {start}",
            bytes.escape_ascii()
        );
    }
    let short = expected.and_then(|(end, escapes)| {
        let inside = start + 16 <= bytes.len() && end < start + 16 && escapes == Escapes::None;
        inside.then_some(end)
    });
    assert_eq!(
        short_string_end(bytes, start),
        short,
        "{:?} from {start}",
        bytes.escape_ascii()
    );
    if let Some(head) = bytes[start..].first_chunk() {
        let short = short.map(|end| end - start);
        assert_eq!(portable::plain_end(head), short, "{:?}", head.escape_ascii());
    }
}

fn check_unescape(spelled: &str) {
    let (reached, text) = simple_unescape(spelled);
    for form in forms() {
        let mut out = "kept".to_owned();
        assert_eq!(unescape_by(form, spelled, &mut out), reached, "{form:?} on {spelled:?}");
        assert_eq!(out.strip_prefix("kept"), Some(text.as_str()), "{form:?} on {spelled:?}");
    }
}

fn check_escape(text: &str) {
    let expected = simple_escape(text);
    for form in forms() {
        let mut out = b"kept".to_vec();
        escape_by(form, text, &mut out);
        assert_eq!(
            out.strip_prefix(b"kept"),
            Some(expected.as_bytes()),
            "{form:?} on {text:?}"
        );
    }
}

#[test]
fn a_string_ends_at_its_quote_with_every_byte_at_every_place() {
    for place in 0..200 {
        for byte in 0..=u8::MAX {
            let mut bytes = vec![b'x'; 210];
            bytes[place] = byte;
            bytes[205] = b'"';
            check_string_end(&bytes, 0);
        }
    }
}

#[test]
fn every_escape_is_judged_at_every_place() {
    for place in (0..8).chain(55..70).chain(120..134) {
        for byte in 0..=u8::MAX {
            let mut bytes = vec![b'x'; 210];
            bytes[place] = b'\\';
            bytes[place + 1] = byte;
            bytes[205] = b'"';
            check_string_end(&bytes, 0);
            for digit in 2..6 {
                bytes[place + 1..place + 6].copy_from_slice(b"u09aF");
                bytes[place + digit] = byte;
                check_string_end(&bytes, 0);
            }
        }
    }
}

#[test]
fn runs_of_backslashes_escape_every_second_one() {
    for before in 0..130 {
        for run in (0..10).chain(60..70).chain(125..131) {
            for after in ["\"", "n\"", "u00e9\"", "", "u0\"", "\n\""] {
                let spelled = format!("{}{}{after}", "x".repeat(before), "\\".repeat(run));
                for more in ["", "\"", ",\"a\":1,\"b\":\"\u{1}\\x\""] {
                    check_string_end(format!("{spelled}{more}").as_bytes(), 0);
                }
                check_unescape(&spelled);
                check_escape(&spelled);
            }
        }
    }
}

#[test]
fn a_special_character_at_any_place_of_a_text_of_any_length() {
    for length in 0..200 {
        let plain = "x".repeat(length);
        check_unescape(&plain);
        check_escape(&plain);
        for place in (0..length).step_by(7).chain(length.checked_sub(1)) {
            for character in [
                '"', '\\', '\n', '\u{1}', '\u{8}', '\u{1c}', '\u{1f}', '\u{7f}', 'é', '€', '😀',
            ] {
                let text = format!("{}{character}{}", &plain[..place], &plain[place..]);
                check_escape(&text);
                check_unescape(&simple_escape(&text));
            }
        }
    }
}

#[test]
fn a_text_of_nothing_but_special_characters_grows_sixfold() {
    for length in [1, 63, 64, 65, 1000, 5000] {
        for character in ["\u{1}", "\n", "\"\u{1c}\\"] {
            check_escape(&character.repeat(length));
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 500, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn all_forms_find_the_same_end(
        spelled in "([ -~]|[\\x00-\\xff]|\\\\[\"\\\\/bfnrtux]|\\\\u[0-9a-fA-F]{4}|[a-z]{1,70}){0,60}",
        start in 0_usize..80,
        quoted: bool,
    ) {
        let bytes = format!("{spelled}{}", if quoted { "\"" } else { "" });
        check_string_end(bytes.as_bytes(), start.min(bytes.len()));
    }

    #[test]
    fn all_forms_find_the_same_end_of_valid_strings(
        spelled in "([a-z]{0,70}|[é€😀]|\\\\[\"\\\\/bfnrt]|\\\\u[0-9a-fA-F]{4}){0,60}",
        before in 0_usize..80,
        after in "[\"\\\\x\n]{0,80}",
    ) {
        let bytes = format!("{}{spelled}\"{after}", "\\".repeat(before));
        check_string_end(bytes.as_bytes(), before);
        prop_assert!(string_end(bytes.as_bytes(), before).is_some());
    }

    #[test]
    fn all_forms_undo_the_same_escapes(
        spelled in "([a-z]{0,70}|[é€😀]|\\\\[\"\\\\/bfnrt]){0,60}",
        tail in "(\\\\u[0-9a-f]{4})?[a-z\\\\\"é]{0,80}",
    ) {
        check_unescape(&spelled);
        check_unescape(&format!("{spelled}{tail}"));
    }

    #[test]
    fn any_text_can_be_unescaped(text: String, escapes in "[\\\\nu\"é😀]{0,200}") {
        // Which is of no use where the escapes are wrong, but must not make bytes that are no text.
        check_unescape(&text);
        check_unescape(&escapes);
    }

    #[test]
    fn all_forms_write_what_serde_json_writes(text: String, escapes in "([a-z]{0,70}|[\\x00-\\x1f\"\\\\\u{7f}é😀]){0,80}") {
        check_escape(&text);
        check_escape(&escapes);
        let spelled = simple_escape(&escapes);
        let (reached, back) = simple_unescape(&spelled);
        prop_assert!(reached < spelled.len() || back == escapes);
    }
}
