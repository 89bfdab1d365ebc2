//! The names of steps: folding, look-up, collisions, and the nearest name to a mistyped one.

use crate::error::{PluginError, PluginFault, Result, shown};
use crate::plugins::{Discovery, Finding, Host, Plugin, Severity};
use crate::step::distribution_with_version;
use crate::steps::{self, BuiltIn};
use std::sync::Arc;

/// The distribution under which the built-ins are named: `text-processor/trim-lines`.
pub const OWN_DISTRIBUTION: &str = "text-processor";

/// What the name of a step stands for.
#[derive(Debug, Clone)]
pub enum Resolved {
    /// A step that ships in the engine.
    BuiltIn(&'static BuiltIn),
    /// A step that another distribution ships.
    Plugin(Plugin),
}

/// Folds a name, so that `-`, `_`, `.` and case make no difference. This is the normalisation that Python's packaging
/// applies to the names of distributions (PEP 503).
#[must_use]
pub fn fold(name: &str) -> String {
    let mut folded = String::with_capacity(name.len());
    for character in name.chars() {
        if matches!(character, '-' | '_' | '.') {
            if !folded.ends_with('-') {
                folded.push('-');
            }
        } else {
            folded.extend(character.to_lowercase());
        }
    }
    folded
}

/// The nearest of `candidates` to a mistyped name, if one is near enough to be meant.
///
/// Near enough is a name that is equal once folded, one in which at most a third of the characters differ, or one made of
/// the same words in another order. Of equally near names the alphabetically first is returned.
#[must_use]
pub fn nearest<'c>(name: &str, candidates: impl IntoIterator<Item = &'c str>) -> Option<String> {
    let wanted = fold(name);
    let limit = wanted.chars().count().max(3) / 3;
    candidates
        .into_iter()
        .filter_map(|candidate| {
            let folded = fold(candidate);
            let distance = strsim::osa_distance(&wanted, &folded);
            if distance <= limit {
                Some((distance, candidate))
            } else {
                (sorted_words(&wanted) == sorted_words(&folded)).then_some((limit, candidate))
            }
        })
        .min()
        .map(|(_, candidate)| candidate.to_owned())
}

fn sorted_words(folded: &str) -> Vec<&str> {
    let mut words: Vec<&str> = folded.split('-').collect();
    words.sort_unstable();
    words
}

/// Splits a step's name, folded, into the distribution, if it says one, and the short name.
#[must_use]
pub fn split_name(name: &str) -> (Option<String>, String) {
    match name.trim().split_once('/').or_else(|| name.trim().split_once(':')) {
        Some((distribution, short)) => (Some(fold(distribution.trim())), fold(short.trim())),
        None => (None, fold(name.trim())),
    }
}

/// Finds what a name stands for. A built-in's name never asks the host, so that a pipeline of built-ins discovers nothing.
///
/// A short name works while one installed distribution offers it; `distribution/name` (or `distribution:name`) always
/// names one. The names of built-ins are reserved: a plugin that has one of them is reached by its canonical name only.
pub fn resolve(name: &str, host: &dyn Host) -> Result<Resolved> {
    resolve_with(name, || host.discover())
}

/// Does what [`resolve`] does, and asks for what is installed only if it has to know.
pub(crate) fn resolve_with(name: &str, discover: impl FnOnce() -> Result<Arc<Discovery>>) -> Result<Resolved> {
    let (distribution, short) = split_name(name);
    if short.is_empty() {
        return Err(not_found(name, "The name of a step is missing.", None, LIST_HINT.to_owned()).into());
    }
    if distribution.as_deref().is_none_or(|name| name == OWN_DISTRIBUTION) {
        if let Some(built_in) = steps::built_in(&short) {
            return Ok(Resolved::BuiltIn(built_in));
        }
        if distribution.is_some() {
            let message = format!("`{OWN_DISTRIBUTION}` has no built-in step called `{}`.", shown(&short));
            let suggestion = nearest(&short, steps::REGISTER.iter().map(|step| step.name));
            return Err(not_found(name, &message, suggestion, LIST_HINT.to_owned()).into());
        }
    }
    let discovery = discover()?;
    let found: Vec<&Plugin> = discovery
        .plugins
        .iter()
        .filter(|plugin| match (&distribution, split_name(&plugin.name)) {
            (Some(distribution), (Some(offered_by), offered)) => *distribution == offered_by && short == offered,
            (None, (_, offered)) => short == offered,
            (Some(_), (None, _)) => false,
        })
        .collect();
    match found.as_slice() {
        [] => Err(nothing_found(name, distribution.as_deref(), &short, &discovery).into()),
        [plugin] => Ok(Resolved::Plugin((*plugin).clone())),
        several => Err(collision(name, &short, several).into()),
    }
}

const LIST_HINT: &str = "`text-processor plugins list` shows the steps that can be used.";

fn not_found(name: &str, message: &str, suggestion: Option<String>, hint: String) -> PluginError {
    let message = match suggestion {
        Some(suggestion) => format!("{message} Did you mean `{}`?", shown(&suggestion)),
        None => message.to_owned(),
    };
    PluginError::new(PluginFault::NotFound, name, message).with_hint(hint)
}

fn nothing_found(name: &str, distribution: Option<&str>, short: &str, discovery: &Discovery) -> PluginError {
    let plugins = &discovery.plugins;
    let offered_by = distribution.and_then(|wanted| plugins.iter().find(|plugin| fold(&plugin.distribution) == wanted));
    let message = match offered_by {
        Some(plugin) => format!(
            "Distribution `{}` offers no step called `{}`.",
            distribution_with_version(&plugin.distribution, plugin.version.as_deref()),
            shown(short)
        ),
        None => format!("No step is called `{}`.", shown(name)),
    };
    let suggestion = if distribution.is_some() {
        nearest(name, plugins.iter().map(|plugin| plugin.name.as_str())).or_else(|| {
            let same_step = |plugin: &&Plugin| split_name(&plugin.name).1 == short;
            plugins.iter().find(same_step).map(|plugin| plugin.name.clone())
        })
    } else {
        let short_names: Vec<String> = plugins.iter().map(|plugin| split_name(&plugin.name).1).collect();
        let built_ins = steps::REGISTER.iter().map(|step| step.name);
        nearest(name, built_ins.chain(short_names.iter().map(String::as_str)))
    };
    let explains = |finding: &&Finding| {
        finding.severity == Severity::Error
            && match (distribution, &finding.distribution) {
                (Some(wanted), Some(found)) => fold(found) == wanted,
                _ => true,
            }
    };
    let hint = match discovery.findings.iter().filter(explains).count() {
        0 => LIST_HINT.to_owned(),
        1 => "One problem was found in what is installed, which may hide the step: \
              `text-processor plugins doctor` shows it."
            .to_owned(),
        count => format!(
            "{count} problems were found in what is installed, which may hide the step: \
             `text-processor plugins doctor` shows them."
        ),
    };
    not_found(name, &message, suggestion, hint)
}

fn collision(name: &str, short: &str, several: &[&Plugin]) -> PluginError {
    let mut canonical: Vec<&str> = several.iter().map(|plugin| plugin.name.as_str()).collect();
    canonical.dedup();
    if let [only] = canonical.as_slice() {
        let entries: Vec<String> = several
            .iter()
            .map(|plugin| format!("`{} = {}`", shown(&plugin.short_name), shown(&plugin.entry_point)))
            .collect();
        let first = several[0];
        let message = format!(
            "Distribution `{}` registers the step `{}` {} times: {}.",
            distribution_with_version(&first.distribution, first.version.as_deref()),
            shown(only),
            several.len(),
            listed(&entries, "and")
        );
        let mut error = PluginError::new(PluginFault::Collision, name, message).with_hint(
            "Its author must give each step a name of its own; case, `-`, `_` and `.` make no difference in names.",
        );
        error.distribution = Some(first.distribution.clone());
        error.version.clone_from(&first.version);
        return error;
    }
    let distributions: Vec<String> = several
        .iter()
        .map(|plugin| {
            format!(
                "`{}`",
                distribution_with_version(&plugin.distribution, plugin.version.as_deref())
            )
        })
        .collect();
    let message = format!(
        "Several distributions offer a step called `{}`: {}.",
        shown(short),
        listed(&distributions, "and")
    );
    let ways: Vec<String> = canonical.iter().map(|name| format!("`{}`", shown(name))).collect();
    PluginError::new(PluginFault::Collision, name, message)
        .with_hint(format!("Say which: write {}.", listed(&ways, "or")))
}

/// Joins what is to be read as a list: `a, b and c`.
#[must_use]
pub fn listed(items: &[String], conjunction: &str) -> String {
    match items {
        [] => String::new(),
        [only] => only.clone(),
        [first @ .., last] => format!("{} {conjunction} {last}", first.join(", ")),
    }
}

#[cfg(test)]
mod tests;
