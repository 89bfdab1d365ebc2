//! `text-processor trace`: what each step makes of a text.

mod answer;
mod show;

use super::arguments::TraceArguments;
use super::console::Console;
use super::numbers;
use super::progress::Progressing;
use super::records::{self, Record};
use super::style::{Tone, one_line};
use super::{Shell, pipeline};
use crate::engine;
use crate::error::{Error, FileError, Result};
use crate::io;
use crate::plan::Plan;
use crate::record::Value;
use crate::step::Limits;
use std::io::Read;

/// Follows one text, or the first records of a file, through the steps.
pub(super) fn trace(arguments: &TraceArguments, shell: &dyn Shell, console: &mut Console<'_>) -> Result<u8> {
    let typed = arguments.text.as_deref().filter(|text| *text != "-");
    if typed.is_none() && arguments.text.is_none() && arguments.input.is_none() && console.input_is_terminal {
        return Err(crate::error::ConfigError::new(
            "No text is given, and standard input is a terminal, where nothing waits to be read.",
        )
        .with_hint("Give the text as an argument, name a file with `--input`, or name `-` to type the text yourself.")
        .into());
    }
    let plan = pipeline::plan(&arguments.pipeline, shell.host(), |_| ())?;
    let Some(path) = &arguments.input else {
        let text = match typed {
            Some(text) => text.to_owned(),
            None => read_text(std::io::stdin().lock(), Limits::default().record_bytes)?,
        };
        return one(&plan, None, &text, &[], arguments.json, console).map(|()| 0);
    };
    let patterns = [path.clone().into_os_string()];
    let mut watcher = Progressing::new(shell, None);
    for input in engine::attend(&mut watcher, |cancel| io::locate(&patterns, false, cancel))? {
        for record in records::first(&input, &plan, arguments.limit, shell)? {
            super::stop_if_interrupted(shell)?;
            file_record(&plan, &input.name, &record, arguments.json, console)?;
        }
    }
    Ok(0)
}

fn file_record(plan: &Plan, input: &str, record: &Record, json: bool, console: &mut Console<'_>) -> Result<()> {
    match &record.text {
        Ok(text) => one(plan, Some((input, record.ordinal)), text, &record.fields, json, console),
        Err(reason) if json => console.output.line(&answer::unusable(input, record.ordinal, reason)),
        Err(reason) => {
            heading(input, record.ordinal, console)?;
            console.output.line(&format!("    {}", one_line(reason)))
        }
    }
}

fn one(
    plan: &Plan,
    from: Option<(&str, u64)>,
    text: &str,
    fields: &[(String, Value)],
    json: bool,
    console: &mut Console<'_>,
) -> Result<()> {
    let entries = engine::trace(plan, text, fields);
    let (input, ordinal) = from.unzip();
    if json {
        return console.output.line(&answer::line(input, ordinal, text, &entries));
    }
    if let (Some(input), Some(ordinal)) = (input, ordinal) {
        heading(input, ordinal, console)?;
    }
    let names: Vec<&str> = plan
        .steps
        .iter()
        .map(|step| step.step.declaration().name.as_str())
        .collect();
    let shown = show::show(text, &entries, &names, console.output.width, console.output.paint);
    console.output.write(&shown)
}

fn heading(input: &str, ordinal: u64, console: &mut Console<'_>) -> Result<()> {
    let heading = format!("Record {} of {}", numbers::count(ordinal), one_line(input));
    let heading = console.output.painted(Tone::Strong, &heading).into_owned();
    console.output.line(&heading)
}

/// All of standard input as one text, but never more than a record may have.
fn read_text(source: impl Read, limit: usize) -> Result<String> {
    let mut bytes = Vec::new();
    source
        .take(limit as u64 + 1)
        .read_to_end(&mut bytes)
        .map_err(|error| Error::Input(Box::new(FileError::of("standard input", "reading", &error))))?;
    if bytes.len() > limit {
        let limit = numbers::bytes(limit as u64);
        return Err(Error::input(
            "standard input",
            format!("The text on standard input is larger than {limit}, the most that one record may have."),
        ));
    }
    String::from_utf8(bytes).map_err(|error| {
        let position = error.utf8_error().valid_up_to();
        Error::input(
            "standard input",
            format!("The text on standard input is not UTF-8: the byte at offset {position} cannot stand there."),
        )
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_on_standard_input_is_bounded_and_utf8() {
        assert_eq!(read_text("grüße\n".as_bytes(), 10).expect("a text"), "grüße\n");
        let error = read_text("grüße\n".as_bytes(), 7).unwrap_err();
        assert_eq!(error.exit_code(), 5);
        assert_eq!(
            error.to_string(),
            "The text on standard input is larger than 7 B, the most that one record may have."
        );
        let error = read_text(&b"ab\xff"[..], 7).unwrap_err();
        assert_eq!(
            error.to_string(),
            "The text on standard input is not UTF-8: the byte at offset 2 cannot stand there."
        );
    }
}
