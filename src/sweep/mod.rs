//! One pass over a text that does the work of several neighbouring steps.
//!
//! A step that looks at one character at a time says so with a [`Rule`]. The rules of neighbouring steps are compiled to a
//! [`Sweep`], whose result is what the steps make of the text one after the other. Where it is not certain of that, it
//! says [`Swept::Doubt`] and the steps do the work: they give exact results, errors and blame. That is rare: texts in
//! which NFC changes something.
//!
//! The pass also reads the inside of a JSON string as it is spelled, so that a record can be cleaned without being unescaped
//! and escaped again ([`Spelling::Json`]).

mod rule;
mod settled;
#[cfg(test)]
mod tests;

pub use rule::{Collapse, Controls, Ends, Rule};

use crate::record::Spelling;
use crate::simd::sweep::{Form, Pass, Role, Roles, escaped};
use crate::units::{self, Side};
use std::ops::Range;
use unicode_normalization::char::canonical_combining_class;
use unicode_normalization::{IsNormalized, is_nfc_quick};

/// What a sweep made of a text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Swept {
    /// The text does not change.
    Same,
    /// This part of it, as it is spelled, is the new text.
    Part(Range<usize>),
    /// The new text was appended, in the spelling of the old one: for JSON just what
    /// [`crate::record::write_json_string_body`] makes of it.
    Written,
    /// Nothing was appended; the steps must do it one by one.
    Doubt,
}

/// The blocks of 64 characters outside ASCII in which there are control characters or white space.
const BLOCKS_WITH_ROLES: [u32; 5] = [0x80 / 64, 0x1680 / 64, 0x2000 / 64, 0x2040 / 64, 0x3000 / 64];

/// Rules, compiled.
#[derive(Debug, Clone)]
pub struct Sweep {
    composes: bool,
    strips: Controls,
    collapse: Option<Collapse>,
    trim: Ends,
    /// The rule, if there is only one.
    only: Option<Rule>,
    roles: Roles,
    form: Form,
}

impl Sweep {
    /// Compiles rules, in the order of their steps: composing before stripping before collapsing before trimming, each once
    /// at most. `None` for no rules and for any other order.
    #[must_use]
    pub fn new(rules: &[Rule]) -> Option<Self> {
        let rank = |rule: &Rule| match rule {
            Rule::Compose => 0,
            Rule::Strip(_) => 1,
            Rule::Collapse(_) => 2,
            Rule::Trim(_) => 3,
        };
        if rules.is_empty() || !rules.is_sorted_by(|one, next| rank(one) < rank(next)) {
            return None;
        }
        let (mut composes, mut strips, mut collapse, mut trim) = (false, Controls::default(), None, Ends::default());
        for rule in rules {
            match rule {
                Rule::Compose => composes = true,
                Rule::Strip(controls) => strips = *controls,
                Rule::Collapse(how) => collapse = Some(*how),
                Rule::Trim(ends) => trim = *ends,
            }
        }
        let role = |character| role(character, strips, collapse);
        let ascii = std::array::from_fn(|code| role(char::from(code as u8)));
        let kept_lines = collapse.map_or(0, |collapse| collapse.blank_lines.saturating_add(1));
        let doubtful = |block: u32| {
            let bit =
                |offset| char::from_u32(block * 64 + offset).is_some_and(|character| role(character) != Role::Keep);
            let special = if BLOCKS_WITH_ROLES.contains(&block) {
                (0..64).fold(0, |bits, offset| bits | u64::from(bit(offset)) << offset)
            } else {
                0
            };
            special
                | if composes {
                    settled::unsettled(block as usize)
                } else {
                    0
                }
        };
        Some(Self {
            composes,
            strips,
            collapse,
            trim,
            only: rules.first().copied().filter(|_| rules.len() == 1),
            form: Form::best(),
            roles: Roles::new(ascii, kept_lines, &doubtful),
        })
    }

    /// Does to a text what the steps would do one after the other, and appends the new text to `out` if it is not the old
    /// one or a part of it.
    ///
    /// The new text is no longer than the old one. A caller that bounds the texts which steps may write bounds the old one.
    pub fn run(&self, text: &str, spelling: Spelling, out: &mut String) -> Swept {
        self.run_with(self.form, text, spelling, out)
    }

    fn run_with(&self, form: Form, text: &str, spelling: Spelling, out: &mut String) -> Swept {
        match spelling {
            Spelling::Plain => self.sweep::<false>(form, text, out),
            Spelling::Json => self.sweep::<true>(form, text, out),
        }
    }

    fn sweep<const JSON: bool>(&self, form: Form, text: &str, out: &mut String) -> Swept {
        if self.is_same_by_bytes::<JSON>(text.as_bytes()) {
            return Swept::Same;
        }
        let before = out.len();
        let Some(start) = self.trimmed_start::<JSON>(text) else {
            return Swept::Doubt;
        };
        let mut pass = Pass::new(text, start, out);
        let mut end = text.len();
        if self.trim.end && self.collapse.is_none() {
            end = trimmed_end::<JSON>(text).max(start);
        }
        let only_ends = matches!(self.only, Some(Rule::Trim(_)));
        if !only_ends || JSON && end - start < text.len() && text[start..end].contains("\\/") {
            let mut class = 0;
            while pass.at() < text.len() {
                let at = pass.at();
                form.stretch::<JSON>(&self.roles, &mut pass);
                if pass.at() > at {
                    class = 0;
                }
                match self.look::<JSON>(text, &mut pass, &mut class) {
                    Look::On => {}
                    Look::EndsBefore(run) => {
                        end = run;
                        break;
                    }
                    Look::Doubt => {
                        out.truncate(before);
                        return Swept::Doubt;
                    }
                }
            }
        }
        match pass.finish(end) {
            Some(range) if range == (0..text.len()) => Swept::Same,
            Some(range) => Swept::Part(range),
            None => {
                if self.trim.end && self.collapse.is_none() {
                    let end = trimmed_end::<JSON>(&out[before..]);
                    out.truncate(before + end);
                }
                Swept::Written
            }
        }
    }

    /// Whether a scan of bytes, without looking where they stand, shows that the text does not change.
    fn is_same_by_bytes<const JSON: bool>(&self, bytes: &[u8]) -> bool {
        match self.only {
            // The first character that is not settled is U+0300, whose first byte is 0xCC; the bytes inside a character
            // are smaller.
            Some(Rule::Compose) => bytes.iter().fold(0, |most, &byte| most.max(byte)) < 0xcc,
            // Few long texts have no line end, so that the scan would mostly come first and be for nothing.
            Some(Rule::Strip(_)) if bytes.len() <= 128 => {
                let may_go = |byte| {
                    u8::from(byte < 0x20)
                        | u8::from(byte == 0x7f)
                        | u8::from(byte == 0xc2)
                        | u8::from(JSON && byte == b'\\')
                };
                bytes.iter().fold(0, |any, &byte| any | may_go(byte)) == 0
            }
            _ => false,
        }
    }

    /// Where the text begins when its first characters are trimmed. `None` if that is doubtful.
    fn trimmed_start<const JSON: bool>(&self, text: &str) -> Option<usize> {
        let mut at = 0;
        while self.trim.start && at < text.len() {
            let (character, length) = character_at::<JSON>(text, at)?;
            if !self.strips.contains(character) && !units::is_white_space(character) {
                break;
            }
            if self.composes && !settled::is_settled(character) {
                return None;
            }
            at += length;
        }
        Some(at)
    }

    /// Does what the windows leave: passes over a run, or over one character that stays. `class` is the combining class of
    /// the character before.
    fn look<const JSON: bool>(&self, text: &str, pass: &mut Pass<'_, '_>, class: &mut u8) -> Look {
        let start = pass.at();
        let mut at = start;
        let (mut white, mut lines, mut removed) = (0_usize, 0_usize, 0_usize);
        while at < text.len() {
            let Some((character, length)) = character_at::<JSON>(text, at) else {
                return Look::Doubt;
            };
            if self.composes && !settled::is_settled(character) {
                // A mark that stands in order stays as and where it is, if the quick check says so.
                let next = canonical_combining_class(character);
                if next == 0 || next < *class || is_nfc_quick(std::iter::once(character)) != IsNormalized::Yes {
                    return Look::Doubt;
                }
                if at == start {
                    *class = next;
                }
            } else if at == start {
                *class = 0;
            }
            match role(character, self.strips, self.collapse) {
                Role::Keep if at > start => break,
                Role::Keep if JSON && character == '/' && length == 2 => {
                    pass.keep_slash();
                    return Look::On;
                }
                Role::Keep => {
                    pass.keep(length);
                    return Look::On;
                }
                Role::White => white += 1,
                Role::Line => lines += 1,
                Role::Remove => removed += 1,
            }
            at += length;
        }
        if at == start {
            return Look::On;
        }
        if at == text.len() && self.trim.end && self.collapse.is_some() {
            return Look::EndsBefore(start);
        }
        let run = &text[start..at];
        let kept = lines.min(self.roles.kept_lines());
        if lines > 0 && white == 0 && removed == 0 && kept == lines || run == " " {
            pass.keep(run.len());
        } else if lines > 0 {
            pass.replace(run.len(), if JSON { "\\n" } else { "\n" }, kept);
        } else {
            pass.replace(run.len(), " ", usize::from(white > 0));
        }
        Look::On
    }
}

/// What came of a look at what the windows leave.
enum Look {
    /// The pass goes on.
    On,
    /// All that follows is trimmed.
    EndsBefore(usize),
    /// It is for the steps to judge.
    Doubt,
}

/// What is done with a character by the rules that strip and collapse.
fn role(character: char, strips: Controls, collapse: Option<Collapse>) -> Role {
    if strips.contains(character) {
        return Role::Remove;
    }
    match collapse {
        Some(collapse) if collapse.keep_lines && character == '\n' => Role::Line,
        Some(_) if units::is_white_space(character) => Role::White,
        _ => Role::Keep,
    }
}

/// The character that begins at a byte, and how many bytes it is spelled with. `None` if it is spelled in a way that is not
/// read here.
#[inline]
fn character_at<const JSON: bool>(text: &str, at: usize) -> Option<(char, usize)> {
    match text.as_bytes()[at] {
        b'\\' if JSON => Some((char::from(escaped(*text.as_bytes().get(at + 1)?)?), 2)),
        byte @ ..0x80 => Some((char::from(byte), 1)),
        _ => text[at..]
            .chars()
            .next()
            .map(|character| (character, character.len_utf8())),
    }
}

/// Where a text ends when its last characters are trimmed.
fn trimmed_end<const JSON: bool>(text: &str) -> usize {
    let bytes = text.as_bytes();
    let mut end = text.len();
    loop {
        end = units::trim(&text[..end], Side::End).len();
        // A letter belongs to an escape if the number of backslashes before it is odd.
        if !JSON || end < 2 || !matches!(bytes[end - 1], b'n' | b't' | b'r' | b'f') {
            return end;
        }
        let backslashes = bytes[..end - 1].iter().rev().take_while(|&&byte| byte == b'\\').count();
        if backslashes % 2 == 0 {
            return end;
        }
        end -= 2;
    }
}
