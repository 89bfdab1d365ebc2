//! Whole runs over real files, with steps that misbehave.

use super::{MOST_WORKERS, Progress, RunOptions, USUAL_MEMORY_BUDGET, Watcher, run, trace};
use crate::error::{Error, Failure, FailureKind, Interrupt, Result};
use crate::io::{Input, locate};
use crate::ledger::Report;
use crate::plan::{OnError, Pipeline, PipelineStep, Plan, RustSegment};
use crate::plugins::{Discovery, Host, Plugin};
use crate::record::Value;
use crate::step::Cancel;
use crate::step::{
    Configuration, Context, Declaration, Kind, Limits, PlacedStep, Pulse, Runtime, Scratch, Segment, Stage, Step,
    Verdict,
};
use crate::steps::testing::{apply_map, messy_text};
use proptest::prelude::*;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread::ThreadId;
use tempfile::TempDir;

mod laws;
mod limits;
mod table_laws;
mod tables;

type Function = dyn for<'t> Fn(&'t str, &'t mut Scratch<'_>) -> Result<Verdict<'t>, Failure> + Send + Sync;

/// A step that does what a closure says.
struct Closure {
    declaration: Declaration,
    function: Box<Function>,
}

impl Step for Closure {
    fn declaration(&self) -> &Declaration {
        &self.declaration
    }

    fn configuration(&self) -> Configuration {
        Configuration::new()
    }

    fn apply<'t>(&self, text: &'t str, _asked: &[Value], scratch: &'t mut Scratch<'_>) -> Result<Verdict<'t>, Failure> {
        (self.function)(text, scratch)
    }
}

fn step(
    kind: Kind,
    runtime: Runtime,
    function: impl for<'t> Fn(&'t str, &'t mut Scratch<'_>) -> Result<Verdict<'t>, Failure> + Send + Sync + 'static,
) -> PipelineStep {
    let mut declaration = Declaration::built_in("closure", kind, Stage::Transform, "");
    declaration.runtime = runtime;
    PipelineStep::given(Arc::new(Closure {
        declaration,
        function: Box::new(function),
    }))
}

/// A host whose segments must run on the calling thread, as Python's do.
struct CallingHost;

struct CallingSegment {
    inner: RustSegment,
    calling: ThreadId,
}

impl Segment for CallingSegment {
    fn steps(&self) -> &[PlacedStep] {
        self.inner.steps()
    }

    fn on_calling_thread(&self) -> bool {
        true
    }

    fn run(&self, batch: &mut crate::batch::Batch, context: &Context, pulse: &mut Pulse<'_>) -> Result<()> {
        assert_eq!(std::thread::current().id(), self.calling);
        self.inner.run(batch, context, pulse)
    }
}

impl Host for CallingHost {
    fn discover(&self) -> Result<Arc<Discovery>> {
        Ok(Arc::default())
    }

    fn load(&self, _plugin: &Plugin, _configuration: &Configuration) -> Result<Arc<dyn Step>> {
        unreachable!("nothing is installed")
    }

    fn describe(&self, _plugin: &Plugin) -> Result<Declaration> {
        unreachable!("nothing is installed")
    }

    fn fuse(&self, steps: Vec<PlacedStep>) -> Box<dyn Segment> {
        Box::new(CallingSegment {
            inner: RustSegment::new(steps),
            calling: std::thread::current().id(),
        })
    }
}

/// A folder with one input, and options to run over it.
struct Scene {
    folder: TempDir,
    options: RunOptions,
}

impl Scene {
    fn new(name: &str, content: impl AsRef<[u8]>) -> Self {
        let folder = TempDir::new().expect("a folder");
        let path = folder.path().join(name);
        fs_err::write(&path, content).expect("written");
        let options = RunOptions {
            inputs: locate(&[path.into_os_string()], false, &Cancel::default()).expect("found"),
            format: None,
            output: Some(
                folder
                    .path()
                    .join("out")
                    .with_extension(name.rsplit('.').next().unwrap_or("txt")),
            ),
            rejected: Some(folder.path().join("rejected.jsonl")),
            quarantine: Some(folder.path().join("quarantine.jsonl")),
            overwrite: true,
            supervision: None,
            resume: false,
            shard_bytes: None,
            compression: None,
            workers: 2,
            on_error: None,
            limit: None,
            nulls: crate::columns::Nulls::default(),
            limits: Limits::default(),
            memory_budget: USUAL_MEMORY_BUDGET,
            quarantine_limit: None,
            quarantine_bytes: None,
        };
        Self { folder, options }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn run(&self, plan: &Plan) -> Result<Report> {
        run(plan, &self.options, &mut ())
    }

    fn read(&self, name: &str) -> String {
        fs_err::read_to_string(self.path(name)).expect("read")
    }

    /// The names of the files in the folder, so that nothing temporary is left unseen.
    fn files(&self) -> Vec<String> {
        let entries = fs_err::read_dir(self.folder.path()).expect("listed");
        let mut names: Vec<String> = entries
            .map(|entry| entry.expect("an entry").file_name().to_string_lossy().into_owned())
            .collect();
        names.sort();
        names
    }
}

fn plan(steps: Vec<PipelineStep>, on_error: OnError) -> Plan {
    let pipeline = Pipeline {
        steps,
        on_error: Some(on_error),
        ..Pipeline::default()
    };
    Plan::new(&pipeline, &CallingHost).expect("a plan")
}

fn numbers(count: usize) -> String {
    let lines: Vec<String> = (0..=count)
        .map(|number| {
            if number < count {
                number.to_string()
            } else {
                String::new()
            }
        })
        .collect();
    lines.join("\n")
}

#[expect(clippy::unnecessary_wraps, reason = "a step's function may fail")]
fn shout<'t>(text: &'t str, scratch: &'t mut Scratch<'_>) -> Result<Verdict<'t>, Failure> {
    scratch.text.push_str(text);
    scratch.text.push('!');
    Ok(Verdict::Text(&scratch.text))
}

#[test]
fn the_output_is_in_the_order_of_the_input_for_any_number_of_workers() {
    let expected = numbers(200_000).replace('\n', "!!\n");
    for workers in [1, 2, 3, 8] {
        let mut scene = Scene::new("in.txt", numbers(200_000));
        scene.options.workers = workers;
        let steps = vec![
            step(Kind::Map, Runtime::Rust, shout),
            step(Kind::Map, Runtime::Python, shout),
        ];
        let report = scene.run(&plan(steps, OnError::Quarantine)).expect("a report");
        assert!(scene.read("out.txt") == expected, "{workers} workers");
        assert_eq!((report.counts.read, report.counts.out), (200_000, 200_000));
        assert_eq!(
            report.steps.iter().map(|step| step.entered).collect::<Vec<_>>(),
            [200_000, 200_000]
        );
    }
}

#[test]
fn every_record_meets_one_fate_and_every_fate_is_told() {
    let scene = Scene::new("in.txt", numbers(1_000));
    let judge = |text: &str| text.parse::<u64>().expect("a number");
    let steps = vec![step(Kind::Filter, Runtime::Rust, move |text, _| match judge(text) {
        number if number % 10 == 0 => Ok(Verdict::Reject("round".into())),
        number if number % 10 == 1 => Err(Failure::new(FailureKind::StepError, "No ones.")),
        _ => Ok(Verdict::Keep),
    })];
    let report = scene.run(&plan(steps, OnError::Quarantine)).expect("a report");
    let counts = report.counts;
    assert_eq!(
        (counts.read, counts.out, counts.rejected, counts.quarantined),
        (1_000, 800, 100, 100)
    );
    assert_eq!(report.steps[0].rejected["round"], 100);
    assert_eq!(report.steps[0].quarantined["step_error"], 100);
    assert_eq!(report.exit_code(), 3);
    assert_eq!(scene.read("out.txt").lines().count(), 800);
    assert_eq!(scene.read("rejected.jsonl").lines().count(), 100);
    let first = scene
        .read("quarantine.jsonl")
        .lines()
        .next()
        .expect("a line")
        .to_owned();
    let first: serde_json::Value = serde_json::from_str(&first).expect("JSON");
    assert_eq!(
        (&first["kind"], &first["text"], &first["ordinal"]),
        (&"step_error".into(), &"1".into(), &1.into())
    );
    assert_eq!(
        scene.files(),
        ["in.txt", "out.txt", "quarantine.jsonl", "rejected.jsonl"]
    );
}

#[test]
fn a_step_that_panics_costs_the_one_record() {
    let scene = Scene::new("in.txt", numbers(100));
    let steps = vec![step(Kind::Map, Runtime::Rust, |text, scratch| {
        assert_ne!(text, "50", "fifty is too much");
        shout(text, scratch)
    })];
    let report = scene.run(&plan(steps, OnError::Quarantine)).expect("a report");
    assert_eq!((report.counts.out, report.counts.quarantined), (99, 1));
    assert!(scene.read("quarantine.jsonl").contains("fifty is too much"));
}

#[test]
fn with_raise_the_first_failure_in_the_order_of_the_input_ends_the_run_and_nothing_appears() {
    let scene = Scene::new("in.txt", numbers(200_000));
    let steps = vec![step(Kind::Filter, Runtime::Rust, |text, _| match text {
        "70000" | "150000" => Err(Failure::new(FailureKind::StepError, "Not this one.")),
        _ => Ok(Verdict::Keep),
    })];
    let error = scene.run(&plan(steps, OnError::Raise)).expect_err("an error");
    let Error::Record(record) = &error else {
        panic!("{error}")
    };
    assert_eq!(
        (record.ordinal, record.step.as_deref()),
        (Some(70_000), Some("closure"))
    );
    assert_eq!(error.exit_code(), 4);
    assert_eq!(scene.files(), ["in.txt"]);
}

#[test]
fn whoever_watches_can_stop_a_run_and_nothing_appears() {
    struct Stop(usize);
    impl Watcher for Stop {
        fn tick(&mut self, _progress: &Progress) -> Result<(), Interrupt> {
            self.0 += 1;
            if self.0 > 1 { Err(Interrupt::Interrupt) } else { Ok(()) }
        }
    }
    for runtime in [Runtime::Rust, Runtime::Python] {
        let scene = Scene::new("in.txt", numbers(100_000));
        let steps = vec![step(Kind::Filter, runtime, |_, scratch| {
            // Slow enough that only a cancelled run ends soon.
            if !scratch.cancel.is_cancelled() {
                std::thread::sleep(std::time::Duration::from_micros(200));
            }
            Ok(Verdict::Keep)
        })];
        let error = run(&plan(steps, OnError::Quarantine), &scene.options, &mut Stop(0)).expect_err("an interrupt");
        assert!(matches!(error, Error::Interrupted(Interrupt::Interrupt)), "{error}");
        assert_eq!(scene.files(), ["in.txt"]);
    }
}

#[test]
fn a_panic_outside_the_steps_is_an_internal_error_and_nothing_appears() {
    struct Faulty;
    impl Watcher for Faulty {
        fn tick(&mut self, _progress: &Progress) -> Result<(), Interrupt> {
            panic!("a bug of ours")
        }
    }
    let scene = Scene::new("in.txt", numbers(10_000));
    let steps = vec![step(Kind::Filter, Runtime::Rust, |_, scratch| {
        if !scratch.cancel.is_cancelled() {
            std::thread::sleep(std::time::Duration::from_micros(100));
        }
        Ok(Verdict::Keep)
    })];
    let error = run(&plan(steps, OnError::Quarantine), &scene.options, &mut Faulty).expect_err("an error");
    assert_eq!(error.exit_code(), 70);
    assert!(
        error.to_string().starts_with("The engine panicked: a bug of ours."),
        "{error}"
    );
    assert_eq!(scene.files(), ["in.txt"]);
}

#[test]
fn the_parts_of_a_split_are_rows_of_their_own_and_their_record_has_one_fate() {
    let scene = Scene::new("in.txt", "a b\nc\nd bad\nx x\n");
    let steps = vec![
        step(Kind::Split, Runtime::Rust, |text, _| {
            Ok(Verdict::Split(text.split(' ').map(str::to_owned).collect()))
        }),
        step(Kind::Filter, Runtime::Python, |text, _| match text {
            "bad" => Err(Failure::new(FailureKind::StepError, "Bad.")),
            "x" | "b" => Ok(Verdict::Reject("unwanted".into())),
            _ => Ok(Verdict::Keep),
        }),
        step(Kind::Map, Runtime::Rust, shout),
    ];
    let report = scene.run(&plan(steps, OnError::Quarantine)).expect("a report");
    assert_eq!(scene.read("out.txt"), "a!\nc!\n");
    let counts = report.counts;
    assert_eq!(
        (counts.read, counts.out, counts.rejected, counts.quarantined),
        (4, 2, 1, 1)
    );
    assert_eq!((report.texts_out, report.parts_rejected), (2, 1));
}

#[test]
fn a_record_that_is_not_decoded_is_told_of_and_its_neighbours_go_out() {
    let scene = Scene::new(
        "in.jsonl",
        b"{\"text\":\"a\"}\nnot json\n\n{\"text\":\"\xff\"}\n{\"text\": \"b\" }\n".as_slice(),
    );
    let report = scene.run(&plan(Vec::new(), OnError::Quarantine)).expect("a report");
    assert_eq!(scene.read("out.jsonl"), "{\"text\":\"a\"}\n{\"text\": \"b\" }\n");
    assert_eq!(
        report.quarantined_by_reader.keys().collect::<Vec<_>>(),
        ["json", "utf8"]
    );
    assert_eq!(report.rejected_by_reader["blank_line"], 1);
    assert_eq!(report.counts.read, 5);
}

#[test]
fn an_output_that_cannot_be_written_ends_the_run() {
    let mut scene = Scene::new("in.txt", numbers(10));
    scene.options.output = Some(Path::new("/dev/full").to_owned());
    let error = scene.run(&plan(Vec::new(), OnError::Quarantine)).expect_err("an error");
    let Error::Output(file) = &error else { panic!("{error}") };
    assert_eq!((file.errno, error.exit_code()), (Some(28), 6));
    assert_eq!(scene.files(), ["in.txt"]);
}

#[test]
fn a_trace_follows_the_parts_one_after_the_other() {
    let calls = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&calls);
    let steps = vec![
        step(Kind::Split, Runtime::Rust, |text, _| {
            Ok(Verdict::Split(text.split(' ').map(str::to_owned).collect()))
        }),
        step(Kind::Map, Runtime::Rust, move |text, scratch| {
            counted.fetch_add(1, Ordering::Relaxed);
            shout(text, scratch)
        }),
    ];
    let entries = trace(&plan(steps, OnError::Quarantine), "a b", &[]);
    let before: Vec<&str> = entries.iter().map(|entry| entry.before.as_str()).collect();
    assert_eq!((before, calls.load(Ordering::Relaxed)), (vec!["a b", "a", "b"], 2));
}
