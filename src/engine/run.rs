//! Runs a plan over inputs from its beginning to its commit.

use crate::engine::attend::attend;
use crate::engine::directory::{Directory, Existing, Opened};
use crate::engine::identity::header;
use crate::engine::job::{Codec, Shared};
use crate::engine::outputs::Outputs;
use crate::engine::preparation::{Preparation, Shape, check_files, prepare, sink_format, total_bytes, with_formats};
#[cfg(unix)]
use crate::engine::process::Pool;
use crate::engine::reader::{Borders, Reader};
use crate::engine::shards::{Shards, Written};
use crate::engine::statistics::Statistics;
use crate::engine::threads::{Crew, go_round, round};
use crate::engine::worker::{ForShards, Workshop};
use crate::engine::writer::{Destination, Writer};
use crate::engine::{RunOptions, Watcher};
use crate::error::{Error, Result};
use crate::io::{Compression, Format, Input, InputLocation};
use crate::ledger::{Account, Header, Manifest, Report, ShardEntry, check};
use crate::plan::{Plan, panic_message};
use crate::record::Place;
use crate::step::{Cancel, Context, Limits};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

/// The least that the texts of a batch may hold, whatever the budget: enough for a batch of usual records.
const LEAST_ROOM: usize = 2 << 20;

/// Runs a plan. Returns when everything is committed, or nothing is.
pub fn run(plan: &Plan, options: &RunOptions, watcher: &mut dyn Watcher) -> Result<Report> {
    let started = Instant::now();
    let (inputs, preparation, opened) = attend(watcher, |cancel| {
        let inputs = with_formats(options)?;
        let sink = sink_format(plan, options, &inputs);
        check_files(plan, options, &inputs, sink, cancel)?;
        let preparation = prepare(plan, options, &inputs, sink, cancel)?;
        let opened = options
            .directory()
            .map(|path| open_directory(plan, options, path, sink, cancel))
            .transpose()?;
        Ok((inputs, preparation, opened))
    })?;
    let Preparation { codecs, tables, shape } = preparation;
    let directory = match opened {
        None => None,
        Some((header, Opened::Ready(directory, earlier))) => Some((header, directory, earlier)),
        Some((_, Opened::Complete(manifest))) => {
            let path = options.directory().unwrap_or(Path::new(""));
            return Ok(report_of(&manifest, plan, path));
        }
    };
    let (writer, mut report) = carry_out(plan, options, inputs, &codecs, watcher, |reader, statistics, shared| {
        let reader = reader.with_tables(tables);
        destination(directory, reader, statistics, options, &shape, shared)
    })?;
    let mut pulse = || {
        watcher
            .tick(&crate::engine::Progress::default())
            .map_err(Error::Interrupted)
    };
    conclude(writer, &mut report, started, &mut pulse)?;
    Ok(report)
}

/// Where a run's records go: a writer, a reader that reads what it needs, and what the shards of a directory need.
type Target = (Writer, Reader, Option<ForShards>);

/// Does all of a run but the commit: starts its threads and has them read, work and write. Returns the writer, whose account
/// has been checked, and a report of what it does not know.
pub(super) fn carry_out(
    plan: &Plan,
    options: &RunOptions,
    inputs: Vec<(Input, Format)>,
    codecs: &[Codec],
    watcher: &mut dyn Watcher,
    destination: impl FnOnce(Reader, Statistics, &Arc<Shared>) -> Result<Target>,
) -> Result<(Writer, Report)> {
    // A file of tables has a path: its parts are read in any order.
    let of_tables = inputs
        .iter()
        .all(|(input, format)| input.location == InputLocation::Standard && *format == Format::Arrow);
    // Tables may come by the thousand, each as a run of its own.
    let level = if of_tables { log::Level::Debug } else { log::Level::Info };
    log::log!(
        level,
        "The run starts: {} inputs, {} steps, {} workers.",
        inputs.len(),
        plan.steps.len(),
        options.workers
    );

    let workers_read = of_tables || Reader::never_waits(&inputs);
    // Each worker has one batch at hand and one waiting, and the reader and the calling thread have some too.
    // A tender keeps as many with its worker.
    let jobs = if options.supervision.is_some() {
        4 * options.workers + 4
    } else {
        2 * options.workers + 4
    };
    let shared = Arc::new(Shared::new(round(options, jobs, workers_read)?));
    let context = Context {
        cancel: shared.cancel.clone(),
        limits: options.limits,
        ..Context::default()
    };
    let total_bytes = total_bytes(&inputs);
    let share = options.memory_budget / (4 * options.workers);
    let limits = Limits {
        // Half of the budget is left for batches.
        window: options.limits.window.min(options.memory_budget / 2),
        ..options.limits
    };
    let reader =
        Reader::new(inputs, limits, options.limit, share, Arc::clone(&shared)).with_budget(options.memory_budget);
    let (writer, reader, for_shards) = destination(reader, Statistics::new(plan), &shared)?;
    watcher.begun();
    let (reader, reads_ahead) = if workers_read {
        (Some(reader), None)
    } else {
        (None, Some(reader))
    };
    let workshop = Workshop {
        plan,
        codecs,
        inputs: &options.inputs,
        context: &context,
        supervised: options.supervision.is_some(),
        on_error: options.on_error.unwrap_or(plan.on_error),
        shared: &shared,
        keep_casualties: !of_tables,
        keep_rejected: options.rejected.is_some() || for_shards.is_some(),
        room: share.max(LEAST_ROOM),
        most_room: (options.memory_budget / 4).max(2 * options.limits.record_bytes),
        for_shards,
        reader: Mutex::new(reader),
        writer: Mutex::new(writer),
    };
    // Workers catch their own panics. One of any other thread of the run, this one included, is a bug of ours: it must end as an
    // error with nothing committed, and never unwind into a host.
    let supervision = options.supervision.as_ref();
    #[cfg(unix)]
    let crew: Crew<'_> = supervision.map(|supervision| Pool::new(supervision, plan, &shared, options.workers));
    #[cfg(not(unix))]
    let crew: Crew<'_> = None;
    catch_unwind(AssertUnwindSafe(|| {
        go_round(
            &workshop,
            reads_ahead,
            options.workers,
            &shared,
            &crew,
            watcher,
            total_bytes,
        )
    }))
    .unwrap_or_else(|panic| Err(Error::Internal(panic_message("The engine", &*panic))))?;
    #[cfg(unix)]
    let (restarts, printed_bytes) = crew
        .as_ref()
        .map_or((0, 0), |pool| (pool.restarts(), pool.printed_bytes()));
    #[cfg(not(unix))]
    let (restarts, printed_bytes) = (0, 0);
    drop(crew);
    let writer = workshop.writer.into_inner().unwrap_or_else(PoisonError::into_inner);
    let writer = end(writer, &shared, &mut || {
        let progress = shared.meter.progress(total_bytes);
        watcher.tick(&progress).map_err(Error::Interrupted)
    })?;
    let report = Report {
        inputs: options.inputs.len() as u64,
        limited: shared.meter.limited.load(Ordering::Relaxed),
        workers: options.workers,
        isolation: options.isolation(),
        restarts,
        printed_bytes,
        ..Report::default()
    };
    Ok((writer, report))
}

/// Where the bytes go, and a reader that reads what they are made of: of an output directory, what is not committed yet.
fn destination(
    directory: Option<(Header, Box<Directory>, Vec<ShardEntry>)>,
    reader: Reader,
    statistics: Statistics,
    options: &RunOptions,
    shape: &Shape,
    shared: &Arc<Shared>,
) -> Result<Target> {
    let Some((header, directory, earlier)) = directory else {
        let mut outputs = Outputs::open(options, shape)?;
        outputs.heed(&shared.cancel);
        let writer = Writer::new(Destination::Files(Box::new(outputs)), statistics, options);
        return Ok((writer, reader, None));
    };
    let shards = Shards::new(directory, &header, &earlier, statistics.clone(), shape.clone(), shared)?;
    let mut writer = Writer::new(Destination::Shards(Box::new(shards)), statistics, options);
    writer.count_earlier(&earlier);
    let for_shards = ForShards {
        compressed: header.options.compression != Compression::None,
    };
    let begin = earlier.last().map_or_else(Place::default, |shard| shard.end);
    let borders = Borders::new(header.options.shard_bytes, header.inputs);
    let reader = reader.for_shards(borders, begin, writer.read.counts.read);
    Ok((writer, reader, Some(for_shards)))
}

/// Finishes what is written, unless the run was stopped, and checks the account.
fn end(mut writer: Writer, shared: &Shared, pulse: &mut dyn FnMut() -> Result<()>) -> Result<Writer> {
    let ended = writer.finish(shared, pulse);
    if let Some(error) = shared.take_error() {
        log::info!("The run was stopped: {error}");
        return Err(error);
    }
    ended?;
    check(&writer.read, &writer.accounted)?;
    Ok(writer)
}

/// Commits everything and tells of it.
fn conclude(
    mut writer: Writer,
    report: &mut Report,
    started: Instant,
    pulse: &mut dyn FnMut() -> Result<()>,
) -> Result<()> {
    writer.tell(report);
    report.seconds = started.elapsed().as_secs_f64();
    writer.commit(report, pulse)?;
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
    Ok(())
}

/// Opens the output directory of a run that these arguments ask for.
fn open_directory(
    plan: &Plan,
    options: &RunOptions,
    path: &Path,
    sink: Format,
    cancel: &Cancel,
) -> Result<(Header, Opened)> {
    let header = header(plan, options, sink);
    let existing = match (options.resume, options.overwrite) {
        (true, _) => Existing::Resume,
        (false, true) => Existing::Overwrite,
        (false, false) => Existing::Refuse,
    };
    let opened = Directory::open(path, &header, existing, cancel)?;
    if let Opened::Ready(_, earlier) = &opened
        && !earlier.is_empty()
    {
        log::info!("The run goes on behind {} committed shards.", earlier.len());
    }
    Ok((header, opened))
}

/// The report of a run that was complete before.
fn report_of(manifest: &Manifest, plan: &Plan, path: &Path) -> Report {
    let mut statistics = Statistics::new(plan);
    let (mut read, mut fates) = (Account::default(), Account::default());
    let mut written = Written::default();
    for shard in &manifest.shards {
        statistics.add(&shard.statistics);
        read.merge(&shard.account_of_read());
        fates.merge(&shard.account_of_fates());
        written.count(shard);
    }
    let mut report = Report {
        counts: fates.counts,
        fingerprint: read.fingerprint.to_string(),
        inputs: manifest.header.inputs.len() as u64,
        limited: manifest.end.as_ref().is_some_and(|end| end.limited),
        files: written.commitments(path),
        shards: Some(manifest.shards.len() as u64),
        earlier_shards: manifest.shards.len() as u64,
        already_complete: true,
        ..Report::default()
    };
    report.counts.read = read.counts.read;
    statistics.tell(&mut report);
    log::info!("The run was complete before.");
    report
}
