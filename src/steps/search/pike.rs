//! A search thread by thread (Pike's method) on the automaton of the `regex` crate. Its time is the size of the pattern times
//! the length of the text, whatever they are, and it can be stopped after each step of a thread.

use crate::steps::guard::{Guard, Stop};
use regex_automata::nfa::thompson::{NFA, State};
use regex_automata::util::primitives::StateID;

/// What stands for "this group took part in no match".
const ABSENT: usize = usize::MAX;

/// What a search came to.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Outcome {
    /// There is a match, and it was written down.
    Found,
    /// There is no match.
    Nothing,
    /// No match begins before this character boundary, at which the search was to end.
    NoneUntil(usize),
}

/// A regular expression, ready for searches thread by thread.
#[derive(Clone)]
pub(super) struct Pike {
    automaton: NFA,
    /// For each slot of the automaton, which place of a match it fills. Slots of groups nobody asked for fill none.
    places: Vec<Option<usize>>,
    /// How many places a match has: start and end of the whole match and of each group that was asked for.
    width: usize,
}

/// The memory of a search.
pub(super) struct Threads {
    current: Set,
    next: Set,
    stack: Vec<Frame>,
    fresh: Vec<usize>,
}

/// The threads of a search at one position, in the order of their priority, at most one per state.
struct Set {
    order: Vec<StateID>,
    /// Where in `order` each state stands, if it does: a sparse set, which is emptied without being cleared.
    position: Vec<usize>,
    /// What each thread has matched so far: `width` places per state.
    places: Vec<usize>,
    width: usize,
}

impl Set {
    fn new(states: usize, width: usize) -> Self {
        Self {
            order: Vec::with_capacity(states),
            position: vec![0; states],
            places: vec![ABSENT; states * width],
            width,
        }
    }

    /// Adds a state. Returns whether it was new.
    fn insert(&mut self, state: StateID) -> bool {
        let position = &mut self.position[state.as_usize()];
        if self.order.get(*position) == Some(&state) {
            return false;
        }
        *position = self.order.len();
        self.order.push(state);
        true
    }

    fn places(&self, state: StateID) -> &[usize] {
        &self.places[state.as_usize() * self.width..][..self.width]
    }

    fn places_mut(&mut self, state: StateID) -> &mut [usize] {
        &mut self.places[state.as_usize() * self.width..][..self.width]
    }
}

/// What is still to be done to follow the transitions that read nothing.
enum Frame {
    Follow(StateID),
    Restore { place: usize, value: usize },
}

impl Pike {
    /// A search with an automaton, of which the groups with these numbers are wanted besides the whole match.
    pub(super) fn new(automaton: NFA, groups: &[usize]) -> Self {
        let mut places = vec![None; automaton.group_info().slot_len()];
        let wanted = std::iter::once(&0).chain(groups);
        let mut width = 0;
        for (index, &group) in wanted.enumerate() {
            if let Some((start, end)) = automaton.group_info().slots(regex_automata::PatternID::ZERO, group) {
                places[start] = Some(2 * index);
                places[end] = Some(2 * index + 1);
            }
            width = 2 * index + 2;
        }
        Self {
            automaton,
            places,
            width,
        }
    }

    /// How many states the automaton has: the factor of the time a search may take.
    pub(super) fn states(&self) -> usize {
        self.automaton.states().len()
    }

    /// Whether groups are wanted besides the whole match.
    pub(super) fn wants_groups(&self) -> bool {
        self.width > 2
    }

    /// Memory for searches.
    pub(super) fn threads(&self) -> Threads {
        Threads {
            current: Set::new(self.states(), self.width),
            next: Set::new(self.states(), self.width),
            stack: Vec::new(),
            fresh: vec![ABSENT; self.width],
        }
    }

    /// Finds the leftmost match that begins at `from` or later. Start and end of the match and of the groups that were asked
    /// for are written to `found`, [`usize::MAX`] for a group that took no part. The search ends where it may and no match is
    /// under way.
    pub(super) fn find(
        &self,
        text: &str,
        from: usize,
        may_end: impl Fn(usize) -> bool,
        threads: &mut Threads,
        guard: &mut Guard<'_>,
        found: &mut Vec<usize>,
    ) -> Result<Outcome, Stop> {
        let Threads {
            current,
            next,
            stack,
            fresh,
        } = threads;
        current.order.clear();
        next.order.clear();
        let bytes = text.as_bytes();
        let mut matched = false;
        for at in from..=bytes.len() {
            if matched && current.order.is_empty() {
                break;
            }
            if !matched && current.order.is_empty() && text.is_char_boundary(at) && may_end(at) {
                return Ok(Outcome::NoneUntil(at));
            }
            // A match may begin here if none was found that began earlier; it has the lowest priority. A match of no
            // characters could begin inside a character, so that such places are left out.
            if !matched && text.is_char_boundary(at) {
                fresh.fill(ABSENT);
                self.follow(self.automaton.start_anchored(), fresh, bytes, at, current, stack, guard)?;
            }
            let byte = bytes.get(at).copied();
            for index in 0..current.order.len() {
                guard.spend(1)?;
                let state = current.order[index];
                let target = match (self.automaton.state(state), byte) {
                    (State::Match { .. }, _) => {
                        found.clear();
                        found.extend_from_slice(current.places(state));
                        matched = true;
                        // Threads of lower priority cannot win any more.
                        break;
                    }
                    (State::ByteRange { trans }, Some(byte)) => trans.matches_byte(byte).then_some(trans.next),
                    (State::Sparse(transitions), Some(byte)) => transitions.matches_byte(byte),
                    (State::Dense(transitions), Some(byte)) => transitions.matches_byte(byte),
                    _ => None,
                };
                if let Some(target) = target {
                    fresh.copy_from_slice(current.places(state));
                    self.follow(target, fresh, bytes, at + 1, next, stack, guard)?;
                }
            }
            std::mem::swap(current, next);
            next.order.clear();
        }
        Ok(if matched { Outcome::Found } else { Outcome::Nothing })
    }

    /// Adds a state and all that can be reached from it without reading anything, in the order of their priority.
    #[expect(
        clippy::too_many_arguments,
        reason = "they are the parts of one search, borrowed apart"
    )]
    fn follow(
        &self,
        state: StateID,
        places: &mut [usize],
        bytes: &[u8],
        at: usize,
        threads: &mut Set,
        stack: &mut Vec<Frame>,
        guard: &mut Guard<'_>,
    ) -> Result<(), Stop> {
        stack.clear();
        stack.push(Frame::Follow(state));
        while let Some(frame) = stack.pop() {
            let mut state = match frame {
                Frame::Follow(state) => state,
                Frame::Restore { place, value } => {
                    places[place] = value;
                    continue;
                }
            };
            loop {
                guard.spend(1)?;
                if !threads.insert(state) {
                    break;
                }
                match self.automaton.state(state) {
                    State::Union { alternates } => {
                        let Some((&first, others)) = alternates.split_first() else {
                            break;
                        };
                        stack.extend(others.iter().rev().copied().map(Frame::Follow));
                        state = first;
                    }
                    &State::BinaryUnion { alt1, alt2 } => {
                        stack.push(Frame::Follow(alt2));
                        state = alt1;
                    }
                    &State::Look { look, next } => {
                        if !self.automaton.look_matcher().matches(look, bytes, at) {
                            break;
                        }
                        state = next;
                    }
                    &State::Capture { next, slot, .. } => {
                        if let Some(place) = self.places[slot.as_usize()] {
                            let value = std::mem::replace(&mut places[place], at);
                            stack.push(Frame::Restore { place, value });
                        }
                        state = next;
                    }
                    State::Fail => break,
                    State::ByteRange { .. } | State::Sparse(_) | State::Dense(_) | State::Match { .. } => {
                        threads.places_mut(state).copy_from_slice(places);
                        break;
                    }
                }
            }
        }
        Ok(())
    }
}
