//! A step whose work can be said as a rule about single characters, where it does this work alone.

use crate::record::Spelling;
use crate::step::Scratch;
use crate::sweep::{Rule, Sweep, Swept};

/// The sweep of one rule.
pub(super) struct Alone {
    rule: Rule,
    sweep: Sweep,
}

impl Alone {
    pub(super) fn new(rule: Rule) -> Self {
        let sweep = Sweep::new(&[rule]).expect("one rule is always in order");
        Self { rule, sweep }
    }

    pub(super) fn rule(&self) -> Rule {
        self.rule
    }

    /// The new text: the very slice that came in if nothing changed. Only for rules that are never in doubt.
    pub(super) fn run<'t>(&self, text: &'t str, scratch: &'t mut Scratch<'_>) -> &'t str {
        match self.sweep.run(text, Spelling::Plain, &mut scratch.text) {
            Swept::Same => text,
            Swept::Part(range) => &text[range],
            Swept::Written => &scratch.text,
            Swept::Doubt => unreachable!("only a rule that composes is in doubt"),
        }
    }

    /// Whether it is certain that the text stays as it is.
    pub(super) fn is_same(&self, text: &str) -> bool {
        self.sweep.run(text, Spelling::Plain, &mut String::new()) == Swept::Same
    }
}
