//! Tells a real signal from an exception that a plugin raised.
//!
//! Python turns SIGINT into `KeyboardInterrupt`, wherever the main thread happens to be: inside a plugin, mostly. A
//! plugin may also raise `KeyboardInterrupt` itself, which is an error of that plugin. So during a run on the main thread
//! our own handler stands in front of the one that was there: it notes the signal, then calls the other.

use crate::error::{Error, Interrupt, Result};
#[cfg(unix)]
use crate::python::turn;
use pyo3::intern;
use pyo3::prelude::*;
#[cfg(unix)]
use pyo3::types::PyDict;
use std::cell::RefCell;
use std::sync::atomic::{AtomicI32, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, Once, PoisonError};
use std::time::Duration;

/// The signal that arrived last, or 0.
#[derive(Debug, Clone, Default)]
pub(super) struct Arrived(Arc<AtomicI32>);

impl Arrived {
    /// What the signal means for a run.
    pub(super) fn interrupt(&self) -> Option<Interrupt> {
        match self.0.load(Ordering::Relaxed) {
            0 => None,
            SIGTERM => Some(Interrupt::Terminate),
            SIGHUP => Some(Interrupt::HangUp),
            SIGXCPU => Some(Interrupt::TimeUp),
            _ => Some(Interrupt::Interrupt),
        }
    }
}

const SIGHUP: i32 = 1;
const SIGINT: i32 = 2;
const SIGTERM: i32 = 15;
/// Its number differs between systems, and not all have it.
const SIGXCPU: i32 = 24;

/// The signals that end a command. A library leaves all but the first to its program.
#[cfg(unix)]
const WATCHED: [i32; 4] = [SIGINT, SIGTERM, SIGHUP, SIGXCPU];
#[cfg(not(unix))]
const WATCHED: [i32; 2] = [SIGINT, SIGTERM];

thread_local! {
    /// The signals that the run on this thread looks out for.
    static CURRENT: RefCell<Option<Arrived>> = const { RefCell::new(None) };
}

/// Lets [`interrupted`] tell of the signals of a run, on this thread and as long as the guard lives.
pub(super) fn during(arrived: &Arrived) -> During {
    lock_runs().push(arrived.clone());
    During {
        arrived: arrived.clone(),
        before: CURRENT.replace(Some(arrived.clone())),
    }
}

/// What [`during`] began, and what was there before it: a plugin may start a run of its own.
pub(super) struct During {
    arrived: Arrived,
    before: Option<Arrived>,
}

impl Drop for During {
    fn drop(&mut self) {
        CURRENT.set(self.before.take());
        lock_runs().retain(|run| !Arc::ptr_eq(&run.0, &self.arrived.0));
        RUN_ENDED.notify_all();
    }
}

/// The runs of all threads.
static RUNS: Mutex<Vec<Arrived>> = Mutex::new(Vec::new());
static RUN_ENDED: Condvar = Condvar::new();

fn lock_runs() -> MutexGuard<'static, Vec<Arrived>> {
    RUNS.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Ends the runs of other threads before the interpreter ends: it kills daemon threads wherever they are, and one that
/// is killed inside the engine takes the process with it. Registered with `atexit` by the first run.
#[pyfunction]
fn end_runs(py: Python<'_>) {
    const GRACE: Duration = Duration::from_secs(2);
    for run in lock_runs().iter() {
        run.0.store(SIGTERM, Ordering::Relaxed);
    }
    // The runs need the interpreter to see that they are to end.
    py.detach(|| {
        let _ = RUN_ENDED.wait_timeout_while(lock_runs(), GRACE, |runs| !runs.is_empty());
    });
}

/// Forgets, in the child of a fork, what other threads were about: only the thread that forked is left.
#[cfg(unix)]
#[pyfunction]
fn note_fork() {
    turn::note_fork();
    // Whoever has the lock now has it for ever, and nobody asks for the runs before there is one.
    if let Ok(mut runs) = RUNS.try_lock() {
        runs.clear();
    }
}

/// Has forks noticed, where a process can fork.
#[cfg(unix)]
pub(super) fn notice_forks(py: Python<'_>) -> PyResult<()> {
    // Where `os` has it from, which is built in: importing `os` would take a while where nobody has done so.
    let posix = py.import(intern!(py, "posix"))?;
    let keywords = PyDict::new(py);
    keywords.set_item(intern!(py, "after_in_child"), wrap_pyfunction!(note_fork, py)?)?;
    posix.call_method(intern!(py, "register_at_fork"), (), Some(&keywords))?;
    Ok(())
}

fn end_runs_at_exit(py: Python<'_>) -> PyResult<()> {
    static REGISTERED: Once = Once::new();
    if REGISTERED.is_completed() {
        return Ok(());
    }
    let register = py.import(intern!(py, "atexit"))?.getattr(intern!(py, "register"))?;
    register.call1((wrap_pyfunction!(end_runs, py)?,))?;
    REGISTERED.call_once(|| ());
    Ok(())
}

/// Whether a real signal arrived for the run on this thread. Where no run looks out for signals, a `KeyboardInterrupt` is taken for
/// one: a Ctrl-C must not be swallowed.
pub(super) fn interrupted() -> bool {
    CURRENT.with_borrow(|current| current.as_ref().is_none_or(|arrived| arrived.interrupt().is_some()))
}

/// Whether a signal arrived for the run on this thread, which looks out for signals.
pub(super) fn noted() -> bool {
    CURRENT.with_borrow(|current| current.as_ref().is_some_and(|arrived| arrived.interrupt().is_some()))
}

/// Which signal that was, where [`interrupted`] says that there is one.
pub(super) fn interrupt() -> Interrupt {
    CURRENT
        .with_borrow(|current| current.as_ref().and_then(Arrived::interrupt))
        .unwrap_or(Interrupt::Interrupt)
}

/// The handler that stands in front.
#[pyclass(frozen, module = "text_processor._engine")]
struct NotingHandler {
    arrived: Arrived,
    previous: Py<PyAny>,
}

#[pymethods]
impl NotingHandler {
    fn __call__(&self, py: Python<'_>, number: i32, frame: Py<PyAny>) -> PyResult<Py<PyAny>> {
        self.arrived.0.store(number, Ordering::Relaxed);
        self.previous.call1(py, (number, frame))
    }
}

/// Handlers that stand in front of others as long as this lives.
#[derive(Debug)]
pub(super) struct Watch {
    arrived: Arrived,
    replaced: Vec<(i32, Py<PyAny>)>,
}

impl Watch {
    /// Watches SIGINT, and the others that end a command if `terminate` says so.
    /// On other threads than the main one Python delivers no signals and allows no handlers; there this does nothing.
    pub(super) fn start(py: Python<'_>, terminate: bool) -> PyResult<Self> {
        end_runs_at_exit(py)?;
        // What came before is nothing that this looks out for. `signal.signal` would run the handlers too, and what one of
        // them raises could not be told from the error of a thread that may have none.
        py.check_signals()?;
        let mut watch = Self {
            arrived: Arrived::default(),
            replaced: Vec::new(),
        };
        match watch.stand_in_front(py, terminate) {
            Ok(()) => Ok(watch),
            Err(error) => {
                // The first thing that was raised is told.
                let _ = watch.end(py);
                Err(error)
            }
        }
    }

    fn stand_in_front(&mut self, py: Python<'_>, terminate: bool) -> PyResult<()> {
        let signal = module(py)?;
        let set = signal.getattr(intern!(py, "signal"))?;
        for number in WATCHED {
            if number != SIGINT && !terminate {
                continue;
            }
            let mut previous = signal.call_method1(intern!(py, "getsignal"), (number,))?;
            if number != SIGINT && previous.eq(signal.getattr(intern!(py, "SIG_DFL"))?)? {
                // The default action would end the process with its temporary files in place.
                previous = signal.getattr(intern!(py, "default_int_handler"))?;
            }
            // A signal that is ignored stays so. `None` stands for a handler that was not installed from Python: it could not be
            // put back from Python either.
            if !previous.is_callable() {
                continue;
            }
            let handler = NotingHandler {
                arrived: self.arrived.clone(),
                previous: previous.unbind(),
            };
            match set.call1((number, handler)) {
                Ok(replaced) => self.replaced.push((number, replaced.unbind())),
                Err(error) if error.is_instance_of::<pyo3::exceptions::PyValueError>(py) => break,
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    /// Tells of the signal that arrived, to those who must not hold on to the watch.
    pub(super) fn arrived(&self) -> &Arrived {
        &self.arrived
    }

    /// Runs the handlers of signals that arrived, and tells whether the run must stop.
    pub(super) fn check(&self, py: Python<'_>) -> Result<(), Interrupt> {
        let handled = py.check_signals();
        match (self.arrived.interrupt(), handled) {
            (Some(interrupt), _) => Err(interrupt),
            // A handler that somebody else installed raised, for a signal of their own.
            (None, Err(_)) => Err(Interrupt::Interrupt),
            (None, Ok(())) => Ok(()),
        }
    }

    /// Puts the handlers back that were there before, whatever happens meanwhile. A handler that somebody has installed since
    /// stays: it calls ours, which calls the one before. The error is what a handler raised, if one did: `signal.signal` runs
    /// those of signals that have just come, and sets nothing where one of them raises.
    pub(super) fn end(self, py: Python<'_>) -> PyResult<()> {
        /// More signals than anybody sends while this is done.
        const ATTEMPTS: usize = 100;
        let signal = module(py)?;
        let mut raised = Ok(());
        for (number, previous) in &self.replaced {
            for _ in 0..ATTEMPTS {
                let put_back = self.put_back(&signal, *number, previous.bind(py));
                let is_done = put_back.is_ok();
                raised = raised.and(put_back);
                if is_done {
                    break;
                }
            }
        }
        raised
    }

    /// Puts a handler back, if ours is there still.
    fn put_back(&self, signal: &Bound<'_, PyModule>, number: i32, previous: &Bound<'_, PyAny>) -> PyResult<()> {
        let py = signal.py();
        let current = signal.call_method1(intern!(py, "getsignal"), (number,))?;
        let ours = current.cast::<NotingHandler>();
        if ours.is_ok_and(|ours| Arc::ptr_eq(&ours.get().arrived.0, &self.arrived.0)) {
            signal.call_method1(intern!(py, "signal"), (number, previous))?;
        }
        Ok(())
    }
}

/// The module that `signal` adds enumerations to, which take longer to import than most commands take to run.
fn module(py: Python<'_>) -> PyResult<Bound<'_, PyModule>> {
    py.import(intern!(py, "_signal"))
}

/// Looks out for a Ctrl-C while a plugin is loaded, so that it is told from a `KeyboardInterrupt` that the plugin raises by
/// itself. A run that looks out already goes on doing so.
pub(super) fn attend<T>(py: Python<'_>, work: impl FnOnce() -> Result<T>) -> Result<T> {
    if CURRENT.with_borrow(Option::is_some) {
        return work();
    }
    let watch = Watch::start(py, false).map_err(|_| Error::Interrupted(Interrupt::Interrupt))?;
    let arrived = watch.arrived().clone();
    let done = {
        let _during = during(&arrived);
        work()
    };
    let ended = watch.end(py);
    or_interrupted(done, &arrived, &ended)
}

/// What was done, unless a signal came meanwhile, or a handler raised at the end: whoever asked for an end must get one, also
/// where everything was done already, or the exception of the handler was left behind somewhere, as in a step or in a handler
/// of the log.
pub(super) fn or_interrupted<T>(done: Result<T>, arrived: &Arrived, ended: &PyResult<()>) -> Result<T> {
    match (done, arrived.interrupt(), ended) {
        (Err(Error::Interrupted(interrupt)), ..) | (_, Some(interrupt), _) => Err(Error::Interrupted(interrupt)),
        (_, None, Err(_)) => Err(Error::Interrupted(Interrupt::Interrupt)),
        (done, None, Ok(())) => done,
    }
}

/// Has Python handle the interruption once more, as soon as it goes on: where an error goes through a library of somebody
/// else, which makes one of its own of it.
#[expect(
    unsafe_code,
    reason = "there is no other way to do this without running the handlers at once"
)]
pub(super) fn interrupt_again() {
    // SAFETY: it needs no interpreter, and does what the handler of the operating system does.
    unsafe { pyo3::ffi::PyErr_SetInterrupt() }
}
