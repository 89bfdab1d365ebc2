//! Finds the shortest cycle among constraints: the least that must be shown of an order that cannot be.

use super::constraints::Constraints;
use std::collections::VecDeque;

/// The shortest cycle among the given nodes, as indices of constraints: each one's later step is the next one's earlier
/// step. Of equally short cycles, the one that starts at the alphabetically first step.
pub(super) fn shortest(constraints: &Constraints<'_>, among: &[usize]) -> Option<Vec<usize>> {
    let mut considered = vec![false; constraints.nodes.len()];
    for &node in among {
        considered[node] = true;
    }
    let mut outgoing: Vec<Vec<usize>> = vec![Vec::new(); constraints.nodes.len()];
    for (index, constraint) in constraints.active.iter().enumerate() {
        if considered[constraint.earlier] && considered[constraint.later] {
            outgoing[constraint.earlier].push(index);
        }
    }
    let mut starts = among.to_vec();
    starts.sort_by_key(|&node| {
        (
            &constraints.nodes[node].declaration.name,
            constraints.nodes[node].first(),
        )
    });
    let mut best: Option<Vec<usize>> = None;
    for start in starts {
        let limit = best.as_ref().map_or(usize::MAX, Vec::len);
        if let Some(cycle) = shortest_from(constraints, &outgoing, start).filter(|cycle| cycle.len() < limit) {
            best = Some(cycle);
        }
    }
    best
}

/// The shortest cycle through a node, by breadth-first search.
fn shortest_from(constraints: &Constraints<'_>, outgoing: &[Vec<usize>], start: usize) -> Option<Vec<usize>> {
    let mut reached_by: Vec<Option<usize>> = vec![None; constraints.nodes.len()];
    let mut queue = VecDeque::from([start]);
    while let Some(node) = queue.pop_front() {
        for &index in &outgoing[node] {
            let next = constraints.active[index].later;
            if reached_by[next].is_some() {
                continue;
            }
            reached_by[next] = Some(index);
            if next == start {
                return Some(trace_back(constraints, &reached_by, start));
            }
            queue.push_back(next);
        }
    }
    None
}

fn trace_back(constraints: &Constraints<'_>, reached_by: &[Option<usize>], start: usize) -> Vec<usize> {
    let mut cycle = Vec::new();
    let mut node = start;
    while let Some(index) = reached_by[node] {
        cycle.push(index);
        node = constraints.active[index].earlier;
        if node == start {
            break;
        }
    }
    cycle.reverse();
    cycle
}
