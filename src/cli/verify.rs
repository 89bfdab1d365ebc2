//! `text-processor verify`: proves conservation again, from the files of an output directory.

use super::arguments::VerifyArguments;
use super::console::{Console, Stream};
use super::numbers::{bytes, counted};
use super::style::{Tone, one_line, wrap};
use super::{Shell, stop_if_interrupted};
use crate::error::{Result, Shown};
use crate::ledger::{self, Verification};
use serde::Serialize;
use std::path::Path;

/// Verifies a directory and tells what was found.
pub(super) fn verify(arguments: &VerifyArguments, shell: &dyn Shell, console: &mut Console<'_>) -> Result<u8> {
    let verification = ledger::verify(&arguments.output, &mut || stop_if_interrupted(shell))?;
    if arguments.json {
        console.output.json(&Answer {
            verification: &verification,
            exit_code: verification.exit_code(),
        })?;
    } else {
        show(&verification, &arguments.output, &mut console.output)?;
    }
    Ok(verification.exit_code())
}

#[derive(Serialize)]
struct Answer<'v> {
    #[serde(flatten)]
    verification: &'v Verification,
    exit_code: u8,
}

fn show(verification: &Verification, path: &Path, output: &mut Stream<'_>) -> Result<()> {
    let counts = verification.counts;
    let paragraph = |output: &mut Stream<'_>, text: &str| -> Result<()> {
        for line in wrap(&one_line(text), output.width) {
            output.line(&line)?;
        }
        Ok(())
    };
    for finding in &verification.findings {
        let told = format!("damaged: {}: {}", finding.file, finding.message);
        let lines = wrap(&one_line(&told), output.width).join("\n");
        let painted = output.painted(Tone::Bad, "damaged:").into_owned();
        output.line(&lines.replacen("damaged:", &painted, 1))?;
    }
    let shards = counted(verification.shards, "committed shard");
    let looked_at = format!(
        "{shards} of `{}` ({}, {})",
        Shown(path),
        counted(verification.files, "file"),
        bytes(verification.bytes)
    );
    if !verification.findings.is_empty() {
        let found = counted(verification.findings.len() as u64, "finding");
        return paragraph(
            output,
            &format!("{looked_at} {} verified: {found}.", were(verification.shards)),
        );
    }
    paragraph(
        output,
        &format!(
            "{looked_at} {} verified: {} read, {} out, {} rejected, {} quarantined; each is there once (fingerprint {}).",
            were(verification.shards),
            counted(counts.read, "record"),
            counts.out,
            counts.rejected,
            counts.quarantined,
            verification.fingerprint
        ),
    )?;
    if !verification.complete {
        paragraph(
            output,
            "The run is not complete. Run it again with `--resume` to go on.",
        )?;
    }
    Ok(())
}

fn were(number: u64) -> &'static str {
    if number == 1 { "was" } else { "were" }
}
