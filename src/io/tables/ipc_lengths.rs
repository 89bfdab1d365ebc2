//! Looks at the lengths in a message of Arrow before the library believes them: it makes room for as many bytes as a compressed
//! buffer says that it becomes.

use crate::step::Limits;
use arrow_ipc::{Message, root_as_message};
use std::io;

/// So many bytes a batch may become, however few it has.
const ALWAYS: u64 = 64 << 20;

/// A compressed buffer begins with how many bytes it becomes.
const PREFIX: usize = 8;

/// What stands before a message: its length, and in all but the oldest files a mark before that.
pub(super) const MARK: [u8; 4] = [0xff; 4];
const LENGTH: usize = 4;

/// The message in these bytes, which begin with what stands before it.
pub(super) fn message(bytes: &[u8]) -> Result<Message<'_>, String> {
    let begin = if bytes.starts_with(&MARK) { MARK.len() } else { 0 } + LENGTH;
    let message = bytes.get(begin..).ok_or("a message is cut off")?;
    root_as_message(message).map_err(|error| format!("a message cannot be read ({error})"))
}

/// Refuses a message whose buffers say that they become more than is allowed. `read` reads so many bytes of its body at a place,
/// of which there are enough.
pub(super) fn check(
    message: &Message<'_>,
    limits: Limits,
    mut read: impl FnMut(u64, &mut [u8]) -> io::Result<()>,
) -> Result<(), String> {
    let body = u64::try_from(message.bodyLength()).map_err(|_| "a message has a negative length")?;
    let dictionary = message
        .header_as_dictionary_batch()
        .and_then(|dictionary| dictionary.data());
    let Some(batch) = message.header_as_record_batch().or(dictionary) else {
        return Ok(());
    };
    let (Some(_), Some(expansion)) = (batch.compression(), limits.expansion) else {
        return Ok(());
    };
    let most = ALWAYS
        .max(limits.record_bytes as u64)
        .max(body.saturating_mul(expansion));
    let mut unpacked = 0_u64;
    for buffer in batch.buffers().into_iter().flatten() {
        let (Ok(place), Ok(length)) = (u64::try_from(buffer.offset()), u64::try_from(buffer.length())) else {
            return Err("a buffer has a negative place or length".to_owned());
        };
        if place.checked_add(length).is_none_or(|end| end > body) {
            return Err("a buffer lies beyond the end of its message".to_owned());
        }
        if length < PREFIX as u64 {
            continue;
        }
        let mut prefix = [0; PREFIX];
        read(place, &mut prefix).map_err(|error| error.to_string())?;
        // The library knows what negative lengths mean.
        unpacked = unpacked.saturating_add(u64::try_from(i64::from_le_bytes(prefix)).unwrap_or(0));
        if unpacked > most {
            return Err(format!(
                "it says that it becomes {unpacked} bytes or more, of {body}: if it is what it should be, allow more with \
                 `--max-expansion`"
            ));
        }
    }
    Ok(())
}
