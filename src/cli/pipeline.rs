//! Makes a plan of what the command line says about the pipeline.

use super::arguments::PipelineArguments;
use crate::error::Result;
use crate::plan::{Pipeline, Plan};
use crate::plugins::Host;

/// Reads the pipeline, lets `adjust` override parts of it, and makes its plan.
pub(super) fn plan(arguments: &PipelineArguments, host: &dyn Host, adjust: impl FnOnce(&mut Pipeline)) -> Result<Plan> {
    let mut pipeline = if let Some(file) = &arguments.pipeline {
        Pipeline::from_file(file)?
    } else if arguments.discover {
        Pipeline::discover(host)?
    } else {
        Pipeline::from_arguments(&arguments.steps)?
    };
    adjust(&mut pipeline);
    Plan::new(&pipeline, host)
}
