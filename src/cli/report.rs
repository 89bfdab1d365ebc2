//! The closing table of a run: what became of the records, by step and reason, how long it took, and which files there are.

use super::numbers::{bytes, count, counted, per_second, seconds, share};
use super::style::{Paint, Tone, one_line, wrap};
use super::table::{Align, Cell, Table};
use crate::ledger::Report;
use std::collections::BTreeMap;
use std::fmt::Write as _;

/// How many reasons of one step are listed. A plugin may give a different one for each record.
const REASONS: usize = 8;

/// The closing table. Everything that a plugin or a file name brings is escaped.
pub(super) fn closing(report: &Report, width: usize, paint: Paint) -> String {
    let mut written = summary(report, width);
    for part in [
        fates(report).render(width, paint),
        steps(report).render(width, paint),
        files(report).render(width, paint),
        damage(report, width, paint),
        advice(report, width, paint),
    ] {
        if !part.is_empty() {
            written.push('\n');
            written.push_str(&part);
        }
    }
    written
}

fn summary(report: &Report, width: usize) -> String {
    if report.already_complete {
        let sentence = format!(
            "The run was complete before: {} ({}) from {} are committed in {}. Nothing was done.",
            counted(report.counts.read, "record"),
            bytes(report.bytes_read),
            counted(report.inputs, "input"),
            counted(report.shards.unwrap_or_default(), "shard"),
        );
        return paragraph(&sentence, width);
    }
    let mut sentence = format!(
        "Read {} ({}) from {} in {} with {}",
        counted(report.counts.read, "record"),
        bytes(report.bytes_read),
        counted(report.inputs, "input"),
        seconds(report.seconds),
        counted(report.workers as u64, "worker"),
    );
    // Records of earlier sittings took none of this one's time.
    if let Some(rate) = per_second(report.counts.read, report.seconds).filter(|_| report.earlier_shards == 0) {
        let _ = write!(sentence, ": {rate} records/s");
    }
    sentence.push('.');
    if report.restarts > 0 {
        let _ = write!(
            sentence,
            " {} died and {} replaced.",
            counted(report.restarts, "worker"),
            if report.restarts == 1 { "was" } else { "were" },
        );
    }
    if report.printed_bytes > 0 {
        let _ = write!(
            sentence,
            " Plugins printed {}, which `-v` shows.",
            bytes(report.printed_bytes)
        );
    }
    if report.earlier_shards > 0 {
        let _ = write!(
            sentence,
            " {} of {} were committed before; their records are counted here, their time is not.",
            count(report.earlier_shards),
            counted(report.shards.unwrap_or_default(), "shard"),
        );
    }
    if report.limited {
        sentence.push_str(" `--limit` was reached: the inputs may hold more records.");
    }
    if report.texts_out != report.counts.out {
        let _ = write!(
            sentence,
            " {} became {}.",
            counted(report.counts.out, "record"),
            counted(report.texts_out, "text")
        );
    }
    if report.parts_rejected > 0 {
        let _ = write!(
            sentence,
            " {} {} rejected while other parts of the same record went out.",
            counted(report.parts_rejected, "part"),
            if report.parts_rejected == 1 { "was" } else { "were" },
        );
    }
    paragraph(&sentence, width)
}

fn paragraph(text: &str, width: usize) -> String {
    wrap(&one_line(text), width).join("\n") + "\n"
}

fn fates(report: &Report) -> Table {
    let counts = report.counts;
    let mut table = Table::new(&[
        ("fate", Align::Left),
        ("records", Align::Right),
        ("share", Align::Right),
    ]);
    let rows = [
        ("out", counts.out, Tone::Good),
        ("rejected", counts.rejected, Tone::Warning),
        ("quarantined", counts.quarantined, Tone::Bad),
    ];
    for (fate, number, tone) in rows {
        let tone = if number > 0 { tone } else { Tone::Plain };
        table.row([
            Cell::toned(tone, fate),
            count(number).into(),
            share(number, counts.read).into(),
        ]);
    }
    table.row(["read".into(), count(counts.read).into()]);
    table
}

fn steps(report: &Report) -> Table {
    let (rejected, quarantined) = (&report.rejected_by_reader, &report.quarantined_by_reader);
    if report.steps.is_empty() && rejected.is_empty() && quarantined.is_empty() {
        return Table::new(&[]);
    }
    let mut table = Table::new(&[
        ("step", Align::Left),
        ("entered", Align::Right),
        ("rejected", Align::Right),
        ("quarantined", Align::Right),
        ("time", Align::Right),
        ("texts/s", Align::Right),
    ]);
    if !rejected.is_empty() || !quarantined.is_empty() {
        table.row([
            Cell::toned(Tone::Faint, "(outside the steps)"),
            Cell::default(),
            total(rejected),
            total(quarantined),
        ]);
        reasons(&mut table, rejected, quarantined);
    }
    for step in &report.steps {
        table.row([
            step.name.as_str().into(),
            count(step.entered).into(),
            total(&step.rejected),
            total(&step.quarantined),
            seconds(step.seconds).into(),
            per_second(step.entered, step.seconds)
                .filter(|_| report.earlier_shards == 0)
                .unwrap_or_default()
                .into(),
        ]);
        reasons(&mut table, &step.rejected, &step.quarantined);
    }
    table
}

fn total(by_reason: &BTreeMap<String, u64>) -> Cell {
    count(by_reason.values().sum()).into()
}

fn reasons(table: &mut Table, rejected: &BTreeMap<String, u64>, quarantined: &BTreeMap<String, u64>) {
    for (column, by_reason) in [(2, rejected), (3, quarantined)] {
        let mut sorted: Vec<(&String, u64)> = by_reason.iter().map(|(reason, number)| (reason, *number)).collect();
        // The sort is stable, so that reasons with one count stand in the order of the alphabet.
        sorted.sort_by_key(|(_, number)| std::cmp::Reverse(*number));
        let rest = sorted.split_off(sorted.len().min(REASONS));
        let mut row = |label: String, number| {
            let mut cells = vec![Cell::default(); column];
            cells[0] = Cell::toned(Tone::Faint, label);
            cells.push(Cell::toned(Tone::Faint, count(number)));
            table.row(cells);
        };
        for (reason, number) in sorted {
            row(format!("- {reason}"), number);
        }
        if !rest.is_empty() {
            let number = rest.iter().map(|(_, number)| number).sum();
            row(format!("- {} more", count(rest.len() as u64)), number);
        }
    }
}

fn files(report: &Report) -> Table {
    let mut table = Table::new(&[
        ("written", Align::Left),
        ("texts", Align::Right),
        ("bytes", Align::Right),
        ("file", Align::Left),
    ]);
    for file in &report.files {
        table.row([
            file.role.into(),
            count(file.texts).into(),
            bytes(file.bytes).into(),
            file.path.as_deref().unwrap_or("(standard output)").into(),
        ]);
    }
    if report.files.is_empty() {
        return Table::new(&[]);
    }
    table
}

fn damage(report: &Report, width: usize, paint: Paint) -> String {
    let mut written = String::new();
    for damage in &report.damage {
        let place = damage
            .offset
            .map(|offset| format!(" (from byte {})", count(offset)))
            .unwrap_or_default();
        let sentence = format!("{}{place}: {}", damage.input, damage.message);
        let told = paragraph(&format!("damaged input: {sentence}"), width);
        written.push_str(&told.replacen("damaged input:", &paint.paint(Tone::Bad, "damaged input:"), 1));
    }
    written
}

/// What to do about quarantined records.
fn advice(report: &Report, width: usize, paint: Paint) -> String {
    let number = report.counts.quarantined;
    if number == 0 {
        return String::new();
    }
    let file = report.files.iter().find(|file| file.role == "quarantine");
    let (is, subject) = if number == 1 {
        ("is", "it")
    } else {
        ("are", "each of them")
    };
    let counted = counted(number, "record");
    let Some(path) = file.and_then(|file| file.path.as_deref()) else {
        return paragraph(&format!("{counted} {is} quarantined."), width);
    };
    let sentence =
        format!("{counted} {is} quarantined: `{path}` holds {subject} with its step, error and original record.");
    let mut told = paragraph(&sentence, width).replacen(&counted, &paint.paint(Tone::Bad, &counted), 1);
    // Only a path that can be typed as it stands is put into a command.
    let typed = |byte: u8| byte.is_ascii_alphanumeric() || b"/._-+".contains(&byte);
    if !path.starts_with('-') && path.bytes().all(typed) {
        let reader = match path.rsplit('.').next() {
            _ if path.ends_with('/') => format!("cat {path}*.jsonl | head -n 1"),
            Some("gz") => format!("zcat {path} | head -n 1"),
            Some("zst") => format!("zstdcat {path} | head -n 1"),
            _ => format!("head -n 1 {path}"),
        };
        let _ = writeln!(told, "To see the first:\n    {reader} | python3 -m json.tool");
    }
    told
}

#[cfg(test)]
mod tests;
