//! Tables made of objects: the schema that the first of them tell of, and columns of those that fit it.

use super::encoder::{TableEncoder, added_type};
use super::unambiguous::Object;
use super::values::column_type;
use crate::batch::{Batch, State};
use crate::error::{Error, Failure, FailureKind, Result};
use crate::io::Encoder;
use crate::plan::Plan;
use crate::record::{Fate, FieldType};
use arrow_array::builder::{BooleanBuilder, Float64Builder, Int64Builder, StringBuilder};
use arrow_array::{ArrayRef, ListArray, NullArray, RecordBatch, RecordBatchOptions, StructArray};
use arrow_buffer::{NullBuffer, OffsetBuffer};
use arrow_schema::{ArrowError, DataType, Field, Fields, Schema, SchemaRef};
use serde_json::{Map, Value};
use std::sync::Arc;

/// What is known of the values under a key.
#[derive(Debug, Clone, PartialEq, Default)]
enum Shape {
    /// Nothing but null was seen.
    #[default]
    Null,
    Boolean,
    Integer,
    Float,
    Text,
    List(Box<Self>),
    Object(Vec<(String, Self)>),
}

impl Shape {
    fn of(value: &Value) -> Self {
        match value {
            Value::Null => Self::Null,
            Value::Bool(_) => Self::Boolean,
            Value::Number(number) if number.is_i64() => Self::Integer,
            Value::Number(_) => Self::Float,
            Value::String(_) => Self::Text,
            Value::Array(items) => {
                let mut item = Self::Null;
                for other in items {
                    item.learn(Self::of(other));
                }
                Self::List(Box::new(item))
            }
            Value::Object(members) => Self::Object(
                members
                    .iter()
                    .map(|(key, value)| (key.clone(), Self::of(value)))
                    .collect(),
            ),
        }
    }

    /// Learns of another value. What contradicts what is known has no say.
    fn learn(&mut self, other: Self) {
        match (&mut *self, other) {
            (Self::Null, other) => *self = other,
            (Self::Integer, Self::Float) => *self = Self::Float,
            (Self::List(item), Self::List(other)) => item.learn(*other),
            (Self::Object(known), Self::Object(members)) => {
                for (key, shape) in members {
                    match known.iter_mut().find(|(there, _)| *there == key) {
                        Some((_, known)) => known.learn(shape),
                        None => known.push((key, shape)),
                    }
                }
            }
            _ => {}
        }
    }

    fn data_type(&self) -> DataType {
        match self {
            Self::Boolean => DataType::Boolean,
            Self::Integer => DataType::Int64,
            Self::Float => DataType::Float64,
            Self::Text => DataType::Utf8,
            Self::List(item) => DataType::new_list(item.data_type(), true),
            Self::Object(members) => DataType::Struct(fields(members)),
            Self::Null => DataType::Null,
        }
    }
}

fn fields(members: &[(String, Shape)]) -> Fields {
    members
        .iter()
        .map(|(key, shape)| Field::new(key, shape.data_type(), true))
        .collect()
}

/// Learns, from one object after the other, which columns they would make.
#[derive(Debug, Clone, Default)]
pub struct SchemaLearner {
    shape: Shape,
}

impl SchemaLearner {
    /// Learns of one more. What is no object has no say.
    pub fn learn(&mut self, line: &[u8]) {
        if let Ok(object @ Value::Object(_)) = serde_json::from_slice(line) {
            self.shape.learn(Shape::of(&object));
        }
    }

    /// The columns: those of the keys, in the order in which they came, of which this one holds the text.
    #[must_use]
    pub fn schema(&self, text: &str) -> Schema {
        let members = match &self.shape {
            Shape::Object(members) => members.as_slice(),
            _ => &[],
        };
        let mut fields: Vec<Field> = members
            .iter()
            .map(|(key, shape)| match shape {
                _ if key == text => Field::new(key, DataType::Utf8, true),
                shape => Field::new(key, shape.data_type(), true),
            })
            .collect();
        if !fields.iter().any(|field| field.name() == text) {
            fields.push(Field::new(text, DataType::Utf8, true));
        }
        Schema::new(fields)
    }
}

/// Makes tables of records that do not come from one: of what would be written of them as JSON Lines.
pub struct ObjectTable {
    schema: SchemaRef,
    /// Writes the objects.
    encoder: Box<dyn Encoder>,
    /// The columns whose values, whatever they are, are kept as JSON.
    as_json: Vec<bool>,
}

impl ObjectTable {
    /// Makes tables of the columns of a schema, and of those that steps add.
    #[must_use]
    pub fn new(schema: &Schema, plan: &Plan, encoder: Box<dyn Encoder>) -> Self {
        let mut fields: Vec<Field> = schema.fields().iter().map(|field| field.as_ref().clone()).collect();
        let mut as_json = vec![false; fields.len()];
        for (number, field) in plan.fields.iter().enumerate() {
            let Some(r#type) = added_type(plan, number) else {
                continue;
            };
            let new = Field::new(&field.name, column_type(r#type), true);
            let is_json = r#type == FieldType::Json;
            match fields.iter().position(|there| *there.name() == field.name) {
                Some(there) => (fields[there], as_json[there]) = (new, is_json),
                None => {
                    fields.push(new);
                    as_json.push(is_json);
                }
            }
        }
        Self {
            schema: Arc::new(Schema::new(fields)),
            encoder,
            as_json,
        }
    }

    fn objects(&self, batch: &Batch) -> Vec<Result<Map<String, Value>, serde_json::Error>> {
        let mut lines = Vec::new();
        self.encoder.encode(batch, &mut lines);
        let lines = lines.strip_suffix(b"\n").unwrap_or(&lines);
        if lines.is_empty() {
            return Vec::new();
        }
        let objects = lines.split(|byte| *byte == b'\n').map(serde_json::from_slice);
        objects.map(|object| object.map(|Object(members)| members)).collect()
    }

    fn fits(&self, object: &Map<String, Value>) -> Result<(), String> {
        for (key, value) in object {
            let Some((column, field)) = self.schema.column_with_name(key) else {
                return Err(format!("there is no column `{key}`"));
            };
            if !self.as_json[column] {
                fits(field.data_type(), value).map_err(|reason| format!("`{key}`{reason}"))?;
            }
        }
        Ok(())
    }
}

impl TableEncoder for ObjectTable {
    fn schema(&self) -> &SchemaRef {
        &self.schema
    }

    fn check(&self, batch: &mut Batch) {
        self.encoder.check(batch);
        let live = |batch: &Batch| -> Vec<usize> {
            let rows = batch.rows.iter().enumerate();
            rows.filter(|(_, row)| row.state == State::Live)
                .map(|(index, _)| index)
                .collect()
        };
        let rows = live(batch);
        for (row, object) in rows.into_iter().zip(self.objects(batch)) {
            let reason = match object {
                Ok(object) => self.fits(&object),
                Err(error) => Err(format!("it cannot be taken apart ({error})")),
            };
            if let Err(reason) = reason {
                let message = format!("The record does not fit the columns of the output: {reason}.");
                let failure = Failure::new(FailureKind::Schema, message)
                    .with_hint("The first records of the first input tell which columns there are. Write to a `.jsonl` file, which can hold any record.");
                batch.quarantine(row, None, failure);
            }
        }
    }

    fn encode(&self, batch: &mut Batch, _fates: &[Fate]) -> Result<RecordBatch> {
        let mut objects = Vec::with_capacity(batch.rows.len());
        for object in self.objects(batch) {
            objects.push(object.map_err(|error| Error::Internal(format!("An object cannot be read back: {error}.")))?);
        }
        let made = |error: ArrowError| Error::Internal(format!("The output could not be made a table: {error}."));
        let mut columns: Vec<ArrayRef> = Vec::with_capacity(self.schema.fields().len());
        for (column, field) in self.schema.fields().iter().enumerate() {
            let values: Vec<Option<&Value>> = objects.iter().map(|object| object.get(field.name())).collect();
            columns.push(if self.as_json[column] {
                let text = |value: &Value| value.to_string();
                let texts = values.into_iter().map(|value| value.map(text));
                let mut column = StringBuilder::new();
                texts.for_each(|text| column.append_option(text));
                Arc::new(column.finish())
            } else {
                column_of(field.data_type(), &values).map_err(made)?
            });
        }
        let options = RecordBatchOptions::new().with_row_count(Some(objects.len()));
        RecordBatch::try_new_with_options(Arc::clone(&self.schema), columns, &options).map_err(made)
    }
}

/// Whether a column of a type can hold a value as it is. The error says what is in the way, behind the name of the key.
fn fits(r#type: &DataType, value: &Value) -> Result<(), String> {
    /// The largest whole number below which each has a 64-bit float of its own.
    const EXACT: f64 = 9_007_199_254_740_992.0;
    let fits_here = match (r#type, value) {
        (_, Value::Null) | (DataType::Boolean, Value::Bool(_)) | (DataType::Utf8, Value::String(_)) => true,
        (DataType::Int64, Value::Number(number)) => number.is_i64(),
        (DataType::Float64, Value::Number(number)) => {
            let float = number.as_f64().unwrap_or(f64::INFINITY);
            float.abs() < EXACT || float.fract() != 0.0
        }
        (DataType::List(item), Value::Array(items)) => {
            for (index, value) in items.iter().enumerate() {
                fits(item.data_type(), value).map_err(|reason| format!("[{index}]{reason}"))?;
            }
            true
        }
        (DataType::Struct(fields), Value::Object(members)) => {
            for (key, value) in members {
                let Some((_, field)) = fields.find(key) else {
                    return Err(format!(" has no member `{key}` there"));
                };
                fits(field.data_type(), value).map_err(|reason| format!(".{key}{reason}"))?;
            }
            true
        }
        _ => false,
    };
    if fits_here {
        return Ok(());
    }
    let found = match value {
        Value::Null => "null",
        Value::Bool(_) => "a truth value",
        Value::Number(_) => "a number that it would change",
        Value::String(_) => "a text",
        Value::Array(_) => "a list",
        Value::Object(_) => "an object",
    };
    Err(format!(" holds {type}, and here {found}"))
}

fn column_of(r#type: &DataType, values: &[Option<&Value>]) -> Result<ArrayRef, ArrowError> {
    let each = values.iter().copied();
    Ok(match r#type {
        DataType::Boolean => {
            let mut column = BooleanBuilder::new();
            each.for_each(|value| column.append_option(value.and_then(Value::as_bool)));
            Arc::new(column.finish())
        }
        DataType::Int64 => {
            let mut column = Int64Builder::new();
            each.for_each(|value| column.append_option(value.and_then(Value::as_i64)));
            Arc::new(column.finish())
        }
        DataType::Float64 => {
            let mut column = Float64Builder::new();
            each.for_each(|value| column.append_option(value.and_then(Value::as_f64)));
            Arc::new(column.finish())
        }
        DataType::Utf8 => {
            let mut column = StringBuilder::new();
            each.for_each(|value| column.append_option(value.and_then(Value::as_str)));
            Arc::new(column.finish())
        }
        DataType::List(item) => {
            let lists: Vec<Option<&Vec<Value>>> = each.map(|value| value.and_then(Value::as_array)).collect();
            let offsets = OffsetBuffer::<i32>::from_lengths(lists.iter().map(|list| list.map_or(0, Vec::len)));
            let nulls: NullBuffer = lists.iter().map(Option::is_some).collect();
            let items: Vec<Option<&Value>> = lists.into_iter().flatten().flatten().map(Some).collect();
            let items = column_of(item.data_type(), &items)?;
            Arc::new(ListArray::try_new(Arc::clone(item), offsets, items, Some(nulls))?)
        }
        DataType::Struct(fields) => {
            let objects: Vec<Option<&Map<String, Value>>> =
                each.map(|value| value.and_then(Value::as_object)).collect();
            let nulls: NullBuffer = objects.iter().map(Option::is_some).collect();
            if fields.is_empty() {
                return Ok(Arc::new(StructArray::new_empty_fields(objects.len(), Some(nulls))));
            }
            let member = |field: &Arc<Field>| {
                let values: Vec<Option<&Value>> = objects
                    .iter()
                    .map(|object| object.and_then(|object| object.get(field.name())))
                    .collect();
                column_of(field.data_type(), &values)
            };
            let columns = fields.iter().map(member).collect::<Result<Vec<_>, _>>()?;
            Arc::new(StructArray::try_new(fields.clone(), columns, Some(nulls))?)
        }
        _ => Arc::new(NullArray::new(values.len())),
    })
}
