//! Runs a plan over tables in memory, and joins what was made of them.

use crate::batch::Batch;
use crate::columns::{ColumnDecoder, ColumnEncoder, Fates};
use crate::engine::job::{Codec, Encoding, Job};
use crate::engine::preparation::{check_resources, labels};
#[cfg(unix)]
use crate::engine::process::{KeptWorkers, log_printed};
use crate::engine::run::carry_out;
use crate::engine::statistics::Statistics;
use crate::engine::writer::{Destination, Writer};
use crate::engine::{RunOptions, Watcher};
use crate::error::{ConfigError, Error, Result};
use crate::io::{CasualtyEncoder, Format, Input, InputLocation, Layout, TableSource};
use crate::ledger::{Account, Report};
use crate::plan::Plan;
use arrow_array::{Array, ArrayRef, RecordBatch, RecordBatchOptions};
use arrow_schema::{ArrowError, Schema, SchemaRef};
use arrow_select::concat::concat;
use std::sync::Arc;
use std::time::Instant;

/// What tables are made into.
#[derive(Debug, Clone)]
pub struct TablePlan {
    decoder: ColumnDecoder,
    encoder: ColumnEncoder,
}

impl TablePlan {
    /// Finds what a plan makes of tables of a schema.
    ///
    /// # Errors
    /// If the schema does not have what the plan needs.
    pub fn new(plan: &Plan, schema: &Schema, fates: Fates, options: &RunOptions) -> Result<Self> {
        Self::of_column(&plan.text, plan, schema, fates, options)
    }

    /// Finds what a plan makes of tables of a schema whose text is in the column of this name, whatever the plan says.
    ///
    /// # Errors
    /// If the schema does not have what the plan needs.
    pub fn of_column(text: &str, plan: &Plan, schema: &Schema, fates: Fates, options: &RunOptions) -> Result<Self> {
        let decoder = ColumnDecoder::of_column(text, schema, plan, options.nulls, options.limits)?;
        let encoder = ColumnEncoder::new(schema, decoder.text(), plan, fates)?;
        Ok(Self { decoder, encoder })
    }

    /// The schema of the tables that come out.
    #[must_use]
    pub fn schema(&self) -> &SchemaRef {
        self.encoder.schema()
    }
}

/// Runs a plan over tables of one schema. For each of them that has rows, one table comes out; columns that nothing has
/// changed are the same memory. Of the options, those about files are not used.
pub fn process_tables(
    plan: &Plan,
    table_plan: &TablePlan,
    tables: Vec<RecordBatch>,
    options: &RunOptions,
    watcher: &mut dyn Watcher,
) -> Result<(Vec<RecordBatch>, Report)> {
    let mut run = TableRun::new(plan, table_plan.clone(), options.clone())?;
    let tables = run.process(plan, tables, watcher)?;
    Ok((tables, run.report()))
}

/// A run over tables that come one after the other. Records are numbered and counted over all of them.
#[derive(Debug)]
pub struct TableRun {
    table_plan: TablePlan,
    options: RunOptions,
    statistics: Statistics,
    read: Account,
    accounted: Account,
    /// What of the report no writer knows.
    report: Report,
    /// The workers that go on to the next tables, and whether there are to be any.
    #[cfg(unix)]
    workers: Option<KeptWorkers>,
    keeps_workers: bool,
}

impl TableRun {
    /// A run that has not seen a table yet. Of the options, those about files are not used.
    ///
    /// # Errors
    /// If the options ask for more or less of the machine than a run can do with.
    pub fn new(plan: &Plan, table_plan: TablePlan, options: RunOptions) -> Result<Self> {
        check_resources(&options)?;
        let inputs = vec![Input {
            location: InputLocation::Standard,
            name: "the table".to_owned(),
        }];
        Ok(Self {
            table_plan,
            statistics: Statistics::new(plan),
            read: Account::default(),
            accounted: Account::default(),
            report: Report {
                inputs: 1,
                workers: options.workers,
                isolation: options.isolation(),
                ..Report::default()
            },
            options: RunOptions { inputs, ..options },
            #[cfg(unix)]
            workers: None,
            keeps_workers: false,
        })
    }

    /// Has the workers, if plugins run in any, go on from each call of [`TableRun::process`] to the next.
    #[must_use]
    pub fn with_kept_workers(mut self) -> Self {
        self.keeps_workers = true;
        self
    }

    /// Ends the workers that were kept, and tells what they have printed at last.
    pub fn end_workers(&mut self) {
        #[cfg(unix)]
        for printed in self.take_workers().into_iter().flat_map(KeptWorkers::end) {
            self.report.printed_bytes += printed.len() as u64;
            printed.lines().for_each(log_printed);
        }
    }

    /// Takes the workers that were kept. They end when they are dropped, which may take some time.
    #[cfg(unix)]
    pub fn take_workers(&mut self) -> Option<KeptWorkers> {
        if let Some(supervision) = &mut self.options.supervision {
            supervision.let_go();
        }
        self.workers.take()
    }

    /// Makes sure that workers go on after this call, if they are to.
    #[cfg(unix)]
    fn keep_workers(&mut self) -> Result<()> {
        match (&self.workers, &mut self.options.supervision) {
            (Some(workers), _) if workers.are_ours() => Ok(()),
            (Some(_), _) => {
                let message = "The workers of this run belong to the process that this one was forked from.";
                Err(ConfigError::new(message)
                    .with_hint("Begin the run in this process.")
                    .into())
            }
            (None, Some(supervision)) if self.keeps_workers => {
                self.workers = Some(KeptWorkers::new(supervision)?);
                Ok(())
            }
            (None, _) => Ok(()),
        }
    }

    /// The schema of the tables that come out.
    #[must_use]
    pub fn schema(&self) -> &SchemaRef {
        self.table_plan.schema()
    }

    /// Whether plugins run in workers.
    #[must_use]
    pub fn has_workers(&self) -> bool {
        self.options.supervision.is_some()
    }

    /// How many of a table's rows, from one on, have about so many bytes of text: one at least.
    #[must_use]
    pub fn rows_within(&self, table: &RecordBatch, first: usize, bytes: usize) -> usize {
        let part = self.table_plan.decoder.cut(table, first, bytes, u64::MAX, usize::MAX);
        part.rows
    }

    /// Processes further tables: for each that has rows, one comes out, unless all its records were rejected or quarantined.
    /// An error ends the run; what the tables before have given is not touched by it.
    pub fn process(
        &mut self,
        plan: &Plan,
        tables: Vec<RecordBatch>,
        watcher: &mut dyn Watcher,
    ) -> Result<Vec<RecordBatch>> {
        if tables.iter().all(|table| table.num_rows() == 0) {
            return Ok(Vec::new());
        }
        let started = Instant::now();
        #[cfg(unix)]
        self.keep_workers()?;
        let codec = self.codec(plan);
        let TablePlan { decoder, encoder } = &self.table_plan;
        let source = TableSource::new(tables.clone(), decoder.clone(), self.read.counts.read);
        let made = Tables::new(tables, Arc::clone(encoder.schema()));
        let inputs = self.options.inputs.iter().map(|input| (input.clone(), Format::Arrow));
        let (mut writer, report) = carry_out(
            plan,
            &self.options,
            inputs.collect(),
            &[codec],
            watcher,
            |reader, _, _| {
                let mut writer = Writer::new(
                    Destination::Tables(Box::new(made)),
                    self.statistics.clone(),
                    &self.options,
                );
                (writer.read, writer.accounted) = (self.read, self.accounted);
                Ok((writer, reader.with_source(Box::new(source)), None))
            },
        )?;
        let tables = writer.take_tables()?;
        (self.read, self.accounted) = (writer.read, writer.accounted);
        self.statistics = writer.statistics;
        self.report.restarts += report.restarts;
        self.report.printed_bytes += report.printed_bytes;
        self.report.seconds += started.elapsed().as_secs_f64();
        Ok(tables)
    }

    /// What became of the records so far.
    #[must_use]
    pub fn report(&self) -> Report {
        let mut report = self.report.clone();
        report.counts = self.accounted.counts;
        report.counts.read = self.read.counts.read;
        report.fingerprint = self.read.fingerprint.to_string();
        self.statistics.clone().tell(&mut report);
        report
    }

    fn codec(&self, plan: &Plan) -> Codec {
        let layout = Layout {
            text: plan.text.clone(),
            id: plan.id.clone(),
            fields: plan.fields.clone(),
            source: Format::Arrow,
            sink: Format::Arrow,
            limits: self.options.limits,
        };
        Codec {
            format: Format::Arrow,
            decoder: Box::new(self.table_plan.decoder.clone()),
            encoding: Encoding::Table(Box::new(self.table_plan.encoder.clone())),
            casualties: CasualtyEncoder::new(&layout, &self.options.inputs, labels(plan)),
        }
    }
}

/// Takes what was made of tables, batch by batch, and joins it.
pub(super) struct Tables {
    schema: SchemaRef,
    /// What the batches are made of, in order.
    sources: std::vec::IntoIter<RecordBatch>,
    source: Option<RecordBatch>,
    /// How many rows of the source the pieces are made of.
    rows: usize,
    pieces: Vec<Piece>,
    made: Vec<RecordBatch>,
}

/// What was made of a part of a source.
struct Piece {
    source: RecordBatch,
    made: RecordBatch,
}

impl Tables {
    fn new(sources: Vec<RecordBatch>, schema: SchemaRef) -> Self {
        Self {
            schema,
            sources: sources.into_iter(),
            source: None,
            rows: 0,
            pieces: Vec::new(),
            made: Vec::new(),
        }
    }

    /// Adds what was made of a batch. Batches come in the order of the sources.
    pub(super) fn add(&mut self, job: &mut Job) -> Result<()> {
        let Batch { columns, .. } = &mut job.batch;
        let (Some(source), Some(made)) = (columns.take(), job.table.take()) else {
            return Ok(());
        };
        self.rows += source.num_rows();
        self.pieces.push(Piece { source, made });
        let sources = &mut self.sources;
        let whole = match &self.source {
            Some(whole) => whole,
            none => match sources.find(|table| table.num_rows() > 0) {
                Some(next) => {
                    debug_assert!(none.is_none());
                    self.source.insert(next)
                }
                None => return Err(Error::Internal("More rows came back than there were.".to_owned())),
            },
        };
        if self.rows == whole.num_rows() {
            self.rows = 0;
            let pieces = std::mem::take(&mut self.pieces);
            if let Some(whole) = self.source.take() {
                self.join(&whole, pieces)?;
            }
        }
        Ok(())
    }

    /// Joins the pieces of a source. Columns that are the source's own in all of them are the source's own.
    fn join(&mut self, whole: &RecordBatch, mut pieces: Vec<Piece>) -> Result<()> {
        let mut columns: Vec<ArrayRef> = Vec::with_capacity(self.schema.fields().len());
        for index in 0..self.schema.fields().len() {
            let is_own = |piece: &Piece| {
                piece
                    .source
                    .columns()
                    .get(index)
                    .is_some_and(|own| is_same(own, piece.made.column(index)))
            };
            if pieces.iter().all(is_own) {
                columns.push(Arc::clone(whole.column(index)));
                continue;
            }
            let parts: Vec<&dyn Array> = pieces.iter().map(|piece| piece.made.column(index).as_ref()).collect();
            match concat(&parts) {
                Ok(column) => columns.push(column),
                Err(error) if pieces.len() == 1 => return Err(unjoined(&error)),
                // More than offsets of 32 bits, or the keys of a dictionary, can tell apart: then it is more than one table.
                Err(error) => {
                    log::debug!("What was made of a table is not joined: {error}.");
                    let rest = pieces.split_off(pieces.len() / 2);
                    let rows = pieces.iter().map(|piece| piece.source.num_rows()).sum();
                    self.join(&whole.slice(0, rows), pieces)?;
                    return self.join(&whole.slice(rows, whole.num_rows() - rows), rest);
                }
            }
        }
        let rows = pieces.iter().map(|piece| piece.made.num_rows()).sum();
        if rows == 0 && whole.num_rows() > 0 {
            return Ok(());
        }
        let options = RecordBatchOptions::new().with_row_count(Some(rows));
        let joined = RecordBatch::try_new_with_options(Arc::clone(&self.schema), columns, &options)
            .map_err(|error| unjoined(&error))?;
        self.made.push(joined);
        Ok(())
    }

    /// The tables that were made.
    pub(super) fn take(&mut self) -> Result<Vec<RecordBatch>> {
        if !self.pieces.is_empty() {
            return Err(Error::Internal("Not all rows of a table came back.".to_owned()));
        }
        Ok(std::mem::take(&mut self.made))
    }
}

fn unjoined(error: &ArrowError) -> Error {
    Error::Internal(format!("What was made of a table does not fit together: {error}."))
}

/// Whether two columns are the same memory.
fn is_same(one: &ArrayRef, other: &ArrayRef) -> bool {
    Arc::ptr_eq(one, other) || one.to_data().ptr_eq(&other.to_data())
}

#[cfg(test)]
mod tests {
    use super::*;
    use arrow_array::cast::AsArray as _;
    use arrow_array::types::Int8Type;
    use arrow_array::{DictionaryArray, Int8Array, StringArray};
    use arrow_schema::{DataType, Field};

    #[test]
    fn what_cannot_be_one_table_becomes_several() {
        let r#type = DataType::Dictionary(Box::new(DataType::Int8), Box::new(DataType::Utf8));
        let schema = Arc::new(Schema::new(vec![Field::new("text", r#type, true)]));
        let table = |first: usize| {
            let texts = StringArray::from_iter_values((first..first + 100).map(|number| number.to_string()));
            let keys = Int8Array::from_iter_values(0..100);
            let column = DictionaryArray::<Int8Type>::new(keys, Arc::new(texts));
            RecordBatch::try_new(Arc::clone(&schema), vec![Arc::new(column)]).expect("a table")
        };
        let whole = {
            let texts = StringArray::from_iter_values(["one"]);
            let column = DictionaryArray::<Int8Type>::new(Int8Array::from_iter_values([0; 400]), Arc::new(texts));
            RecordBatch::try_new(Arc::clone(&schema), vec![Arc::new(column)]).expect("a table")
        };
        let mut tables = Tables::new(Vec::new(), Arc::clone(&schema));
        let piece = |number: usize| Piece {
            source: whole.slice(number * 100, 100),
            made: table(number * 50),
        };
        tables.join(&whole, (0..4).map(piece).collect()).expect("joined");
        let made = tables.take().expect("tables");
        assert!(made.len() > 1);
        let texts = made.iter().flat_map(|table| {
            let column = table.column(0).as_dictionary::<Int8Type>();
            let texts = column.downcast_dict::<StringArray>().expect("texts");
            texts.into_iter().flatten().map(str::to_owned).collect::<Vec<_>>()
        });
        let expected = (0..4).flat_map(|number| number * 50..number * 50 + 100);
        assert!(texts.eq(expected.map(|number| number.to_string())));
    }
}
