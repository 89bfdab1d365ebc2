//! Whole runs with real workers: this test program starts itself again.

use super::{Isolating, RemoteHost, Supervision, Worker, serve};
use crate::engine::{RunOptions, run};
use crate::error::{Error, Failure, FailureKind, Result};
use crate::io::locate;
use crate::ledger::Report;
use crate::plan::{Pipeline, PipelineStep, Plan, RustSegment};
use crate::plugins::{Discovery, Host, Plugin, WorkerCommand};
use crate::record::Value;
use crate::step::Cancel;
use crate::step::{
    Configuration, Declaration, Kind, Limits, PlacedStep, Runtime, Scratch, Segment, Stage, Step, Verdict,
};
use std::ffi::OsString;
use std::os::fd::{AsFd, OwnedFd};
use std::sync::Arc;
use std::time::{Duration, Instant};
use tempfile::TempDir;

const ROLE: &str = "TEXT_PROCESSOR_TEST_WORKER";

/// A host whose steps do what the texts say.
struct Obedient;

/// A step that turns texts round, and does what some of them say.
struct Obey(Declaration);

impl Obey {
    fn step() -> Arc<dyn Step> {
        let mut declaration = Declaration::built_in("obey", Kind::Map, Stage::Transform, "");
        declaration.runtime = Runtime::Python;
        Arc::new(Self(declaration))
    }
}

impl Step for Obey {
    fn declaration(&self) -> &Declaration {
        &self.0
    }

    fn configuration(&self) -> Configuration {
        Configuration::new()
    }

    fn apply<'t>(
        &self,
        text: &'t str,
        _asked: &[Value],
        scratch: &'t mut Scratch<'_>,
    ) -> std::result::Result<Verdict<'t>, Failure> {
        match text {
            "abort" => std::process::abort(),
            "exit" => std::process::exit(0),
            "hang" => std::thread::sleep(Duration::from_secs(1000)),
            "reject" => return Ok(Verdict::Reject("told_to".into())),
            "fail" => return Err(Failure::new(FailureKind::StepError, "It was told to.")),
            _ => {}
        }
        scratch.text.extend(text.chars().rev());
        Ok(Verdict::Text(&scratch.text))
    }
}

/// A segment that notes what it is at, as those of plugins do.
struct Noting(Vec<PlacedStep>);

impl Segment for Noting {
    fn steps(&self) -> &[PlacedStep] {
        &self.0
    }

    fn on_calling_thread(&self) -> bool {
        true
    }

    fn run(
        &self,
        batch: &mut crate::batch::Batch,
        context: &crate::step::Context,
        pulse: &mut crate::step::Pulse<'_>,
    ) -> Result<()> {
        // Rust segments note nothing, so each record is looked at before the segment sees it.
        for row in &batch.rows {
            let text = batch.text(row.text).read(&mut String::new()).to_owned();
            if matches!(text.as_str(), "abort" | "exit" | "hang") {
                context.marker.note(row.source, 0);
                break;
            }
        }
        RustSegment::new(self.0.clone()).run(batch, context, pulse)
    }
}

impl Host for Obedient {
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
        Box::new(Noting(steps))
    }

    fn has_lock(&self) -> bool {
        true
    }

    fn worker_command(&self) -> std::result::Result<WorkerCommand, String> {
        Ok(WorkerCommand {
            program: std::env::current_exe().expect("a program").into_os_string(),
            arguments: ["--exact", "engine::process::unix::tests::be_a_worker", "--nocapture"]
                .map(OsString::from)
                .to_vec(),
            environment: vec![(ROLE.into(), "1".into())],
        })
    }

    fn ship(&self, step: &Arc<dyn Step>) -> std::result::Result<serde_json::Value, String> {
        Ok(step.declaration().name.clone().into())
    }

    fn ship_plugin(
        &self,
        plugin: &Plugin,
        _configuration: &Configuration,
    ) -> std::result::Result<serde_json::Value, String> {
        Ok(plugin.short_name.clone().into())
    }

    fn unpack(&self, shipped: &serde_json::Value) -> Result<Arc<dyn Step>> {
        match shipped.as_str() {
            Some("obey") => Ok(Obey::step()),
            Some("die") => std::process::abort(),
            _ => Err(Error::Internal("There is no such step.".to_owned())),
        }
    }
}

impl Worker for Obedient {
    fn host(&self) -> &dyn Host {
        self
    }

    fn keep_last_words(&self, _file: OwnedFd) {}
}

/// No test by itself: what the workers of the other tests do.
#[test]
fn be_a_worker() {
    if std::env::var_os(ROLE).is_none() {
        return;
    }
    let doorbell = std::io::stdin().as_fd().try_clone_to_owned().expect("a doorbell");
    serve(doorbell, &Obedient).expect("served");
    std::process::exit(0);
}

/// Runs the step over these lines. Returns the report, the output and the quarantine.
fn obey(lines: &str, isolating: Isolating, workers: usize) -> Result<(Report, String, String)> {
    let folder = TempDir::new().expect("a folder");
    let path = |name: &str| folder.path().join(name);
    fs_err::write(path("in.txt"), lines).expect("written");
    let pipeline = Pipeline {
        steps: vec![PipelineStep::given(Obey::step())],
        ..Pipeline::default()
    };
    let plan = Plan::new(&pipeline, &Obedient)?;
    let options = RunOptions {
        inputs: locate(&[path("in.txt").into_os_string()], false, &Cancel::default())?,
        format: None,
        output: Some(path("out.txt")),
        rejected: None,
        quarantine: Some(path("quarantine.jsonl")),
        overwrite: false,
        resume: false,
        shard_bytes: None,
        compression: None,
        workers,
        supervision: Supervision::of(&plan, &Obedient, Limits::default(), &isolating)?,
        on_error: None,
        limit: None,
        nulls: crate::columns::Nulls::default(),
        limits: Limits::default(),
        memory_budget: crate::engine::USUAL_MEMORY_BUDGET,
        quarantine_limit: None,
        quarantine_bytes: None,
    };
    let report = run(&plan, &options, &mut ())?;
    let read = |name: &str| fs_err::read_to_string(path(name)).expect("written");
    Ok((report, read("out.txt"), read("quarantine.jsonl")))
}

fn isolating(timeout: Duration, batch_records: Option<usize>) -> Isolating {
    Isolating {
        timeout: Some(timeout),
        batch_records,
        ..Isolating::default()
    }
}

const PATIENT: Duration = Duration::from_secs(60);

#[test]
fn workers_do_what_threads_do() {
    let (mut lines, mut expected) = (String::new(), String::new());
    for number in 0..5000 {
        let line = format!("line {number}");
        lines.extend([&line, "\n"]);
        expected.extend(line.chars().rev().chain(['\n']));
    }
    for (workers, batch_records) in [(1, None), (2, Some(16)), (3, Some(1))] {
        let (report, out, _) = obey(&lines, isolating(PATIENT, batch_records), workers).expect("a run");
        assert!(out == expected, "{workers} workers, {batch_records:?} records at once");
        assert_eq!(
            (report.isolation, report.restarts, report.counts.out),
            ("process", 0, 5000)
        );
        assert_eq!(report.steps[0].entered, 5000);
    }
}

#[test]
fn a_death_costs_its_record_only() {
    for batch_records in [None, Some(1), Some(2)] {
        let lines = "one\nabort\ntwo\nexit\nreject\nfail\nthree\n";
        let (report, out, quarantine) = obey(lines, isolating(PATIENT, batch_records), 2).expect("a run");
        assert_eq!(out, "eno\nowt\neerht\n");
        let counts = report.counts;
        assert_eq!((counts.out, counts.rejected, counts.quarantined), (3, 1, 3));
        let kinds: Vec<serde_json::Value> = quarantine
            .lines()
            .map(|line| serde_json::from_str::<serde_json::Value>(line).expect("JSON"))
            .map(|line| serde_json::json!([line["ordinal"], line["kind"], line["attempts"]]))
            .collect();
        assert_eq!(
            serde_json::Value::from(kinds),
            serde_json::json!([[1, "step_crash", 2], [3, "step_crash", 2], [5, "step_error", null]])
        );
        assert_eq!(report.restarts, 4);
    }
}

#[test]
fn a_worker_that_hangs_is_killed_in_time() {
    let started = Instant::now();
    let timeout = Duration::from_millis(300);
    let (report, out, quarantine) = obey("one\nhang\ntwo\n", isolating(timeout, None), 1).expect("a run");
    assert_eq!((out.as_str(), report.counts.quarantined), ("eno\nowt\n", 1));
    assert!(quarantine.contains("step_timeout"), "{quarantine}");
    assert!(started.elapsed() < Duration::from_secs(20));
}

#[test]
fn a_step_that_always_kills_its_worker_stops_the_run() {
    let lines = "abort\n".repeat(1000);
    let error = obey(&lines, isolating(PATIENT, None), 1).expect_err("too many deaths");
    assert_eq!(error.exit_code(), 4, "{error}");
}

#[test]
fn a_death_while_loading_is_an_error_of_the_plugin() {
    let plugin = Plugin {
        name: "acme/die".to_owned(),
        short_name: "die".to_owned(),
        distribution: "acme".to_owned(),
        version: Some("1.0".to_owned()),
        entry_point: "acme:die".to_owned(),
        location: String::new(),
        editable: false,
    };
    let host = RemoteHost::new(&Obedient, Isolating::default(), Limits::default(), &|| Ok(()));
    let error = host.load(&plugin, &Configuration::new()).err().expect("it dies");
    assert_eq!(error.exit_code(), 7);
    assert_eq!(
        error.to_string(),
        "The worker was killed by SIGABRT (signal 6) while it loaded `acme/die` (acme 1.0)."
    );
    // The next plugin is loaded by another worker.
    let obey = Plugin {
        short_name: "obey".to_owned(),
        ..plugin
    };
    let step = host.load(&obey, &Configuration::new()).expect("a step");
    assert_eq!(step.declaration().name, "obey");
}
