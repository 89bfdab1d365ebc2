//! What `explain` says of a plan: each step with the reasons of its position.

use crate::plan::Plan;
use crate::step::{Kind, Origin, Runtime, Stage};
use serde::Serialize;

/// A step of a plan, as `explain` shows it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ExplainedStep {
    /// Its position, counted from 1.
    pub position: usize,
    /// Its canonical name.
    pub name: String,
    /// What it does.
    pub kind: Kind,
    /// Where in an automatic order it belongs.
    pub stage: Stage,
    /// What executes it.
    pub runtime: Runtime,
    /// The distribution and version it comes from, `acme-filters 1.2.0`; `None` for built-ins and callables.
    pub distribution: Option<String>,
    /// Why it stands where it stands: finished sentences.
    pub reasons: Vec<String>,
}

impl Plan {
    /// The steps in order, each with the reasons of its position. What holds for nothing stands in [`Plan::inactive`].
    #[must_use]
    pub fn explanation(&self) -> Vec<ExplainedStep> {
        let explain = |(index, planned): (usize, &super::PlannedStep)| {
            let declaration = planned.step.declaration();
            let distribution = declaration.origin.as_ref().map(Origin::distribution_with_version);
            ExplainedStep {
                position: index + 1,
                name: declaration.name.clone(),
                kind: declaration.kind,
                stage: declaration.stage,
                runtime: declaration.runtime,
                distribution,
                reasons: planned.reasons.clone(),
            }
        };
        self.steps.iter().enumerate().map(explain).collect()
    }
}
