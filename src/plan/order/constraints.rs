//! What steps declare about each other, as pairs of nodes, each with the sentence that tells who says so.

use super::{Fault, order_error};
use crate::error::shown;
use crate::plugins::{OWN_DISTRIBUTION, split_name};
use crate::step::Declaration;
use std::collections::{BTreeMap, HashMap};

/// All occurrences of one step that declare the same.
#[derive(Debug)]
pub(super) struct Node<'d> {
    pub(super) declaration: &'d Declaration,
    /// Their indices in the pipeline, ascending. Never empty.
    pub(super) occurrences: Vec<usize>,
}

impl Node<'_> {
    pub(super) fn first(&self) -> usize {
        self.occurrences[0]
    }

    pub(super) fn last(&self) -> usize {
        self.occurrences[self.occurrences.len() - 1]
    }

    pub(super) fn name(&self) -> String {
        shown(&self.declaration.name)
    }
}

/// Why one step must run before another. The text is the reference as it was declared, or the name of the field.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Why {
    Before(String),
    After(String),
    Requires(String),
    Field(String),
}

/// One step must run before another.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Constraint {
    pub(super) earlier: usize,
    pub(super) later: usize,
    /// The node that declares it: one of the two.
    pub(super) declared_by: usize,
    pub(super) why: Why,
}

/// All that the steps of a pipeline declare about each other.
#[derive(Debug)]
pub(super) struct Constraints<'d> {
    pub(super) nodes: Vec<Node<'d>>,
    /// Sorted by names, so that nothing that is said depends on the order of the input.
    pub(super) active: Vec<Constraint>,
    pub(super) inactive: Vec<String>,
}

impl<'d> Constraints<'d> {
    /// Finds the constraints among the steps. It is an error if a required step is absent, or two steps add one field.
    pub(super) fn collect(steps: &[&'d Declaration]) -> Result<Self, Box<Fault>> {
        let nodes = nodes(steps);
        let names = Names::of(&nodes);
        let mut constraints = Self {
            nodes,
            active: Vec::new(),
            inactive: Vec::new(),
        };
        for node in 0..constraints.nodes.len() {
            let declaration = constraints.nodes[node].declaration;
            for reference in &declaration.before {
                constraints.add(&names, node, &Why::Before(reference.clone()), reference);
            }
            for reference in &declaration.after {
                constraints.add(&names, node, &Why::After(reference.clone()), reference);
            }
            for reference in &declaration.requires {
                if !constraints.add(&names, node, &Why::Requires(reference.clone()), reference) {
                    return Err(Box::new(constraints.missing(node, reference)));
                }
            }
        }
        constraints.add_fields()?;
        let Self {
            nodes,
            active,
            inactive,
        } = &mut constraints;
        active.sort_by(|left, right| {
            let key = |constraint: &Constraint| {
                let name = |node: usize| nodes[node].declaration.name.as_str();
                (
                    name(constraint.later),
                    name(constraint.earlier),
                    name(constraint.declared_by),
                )
            };
            key(left).cmp(&key(right)).then_with(|| left.why.cmp(&right.why))
        });
        active.dedup();
        inactive.sort();
        inactive.dedup();
        Ok(constraints)
    }

    pub(super) fn node(&self, node: usize) -> &Node<'d> {
        &self.nodes[node]
    }

    /// Adds a constraint for each step that a reference names. Returns whether there is one.
    fn add(&mut self, names: &Names, node: usize, why: &Why, reference: &str) -> bool {
        // Occurrences of one step have no order among themselves, so a reference never means the step it stands in.
        let own = &self.nodes[node].declaration.name;
        let others: Vec<usize> = names
            .find(reference)
            .filter(|&other| self.nodes[other].declaration.name != *own)
            .collect();
        if others.is_empty() && !matches!(why, Why::Requires(_)) {
            let word = if matches!(why, Why::Before(_)) {
                "before"
            } else {
                "after"
            };
            self.inactive.push(format!(
                "`{}`{} declares `{word} = [\"{}\"]`, which is not in the pipeline.",
                self.nodes[node].name(),
                origin(self.nodes[node].declaration),
                shown(reference)
            ));
        }
        for &other in &others {
            let (earlier, later) = if matches!(why, Why::Before(_)) {
                (node, other)
            } else {
                (other, node)
            };
            self.active.push(Constraint {
                earlier,
                later,
                declared_by: node,
                why: why.clone(),
            });
        }
        !others.is_empty()
    }

    /// Order follows data: whoever asks for a field runs after the step that adds it.
    fn add_fields(&mut self) -> Result<(), Box<Fault>> {
        let mut adders: BTreeMap<&str, usize> = BTreeMap::new();
        for (index, node) in self.nodes.iter().enumerate() {
            for field in &node.declaration.fields {
                let other = adders.insert(&field.name, index);
                if let Some(other) = other {
                    return Err(Box::new(self.added_twice(
                        &field.name,
                        self.nodes[other].first(),
                        node.first(),
                    )));
                }
                if let [first, second, ..] = node.occurrences[..] {
                    return Err(Box::new(self.added_twice(&field.name, first, second)));
                }
            }
        }
        for (later, node) in self.nodes.iter().enumerate() {
            for asked in &node.declaration.asks {
                if let Some(&earlier) = adders.get(asked.name.as_str())
                    && earlier != later
                {
                    self.active.push(Constraint {
                        earlier,
                        later,
                        declared_by: later,
                        why: Why::Field(asked.name.clone()),
                    });
                }
            }
        }
        Ok(())
    }

    /// Says what a constraint demands and who declares it, in one sentence.
    pub(super) fn sentence(&self, constraint: &Constraint) -> String {
        format!(
            "`{}` runs before `{}`: {}.",
            self.nodes[constraint.earlier].name(),
            self.nodes[constraint.later].name(),
            self.because(constraint)
        )
    }

    /// Says who declares a constraint, without a full stop.
    pub(super) fn because(&self, constraint: &Constraint) -> String {
        let declared_by = &self.nodes[constraint.declared_by];
        let subject = format!("`{}`{}", declared_by.name(), origin(declared_by.declaration));
        match &constraint.why {
            Why::Before(reference) => format!("{subject} declares `before = [\"{}\"]`", shown(reference)),
            Why::After(reference) => format!("{subject} declares `after = [\"{}\"]`", shown(reference)),
            Why::Requires(reference) => format!("{subject} declares `requires = [\"{}\"]`", shown(reference)),
            Why::Field(field) => {
                let adder = &self.nodes[constraint.earlier];
                let adds = format!("`{}`{} adds", adder.name(), origin(adder.declaration));
                format!("{subject} asks for the field `{}`, which {adds}", shown(field))
            }
        }
    }

    fn missing(&self, node: usize, reference: &str) -> Fault {
        let node = &self.nodes[node];
        let message = format!(
            "`{}`{} requires the step `{}`, which is not in the pipeline.",
            node.name(),
            origin(node.declaration),
            shown(reference)
        );
        let hint = format!("Add `{}` to the pipeline, before `{}`.", shown(reference), node.name());
        Fault {
            step: node.first(),
            error: order_error(node.declaration, message, hint),
        }
    }

    fn added_twice(&self, field: &str, first: usize, second: usize) -> Fault {
        let (first, second) = (first.min(second), first.max(second));
        let describe = |index: usize| {
            let node = self.nodes.iter().find(|node| node.occurrences.contains(&index));
            node.map_or_else(String::new, |node| {
                format!("`{}`{} as step {}", node.name(), origin(node.declaration), index + 1)
            })
        };
        let message = format!(
            "The field `{}` is added twice: by {} and by {}.",
            shown(field),
            describe(first),
            describe(second)
        );
        let adder = self.nodes.iter().find(|node| node.occurrences.contains(&second));
        let declaration = adder.map_or(self.nodes[0].declaration, |node| node.declaration);
        Fault {
            step: second,
            error: order_error(declaration, message, "Leave one of the two steps out.".to_owned()),
        }
    }
}

fn nodes<'d>(steps: &[&'d Declaration]) -> Vec<Node<'d>> {
    let mut nodes: Vec<Node<'d>> = Vec::new();
    let mut by_name: HashMap<&str, Vec<usize>> = HashMap::new();
    for (index, &declaration) in steps.iter().enumerate() {
        let same_name = by_name.entry(&declaration.name).or_default();
        if let Some(&node) = same_name.iter().find(|&&node| nodes[node].declaration == declaration) {
            nodes[node].occurrences.push(index);
        } else {
            same_name.push(nodes.len());
            nodes.push(Node {
                declaration,
                occurrences: vec![index],
            });
        }
    }
    nodes
}

/// The nodes by their folded names.
struct Names {
    by_short_name: HashMap<String, Vec<usize>>,
    by_canonical_name: HashMap<(String, String), Vec<usize>>,
}

impl Names {
    fn of(nodes: &[Node<'_>]) -> Self {
        let mut names = Self {
            by_short_name: HashMap::new(),
            by_canonical_name: HashMap::new(),
        };
        for (index, node) in nodes.iter().enumerate() {
            // The name of a callable is what Python calls it and may hold any character, so only a plugin's is split.
            let (distribution, short) = match &node.declaration.origin {
                Some(_) => split_name(&node.declaration.name),
                None => (None, crate::plugins::fold(&node.declaration.name)),
            };
            names.by_short_name.entry(short.clone()).or_default().push(index);
            let distribution = distribution.unwrap_or_else(|| OWN_DISTRIBUTION.to_owned());
            names
                .by_canonical_name
                .entry((distribution, short))
                .or_default()
                .push(index);
        }
        names
    }

    fn find(&self, reference: &str) -> impl Iterator<Item = usize> {
        let found = match split_name(reference) {
            (Some(distribution), short) => self.by_canonical_name.get(&(distribution, short)),
            (None, short) => self.by_short_name.get(&short),
        };
        found.into_iter().flatten().copied()
    }
}

/// Who ships a step, in brackets, after a space; nothing for built-ins and callables.
fn origin(declaration: &Declaration) -> String {
    declaration.origin.as_ref().map_or_else(String::new, |origin| {
        format!(" ({})", origin.distribution_with_version())
    })
}
