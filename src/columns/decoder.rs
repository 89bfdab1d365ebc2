//! Makes records of the rows of a record batch.

use super::values::{Reading, values};
use crate::batch::{Adopted, Batch, Row, SourceRecord, View};
use crate::error::{ConfigError, Failure, FailureKind};
use crate::io::Decoder;
use crate::plan::Plan;
use crate::plugins::nearest;
use crate::record::Value;
use crate::step::Limits;
use arrow_array::cast::AsArray as _;
use arrow_array::types::ByteArrayType;
use arrow_array::{Array, ArrayRef, GenericByteArray, RecordBatch, StringViewArray};
use arrow_buffer::{ArrowNativeType as _, ToByteSlice as _};
use arrow_schema::{DataType, Schema};
use serde::{Deserialize, Serialize};
use std::collections::HashMap;
use std::ops::Range;

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
            .with_hint("Name the column that holds the text with `text`.")
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
        })
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

    fn views(&self, texts: &ArrayRef, batch: &mut Batch) -> Vec<Result<View, Box<Failure>>> {
        views(texts, &self.text_type, self.limits.record_bytes, batch)
    }
}

impl Decoder for ColumnDecoder {
    /// Makes a source record of each row of [`Batch::columns`], and a row with its text of each that has one.
    fn decode(&self, batch: &mut Batch) {
        let Some(columns) = batch.columns.clone() else { return };
        let count = columns.num_rows();
        let texts = columns.column(self.text);
        batch.loaded = lengths(texts, &self.text_type).map(|length| length + 1).sum();
        let views = self.views(texts, batch);
        let nulls = texts.logical_nulls();
        for (index, view) in views.into_iter().enumerate() {
            let is_null = nulls.as_ref().is_some_and(|nulls| nulls.is_null(index));
            let view = if is_null { Ok(View::default()) } else { view };
            batch.sources.push(SourceRecord {
                ordinal: batch.first_ordinal + index as u64,
                offset: batch.first_offset + index as u64,
                original: view.clone().unwrap_or_default(),
                ..SourceRecord::default()
            });
            if is_null && self.nulls == Nulls::Keep {
                continue;
            }
            let row = batch.rows.len();
            batch.rows.push(Row {
                source: index as u32,
                text: view.clone().unwrap_or_default(),
                ..Row::default()
            });
            match view {
                _ if is_null && self.nulls == Nulls::Reject => batch.reject(row, None, "null_text".into()),
                _ if is_null => batch.quarantine(row, None, null_text()),
                Ok(_) => {}
                Err(failure) => batch.quarantine(row, None, *failure),
            }
        }
        debug_assert_eq!(batch.sources.len(), count);
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
    .with_hint("Name the column that holds the text with `text`.")
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

fn null_text() -> Failure {
    Failure::new(FailureKind::FieldType, "The text is null.")
        .with_hint("`nulls = \"keep\"` lets such records pass untouched, and `\"reject\"` rejects them.")
}

fn not_utf8() -> Box<Failure> {
    let message = "The text is not UTF-8, although its column says so.";
    Box::new(Failure::new(FailureKind::Utf8, message).with_hint("Whatever made the table is at fault."))
}

fn outside() -> Box<Failure> {
    let message = "The text lies outside of the memory of its column.";
    Box::new(Failure::new(FailureKind::Utf8, message).with_hint("Whatever made the table is at fault."))
}

fn too_large(length: usize, limit: usize) -> Box<Failure> {
    let message = format!("The record has {length} bytes, more than the limit of {limit}; it was not loaded.");
    Box::new(Failure::new(FailureKind::RecordTooLarge, message))
}

/// How many bytes each text has. Of what is null nothing is said.
pub(super) fn lengths<'t>(texts: &'t ArrayRef, text_type: &TextType) -> Box<dyn Iterator<Item = usize> + 't> {
    let TextType::Dictionary(_, values) = text_type else {
        let length = length_in(texts, text_type);
        return Box::new((0..texts.len()).map(length));
    };
    let dictionary = texts.as_any_dictionary();
    // A dictionary without values has keys that are null.
    if dictionary.values().is_empty() {
        return Box::new(std::iter::repeat_n(0, texts.len()));
    }
    let length = length_in(dictionary.values(), values);
    Box::new(dictionary.normalized_keys().into_iter().map(length))
}

/// Tells how many bytes the text at an index has.
fn length_in<'t>(texts: &'t ArrayRef, text_type: &TextType) -> Box<dyn Fn(usize) -> usize + 't> {
    match text_type {
        TextType::Utf8 => {
            let texts = texts.as_string::<i32>();
            Box::new(|index| texts.value_length(index) as usize)
        }
        TextType::LargeUtf8 => {
            let texts = texts.as_string::<i64>();
            Box::new(|index| texts.value_length(index) as usize)
        }
        TextType::Utf8View => {
            let views = texts.as_string_view().views();
            // The length stands in the lowest four bytes.
            Box::new(|index| views[index] as u32 as usize)
        }
        // Nobody makes dictionaries of dictionaries.
        TextType::Dictionary(..) => Box::new(|_| 0),
    }
}

type Views = Vec<Result<View, Box<Failure>>>;

/// The views of the texts of a column, which the batch shares from now on. What is null has some view or other.
fn views(texts: &ArrayRef, text_type: &TextType, limit: usize, batch: &mut Batch) -> Views {
    match text_type {
        TextType::Utf8 => views_by_offsets(texts.as_string::<i32>(), limit, batch),
        TextType::LargeUtf8 => views_by_offsets(texts.as_string::<i64>(), limit, batch),
        TextType::Utf8View => views_of_views(texts.as_string_view(), limit, batch),
        TextType::Dictionary(_, values) => {
            let dictionary = texts.as_any_dictionary();
            if dictionary.values().is_empty() {
                return vec![Ok(View::default()); texts.len()];
            }
            let keys = dictionary.normalized_keys();
            if dictionary.values().len() <= texts.len() {
                let known = self::views(dictionary.values(), values, limit, batch);
                return keys.into_iter().map(|key| known[key].clone()).collect();
            }
            // Only the values in use are looked at: a dictionary may be far larger than a batch.
            let mut known: HashMap<usize, Result<View, Box<Failure>>> = HashMap::new();
            let views = keys.into_iter().map(|key| {
                known
                    .entry(key)
                    .or_insert_with(|| {
                        let value = dictionary.values().slice(key, 1);
                        views_of_one(&value, values, limit, batch)
                    })
                    .clone()
            });
            views.collect()
        }
    }
}

fn views_of_one(text: &ArrayRef, text_type: &TextType, limit: usize, batch: &mut Batch) -> Result<View, Box<Failure>> {
    let mut views = views(text, text_type, limit, batch);
    views.pop().unwrap_or_else(|| Ok(View::default()))
}

fn views_by_offsets<T>(texts: &GenericByteArray<T>, limit: usize, batch: &mut Batch) -> Views
where
    T: ByteArrayType,
{
    let offsets = texts.value_offsets();
    let at = |row: usize| offsets[row].as_usize();
    let (first, last) = (at(0), at(texts.len()));
    // Nobody has looked at the offsets of a table that came from elsewhere.
    let range = |row: usize| at(row).wrapping_sub(first)..at(row + 1).wrapping_sub(first);
    let Some(whole) = last.checked_sub(first) else {
        return vec![Err(outside()); texts.len()];
    };
    if u32::try_from(whole).is_err() {
        return vec![Err(too_large(whole, limit)); texts.len()];
    }
    let buffer = batch.share(texts.values().slice_with_length(first, whole));
    let checked = batch.check_shared(buffer, 0..whole);
    let view = |row: usize| {
        if texts.is_null(row) {
            return Ok(View::default());
        }
        let part = range(row);
        if part.len() > limit {
            return Err(too_large(part.len(), limit));
        }
        let view = match &checked {
            Some(all) => batch.view_of_adopted(all, part),
            None => batch.view_of_shared(buffer, part),
        };
        view.ok_or_else(not_utf8)
    };
    (0..texts.len()).map(view).collect()
}

/// What is so short lies in the view itself, behind its length.
const INLINE: usize = 12;

/// What a view says: how many bytes, and for a long text in which buffer and from where on.
#[derive(Clone, Copy)]
struct Place {
    length: usize,
    buffer: u32,
    start: usize,
}

impl Place {
    fn of(view: u128) -> Self {
        let bytes = view.to_byte_slice();
        let number = |at: usize| u32::from_le_bytes([bytes[at], bytes[at + 1], bytes[at + 2], bytes[at + 3]]);
        Self {
            length: number(0) as usize,
            buffer: number(8),
            start: number(12) as usize,
        }
    }
}

/// A buffer of a column of views, as far as a batch has texts in it.
struct Region {
    number: u16,
    /// From the first text to the end of the last one.
    range: Range<usize>,
    /// How many bytes its texts have.
    texts: usize,
    /// That all of the range is UTF-8, if that is known.
    checked: Option<Adopted>,
}

fn views_of_views(texts: &StringViewArray, limit: usize, batch: &mut Batch) -> Views {
    let is_long = |row: usize, place: Place| place.length > INLINE && place.length <= limit && !texts.is_null(row);
    let places = || texts.views().iter().map(|view| Place::of(*view)).enumerate();
    let mut regions: HashMap<u32, Region> = HashMap::new();
    for (_, place) in places().filter(|&(row, place)| is_long(row, place)) {
        let end = place.start + place.length;
        match regions.get_mut(&place.buffer) {
            Some(region) => {
                region.range = region.range.start.min(place.start)..region.range.end.max(end);
                region.texts += place.length;
            }
            None => {
                let Some(buffer) = texts.data_buffers().get(place.buffer as usize) else {
                    continue;
                };
                // Views reach as far as 32 bits count.
                let reached = buffer.len().min(u32::MAX as usize);
                let region = Region {
                    number: batch.share(buffer.slice_with_length(0, reached)),
                    range: place.start..end,
                    texts: place.length,
                    checked: None,
                };
                regions.insert(place.buffer, region);
            }
        }
    }
    // Looking through texts that lie side by side is quicker in one go than one by one.
    for region in regions.values_mut() {
        if region.texts >= region.range.len() / 2 {
            region.checked = batch.check_shared(region.number, region.range.clone());
        }
    }
    let inline = batch.share(texts.views().inner().clone());
    let view = |(row, place): (usize, Place)| {
        if texts.is_null(row) {
            return Ok(View::default());
        }
        if place.length <= INLINE {
            let start = row * size_of::<u128>() + size_of::<u32>();
            return batch
                .view_of_shared(inline, start..start + place.length)
                .ok_or_else(not_utf8);
        }
        if place.length > limit {
            return Err(too_large(place.length, limit));
        }
        let region = regions.get(&place.buffer).ok_or_else(outside)?;
        let part = place.start..place.start + place.length;
        match &region.checked {
            Some(all) => batch.view_of_adopted(all, part.start - region.range.start..part.end - region.range.start),
            None => batch.view_of_shared(region.number, part),
        }
        .ok_or_else(not_utf8)
    };
    places().map(view).collect()
}
