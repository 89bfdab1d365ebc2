//! `text-processor explain`: the order of the steps, with the reason of each position.

use super::arguments::ExplainArguments;
use super::console::{Console, Stream};
use super::style::{Tone, one_line, wrap};
use super::table::{Align, Cell, Table};
use super::{Shell, pipeline};
use crate::error::Result;
use crate::plan::{ExplainedStep, OnError, Plan, PlanField};
use serde::Serialize;

/// Shows the order of the steps of a pipeline. Every step is loaded, nothing is read.
pub(super) fn explain(arguments: &ExplainArguments, shell: &dyn Shell, console: &mut Console<'_>) -> Result<u8> {
    let plan = pipeline::plan(&arguments.pipeline, shell.host(), |_| ())?;
    let explanation = plan.explanation();
    if arguments.json {
        console.output.json(&Answer::new(&plan, &explanation))?;
    } else {
        show(&explanation, &plan.inactive, &mut console.output)?;
    }
    Ok(0)
}

#[derive(Serialize)]
struct Answer<'p> {
    steps: &'p [ExplainedStep],
    inactive: &'p [String],
    fields: Vec<AnswerField<'p>>,
    text: &'p str,
    id: &'p str,
    on_error: &'static str,
}

#[derive(Serialize)]
struct AnswerField<'p> {
    name: &'p str,
    /// The position of the step that adds it, counted as the steps are.
    added_by: Option<usize>,
    from_source: bool,
}

impl<'p> Answer<'p> {
    fn new(plan: &'p Plan, steps: &'p [ExplainedStep]) -> Self {
        let field = |field: &'p PlanField| AnswerField {
            name: &field.name,
            added_by: field
                .added_by
                .and_then(|index| steps.get(usize::from(index)))
                .map(|step| step.position),
            from_source: field.from_source,
        };
        Self {
            steps,
            inactive: &plan.inactive,
            fields: plan.fields.iter().map(field).collect(),
            text: &plan.text,
            id: &plan.id,
            on_error: match plan.on_error {
                OnError::Raise => "raise",
                OnError::Quarantine => "quarantine",
            },
        }
    }
}

fn show(explanation: &[ExplainedStep], inactive: &[String], output: &mut Stream<'_>) -> Result<()> {
    if explanation.is_empty() {
        return output.line("The pipeline has no steps: every record goes out as it came in.");
    }
    let mut table = Table::new(&[
        ("", Align::Right),
        ("step", Align::Left),
        ("kind", Align::Left),
        ("stage", Align::Left),
        ("runtime", Align::Left),
        ("from", Align::Left),
    ]);
    for step in explanation {
        table.row([
            step.position.to_string().into(),
            Cell::toned(Tone::Strong, &step.name),
            step.kind.name().into(),
            step.stage.name().into(),
            runtime(step.runtime).into(),
            step.distribution.as_deref().unwrap_or("").into(),
        ]);
        for reason in &step.reasons {
            table.note(reason);
        }
    }
    output.write(&table.render(output.width, output.paint))?;
    if !inactive.is_empty() {
        output.line("")?;
        let title = output
            .painted(Tone::Strong, "Constraints that play no part here")
            .into_owned();
        output.line(&title)?;
        for sentence in inactive {
            for line in wrap(&one_line(sentence), output.width.saturating_sub(4)) {
                output.line(&format!("    {line}"))?;
            }
        }
    }
    Ok(())
}

/// The word for a runtime.
pub(super) fn runtime(runtime: crate::step::Runtime) -> &'static str {
    match runtime {
        crate::step::Runtime::Rust => "Rust",
        crate::step::Runtime::Python => "Python",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::step::{Kind, Runtime, Stage};

    fn shown(explanation: &[ExplainedStep], inactive: &[String]) -> String {
        let mut written = Vec::new();
        show(explanation, inactive, &mut Stream::plain(&mut written)).expect("written");
        String::from_utf8(written).expect("UTF-8")
    }

    #[test]
    fn each_position_has_its_reasons() {
        let steps = [
            ExplainedStep {
                position: 1,
                name: "trim-lines".into(),
                kind: Kind::Map,
                stage: Stage::Normalize,
                runtime: Runtime::Rust,
                distribution: None,
                reasons: vec!["Its stage is `normalize`, the first of the stages here.".into()],
            },
            ExplainedStep {
                position: 2,
                name: "acme-filters/min-words".into(),
                kind: Kind::Filter,
                stage: Stage::Filter,
                runtime: Runtime::Python,
                distribution: Some("acme-filters 1.2.0".into()),
                reasons: vec![
                    "It must come after `trim-lines`, as `acme-filters` declares.".into(),
                    "Its stage is `filter`, which comes after the stage `normalize` of the step that stands before it here."
                        .into(),
                ],
            },
        ];
        let inactive =
            ["`acme-filters/min-words` wants to come before `reverse`, which is not in this pipeline.".to_owned()];
        insta::assert_snapshot!(shown(&steps, &inactive), @r"
           step                    kind    stage      runtime  from
        1  trim-lines              map     normalize  Rust
            Its stage is `normalize`, the first of the stages here.
        2  acme-filters/min-words  filter  filter     Python   acme-filters 1.2.0
            It must come after `trim-lines`, as `acme-filters` declares.
            Its stage is `filter`, which comes after the stage `normalize` of the step
            that stands before it here.

        Constraints that play no part here
            `acme-filters/min-words` wants to come before `reverse`, which is not in
            this pipeline.
        ");
    }

    #[test]
    fn no_steps_is_a_pipeline() {
        insta::assert_snapshot!(shown(&[], &[]), @"The pipeline has no steps: every record goes out as it came in.");
    }
}
