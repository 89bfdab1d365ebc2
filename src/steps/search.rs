//! A search with a regular expression that can be stopped at any moment.
//!
//! A single search of the `regex` crate takes time linear in the text, but the factor is the size of the pattern: on one
//! MiB of `A`, one search for `(?:A+){3000}|` was measured to take 73 s, in which nothing can stop it. The search here looks
//! at the clock as it goes, and is used where the fast search could take too long. It has two engines: a deterministic
//! automaton whose states are made when they are first needed (`lazy.rs`), which costs about as much as the fast search, and the
//! threads of a nondeterministic one (`pike.rs`), slower by far, for what the first cannot do: word boundaries beside
//! characters that are not ASCII, groups, and patterns of which nearly every byte makes a new state. Where the first
//! can tell that there is nothing to be found, the second is spared.

mod lazy;
mod pike;
#[cfg(test)]
mod tests;

use super::guard::{Guard, Stop};
use lazy::{Caches, Lazy};
use pike::{Pike, Threads};
use regex_automata::nfa::thompson::{self, NFA};
use regex_automata::util::pool::{Pool, PoolGuard};
use regex_automata::util::syntax;
use regex_syntax::hir::{Hir, HirKind, LookSet};

/// A regular expression, ready for searches that can be stopped.
pub(super) struct Search {
    pike: Pike,
    lazy: Option<Lazy>,
    /// States that one text needed are there for the next.
    memories: Pool<Memory, MakeMemory>,
}

type MakeMemory = Box<dyn Fn() -> Memory + Send + Sync>;

/// The memory of the searches on one text. It returns to the search when it is dropped.
pub(super) type BorrowedMemory<'s> = PoolGuard<'s, Memory, MakeMemory>;

/// The memory of searches.
pub(super) struct Memory {
    threads: Threads,
    caches: Option<Caches>,
    /// Whether the lazy automaton is of no use on this text.
    exhausted: bool,
}

impl Search {
    /// A search for a pattern, of which the groups with these numbers are wanted besides the whole match.
    pub(super) fn new(
        pattern: &str,
        syntax: syntax::Config,
        size_limit: usize,
        groups: &[usize],
    ) -> Result<Self, String> {
        let parsed = syntax::parse_with(pattern, &syntax).map_err(|error| error.to_string())?;
        let config = thompson::Config::new().nfa_size_limit(Some(size_limit));
        let compile = |hir: &Hir, config: thompson::Config| NFA::compiler().configure(config).build_from_hir(hir);
        let automaton = compile(&parsed, config.clone()).map_err(|error| error.to_string())?;
        // A pattern that is too large backwards only, or for the lazy automaton, is searched for thread by thread.
        let bare = config.clone().which_captures(thompson::WhichCaptures::None);
        let sieve = automaton
            .look_set_any()
            .contains_word_unicode()
            .then(|| compile(&without_word_boundaries(&parsed), bare.clone()).ok())
            .flatten();
        let lazy = compile(&parsed, bare.reverse(true))
            .ok()
            .and_then(|backwards| Lazy::new(&automaton, &backwards, sieve.as_ref()));
        let pike = Pike::new(automaton, groups);
        let make = {
            let (pike, lazy) = (pike.clone(), lazy.clone());
            move || Memory {
                threads: pike.threads(),
                caches: lazy.as_ref().map(Lazy::caches),
                exhausted: false,
            }
        };
        Ok(Self {
            pike,
            lazy,
            memories: Pool::new(Box::new(make)),
        })
    }

    /// How many states the automaton has: the factor of the time a search may take.
    pub(super) fn states(&self) -> usize {
        self.pike.states()
    }

    /// Memory for the searches on one text.
    pub(super) fn memory(&self) -> BorrowedMemory<'_> {
        let mut memory = self.memories.get();
        memory.exhausted = false;
        memory
    }

    /// Finds the leftmost match that begins at `from`, a character boundary, or later. Start and end of the match and of the
    /// groups that were asked for are written to `found`, [`usize::MAX`] for a group that took no part.
    pub(super) fn find(
        &self,
        text: &str,
        mut from: usize,
        memory: &mut Memory,
        guard: &mut Guard<'_>,
        found: &mut Vec<usize>,
    ) -> Result<bool, Stop> {
        let Memory {
            threads,
            caches,
            exhausted,
        } = memory;
        loop {
            // Where the threads may hand over to the automata again.
            let mut resume_after = usize::MAX;
            let lazy = self.lazy.as_ref().filter(|_| !*exhausted);
            if let (Some(lazy), Some(caches)) = (lazy, &mut *caches) {
                match lazy.find(text, from, caches, guard)? {
                    lazy::Outcome::Nothing => return Ok(false),
                    lazy::Outcome::Found(range) if self.pike.wants_groups() => from = range.start,
                    lazy::Outcome::Found(range) => {
                        found.clear();
                        found.extend([range.start, range.end]);
                        return Ok(true);
                    }
                    lazy::Outcome::Unsure { clean, at } => (from, resume_after) = (clean, at),
                    lazy::Outcome::Exhausted { clean } => (from, *exhausted) = (clean, true),
                }
            }
            let may_end = |at| at > resume_after && lazy.is_some_and(|lazy| lazy.can_resume(text, at));
            match self.pike.find(text, from, may_end, threads, guard, found)? {
                pike::Outcome::Nothing => return Ok(false),
                pike::Outcome::Found => return Ok(true),
                pike::Outcome::NoneUntil(at) => from = at,
            }
        }
    }
}

/// A pattern that matches wherever another does, and reads no word boundary.
fn without_word_boundaries(pattern: &Hir) -> Hir {
    let all = |parts: &[Hir]| parts.iter().map(without_word_boundaries).collect();
    match pattern.kind() {
        HirKind::Look(look) if LookSet::singleton(*look).contains_word() => Hir::empty(),
        HirKind::Empty | HirKind::Literal(_) | HirKind::Class(_) | HirKind::Look(_) => pattern.clone(),
        HirKind::Repetition(repetition) => Hir::repetition(repetition.with(without_word_boundaries(&repetition.sub))),
        HirKind::Capture(group) => without_word_boundaries(&group.sub),
        HirKind::Concat(parts) => Hir::concat(all(parts)),
        HirKind::Alternation(parts) => Hir::alternation(all(parts)),
    }
}
