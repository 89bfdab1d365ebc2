//! Where the texts of a column lie, as views of a batch that shares its memory.

use super::decoder::TextType;
use crate::batch::{Adopted, Batch, View};
use crate::error::{Failure, FailureKind};
use arrow_array::cast::AsArray as _;
use arrow_array::types::ByteArrayType;
use arrow_array::{Array, ArrayRef, GenericByteArray, StringViewArray};
use arrow_buffer::{ArrowNativeType as _, ToByteSlice as _};
use std::collections::HashMap;
use std::ops::Range;

fn not_utf8() -> Failure {
    let message = "The text is not UTF-8, although its column says so.";
    Failure::new(FailureKind::Utf8, message).with_hint("Whatever made the table is at fault.")
}

fn outside() -> Failure {
    let message = "The text lies outside of the memory of its column.";
    Failure::new(FailureKind::Utf8, message).with_hint("Whatever made the table is at fault.")
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

/// Where each text lies, or why it cannot be read.
pub(super) type Views = Vec<Result<View, Box<Failure>>>;

/// The views of the texts of a column, which the batch shares from now on. What is null has some view or other.
pub(super) fn views(texts: &ArrayRef, text_type: &TextType, limit: usize, batch: &mut Batch) -> Views {
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
        return vec![Err(outside().into()); texts.len()];
    };
    if u32::try_from(whole).is_err() {
        return vec![Err(Failure::too_large_to_load(whole as u64, limit).into()); texts.len()];
    }
    let buffer = batch.share(texts.values().slice_with_length(first, whole));
    let checked = batch.check_shared(buffer, 0..whole);
    let view = |row: usize| {
        if texts.is_null(row) {
            return Ok(View::default());
        }
        let part = range(row);
        if part.len() > limit {
            return Err(Failure::too_large_to_load(part.len() as u64, limit).into());
        }
        let view = match &checked {
            Some(all) => batch.view_of_adopted(all, part),
            None => batch.view_of_shared(buffer, part),
        };
        view.ok_or_else(|| not_utf8().into())
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

/// The regions of a column of views, by the number of their buffers in the column.
#[derive(Default)]
struct Regions {
    found: Vec<Region>,
    known: HashMap<u32, usize>,
    /// The buffer that was looked up last, and its region: neighbours mostly lie in one buffer.
    last: Option<(u32, usize)>,
}

impl Regions {
    fn index(&self, buffer: u32) -> Option<usize> {
        match self.last {
            Some((last, index)) if last == buffer => Some(index),
            _ => self.known.get(&buffer).copied(),
        }
    }

    /// Notes that there is a text. One whose buffer does not exist is passed over.
    fn note(&mut self, place: Place, texts: &StringViewArray, batch: &mut Batch) {
        let end = place.start + place.length;
        if let Some(index) = self.index(place.buffer) {
            self.last = Some((place.buffer, index));
            let region = &mut self.found[index];
            region.range = region.range.start.min(place.start)..region.range.end.max(end);
            region.texts += place.length;
            return;
        }
        let Some(buffer) = texts.data_buffers().get(place.buffer as usize) else {
            return;
        };
        // Views reach as far as 32 bits count.
        let reached = buffer.len().min(u32::MAX as usize);
        self.known.insert(place.buffer, self.found.len());
        self.found.push(Region {
            number: batch.share(buffer.slice_with_length(0, reached)),
            range: place.start..end,
            texts: place.length,
            checked: None,
        });
    }
}

fn views_of_views(texts: &StringViewArray, limit: usize, batch: &mut Batch) -> Views {
    let is_long = |row: usize, place: Place| place.length > INLINE && place.length <= limit && !texts.is_null(row);
    let places = || texts.views().iter().map(|view| Place::of(*view)).enumerate();
    let mut regions = Regions::default();
    for (_, place) in places().filter(|&(row, place)| is_long(row, place)) {
        regions.note(place, texts, batch);
    }
    // Looking through texts that lie side by side is quicker in one go than one by one.
    for region in &mut regions.found {
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
                .ok_or_else(|| not_utf8().into());
        }
        if place.length > limit {
            return Err(Failure::too_large_to_load(place.length as u64, limit).into());
        }
        let region = regions.index(place.buffer).map(|index| &regions.found[index]);
        let region = region.ok_or_else(|| Box::new(outside()))?;
        let part = place.start..place.start + place.length;
        match &region.checked {
            Some(all) => batch.view_of_adopted(all, part.start - region.range.start..part.end - region.range.start),
            None => batch.view_of_shared(region.number, part),
        }
        .ok_or_else(|| not_utf8().into())
    };
    places().map(view).collect()
}
