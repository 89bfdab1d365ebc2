//! Makes a record batch of what became of records.

use super::decoder::TextType;
use super::texts::text_array;
use super::values::{column, column_type};
use super::views::lengths;
use crate::batch::{Batch, Ending, State, View};
use crate::error::{ConfigError, Error, Result};
use crate::plan::Plan;
use crate::record::{Fate, FieldType, Value};
use crate::step::Kind;
use arrow_array::builder::StringBuilder;
use arrow_array::{Array as _, ArrayRef, BooleanArray, RecordBatch, RecordBatchOptions, UInt32Array};
use arrow_cast::cast;
use arrow_schema::{ArrowError, DataType, Field, Schema, SchemaRef};
use arrow_select::take::take;
use arrow_select::zip::zip;
use std::sync::Arc;

/// Which records a table is to hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fates {
    /// Those that go out.
    Out,
    /// All, with three more columns: `fate`, `reason` and `step`. One that did not go out has its original text.
    All,
}

/// The columns that tell of fates.
const FATE_COLUMNS: [&str; 3] = ["fate", "reason", "step"];

/// A field that steps add.
#[derive(Debug, Clone)]
struct Added {
    number: u16,
    r#type: FieldType,
    /// The column whose values they replace.
    column: usize,
}

/// Makes tables of batches.
#[derive(Debug, Clone)]
pub struct ColumnEncoder {
    schema: SchemaRef,
    text: usize,
    text_type: TextType,
    added: Vec<Added>,
    /// How many columns come from the source.
    from_source: usize,
    fates: Fates,
    steps: Vec<String>,
}

/// Makes tables of batches.
pub trait TableEncoder: Send + Sync {
    /// The schema of the tables that it makes.
    fn schema(&self) -> &SchemaRef;

    /// Checks, before fates are settled, that each live row has its place in a table; one that has not is quarantined.
    fn check(&self, _batch: &mut Batch) {}

    /// Makes a table of a batch whose fates are settled. Buffers of the batch may be handed over to it.
    fn encode(&self, batch: &mut Batch, fates: &[Fate]) -> Result<RecordBatch>;
}

impl TableEncoder for ColumnEncoder {
    fn schema(&self) -> &SchemaRef {
        &self.schema
    }

    fn encode(&self, batch: &mut Batch, fates: &[Fate]) -> Result<RecordBatch> {
        Self::encode(self, batch, fates)
    }
}

/// One row of a table.
#[derive(Debug, Clone, Copy)]
struct Place {
    source: u32,
    /// The row of the batch; `None` for a record without a text, which passed.
    row: Option<u32>,
}

impl ColumnEncoder {
    /// An encoder for what comes of tables of a schema, whose text is in this column.
    ///
    /// # Errors
    /// If the table has a column already that is to tell of fates.
    pub fn new(schema: &Schema, text: (usize, &TextType), plan: &Plan, fates: Fates) -> Result<Self, ConfigError> {
        let mut fields: Vec<Arc<Field>> = schema.fields().iter().map(Arc::clone).collect();
        let from_source = fields.len();
        let mut added = Vec::new();
        for (number, field) in plan.fields.iter().enumerate() {
            let Some(r#type) = added_type(plan, number) else {
                continue;
            };
            let new = Arc::new(Field::new(&field.name, column_type(r#type), true));
            let column = match fields.iter().position(|there| *there.name() == field.name) {
                Some(there) if there == text.0 => return Err(replaces_text(plan, number)),
                Some(there) => {
                    fields[there] = new;
                    there
                }
                None => {
                    fields.push(new);
                    fields.len() - 1
                }
            };
            added.push(Added {
                number: number as u16,
                r#type,
                column,
            });
        }
        if fates == Fates::All {
            for name in FATE_COLUMNS {
                if fields.iter().any(|there| there.name() == name) {
                    return Err(ConfigError::new(format!(
                        "The table has a column `{name}` already, which is to tell of the fate of each record."
                    ))
                    .with_hint("Give that column another name, or leave `fates` out."));
                }
                fields.push(Arc::new(Field::new(name, DataType::Utf8, name != "fate")));
            }
        }
        let (text, text_type) = text;
        if matches!(text_type, TextType::Dictionary(..)) && changes_texts(plan) {
            fields[text] = Arc::new(without_values(&fields[text]));
        }
        Ok(Self {
            schema: Arc::new(Schema::new_with_metadata(fields, schema.metadata().clone())),
            text,
            text_type: text_type.clone(),
            added,
            from_source,
            fates,
            steps: plan
                .steps
                .iter()
                .map(|planned| planned.step.declaration().name.clone())
                .collect(),
        })
    }

    /// The schema of the tables that it makes.
    #[must_use]
    pub fn schema(&self) -> &SchemaRef {
        &self.schema
    }

    /// Makes a table of a batch whose fates are settled. Buffers of the batch may be handed over to it.
    pub fn encode(&self, batch: &mut Batch, fates: &[Fate]) -> Result<RecordBatch> {
        self.table(batch, fates).map_err(|error| match error {
            ArrowError::DictionaryKeyOverflowError => {
                let message = format!(
                    "The steps make more different texts than the dictionary of the column `{}` can number, whose type is {}.",
                    self.schema.field(self.text).name(),
                    self.text_type.data_type()
                );
                ConfigError::new(message)
                    .with_hint("Give the pipeline the column as texts: cast it to `utf8` first.")
                    .into()
            }
            error => Error::Internal(format!("The output could not be made a table: {error}.")),
        })
    }

    fn table(&self, batch: &mut Batch, fates: &[Fate]) -> Result<RecordBatch, ArrowError> {
        let Some(columns) = batch.columns.clone() else {
            return Ok(RecordBatch::new_empty(Arc::clone(&self.schema)));
        };
        let places = self.places(batch, fates);
        let is_whole = places.len() == columns.num_rows()
            && places
                .iter()
                .enumerate()
                .all(|(index, place)| place.source as usize == index);
        let indices = (!is_whole).then(|| UInt32Array::from_iter_values(places.iter().map(|place| place.source)));
        let taken = |column: &ArrayRef| match &indices {
            None => Ok(Arc::clone(column)),
            Some(indices) => take(column, indices, None),
        };
        let mut made: Vec<ArrayRef> = Vec::with_capacity(self.schema.fields().len());
        for (index, column) in columns.columns().iter().enumerate() {
            let is_replaced = self.added.iter().any(|added| added.column == index);
            made.push(if is_replaced {
                // Its place is filled below.
                Arc::clone(column)
            } else if index == self.text {
                self.texts(batch, fates, &places, taken(column)?)?
            } else {
                taken(column)?
            });
        }
        for added in &self.added {
            let values = places.iter().map(|place| match place.row {
                Some(row) => batch.field(added.number, row as usize),
                None => &Value::Missing,
            });
            let values = column(added.r#type, values);
            if added.column < self.from_source {
                made[added.column] = values;
            } else {
                made.push(values);
            }
        }
        if self.fates == Fates::All {
            made.extend(self.fate_columns(batch, fates, &places));
        }
        let options = RecordBatchOptions::new().with_row_count(Some(places.len()));
        RecordBatch::try_new_with_options(Arc::clone(&self.schema), made, &options)
    }

    /// The rows of the table, in order.
    fn places(&self, batch: &Batch, fates: &[Fate]) -> Vec<Place> {
        let mut places = Vec::with_capacity(batch.rows.len());
        let mut rows = batch.rows.iter().enumerate().peekable();
        for (source, fate) in fates.iter().enumerate() {
            let source = source as u32;
            let mut first = None;
            let mut is_there = false;
            while let Some((row, here)) = rows.next_if(|(_, row)| row.source == source) {
                first.get_or_insert(row as u32);
                if here.state == State::Live && *fate == Fate::Out {
                    is_there = true;
                    places.push(Place {
                        source,
                        row: Some(row as u32),
                    });
                }
            }
            let passed = first.is_none();
            if !is_there && (passed || self.fates == Fates::All) {
                places.push(Place { source, row: first });
            }
        }
        places
    }

    /// The text of each row: the source's own column where no text was changed.
    fn texts(
        &self,
        batch: &mut Batch,
        fates: &[Fate],
        places: &[Place],
        taken: ArrayRef,
    ) -> Result<ArrayRef, ArrowError> {
        let original = |place: &Place| batch.sources[place.source as usize].original;
        let is_out = |place: &Place| fates[place.source as usize] == Fate::Out;
        let text = |place: &Place| match place.row {
            Some(row) if is_out(place) => batch.rows[row as usize].text,
            _ => original(place),
        };
        if places.iter().all(|place| text(place) == original(place)) {
            return Ok(taken);
        }
        let nulls = taken.logical_nulls();
        let is_null = |index: usize| nulls.as_ref().is_some_and(|nulls| nulls.is_null(index));
        let texts: Vec<Option<View>> = places
            .iter()
            .enumerate()
            .map(|(index, place)| (!is_null(index)).then(|| text(place)))
            .collect();
        // A text that could not be read is in quarantine, and stands in the source's column only.
        let unread = (!places.iter().all(is_out)).then(|| -> BooleanArray {
            let lengths = lengths(&taken, &self.text_type);
            let unread = |(place, length): (&Place, usize)| !is_out(place) && length > 0 && original(place).is_empty();
            places.iter().zip(lengths).map(|pair| Some(unread(pair))).collect()
        });
        let flat = self.text_type.without_dictionary();
        let mut made = text_array(batch, &texts, flat)?;
        if let Some(unread) = unread {
            made = zip(&unread, &cast(&taken, &flat.data_type())?, &made)?;
        }
        match &self.text_type {
            TextType::Dictionary(..) => cast(&made, &self.text_type.data_type()),
            _ => Ok(made),
        }
    }

    fn fate_columns(&self, batch: &Batch, fates: &[Fate], places: &[Place]) -> [ArrayRef; 3] {
        let (mut fate, mut reason, mut step) = (StringBuilder::new(), StringBuilder::new(), StringBuilder::new());
        let mut casualties = batch.casualties.iter().peekable();
        for place in places {
            let its_fate = fates[place.source as usize];
            fate.append_value(its_fate.name());
            let row = place.row.unwrap_or(u32::MAX);
            let of = |row: u32| batch.rows.get(row as usize).map_or(u32::MAX, |row| row.source);
            while casualties
                .peek()
                .is_some_and(|casualty| of(casualty.row) < place.source)
            {
                casualties.next();
            }
            let told = casualties
                .peek()
                .filter(|casualty| its_fate != Fate::Out && row != u32::MAX && of(casualty.row) == place.source);
            reason.append_option(told.map(|casualty| match &casualty.ending {
                Ending::Rejected(reason) => reason.as_ref(),
                Ending::Failed(failure) => failure.message.as_str(),
            }));
            let its_step = told.and_then(|casualty| self.steps.get(usize::from(casualty.step?)));
            step.append_option(its_step);
        }
        [
            Arc::new(fate.finish()),
            Arc::new(reason.finish()),
            Arc::new(step.finish()),
        ]
    }
}

/// The error of a step that adds a field where the text is.
fn replaces_text(plan: &Plan, number: usize) -> ConfigError {
    let field = &plan.fields[number];
    let step = field
        .added_by
        .map(|step| &plan.steps[usize::from(step)].step.declaration().name);
    ConfigError::new(format!(
        "Step `{}` adds the field `{name}`, but `{name}` holds the text of this table.",
        step.map_or("", String::as_str),
        name = field.name
    ))
    .with_hint("Name another column with `text`, or give the column another name.")
}

fn changes_texts(plan: &Plan) -> bool {
    let mut kinds = plan.steps.iter().map(|planned| planned.step.declaration().kind);
    kinds.any(|kind| matches!(kind, Kind::Map | Kind::Split))
}

/// A column of a dictionary without what tells of its values: it will have others, in another order. Polars lists those of
/// an `Enum` in the metadata.
fn without_values(field: &Field) -> Field {
    let mut metadata = field.metadata().clone();
    metadata.retain(|key, _| !key.starts_with("_PL_ENUM"));
    field.clone().with_metadata(metadata).with_dict_is_ordered(false)
}

/// The type of a field of the plan, if a step adds it.
pub(super) fn added_type(plan: &Plan, number: usize) -> Option<FieldType> {
    let field = &plan.fields[number];
    let step = &plan.steps[usize::from(field.added_by?)].step;
    let declared = step
        .declaration()
        .fields
        .iter()
        .find(|declared| declared.name == field.name)?;
    Some(declared.r#type)
}
