//! Manifests that are whole, torn at every byte, and damaged.

use super::*;
use crate::ledger::header::example;

fn place(ordinal: u64) -> Place {
    Place {
        input: 0,
        ordinal,
        offset: ordinal * 10,
    }
}

fn entry(shard: u64) -> Line {
    let mut read = Fingerprint::default();
    read.add(0, shard);
    Line::Shard(Box::new(ShardEntry {
        shard,
        begin: place(shard),
        end: place(shard + 1),
        counts: Counts {
            read: 1,
            out: 1,
            ..Counts::default()
        },
        read,
        accounted: read,
        files: vec![FileEntry {
            path: ShardFile::Out.path(shard, ".jsonl"),
            size: 10,
            texts: 1,
            checksum: Checksum::of(b"it").to_string(),
        }],
        statistics: ShardStatistics::default(),
    }))
}

fn end(shards: u64) -> Line {
    Line::End(EndEntry {
        shards,
        counts: Counts::default(),
        fingerprint: Fingerprint::default(),
        limited: false,
        exit_code: 0,
    })
}

fn written(lines: &[Line]) -> Vec<u8> {
    lines.iter().flat_map(|line| line.write().unwrap()).collect()
}

fn header() -> Line {
    Line::Header(Box::new(example()))
}

#[test]
fn what_was_written_is_read() {
    let bytes = written(&[header(), entry(0), entry(1), end(2)]);
    let manifest = Manifest::read(&bytes).unwrap();
    assert_eq!(manifest.header, example());
    assert_eq!((manifest.shards.len(), manifest.length), (2, bytes.len()));
    assert_eq!(manifest.next_place(), place(2));
    assert_eq!((manifest.end.map(|end| end.shards), manifest.tail), (Some(2), None));
    assert_eq!(manifest.shards[1].file(ShardFile::Out).unwrap().path, "out/00001.jsonl");
    assert_eq!(manifest.shards[1].file(ShardFile::Rejected), None);
}

#[test]
fn cut_at_any_byte_it_tells_of_the_whole_lines() {
    let lines = [header(), entry(0), entry(1), end(2)];
    let bytes = written(&lines);
    let ends: Vec<usize> = (1..=lines.len()).map(|count| written(&lines[..count]).len()).collect();
    for cut in 0..bytes.len() {
        match Manifest::read(&bytes[..cut]) {
            Err(flaw) => assert!(flaw == ManifestFlaw::NoHeader && cut < ends[0], "{cut}: {flaw:?}"),
            Ok(manifest) => {
                let whole = ends.iter().filter(|&&end| end <= cut).count();
                assert_eq!((manifest.shards.len(), manifest.length), (whole - 1, ends[whole - 1]));
                assert_eq!(manifest.tail, (cut > ends[whole - 1]).then_some(Tail::Torn));
                assert_eq!(manifest.end, None);
            }
        }
    }
}

#[test]
fn any_changed_byte_is_noticed() {
    let lines = [header(), entry(0), entry(1), end(2)];
    let bytes = written(&lines);
    let whole = Manifest::read(&bytes).unwrap();
    for place in 0..bytes.len() {
        for bit in [1, 0x20] {
            let mut damaged = bytes.clone();
            damaged[place] ^= bit;
            let read = Manifest::read(&damaged);
            assert_ne!(read.as_ref(), Ok(&whole), "{place}");
            if let Ok(read) = read {
                // Only the last line may be dropped, and that leaves a run that is not complete.
                assert!(read.tail.is_some() && read.end.is_none(), "{place}");
            }
        }
    }
}

#[test]
fn lines_in_another_order_are_no_manifest() {
    let flaw = |lines: &[Line]| Manifest::read(&written(lines)).unwrap_err();
    assert_eq!(flaw(&[header(), entry(1), entry(0), end(2)]), ManifestFlaw::Line(2));
    assert_eq!(flaw(&[header(), entry(0), end(2), end(1)]), ManifestFlaw::Line(3));
    assert_eq!(flaw(&[header(), end(0), entry(0), end(1)]), ManifestFlaw::Line(3));
    assert_eq!(flaw(&[header(), header(), end(0)]), ManifestFlaw::Line(2));
    assert_eq!(flaw(&[entry(0)]), ManifestFlaw::NoHeader);
    assert_eq!(flaw(&[]), ManifestFlaw::NoHeader);
    let mut other = example();
    other.format = 9;
    assert_eq!(flaw(&[Line::Header(Box::new(other))]), ManifestFlaw::OtherFormat(9));
}

#[test]
fn a_path_that_leads_elsewhere_is_not_ours() {
    for path in [
        "../out/00000.jsonl",
        "/etc/passwd",
        "out/00001.jsonl",
        "other/00000.jsonl",
    ] {
        let Line::Shard(mut shard) = entry(0) else {
            unreachable!("it is a shard")
        };
        shard.files[0].path = path.to_owned();
        let read = Manifest::read(&written(&[header(), Line::Shard(shard)])).unwrap();
        assert_eq!((read.shards.len(), read.tail), (0, Some(Tail::Damaged)), "{path}");
    }
}

#[test]
fn names_that_a_run_makes_itself_are_known() {
    for (name, ours) in [
        ("lock", true),
        (".manifest.jsonl.partial", true),
        (".report.json.partial", true),
        (".out-00000.partial", true),
        (".ledger-123456.partial", true),
        (".out-0.partial", false),
        (".out-00000", false),
        (".notes.partial", false),
        ("notes.txt", false),
        ("manifest.jsonl", false),
    ] {
        assert_eq!(is_made_by_us(Path::new(name)), ours, "{name}");
    }
}
