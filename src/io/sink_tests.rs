//! Files appear whole or not at all.

use super::*;
use std::fs;
use std::io::Read as _;

fn names(folder: &Path) -> Vec<String> {
    let mut names: Vec<String> = fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    names
}

fn content(path: &Path) -> Vec<u8> {
    fs_err::read(path).unwrap()
}

#[test]
fn a_file_appears_with_the_commit_and_not_before() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("out.txt");
    let mut sink = open_sink(Some(&path), false).unwrap();
    sink.write(b"one\n").unwrap();
    let [name] = &names(folder.path())[..] else {
        panic!("one temporary file");
    };
    assert!(name.starts_with(".out.txt.") && name.ends_with(".partial"), "{name}");
    sink.write(b"two\n").unwrap();
    sink.commit().unwrap();
    assert_eq!(names(folder.path()), ["out.txt"]);
    assert_eq!(content(&path), b"one\ntwo\n");
}

#[test]
fn without_a_commit_nothing_is_left() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("out.txt");
    fs_err::write(&path, b"before").unwrap();
    let mut sink = open_sink(Some(&path), true).unwrap();
    sink.write(&vec![b'x'; 1 << 20]).unwrap();
    drop(sink);
    assert_eq!(names(folder.path()), ["out.txt"]);
    assert_eq!(content(&path), b"before");
}

#[cfg(unix)]
#[test]
fn the_mode_is_that_of_any_new_file() {
    use std::os::unix::fs::PermissionsExt as _;
    let folder = tempfile::tempdir().unwrap();
    let mode = |path: &Path| fs_err::metadata(path).unwrap().permissions().mode() & 0o777;
    let usual = folder.path().join("usual");
    fs_err::write(&usual, b"").unwrap();
    let path = folder.path().join("out.txt");
    open_sink(Some(&path), false).unwrap().commit().unwrap();
    assert_eq!(mode(&path), mode(&usual));
    fs_err::set_permissions(&path, std::fs::Permissions::from_mode(0o640)).unwrap();
    open_sink(Some(&path), true).unwrap().commit().unwrap();
    assert_eq!(mode(&path), 0o640);
}

#[test]
fn a_file_that_exists_is_refused_at_the_start_and_at_the_end() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("out.txt");
    let sink = open_sink(Some(&path), false).unwrap();
    fs_err::write(&path, b"somebody else's").unwrap();
    for error in [sink.commit().unwrap_err(), open_sink(Some(&path), false).err().unwrap()] {
        assert_eq!(error.exit_code(), 2);
        assert!(error.to_string().contains("exists already"), "{error}");
    }
    assert_eq!(content(&path), b"somebody else's");
    assert_eq!(names(folder.path()), ["out.txt"]);
}

#[test]
fn the_name_tells_the_compression() {
    let folder = tempfile::tempdir().unwrap();
    for (name, compression) in [("a.gz", Compression::Gzip), ("a.zst", Compression::Zstd)] {
        let path = folder.path().join(name);
        let mut sink = open_sink(Some(&path), false).unwrap();
        sink.write(b"one\n").unwrap();
        sink.write(b"two\n").unwrap();
        sink.commit().unwrap();
        let bytes = content(&path);
        assert_eq!(Compression::from_magic(&bytes), compression);
        let mut text = String::new();
        let mut reader = compression.reader(Box::new(io::Cursor::new(bytes)), 8 << 20).unwrap();
        reader.read_to_string(&mut text).unwrap();
        assert_eq!(text, "one\ntwo\n");
    }
}

#[test]
fn a_lazy_file_is_made_when_it_is_written_to() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("quarantine.jsonl");
    let mut sink = lazy_sink(&path, false);
    sink.write(b"").unwrap();
    sink.commit().unwrap();
    assert_eq!(names(folder.path()), Vec::<String>::new());
    let mut sink = lazy_sink(&path, false);
    sink.write(b"{}\n").unwrap();
    sink.commit().unwrap();
    assert_eq!(content(&path), b"{}\n");
    assert!(lazy_sink(&path, false).write(b"{}\n").is_err());
    lazy_sink(&path, true).commit().unwrap();
    assert_eq!(names(folder.path()), Vec::<String>::new());
}

#[test]
fn a_missing_folder_is_an_output_error_with_a_hint() {
    let folder = tempfile::tempdir().unwrap();
    let error = open_sink(Some(&folder.path().join("none/out.txt")), false)
        .err()
        .unwrap();
    assert_eq!(
        (error.exit_code(), error.hint()),
        (6, Some("Create the directory first."))
    );
}

#[cfg(target_os = "linux")]
#[test]
fn devices_are_written_straight_through() {
    let mut sink = open_sink(Some(Path::new("/dev/null")), false).unwrap();
    sink.write(b"gone").unwrap();
    sink.commit().unwrap();
    let mut sink = open_sink(Some(Path::new("/dev/full")), false).unwrap();
    let Err(Error::Output(error)) = sink.write(b"no room") else {
        panic!("an output error");
    };
    assert_eq!(error.errno, Some(28));
    assert!(Path::new("/dev/full").exists() && Path::new("/dev/null").exists());
}

#[cfg(unix)]
#[test]
fn a_closed_pipe_is_an_interruption() {
    let (reader, writer) = io::pipe().unwrap();
    drop(reader);
    let mut sink = StreamSink {
        path: PathBuf::from("standard output"),
        bytes: compressor(
            Path::new("standard output"),
            File::from(std::os::fd::OwnedFd::from(writer)),
        )
        .unwrap(),
    };
    let error = sink.write(b"nobody reads").unwrap_err();
    assert!(matches!(error, Error::Interrupted(Interrupt::ClosedPipe)), "{error:?}");
    assert_eq!(error.exit_code(), 141);
}
