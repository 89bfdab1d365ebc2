//! The inputs of a run that are tables: what all of them hold, and how each is opened.

use super::csv::CellTables;
use super::ipc::{IpcFile, IpcStream};
use super::parquet::{ParquetTables, TableDefaults};
use super::{ColumnSource, ReadAhead, TableReader, difference};
use crate::columns::ColumnDecoder;
use crate::error::{ConfigError, Error, Result};
use crate::io::sniff;
use crate::io::{Compression, Format, Input, Source, compression_of};
use crate::plan::Plan;
use crate::record::Place;
use crate::step::{Cancel, Limits};
use arrow_schema::{DataType, Field, Schema, SchemaRef};
use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

/// What a table in a file is.
#[derive(Debug, Clone)]
pub struct TableFacts {
    /// Its columns and its metadata.
    pub schema: SchemaRef,
    /// How it is stored, as far as that is kept.
    pub defaults: TableDefaults,
    /// The columns whose values would not be read whole, each with the reason behind its name.
    pub unreadable: Vec<(usize, &'static str)>,
}

impl TableFacts {
    /// What stands in for tables where all inputs are empty: a column for each field that the plan reads.
    #[must_use]
    pub fn of_nothing(plan: &Plan) -> Self {
        let asked = plan.fields.iter().filter(|field| field.from_source);
        let mut names = vec![plan.text.as_str()];
        for field in asked {
            if !names.contains(&field.name.as_str()) {
                names.push(&field.name);
            }
        }
        let fields: Vec<Field> = names
            .into_iter()
            .map(|name| Field::new(name, DataType::Utf8, true))
            .collect();
        Self {
            schema: Arc::new(Schema::new(fields)),
            defaults: TableDefaults::default(),
            unreadable: Vec::new(),
        }
    }

    /// The schema of this table and another one with the same columns, or what differs, in words. A column may hold nulls if
    /// it may in one of them.
    pub fn schema_with(&self, other: &Self) -> Result<SchemaRef, String> {
        if let Some(difference) = difference(&self.schema, &other.schema) {
            return Err(difference);
        }
        let fields: Vec<Field> = self
            .schema
            .fields()
            .iter()
            .zip(other.schema.fields())
            .map(|(field, other)| {
                let nullable = field.is_nullable() || other.is_nullable();
                field.as_ref().clone().with_nullable(nullable)
            })
            .collect();
        Ok(Arc::new(Schema::new_with_metadata(
            fields,
            self.schema.metadata().clone(),
        )))
    }
}

/// Opens a table, and tells what it is. An input without a byte is none, and has no rows.
fn open(
    input: &Input,
    format: Format,
    wanted: Option<&[usize]>,
    limits: Limits,
    cancel: &Cancel,
) -> Result<(Box<dyn TableReader>, Option<TableFacts>)> {
    let check = || {
        let packed = compression_of(input).is_some_and(|compression| compression != Compression::None);
        if packed {
            return Err(Error::Input(Box::new(unpack_first(input, format))));
        }
        if input.is_missing() {
            // Whoever opens it tells of that.
            return Ok(());
        }
        if input.can_be_read_again() {
            return sniff::check_input(input, format).map_err(|error| Error::Input(Box::new(error)));
        }
        Err(ConfigError::new(format!(
            "{} cannot be read through a pipe: parts of it are read in another order.",
            format.title()
        ))
        .with_hint("Write it to a file first; an Arrow stream (`--format stream`) can be read through a pipe.")
        .into())
    };
    let mut defaults = TableDefaults::default();
    let mut unreadable = Vec::new();
    let (reader, schema): (Box<dyn TableReader>, Option<SchemaRef>) = match format {
        Format::Parquet => {
            check()?;
            let tables = ParquetTables::open(input, wanted.map(<[usize]>::to_vec), limits, cancel)?;
            let schema = Arc::clone(tables.schema());
            defaults = tables.defaults();
            unreadable = tables.unreadable_columns();
            (Box::new(tables), Some(schema))
        }
        Format::Stream => {
            let tables = IpcStream::open(input, limits, cancel)?;
            let schema = tables.schema();
            (Box::new(tables), schema)
        }
        Format::Csv | Format::Tsv => {
            let tables = CellTables::open(input, format, limits, cancel)?;
            let schema = tables.schema();
            (Box::new(tables), schema)
        }
        _ => {
            check()?;
            let tables = IpcFile::open(input, limits, cancel)?;
            let schema = tables.schema();
            (Box::new(tables), Some(schema))
        }
    };
    let facts = schema.map(|schema| TableFacts {
        schema,
        defaults,
        unreadable,
    });
    Ok((reader, facts))
}

fn unpack_first(input: &Input, format: Format) -> crate::error::FileError {
    let message = format!(
        "`{}` is compressed as a whole; expected {}.",
        input.name,
        format.title()
    );
    let mut error = crate::error::FileError::new(input.address(), message);
    error.hint = Some("Unpack it first. Such a file is compressed within.".to_owned());
    error
}

/// What the table in an input is; `None` if the input is empty. One that can be read only once stays open in `kept`.
pub fn facts_of(
    input: &Input,
    format: Format,
    limits: Limits,
    cancel: &Cancel,
    kept: &mut KeptTables,
) -> Result<Option<TableFacts>> {
    let (reader, facts) = open(input, format, None, limits, cancel)?;
    if input.size().is_none() {
        kept.0.insert(input.name.clone(), reader);
    }
    Ok(facts)
}

/// Inputs that were opened and cannot be opened again.
#[derive(Default)]
pub struct KeptTables(HashMap<String, Box<dyn TableReader>>);

/// Opens the inputs of a run.
pub struct TableInputs {
    decoder: Arc<ColumnDecoder>,
    schema: SchemaRef,
    /// The columns that are read, if not all of them are.
    wanted: Option<Vec<usize>>,
    ahead: ReadAhead,
    kept: Mutex<KeptTables>,
}

impl TableInputs {
    /// Opens inputs of this schema. Of those in which columns lie apart, only the ones that are wanted are read.
    #[must_use]
    pub fn new(decoder: ColumnDecoder, schema: SchemaRef, wanted: Option<Vec<usize>>, kept: KeptTables) -> Self {
        Self {
            decoder: Arc::new(decoder),
            schema,
            wanted,
            ahead: ReadAhead::default(),
            kept: Mutex::new(kept),
        }
    }

    /// Has what lies behind the rows that were read be decoded ahead, where that can be.
    #[must_use]
    pub fn with_read_ahead(self, ahead: ReadAhead) -> Self {
        Self { ahead, ..self }
    }

    /// Opens an input at a place in it.
    pub fn open(
        &self,
        input: &Input,
        format: Format,
        limits: Limits,
        cancel: &Cancel,
        place: Place,
    ) -> Result<Box<dyn Source>> {
        let kept = self
            .kept
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .0
            .remove(&input.name);
        // Parquet decodes what is wanted only; of other tables the rest is left out afterwards.
        let projection = self.wanted.as_deref().filter(|_| format == Format::Parquet);
        let left_out = self.wanted.clone().filter(|_| format != Format::Parquet);
        let reader = match kept {
            Some(reader) => reader,
            None => {
                let (reader, facts) = open(input, format, projection, limits, cancel)?;
                if let Some(facts) = facts {
                    self.check(input, &facts)?;
                }
                reader
            }
        };
        let mut reader = reader;
        reader.read_ahead(self.ahead);
        let decoder = Arc::clone(&self.decoder);
        let source = ColumnSource::new(reader, decoder, Arc::clone(&self.schema), left_out);
        Ok(Box::new(source.with_place(place.ordinal, place.offset)?))
    }
}

impl TableInputs {
    /// Refuses an input whose columns are not those that were found before the run.
    fn check(&self, input: &Input, facts: &TableFacts) -> Result<()> {
        let found = match &self.wanted {
            None => Arc::clone(&facts.schema),
            Some(wanted) => Arc::new(facts.schema.project(wanted).map_err(|error| changed(input, &error))?),
        };
        match difference(&self.schema, &found) {
            Some(difference) => Err(changed(input, &difference)),
            None => Ok(()),
        }
    }
}

impl std::fmt::Debug for TableInputs {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter
            .debug_struct("TableInputs")
            .field("schema", &self.schema)
            .finish_non_exhaustive()
    }
}

fn changed(input: &Input, what: &dyn std::fmt::Display) -> Error {
    Error::input(
        input.address(),
        format!(
            "The input `{}` is not what it was when the run began: {what}.",
            input.name
        ),
    )
}
