//! JSON strings, 64 bytes at a time: where one ends, the text that it spells, and spelling a text.
//!
//! A block is reduced to masks in which bit `n` stands for byte `n`, and what follows is arithmetic on 64-bit numbers:
//! no byte is looked at by itself unless it is special. The loops are written once, in `loops`; the forms differ
//! in how they make the masks. AVX-512 can also close and open gaps between bytes, and has loops of its own for that.

mod loops;
mod portable;
#[cfg(test)]
mod tests;
#[cfg(target_arch = "x86_64")]
mod x86;

#[cfg(target_arch = "x86_64")]
use std::sync::LazyLock;

/// How many bytes are looked at together.
const BLOCK: usize = 64;

/// What escapes the inside of a JSON string is spelled with.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum Escapes {
    /// None: it is the text as it stands.
    None,
    /// Only escapes of two characters, such as `\n`. Undoing them cannot fail.
    Short,
    /// Also escapes with the number of a UTF-16 unit, such as `\u00e9`. They may be halves of surrogate pairs.
    Unicode,
}

/// What the loops are made of. Each processor has the portable form; what else it has is asked when the program runs.
#[derive(Debug, Clone, Copy)]
enum Form {
    #[cfg_attr(
        all(target_arch = "x86_64", not(test)),
        expect(dead_code, reason = "only the tests ask for it where there is better")
    )]
    Portable,
    #[cfg(target_arch = "x86_64")]
    X86(x86::Form),
}

impl Form {
    /// The fastest form that this processor has.
    #[inline]
    fn best() -> Self {
        // To ask for each of the features is too much for a string of forty bytes.
        #[cfg(target_arch = "x86_64")]
        static BEST: LazyLock<x86::Form> = LazyLock::new(x86::Form::best);
        #[cfg(target_arch = "x86_64")]
        return Self::X86(*BEST);
        #[cfg(not(target_arch = "x86_64"))]
        Self::Portable
    }
}

/// Where a string ends whose first byte after the quote is at `start`: the index of the closing quote, and what escapes
/// stand before it. `None` if the string is no JSON string: it does not end in `bytes`, or has a control
/// character or an escape that there is none of before its end. Bytes after the end may be anything.
#[inline]
pub(crate) fn string_end(bytes: &[u8], start: usize) -> Option<(usize, Escapes)> {
    string_end_by(Form::best(), bytes, start)
}

/// The same for a string whose closing quote is among the 16 bytes at `start`, with no escape before it.
#[inline]
pub(crate) fn short_string_end(bytes: &[u8], start: usize) -> Option<usize> {
    let head = bytes.get(start..)?.first_chunk()?;
    #[cfg(target_arch = "x86_64")]
    let end = x86::plain_end(head)?;
    #[cfg(not(target_arch = "x86_64"))]
    let end = portable::plain_end(head)?;
    Some(start + end)
}

/// Appends the text that the inside of a JSON string spells, up to the first `\u` escape from `start` on. Returns the
/// index of that escape, or the length of `spelled` if there is none. The escapes must have been checked; the result
/// for others is some text.
///
/// # Panics
/// If there is no character that begins at `start`.
#[inline]
pub(crate) fn unescape_to_unicode(spelled: &str, start: usize, out: &mut String) -> usize {
    start + unescape_by(Form::best(), &spelled[start..], out)
}

/// Appends a text as the inside of a JSON string. Only what JSON requires is escaped.
#[inline]
pub(crate) fn escape(text: &str, out: &mut Vec<u8>) {
    escape_by(Form::best(), text, out);
}

#[inline]
fn string_end_by(form: Form, bytes: &[u8], start: usize) -> Option<(usize, Escapes)> {
    match form {
        Form::Portable => portable::string_end(bytes, start),
        #[cfg(target_arch = "x86_64")]
        Form::X86(form) => form.string_end(bytes, start),
    }
}

#[inline]
#[expect(unsafe_code, reason = "the text is written by blocks, which are no texts")]
fn unescape_by(form: Form, spelled: &str, out: &mut String) -> usize {
    // SAFETY: A form appends `spelled` without some of its backslashes and with some of its ASCII characters
    // replaced by others; both leave UTF-8 what it is. It stops only before a backslash or at the end.
    let out = unsafe { out.as_mut_vec() };
    match form {
        Form::Portable => portable::unescape(spelled.as_bytes(), out),
        #[cfg(target_arch = "x86_64")]
        Form::X86(form) => form.unescape(spelled.as_bytes(), out),
    }
}

#[inline]
fn escape_by(form: Form, text: &str, out: &mut Vec<u8>) {
    match form {
        Form::Portable => portable::escape(text.as_bytes(), out),
        #[cfg(target_arch = "x86_64")]
        Form::X86(form) => form.escape(text.as_bytes(), out),
    }
}
