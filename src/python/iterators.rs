//! The lazy iterators of `Pipeline.process_many` and `Pipeline.records`.

use crate::error::{Failure, RecordError};
use crate::plan::OnError;
use crate::python::exceptions::to_python as raise;
use crate::python::pipeline::PyPipeline;
use crate::python::record::PyRecord;
use crate::python::single::{Fields, Outcome};
use crate::python::values;
use crate::record::Fate;
use pyo3::exceptions::PyTypeError;
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyIterator, PyMapping, PyString};
use std::collections::VecDeque;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};

/// Takes a text and processes it for each that is asked for.
#[pyclass(frozen, module = "text_processor._engine")]
pub(super) struct TextIterator {
    pipeline: Py<PyPipeline>,
    texts: Py<PyIterator>,
    taken: AtomicU64,
}

impl TextIterator {
    pub(super) fn new(pipeline: Py<PyPipeline>, texts: Py<PyIterator>) -> Self {
        Self {
            pipeline,
            texts,
            taken: AtomicU64::new(0),
        }
    }
}

#[pymethods]
impl TextIterator {
    fn __iter__(slf: Py<Self>) -> Py<Self> {
        slf
    }

    /// The outer `Option` tells the end; the inner one tells that a filter rejected the text.
    fn __next__<'py>(&self, py: Python<'py>) -> Option<PyResult<Option<Bound<'py, PyString>>>> {
        let text = match self.texts.bind(py).clone().next()? {
            Ok(text) => text,
            Err(error) => return Some(Err(error)),
        };
        let ordinal = self.taken.fetch_add(1, Ordering::Relaxed);
        let Ok(text) = text.cast::<PyString>() else {
            let message = format!(
                "Item {ordinal} of `texts` is a `{}`, and texts are `str`.",
                values::type_name(&text)
            );
            return Some(Err(PyTypeError::new_err(message)));
        };
        Some(self.pipeline.get().process_one(py, text, Some(ordinal)))
    }
}

/// Takes a record and processes it when its predecessors' parts have been handed out.
#[pyclass(frozen, module = "text_processor._engine")]
pub(super) struct RecordIterator {
    pipeline: Py<PyPipeline>,
    items: Py<PyIterator>,
    taken: AtomicU64,
    /// Parts of a split that were not asked for yet.
    waiting: Mutex<VecDeque<Py<PyRecord>>>,
}

impl RecordIterator {
    pub(super) fn new(pipeline: Py<PyPipeline>, items: Py<PyIterator>) -> Self {
        Self {
            pipeline,
            items,
            taken: AtomicU64::new(0),
            waiting: Mutex::default(),
        }
    }

    fn take_waiting(&self) -> Option<Py<PyRecord>> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner).pop_front()
    }

    /// The text and the other fields of an item.
    fn read<'py>(
        &self,
        item: &Bound<'py, PyAny>,
        ordinal: u64,
    ) -> PyResult<(Bound<'py, PyString>, Bound<'py, PyDict>)> {
        let py = item.py();
        if let Ok(record) = item.cast::<PyRecord>() {
            let record = record.get();
            return Ok((record.text.bind(py).clone(), record.fields.bind(py).copy()?));
        }
        let Ok(mapping) = item.cast::<PyMapping>() else {
            let found = values::type_name(item);
            let message = format!("Item {ordinal} of `items` is a `{found}`, and records are `Record`s or mappings.");
            return Err(PyTypeError::new_err(message));
        };
        let key = &self.pipeline.get().plan().text;
        let fields = PyDict::new(py);
        fields.update(mapping)?;
        let Some(text) = fields.get_item(key)? else {
            let message = format!("Item {ordinal} of `items` has no `{key}`, which is where its text should be.");
            return Err(PyTypeError::new_err(message));
        };
        fields.del_item(key)?;
        let text = text.cast_into::<PyString>().map_err(|error| {
            let found = values::type_name(&error.into_inner());
            PyTypeError::new_err(format!(
                "The `{key}` of item {ordinal} of `items` is a `{found}`, and texts are `str`."
            ))
        })?;
        Ok((text, fields))
    }

    /// Processes an item into its records: one, or one per part.
    fn process<'py>(
        &self,
        text: &Bound<'py, PyString>,
        own: &Bound<'py, PyDict>,
        ordinal: u64,
    ) -> PyResult<VecDeque<Py<PyRecord>>> {
        let py = text.py();
        let pipeline = self.pipeline.get();
        let mut known = match pipeline.fields_of(own.cast::<PyMapping>()?)? {
            Ok(known) => known,
            Err(failure) => return self.failed(text, own, ordinal, None, failure),
        };
        let given = known.len();
        let mut made = VecDeque::new();
        let mut failed = None;
        pipeline
            .single()
            .run(py, text.clone(), &mut known, &mut |outcome, fields| {
                let record = match outcome {
                    Outcome::Text(text) => PyRecord {
                        fate: Some(Fate::Out),
                        ..self.record(&text, own, &fields[given..])?
                    },
                    Outcome::Rejected { step, reason } => PyRecord {
                        fate: Some(Fate::Rejected),
                        step: Some(pipeline.step_name(step).to_owned()),
                        reason: Some(reason.into_owned()),
                        ..self.record(text, own, &fields[given..])?
                    },
                    Outcome::Failed { step, failure } => {
                        failed.get_or_insert((step, *failure));
                        return Ok(());
                    }
                };
                made.push_back(record);
                Ok(())
            })?;
        // One failed part takes its record with it, as in a run over files.
        if let Some((step, failure)) = failed {
            return self.failed(text, own, ordinal, Some(pipeline.step_name(step).to_owned()), failure);
        }
        let parts = made.len();
        made.into_iter()
            .enumerate()
            .map(|(part, record)| {
                Py::new(
                    py,
                    PyRecord {
                        part: (parts > 1).then_some(part as u32),
                        ..record
                    },
                )
            })
            .collect()
    }

    fn record(
        &self,
        text: &Bound<'_, PyString>,
        own: &Bound<'_, PyDict>,
        added: &[(u16, crate::record::Value)],
    ) -> PyResult<PyRecord> {
        let py = text.py();
        let fields = own.copy()?;
        for (number, value) in added {
            let name = &self.pipeline.get().plan().fields[usize::from(*number)].name;
            fields.set_item(name, values::to_python(py, value)?)?;
        }
        Ok(PyRecord {
            text: text.clone().unbind(),
            fields: fields.unbind(),
            fate: None,
            step: None,
            reason: None,
            error: None,
            part: None,
        })
    }

    fn failed(
        &self,
        text: &Bound<'_, PyString>,
        own: &Bound<'_, PyDict>,
        ordinal: u64,
        step: Option<String>,
        failure: Failure,
    ) -> PyResult<VecDeque<Py<PyRecord>>> {
        let py = text.py();
        let id = own.get_item(&self.pipeline.get().plan().id)?;
        let error = RecordError {
            failure,
            step: step.clone(),
            input: None,
            ordinal: Some(ordinal),
            id: id.and_then(|id| values::identity(&id)),
        };
        let error = raise(py, error.into());
        if self.pipeline.get().plan().on_error == OnError::Raise {
            return Err(error);
        }
        let record = PyRecord {
            fate: Some(Fate::Quarantined),
            step,
            error: Some(error.into_value(py).into_any()),
            ..self.record(text, own, &Fields::new())?
        };
        Ok(VecDeque::from([Py::new(py, record)?]))
    }
}

#[pymethods]
impl RecordIterator {
    fn __iter__(slf: Py<Self>) -> Py<Self> {
        slf
    }

    fn __next__(&self, py: Python<'_>) -> Option<PyResult<Py<PyRecord>>> {
        if let Some(record) = self.take_waiting() {
            return Some(Ok(record));
        }
        let item = match self.items.bind(py).clone().next()? {
            Ok(item) => item,
            Err(error) => return Some(Err(error)),
        };
        let ordinal = self.taken.fetch_add(1, Ordering::Relaxed);
        let made = self
            .read(&item, ordinal)
            .and_then(|(text, own)| self.process(&text, &own, ordinal));
        match made {
            Ok(mut records) => {
                let first = records.pop_front();
                self.waiting
                    .lock()
                    .unwrap_or_else(PoisonError::into_inner)
                    .append(&mut records);
                first.map(Ok)
            }
            Err(error) => Some(Err(error)),
        }
    }
}
