//! `normalize-unicode`: brings characters that can be spelled in several ways into one form.
//!
//! Most text is in the form already, so the work is to find that out quickly: for NFC a sweep does, for NFKC a scan that
//! settles ASCII; Unicode's quick check settles the rest. Where the check is in doubt, only the stretch between two safe
//! boundaries is normalized; the text around it is kept as it is. A boundary is safe before a character that is
//! a starter and that the quick check allows: nothing before it can combine with it (UAX #15, section 9).

use crate::error::{ConfigError, Failure, Result};
use crate::record::Value;
use crate::step::{Configuration, Declaration, Kind, Scratch, Stage, Step, Verdict};
use crate::steps::alone::Alone;
use crate::steps::rewrite::{Rewrite, output_limit};
use crate::steps::{BuiltIn, configuration};
use crate::sweep::Rule;
use serde::{Deserialize, Serialize};
use std::sync::Arc;
use unicode_normalization::char::canonical_combining_class;
use unicode_normalization::{IsNormalized, UnicodeNormalization, is_nfc_quick, is_nfkc_quick};

/// The register's entry.
pub const BUILT_IN: BuiltIn = BuiltIn {
    name: "normalize-unicode",
    declare,
    build,
};

#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
struct Settings {
    form: Form,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Form {
    #[default]
    Nfc,
    Nfkc,
}

fn declare() -> Declaration {
    let mut declaration = Declaration::built_in(
        "normalize-unicode",
        Kind::Map,
        Stage::Normalize,
        "Brings characters that can be spelled in several ways into one form.",
    );
    declaration.parameters = vec![configuration::parameter(
        "form",
        "one of `nfc`, `nfkc`",
        "nfc",
        "The form: `nfc` composes characters, `nfkc` also replaces compatibility characters such as `ﬁ` and `①`.",
    )];
    declaration
}

fn build(given: &Configuration) -> Result<Arc<dyn Step>, ConfigError> {
    let declaration = declare();
    let settings: Settings = configuration::read(&declaration, given)?;
    Ok(Arc::new(NormalizeUnicode::new(declaration, settings)))
}

struct NormalizeUnicode {
    declaration: Declaration,
    settings: Settings,
    /// Tells of most texts that they are in the form already.
    sweep: Option<Alone>,
}

impl NormalizeUnicode {
    fn new(declaration: Declaration, settings: Settings) -> Self {
        Self {
            declaration,
            sweep: (settings.form == Form::Nfc).then(|| Alone::new(Rule::Compose)),
            settings,
        }
    }

    /// Whether it is quickly seen that the text is in the form.
    fn is_settled(&self, text: &str) -> bool {
        match &self.sweep {
            Some(sweep) => sweep.is_same(text),
            None => text.is_ascii(),
        }
    }
}

impl Form {
    /// The first character that may not be in this form.
    fn first_doubtful(self) -> char {
        match self {
            Self::Nfc => '\u{300}',
            Self::Nfkc => '\u{80}',
        }
    }

    fn quick_check(self, character: char) -> IsNormalized {
        let character = std::iter::once(character);
        match self {
            Self::Nfc => is_nfc_quick(character),
            Self::Nfkc => is_nfkc_quick(character),
        }
    }

    /// Whether nothing before this character can combine with it or move past it.
    fn is_boundary(self, character: char) -> bool {
        character < self.first_doubtful()
            || (canonical_combining_class(character) == 0 && self.quick_check(character) == IsNormalized::Yes)
    }

    /// The characters of a stretch in this form.
    fn normalize(self, stretch: &str) -> impl Iterator<Item = char> {
        let (canonical, compatible) = match self {
            Self::Nfc => (Some(stretch.nfc()), None),
            Self::Nfkc => (None, Some(stretch.nfkc())),
        };
        canonical.into_iter().flatten().chain(compatible.into_iter().flatten())
    }

    /// The next stretch at or after `from` that is perhaps not in this form, between two safe boundaries. `from` is one.
    fn next_doubt(self, text: &str, from: usize) -> Option<std::ops::Range<usize>> {
        let mut boundary = from;
        let mut last_class = 0;
        for (offset, character) in text[from..].char_indices() {
            let at = from + offset;
            if character < self.first_doubtful() {
                boundary = at;
                last_class = 0;
                continue;
            }
            let class = canonical_combining_class(character);
            let in_order = class == 0 || last_class <= class;
            if in_order && self.quick_check(character) == IsNormalized::Yes {
                if class == 0 {
                    boundary = at;
                }
                last_class = class;
                continue;
            }
            let rest = at + character.len_utf8();
            let end = text[rest..]
                .find(|next| self.is_boundary(next))
                .map_or(text.len(), |length| rest + length);
            return Some(boundary..end);
        }
        None
    }
}

impl Step for NormalizeUnicode {
    fn declaration(&self) -> &Declaration {
        &self.declaration
    }

    fn configuration(&self) -> Configuration {
        configuration::write(&self.settings)
    }

    fn rule(&self) -> Option<Rule> {
        self.sweep.as_ref().map(Alone::rule)
    }

    fn apply<'t>(&self, text: &'t str, _asked: &[Value], scratch: &'t mut Scratch<'_>) -> Result<Verdict<'t>, Failure> {
        let form = self.settings.form;
        if self.is_settled(text) {
            return Ok(Verdict::Text(text));
        }
        let limit = output_limit(text.len());
        let mut new = Rewrite::new(text, scratch);
        let (mut kept, mut at) = (0, 0);
        while let Some(stretch) = form.next_doubt(text, at) {
            at = stretch.end;
            if form.normalize(&text[stretch.clone()]).eq(text[stretch.clone()].chars()) {
                continue;
            }
            new.keep(kept..stretch.start);
            kept = stretch.end;
            let out = new.begin_write();
            for character in form.normalize(&text[stretch]) {
                out.push(character);
                if out.len() > limit {
                    return Err(new.too_large(limit));
                }
            }
        }
        new.keep(kept..text.len());
        if new.len() > limit {
            return Err(new.too_large(limit));
        }
        Ok(Verdict::Text(new.finish()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::FailureKind;
    use crate::steps::testing::{apply_map, assert_map_laws, map, messy_text, step};
    use proptest::prelude::*;

    #[test]
    fn forms_are_as_unicode_says() {
        assert_eq!(map("normalize-unicode", "{}", "cafe\u{301} ﬁ ①"), "café ﬁ ①");
        assert_eq!(
            map("normalize-unicode", r#"{"form":"nfkc"}"#, "cafe\u{301} ﬁ ①\u{a0}"),
            "café fi 1 "
        );
        assert_eq!(map("normalize-unicode", "{}", "\u{1100}\u{1161}\u{11a8}"), "\u{ac01}");
        assert_eq!(
            map("normalize-unicode", "{}", "a\u{345}\u{323}\u{300}"),
            "\u{1ea1}\u{300}\u{345}"
        );
    }

    #[test]
    fn every_character_normalizes_as_the_whole_text_would() {
        for character in '\0'..=char::MAX {
            let text = format!("a{character}b\u{301}");
            assert_eq!(
                map_with(Form::Nfc, &text),
                text.nfc().collect::<String>(),
                "{character:?}"
            );
            assert_eq!(
                map_with(Form::Nfkc, &text),
                text.nfkc().collect::<String>(),
                "{character:?}"
            );
        }
    }

    fn map_with(form: Form, text: &str) -> String {
        let step = NormalizeUnicode::new(declare(), Settings { form });
        apply_map(&step, text).expect("within the limit")
    }

    #[test]
    fn an_expansion_is_bounded() {
        let step = step("normalize-unicode", r#"{"form":"nfkc"}"#);
        let failure = apply_map(&*step, &"\u{fdfa}".repeat(700_000)).expect_err("too large");
        assert_eq!(failure.kind, FailureKind::OutputTooLarge);
        assert_eq!(
            failure.message,
            "The new text would have more than 16777216 bytes, which is the limit."
        );
        assert!(apply_map(&*step, &"\u{fdfa}".repeat(1000)).is_ok());
    }

    #[test]
    fn a_million_combining_marks_take_linear_time() {
        let marks: String = ['\u{301}', '\u{323}'].iter().cycle().take(1_000_000).collect();
        let text = format!("a{marks}");
        let start = std::time::Instant::now();
        let new = map("normalize-unicode", "{}", &text);
        assert_eq!(new.chars().count(), 1_000_000);
        // Quadratic time would be hours.
        assert!(
            start.elapsed() < std::time::Duration::from_secs(20),
            "{:?}",
            start.elapsed()
        );
    }

    proptest! {
        #[test]
        fn the_laws_hold(text in messy_text(), form in prop::sample::select(vec!["nfc", "nfkc"])) {
            assert_map_laws("normalize-unicode", &format!(r#"{{"form":"{form}"}}"#), &text);
        }

        #[test]
        fn stretches_make_what_the_whole_would(text in "[a\u{300}-\u{304}\u{323}\u{345}\u{e9}\u{3c}\u{338}\u{212b}\u{fb01}\u{1100}-\u{1102}\u{1161}-\u{1163}\u{11a7}-\u{11a9}\u{ac00}-\u{ac02}\u{9c7}\u{9be}\u{11131}\u{11127}\u{1e0b}\u{3131}\u{ff76}\u{ff9e}]{0,12}") {
            prop_assert_eq!(map_with(Form::Nfc, &text), text.nfc().collect::<String>());
            prop_assert_eq!(map_with(Form::Nfkc, &text), text.nfkc().collect::<String>());
        }

        #[test]
        fn any_text_is_as_the_whole(text in any::<String>()) {
            prop_assert_eq!(map_with(Form::Nfc, &text), text.nfc().collect::<String>());
            prop_assert_eq!(map_with(Form::Nfkc, &text), text.nfkc().collect::<String>());
        }
    }
}
