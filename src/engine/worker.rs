//! A worker: reads a batch, decodes it, runs its Rust segments, encodes what became of its records, and writes that.

use crate::batch::{Batch, Ending, Row, SourceRecord, Span, State, Unread};
use crate::engine::job::{Codec, Encoding, Job, Shared};
use crate::engine::reader::Reader;
use crate::engine::round::Task;
use crate::engine::writer::Writer;
use crate::error::{Error, Interrupt, RecordError, Result};
use crate::io::{Checksum, Input, LastLine, TableGroup};
use crate::ledger::{Account, InputDamage, runs, settle};
use crate::plan::{OnError, Plan};
use crate::step::{Context, Runtime, Segment, runtime};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Mutex, PoisonError};

/// Everything that all workers of a run know.
pub(super) struct Workshop<'r> {
    pub(super) plan: &'r Plan,
    pub(super) codecs: &'r [Codec],
    pub(super) inputs: &'r [Input],
    pub(super) context: &'r Context,
    pub(super) shared: &'r Shared,
    /// The reader, if workers read.
    pub(super) reader: Mutex<Option<Reader>>,
    pub(super) writer: Mutex<Writer>,
    /// Whether records that do not go out are written anywhere.
    pub(super) keep_casualties: bool,
    /// Whether rejected records are.
    pub(super) keep_rejected: bool,
    /// What happens to a record that fails.
    pub(super) on_error: OnError,
    /// Whether the segments of plugins run in workers.
    pub(super) supervised: bool,
    /// How many bytes of text a batch may hold.
    pub(super) room: usize,
    /// How many bytes of text a batch of a single record may hold, which cannot be divided.
    pub(super) most_room: usize,
    /// What the shards of an output directory need of each batch besides its bytes; `None`: the output is none.
    pub(super) for_shards: Option<ForShards>,
}

/// What the shards of an output directory need of each batch besides its bytes: the fates in runs, and checksums.
#[derive(Debug, Clone, Copy)]
pub(super) struct ForShards {
    /// Whether what goes out is compressed. The checksum is that of the file then, so nobody needs one of the batch.
    pub(super) compressed: bool,
}

impl ForShards {
    /// Notes it while the bytes lie in the cache.
    fn note(self, job: &mut Job) {
        runs(&job.batch, &job.fates, &mut job.runs);
        if !self.compressed {
            job.checksums[0] = Checksum::of(&job.out);
        }
        job.checksums[1] = Checksum::of(&job.rejected);
        job.checksums[2] = Checksum::of(&job.quarantined);
    }
}

impl Workshop<'_> {
    /// Works until there is nothing left to do or the run is stopped.
    pub(super) fn work(&self) {
        loop {
            let task = self.shared.round.next_task();
            if matches!(task, Task::End) {
                return;
            }
            match catch_unwind(AssertUnwindSafe(|| self.carry_out(task))) {
                Ok(Ok(())) => {}
                Ok(Err(error)) => return self.shared.fail(error),
                Err(panic) => {
                    let message = crate::plan::panic_message("A worker", &*panic);
                    return self.shared.fail(Error::Internal(message));
                }
            }
        }
    }

    fn carry_out(&self, task: Task) -> Result<()> {
        match task {
            Task::Read(job) => match self.read(job) {
                Some(job) => self.advance(job),
                None => Ok(()),
            },
            Task::Advance(job) => self.advance(job),
            Task::Write(mut job) => {
                let mut writer = self.writer.lock().unwrap_or_else(PoisonError::into_inner);
                writer.write(&mut job, &self.shared.meter)?;
                self.shared.round.hold_output(writer.held());
                drop(writer);
                let groups = std::mem::take(&mut job.groups);
                if !groups.is_empty() {
                    self.shared.round.will_encode();
                }
                if job.next_part() {
                    self.shared.round.has_written_part(job);
                } else {
                    self.shared.round.has_written(job);
                }
                // The next batch can be written meanwhile.
                self.encode(groups)
            }
            Task::End => Ok(()),
        }
    }

    /// Encodes groups of rows and writes them.
    fn encode(&self, groups: Vec<TableGroup>) -> Result<()> {
        if groups.is_empty() {
            return Ok(());
        }
        for group in groups {
            let encoded = group.encode()?;
            let mut writer = self.writer.lock().unwrap_or_else(PoisonError::into_inner);
            writer.join(encoded)?;
            self.shared.round.hold_output(writer.held());
        }
        self.shared.round.has_encoded();
        Ok(())
    }

    /// Fills the job. `None`: there is nothing left to read.
    fn read(&self, mut job: Box<Job>) -> Option<Box<Job>> {
        let round = &self.shared.round;
        let mut reader = self.reader.lock().unwrap_or_else(PoisonError::into_inner);
        let (filled, jobs) = reader
            .as_mut()
            .map_or((false, 0), |reader| (reader.fill(&mut job), reader.jobs()));
        drop(reader);
        if filled {
            round.has_read(&job);
            Some(job)
        } else {
            round.has_read_all(jobs, job);
            None
        }
    }

    /// Does as much for a batch as a worker may, and hands it on.
    fn advance(&self, mut job: Box<Job>) -> Result<()> {
        if job.segment == 0 && job.read == Account::default() {
            self.decode(&mut job);
            job.batch.room = if job.batch.is_alone() {
                self.most_room
            } else {
                self.room
            };
        }
        while let Some(segment) = self.plan.segments.get(job.segment) {
            if job.batch.overflowed {
                break;
            }
            if self.is_called(&**segment) {
                self.shared.round.add_calling(job);
                return Ok(());
            }
            let cancel = &self.shared.cancel;
            segment.run(&mut job.batch, self.context, &mut || {
                if cancel.is_cancelled() {
                    Err(Interrupt::Interrupt)
                } else {
                    Ok(())
                }
            })?;
            job.segment += 1;
        }
        if !job.batch.overflowed {
            self.finish(&mut job)?;
        }
        // What was made of many small records may be far more than what was read: then they go on in two parts.
        let held = if job.batch.overflowed {
            2 * self.room
        } else {
            job.held()
        };
        self.shared.meter.note_growth(job.batch.bytes_read(), held);
        if (job.batch.overflowed || held > 2 * self.most_room) && job.halve() {
            self.shared.round.add_waiting(job, 2 * self.room);
            return Ok(());
        }
        self.shared.round.add_done(job);
        Ok(())
    }

    /// Whether a segment is for the calling thread, or for the tenders of workers that stand in for it.
    pub(super) fn is_called(&self, segment: &dyn Segment) -> bool {
        if self.supervised {
            runtime(segment) == Some(Runtime::Python)
        } else {
            segment.on_calling_thread()
        }
    }

    fn codec(&self, job: &Job) -> &Codec {
        let codec = self.codecs.iter().find(|codec| codec.format == job.format);
        codec.expect("there is a codec for each format of the inputs")
    }

    fn decode(&self, job: &mut Job) {
        match job.batch.unread.take() {
            None => self.codec(job).decoder.decode(&mut job.batch),
            Some(Unread::Record { length, hash }) => {
                let failure = self.codec(job).casualties.too_large(length);
                let batch = &mut job.batch;
                let raw = Span::new(0..batch.raw().len());
                let (ordinal, offset) = (batch.first_ordinal, batch.first_offset);
                batch.sources.push(SourceRecord {
                    ordinal,
                    offset,
                    raw,
                    ..SourceRecord::default()
                });
                batch.rows.push(Row::default());
                batch.quarantine(0, None, failure);
                job.batch.unread = Some(Unread::Record { length, hash });
            }
            Some(Unread::Segment(failure)) => {
                job.damage = Some(InputDamage {
                    input: self.input_name(&job.batch).to_owned(),
                    offset: (!job.unopened).then_some(job.batch.first_offset),
                    message: match &failure.hint {
                        Some(hint) => format!("{} {hint}", failure.message),
                        None => failure.message.clone(),
                    },
                });
                job.batch.unread = Some(Unread::Segment(failure));
            }
        }
        job.read = Account::of_read(&job.batch);
    }

    fn input_name(&self, batch: &Batch) -> &str {
        &self.inputs[batch.input as usize].name
    }

    /// Settles the fates of the records and writes their bytes.
    fn finish(&self, job: &mut Job) -> Result<()> {
        let codec = self.codec(job);
        match &codec.encoding {
            Encoding::Bytes(encoder) => encoder.check(&mut job.batch),
            Encoding::Table(encoder) | Encoding::Rows(encoder, _) => encoder.check(&mut job.batch),
        }
        settle(&mut job.batch, &mut job.fates);
        let batch = &job.batch;
        if self.on_error == OnError::Raise {
            job.failure = self.first_failure(batch, codec);
            if job.failure.is_some() {
                return Ok(());
            }
        }
        job.texts = batch.rows.iter().filter(|row| row.state == State::Live).count() as u64;
        job.accounted = Account::of_fates(batch, &job.fates);
        match &codec.encoding {
            Encoding::Bytes(encoder) => job.last_line = encoder.encode(batch, &mut job.out),
            Encoding::Table(encoder) => {
                let table = encoder.encode(&mut job.batch, &job.fates)?;
                // A record without a text has no row in the batch, and one in the table.
                job.texts = table.num_rows() as u64;
                job.table = Some(table);
            }
            Encoding::Rows(encoder, writer) => {
                let table = encoder.encode(&mut job.batch, &job.fates)?;
                job.texts = table.num_rows() as u64;
                writer
                    .write(&table, &mut job.out)
                    .map_err(|error| Error::Internal(format!("Rows could not be written: {error}.")))?;
                if !job.out.is_empty() {
                    job.last_line = LastLine::Terminated;
                }
            }
        }
        if self.keep_casualties {
            self.write_casualties(job, codec);
        }
        if let Some(for_shards) = self.for_shards {
            for_shards.note(job);
        }
        Ok(())
    }

    fn write_casualties(&self, job: &mut Job, codec: &Codec) {
        let batch = &job.batch;
        if let Some(unread) = &batch.unread {
            codec.casualties.encode_unread(batch, unread, &mut job.quarantined);
        } else {
            for casualty in &batch.casualties {
                match casualty.ending {
                    Ending::Failed(_) => codec.casualties.encode(batch, casualty, &mut job.quarantined),
                    Ending::Rejected(_) if self.keep_rejected => {
                        codec.casualties.encode(batch, casualty, &mut job.rejected);
                    }
                    Ending::Rejected(_) => {}
                }
            }
        }
    }

    fn first_failure(&self, batch: &Batch, codec: &Codec) -> Option<Box<RecordError>> {
        batch.casualties.iter().find_map(|casualty| match &casualty.ending {
            Ending::Rejected(_) => None,
            Ending::Failed(failure) => {
                let source = &batch.sources[batch.rows[casualty.row as usize].source as usize];
                let step = casualty.step.map(|step| &self.plan.steps[usize::from(step)].step);
                Some(Box::new(RecordError {
                    failure: (**failure).clone(),
                    step: step.map(|step| step.declaration().name.clone()),
                    input: Some(self.input_name(batch).to_owned()),
                    ordinal: Some(source.ordinal),
                    id: codec.casualties.identity(batch, source),
                }))
            }
        })
    }
}
