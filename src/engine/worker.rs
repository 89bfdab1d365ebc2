//! A worker: decodes a batch, runs its Rust segments, and encodes what became of its records.

use crate::batch::{Batch, Ending, Row, SourceRecord, Span, State, Unread};
use crate::engine::job::{Codec, Job, Shared};
use crate::error::{Error, Interrupt, RecordError, Result};
use crate::io::Input;
use crate::ledger::{Account, InputDamage, settle};
use crate::plan::{OnError, Plan};
use crate::step::Context;
use crossbeam_channel::{Receiver, Sender, select};
use std::panic::{AssertUnwindSafe, catch_unwind};

/// Everything that all workers of a run know.
pub(super) struct Workshop<'r> {
    pub(super) plan: &'r Plan,
    pub(super) codecs: &'r [Codec],
    pub(super) inputs: &'r [Input],
    pub(super) context: &'r Context,
    pub(super) shared: &'r Shared,
    /// Whether rejected records are written anywhere.
    pub(super) keep_rejected: bool,
}

/// The channels of a worker.
#[derive(Clone)]
pub(super) struct Belts {
    /// Batches from the reader.
    pub(super) fresh: Receiver<Box<Job>>,
    /// Batches that come back from the calling thread.
    pub(super) returned: Receiver<Box<Job>>,
    /// Closed when there is nothing left to do.
    pub(super) stop: Receiver<()>,
    /// To the calling thread.
    pub(super) calling: Sender<Box<Job>>,
    /// To the writer.
    pub(super) done: Sender<Box<Job>>,
}

impl Workshop<'_> {
    /// Works until there is nothing left to do or the run is stopped.
    pub(super) fn work(&self, mut belts: Belts) {
        loop {
            // A batch that is nearly done goes first: it frees its job, and the writer may be waiting for it.
            let job = match belts.returned.try_recv() {
                Ok(job) => job,
                Err(_) => select! {
                    recv(belts.returned) -> job => match job { Ok(job) => job, Err(_) => return },
                    recv(belts.fresh) -> job => match job {
                        Ok(job) => job,
                        Err(_) => {
                            belts.fresh = crossbeam_channel::never();
                            continue;
                        }
                    },
                    recv(belts.stop) -> _ => return,
                },
            };
            if self.shared.cancel.is_cancelled() {
                return;
            }
            match catch_unwind(AssertUnwindSafe(|| self.advance(job))) {
                Ok(Ok((job, to_calling_thread))) => {
                    let belt = if to_calling_thread { &belts.calling } else { &belts.done };
                    if belt.send(job).is_err() {
                        return;
                    }
                }
                Ok(Err(error)) => return self.shared.fail(error),
                Err(panic) => {
                    return self
                        .shared
                        .fail(Error::Internal(crate::plan::panic_message("A worker", &*panic)));
                }
            }
        }
    }

    /// Does as much for a batch as a worker may. Returns whether the calling thread must go on with it.
    fn advance(&self, mut job: Box<Job>) -> Result<(Box<Job>, bool)> {
        if job.segment == 0 && job.read == Account::default() {
            self.decode(&mut job);
        }
        while let Some(segment) = self.plan.segments.get(job.segment) {
            if segment.on_calling_thread() {
                return Ok((job, true));
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
        self.finish(&mut job);
        Ok((job, false))
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
                    message: failure.message.clone(),
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
    fn finish(&self, job: &mut Job) {
        let codec = self.codec(job);
        codec.encoder.check(&mut job.batch);
        settle(&mut job.batch, &mut job.fates);
        let batch = &job.batch;
        if self.plan.on_error == OnError::Raise {
            job.failure = self.first_failure(batch, codec);
            if job.failure.is_some() {
                return;
            }
        }
        job.last_line = codec.encoder.encode(batch, &mut job.out);
        job.texts = batch.rows.iter().filter(|row| row.state == State::Live).count() as u64;
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
        job.accounted = Account::of_fates(batch, &job.fates);
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
