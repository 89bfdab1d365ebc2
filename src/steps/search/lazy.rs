//! A deterministic automaton whose states are made when a text first needs them, searched so that it can be stopped.
//!
//! The loops of `regex-automata` itself cannot be, so that only its transitions are used. What takes long in one of these is
//! the making of a state, which is linear in the size of the pattern.

use crate::steps::guard::{Guard, Stop};
use regex_automata::hybrid::LazyStateID;
use regex_automata::hybrid::dfa::{Cache, Config, DFA};
use regex_automata::nfa::thompson::NFA;
use regex_automata::{Anchored, Input, MatchErrorKind, MatchKind};
use std::ops::Range;

/// How many bytes are read between two looks at the guard, and at whether a match may be under way. It also bounds how often
/// bytes are read in vain: of more searches than this, two began a multiple of it apart, and the first looked where the second began.
const STRIDE: usize = 64;

/// The most memory that the states of one automaton take. When it is full, they are made anew.
const CACHE_CAPACITY: usize = 1 << 20;

/// When states are forgotten this often, and each was of use for a few bytes only, the automaton gives up.
const CLEARINGS: usize = 3;
const BYTES_PER_STATE: usize = 10;

/// A transition from a state that is special costs little if the next state was made, and as much as a pattern has states if not.
/// It cannot be told beforehand, so that it counts as this part of the most.
const SPECIAL_SHARE: usize = 16;

/// How much ASCII must be ahead for an automaton that reads nothing else.
const CALM: usize = 16;

/// What a search came to.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Outcome {
    /// The leftmost match.
    Found(Range<usize>),
    /// There is no match.
    Nothing,
    /// No match begins before `clean`. Beyond that nothing is known, because the automaton cannot cope with what is at `at`.
    Unsure { clean: usize, at: usize },
    /// The same, but there is no use in trying the automaton again on this text.
    Exhausted { clean: usize },
}

/// A pattern as automata.
#[derive(Clone)]
pub(super) struct Lazy {
    /// Finds where a match ends.
    forwards: DFA,
    /// Finds where it begins.
    backwards: DFA,
    /// Finds where a match would end soonest if word boundaries were everywhere; it can read every character.
    sieve: Option<DFA>,
    /// The most work it takes to make a state.
    states: usize,
    /// Whether `forwards` cannot read characters that are not ASCII: only beside these do ASCII's word boundaries and Unicode's differ.
    picky: bool,
}

/// The states that were made so far.
pub(super) struct Caches {
    forwards: Cache,
    backwards: Cache,
    sieve: Option<Cache>,
}

/// Where a match ends.
enum End {
    /// Here; and no match begins before `clean`.
    At { end: usize, clean: usize },
    /// Nowhere.
    Nowhere,
    /// It cannot be told.
    Unknown(Outcome),
}

impl Lazy {
    /// Makes the automata of a pattern from those that `regex-automata` compiled for it, forwards, backwards and without
    /// word boundaries; `None` if that is not possible.
    pub(super) fn new(forwards: &NFA, backwards: &NFA, sieve: Option<&NFA>) -> Option<Self> {
        let config = Config::new()
            .unicode_word_boundary(true)
            .cache_capacity(CACHE_CAPACITY)
            .skip_cache_capacity_check(true)
            .minimum_cache_clear_count(Some(CLEARINGS))
            .minimum_bytes_per_state(Some(BYTES_PER_STATE));
        let build = |config: &Config, automaton: &NFA| {
            DFA::builder()
                .configure(config.clone())
                .build_from_nfa(automaton.clone())
                .ok()
        };
        Some(Self {
            states: forwards.states().len().max(backwards.states().len()),
            picky: forwards.look_set_any().contains_word_unicode(),
            forwards: build(&config, forwards)?,
            // A sieve through which nothing falls is none.
            sieve: sieve
                .filter(|sieve| !sieve.has_empty())
                .and_then(|sieve| build(&config, sieve)),
            backwards: build(&config.match_kind(MatchKind::All), backwards)?,
        })
    }

    /// Memory for the states.
    pub(super) fn caches(&self) -> Caches {
        Caches {
            forwards: self.forwards.create_cache(),
            backwards: self.backwards.create_cache(),
            sieve: self.sieve.as_ref().map(DFA::create_cache),
        }
    }

    /// Whether a search had better begin at a place, a character boundary, after one that was [`Outcome::Unsure`].
    pub(super) fn can_resume(&self, text: &str, at: usize) -> bool {
        self.sieve.is_some() || is_calm(text, at)
    }

    /// Finds the leftmost match that begins at `from`, a character boundary, or later.
    pub(super) fn find(
        &self,
        text: &str,
        from: usize,
        caches: &mut Caches,
        guard: &mut Guard<'_>,
    ) -> Result<Outcome, Stop> {
        let mut clean = from;
        if self.sieve.is_none() || !self.picky || is_calm(text, from) {
            match self.end(&self.forwards, text, from, &mut caches.forwards, guard)? {
                End::At { end, .. } => {
                    // A match of nothing may be inside a character, where there is none.
                    let start = self.start(text, from..end, &mut caches.backwards, guard)?;
                    return Ok(match start.filter(|_| text.is_char_boundary(end)) {
                        Some(start) => Outcome::Found(start..end),
                        None => Outcome::Unsure { clean: from, at: end },
                    });
                }
                End::Nowhere => return Ok(Outcome::Nothing),
                End::Unknown(Outcome::Unsure { clean: until, .. }) if self.sieve.is_some() => clean = until,
                End::Unknown(outcome) => return Ok(outcome),
            }
        }
        let (Some(sieve), Some(cache)) = (&self.sieve, &mut caches.sieve) else {
            // Without a sieve, the search has returned above.
            return Ok(Outcome::Exhausted { clean });
        };
        Ok(match self.end(sieve, text, clean, cache, guard)? {
            End::At { end, clean } => Outcome::Unsure { clean, at: end },
            End::Nowhere => Outcome::Nothing,
            End::Unknown(outcome) => outcome,
        })
    }

    /// Where the leftmost match ends, or, if the automaton is the sieve, the match that ends first.
    fn end(
        &self,
        automaton: &DFA,
        text: &str,
        from: usize,
        cache: &mut Cache,
        guard: &mut Guard<'_>,
    ) -> Result<End, Stop> {
        let bytes = text.as_bytes();
        let is_sieve = !std::ptr::eq(automaton, &raw const self.forwards);
        let (mut at, mut clean, mut end) = (from, from, None);
        let unsure = |clean, at| Ok(End::Unknown(Outcome::Unsure { clean, at }));
        let exhausted = |clean| Ok(End::Unknown(Outcome::Exhausted { clean }));
        let mut state = match automaton.start_state_forward(cache, &Input::new(text).range(from..)) {
            Ok(state) => state,
            Err(error) if matches!(error.kind(), MatchErrorKind::Quit { .. }) => return unsure(clean, at),
            Err(_) => return exhausted(clean),
        };
        cache.search_start(at);
        while at < bytes.len() {
            let until = bytes.len().min(at + STRIDE);
            guard.spend(until - at)?;
            while at < until {
                let mut next = state;
                if !state.is_tagged() {
                    next = automaton.next_state_untagged(cache, state, bytes[at]);
                    if !next.is_tagged() {
                        state = next;
                        at += 1;
                        continue;
                    }
                }
                if state.is_tagged() || next.is_unknown() {
                    let share = if state.is_tagged() { SPECIAL_SHARE } else { 1 };
                    guard.spend(self.states / share)?;
                    cache.search_update(at);
                    match automaton.next_state(cache, state, bytes[at]) {
                        Ok(made) => next = made,
                        Err(_) => return exhausted(clean),
                    }
                }
                state = next;
                if state.is_match() {
                    // A match is told with the byte after it.
                    end = Some(at);
                }
                if state.is_dead() || (is_sieve && end.is_some()) {
                    cache.search_finish(at);
                    return Ok(end.map_or(End::Nowhere, |end| End::At { end, clean }));
                }
                if state.is_quit() {
                    cache.search_finish(at);
                    return unsure(clean, at);
                }
                at += 1;
            }
            if self.picky && end.is_none() {
                match is_start(automaton, text, at, state, cache) {
                    Some(true) => clean = at,
                    Some(false) => {}
                    None => return unsure(clean, at),
                }
            }
        }
        cache.search_finish(at);
        match automaton.next_eoi_state(cache, state) {
            Ok(state) if state.is_match() => end = Some(at),
            Ok(_) => {}
            Err(_) => return exhausted(clean),
        }
        Ok(end.map_or(End::Nowhere, |end| End::At { end, clean }))
    }

    /// Where the match begins that ends where the range does; `None` if it cannot be told.
    fn start(
        &self,
        text: &str,
        range: Range<usize>,
        cache: &mut Cache,
        guard: &mut Guard<'_>,
    ) -> Result<Option<usize>, Stop> {
        let input = Input::new(text).range(range.clone()).anchored(Anchored::Yes);
        let Ok(mut state) = self.backwards.start_state_reverse(cache, &input) else {
            return Ok(None);
        };
        let mut start = None;
        cache.search_start(range.end);
        // The byte before the range is read too: it tells whether what precedes is a word or a line.
        for at in (range.start.saturating_sub(1)..range.end).rev() {
            guard.spend(1 + self.states / SPECIAL_SHARE)?;
            cache.search_update(at);
            match self.backwards.next_state(cache, state, text.as_bytes()[at]) {
                Ok(next) => state = next,
                Err(_) => return Ok(None),
            }
            if state.is_match() {
                start = Some(at + 1);
            } else if state.is_dead() {
                cache.search_finish(at);
                return Ok(start);
            } else if state.is_quit() {
                cache.search_finish(at);
                return Ok(None);
            }
        }
        cache.search_finish(range.start);
        if range.start == 0 {
            match self.backwards.next_eoi_state(cache, state) {
                Ok(state) if state.is_match() => start = Some(0),
                Ok(_) => {}
                Err(_) => return Ok(None),
            }
        }
        Ok(start)
    }
}

/// Whether a state is the one in which a search would begin at a place, so that no match that began before is under way.
/// `None` if the state was forgotten in the attempt.
fn is_start(automaton: &DFA, text: &str, at: usize, state: LazyStateID, cache: &mut Cache) -> Option<bool> {
    let clearings = cache.clear_count();
    let start = automaton.start_state_forward(cache, &Input::new(text).range(at..));
    (cache.clear_count() == clearings).then(|| start.is_ok_and(|start| start == state))
}

/// Whether the character before a place, if there is one, and some after it are ASCII.
fn is_calm(text: &str, at: usize) -> bool {
    let end = text.len().min(at + CALM);
    text.as_bytes()[at.saturating_sub(1)..end].is_ascii()
}
