//! What `replace` puts in the place of a match: text, and what groups matched.

use crate::error::ConfigError;
use crate::steps::configuration::wrong;
use regex::Regex;

/// A replacement, taken apart once and filled for each match.
#[derive(Debug)]
pub(super) struct Replacement {
    parts: Vec<Part>,
    /// The numbers of the groups it names, each once; the whole match is no group.
    groups: Vec<usize>,
}

#[derive(Debug, PartialEq, Eq)]
enum Part {
    Text(String),
    Group(usize),
}

impl Replacement {
    /// A replacement that is plain text.
    pub(super) fn literal(text: &str) -> Self {
        Self {
            parts: vec![Part::Text(text.to_owned())],
            groups: Vec::new(),
        }
    }

    /// Takes a replacement apart: `$name` and `$1` reach as far as letters, digits and underscores do, `${name}` to the brace, `$$`
    /// is a dollar sign, and so is a `$` before anything else. A group that the pattern does not have is an error, though the
    /// `regex` crate would take it for an empty one: it is always a mistake.
    pub(super) fn parse(replacement: &str, regex: &Regex) -> Result<Self, ConfigError> {
        let (mut parts, mut groups) = (Vec::new(), Vec::new());
        let mut text = String::new();
        let mut rest = replacement;
        while let Some(dollar) = rest.find('$') {
            text.push_str(&rest[..dollar]);
            rest = &rest[dollar + 1..];
            if let Some(after) = rest.strip_prefix('$') {
                text.push('$');
                rest = after;
                continue;
            }
            let braced = rest.strip_prefix('{').and_then(|rest| rest.split_once('}'));
            let (name, after) = braced.unwrap_or_else(|| {
                let is_name = |character: char| character.is_ascii_alphanumeric() || character == '_';
                rest.split_at(rest.find(|character| !is_name(character)).unwrap_or(rest.len()))
            });
            if name.is_empty() && braced.is_none() {
                text.push('$');
                continue;
            }
            rest = after;
            let group = group_number(name, regex).ok_or_else(|| unknown_group(name, regex))?;
            if !text.is_empty() {
                parts.push(Part::Text(std::mem::take(&mut text)));
            }
            parts.push(Part::Group(group));
            if group > 0 && !groups.contains(&group) {
                groups.push(group);
            }
        }
        text.push_str(rest);
        parts.push(Part::Text(text));
        Ok(Self { parts, groups })
    }

    /// The numbers of the groups it names, each once; the whole match is no group.
    pub(super) fn groups(&self) -> &[usize] {
        &self.groups
    }

    /// Appends the replacement of one match, whose groups `matched` tells.
    pub(super) fn fill<'t>(&self, out: &mut String, matched: impl Fn(usize) -> Option<&'t str>) {
        for part in &self.parts {
            match part {
                Part::Text(text) => out.push_str(text),
                // A group that took no part in the match matched nothing.
                Part::Group(group) => out.push_str(matched(*group).unwrap_or_default()),
            }
        }
    }
}

fn group_number(name: &str, regex: &Regex) -> Option<usize> {
    if name.bytes().all(|byte| byte.is_ascii_digit()) {
        return name.parse().ok().filter(|&number| number < regex.captures_len());
    }
    regex.capture_names().position(|known| known == Some(name))
}

fn unknown_group(name: &str, regex: &Regex) -> ConfigError {
    let names = regex.capture_names().flatten().map(|name| format!(", `{name}`"));
    let expected = match regex.captures_len() - 1 {
        0 => "no group but `$0`, for the pattern has none".to_owned(),
        last => format!("groups from `$0` to `${last}`{}", names.collect::<String>()),
    };
    let error = wrong(
        "replace",
        "replacement",
        &expected,
        &format!("`{}`", name.escape_debug()),
    );
    match name.find(|character: char| !character.is_ascii_digit()) {
        Some(digits) if digits > 0 => error.with_hint(format!(
            "Write `${{{}}}{}` where a letter or digit follows.",
            &name[..digits],
            &name[digits..]
        )),
        _ => error.with_hint("Write `$$` for a dollar sign, or set `literal`."),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(replacement: &str) -> Result<Replacement, ConfigError> {
        Replacement::parse(replacement, &Regex::new(r"(a)(?<name>b)").expect("valid"))
    }

    #[test]
    fn parts() {
        let parsed = parse("x$1-${name}${2}y$$1 $ $").expect("valid");
        assert_eq!(parsed.groups(), [1, 2]);
        let mut out = String::new();
        parsed.fill(&mut out, |group| ["0", "1", "2"].get(group).copied());
        assert_eq!(out, "x1-22y$1 $ $");
    }

    #[test]
    fn unknown_groups_are_errors() {
        let error = parse("$1st").expect_err("unknown");
        assert_eq!(
            error.message,
            "The value of `replacement` for step `replace` is wrong: expected groups from `$0` to `$2`, `name`, found `1st`."
        );
        assert_eq!(
            error.hint.as_deref(),
            Some("Write `${1}st` where a letter or digit follows.")
        );
        for unknown in ["$3", "${}", "$nam", "${a b}", "$99999999999999999999"] {
            assert_eq!(parse(unknown).expect_err(unknown).key.as_deref(), Some("replacement"));
        }
    }
}
