//! JSON strings, the part that must be fast: what is special inside one, and writing one.
//!
//! Three kinds of bytes are special between the quotes: the quote, the backslash and everything below `0x20`. A writer
//! looks for them in blocks of 64 bytes, first whether there are any, then where, in loops that become vector instructions.

/// How many bytes are looked at together.
const BLOCK: usize = 64;

/// 1 for a byte that cannot stand for itself in a JSON string, else 0.
#[inline]
fn is_special(byte: u8) -> u8 {
    u8::from(byte < 0x20) | u8::from(byte == b'"') | u8::from(byte == b'\\')
}

/// Marks the special bytes of a block: bit `n` stands for byte `n`.
#[inline]
fn special_bytes(block: &[u8; BLOCK]) -> u64 {
    if block.iter().fold(0, |any, &byte| any | is_special(byte)) == 0 {
        return 0;
    }
    let mut flags = [0; BLOCK];
    for (flag, &byte) in flags.iter_mut().zip(block) {
        *flag = is_special(byte);
    }
    let (words, _) = flags.as_chunks::<8>();
    // The multiplication gathers eight flags in the top byte.
    words.iter().rev().fold(0, |mask, word| {
        mask << 8 | u64::from_le_bytes(*word).wrapping_mul(0x0102_0408_1020_4080) >> 56
    })
}

/// The first control character, which JSON strings may hold only as an escape.
#[inline]
pub(crate) fn control_character(bytes: &[u8]) -> Option<usize> {
    if bytes.iter().fold(0, |any, &byte| any | u8::from(byte < 0x20)) == 0 {
        return None;
    }
    bytes.iter().position(|&byte| byte < 0x20)
}

/// Appends the text that the inside of a JSON string spells, where no escape of it is `\uXXXX`.
pub(crate) fn unescape_short(spelled: &str, out: &mut String) {
    let bytes = spelled.as_bytes();
    out.reserve(bytes.len());
    let mut start = 0;
    while let Some(found) = memchr::memchr(b'\\', &bytes[start..]) {
        let at = start + found;
        out.push_str(&spelled[start..at]);
        out.push(char::from(super::spelling::unescaped(bytes[at + 1])));
        start = at + 2;
    }
    out.push_str(&spelled[start..]);
}

/// Appends a text as a JSON string, with quotes. Only what JSON requires is escaped; other characters stand as UTF-8.
pub fn write_json_string(text: &str, out: &mut Vec<u8>) {
    out.push(b'"');
    write_json_string_body(text, out);
    out.push(b'"');
}

/// Appends a text as the inside of a JSON string, without quotes.
pub fn write_json_string_body(text: &str, out: &mut Vec<u8>) {
    let bytes = text.as_bytes();
    out.reserve(bytes.len() + bytes.len() / 16 + 2);
    let (blocks, rest) = bytes.as_chunks::<BLOCK>();
    for block in blocks {
        write_block(block, special_bytes(block), out);
    }
    let mut padded = [b' '; BLOCK];
    padded[..rest.len()].copy_from_slice(rest);
    write_block(rest, special_bytes(&padded), out);
}

#[inline]
fn write_block(block: &[u8], mut special: u64, out: &mut Vec<u8>) {
    let mut start = 0;
    while special != 0 {
        let at = special.trailing_zeros() as usize;
        special &= special - 1;
        out.extend_from_slice(&block[start..at]);
        write_escape(block[at], out);
        start = at + 1;
    }
    out.extend_from_slice(&block[start..]);
}

fn write_escape(byte: u8, out: &mut Vec<u8>) {
    match byte {
        b'"' => out.extend_from_slice(b"\\\""),
        b'\\' => out.extend_from_slice(b"\\\\"),
        b'\n' => out.extend_from_slice(b"\\n"),
        b'\r' => out.extend_from_slice(b"\\r"),
        b'\t' => out.extend_from_slice(b"\\t"),
        0x08 => out.extend_from_slice(b"\\b"),
        0x0c => out.extend_from_slice(b"\\f"),
        _ => {
            const HEX: &[u8; 16] = b"0123456789abcdef";
            out.extend_from_slice(b"\\u00");
            out.push(HEX[usize::from(byte >> 4)]);
            out.push(HEX[usize::from(byte & 0xf)]);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn a_written_string_reads_back_equal(text in any::<String>()) {
            let mut out = Vec::new();
            write_json_string(&text, &mut out);
            let back: String = serde_json::from_slice(&out).expect("valid JSON");
            prop_assert_eq!(back, text);
        }

        #[test]
        fn a_long_string_with_escapes_anywhere_reads_back_equal(text in "[a-zé\"\\\\\\n\\x00]{0,300}") {
            let mut out = Vec::new();
            write_json_string(&text, &mut out);
            let back: String = serde_json::from_slice(&out).expect("valid JSON");
            prop_assert_eq!(back, text);
        }

        #[test]
        fn the_mask_marks_exactly_the_special_bytes(block in any::<[u8; 32]>(), other in any::<[u8; 32]>()) {
            let mut whole = [0; BLOCK];
            whole[..32].copy_from_slice(&block);
            whole[32..].copy_from_slice(&other);
            let expected = whole.iter().enumerate().fold(0_u64, |mask, (index, &byte)| {
                mask | u64::from(byte < 0x20 || byte == b'"' || byte == b'\\') << index
            });
            prop_assert_eq!(special_bytes(&whole), expected);
        }
    }
}
