//! Every form that the processor has, against the standard library.

use super::*;
use proptest::prelude::*;

#[test]
fn the_best_form_is_one_that_the_processor_has() {
    assert_eq!(Form::all().last(), Some(&Form::best()));
}

/// What the standard library makes of a text, and which characters it has.
fn measured(text: &str) -> Measure {
    let highest = text.chars().max().unwrap_or('\0');
    let width = match u32::from(highest) {
        ..0x80 => Width::Ascii,
        0x80..0x100 => Width::Latin1,
        0x100..0x1_0000 => Width::Two,
        0x1_0000.. => Width::Four,
    };
    let characters = text.chars().count();
    Measure { width, characters }
}

/// Runs a decoder into exactly the room that is needed, between units that it must not touch.
fn decoded<U: Copy + PartialEq + std::fmt::Debug>(
    guard: U,
    characters: usize,
    decode: impl FnOnce(&mut [MaybeUninit<U>]) -> usize,
) -> Vec<U> {
    const GUARDS: usize = 70;
    let mut room = vec![MaybeUninit::new(guard); characters + GUARDS];
    assert_eq!(decode(&mut room[..characters]), characters);
    #[expect(unsafe_code, reason = "to look at what was written")]
    // SAFETY: All were initialised above.
    let units: Vec<U> = room.iter().map(|unit| unsafe { unit.assume_init() }).collect();
    assert_eq!(units[characters..], [guard; GUARDS]);
    units[..characters].to_vec()
}

/// Checks one text in all forms: measured, decoded to every width that holds it, and encoded again behind other text.
fn check(text: &str) {
    let Measure { width, characters } = measured(text);
    assert_eq!(is_short_ascii(text), text.is_ascii(), "{text:?}");
    for form in Form::all() {
        assert_eq!(measure(form, text), Measure { width, characters }, "{form:?} {text:?}");
        let again = |push: &dyn Fn(&mut String)| {
            let mut out = String::from("before ");
            push(&mut out);
            assert_eq!(out.strip_prefix("before "), Some(text), "{form:?}");
        };
        if width <= Width::Latin1 {
            let expected: Vec<u8> = text.chars().map(|character| character as u8).collect();
            let units = decoded(0xEE, characters, |room| to_latin1(form, text, room));
            assert_eq!(units, expected, "{form:?} {text:?}");
            again(&|out| push_latin1(form, &units, out));
        }
        if width <= Width::Two {
            let expected: Vec<u16> = text.encode_utf16().collect();
            let units = decoded(0xEEEE, characters, |room| to_two(form, text, room));
            assert_eq!(units, expected, "{form:?} {text:?}");
            again(&|out| push_two(form, &units, out).unwrap());
        }
        let expected: Vec<u32> = text.chars().map(u32::from).collect();
        let units = decoded(0xEEEE_EEEE, characters, |room| to_four(form, text, room));
        assert_eq!(units, expected, "{form:?} {text:?}");
        again(&|out| push_four(form, &units, out).unwrap());
    }
}

/// The characters at the borders of what takes one, two, three and four bytes, and of what a `str` keeps in as many.
const BORDERS: &[char] = &[
    '\0',
    '\u{7f}',
    '\u{80}',
    '\u{bf}',
    '\u{c0}',
    '\u{ff}',
    '\u{100}',
    '\u{7ff}',
    '\u{800}',
    '\u{fff}',
    '\u{1000}',
    '\u{d7ff}',
    '\u{e000}',
    '\u{ffff}',
    '\u{1_0000}',
    '\u{3_ffff}',
    '\u{4_0000}',
    '\u{f_ffff}',
    '\u{10_ffff}',
];

#[test]
fn every_character_comes_back() {
    let all: String = (0..=u32::from(char::MAX)).filter_map(char::from_u32).collect();
    check(&all);
    for upper in [0x100, 0x800, 0x1_0000] {
        check(&(0..upper).filter_map(char::from_u32).collect::<String>());
    }
}

#[test]
fn a_character_may_stand_at_any_place_of_a_block() {
    for &character in BORDERS {
        for before in 0..70 {
            for after in [0, 1, 2, 15, 16, 17, 31, 33, 64, 100] {
                check(&format!("{}{character}{}", "a".repeat(before), "b".repeat(after)));
            }
        }
    }
}

#[test]
fn texts_of_one_character_may_have_any_length() {
    for character in ['a', 'é', 'ж', '語', '𝄞'] {
        for length in 0..140 {
            check(&character.to_string().repeat(length));
        }
    }
}

#[test]
fn counts_do_not_overflow_in_a_long_text() {
    for length in [32 * 255 - 1, 32 * 255, 32 * 255 + 1, 3 * 32 * 255 + 5, 2 * BLOCK + 1] {
        check(&"a".repeat(length));
        check(&"é".repeat(length));
        check(&"語".repeat(length));
    }
}

#[test]
fn a_surrogate_is_found_wherever_it_stands_and_nothing_is_appended() {
    for form in Form::all() {
        for fill in [u16::from(b'a'), 0xE9, 0x436, 0x8A9E] {
            for surrogates in [&[0xD800_u16][..], &[0xDFFF], &[0xDBFF, 0xDC00], &[0xDC00, 0xD800]] {
                for before in (0..70).chain([BLOCK - 1, BLOCK, BLOCK + 5]) {
                    for after in [0, 1, 7, 16, 40] {
                        let mut two = vec![fill; before];
                        two.extend_from_slice(surrogates);
                        two.resize(two.len() + after, fill);
                        let mut out = String::from("before");
                        assert_eq!(push_two(form, &two, &mut out), Err(Surrogate), "{form:?}");
                        assert!(has_surrogate_two(&two));
                        let mut four: Vec<u32> = two.iter().copied().map(u32::from).collect();
                        assert_eq!(push_four(form, &four, &mut out), Err(Surrogate), "{form:?}");
                        assert!(has_surrogate_four(&four));
                        // The same among characters that need four bytes.
                        four.insert(before, 0x1_F600);
                        assert_eq!(push_four(form, &four, &mut out), Err(Surrogate), "{form:?}");
                        assert_eq!(out, "before");
                    }
                }
            }
        }
    }
    assert!(!has_surrogate_two(&[0xD7FF, 0xE000, 0xFFFF]));
    assert!(!has_surrogate_four(&[0xD7FF, 0xE000, 0x1_D800, 0x10_DFFF]));
}

#[test]
fn what_is_no_code_point_at_all_is_not_appended() {
    for form in Form::all() {
        let mut out = String::new();
        assert_eq!(push_four(form, &[0x41, 0x11_0000], &mut out), Err(Surrogate));
        assert_eq!(push_four(form, &[u32::MAX; 40], &mut out), Err(Surrogate));
        assert_eq!(out, "");
    }
}

#[test]
fn too_little_room_is_never_overstepped() {
    let texts = ["a".repeat(200), "é".repeat(200), "aé".repeat(100)];
    for form in Form::all() {
        for text in &texts {
            let characters = text.chars().count();
            for room in [0, 1, 15, 16, 17, 33, characters - 1] {
                let expected: String = text.chars().take(room).collect();
                let one = decoded(0xEE, room, |out| to_latin1(form, text, out));
                assert_eq!(one.iter().map(|&unit| char::from(unit)).collect::<String>(), expected);
                let two = decoded(0xEEEE, room, |out| to_two(form, text, out));
                assert_eq!(String::from_utf16(&two).unwrap(), expected);
                let four = decoded(0xEEEE_EEEE, room, |out| to_four(form, text, out));
                assert_eq!(
                    four.iter().filter_map(|&unit| char::from_u32(unit)).collect::<String>(),
                    expected
                );
            }
        }
    }
}

fn texts() -> impl Strategy<Value = String> {
    let character = prop_oneof![
        8 => proptest::char::range(' ', '~'),
        2 => proptest::char::range('\u{80}', '\u{ff}'),
        2 => proptest::char::range('\u{100}', '\u{7ff}'),
        2 => proptest::char::range('\u{800}', '\u{ffff}'),
        1 => proptest::char::range('\u{1_0000}', '\u{10_ffff}'),
        1 => proptest::sample::select(BORDERS),
    ];
    let runs = (character, 1..40_usize).prop_map(|(character, times)| character.to_string().repeat(times));
    let mixed = proptest::collection::vec(runs, 0..12).prop_map(|runs| runs.concat());
    let widest = prop_oneof![Just(0x7F), Just(0xFF), Just(0x7FF), Just(0xFFFF), Just(0x10_FFFF)];
    // Most mixtures would hold a character of four bytes; narrower texts matter as much.
    (prop_oneof![mixed, any::<String>()], widest).prop_map(|(text, widest)| {
        text.chars()
            .filter(|&character| u32::from(character) <= widest)
            .collect()
    })
}

proptest! {
    #[test]
    fn any_text_comes_back(text in texts()) {
        check(&text);
    }

    #[test]
    fn any_part_of_a_text_comes_back(text in texts(), start in 0..64_usize) {
        if let Some(part) = text.get(start..) {
            check(part);
        }
    }
}
