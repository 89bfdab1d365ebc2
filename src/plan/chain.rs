//! Consecutive Rust steps, compiled: which of them are done in one pass, and how its time is told to be theirs.
//!
//! Each step stays one of its own to its users: it is counted, and reported with a time. The time of a pass is split by the
//! shares that its steps take when they run one by one, which one record in [`APART_EACH`] does.

use crate::plan::workbench::{TIMED_EACH, Watch};
use crate::step::{Kind, PlacedStep};
use crate::sweep::{Rule, Sweep};
use std::ops::Range;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

/// One text in so many goes through the steps of a pass one by one, which takes a few times as long.
const APART_EACH: u64 = 256;

/// Consecutive Rust steps, compiled.
#[derive(Default)]
pub struct Chain {
    steps: Vec<PlacedStep>,
    links: Vec<Link>,
    /// How many texts have gone through the chain.
    texts: AtomicU64,
    /// How long each step took where the steps of a pass ran one by one, in nanoseconds.
    apart: Vec<AtomicU64>,
}

/// Neighbouring steps that run in the same way.
#[derive(Debug)]
pub(super) struct Link {
    /// Their places in the chain.
    pub(super) steps: Range<usize>,
    /// The pass that does their work, if there is one.
    pub(super) sweep: Option<Sweep>,
}

impl Chain {
    /// Compiles steps.
    #[must_use]
    pub fn new(steps: &[PlacedStep]) -> Self {
        let rules: Vec<Option<Rule>> = steps.iter().map(rule).collect();
        let mut links: Vec<Link> = Vec::new();
        let mut at = 0;
        while at < steps.len() {
            let known: Vec<Rule> = rules[at..].iter().map_while(|rule| *rule).collect();
            let longest = (1..=known.len())
                .rev()
                .find_map(|length| Some((length, Sweep::new(&known[..length])?)));
            match (longest, links.last_mut()) {
                (Some((length, sweep)), _) => {
                    links.push(Link {
                        steps: at..at + length,
                        sweep: Some(sweep),
                    });
                    at += length;
                }
                (None, Some(Link { steps, sweep: None })) => {
                    at += 1;
                    steps.end = at;
                }
                (None, _) => {
                    links.push(Link {
                        steps: at..at + 1,
                        sweep: None,
                    });
                    at += 1;
                }
            }
        }
        Self {
            steps: steps.to_vec(),
            links,
            texts: AtomicU64::new(0),
            apart: steps.iter().map(|_| AtomicU64::new(0)).collect(),
        }
    }

    /// The steps, in order.
    #[must_use]
    pub fn steps(&self) -> &[PlacedStep] {
        &self.steps
    }

    pub(super) fn links(&self) -> &[Link] {
        &self.links
    }

    /// The pass that does the work of all steps, if there is one.
    #[must_use]
    pub fn sweep(&self) -> Option<&Sweep> {
        match &self.links[..] {
            [only] => only.sweep.as_ref(),
            _ => None,
        }
    }

    /// Watches so many texts that are about to go through the chain.
    #[must_use]
    pub fn watch(&self, texts: usize) -> Watches {
        Watches {
            steps: vec![Watch::default(); self.steps.len()],
            passes: vec![Watch::default(); self.links.len()],
            first: self.texts.fetch_add(texts as u64, Ordering::Relaxed),
        }
    }

    /// How many texts entered each step, and how long they took in nanoseconds, by what was watched.
    pub fn account(&self, watches: &Watches) -> Vec<(u64, u64)> {
        let mut account: Vec<(u64, u64)> = watches
            .steps
            .iter()
            .map(|watch| (watch.entered, watch.estimate()))
            .collect();
        for (link, pass) in self.links.iter().zip(&watches.passes) {
            if link.sweep.is_none() {
                continue;
            }
            for index in link.steps.clone() {
                // Every text that went through these steps one by one was timed, and no other is among them.
                let apart = watches.steps[index].nanoseconds;
                self.apart[index].fetch_add(apart, Ordering::Relaxed);
                account[index].1 = apart;
            }
            let shares = self.shares(link.steps.clone());
            for (index, share) in link.steps.clone().zip(shares) {
                account[index].1 += (pass.estimate() as f64 * share) as u64;
            }
        }
        account
    }

    /// The part of the time of a pass that is each step's.
    fn shares(&self, steps: Range<usize>) -> Vec<f64> {
        let times: Vec<f64> = self.apart[steps]
            .iter()
            .map(|time| time.load(Ordering::Relaxed) as f64)
            .collect();
        let whole: f64 = times.iter().sum();
        let even = 1.0 / times.len() as f64;
        times
            .iter()
            .map(|time| if whole > 0.0 { time / whole } else { even })
            .collect()
    }
}

/// The rule of a step that does nothing else.
fn rule(placed: &PlacedStep) -> Option<Rule> {
    let declaration = placed.step.declaration();
    let only_text = declaration.kind == Kind::Map && placed.asks.is_empty() && placed.adds.is_empty();
    placed.step.rule().filter(|_| only_text)
}

/// What happened in a chain, in total.
#[derive(Debug)]
pub struct Watches {
    /// For each step; the time of those in a pass is that of the texts for which it ran one by one.
    pub(super) steps: Vec<Watch>,
    /// For each link, if it is a pass.
    pub(super) passes: Vec<Watch>,
    /// The number of the first text.
    first: u64,
}

/// How a text goes through a chain.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Manner {
    /// As quickly as possible.
    Untimed,
    /// Timed.
    Timed,
    /// Each step on its own, and timed.
    Apart,
}

impl Watches {
    /// How this one of the texts goes through the chain.
    #[must_use]
    pub fn manner(&self, text: usize) -> Manner {
        if (self.first + text as u64).is_multiple_of(APART_EACH) {
            Manner::Apart
        } else if text.is_multiple_of(TIMED_EACH) {
            Manner::Timed
        } else {
            Manner::Untimed
        }
    }

    /// Watches a text go through the pass of a link. `None` is a pass that was not certain.
    pub(super) fn pass<T>(
        &mut self,
        chain: &Chain,
        link: usize,
        manner: Manner,
        work: impl FnOnce() -> Option<T>,
    ) -> Option<T> {
        let pass = &mut self.passes[link];
        // The first text is timed in any case: there may be no other.
        let started = (manner != Manner::Untimed || pass.timed == 0).then(Instant::now);
        let result = work();
        pass.entered += 1;
        if let Some(started) = started {
            pass.timed += 1;
            pass.nanoseconds += started.elapsed().as_nanos() as u64;
        }
        if result.is_some() {
            for watch in &mut self.steps[chain.links[link].steps.clone()] {
                watch.entered += 1;
            }
        }
        result
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::workbench::{End, Workbench};
    use crate::record::Value;
    use crate::step::Context;
    use crate::steps::testing::{messy_text, step};
    use proptest::prelude::*;

    fn chain(steps: &[(&str, &str)]) -> Chain {
        let placed: Vec<PlacedStep> = (0..)
            .zip(steps)
            .map(|(index, (name, settings))| PlacedStep {
                index,
                step: step(name, settings),
                asks: Vec::new(),
                adds: Vec::new(),
            })
            .collect();
        Chain::new(&placed)
    }

    fn links(chain: &Chain) -> Vec<(Range<usize>, bool)> {
        chain
            .links
            .iter()
            .map(|link| (link.steps.clone(), link.sweep.is_some()))
            .collect()
    }

    #[test]
    fn neighbours_in_order_are_one_pass() {
        let clean = [
            ("normalize-unicode", "{}"),
            ("strip-control", "{}"),
            ("collapse-whitespace", "{}"),
            ("trim", "{}"),
        ];
        assert_eq!(links(&chain(&clean)), [(0..4, true)]);
        assert!(chain(&clean).sweep().is_some());
        assert_eq!(
            links(&chain(&[clean[2], clean[1], clean[3]])),
            [(0..1, true), (1..3, true)]
        );
        let other = ("length", r#"{"minimum":1}"#);
        let mixed = [other, other, clean[1], clean[2], other, clean[3]];
        assert_eq!(
            links(&chain(&mixed)),
            [(0..2, false), (2..4, true), (4..5, false), (5..6, true)]
        );
        assert!(chain(&mixed).sweep().is_none());
        assert_eq!(
            links(&chain(&[("normalize-unicode", r#"{"form":"nfkc"}"#), clean[3]])),
            [(0..1, false), (1..2, true)]
        );
    }

    #[test]
    fn the_time_of_a_pass_is_split_by_what_its_steps_take() {
        let chain = chain(&[("strip-control", "{}"), ("trim", "{}")]);
        let mut watches = chain.watch(100);
        assert_eq!(watches.manner(0), Manner::Apart);
        assert_eq!(
            (watches.manner(16), watches.manner(17)),
            (Manner::Timed, Manner::Untimed)
        );
        for (watch, nanoseconds) in watches.steps.iter_mut().zip([300, 100]) {
            *watch = Watch {
                entered: 100,
                timed: 1,
                nanoseconds,
            };
        }
        watches.passes[0] = Watch {
            entered: 99,
            timed: 9,
            nanoseconds: 900,
        };
        assert_eq!(chain.account(&watches), [(100, 300 + 7425), (100, 100 + 2475)]);
        // What was learned holds for later texts, none of which goes through the steps one by one.
        let mut watches = chain.watch(100);
        assert_eq!(watches.manner(0), Manner::Timed);
        watches.passes[0] = Watch {
            entered: 100,
            timed: 10,
            nanoseconds: 400,
        };
        assert_eq!(chain.account(&watches), [(0, 3000), (0, 1000)]);
    }

    /// What a text becomes, or the step at which it fails and why.
    fn result(workbench: &Workbench, text: &str, end: End) -> Result<String, (usize, String)> {
        match end {
            End::Text(extent) => Ok(workbench.text(text, &extent).to_owned()),
            End::Failed(step, failure) => Err((step, failure.message)),
            other => panic!("a map ended as {other:?}"),
        }
    }

    proptest! {
        #[test]
        fn a_chain_is_its_steps_one_by_one(text in messy_text(), record_bytes in prop_oneof![Just(1 << 20), 0_usize..20]) {
            let other = ("replace", r#"{"pattern":"b","replacement":" b "}"#);
            let mut context = Context::default();
            context.limits.record_bytes = record_bytes;
            for steps in [
                &[("normalize-unicode", "{}"), ("strip-control", "{}"), ("collapse-whitespace", "{}"), ("trim", "{}")][..],
                &[("strip-control", "{}"), ("trim", "{}"), other, ("collapse-whitespace", "{}"), ("trim", "{}")],
            ] {
                let chain = chain(steps);
                let field = |_| Value::Missing;
                let mut workbench = Workbench::default();
                let end = workbench.run(chain.steps(), &text, &field, &context, &mut [], false);
                let expected = result(&workbench, &text, end);
                for manner in [Manner::Untimed, Manner::Timed, Manner::Apart] {
                    let mut watches = chain.watch(1);
                    let end = workbench.follow(&chain, &text, &field, &context, &mut watches, manner);
                    let new = result(&workbench, &text, end);
                    prop_assert_eq!(&new, &expected);
                    let entered = new.as_ref().map_or_else(|(step, _)| step + 1, |_| steps.len());
                    for (index, (count, _)) in chain.account(&watches).into_iter().enumerate() {
                        prop_assert_eq!(count, u64::from(index < entered));
                    }
                }
            }
        }
    }
}
