//! Reads `entry_points.txt`: leniently, with line numbers, one group.
//!
//! Python's own reader raises for everybody when one file has a line without `=`, and finds nothing at all behind a
//! byte-order mark. This one reads what can be read and says, with its line, what cannot.

use crate::error::shown;
use crate::plugins::names::fold;

/// One entry point of the group.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EntryPoint {
    /// Its name.
    pub name: String,
    /// Its value, `module:attribute`, without white space and without the extras it may name.
    pub value: String,
    /// The line it stands on, counted from 1.
    pub line: usize,
}

/// Something in the file that cannot be used.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ParseFinding {
    /// The line, counted from 1.
    pub line: usize,
    /// A stable word, as in [`crate::plugins::Finding::code`].
    pub code: &'static str,
    /// A finished sentence.
    pub message: String,
}

/// Reads the entry points of one group. What cannot be used is reported and hides nothing else.
///
/// Names are case-sensitive here, as they are in Python. Two entries whose folded names are equal are both returned, and
/// reported, because nobody but the author knows which of them is meant: using the name is an error. Two that are equal
/// in their value too are one.
#[must_use]
pub fn parse_entry_points(text: &str, group: &str) -> (Vec<EntryPoint>, Vec<ParseFinding>) {
    let mut entries: Vec<EntryPoint> = Vec::new();
    let mut findings = Vec::new();
    let mut section: Option<&str> = None;
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    for (index, line) in lines(text).enumerate() {
        let number = index + 1;
        let mut report = |code, message| {
            findings.push(ParseFinding {
                line: number,
                code,
                message,
            });
        };
        let line = stripped(line);
        if line.is_empty() || line.starts_with(['#', ';']) {
            continue;
        }
        if line.starts_with('[') {
            match line.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')) {
                Some(name) => {
                    let name = stripped(name);
                    if name != group && fold(name) == fold(group) {
                        report(
                            "invalid_name",
                            format!(
                                "The group `{}` is not `{group}`, so its entries are no plugins.",
                                shown(name)
                            ),
                        );
                    }
                    section = Some(name);
                }
                None => report(
                    "malformed_line",
                    format!("The line `{}` begins a group but lacks its closing `]`.", shown(line)),
                ),
            }
            continue;
        }
        if section.is_none() {
            report(
                "malformed_line",
                format!(
                    "The line `{}` stands before the first group, such as `[{group}]`.",
                    shown(line)
                ),
            );
            continue;
        }
        // What another group holds is another program's business.
        if section != Some(group) {
            continue;
        }
        let entry = match parse_entry(line, number) {
            Ok(entry) => entry,
            Err((code, message)) => {
                report(code, message);
                continue;
            }
        };
        let earlier = entries.iter().find(|other| fold(&other.name) == fold(&entry.name));
        if let Some(earlier) = earlier {
            report(
                "duplicate_name",
                if earlier.name == entry.name {
                    format!("The name `{}` stands on line {} already.", entry.name, earlier.line)
                } else {
                    format!(
                        "The name `{}` is the same as `{}` on line {}: case, `-`, `_` and `.` make no difference.",
                        entry.name, earlier.name, earlier.line
                    )
                },
            );
            if entries
                .iter()
                .any(|other| fold(&other.name) == fold(&entry.name) && other.value == entry.value)
            {
                continue;
            }
        }
        entries.push(entry);
    }
    (entries, findings)
}

/// The lines of a text, however they end.
fn lines(text: &str) -> impl Iterator<Item = &str> {
    text.split_inclusive(['\n', '\r'])
        .scan(false, |after_return, line| {
            // The `\n` of a `\r\n` is the rest of the line end before it, not a line.
            let rest_of_line_end = *after_return && line == "\n";
            *after_return = line.ends_with('\r');
            Some((!rest_of_line_end).then_some(line))
        })
        .flatten()
}

/// Strips what Python calls white space, which is a little more than Unicode does.
fn stripped(text: &str) -> &str {
    text.trim_matches(|character: char| character.is_whitespace() || matches!(character, '\u{1c}'..='\u{1f}'))
}

fn parse_entry(line: &str, number: usize) -> Result<EntryPoint, (&'static str, String)> {
    let Some((name, value)) = line.split_once('=') else {
        return Err((
            "malformed_line",
            format!(
                "The line `{}` has no `=`: expected `name = module:attribute`.",
                shown(line)
            ),
        ));
    };
    let (name, value) = (stripped(name), stripped(value));
    if name.is_empty() {
        return Err((
            "invalid_name",
            format!("The line `{}` has no name before the `=`.", shown(line)),
        ));
    }
    if !name
        .chars()
        .all(|character| character.is_alphanumeric() || matches!(character, '-' | '_' | '.'))
    {
        return Err((
            "invalid_name",
            format!(
                "The name `{}` cannot be used: expected letters, digits, `-`, `_` and `.` only.",
                shown(name)
            ),
        ));
    }
    match parse_reference(value) {
        Some(value) => Ok(EntryPoint {
            name: name.to_owned(),
            value,
            line: number,
        }),
        None => Err((
            "invalid_reference",
            format!(
                "The value `{}` of `{name}` names no object: expected `module:attribute`.",
                shown(value)
            ),
        )),
    }
}

/// Reads `module.path:attribute.path [extras]`, white space allowed around each part, and returns it without extras.
fn parse_reference(value: &str) -> Option<String> {
    let reference = match value.split_once('[') {
        Some((reference, extras)) => {
            extras.ends_with(']').then_some(())?;
            stripped(reference)
        }
        None => value,
    };
    let (module, attribute) = reference.split_once(':')?;
    let (module, attribute) = (stripped(module), stripped(attribute));
    (is_dotted_name(module) && is_dotted_name(attribute)).then(|| format!("{module}:{attribute}"))
}

fn is_dotted_name(text: &str) -> bool {
    text.split('.').all(|part| {
        let mut characters = part.chars();
        characters
            .next()
            .is_some_and(|first| first.is_alphabetic() || first == '_')
            && characters.all(|character| character.is_alphanumeric() || character == '_')
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plugins::GROUP;
    use proptest::prelude::*;

    /// Entries and findings as lines, for snapshots.
    fn read(text: &str) -> String {
        let (entries, findings) = parse_entry_points(text, GROUP);
        let entries = entries
            .iter()
            .map(|entry| format!("{}: {} -> {}", entry.line, entry.name, entry.value));
        let findings = findings
            .iter()
            .map(|finding| format!("{}: {}: {}", finding.line, finding.code, finding.message));
        entries.chain(findings).collect::<Vec<_>>().join("\n")
    }

    #[test]
    fn an_ordinary_file_is_read() {
        insta::assert_snapshot!(read("[console_scripts]\nacme = acme:main\n\n[text_processor.plugins]\n# ours\nreverse = acme_reverse:process\nMin_Words=acme.filters : MinWords.make [extra, other]\n; the end\n"), @"
        6: reverse -> acme_reverse:process
        7: Min_Words -> acme.filters:MinWords.make
        ");
    }

    #[test]
    fn a_byte_order_mark_and_any_line_end_are_tolerated() {
        insta::assert_snapshot!(read("\u{feff}[text_processor.plugins]\r\na = m:a\rb = m:b\r\n\r\nc = m:c"), @"
        2: a -> m:a
        3: b -> m:b
        5: c -> m:c
        ");
    }

    #[test]
    fn what_cannot_be_used_is_reported_and_hides_nothing() {
        insta::assert_snapshot!(read("stray\n[text-processor.plugins]\nlost = m:lost\n[other]\nno equals sign here\n[text_processor.plugins]\nno equals sign\n = m:nameless\nwith space = m:a\nmodule = just.a.module\nsyntax = m:a b\nextras = m:a [x\nfirst = m:a\nfirst = m:b\nFIRST = m:c\nfirst = m:a\n[unclosed\nlast = m:z\n"), @"
        13: first -> m:a
        14: first -> m:b
        15: FIRST -> m:c
        18: last -> m:z
        1: malformed_line: The line `stray` stands before the first group, such as `[text_processor.plugins]`.
        2: invalid_name: The group `text-processor.plugins` is not `text_processor.plugins`, so its entries are no plugins.
        7: malformed_line: The line `no equals sign` has no `=`: expected `name = module:attribute`.
        8: invalid_name: The line `= m:nameless` has no name before the `=`.
        9: invalid_name: The name `with space` cannot be used: expected letters, digits, `-`, `_` and `.` only.
        10: invalid_reference: The value `just.a.module` of `module` names no object: expected `module:attribute`.
        11: invalid_reference: The value `m:a b` of `syntax` names no object: expected `module:attribute`.
        12: invalid_reference: The value `m:a [x` of `extras` names no object: expected `module:attribute`.
        14: duplicate_name: The name `first` stands on line 13 already.
        15: duplicate_name: The name `FIRST` is the same as `first` on line 13: case, `-`, `_` and `.` make no difference.
        16: duplicate_name: The name `first` stands on line 13 already.
        17: malformed_line: The line `[unclosed` begins a group but lacks its closing `]`.
        ");
    }

    #[test]
    fn escapes_in_a_hostile_file_are_shown_not_sent_to_the_terminal() {
        insta::assert_snapshot!(read("[text_processor.plugins]\n\u{1b}[31mred\n"), @r#"2: malformed_line: The line `\u{1b}[31mred` has no `=`: expected `name = module:attribute`."#);
    }

    #[test]
    fn a_group_may_be_continued() {
        let (entries, findings) = parse_entry_points("[g]\na = m:a\n[h]\nb = m:b\n[g]\nc = m:c\n", "g");
        assert_eq!(
            entries.iter().map(|entry| entry.name.as_str()).collect::<Vec<_>>(),
            ["a", "c"]
        );
        assert!(findings.is_empty());
    }

    proptest! {
        #[test]
        fn any_text_is_read_without_panic(text in any::<String>()) {
            let _ = parse_entry_points(&text, GROUP);
        }

        #[test]
        fn a_good_line_is_found_among_any_others(
            before in prop::collection::vec("[^\n\r\\[]{0,20}", 0..6),
            after in prop::collection::vec("[^\n\r\\[]{0,20}", 0..6),
        ) {
            let text = format!("[{GROUP}]\n{}\nthe-good-line-of-this-test = m:a\n{}\n", before.join("\n"), after.join("\n"));
            let (entries, _) = parse_entry_points(&text, GROUP);
            prop_assert!(entries.iter().any(|entry| entry.name == "the-good-line-of-this-test" && entry.line == before.len().max(1) + 2));
        }
    }
}
