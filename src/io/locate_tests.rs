//! Inputs by name and by pattern, and outputs that must not be inputs.

use super::super::outputs::{Output, check_output, check_representable};
use super::super::tests::field;
use super::*;
use crate::io::Format;

struct Folder(tempfile::TempDir);

impl Folder {
    fn with(names: &[&[u8]]) -> Self {
        let folder = Self(tempfile::tempdir().unwrap());
        for name in names {
            let path = folder.path(name);
            fs_err::create_dir_all(path.parent().unwrap()).unwrap();
            fs_err::write(path, b"").unwrap();
        }
        folder
    }

    fn path(&self, name: &[u8]) -> PathBuf {
        use std::os::unix::ffi::OsStrExt as _;
        self.0.path().join(OsStr::from_bytes(name))
    }

    /// What a pattern finds, relative to this folder and printable.
    fn find(&self, pattern: &[u8]) -> Vec<String> {
        let inputs = locate(&[self.path(pattern).into_os_string()], false, &Cancel::default()).unwrap();
        let strip = |input: &Input| {
            let path = input.path().unwrap();
            Shown(path.strip_prefix(self.0.path()).unwrap()).to_string()
        };
        inputs.iter().map(strip).collect()
    }

    fn fail(&self, names: &[&[u8]]) -> Error {
        let patterns: Vec<OsString> = names.iter().map(|name| self.path(name).into_os_string()).collect();
        locate(&patterns, false, &Cancel::default()).unwrap_err()
    }
}

#[test]
fn patterns_find_sorted_files() {
    let folder = Folder::with(&[
        b"b.txt",
        b"a.txt",
        b".hidden.txt",
        b"c.md",
        b"sub/d.txt",
        b"sub/deep/e.txt",
        b".git/f.txt",
    ]);
    assert_eq!(folder.find(b"*.txt"), ["a.txt", "b.txt"]);
    assert_eq!(folder.find(b"[!a].*"), ["b.txt", "c.md"]);
    assert_eq!(folder.find(b"?.txt"), ["a.txt", "b.txt"]);
    assert_eq!(folder.find(b".*.txt"), [".hidden.txt"]);
    assert_eq!(folder.find(b"*/*.txt"), ["sub/d.txt"]);
    assert_eq!(
        folder.find(b"**/*.txt"),
        ["a.txt", "b.txt", "sub/d.txt", "sub/deep/e.txt"]
    );
    assert_eq!(folder.find(b"**/deep/**"), ["sub/deep/e.txt"]);
    assert_eq!(folder.find(b"*"), ["a.txt", "b.txt", "c.md"]);
}

#[test]
fn names_may_be_anything() {
    let folder = Folder::with(&[b"\xff.txt", b"new\nline.txt", b"-", b"-dash.txt", b"[1].txt"]);
    assert_eq!(
        folder.find(b"*.txt"),
        ["-dash.txt", "[1].txt", "new\\u{a}line.txt", "\\xff.txt"]
    );
    assert_eq!(folder.find(b"\xff.txt"), ["\\xff.txt"]);
    assert_eq!(folder.find(b"[1].txt"), ["[1].txt"]);
    let standard = locate(&["-".into()], false, &Cancel::default()).unwrap();
    assert_eq!(
        (standard[0].path(), standard[0].name.as_str()),
        (None, "standard input")
    );
}

#[test]
fn a_file_that_is_missing_is_left_for_the_run_unless_all_are() {
    let folder = Folder::with(&[b"a.txt"]);
    let patterns = [folder.path(b"a.txt").into(), folder.path(b"none.txt").into()];
    assert_eq!(locate(&patterns, false, &Cancel::default()).unwrap().len(), 2);
    for names in [&[&b"none.txt"[..]][..], &[b"none.txt", b"neither.txt"], &[b"*.none"]] {
        let error = folder.fail(names);
        assert_eq!(error.exit_code(), 5);
        assert!(error.hint().is_some());
    }
    assert!(
        folder
            .fail(&[b"*.none"])
            .to_string()
            .ends_with("*.none` matches no file.")
    );
}

#[test]
fn directories_and_bad_patterns_are_configuration_errors() {
    let folder = Folder::with(&[b"sub/a.txt"]);
    let error = folder.fail(&[b"sub"]);
    assert_eq!(error.exit_code(), 2);
    assert!(
        error.to_string().ends_with("sub` is a directory; expected a file."),
        "{error}"
    );
    assert!(error.hint().unwrap().contains("sub/*.jsonl"));
    for pattern in [&b"[a"[..], b"a**b", b"\xff*"] {
        let error = folder.fail(&[pattern]);
        assert_eq!(error.exit_code(), 2, "{error}");
        assert!(error.to_string().contains("is not valid"), "{error}");
    }
}

#[test]
fn one_file_by_two_names_is_refused() {
    let folder = Folder::with(&[b"a.txt", b"sub/x"]);
    std::os::unix::fs::symlink(folder.path(b"a.txt"), folder.path(b"link.txt")).unwrap();
    fs_err::hard_link(folder.path(b"a.txt"), folder.path(b"hard.txt")).unwrap();
    for other in [&b"a.txt"[..], b"link.txt", b"hard.txt", b"sub/../a.txt"] {
        let error = folder.fail(&[b"a.txt", other]);
        assert_eq!(error.exit_code(), 2);
        assert!(error.to_string().contains("a.txt"), "{error}");
        assert!(
            other == b"a.txt" || error.to_string().contains(&*String::from_utf8_lossy(other)),
            "{error}"
        );
    }
    let patterns = [folder.path(b"a.txt").into(), folder.path(b"hard.txt").into()];
    assert_eq!(locate(&patterns, true, &Cancel::default()).unwrap().len(), 2);
    assert!(locate(&["-".into(), "-".into()], false, &Cancel::default()).is_err());
}

#[test]
fn outputs_are_neither_inputs_nor_each_other_nor_there_already() {
    let folder = Folder::with(&[b"in.txt", b"there.txt"]);
    std::os::unix::fs::symlink(folder.path(b"in.txt"), folder.path(b"link.txt")).unwrap();
    let inputs = locate(&[folder.path(b"in.txt").into()], false, &Cancel::default()).unwrap();
    let check = |names: &[&[u8]], overwrite| {
        let paths: Vec<PathBuf> = names.iter().map(|name| folder.path(name)).collect();
        let roles = ["output", "quarantine file"];
        let outputs: Vec<Output<'_>> = paths
            .iter()
            .zip(roles)
            .map(|(path, role)| Output { role, path })
            .collect();
        check_output(&inputs, &outputs, overwrite, &Cancel::default()).map_err(|error| {
            assert_eq!(error.exit_code(), 2);
            assert!(error.hint().is_some());
            error.to_string()
        })
    };
    assert_eq!(check(&[b"out.txt", b"q.jsonl"], false), Ok(()));
    assert_eq!(check(&[b"there.txt"], true), Ok(()));
    for (names, part) in [
        (&[&b"there.txt"[..]][..], "exists already"),
        (&[b"in.txt"], "is also an input"),
        (&[b"link.txt"], "is also an input"),
        (&[b"out.txt", b"out.txt"], "are the same file"),
        (&[b"out.txt", b"./out.txt"], "are the same file"),
        (&[b""], "is a directory"),
    ] {
        let overwrite = part != "exists already";
        let message = check(names, overwrite).unwrap_err();
        assert!(message.contains(part), "{message}");
    }
    let null = Output {
        role: "output",
        path: Path::new("/dev/null"),
    };
    check_output(&inputs, &[null, null], false, &Cancel::default()).unwrap();
}

#[test]
fn plain_text_holds_no_fields() {
    let fields = [field("language", Some(0), false), field("year", None, true)];
    let check = |fields: &[crate::plan::PlanField], sink| check_representable(fields, "text", Format::Jsonl, sink);
    check(&fields, Format::Jsonl).unwrap();
    check(&fields[1..], Format::Text).unwrap();
    let error = check(&fields, Format::Text).unwrap_err();
    assert_eq!(
        error.to_string(),
        "A step adds the field `language`, which plain text cannot hold."
    );
    assert!(check(&[field("text", Some(0), false)], Format::Jsonl).is_err());
}
