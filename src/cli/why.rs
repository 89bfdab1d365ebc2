//! `text-processor why`: tells what became of a record.

use super::arguments::WhyArguments;
use super::console::{Console, Stream};
use super::style::{Tone, one_line, wrap};
use super::{Shell, stop_if_interrupted};
use crate::error::{Result, shown};
use crate::ledger::{self, Ending, PlaceNumber, RecordHistory};
use crate::record::Fate;
use serde::Serialize;
use std::fmt::Write as _;

/// How many lines of one record are named.
const NAMED_LINES: usize = 10;

/// Tells what became of the records with an identity.
pub(super) fn why(arguments: &WhyArguments, shell: &dyn Shell, console: &mut Console<'_>) -> Result<u8> {
    let records = ledger::why(&arguments.output, &arguments.id, &mut || stop_if_interrupted(shell))?;
    if arguments.json {
        console.output.json(&Answer { records: &records })?;
    } else {
        for (number, record) in records.iter().enumerate() {
            if number > 0 {
                console.output.line("")?;
            }
            show(record, &arguments.output, &mut console.output)?;
        }
    }
    Ok(0)
}

#[derive(Serialize)]
struct Answer<'r> {
    records: &'r [RecordHistory],
}

fn show(record: &RecordHistory, path: &std::path::Path, output: &mut Stream<'_>) -> Result<()> {
    let (fate, tone) = match record.fate {
        Fate::Out => ("went out", Tone::Good),
        Fate::Rejected => ("was rejected", Tone::Warning),
        Fate::Quarantined => ("is quarantined", Tone::Bad),
    };
    let mut sentence = format!("Record {} of `{}`", record.ordinal, record.input);
    if let Some(id) = &record.id {
        let _ = write!(sentence, " (id `{id}`)");
    }
    let _ = write!(sentence, " {fate}");
    if record.fate == Fate::Out {
        if record.texts != 1 {
            let _ = write!(sentence, " as {} texts", record.texts);
        }
        sentence.push('.');
    } else if let [ending, ..] = &record.endings[..] {
        let _ = write!(sentence, " {}", told(ending));
    } else {
        sentence.push('.');
    }
    let painted = output.painted(tone, fate).into_owned();
    let lines = wrap(&one_line(&sentence), output.width).join("\n");
    output.line(&lines.replacen(fate, &painted, 1))?;
    if record.fate == Fate::Out {
        for ending in &record.endings {
            let part = ending
                .part
                .map_or_else(|| "A part".to_owned(), |part| format!("Part {part}"));
            for line in wrap(
                &one_line(&format!("{part} was rejected {}", told(ending))),
                output.width,
            ) {
                output.line(&line)?;
            }
        }
    }
    for place in record.lines.iter().take(NAMED_LINES) {
        let file = path.join(&place.file);
        let number = match place.number {
            PlaceNumber::Line(line) => format!("line {line}"),
            PlaceNumber::Row(row) => format!("row {row}"),
        };
        output.line(&format!("    {}, {number}", shown(&file.to_string_lossy())))?;
    }
    match record.lines.len().checked_sub(NAMED_LINES) {
        Some(more) if more > 0 => output.line(&format!("    and {more} more")),
        _ => Ok(()),
    }
}

/// Where and why it ended, as the end of a sentence.
fn told(ending: &Ending) -> String {
    let mut told = match &ending.step {
        Some(step) => format!("by step `{step}`"),
        None => "outside the steps".to_owned(),
    };
    if let Some(distribution) = &ending.distribution {
        let _ = write!(told, " ({distribution})");
    }
    match (&ending.reason, &ending.kind, &ending.message) {
        (Some(reason), ..) => {
            let _ = write!(told, ": {reason}.");
        }
        (None, kind, message) => {
            let kind = kind.as_deref().unwrap_or("failed");
            let error = ending
                .error
                .as_ref()
                .map(|error| format!(", {error}"))
                .unwrap_or_default();
            let message = message.as_deref().unwrap_or_default();
            let _ = write!(told, " ({kind}{error}): {message}");
        }
    }
    told
}
