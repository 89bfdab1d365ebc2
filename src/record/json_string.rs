//! Writing JSON strings.

use crate::simd::json::escape;

/// What the byte behind a backslash stands for, if it is not `u`.
pub(crate) fn unescaped(byte: u8) -> u8 {
    match byte {
        b'n' => b'\n',
        b't' => b'\t',
        b'r' => b'\r',
        b'b' => 0x08,
        b'f' => 0x0c,
        // `"`, `\` and `/` stand for themselves.
        other => other,
    }
}

/// Appends a text as a JSON string, with quotes. Only what JSON requires is escaped; other characters stand as UTF-8.
pub fn write_json_string(text: &str, out: &mut Vec<u8>) {
    out.push(b'"');
    write_json_string_body(text, out);
    out.push(b'"');
}

/// Appends a text as the inside of a JSON string, without quotes.
pub fn write_json_string_body(text: &str, out: &mut Vec<u8>) {
    escape(text, out);
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
    }
}
