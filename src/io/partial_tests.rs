//! Files of shards: their names, their checksums, and what is done to them behind our back.

use super::*;
use crate::io::open_root;
use crate::step::Cancel;
use proptest::prelude::*;
use std::path::Path;

fn folder(path: &Path) -> Arc<dyn Root> {
    open_root(path, &Cancel::default()).unwrap()
}

fn names(path: &Path) -> Vec<String> {
    let entries = fs_err::read_dir(path).unwrap();
    let mut names: Vec<String> = entries
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    names
}

fn write(file: &mut PartialFile, bytes: &[u8]) {
    file.write(bytes, Checksum::of(bytes)).unwrap();
}

#[test]
fn a_file_appears_complete_or_not_at_all() {
    let place = tempfile::tempdir().unwrap();
    let out = folder(place.path());
    let mut file = PartialFile::create(&out, "a", Compression::None).unwrap();
    write(&mut file, b"one");
    drop(file);
    assert_eq!(names(place.path()), Vec::<String>::new());
    let mut file = PartialFile::create(&out, "a", Compression::None).unwrap();
    write(&mut file, b"one");
    write(&mut file, &vec![b'x'; BUFFER]);
    let mut file = file.finish().unwrap();
    assert_eq!(names(place.path()), [".a.partial"]);
    file.make_durable().unwrap();
    let checksum = file.checksum();
    file.appear(false).unwrap();
    assert_eq!(names(place.path()), ["a"]);
    let bytes = fs_err::read(place.path().join("a")).unwrap();
    assert_eq!(checksum, Checksum::of(&bytes));
    assert_eq!(bytes.len(), 3 + BUFFER);
}

#[test]
fn what_somebody_else_did_to_it_is_noticed() {
    type Deed = fn(&Path);
    let deeds: [(&str, Deed); 4] = [
        ("removed", |path| fs_err::remove_file(path).unwrap()),
        ("cut", |path| fs_err::write(path, b"on").unwrap()),
        ("extended", |path| fs_err::write(path, b"one more").unwrap()),
        ("replaced", |path| {
            fs_err::remove_file(path).unwrap();
            fs_err::write(path, b"one").unwrap();
        }),
    ];
    for (name, deed) in deeds {
        let place = tempfile::tempdir().unwrap();
        let out = folder(place.path());
        let mut file = PartialFile::create(&out, "a", Compression::None).unwrap();
        write(&mut file, b"one");
        let mut file = file.finish().unwrap();
        deed(&place.path().join(".a.partial"));
        let error = file.make_durable().unwrap_err();
        assert_eq!(error.exit_code(), 6, "{name}: {error}");
    }
}

#[test]
fn temporary_names_are_those_that_a_run_knows_for_its_own() {
    let place = tempfile::tempdir().unwrap();
    let out = folder(place.path());
    for name in ["out/00000.jsonl.zst", "ledger/00000", "manifest.jsonl", "report.json"] {
        let file = PartialFile::create(&out, name, Compression::None).unwrap();
        let [temporary] = &names(place.path())[..] else {
            panic!("one file for {name}")
        };
        assert!(crate::ledger::is_made_by_us(Path::new(temporary)), "{temporary}");
        drop(file);
    }
}

#[test]
fn a_name_that_is_taken_is_not_taken_over() {
    let place = tempfile::tempdir().unwrap();
    let out = folder(place.path());
    fs_err::write(place.path().join("a"), b"somebody else's").unwrap();
    let file = PartialFile::create(&out, "a", Compression::None)
        .unwrap()
        .finish()
        .unwrap();
    assert!(file.appear(false).is_err());
    assert_eq!(names(place.path()), ["a"]);
    assert_eq!(fs_err::read(place.path().join("a")).unwrap(), b"somebody else's");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn compressed_bytes_do_not_depend_on_the_pieces(
        lengths in prop::collection::vec(1_usize..90_000, 1..12),
        gzip in any::<bool>(),
    ) {
        let compression = if gzip { Compression::Gzip } else { Compression::Zstd };
        let place = tempfile::tempdir().unwrap();
        let out = folder(place.path());
        let total: usize = lengths.iter().sum();
        let bytes: Vec<u8> = (0..total).map(|index| b"lorem ipsum\n"[(index * index / 7) % 12]).collect();
        let make = |name: &str, pieces: &[usize]| {
            let mut file = PartialFile::create(&out, name, compression).unwrap();
            let mut rest = &bytes[..];
            for &length in pieces {
                let (piece, later) = rest.split_at(length);
                write(&mut file, piece);
                rest = later;
            }
            let file = file.finish().unwrap();
            let checksum = file.checksum();
            file.appear(false).unwrap();
            let made = fs_err::read(place.path().join(name)).unwrap();
            assert_eq!(checksum, Checksum::of(&made));
            made
        };
        prop_assert_eq!(make("pieces", &lengths), make("whole", &[total]));
    }
}
