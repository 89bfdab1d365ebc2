//! Puts steps in order: checks a list against what its steps declare, or sorts by it, and says why each step stands where it stands.
//!
//! Both directions work on *nodes*: occurrences of one step that declare the same share a node, so that a step which is
//! listed often costs no more than one.

mod constraints;
mod cycle;

use crate::error::{PluginError, PluginFault};
use crate::step::{Declaration, Stage};
use constraints::{Constraint, Constraints, Why};
use std::cmp::Reverse;
use std::collections::BinaryHeap;

/// The steps of a pipeline in order.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Ordered {
    /// For each position, the index of its step in the pipeline.
    pub(super) steps: Vec<usize>,
    /// For each position, why the step stands there: finished sentences.
    pub(super) reasons: Vec<Vec<String>>,
    /// Constraints that hold for nothing, because the other step is absent: finished sentences.
    pub(super) inactive: Vec<String>,
}

/// An order that cannot be, and the index of the step in the pipeline at which to point.
#[derive(Debug)]
pub(super) struct Fault {
    pub(super) step: usize,
    pub(super) error: PluginError,
}

/// Checks that a list of steps keeps what they declare.
pub(super) fn check(steps: &[&Declaration]) -> Result<Ordered, Box<Fault>> {
    let constraints = Constraints::collect(steps)?;
    let kept = |constraint: &Constraint| {
        let (earlier, later) = (constraints.node(constraint.earlier), constraints.node(constraint.later));
        match constraint.why {
            // What is required must have happened once before each use; it may happen again.
            Why::Requires(_) => earlier.first() < later.first(),
            _ => earlier.last() < later.first(),
        }
    };
    for constraint in &constraints.active {
        // A reference may name several steps that are there; any of them can be the one that is required.
        let another_will_do = |other: &Constraint| {
            matches!(constraint.why, Why::Requires(_))
                && (other.declared_by, &other.why) == (constraint.declared_by, &constraint.why)
                && kept(other)
        };
        if !kept(constraint) && !constraints.active.iter().any(another_will_do) {
            let nodes: Vec<usize> = (0..constraints.nodes.len()).collect();
            if let Some(cycle) = cycle::shortest(&constraints, &nodes) {
                return Err(Box::new(cycle_fault(&constraints, &cycle)));
            }
            return Err(Box::new(violation(&constraints, constraint)));
        }
    }
    let mut reasons: Vec<Vec<String>> = (1..=steps.len())
        .map(|number| vec![format!("It is listed as step {number}.")])
        .collect();
    for constraint in &constraints.active {
        let sentence = constraints.sentence(constraint);
        for &index in &constraints.node(constraint.later).occurrences {
            reasons[index].push(sentence.clone());
        }
    }
    Ok(Ordered {
        steps: (0..steps.len()).collect(),
        reasons,
        inactive: constraints.inactive,
    })
}

/// Sorts steps by what they declare, then by stage, then by name. The result is the same for every order of the input.
pub(super) fn sort(steps: &[&Declaration]) -> Result<Ordered, Box<Fault>> {
    let constraints = Constraints::collect(steps)?;
    let nodes = &constraints.nodes;
    let mut waiting_for = vec![0_usize; nodes.len()];
    let mut followers: Vec<Vec<usize>> = vec![Vec::new(); nodes.len()];
    for constraint in &constraints.active {
        waiting_for[constraint.later] += 1;
        followers[constraint.earlier].push(constraint.later);
    }
    let key = |node: usize| -> (Stage, &str, usize) {
        let declaration = nodes[node].declaration;
        (declaration.stage, declaration.name.as_str(), nodes[node].first())
    };
    let mut ready: BinaryHeap<_> = (0..nodes.len())
        .filter(|&node| waiting_for[node] == 0)
        .map(|node| Reverse((key(node), node)))
        .collect();
    let mut order = Vec::with_capacity(nodes.len());
    while let Some(Reverse((_, node))) = ready.pop() {
        order.push(node);
        for &follower in &followers[node] {
            waiting_for[follower] -= 1;
            if waiting_for[follower] == 0 {
                ready.push(Reverse((key(follower), follower)));
            }
        }
    }
    if order.len() < nodes.len() {
        let stuck: Vec<usize> = (0..nodes.len()).filter(|&node| waiting_for[node] > 0).collect();
        if let Some(cycle) = cycle::shortest(&constraints, &stuck) {
            return Err(Box::new(cycle_fault(&constraints, &cycle)));
        }
    }
    let mut reasons_of: Vec<Vec<String>> = vec![Vec::new(); nodes.len()];
    let mut previous: Option<usize> = None;
    for &node in &order {
        let stage = nodes[node].declaration.stage;
        reasons_of[node].push(format!("Its stage is `{}`.", stage.name()));
        let decided_by_name = |previous: &usize| {
            nodes[*previous].declaration.stage == stage
                && key(*previous) < key(node)
                && !followers[*previous].contains(&node)
        };
        if let Some(previous) = previous.filter(decided_by_name) {
            let (earlier, later) = (nodes[previous].name(), nodes[node].name());
            reasons_of[node].push(format!(
                "In one stage names decide: `{earlier}` comes before `{later}`."
            ));
        }
        previous = Some(node);
    }
    for constraint in &constraints.active {
        let sentence = constraints.sentence(constraint);
        // Without the constraint the earlier step would stand behind the later one: that is worth saying at both.
        if key(constraint.earlier) > key(constraint.later) {
            reasons_of[constraint.earlier].push(sentence.clone());
        }
        reasons_of[constraint.later].push(sentence);
    }
    let mut ordered = Ordered {
        inactive: constraints.inactive.clone(),
        ..Ordered::default()
    };
    for node in order {
        for &index in &nodes[node].occurrences {
            ordered.steps.push(index);
            ordered.reasons.push(reasons_of[node].clone());
        }
    }
    Ok(ordered)
}

fn violation(constraints: &Constraints<'_>, constraint: &Constraint) -> Fault {
    let (earlier, later) = (constraints.node(constraint.earlier), constraints.node(constraint.later));
    // A step may be listed often: name the occurrences that collide.
    let earlier_index = match constraint.why {
        Why::Requires(_) => earlier.first(),
        _ => earlier.last(),
    };
    let message = format!(
        "`{later}` (step {}) must run after `{earlier}` (step {}): {}.",
        later.first() + 1,
        earlier_index + 1,
        constraints.because(constraint),
        later = later.name(),
        earlier = earlier.name(),
    );
    let hint = format!(
        "List `{}` before `{}`, or have the steps sorted with `order = \"auto\"`.",
        earlier.name(),
        later.name()
    );
    let step = later.first();
    Fault {
        step,
        error: order_error(constraints.node(constraint.declared_by).declaration, message, hint),
    }
}

fn cycle_fault(constraints: &Constraints<'_>, cycle: &[usize]) -> Fault {
    let mut message =
        "These steps cannot be put in order, because each must run before the next, and the last before the first:"
            .to_owned();
    for &index in cycle {
        let constraint = &constraints.active[index];
        message.push_str("\n  ");
        message.push_str(&constraints.sentence(constraint));
    }
    let hint = "Leave one of these steps out, or ask the author of one of them to drop its constraint.".to_owned();
    let declared_by = constraints.node(constraints.active[cycle[0]].declared_by);
    Fault {
        step: declared_by.first(),
        error: order_error(declared_by.declaration, message, hint),
    }
}

/// An error about the order, attributed to the step that declares what cannot be kept.
fn order_error(declared_by: &Declaration, message: String, hint: String) -> PluginError {
    let mut error = PluginError::new(PluginFault::Order, &declared_by.name, message).with_hint(hint);
    if let Some(origin) = &declared_by.origin {
        error.distribution = Some(origin.distribution.clone());
        error.version.clone_from(&origin.version);
        error.entry_point = Some(origin.entry_point.clone());
    }
    error
}

#[cfg(test)]
mod tests;
