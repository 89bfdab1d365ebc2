//! `replace`: replaces what a regular expression finds.
//!
//! Neither a hostile pattern nor a hostile text can hang it: a pattern that compiles to more than 1 MiB is an error,
//! and a record on which the step takes longer than its `timeout` fails. Between two matches the clock is read. Within one search it
//! cannot be, so a search that could take a large part of the budget (the size of the automaton times the length of
//! the text tells) is done by the one in `search.rs`, which can be stopped.

use crate::error::{ConfigError, Failure, FailureKind, Result};
use crate::record::Value;
use crate::step::{Configuration, Declaration, Kind, Scratch, Stage, Step, Verdict};
use crate::steps::guard::{self, Guard, Stop};
use crate::steps::replacement::Replacement;
use crate::steps::rewrite::{Rewrite, output_limit};
use crate::steps::search::{BorrowedMemory, Search};
use crate::steps::{BuiltIn, configuration};
use regex::{CaptureLocations, Regex, RegexBuilder};
use regex_automata::util::syntax;
use serde::{Deserialize, Serialize};
use std::ops::Range;
use std::sync::Arc;
use std::time::Duration;

/// The register's entry.
pub const BUILT_IN: BuiltIn = BuiltIn {
    name: "replace",
    declare,
    build,
};

/// The most memory that a compiled pattern may take.
const SIZE_LIMIT: usize = 1 << 20;

/// How much of its worst case (states of the automaton times bytes of the text) the fast search does in a second at least.
/// Measured were 80 to 140 million on one core of a small server.
const WORK_PER_SECOND: u128 = 60_000_000;

/// One search that cannot be stopped may take one part in so many of the budget.
const PARTS_OF_BUDGET: u128 = 4;

#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
struct Settings {
    pattern: String,
    #[serde(default)]
    replacement: String,
    #[serde(default)]
    literal: bool,
    #[serde(default)]
    ignore_case: bool,
    #[serde(default)]
    limit: Option<usize>,
    #[serde(default = "guard::default_timeout")]
    timeout: f64,
}

fn declare() -> Declaration {
    let mut declaration = Declaration::built_in(
        "replace",
        Kind::Map,
        Stage::Transform,
        "Replaces what a regular expression finds.",
    );
    declaration.parameters = vec![
        configuration::required(
            "pattern",
            "text",
            "The regular expression, in the syntax of Rust's `regex`.",
        ),
        configuration::parameter(
            "replacement",
            "text",
            "",
            "What is put in its place; `$1` or `${name}` is what a group matched, `$$` is a dollar sign.",
        ),
        configuration::parameter(
            "literal",
            "boolean",
            false,
            "Whether `pattern` and `replacement` are plain text.",
        ),
        configuration::parameter("ignore-case", "boolean", false, "Whether case makes no difference."),
        configuration::parameter(
            "limit",
            "integer of at least 0",
            serde_json::Value::Null,
            "How many matches are replaced, from the start; all if it is not given.",
        ),
        guard::timeout_parameter(),
    ];
    declaration
}

fn build(given: &Configuration) -> Result<Arc<dyn Step>, ConfigError> {
    let declaration = declare();
    let settings: Settings = configuration::read(&declaration, given)?;
    let budget = guard::budget("replace", settings.timeout)?;
    let pattern = if settings.literal {
        regex::escape(&settings.pattern)
    } else {
        settings.pattern.clone()
    };
    let regex = RegexBuilder::new(&pattern)
        .case_insensitive(settings.ignore_case)
        .size_limit(SIZE_LIMIT)
        .build()
        .map_err(|error| explain(&settings.pattern, &error))?;
    let replacement = if settings.literal {
        Replacement::literal(&settings.replacement)
    } else {
        Replacement::parse(&settings.replacement, &regex)?
    };
    let syntax = syntax::Config::new().case_insensitive(settings.ignore_case);
    let search = Search::new(&pattern, syntax, SIZE_LIMIT, replacement.groups()).map_err(|error| {
        // The same compiler with the same settings accepted the pattern just before.
        configuration::wrong(
            "replace",
            "pattern",
            "a regular expression",
            &format!("an error: {error}"),
        )
    })?;
    Ok(Arc::new(Replace {
        fast_length: fast_length(budget, search.states()),
        declaration,
        settings,
        budget,
        regex,
        replacement,
        search,
    }))
}

/// The longest text on which one search by the `regex` crate, with an automaton of so many states, takes no more than its part
/// of the budget.
fn fast_length(budget: Duration, states: usize) -> usize {
    let nanoseconds = budget.as_nanos() / PARTS_OF_BUDGET;
    let length = nanoseconds.saturating_mul(WORK_PER_SECOND) / 1_000_000_000 / states.max(1) as u128;
    usize::try_from(length).unwrap_or(usize::MAX)
}

/// What is wrong with a pattern, in the words of the `regex` crate.
fn explain(pattern: &str, error: &regex::Error) -> ConfigError {
    let regex::Error::Syntax(text) = error else {
        let error = ConfigError::new(format!(
            "The value of `pattern` for step `replace` is too large: `{}` takes more than {SIZE_LIMIT} bytes when compiled.",
            crate::error::shorten(pattern.escape_debug().to_string(), 200)
        ));
        return error
            .with_key("pattern")
            .with_hint("Counted repetitions such as `{100}` multiply; `(?-u:\\w)` is smaller than `\\w`.");
    };
    // The text is a heading, the pattern with marks under the mistake, and the reason.
    let (place, reason) = text.trim_end().rsplit_once("error: ").unwrap_or(("", text));
    let mut error = ConfigError::new(format!(
        "The value of `pattern` for step `replace` is no regular expression: {}.",
        reason.trim_end_matches('.')
    ))
    .with_key("pattern");
    error.snippet = place
        .split_once('\n')
        .map(|(_, place)| place.trim_end().to_owned())
        .filter(|place| !place.is_empty());
    if reason.starts_with("look-around") {
        error = error.with_hint(
            "Look-around is not supported, because it cannot be searched for in linear time. Match what stands around in \
             groups and put it back: `(\\d+)(?: EUR)` with the replacement `$1`.",
        );
    } else if reason.starts_with("backreferences") {
        error =
            error.with_hint("Backreferences are not supported, because they cannot be searched for in linear time.");
    }
    error
}

struct Replace {
    declaration: Declaration,
    settings: Settings,
    budget: Duration,
    regex: Regex,
    replacement: Replacement,
    search: Search,
    /// The longest text on which no single search by `regex` can take a large part of the budget.
    fast_length: usize,
}

/// The two ways to search.
enum Engine<'r> {
    Fast {
        groups: Option<CaptureLocations>,
    },
    Stoppable {
        memory: BorrowedMemory<'r>,
        found: Vec<usize>,
    },
}

impl Replace {
    fn engine(&self, text: &str) -> Engine<'_> {
        if text.len() <= self.fast_length {
            Engine::Fast { groups: None }
        } else {
            Engine::Stoppable {
                memory: self.search.memory(),
                found: Vec::new(),
            }
        }
    }

    /// The next match that begins at `from` or later. The engine knows its groups afterwards.
    fn find(
        &self,
        engine: &mut Engine<'_>,
        text: &str,
        from: usize,
        guard: &mut Guard<'_>,
    ) -> Result<Option<Range<usize>>, Stop> {
        match engine {
            Engine::Fast { groups } => {
                let found = self.regex.find_at(text, from).map(|found| found.range());
                if let (Some(found), false) = (&found, self.replacement.groups().is_empty()) {
                    let groups = groups.get_or_insert_with(|| self.regex.capture_locations());
                    self.regex.captures_read_at(groups, text, found.start);
                }
                Ok(found)
            }
            Engine::Stoppable { memory, found } => {
                let matched = self.search.find(text, from, memory, guard, found)?;
                Ok(matched.then(|| found[0]..found[1]))
            }
        }
    }

    /// Replaces. Fails if the step must stop, or with `None` if the new text becomes too large.
    fn replace<'t>(
        &self,
        text: &'t str,
        new: &mut Rewrite<'t>,
        limit: usize,
        guard: &mut Guard<'_>,
    ) -> Result<(), Option<Stop>> {
        let mut engine = self.engine(text);
        let mut filled = String::new();
        let (mut kept, mut from, mut last_end) = (0, 0, None);
        let mut left = self.settings.limit.unwrap_or(usize::MAX);
        while left > 0 {
            let Some(found) = self.find(&mut engine, text, from, guard).map_err(Some)? else {
                break;
            };
            guard.check().map_err(Some)?;
            if found.is_empty() && last_end == Some(found.end) {
                // A match of nothing right after a match counts as a part of it, as everywhere in `regex`.
                let Some(next) = text[found.end..].chars().next() else {
                    break;
                };
                from = found.end + next.len_utf8();
                continue;
            }
            filled.clear();
            self.replacement.fill(&mut filled, |group| match &engine {
                _ if group == 0 => Some(&text[found.clone()]),
                Engine::Fast { groups } => groups
                    .as_ref()
                    .and_then(|groups| groups.get(group))
                    .map(|(start, end)| &text[start..end]),
                Engine::Stoppable { found, .. } => {
                    let place = self.replacement.groups().iter().position(|&wanted| wanted == group)?;
                    text.get(found[2 * place + 2]..found[2 * place + 3])
                }
            });
            from = found.end;
            last_end = Some(found.end);
            left -= 1;
            if filled != text[found.clone()] {
                new.keep(kept..found.start);
                new.write(&filled);
                kept = found.end;
            }
            if new.len() > limit {
                return Err(None);
            }
        }
        new.keep(kept..text.len());
        if new.len() > limit { Err(None) } else { Ok(()) }
    }
}

impl Step for Replace {
    fn declaration(&self) -> &Declaration {
        &self.declaration
    }

    fn configuration(&self) -> Configuration {
        configuration::write(&self.settings)
    }

    fn apply<'t>(&self, text: &'t str, _asked: &[Value], scratch: &'t mut Scratch<'_>) -> Result<Verdict<'t>, Failure> {
        let limit = output_limit(text.len());
        let mut guard = Guard::new(self.budget, scratch.cancel);
        let mut new = Rewrite::new(text, scratch);
        match self.replace(text, &mut new, limit, &mut guard) {
            Ok(()) => Ok(Verdict::Text(new.finish())),
            Err(None) => Err(new.too_large(limit)),
            Err(Some(stop)) => {
                new.abandon();
                Err(match stop {
                    Stop::Deadline => Failure::new(
                        FailureKind::StepTimeout,
                        format!("Replacing took longer than {} s.", self.budget.as_secs_f64()),
                    )
                    .with_hint("Raise `timeout`, or make `pattern` simpler."),
                    Stop::Cancelled => Failure::new(
                        FailureKind::StepTimeout,
                        "The run was stopped while this record was being searched.",
                    ),
                })
            }
        }
    }
}

#[cfg(test)]
mod tests;
