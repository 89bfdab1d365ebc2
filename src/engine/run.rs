//! Starts the threads of a run, serves as its calling thread, and commits what they made.

use crate::engine::job::{Codec, Shared};
use crate::engine::outputs::{Outputs, quarantine_beside};
use crate::engine::reader::Reader;
use crate::engine::round::{Call, Round};
use crate::engine::statistics::Statistics;
use crate::engine::worker::Workshop;
use crate::engine::writer::Writer;
use crate::engine::{LEAST_MEMORY_BUDGET, MOST_MEMORY_BUDGET, MOST_WORKERS, RunOptions, Watcher};
use crate::error::{ConfigError, Error, FileError, Interrupt, Result};
use crate::io::{
    CasualtyEncoder, Format, Input, Layout, Output, StepLabel, check_output, check_representable, decoder, encoder,
};
use crate::ledger::{Report, check};
use crate::plan::{Plan, PlanField, PlannedStep, panic_message};
use crate::step::{Context, Limits, Origin};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

/// The least that the texts of a batch may hold, whatever the budget: enough for a batch of usual records.
const LEAST_ROOM: usize = 2 << 20;

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

    let mut writer = Writer::new(Outputs::open(options)?, Statistics::new(plan), options);
    let workers_read = Reader::never_waits(&inputs);
    // Each worker has one batch at hand and one waiting, and the reader and the calling thread have some too.
    let shared = Arc::new(Shared::new(Round::new(
        2 * options.workers + 4,
        workers_read,
        options.memory_budget,
    )));
    writer.outputs.heed(&shared.cancel);
    let context = Context {
        cancel: shared.cancel.clone(),
        limits: options.limits,
    };
    let total_bytes = total_bytes(&inputs);
    let share = options.memory_budget / (4 * options.workers);
    let limits = Limits {
        // Half of the budget is left for batches.
        window: options.limits.window.min(options.memory_budget / 2),
        ..options.limits
    };
    let reader = Reader::new(inputs, limits, options.limit, share, Arc::clone(&shared));
    let (reader, reads_ahead) = if workers_read {
        (Some(reader), None)
    } else {
        (None, Some(reader))
    };
    let workshop = Workshop {
        plan,
        codecs: &codecs,
        inputs: &options.inputs,
        context: &context,
        shared: &shared,
        keep_rejected: options.rejected.is_some(),
        room: share.max(LEAST_ROOM),
        most_room: (options.memory_budget / 4).max(2 * options.limits.record_bytes),
        reader: Mutex::new(reader),
        writer: Mutex::new(writer),
    };
    // Workers catch their own panics. One of any other thread of the run, this one included, is a bug of ours: it must end as an
    // error with nothing committed, and never unwind into a host.
    catch_unwind(AssertUnwindSafe(|| {
        go_round(&workshop, reads_ahead, options.workers, &shared, watcher, total_bytes)
    }))
    .unwrap_or_else(|panic| Err(Error::Internal(panic_message("The engine", &*panic))))?;
    let writer = workshop.writer.into_inner().unwrap_or_else(PoisonError::into_inner);
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
        limited: shared.meter.limited.load(Ordering::Relaxed),
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
    reads_ahead: Option<Reader>,
    workers: usize,
    shared: &Arc<Shared>,
    watcher: &mut dyn Watcher,
    total_bytes: Option<u64>,
) -> Result<()> {
    thread::scope(|scope| {
        // However this ends, the threads must end too: the scope waits for them.
        let _stop = Stop(shared);
        if let Some(reader) = reads_ahead {
            let shared = Arc::clone(shared);
            // Not in the scope: a reader that waits for a pipe which never speaks again must not be waited for.
            start(thread::Builder::new(), "reader", |builder| {
                builder.spawn(move || {
                    if let Err(panic) = catch_unwind(AssertUnwindSafe(|| reader.read_ahead())) {
                        shared.fail(Error::Internal(panic_message("The reader", &*panic)));
                    }
                })
            })?;
        }
        for _ in 0..workers {
            start(thread::Builder::new(), "worker", |builder| {
                builder.spawn_scoped(scope, || workshop.work())
            })?;
        }
        call(workshop, shared, watcher, total_bytes);
        Ok(())
    })
}

/// Stops all threads when it is dropped. Those that have ended already do not notice.
struct Stop<'s>(&'s Shared);

impl Drop for Stop<'_> {
    fn drop(&mut self) {
        self.0.cancel.cancel();
        self.0.round.stop();
    }
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
fn call(workshop: &Workshop<'_>, shared: &Shared, watcher: &mut dyn Watcher, total_bytes: Option<u64>) {
    let mut last_tick = Instant::now();
    let process = std::process::id();
    let mut pulse = || {
        if shared.cancel.is_cancelled() {
            return Err(Interrupt::Interrupt);
        }
        if last_tick.elapsed() >= TICK {
            last_tick = Instant::now();
            end_child(process);
            watcher.tick(&shared.meter.progress(total_bytes))?;
        }
        Ok(())
    };
    let segments = &workshop.plan.segments;
    loop {
        match shared.round.next_call(TICK) {
            Call::Job(mut job) => {
                while let Some(segment) = segments.get(job.segment).filter(|segment| segment.on_calling_thread()) {
                    if let Err(error) = segment.run(&mut job.batch, workshop.context, &mut pulse) {
                        return shared.fail(error);
                    }
                    end_child(process);
                    job.segment += 1;
                    if job.batch.overflowed {
                        break;
                    }
                }
                shared.round.add_returned(job);
            }
            Call::Nothing => {}
            Call::End => return,
        }
        if let Err(interrupt) = pulse() {
            return shared.fail(Error::Interrupted(interrupt));
        }
    }
}

/// Ends this process if it is a child that a step has forked and let go on: none of the other threads of the run are in it,
/// so that it would wait for ever. The files of the run belong to the parent, which goes on, so nothing is tidied up here.
fn end_child(process: u32) {
    if std::process::id() != process {
        #[cfg(unix)]
        let _ = rustix::process::kill_process(rustix::process::getpid(), rustix::process::Signal::KILL);
        std::process::abort();
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
    if !(LEAST_MEMORY_BUDGET..=MOST_MEMORY_BUDGET).contains(&options.memory_budget) {
        let (least, most) = (LEAST_MEMORY_BUDGET >> 20, MOST_MEMORY_BUDGET >> 40);
        let message = format!("The memory budget is from {least} MiB to {most} TiB.");
        return Err(ConfigError::new(message).with_key("memory_budget").into());
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
