//! The first records of a file, for `trace`: read by the same sources and decoders as in a run.

use super::{Shell, numbers};
use crate::batch::{Batch, Ending, State, Unread};
use crate::columns::{ColumnDecoder, Nulls};
use crate::error::Result;
use crate::io::{self, Decoder, Format, Input, KeptTables, Layout, Source, TableFacts, TableInputs};
use crate::plan::{Plan, PlanField};
use crate::record::{Place, Value};
use crate::step::{Cancel, Limits};

/// How many bytes to read at a time. A trace wants few records.
const CHUNK: usize = 1 << 16;

/// A record of a file.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Record {
    /// Its number in the file, counted from 0.
    pub(super) ordinal: u64,
    /// Its text, or why it has none.
    pub(super) text: std::result::Result<String, String>,
    /// The fields that steps ask for, as far as the record has them.
    pub(super) fields: Vec<(String, Value)>,
}

/// Reads at most `limit` records.
pub(super) fn first(input: &Input, plan: &Plan, limit: u64, shell: &dyn Shell) -> Result<Vec<Record>> {
    let format = Format::of(input);
    let layout = Layout {
        text: plan.text.clone(),
        id: plan.id.clone(),
        fields: plan.fields.clone(),
        source: format,
        sink: format,
        limits: Limits::default(),
    };
    let (mut source, decoder) = open(input, plan, &layout)?;
    let mut batch = Batch::new();
    let mut records = Vec::new();
    let wanted = usize::try_from(limit).unwrap_or(usize::MAX);
    while records.len() < wanted && source.fill(&mut batch, CHUNK, u64::MAX)? {
        super::stop_if_interrupted(shell)?;
        if let Some(unread) = &batch.unread {
            records.push(unreadable(unread, batch.first_ordinal));
        } else {
            decoder.decode(&mut batch);
            collect(&batch, &plan.fields, &mut records);
        }
        batch.clear();
    }
    records.truncate(wanted);
    Ok(records)
}

/// Opens a file, whatever lies in it.
fn open(input: &Input, plan: &Plan, layout: &Layout) -> Result<(Box<dyn Source>, Box<dyn Decoder>)> {
    let cancel = Cancel::default();
    let Layout { source, limits, .. } = *layout;
    if !source.has_columns() {
        return Ok((io::open_source(input, source, limits, &cancel)?, io::decoder(layout)));
    }
    let mut kept = KeptTables::default();
    let facts =
        io::facts_of(input, source, limits, &cancel, &mut kept)?.unwrap_or_else(|| TableFacts::of_nothing(plan));
    let decoder = ColumnDecoder::new(&facts.schema, plan, Nulls::default(), limits)?;
    let tables = TableInputs::new(decoder.clone(), facts.schema, None, kept);
    let source = tables.open(input, source, limits, &cancel, Place::default())?;
    Ok((source, Box::new(decoder)))
}

fn unreadable(unread: &Unread, ordinal: u64) -> Record {
    let reason = match unread {
        Unread::Record { length, .. } => {
            format!(
                "It has {}, more than one record may have.",
                numbers::counted(*length, "byte")
            )
        }
        Unread::Segment(failure) => failure.message.clone(),
    };
    Record {
        ordinal,
        text: Err(reason),
        fields: Vec::new(),
    }
}

fn collect(batch: &Batch, fields: &[PlanField], records: &mut Vec<Record>) {
    for (index, row) in batch.rows.iter().enumerate() {
        let text = if row.state == State::Live {
            Ok(batch.row_text(index).read(&mut String::new()).to_owned())
        } else {
            let casualty = batch.casualties.iter().find(|casualty| casualty.row as usize == index);
            Err(match casualty.map(|casualty| &casualty.ending) {
                Some(Ending::Rejected(reason)) => format!("It is rejected: {reason}."),
                Some(Ending::Failed(failure)) => failure.message.clone(),
                None => "It cannot be used.".to_owned(),
            })
        };
        let ordinal = batch.sources[row.source as usize].ordinal;
        let known = |(number, field): (usize, &PlanField)| match batch.field(number as u16, index) {
            Value::Missing => None,
            value => Some((field.name.clone(), value.clone())),
        };
        let fields = fields.iter().enumerate().filter_map(known).collect();
        records.push(Record { ordinal, text, fields });
    }
}
