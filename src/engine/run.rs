//! Starts the threads of a run, serves as its calling thread, and commits what they made.

use crate::engine::job::{Codec, Job, Shared};
use crate::engine::outputs::{Outputs, quarantine_beside};
use crate::engine::reader::Reader;
use crate::engine::statistics::Statistics;
use crate::engine::worker::{Belts, Workshop};
use crate::engine::writer::{Writer, WriterBelts};
use crate::engine::{MOST_WORKERS, RunOptions, Watcher};
use crate::error::{ConfigError, Error, FileError, Interrupt, Result};
use crate::io::{
    CasualtyEncoder, Format, Input, Layout, Output, StepLabel, check_output, check_representable, decoder, encoder,
};
use crate::ledger::{Report, check};
use crate::plan::{Plan, PlanField, PlannedStep, panic_message};
use crate::step::{Context, Origin};
use crossbeam_channel::{Receiver, Sender, bounded, select, unbounded};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

/// How often the watcher is asked.
const TICK: Duration = Duration::from_millis(50);

/// Runs a plan. Returns when everything is committed, or nothing is.
pub fn run(plan: &Plan, options: &RunOptions, watcher: &mut dyn Watcher) -> Result<Report> {
    let started = Instant::now();
    let inputs = with_formats(options)?;
    let sink = sink_format(options, &inputs);
    check_files(plan, options, &inputs, sink)?;
    let codecs = codecs(plan, options, &inputs, sink);
    log::info!(
        "The run starts: {} inputs, {} steps, {} workers.",
        inputs.len(),
        plan.steps.len(),
        options.workers
    );

    let mut writer = Writer::new(Outputs::open(options)?, Statistics::new(plan));
    let shared = Arc::new(Shared::default());
    let context = Context {
        cancel: shared.cancel.clone(),
        limits: options.limits,
    };
    let workshop = Workshop {
        plan,
        codecs: &codecs,
        inputs: &options.inputs,
        context: &context,
        shared: &shared,
        keep_rejected: options.rejected.is_some(),
    };
    // Workers catch their own panics. One of any other thread of the run, this one included, is a bug of ours: it must end as an
    // error with nothing committed, and never unwind into a host.
    catch_unwind(AssertUnwindSafe(|| {
        go_round(&workshop, inputs, options, &mut writer, &shared, watcher)
    }))
    .unwrap_or_else(|panic| Err(Error::Internal(panic_message("The engine", &*panic))))?;
    if let Some(error) = shared.take_error() {
        log::info!("The run was stopped: {error}");
        return Err(error);
    }
    check(&writer.read, &writer.accounted)?;

    let mut report = Report {
        bytes_written: writer.outputs.bytes_out(),
        counts: writer.accounted.counts,
        fingerprint: writer.read.fingerprint.to_string(),
        inputs: options.inputs.len() as u64,
        limited: writer.limited,
        workers: options.workers,
        ..Report::default()
    };
    report.counts.read = writer.read.counts.read;
    writer.statistics.tell(&mut report);
    report.files = writer.outputs.commit()?;
    report.seconds = started.elapsed().as_secs_f64();
    for damage in &report.damage {
        log::warn!("{}", damage.message);
    }
    let counts = report.counts;
    log::info!(
        "The run ended: {} records read, {} out, {} rejected, {} quarantined.",
        counts.read,
        counts.out,
        counts.rejected,
        counts.quarantined
    );
    Ok(report)
}

/// Starts the threads and works beside them until all is written or the run is stopped.
fn go_round(
    workshop: &Workshop<'_>,
    inputs: Vec<(Input, Format)>,
    options: &RunOptions,
    writer: &mut Writer,
    shared: &Arc<Shared>,
    watcher: &mut dyn Watcher,
) -> Result<()> {
    let total_bytes = total_bytes(&inputs);
    let (free_in, free_out) = unbounded();
    let (fresh_in, fresh_out) = unbounded();
    let (calling_in, calling_out) = unbounded();
    let (returned_in, returned_out) = unbounded();
    let (done_in, done_out) = unbounded();
    let (end_in, end_out) = bounded(1);
    let (stop_in, stop_out) = bounded::<()>(0);
    let (written_in, written_out) = bounded::<()>(0);
    // Each worker has one batch at hand and one waiting, and the reader, the calling thread and the writer have some too.
    for _ in 0..2 * options.workers + 4 {
        // The receiver is in scope: the channel is open.
        let _ = free_in.send(Box::new(Job::new()));
    }
    let reader = Reader {
        inputs,
        limits: options.limits,
        limit: options.limit,
        shared: Arc::clone(shared),
        free: free_out,
        jobs: fresh_in,
        end: end_in,
    };
    let belts = Belts {
        fresh: fresh_out,
        returned: returned_out,
        stop: stop_out.clone(),
        calling: calling_in,
        done: done_in,
    };
    thread::scope(|scope| {
        // The reader is not in the scope: one that waits for a pipe which never speaks again must not be waited for.
        let reading = start(thread::Builder::new(), "reader", |builder| {
            builder.spawn(move || reader.run())
        })?;
        for _ in 0..options.workers {
            let belts = belts.clone();
            start(thread::Builder::new(), "worker", |builder| {
                builder.spawn_scoped(scope, || workshop.work(belts))
            })
            .inspect_err(|error| shared.fail(error.clone()))?;
        }
        drop(belts);
        let writer_belts = WriterBelts {
            done: done_out,
            end: end_out,
            stop: stop_out,
            free: free_in,
        };
        start(thread::Builder::new(), "writer", |builder| {
            builder.spawn_scoped(scope, || {
                writer.run(writer_belts, shared);
                drop(written_in);
            })
        })
        .inspect_err(|error| shared.fail(error.clone()))?;
        call(
            workshop,
            &calling_out,
            &returned_in,
            &written_out,
            shared,
            watcher,
            total_bytes,
        );
        drop(stop_in);
        if !shared.cancel.is_cancelled() && reading.join().is_err() {
            shared.fail(Error::Internal("The reader panicked.".to_owned()));
        }
        Ok(())
    })
}

fn start<T>(
    builder: thread::Builder,
    role: &str,
    spawn: impl FnOnce(thread::Builder) -> std::io::Result<T>,
) -> Result<T> {
    spawn(builder.name(format!("tp-{role}"))).map_err(|error| {
        let mut failed = FileError::of(Path::new(role), "starting the thread of the", &error);
        failed.hint = Some("The limit on processes may be reached: see `ulimit -u`.".to_owned());
        Error::Output(Box::new(failed))
    })
}

/// The work of the calling thread: the segments that only it may run, the signals, and the progress.
fn call(
    workshop: &Workshop<'_>,
    calling: &Receiver<Box<Job>>,
    returned: &Sender<Box<Job>>,
    written: &Receiver<()>,
    shared: &Shared,
    watcher: &mut dyn Watcher,
    total_bytes: Option<u64>,
) {
    let mut last_tick = Instant::now();
    let mut pulse = || {
        if shared.cancel.is_cancelled() {
            return Err(Interrupt::Interrupt);
        }
        if last_tick.elapsed() >= TICK {
            last_tick = Instant::now();
            watcher.tick(&shared.meter.progress(total_bytes))?;
        }
        Ok(())
    };
    let segments = &workshop.plan.segments;
    loop {
        select! {
            recv(calling) -> job => {
                // The channel closes when all workers have stopped; then the writer's end is near.
                let Ok(mut job) = job else {
                    let _ = written.recv();
                    return;
                };
                while let Some(segment) = segments.get(job.segment).filter(|segment| segment.on_calling_thread()) {
                    if let Err(error) = segment.run(&mut job.batch, workshop.context, &mut pulse) {
                        return shared.fail(error);
                    }
                    job.segment += 1;
                }
                if returned.send(job).is_err() {
                    return;
                }
            },
            recv(written) -> _ => return,
            default(TICK) => {}
        }
        if let Err(interrupt) = pulse() {
            return shared.fail(Error::Interrupted(interrupt));
        }
    }
}

fn with_formats(options: &RunOptions) -> Result<Vec<(Input, Format)>> {
    if options.inputs.is_empty() {
        return Err(ConfigError::new("There is no input to read.")
            .with_hint("Name a file, or `-` for standard input.")
            .into());
    }
    let format = |input: &Input| {
        options
            .format
            .unwrap_or_else(|| input.path.as_deref().map_or(Format::Text, Format::from_name))
    };
    Ok(options
        .inputs
        .iter()
        .map(|input| (input.clone(), format(input)))
        .collect())
}

/// The output lies as its name says, or as the inputs do.
fn sink_format(options: &RunOptions, inputs: &[(Input, Format)]) -> Format {
    let source = inputs[0].1;
    match (options.output.as_deref(), source) {
        (Some(output), _) if Format::from_name(output) == Format::Jsonl => Format::Jsonl,
        // A name without an extension, or a device, says nothing; any other extension means plain text.
        (Some(output), Format::Jsonl) if output.extension().is_some() => Format::Text,
        _ => source,
    }
}

fn check_files(plan: &Plan, options: &RunOptions, inputs: &[(Input, Format)], sink: Format) -> Result<()> {
    let beside = options.output.as_deref().map(|output| quarantine_beside(Some(output)));
    let quarantine = options.quarantine.as_deref().or(beside.as_deref());
    let outputs = [
        ("output", options.output.as_deref()),
        ("file of rejected records", options.rejected.as_deref()),
        ("quarantine file", quarantine),
    ];
    let outputs: Vec<Output<'_>> = outputs
        .into_iter()
        .filter_map(|(role, path)| Some(Output { role, path: path? }))
        .collect();
    check_output(&options.inputs, &outputs, options.overwrite)?;
    if !(1..=MOST_WORKERS).contains(&options.workers) {
        let message = format!("The number of workers is a whole number from 1 to {MOST_WORKERS}.");
        return Err(ConfigError::new(message).with_key("workers").into());
    }
    for format in distinct_formats(inputs) {
        check_representable(fields_for_output(plan), &plan.text, format, sink)?;
    }
    Ok(())
}

/// The fields that the output is to hold. One that a later step asks for has done its work already where the output
/// cannot hold it, so only the others are asked of a format.
fn fields_for_output(plan: &Plan) -> impl Iterator<Item = &PlanField> {
    plan.fields.iter().filter(|field| {
        let after = field.added_by.map_or(0, |step| usize::from(step) + 1);
        let asks = |planned: &PlannedStep| {
            planned
                .step
                .declaration()
                .asks
                .iter()
                .any(|asked| asked.name == field.name)
        };
        !plan.steps.iter().skip(after).any(asks)
    })
}

fn codecs(plan: &Plan, options: &RunOptions, inputs: &[(Input, Format)], sink: Format) -> Vec<Codec> {
    let label = |planned: &PlannedStep| {
        let declaration = planned.step.declaration();
        StepLabel {
            name: declaration.name.clone(),
            distribution: declaration.origin.as_ref().map(Origin::distribution_with_version),
        }
    };
    let labels: Vec<StepLabel> = plan.steps.iter().map(label).collect();
    let codec = |source: Format| {
        let layout = Layout {
            text: plan.text.clone(),
            id: plan.id.clone(),
            fields: plan.fields.clone(),
            source,
            sink,
            limits: options.limits,
        };
        Codec {
            format: source,
            decoder: decoder(&layout),
            encoder: encoder(&layout, &options.inputs),
            casualties: CasualtyEncoder::new(&layout, &options.inputs, labels.clone()),
        }
    };
    distinct_formats(inputs).into_iter().map(codec).collect()
}

fn distinct_formats(inputs: &[(Input, Format)]) -> Vec<Format> {
    let mut formats: Vec<Format> = Vec::new();
    for (_, format) in inputs {
        if !formats.contains(format) {
            formats.push(*format);
        }
    }
    formats
}

/// The bytes of all inputs, if all are files.
fn total_bytes(inputs: &[(Input, Format)]) -> Option<u64> {
    inputs.iter().map(|(input, _)| input.size()).sum()
}
