//! Text columns made of the rows of a batch.

use super::decoder::TextType;
use crate::batch::{Batch, View};
use crate::record::Spelling;
use arrow_array::builder::{GenericStringBuilder, make_view};
use arrow_array::{ArrayRef, OffsetSizeTrait, StringViewArray};
use arrow_buffer::{Buffer, NullBuffer, ScalarBuffer};
use arrow_cast::cast;
use arrow_schema::ArrowError;
use std::sync::Arc;

/// A column of texts in the type given; `None` is null. Where the type allows it no text is copied: the batch hands its
/// buffers over, and its texts can still be read, but nothing can be written to those buffers again.
pub fn text_array(batch: &mut Batch, texts: &[Option<View>], r#type: &TextType) -> Result<ArrayRef, ArrowError> {
    match r#type {
        TextType::Utf8 => copied::<i32>(batch, texts),
        TextType::LargeUtf8 => copied::<i64>(batch, texts),
        TextType::Utf8View => Ok(Arc::new(view_array(batch, texts))),
        TextType::Dictionary(_, values) => cast(&text_array(batch, texts, values)?, &r#type.data_type()),
    }
}

fn copied<O: OffsetSizeTrait>(batch: &Batch, texts: &[Option<View>]) -> Result<ArrayRef, ArrowError> {
    let bytes: usize = texts.iter().flatten().map(|view| view.len()).sum();
    if O::from_usize(bytes).is_none() {
        return Err(ArrowError::OffsetOverflowError(bytes));
    }
    let mut column = GenericStringBuilder::<O>::with_capacity(texts.len(), bytes);
    let mut plain = String::new();
    for view in texts {
        match view {
            Some(view) => column.append_value(batch.text(*view).read(&mut plain)),
            None => column.append_null(),
        }
    }
    Ok(Arc::new(column.finish()))
}

/// A column of views. The batch hands over the buffers in which the texts lie.
#[must_use]
pub fn view_array(batch: &mut Batch, texts: &[Option<View>]) -> StringViewArray {
    views(batch, texts, Batch::hand_over)
}

/// A column of views, of buffers that the batch only lends: it is to be let go before the batch is used again.
#[must_use]
pub fn lent_array(batch: &mut Batch, texts: &[Option<View>]) -> StringViewArray {
    views(batch, texts, Batch::lend)
}

fn views(batch: &mut Batch, texts: &[Option<View>], give: impl Fn(&mut Batch, u32) -> Buffer) -> StringViewArray {
    const INLINE: usize = 12;
    let nulls = texts.iter().any(Option::is_none);
    let nulls = nulls.then(|| texts.iter().map(Option::is_some).collect::<NullBuffer>());
    // Texts that are spelled as JSON spells them are written plainly first, behind all others.
    let mut unescaped = batch.open();
    let mut plain = String::new();
    let plain_views: Vec<Option<View>> = texts
        .iter()
        .map(|view| {
            let view = (*view)?;
            let text = batch.text(view);
            Some(match text.spelling() {
                Spelling::Plain => view,
                Spelling::Json => unescaped.push(text.read(&mut plain)),
            })
        })
        .collect();
    batch.close(unescaped);
    let mut numbers: Vec<Option<u32>> = Vec::new();
    let mut buffers: Vec<Buffer> = Vec::new();
    let views: ScalarBuffer<u128> = plain_views
        .into_iter()
        .map(|view| {
            let Some(view) = view else { return 0 };
            let (buffer, offset, length) = Batch::parts(view);
            if length as usize <= INLINE {
                return make_view(batch.text(view).spelled().as_bytes(), 0, 0);
            }
            let at = buffer as usize;
            if numbers.len() <= at {
                numbers.resize(at + 1, None);
            }
            let number = *numbers[at].get_or_insert_with(|| {
                buffers.push(give(batch, buffer));
                buffers.len() as u32 - 1
            });
            make_view(batch.text(view).spelled().as_bytes(), number, offset)
        })
        .collect();
    #[expect(unsafe_code, reason = "each text would be validated once more")]
    // SAFETY: Each view was made by `make_view` of a text of the batch, with the number of the buffer that the batch gave
    // and the text's place in it. A text of a batch is UTF-8, and what was given is not changed as long as the column has it.
    unsafe {
        StringViewArray::new_unchecked(views, buffers, nulls)
    }
}
