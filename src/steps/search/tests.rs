//! All ways to search find the same.

use super::*;
use crate::step::Cancel;
use proptest::prelude::*;
use regex::Regex;
use std::time::Duration;

const PATTERNS: [&str; 22] = [
    "",
    "a|ab",
    r"\b",
    r"\B",
    r"(?-u:\b)a|é",
    r"\ba+\b",
    r"\b\w+é\b",
    r"\w+@\w+\.\w+",
    r"\b[a-z]+@[a-z]+\b",
    r"(?:\b|x)(\w)\w@",
    r"\Ba\B|\b@",
    r"(?m)^a.*$",
    "(?m)$",
    r"\z",
    "(?s)a.*@",
    r"a.{3,70}?@",
    r"(?:a|é){2,5}@?",
    r"[^ ]+",
    r"\pL+\d",
    r"(a)|(é)|(@)",
    r"\b(?:a|b)*a(?:a|b){9}@",
    r"\b{start}é|a\b{end}",
];

fn search(pattern: &str, groups: &[usize]) -> Search {
    Search::new(pattern, syntax::Config::new(), 1 << 20, groups).expect("valid")
}

/// All matches, found with memory that other searches have used.
fn matches(search: &Search, text: &str) -> Vec<Vec<usize>> {
    let cancel = Cancel::default();
    let mut guard = Guard::new(Duration::from_secs(60), &cancel);
    let mut memory = search.memory();
    let (mut matches, mut found, mut from) = (Vec::new(), Vec::new(), 0);
    while search
        .find(text, from, &mut memory, &mut guard, &mut found)
        .expect("in time")
    {
        let (start, end) = (found[0], found[1]);
        matches.push(found.clone());
        let Some(next) = text[end..].chars().next().filter(|_| start == end) else {
            from = end;
            if start == end {
                break;
            }
            continue;
        };
        from = end + next.len_utf8();
    }
    matches
}

/// The same by the `regex` crate.
fn expected(regex: &Regex, text: &str) -> Vec<Vec<usize>> {
    let (mut matches, mut from) = (Vec::new(), 0);
    let mut groups = regex.capture_locations();
    while let Some(found) = regex.captures_read_at(&mut groups, text, from) {
        let places =
            (0..groups.len()).flat_map(|group| groups.get(group).map_or([usize::MAX; 2], |(start, end)| [start, end]));
        matches.push(places.collect());
        let Some(next) = text[found.end()..].chars().next().filter(|_| found.is_empty()) else {
            from = found.end();
            if found.is_empty() {
                break;
            }
            continue;
        };
        from = found.end() + next.len_utf8();
    }
    matches
}

#[track_caller]
fn assert_searches_agree(pattern: &str, text: &str) {
    let regex = Regex::new(pattern).expect("valid");
    let groups: Vec<usize> = (1..regex.captures_len()).collect();
    let whole = |matches: Vec<Vec<usize>>| -> Vec<_> { matches.iter().map(|found| found[..2].to_vec()).collect() };
    let expected = expected(&regex, text);
    assert_eq!(
        matches(&search(pattern, &groups), text),
        expected,
        "{pattern} in {text:?}"
    );
    let mut threads_only = search(pattern, &groups);
    threads_only.lazy = None;
    assert_eq!(
        matches(&threads_only, text),
        expected,
        "{pattern} in {text:?}, thread by thread"
    );
    let expected = whole(expected);
    assert_eq!(
        matches(&search(pattern, &[]), text),
        expected,
        "{pattern} in {text:?}, without groups"
    );
}

#[test]
fn a_match_is_found_wherever_it_is() {
    for filling in ["x", " ", "é", "é ", "a", "ж, a-", "x@ "] {
        for pattern in PATTERNS {
            for length in [0, 1, 15, 16, 17, 63, 64, 65, 200] {
                let filling = filling.repeat(length);
                assert_searches_agree(pattern, &format!("{filling} ab@ab.ab é{filling}"));
            }
        }
    }
}

#[test]
fn word_boundaries_beside_other_letters_are_left_to_the_threads_and_nothing_else_is() {
    let pattern = r"\b[a-z]+@[a-z]+\b";
    let search = search(pattern, &[]);
    let lazy = search.lazy.as_ref().expect("small");
    let cancel = Cancel::default();
    let mut guard = Guard::new(Duration::from_secs(60), &cancel);
    let mut find = |text: &str| lazy.find(text, 0, &mut lazy.caches(), &mut guard).expect("in time");
    assert_eq!(
        find(&format!("{}a@b.", "x ".repeat(100))),
        lazy::Outcome::Found(200..203)
    );
    assert_eq!(find(&"é, a ".repeat(100)), lazy::Outcome::Nothing);
    let lazy::Outcome::Unsure { clean, at } = find(&format!("{}a@b", "é, a ".repeat(100))) else {
        panic!("told where a word begins");
    };
    assert!((500..=600).contains(&clean) && at == 603, "{clean} {at}");
}

#[test]
fn a_pattern_that_makes_too_many_states_is_searched_for_thread_by_thread() {
    let pattern = "(?:a|b|c)*a(?:a|b|c){200}d";
    let mut seed = 1_u64;
    let mut text: String = (0..30_000)
        .map(|_| {
            seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            char::from(b'a' + ((seed >> 40) % 3) as u8)
        })
        .collect();
    let search = search(pattern, &[]);
    assert_eq!(matches(&search, &text), Vec::<Vec<usize>>::new());
    let cancel = Cancel::default();
    let mut guard = Guard::new(Duration::from_secs(60), &cancel);
    let mut memory = search.memory();
    let found = search.find(&text, 0, &mut memory, &mut guard, &mut Vec::new());
    assert_eq!((found, memory.exhausted), (Ok(false), true));
    drop(memory);
    assert!(!search.memory().exhausted);
    text.insert_str(0, &format!("a{}d", "c".repeat(200)));
    assert_eq!(matches(&search, &text), [vec![0, 202]]);
}

proptest! {
    #[test]
    fn all_searches_agree(
        pattern in prop::sample::select(PATTERNS.to_vec()),
        pieces in prop::collection::vec(
            prop_oneof!["[abé@. \n1]{1,6}", "[ab ]{40,90}", "[éж]{20,40}", "a@b\\.a", Just("é@é.é".to_owned())],
            0..8,
        ),
    ) {
        assert_searches_agree(pattern, &pieces.concat());
    }
}
