//! Names of objects: those that a request can be made with, and those that can only be told of.
//!
//! The crate takes no name with an empty part, `.` or `..` between slashes, or a control character, and it takes a slash
//! away at both ends. A store may hold such names all the same, and one of them would make a whole listing fail. So they
//! are written in another way in the answers of stores before the crate reads them.

use object_store::path::Path as Key;
use std::fmt::Write as _;

/// What a name begins with that is written in another way. XML cannot hold this character, so that no name does.
const MARK: char = '\u{ffff}';

/// What requests are made with about an object of this name, or why none can be made.
pub(super) fn key(name: &str) -> Result<Key, &'static str> {
    let mut parts = name.split('/');
    Err(match Key::parse(name) {
        Ok(key) if key.as_ref() == name => return Ok(key),
        _ if name.starts_with('/') => "it begins with a slash",
        _ if name.ends_with('/') => "it ends with a slash",
        _ if name.chars().any(|character| character.is_ascii_control()) => "there is a control character in it",
        _ if parts.any(|part| matches!(part, "." | "..")) => "a part of it is `.` or `..`",
        _ => "a part of it is empty",
    })
}

/// The way out for names that no request can be made with.
pub(super) const HINT: &str = "Give the object another name: without a slash at an end, and with no empty part, no `.` or `..` between \
                               slashes and no control character (such as a tab).";

/// The name that a listing tells of.
pub(super) fn listed(key: &Key) -> String {
    decoded(key.as_ref()).unwrap_or_else(|| key.as_ref().to_owned())
}

fn decoded(written: &str) -> Option<String> {
    let digits = written.strip_prefix(MARK)?.as_bytes();
    let bytes = digits
        .chunks(2)
        .map(|pair| u8::from_str_radix(str::from_utf8(pair).ok()?, 16).ok());
    String::from_utf8(bytes.collect::<Option<_>>()?).ok()
}

fn encoded(name: &str) -> String {
    let mut written = String::from(MARK);
    for byte in name.bytes() {
        // Writing to memory does not fail.
        let _ = write!(written, "{byte:02x}");
    }
    written
}

/// Where the names are in an answer: within these elements, in these. Those of folders end with a slash, which the crate
/// takes away.
const ENTRIES: [Entry; 4] = [
    Entry::new("Contents", "Key", false),
    Entry::new("CommonPrefixes", "Prefix", true),
    Entry::new("Blob", "Name", false),
    Entry::new("BlobPrefix", "Name", true),
];

struct Entry {
    element: &'static str,
    name: &'static str,
    is_folder: bool,
}

impl Entry {
    const fn new(element: &'static str, name: &'static str, is_folder: bool) -> Self {
        Self {
            element,
            name,
            is_folder,
        }
    }

    /// Whether the crate takes a name in this entry as it is.
    fn takes(&self, name: &str) -> bool {
        match name.strip_suffix('/') {
            Some(folder) if self.is_folder => !folder.is_empty() && key(folder).is_ok(),
            _ => key(name).is_ok(),
        }
    }
}

/// A listing in which each name is written so that the crate takes it; `None`: it is so already.
pub(super) fn with_names_that_are_taken(listing: &str) -> Option<String> {
    let mut written = String::new();
    let mut copied = 0;
    let mut expected = None;
    let mut position = 0;
    while let Some(begin) = listing[position..].find('<').map(|at| position + at) {
        let end = begin + listing[begin..].find('>')?;
        let element = &listing[begin + 1..end];
        position = end + 1;
        if let Some(entry) = ENTRIES.iter().find(|entry| entry.element == element) {
            expected = Some(entry);
        } else if let Some(entry) = expected.take_if(|entry| entry.name == element) {
            let end = position + listing[position..].find('<')?;
            let name = unescaped(&listing[position..end])?;
            if !entry.takes(&name) {
                written.push_str(&listing[copied..position]);
                written.push_str(&encoded(&name));
                copied = end;
            }
            position = end;
        }
    }
    (copied > 0).then(|| written + &listing[copied..])
}

/// Text of XML as what it means; `None` if it is none.
fn unescaped(text: &str) -> Option<String> {
    let mut meant = String::with_capacity(text.len());
    let mut pieces = text.split('&');
    meant.push_str(pieces.next()?);
    for piece in pieces {
        let (name, rest) = piece.split_once(';')?;
        meant.push(match name {
            "amp" => '&',
            "lt" => '<',
            "gt" => '>',
            "quot" => '"',
            "apos" => '\'',
            _ => {
                let number = name.strip_prefix('#')?;
                char::from_u32(match number.strip_prefix(['x', 'X']) {
                    Some(digits) => u32::from_str_radix(digits, 16).ok()?,
                    None => number.parse().ok()?,
                })?
            }
        });
        meant.push_str(rest);
    }
    Some(meant)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_crate_does_not_take_as_it_is_has_a_flaw() {
        for name in ["", "a", "a/b c", "100%#1?.txt", "...", "a/.b", "ü"] {
            assert_eq!(key(name).unwrap().as_ref(), name);
        }
        for (name, flaw) in [
            ("/a", "begins with a slash"),
            ("a/", "ends with a slash"),
            ("a//b", "empty"),
            ("./a", "`.` or `..`"),
            ("a/../b", "`.` or `..`"),
            ("a\tb", "control character"),
            ("a\u{7f}", "control character"),
            ("/", "begins with a slash"),
        ] {
            let told = key(name).unwrap_err();
            assert!(told.contains(flaw), "{name}: {told}");
        }
    }

    #[test]
    fn only_names_that_are_not_taken_are_written_in_another_way() {
        let plain = "<ListBucketResult><Name>b</Name><Prefix>p//</Prefix><Contents><Key>p/a&amp;b</Key><Size>1</Size></Contents>\
                     <CommonPrefixes><Prefix>p/c/</Prefix></CommonPrefixes></ListBucketResult>";
        assert_eq!(with_names_that_are_taken(plain), None);
        for (listing, name) in [
            ("<Contents><ETag>x</ETag><Key>p/a//b</Key></Contents>", "p/a//b"),
            ("<Contents><Key>p/a/</Key></Contents>", "p/a/"),
            ("<Contents><Key>a&#x9;b&#9;&lt;</Key></Contents>", "a\tb\t<"),
            ("<CommonPrefixes><Prefix>p//</Prefix></CommonPrefixes>", "p//"),
            ("<Blob><Name>../a</Name></Blob>", "../a"),
            ("<BlobPrefix><Name>/</Name></BlobPrefix>", "/"),
        ] {
            let written = with_names_that_are_taken(&format!("{plain}{listing}{plain}")).unwrap();
            assert!(written.starts_with(plain) && written.ends_with(plain));
            let begin = written.find(MARK).unwrap();
            let end = begin + written[begin..].find('<').unwrap();
            assert_eq!(listed(&Key::parse(&written[begin..end]).unwrap()), name);
        }
    }

    #[test]
    fn what_is_no_listing_stays_as_it_is() {
        for odd in [
            "",
            "<",
            "<Contents><Key>",
            "<Contents><Key>a//b",
            "no",
            "<Contents><Key>&what;</Key></Contents>",
        ] {
            assert_eq!(with_names_that_are_taken(odd), None, "{odd}");
        }
    }
}
