//! A tender: the thread that keeps one worker busy, sees it die, and finds out of what.

use super::channel::{Frame, Kind, SLOTS};
use super::child::{Child, Event};
use super::death::{Death, Position};
use super::message::{Answer, Reply, Task, write_request};
use super::pieces::Undertaking;
use super::pool::Pool;
use super::remote::died_while_loading;
use super::stopwatch::Stopwatch;
use crate::batch::Ending;
use crate::engine::round::{Ear, Summons};
use crate::error::{Error, FailureKind, Result};
use crate::step::{Noted, PlacedStep, Runtime, Segment};
use std::collections::VecDeque;
use std::ops::Range;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

/// How often a tender looks whether its worker still gets on.
const LOOK: Duration = Duration::from_millis(100);

/// How long a run must last before a worker is kept ready: a short one would only be slowed down by it.
const SETTLED: Duration = Duration::from_secs(1);

/// How often a worker that cannot be made ready is tried again, once others could, and how often one is replaced in vain.
const TRIES: u32 = 3;

/// Keeps one worker busy.
pub(super) struct Tender<'p, 'r> {
    pool: &'p Pool<'r>,
    child: Option<Child>,
    undertakings: VecDeque<Undertaking>,
    sent: Vec<Sent>,
    stopwatch: Stopwatch,
    /// When the memory of the worker was looked at last.
    measured: Instant,
    started: Instant,
    /// How many records in a row have failed with a fresh worker as they had with one whose means were used up.
    useless: u32,
}

/// A piece that is with the worker.
struct Sent {
    sequence: u64,
    slot: usize,
    undertaking: u64,
    rows: Range<usize>,
}

impl<'p, 'r> Tender<'p, 'r> {
    pub(super) fn new(pool: &'p Pool<'r>) -> Self {
        let now = Instant::now();
        Self {
            pool,
            child: None,
            undertakings: VecDeque::new(),
            sent: Vec::new(),
            stopwatch: Stopwatch::new(now),
            measured: now,
            started: now,
            useless: 0,
        }
    }

    /// Works until there is nothing left to do or the run is stopped.
    pub(super) fn work(mut self) -> Result<()> {
        let worked = self.keep_busy();
        if let Some(child) = self.child.take() {
            let pool = self.pool;
            if pool.keeps_workers() && worked.is_ok() && self.sent.is_empty() && !pool.is_stopped() {
                pool.nursery.take_back(child);
                return worked;
            }
            let printed = child.dismiss(&|| pool.is_stopped());
            self.pass_on(printed);
        }
        worked
    }

    fn keep_busy(&mut self) -> Result<()> {
        loop {
            if self.fill()?.is_break() {
                return Ok(());
            }
            if self.sent.is_empty() {
                continue;
            }
            let pool = self.pool;
            let patience = self.patience();
            let Some(child) = &mut self.child else {
                return Err(Error::Internal(
                    "A batch is with a worker that does not exist.".to_owned(),
                ));
            };
            let event = {
                let ear = (self.sent.len() < SLOTS).then(|| pool.shared.round.listen()).flatten();
                child.wait(patience, ear.as_ref().map(Ear::bell))
            };
            let printed = child.take_output();
            self.pass_on(printed);
            match event {
                Event::Frame(frame) => self.receive(frame)?,
                Event::Gone => self.bury(Child::collapse)?,
                Event::Broken(how) => self.bury(|child| child.die(&how))?,
                Event::Bell => pool.shared.round.answer_bell(),
                Event::Nothing => {}
            }
            if pool.is_stopped() {
                return Ok(());
            }
            self.look_after()?;
        }
    }

    /// Gives the worker as much as it may have. Waits for something to do if it has nothing.
    fn fill(&mut self) -> Result<std::ops::ControlFlow<()>> {
        use std::ops::ControlFlow::{Break, Continue};
        while self.sent.len() < SLOTS {
            let waiting = self.undertakings.iter().position(Undertaking::has_waiting);
            let index = match waiting {
                Some(index) => index,
                None => match self.take_on() {
                    Some(index) => index,
                    None if !self.sent.is_empty() => return Ok(Continue(())),
                    None => match self.pool.shared.round.wait_for_call(LOOK) {
                        Summons::Job => continue,
                        Summons::End => return Ok(Break(())),
                    },
                },
            };
            if self.child.is_none() {
                match self.hire()? {
                    Some(child) => self.child = Some(child),
                    None => return Ok(Break(())),
                }
            }
            self.send(index)?;
        }
        Ok(Continue(()))
    }

    /// Takes on a job that waits for a worker, if there is one.
    fn take_on(&mut self) -> Option<usize> {
        loop {
            let undertaking = match self.pool.take_orphan() {
                Some(orphan) => orphan,
                None => {
                    let job = self.pool.shared.round.take_calling()?;
                    Undertaking::new(job, self.pool.supervision.batch_records)
                }
            };
            if undertaking.is_done() {
                // None of its rows is live.
                self.give_back(undertaking);
                continue;
            }
            self.undertakings.push_back(undertaking);
            return Some(self.undertakings.len() - 1);
        }
    }

    /// Gives a job back to the engine, done.
    fn give_back(&self, undertaking: Undertaking) {
        let mut job = undertaking.finish();
        job.segment += 1;
        self.pool.shared.round.add_returned(job);
    }

    fn segment(&self, undertaking: &Undertaking) -> &'r dyn Segment {
        &*self.pool.plan.segments[undertaking.job.segment]
    }

    fn send(&mut self, index: usize) -> Result<()> {
        let slot = (0..SLOTS).find(|slot| self.sent.iter().all(|sent| sent.slot != *slot));
        let segment = self.segment(&self.undertakings[index]);
        let undertaking = &mut self.undertakings[index];
        let (Some(slot), Some(rows), Some(child)) = (slot, undertaking.next_waiting(), &mut self.child) else {
            return Ok(());
        };
        let id = undertaking.job.batch.sequence;
        let sent = child.send(Kind::Work, slot, |child| {
            let mut pen = child.pen(slot);
            let task = Task {
                segment: undertaking.job.segment,
                apart: undertaking.is_apart(&rows),
            };
            let (batch, rows) = (&undertaking.job.batch, undertaking.rows(&rows));
            write_request(&mut pen, batch, rows, task, segment.steps());
            pen.finish()
        });
        let (sequence, death) = match sent {
            Ok(sequence) => (sequence, None),
            // What has never arrived was not worked on: it stands behind all that was sent before it.
            Err(death) => (u64::MAX, Some(death)),
        };
        if self.sent.is_empty() {
            self.stopwatch.reset();
        }
        self.sent.push(Sent {
            sequence,
            slot,
            undertaking: id,
            rows,
        });
        match death {
            Some(death) => self.bury(|_| death),
            None => Ok(()),
        }
    }

    fn undertaking(&self, id: u64) -> Option<usize> {
        self.undertakings.iter().position(|one| one.job.batch.sequence == id)
    }

    fn receive(&mut self, mut frame: Frame) -> Result<()> {
        let answers = |sent: &Sent| sent.sequence == frame.sequence && sent.slot == frame.slot;
        let place = self.sent.iter().position(answers);
        let known = place.and_then(|place| Some((place, self.undertaking(self.sent[place].undertaking)?)));
        let (Some((place, index)), Kind::Done, Some(child)) = (known, frame.kind, &self.child) else {
            return self.bury(|child| child.die("sent an answer to nothing"));
        };
        let segment = self.segment(&self.undertakings[index]);
        let rows = self.sent[place].rows.clone();
        let batch = &mut self.undertakings[index].job.batch;
        let mut bytes = batch.spare();
        let answer = match child.read(&mut frame, &mut bytes) {
            Ok(()) => Answer::read(bytes, rows.len(), segment.steps(), batch),
            Err(_) => None,
        };
        let Some(answer) = answer else {
            return self.bury(|child| child.die("sent an answer that cannot be read"));
        };
        if let Answer::Reply(reply) = &answer
            && let Some(death) = self.used_up(place, index, reply)
        {
            return self.bury(|child| {
                child.die(&death.how);
                death
            });
        }
        self.sent.remove(place);
        self.undertakings[index].answer(&rows, answer);
        self.pool.note_survivors(rows.len());
        self.settle(index);
        Ok(())
    }

    /// A record may have failed because those before it have used up what its worker may have. Then the worker counts as dead of
    /// it, so that it is tried once more by a fresh one.
    fn used_up(&mut self, place: usize, index: usize, reply: &Reply) -> Option<Death> {
        let (sent, undertaking) = (&self.sent[place], &self.undertakings[index]);
        let failed = reply.casualties.iter().find_map(|casualty| match &casualty.ending {
            Ending::Failed(failure) if matches!(failure.kind, FailureKind::StepMemory | FailureKind::StepError) => {
                Some((casualty, failure.kind))
            }
            _ => None,
        });
        if undertaking.is_second_try(&sent.rows) {
            self.useless = if failed.is_some() { self.useless + 1 } else { 0 };
            return None;
        }
        let (casualty, kind) = failed.filter(|_| self.useless < TRIES)?;
        let how = self.child.as_ref()?.used_up(kind, self.pool.supervision.memory)?;
        let steps = self.segment(undertaking).steps();
        let step = steps.iter().position(|placed| Some(placed.index) == casualty.step)?;
        let row = reply.rows[casualty.row as usize].source;
        Some(Death {
            kind,
            how: how.to_owned(),
            stack: None,
            at: Some(Position {
                sequence: sent.sequence,
                noted: Noted {
                    source: row,
                    sources: 1,
                    step,
                },
            }),
        })
    }

    /// Gives a job back if all of it is done.
    fn settle(&mut self, index: usize) {
        if self.undertakings[index].is_done()
            && let Some(undertaking) = self.undertakings.remove(index)
        {
            self.give_back(undertaking);
        }
    }

    /// The worker is dead, or is to die: finds out of what, and has everything else run again.
    fn bury(&mut self, die: impl FnOnce(&mut Child) -> Death) -> Result<()> {
        let Some(mut child) = self.child.take() else {
            return Ok(());
        };
        let death = die(&mut child);
        let printed = child.take_output();
        drop(child);
        self.pass_on(printed);
        if self.pool.is_stopped() {
            return Ok(());
        }
        self.pool.note_death(&death);
        self.pool.nursery.keep_spare();
        let working_on = death.at.map(|position| position.sequence);
        // Requests are worked on in the order in which they were sent.
        let first = self.sent.iter().map(|sent| sent.sequence).min();
        for sent in std::mem::take(&mut self.sent) {
            let Some(index) = self.undertaking(sent.undertaking) else {
                continue;
            };
            let steps = self.segment(&self.undertakings[index]).steps();
            let undertaking = &mut self.undertakings[index];
            let position = death.at.filter(|position| position.sequence == sent.sequence);
            let noted = position.and_then(|position| Some((position.rows(sent.rows.len())?, position.noted.step)));
            match noted {
                // A call with records of which each may be the one.
                Some((suspects, _)) if suspects.len() > 1 && !undertaking.is_apart(&sent.rows) => {
                    undertaking.suspect(&sent.rows, suspects);
                }
                Some((rows, step)) => {
                    // A time-out would take as long again.
                    let again = death.kind != FailureKind::StepTimeout;
                    let step = steps.get(step).map_or(0, |placed: &PlacedStep| placed.index);
                    if undertaking.blame(&sent.rows, rows.start, step, &death, again) {
                        self.pool.note_poison()?;
                    }
                }
                None => {
                    let worked_on = working_on.is_none() && Some(sent.sequence) == first;
                    if undertaking.lose(&sent.rows, &death, worked_on, steps) {
                        self.pool.note_poison()?;
                    }
                }
            }
            self.settle(index);
        }
        Ok(())
    }

    /// Finds a worker that has loaded its steps. `None`: this tender is not needed any more.
    fn hire(&mut self) -> Result<Option<Child>> {
        let pool = self.pool;
        let stopped = || pool.is_stopped();
        let mut tries = 0;
        loop {
            let Some((mut child, has_loaded)) = pool.nursery.take(&stopped)? else {
                return Ok(None);
            };
            self.stopwatch.reset();
            if has_loaded {
                pool.has_loaded.store(true, Ordering::Relaxed);
                return Ok(Some(child));
            }
            let error = match child.load(&pool.supervision.load, pool.supervision.load_timeout, &stopped) {
                Ok(Ok(loaded)) => {
                    pool.check_files(&loaded)?;
                    pool.has_loaded.store(true, Ordering::Relaxed);
                    return Ok(Some(child));
                }
                Ok(Err(error)) => error,
                Err(_) if pool.is_stopped() => return Ok(None),
                Err(death) => {
                    let declarations = pool.plan.steps.iter().map(|planned| planned.step.declaration());
                    let foreign = declarations.filter(|declaration| declaration.runtime == Runtime::Python);
                    died_while_loading(&death, foreign.map(|one| (one.name.as_str(), one.origin.as_ref())))
                }
            };
            let printed = child.take_output();
            self.pass_on(printed);
            tries += 1;
            if !pool.has_loaded.load(Ordering::Relaxed) {
                return Err(error);
            }
            if tries >= TRIES {
                if pool.tenders.load(Ordering::Acquire) == 1 {
                    return Err(error);
                }
                let message = format!("A worker could not be made ready, so the run goes on with fewer: {error}");
                pool.shared.notices.warn(message);
                pool.give_up(self.undertakings.drain(..));
                pool.shared.round.ring();
                return Ok(None);
            }
        }
    }

    /// How long to wait for the worker before looking after it.
    fn patience(&self) -> Duration {
        match self.pool.supervision.timeout {
            // An eighth is how late a hang may be noticed.
            Some(timeout) => (timeout / 8).clamp(Duration::from_millis(1), LOOK),
            None => LOOK,
        }
    }

    /// Looks whether the worker hangs or has too much memory.
    fn look_after(&mut self) -> Result<()> {
        let patience = self.patience();
        let supervision = self.pool.supervision;
        let Some(child) = self.child.as_mut().filter(|_| !self.sent.is_empty()) else {
            return Ok(());
        };
        let spent = self.stopwatch.look(child.progress(), 4 * patience);
        if let Some(timeout) = supervision.timeout.filter(|timeout| spent >= *timeout) {
            let records = child.position().map_or(1, |position| position.noted.sources);
            let what = match records {
                1 => "one record".to_owned(),
                _ => format!("one call with {records} records"),
            };
            let how = format!("was at {what} for more than {} s", timeout.as_secs_f64());
            return self.bury(|child| child.hanged(&how));
        }
        if self.measured.elapsed() >= LOOK {
            self.measured = Instant::now();
            let resident = child.resident();
            if let Some(limit) = supervision.memory
                && resident.is_some_and(|resident| resident > limit)
            {
                return self.bury(|child| child.burst(limit));
            }
            if self.started.elapsed() > SETTLED {
                self.pool.nursery.keep_spare();
            }
        }
        Ok(())
    }

    fn pass_on(&self, printed: Option<String>) {
        if let Some(printed) = printed {
            self.pool.pass_on(printed);
        }
    }
}
