//! Where batches end that must end somewhere, and going on at such places.

use super::super::Compression;
use super::super::compression::compressed;
use super::super::tests::input_of;
use super::*;
use proptest::prelude::*;

fn limits() -> Limits {
    Limits {
        record_bytes: 40,
        ..Limits::default()
    }
}

/// The records of a source, as bytes, with the ordinal and the offset of each; one that is too large with its length.
fn records(source: &mut dyn Source, size: usize) -> Vec<(u64, u64, Vec<u8>)> {
    let mut batch = Batch::new();
    let mut records = Vec::new();
    while source.fill(&mut batch, size, u64::MAX).expect("a batch") {
        let (mut ordinal, mut offset) = (batch.first_ordinal, batch.first_offset);
        match &batch.unread {
            Some(Unread::Record { length, .. }) => records.push((ordinal, offset, length.to_be_bytes().to_vec())),
            Some(Unread::Segment(failure)) => panic!("{}", failure.message),
            None => {
                for line in batch.raw().split_inclusive(|&byte| byte == b'\n') {
                    records.push((ordinal, offset, line.to_vec()));
                    ordinal += 1;
                    offset += line.len() as u64;
                }
            }
        }
        batch.clear();
    }
    records
}

/// The places at which the input is cut into shards of so many bytes.
fn borders(input: &Input, size: usize, shard_bytes: u64) -> Vec<Place> {
    let mut source = open_source(input, Format::Text, limits(), &Cancel::default()).expect("a source");
    let mut batch = Batch::new();
    let mut borders = Vec::new();
    let mut filled = 0;
    while source.fill(&mut batch, size, shard_bytes - filled).expect("a batch") {
        filled += match &batch.unread {
            Some(Unread::Record { length, .. }) => *length,
            _ => batch.raw().len() as u64,
        };
        batch.clear();
        if filled >= shard_bytes {
            let (ordinal, offset) = source.next();
            borders.push(Place {
                input: 0,
                ordinal,
                offset,
            });
            filled = 0;
        }
    }
    borders
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn borders_depend_on_the_bytes_only_and_reading_goes_on_at_each(
        lengths in prop::collection::vec(0_usize..60, 0..60),
        (marked, ended) in any::<(bool, bool)>(),
        shard_bytes in 1_u64..300,
        size in 1_usize..400,
        compression in prop::sample::select(vec![Compression::None, Compression::Gzip, Compression::Zstd]),
    ) {
        let mut bytes = if marked { b"\xef\xbb\xbf".to_vec() } else { Vec::new() };
        for (number, length) in lengths.iter().enumerate() {
            bytes.extend(std::iter::repeat_n(b'a' + (number % 26) as u8, *length));
            bytes.extend_from_slice(if number % 3 == 0 { b"\r\n" } else { b"\n" });
        }
        if !ended {
            bytes.pop();
        }
        let (_file, input) = input_of(&compressed(compression, &bytes), "");
        let open = |place| open_source_at(&input, Format::Text, limits(), &Cancel::default(), place).expect("a source");
        let all = records(open(Place::default()).as_mut(), 1000);
        let places = borders(&input, size, shard_bytes);
        prop_assert_eq!(&places, &borders(&input, 1 << 20, shard_bytes));
        for place in places {
            let source = &mut open(place);
            prop_assert_eq!(source.next(), (place.ordinal, place.offset));
            let rest: Vec<_> = all.iter().filter(|record| record.0 >= place.ordinal).cloned().collect();
            prop_assert_eq!(records(source.as_mut(), size), rest);
        }
    }
}

#[test]
fn an_input_that_ends_too_early_is_no_place_to_go_on() {
    let (_file, input) = input_of(&compressed(Compression::Gzip, b"one\ntwo\n"), ".gz");
    let place = Place {
        input: 0,
        ordinal: 9,
        offset: 99,
    };
    let opened = open_source_at(&input, Format::Text, limits(), &Cancel::default(), place);
    let error = opened.err().expect("an error");
    assert!(error.to_string().contains("before byte 99"), "{error}");
}
