//! Makes records of the rows of a record batch.

use super::values::{Reading, values};
use super::views::{lengths, views};
use crate::batch::{Batch, Row, SourceRecord, View};
use crate::error::{ConfigError, Failure, FailureKind};
use crate::io::{Decoder, Format, unsayable_rows};
use crate::plan::Plan;
use crate::plugins::nearest;
use crate::record::Value;
use crate::step::Limits;
use arrow_array::{Array as _, RecordBatch};
use arrow_schema::{DataType, Field, Schema};
use serde::{Deserialize, Serialize};

/// The way out where no column of that name holds texts.
const NAME_THE_COLUMN: &str =
    "Name the column that holds the text: with `--text`, with `text` in the pipeline file, or with `text=` in Python.";

/// What becomes of a record whose text is null. A null text is never an empty text.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Nulls {
    /// It passes untouched: no step sees it.
    Keep,
    /// It is rejected, with the reason `null_text`.
    Reject,
    /// It is quarantined.
    #[default]
    Quarantine,
}

/// How a column holds its texts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TextType {
    /// One after the other, with offsets of 32 bits.
    Utf8,
    /// One after the other, with offsets of 64 bits.
    LargeUtf8,
    /// As views of buffers.
    Utf8View,
    /// As keys of a dictionary, whose values are texts: the type of the keys and that of the values.
    Dictionary(Box<DataType>, Box<Self>),
}

impl TextType {
    /// The way in which a type holds texts, if it does.
    #[must_use]
    pub fn of(r#type: &DataType) -> Option<Self> {
        match r#type {
            DataType::Utf8 => Some(Self::Utf8),
            DataType::LargeUtf8 => Some(Self::LargeUtf8),
            DataType::Utf8View => Some(Self::Utf8View),
            DataType::Dictionary(keys, values) => match Self::of(values)? {
                Self::Dictionary(..) => None,
                values => Some(Self::Dictionary(keys.clone(), Box::new(values))),
            },
            _ => None,
        }
    }

    /// How the values of a dictionary hold texts, or the column itself where it has none.
    #[must_use]
    pub fn without_dictionary(&self) -> &Self {
        match self {
            Self::Dictionary(_, values) => values,
            flat => flat,
        }
    }

    /// The type that holds texts this way.
    #[must_use]
    pub fn data_type(&self) -> DataType {
        match self {
            Self::Utf8 => DataType::Utf8,
            Self::LargeUtf8 => DataType::LargeUtf8,
            Self::Utf8View => DataType::Utf8View,
            Self::Dictionary(keys, values) => DataType::Dictionary(keys.clone(), Box::new(values.data_type())),
        }
    }
}

/// Rows of a table that make a batch.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Part {
    /// How many there are.
    pub rows: usize,
    /// How many bytes they count as.
    pub bytes: usize,
}

/// Makes records of rows.
#[derive(Debug, Clone)]
pub struct ColumnDecoder {
    text: usize,
    text_type: TextType,
    /// The fields of the plan that steps ask of the source, with their columns.
    asked: Vec<(u16, usize, Reading)>,
    nulls: Nulls,
    limits: Limits,
    /// The columns that go out as text, which cannot say all times.
    said: Vec<usize>,
    /// Whether it can say all numbers, which JSON cannot.
    says_numbers: bool,
}

impl ColumnDecoder {
    /// A decoder for the tables of a schema.
    ///
    /// # Errors
    /// If there is no column for the text, more than one, or one that holds no texts, and if a step needs a field of which
    /// there is no column, or one whose values it could not be given.
    pub fn new(schema: &Schema, plan: &Plan, nulls: Nulls, limits: Limits) -> Result<Self, ConfigError> {
        Self::of_column(&plan.text, schema, plan, nulls, limits)
    }

    /// A decoder for the tables of a schema whose text is in the column of this name, whatever the plan says.
    ///
    /// # Errors
    /// As of [`ColumnDecoder::new`].
    pub fn of_column(
        name: &str,
        schema: &Schema,
        plan: &Plan,
        nulls: Nulls,
        limits: Limits,
    ) -> Result<Self, ConfigError> {
        let text = find(schema, name)?.ok_or_else(|| no_text(schema, name))?;
        let found = schema.field(text).data_type();
        let text_type = TextType::of(found).ok_or_else(|| {
            ConfigError::new(format!(
                "The column `{name}` must hold texts (utf8, large_utf8, utf8_view, or a dictionary of them), and holds {found}."
            ))
            .with_hint(NAME_THE_COLUMN)
        })?;
        let mut asked = Vec::new();
        for (number, field) in plan.fields.iter().enumerate().filter(|(_, field)| field.from_source) {
            let Some(column) = find(schema, &field.name)? else {
                check_not_needed(plan, &field.name)?;
                continue;
            };
            let data_type = schema.field(column).data_type();
            let reading = Reading::of(data_type).ok_or_else(|| {
                ConfigError::new(format!(
                    "A step asks for the field `{}`, whose column holds {data_type}, which a step cannot be given.",
                    field.name
                ))
            })?;
            asked.push((number as u16, column, reading));
        }
        Ok(Self {
            text,
            text_type,
            asked,
            nulls,
            limits,
            said: Vec::new(),
            says_numbers: true,
        })
    }

    /// Has it quarantine the records that could not be written as text as they are: columns that no step replaces may hold
    /// times that have no words, and numbers that JSON cannot say.
    #[must_use]
    pub fn for_rows(mut self, schema: &Schema, plan: &Plan, sink: Format) -> Self {
        let is_replaced = |name: &str| {
            let mut added = plan.fields.iter().filter(|field| field.added_by.is_some());
            added.any(|field| field.name == name)
        };
        let columns = schema.fields().iter().enumerate();
        let kept = columns.filter(|(column, field)| *column != self.text && !is_replaced(field.name()));
        self.said = kept.map(|(column, _)| column).collect();
        self.says_numbers = sink != Format::Jsonl;
        self
    }

    /// The records that cannot be written as text, in order, each with the column that is in the way.
    fn unsayable(&self, columns: &RecordBatch) -> Vec<(usize, usize)> {
        let schema = columns.schema();
        let rows_of = |&column: &usize| {
            let rows = unsayable_rows(&schema.fields()[column], columns.column(column), !self.says_numbers);
            rows.into_iter().map(move |row| (row, column))
        };
        let mut found: Vec<(usize, usize)> = self.said.iter().flat_map(rows_of).collect();
        found.sort_unstable();
        found.dedup_by_key(|(row, _)| *row);
        found
    }

    /// The index of the column that holds the text, and how it holds it.
    #[must_use]
    pub fn text(&self) -> (usize, &TextType) {
        (self.text, &self.text_type)
    }

    /// Cuts a batch from a table, from a row on: of about so many bytes of text and of at most so many records, and of one at
    /// least. It ends, at the latest, with the first record that ends `until` bytes or more behind its beginning.
    ///
    /// A record counts as the bytes of its text and one more, whatever its other columns hold.
    #[must_use]
    pub fn cut(&self, table: &RecordBatch, first: usize, size: usize, until: u64, records: usize) -> Part {
        let left = (table.num_rows() - first).min(records);
        let texts = table.column(self.text).slice(first, left);
        let mut part = Part::default();
        for length in lengths(&texts, &self.text_type) {
            if part.rows > 0 && (part.bytes + length >= size || part.bytes as u64 >= until) {
                break;
            }
            part.rows += 1;
            part.bytes += length + 1;
        }
        part
    }
}

impl Decoder for ColumnDecoder {
    /// Makes a source record of each row of [`Batch::columns`], and a row with its text of each that has one.
    fn decode(&self, batch: &mut Batch) {
        let Some(columns) = batch.columns.clone() else { return };
        let texts = columns.column(self.text);
        batch.loaded = lengths(texts, &self.text_type).map(|length| length + 1).sum();
        let views = views(texts, &self.text_type, self.limits.record_bytes, batch);
        let nulls = texts.logical_nulls();
        // Some may stand before or behind these rows, where a batch was divided.
        let flawed = std::mem::take(&mut batch.flawed);
        let first_here = flawed.partition_point(|row| row.offset < batch.first_offset);
        let mut flaws = flawed[first_here..].iter().peekable();
        let mut unsayable = self.unsayable(&columns).into_iter().peekable();
        for (index, view) in views.into_iter().enumerate() {
            let flaw = flaws.next_if(|row| row.offset == batch.first_offset + index as u64);
            let unsayable = unsayable.next_if(|(row, _)| *row == index);
            let is_null = nulls.as_ref().is_some_and(|nulls| nulls.is_null(index));
            let view = if is_null { Ok(View::default()) } else { view };
            batch.sources.push(SourceRecord {
                ordinal: batch.first_ordinal + index as u64,
                offset: batch.first_offset + index as u64,
                original: view.clone().unwrap_or_default(),
                ..SourceRecord::default()
            });
            let passes = is_null && flaw.is_none() && self.nulls == Nulls::Keep;
            if passes && unsayable.is_none() {
                continue;
            }
            let row = batch.rows.len();
            batch.rows.push(Row {
                source: index as u32,
                text: view.clone().unwrap_or_default(),
                ..Row::default()
            });
            if let Some(flaw) = flaw {
                batch.quarantine(row, None, flaw.failure.clone());
                continue;
            }
            match view {
                _ if is_null && self.nulls == Nulls::Reject => batch.reject(row, None, "null_text".into()),
                _ if is_null && !passes => batch.quarantine(row, None, null_text()),
                Err(failure) => batch.quarantine(row, None, *failure),
                Ok(_) => {
                    if let Some((_, column)) = unsayable {
                        let failure = not_sayable(columns.schema_ref().field(column));
                        batch.quarantine(row, None, failure);
                    }
                }
            }
        }
        debug_assert_eq!(batch.sources.len(), columns.num_rows());
        batch.flawed = flawed;
        for (number, column, reading) in &self.asked {
            let mut read = values(columns.column(*column), *reading).into_iter();
            for row in 0..batch.rows.len() {
                let source = batch.rows[row].source as usize;
                let before = if row == 0 {
                    0
                } else {
                    batch.rows[row - 1].source as usize + 1
                };
                let value = read.nth(source - before).unwrap_or(Value::Missing);
                batch.set_field(*number, row, value);
            }
        }
    }
}

/// Where a column of a name is.
fn find(schema: &Schema, name: &str) -> Result<Option<usize>, ConfigError> {
    let mut found = schema
        .fields()
        .iter()
        .enumerate()
        .filter(|(_, field)| field.name() == name);
    match (found.next(), found.next()) {
        (Some(_), Some(_)) => Err(
            ConfigError::new(format!("The table has more than one column `{name}`."))
                .with_hint("Give the columns names that tell them apart."),
        ),
        (found, _) => Ok(found.map(|(index, _)| index)),
    }
}

fn no_text(schema: &Schema, name: &str) -> ConfigError {
    let names = || schema.fields().iter().map(|field| field.name().as_str());
    let listed: Vec<String> = names().map(|name| format!("`{name}`")).collect();
    let columns = if listed.is_empty() {
        "no columns".to_owned()
    } else {
        format!("the columns {}", listed.join(", "))
    };
    ConfigError::new(format!(
        "The table has no column `{name}`, which should hold the text; it has {columns}."
    ))
    .with_suggestion(nearest(name, names()))
    .with_hint(NAME_THE_COLUMN)
}

/// A step that has a default for a field can do without its column.
fn check_not_needed(plan: &Plan, field: &str) -> Result<(), ConfigError> {
    for planned in &plan.steps {
        let declaration = planned.step.declaration();
        if declaration
            .asks
            .iter()
            .any(|asked| asked.name == field && asked.required)
        {
            let message = format!(
                "The step `{}` asks for the field `{field}`, and the table has no such column.",
                declaration.name
            );
            return Err(ConfigError::new(message).with_hint("Add the column, or a step before it that adds the field."));
        }
    }
    Ok(())
}

fn not_sayable(field: &Field) -> Failure {
    let what = match field.data_type() {
        DataType::Float16 | DataType::Float32 | DataType::Float64 => "number that JSON cannot say: NaN or an infinity",
        r#type if r#type.is_temporal() => "date or a time that cannot be said: it is beyond all years, days or hours",
        _ => "number that JSON cannot say (NaN or an infinity), or a time beyond all years, days or hours",
    };
    let message = format!("The column `{}` holds a {what}.", field.name());
    Failure::new(FailureKind::Number, message).with_hint("Write to a `.parquet` or `.arrow` file, which can hold it.")
}

fn null_text() -> Failure {
    Failure::new(FailureKind::FieldType, "The text is null.").with_hint(
        "`--nulls keep`, or `nulls=\"keep\"` in Python, lets such records pass untouched; `reject` rejects them.",
    )
}
