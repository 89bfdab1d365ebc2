//! `validate`: rejects texts that are not what a text should be, each check with a reason of its own; or fails on them.

use crate::error::{ConfigError, Failure, FailureKind, Result};
use crate::record::Value;
use crate::step::{Configuration, Declaration, Kind, Scratch, Stage, Step, Verdict};
use crate::steps::{BuiltIn, configuration};
use crate::units::Unit;
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;
use std::sync::Arc;
use unicode_script::{Script, UnicodeScript};

/// The register's entry.
pub const BUILT_IN: BuiltIn = BuiltIn {
    name: "validate",
    declare,
    build,
};

#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
#[expect(clippy::struct_excessive_bools, reason = "each is a parameter of its own")]
struct Settings {
    allow_empty: bool,
    shorter_than: Option<usize>,
    longer_than: Option<usize>,
    unit: Unit,
    allow_nul: bool,
    allow_control_characters: bool,
    allow_replacement_characters: bool,
    allowed_scripts: Vec<String>,
    disallowed_scripts: Vec<String>,
    on_failure: OnFailure,
}

/// What becomes of a text that a check refuses.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
enum OnFailure {
    #[default]
    Reject,
    Fail,
}

fn declare() -> Declaration {
    let mut declaration = Declaration::built_in(
        "validate",
        Kind::Filter,
        Stage::Filter,
        "Rejects texts that are empty, too short, too long, or hold characters that a text should not hold.",
    );
    let nothing = serde_json::Value::Null;
    let no_list = || serde_json::Value::Array(Vec::new());
    let scripts = "list of names of Unicode scripts";
    declaration.parameters = vec![
        configuration::parameter(
            "allow-empty",
            "boolean",
            false,
            "Whether a text may have no character at all.",
        ),
        configuration::parameter(
            "shorter-than",
            "integer of at least 0",
            nothing.clone(),
            "A text with fewer units than this is refused.",
        ),
        configuration::parameter(
            "longer-than",
            "integer of at least 0",
            nothing,
            "A text with more units than this is refused.",
        ),
        configuration::parameter(
            "unit",
            Unit::TYPE,
            "characters",
            "What `shorter-than` and `longer-than` count.",
        ),
        configuration::parameter("allow-nul", "boolean", false, "Whether a text may hold U+0000."),
        configuration::parameter(
            "allow-control-characters",
            "boolean",
            false,
            "Whether a text may hold control characters other than tabs, line ends and U+0000.",
        ),
        configuration::parameter(
            "allow-replacement-characters",
            "boolean",
            false,
            "Whether a text may hold U+FFFD, which stands where a decoder lost something.",
        ),
        configuration::parameter(
            "allowed-scripts",
            scripts,
            no_list(),
            "If not empty: the only scripts a text may use, besides characters that all scripts share.",
        ),
        configuration::parameter(
            "disallowed-scripts",
            scripts,
            no_list(),
            "The scripts a text may not use.",
        ),
        configuration::parameter(
            "on-failure",
            "one of `reject`, `fail`",
            "reject",
            "Whether a refused text is rejected with its reason or quarantined as a failure.",
        ),
    ];
    declaration
}

fn build(given: &Configuration) -> Result<Arc<dyn Step>, ConfigError> {
    let declaration = declare();
    let settings: Settings = configuration::read(&declaration, given)?;
    if let (Some(least), Some(most)) = (settings.shorter_than, settings.longer_than)
        && least > most
    {
        let expected = format!("at least `shorter-than`, which is {least}");
        return Err(configuration::wrong(
            "validate",
            "longer-than",
            &expected,
            &format!("the integer `{most}`"),
        ));
    }
    let allowed = scripts("allowed-scripts", &settings.allowed_scripts)?;
    let disallowed = scripts("disallowed-scripts", &settings.disallowed_scripts)?;
    if let Some(both) = allowed.iter().find(|script| disallowed.contains(script)) {
        let found = format!("`{}`, which `allowed-scripts` allows", both.full_name());
        let expected = "scripts that are not allowed elsewhere";
        return Err(configuration::wrong("validate", "disallowed-scripts", expected, &found));
    }
    Ok(Arc::new(Validate {
        latin_is_fine: (allowed.is_empty() || allowed.contains(&Script::Latin))
            && !disallowed.contains(&Script::Latin)
            && !disallowed.contains(&Script::Common),
        declaration,
        settings,
        allowed,
        disallowed,
    }))
}

/// The scripts of these names: full ones (`Latin`) or four letters (`Latn`).
fn scripts(key: &str, names: &[String]) -> Result<Vec<Script>, ConfigError> {
    names
        .iter()
        .map(|name| {
            Script::from_full_name(name)
                .or_else(|| Script::from_short_name(name))
                .ok_or_else(|| {
                    // Only a mistake pays for making the list.
                    let known: BTreeSet<&str> = ('\0'..=char::MAX)
                        .map(|character| character.script().full_name())
                        .collect();
                    let expected = "names of Unicode scripts such as `Latin`, `Old_Italic` or `Hira`";
                    configuration::wrong("validate", key, expected, &format!("`{}`", name.escape_debug()))
                        .with_suggestion(configuration::nearest(name, known))
                })
        })
        .collect()
}

struct Validate {
    declaration: Declaration,
    settings: Settings,
    allowed: Vec<Script>,
    disallowed: Vec<Script>,
    /// Whether no character of ASCII can be of a script that is refused.
    latin_is_fine: bool,
}

/// What a check found.
struct Refusal {
    reason: &'static str,
    /// A finished sentence. It never shows the text itself.
    message: String,
}

impl Validate {
    fn refuse(&self, text: &str) -> Option<Refusal> {
        let settings = &self.settings;
        if text.is_empty() && !settings.allow_empty {
            return Some(Refusal {
                reason: "empty",
                message: "The text is empty.".to_owned(),
            });
        }
        self.refuse_length(text).or_else(|| self.refuse_character(text))
    }

    fn refuse_length(&self, text: &str) -> Option<Refusal> {
        let Settings {
            shorter_than,
            longer_than,
            unit,
            ..
        } = self.settings;
        if shorter_than.is_none() && longer_than.is_none() {
            return None;
        }
        let count = unit.count(text);
        let has = |bound: usize, word: &'static str, reason| Refusal {
            reason,
            message: format!("The text has {count} {}, {word} than {bound}.", unit.name(count)),
        };
        match (shorter_than, longer_than) {
            (Some(least), _) if count < least => Some(has(least, "fewer", "too_short")),
            (_, Some(most)) if count > most => Some(has(most, "more", "too_long")),
            _ => None,
        }
    }

    /// The checks on characters, in the order nul, control, replacement, script: the first that refuses anything anywhere.
    fn refuse_character(&self, text: &str) -> Option<Refusal> {
        let settings = &self.settings;
        let bytes = text.as_bytes();
        let refusal = |reason, what: &str, at: usize| Refusal {
            reason,
            message: format!(
                "The text holds {what} as its character {}.",
                text[..at].chars().count() + 1
            ),
        };
        if !settings.allow_nul
            && let Some(at) = memchr::memchr(0, bytes)
        {
            return Some(refusal("nul", "U+0000", at));
        }
        if !settings.allow_control_characters
            && let Some((at, character)) = find_control_character(text)
        {
            let what = format!("the control character U+{:04X}", u32::from(character));
            return Some(refusal("control_character", &what, at));
        }
        if !settings.allow_replacement_characters
            && let Some(at) = memchr::memmem::find(bytes, "\u{fffd}".as_bytes())
        {
            return Some(refusal("replacement_character", "the replacement character U+FFFD", at));
        }
        if self.allowed.is_empty() && self.disallowed.is_empty() {
            return None;
        }
        let (at, character) = text
            .char_indices()
            .find(|&(_, character)| !(character.is_ascii() && self.latin_is_fine) && self.is_disallowed(character))?;
        let what = format!(
            "U+{:04X} of the script `{}`",
            u32::from(character),
            character.script().full_name()
        );
        Some(refusal("disallowed_script", &what, at))
    }

    fn is_disallowed(&self, character: char) -> bool {
        let script = character.script();
        if self.disallowed.contains(&script) {
            return true;
        }
        !self.allowed.is_empty()
            && !matches!(script, Script::Common | Script::Inherited)
            && !self.allowed.contains(&script)
    }
}

/// The first control character but tabs, line ends and U+0000, which is checked by itself.
fn find_control_character(text: &str) -> Option<(usize, char)> {
    let is_wanted = |character: char| character.is_control() && !matches!(character, '\0' | '\t' | '\n' | '\r');
    let may_start = |&byte: &u8| matches!(byte, 0x01..=0x08 | 0x0b | 0x0c | 0x0e..=0x1f | 0x7f | 0xc2);
    let mut from = 0;
    while let Some(found) = text.as_bytes()[from..].iter().position(may_start) {
        let at = from + found;
        let character = text[at..].chars().next()?;
        if is_wanted(character) {
            return Some((at, character));
        }
        from = at + character.len_utf8();
    }
    None
}

impl Step for Validate {
    fn declaration(&self) -> &Declaration {
        &self.declaration
    }

    fn configuration(&self) -> Configuration {
        configuration::write(&self.settings)
    }

    fn apply<'t>(
        &self,
        text: &'t str,
        _asked: &[Value],
        _scratch: &'t mut Scratch<'_>,
    ) -> Result<Verdict<'t>, Failure> {
        match (self.refuse(text), self.settings.on_failure) {
            (None, _) => Ok(Verdict::Keep),
            (Some(refusal), OnFailure::Reject) => Ok(Verdict::Reject(refusal.reason.into())),
            (Some(refusal), OnFailure::Fail) => Err(Failure::new(FailureKind::Invalid, refusal.message)),
        }
    }
}

#[cfg(test)]
mod tests;
