//! `redact`: removes e-mail addresses, IP addresses, card numbers and account numbers; when it cannot decide, the record fails.
//!
//! Nothing that the step recognises leaves it: what it wrote is searched again, until nothing is found. That also makes it
//! idempotent. Each search takes time linear in the text: candidates are found by a shape that all of them have (see
//! [`crate::simd::candidates`]) and are as long as the longest such thing may be, no longer.

mod address;
mod card;
mod email;
mod find;
mod iban;
#[cfg(test)]
mod reference;
#[cfg(test)]
mod tests;

use crate::error::{ConfigError, Failure, FailureKind, Result};
use crate::record::Value;
use crate::step::{Configuration, Declaration, Kind, Scratch, Stage, Step, Verdict};
use crate::steps::guard::{self, Guard, Stop};
use crate::steps::{BuiltIn, configuration};
use serde::{Deserialize, Serialize};
use std::ops::Range;
use std::sync::Arc;
use std::time::Duration;
use unicode_script::{Script, UnicodeScript};

/// The register's entry.
pub const BUILT_IN: BuiltIn = BuiltIn {
    name: "redact",
    declare,
    build,
};

#[derive(Debug, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
struct Settings {
    entities: Vec<Entity>,
    mode: Mode,
    key: Option<String>,
    timeout: f64,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            entities: Entity::ALL.to_vec(),
            mode: Mode::default(),
            key: None,
            timeout: guard::default_timeout(),
        }
    }
}

/// What is looked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
enum Entity {
    Email,
    Ipv4,
    Ipv6,
    CreditCard,
    Iban,
}

impl Entity {
    const ALL: [Self; 5] = [Self::Email, Self::Ipv4, Self::Ipv6, Self::CreditCard, Self::Iban];

    /// What stands in its place. A placeholder has no character that any search starts from.
    fn label(self) -> &'static str {
        match self {
            Self::Email => "EMAIL",
            Self::Ipv4 => "IPV4",
            Self::Ipv6 => "IPV6",
            Self::CreditCard => "CREDIT_CARD",
            Self::Iban => "IBAN",
        }
    }

    /// Appends the value as it is compared, so that spellings of one value get one hash.
    fn write_canonical(self, value: &str, out: &mut String) {
        match self {
            Self::Email => out.extend(value.chars().flat_map(char::to_lowercase)),
            Self::Ipv4 => address::write_canonical_ipv4(value, out),
            Self::Ipv6 => address::write_canonical_ipv6(value, out),
            Self::CreditCard | Self::Iban => out.extend(
                value
                    .chars()
                    .filter(char::is_ascii_alphanumeric)
                    .map(|character| character.to_ascii_uppercase()),
            ),
        }
    }
}

/// What is put in the place of a finding.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Mode {
    Mask,
    Hash,
    #[default]
    Placeholder,
}

/// A range of the text, and what it is.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Finding {
    range: Range<usize>,
    entity: Entity,
}

/// Why the step cannot say what a text holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Doubt {
    /// It must not search on.
    Stopped(Stop),
    /// Something that looks like an address, at this byte, is longer than an address can be.
    TooLong(usize),
    /// Each time something was redacted, the new text held something else.
    Endless,
}

impl From<Stop> for Doubt {
    fn from(stop: Stop) -> Self {
        Self::Stopped(stop)
    }
}

/// How often a text is searched before the step gives up. Twice is the rule, and a third time is rare.
const ROUNDS: usize = 8;

/// How many hexadecimal digits of a hash are shown: 64 bits, so that two values among millions are not confused.
const HASH_DIGITS: usize = 16;

/// The context that turns a key of any length into a key of BLAKE3's.
const KEY_CONTEXT: &str = "text-processor 2026-11 redact hash";

fn declare() -> Declaration {
    let mut declaration = Declaration::built_in(
        "redact",
        Kind::Map,
        Stage::Redact,
        "Removes e-mail addresses, IP addresses, card numbers and account numbers.",
    );
    declaration.parameters = vec![
        configuration::parameter(
            "entities",
            "list of `email`, `ipv4`, `ipv6`, `credit-card`, `iban`",
            vec!["email", "ipv4", "ipv6", "credit-card", "iban"],
            "What is removed.",
        ),
        configuration::parameter(
            "mode",
            "one of `mask`, `hash`, `placeholder`",
            "placeholder",
            "What is put in its place: a `*` for each character, a hash in which equal values stay equal, or a word.",
        ),
        configuration::parameter(
            "key",
            "secret text",
            serde_json::Value::Null,
            "The key of the hashes; without one, whoever guesses a value can check the guess.",
        ),
        guard::timeout_parameter(),
    ];
    declaration
}

fn build(given: &Configuration) -> Result<Arc<dyn Step>, ConfigError> {
    let declaration = declare();
    let settings: Settings = configuration::read(&declaration, given)?;
    if settings.entities.is_empty() {
        let expected = "at least one of `email`, `ipv4`, `ipv6`, `credit-card`, `iban`";
        return Err(configuration::wrong("redact", "entities", expected, "an empty list"));
    }
    Ok(Arc::new(Redact {
        budget: guard::budget("redact", settings.timeout)?,
        key: blake3::derive_key(KEY_CONTEXT, settings.key.as_deref().unwrap_or_default().as_bytes()),
        declaration,
        settings,
    }))
}

struct Redact {
    declaration: Declaration,
    settings: Settings,
    budget: Duration,
    key: [u8; 32],
}

impl Redact {
    /// Appends the text with what is put in the place of the findings.
    fn write(&self, text: &str, findings: &[Finding], out: &mut String) {
        let mut kept = 0;
        for Finding { range, entity } in findings {
            out.push_str(&text[kept..range.start]);
            kept = range.end;
            let value = &text[range.clone()];
            match self.settings.mode {
                Mode::Mask => out.extend(std::iter::repeat_n('*', value.chars().count())),
                Mode::Placeholder => out.extend(["[", entity.label(), "]"]),
                Mode::Hash => {
                    let mut canonical = String::with_capacity(value.len());
                    entity.write_canonical(value, &mut canonical);
                    let hash = blake3::keyed_hash(&self.key, canonical.as_bytes()).to_hex();
                    // The underscore makes one word of it, in which no search begins.
                    out.extend(["[", entity.label(), "_", &hash[..HASH_DIGITS], "]"]);
                }
            }
        }
        out.push_str(&text[kept..]);
    }

    /// Redacts until nothing is found. Returns whether anything was; if not, nothing was written.
    fn redact(&self, text: &str, guard: &mut Guard<'_>, out: &mut String) -> Result<bool, Doubt> {
        let shapes = find::shapes(&self.settings.entities);
        let mut findings = Vec::new();
        find::find(text, shapes, guard, &mut findings)?;
        if findings.is_empty() {
            return Ok(false);
        }
        self.write(text, &findings, out);
        for _ in 1..ROUNDS {
            find::find(out, shapes, guard, &mut findings)?;
            if findings.is_empty() {
                return Ok(true);
            }
            let before = std::mem::take(out);
            self.write(&before, &findings, out);
        }
        Err(Doubt::Endless)
    }

    /// The failure of a record that may hold something. It never shows the text.
    fn failure(&self, text: &str, doubt: Doubt) -> Failure {
        let seconds = self.budget.as_secs_f64();
        let reason = match doubt {
            Doubt::Stopped(Stop::Deadline) => format!("the search took longer than {seconds} s"),
            Doubt::Stopped(Stop::Cancelled) => "the run was being stopped".to_owned(),
            Doubt::TooLong(at) => format!(
                "what looks like an e-mail address at character {} is longer than one can be",
                text.get(..at).unwrap_or(text).chars().count() + 1
            ),
            Doubt::Endless => format!("something was found again {ROUNDS} times"),
        };
        Failure::new(
            FailureKind::Undecided,
            format!("It cannot be told whether the text holds something to be redacted: {reason}."),
        )
    }
}

impl Step for Redact {
    fn declaration(&self) -> &Declaration {
        &self.declaration
    }

    fn configuration(&self) -> Configuration {
        configuration::write(&self.settings)
    }

    fn apply<'t>(&self, text: &'t str, _asked: &[Value], scratch: &'t mut Scratch<'_>) -> Result<Verdict<'t>, Failure> {
        let mut guard = Guard::new(self.budget, scratch.cancel);
        match self.redact(text, &mut guard, &mut scratch.text) {
            Ok(true) => Ok(Verdict::Text(&scratch.text)),
            Ok(false) => Ok(Verdict::Text(text)),
            Err(doubt) => {
                scratch.text.clear();
                Err(self.failure(text, doubt))
            }
        }
    }
}

/// Whether a character just before `at` makes what follows a part of a longer word.
fn in_word_before(text: &str, at: usize) -> bool {
    text[..at].chars().next_back().is_some_and(is_word)
}

/// Whether a character at `at` makes what precedes a part of a longer word.
fn in_word_after(text: &str, at: usize) -> bool {
    text[at..].chars().next().is_some_and(is_word)
}

/// Scripts without spaces between words join nothing: `卡号4111…` is a card number after a word.
fn is_word(character: char) -> bool {
    character == '_' || (character.is_alphanumeric() && !is_unspaced(character))
}

/// Whether a character is of a script that is written without spaces between words.
fn is_unspaced(character: char) -> bool {
    !character.is_ascii()
        && matches!(
            character.script(),
            Script::Han
                | Script::Hiragana
                | Script::Katakana
                | Script::Thai
                | Script::Lao
                | Script::Khmer
                | Script::Myanmar
        )
}

/// How many bytes the separator at `at` has that people write between groups of digits: a space (also one that does not
/// break) or a hyphen. 0 if there is none.
fn group_separator(bytes: &[u8], at: usize) -> usize {
    match bytes.get(at..).unwrap_or_default() {
        [b' ' | b'-', ..] => 1,
        // U+00A0.
        [0xc2, 0xa0, ..] => 2,
        // U+202F; U+2010 and U+2011.
        [0xe2, 0x80, 0xaf | 0x90 | 0x91, ..] => 3,
        _ => 0,
    }
}

/// The same for the separator that ends at `at`.
fn group_separator_before(bytes: &[u8], at: usize) -> usize {
    match bytes[..at] {
        [.., b' ' | b'-'] => 1,
        [.., 0xc2, 0xa0] => 2,
        [.., 0xe2, 0x80, 0xaf | 0x90 | 0x91] => 3,
        _ => 0,
    }
}

/// Whether a `.` and a digit stand just before `at`, so that a number there continues.
fn in_number_before(bytes: &[u8], at: usize) -> bool {
    matches!(bytes[..at], [.., before, b'.'] if before.is_ascii_digit())
}

/// Whether a `.` and a digit stand at `at`, so that a number there continues.
fn in_number_after(bytes: &[u8], at: usize) -> bool {
    matches!(bytes[at..], [b'.', after, ..] if after.is_ascii_digit())
}
