"""Cleans, filters, annotates, redacts and splits text with a Rust engine; its steps are plugins from pip packages.

The main door is `Pipeline`:

    >>> from text_processor import Pipeline
    >>> pipeline = Pipeline(["trim-lines", "collapse-whitespace", str.title])
    >>> pipeline.process("  hello    world  ")
    'Hello World'

Plugins are written with `plugin` and `Reject`, and get a `Column` if they ask for one; errors are the classes of
`text_processor.exceptions`.
"""

from text_processor._engine import Column, Pipeline, Record, Report, Table, TableReader, TraceEntry, __version__
from text_processor._plugin import Reject, plugin
from text_processor._text_processor import TextProcessor
from text_processor.exceptions import (
    BadReturnType,
    ConfigError,
    CrashLoopError,
    DecodeError,
    InputError,
    InternalError,
    LockedError,
    OutputError,
    PluginCollisionError,
    PluginContractError,
    PluginError,
    PluginLoadError,
    PluginNotFoundError,
    PluginOrderError,
    QuarantineLimitExceeded,
    RecordError,
    RecordTooLarge,
    ResumeError,
    StepCrashed,
    StepError,
    StepMemoryExceeded,
    StepTimeout,
    TextProcessorError,
)

__all__ = [
    "BadReturnType",
    "Column",
    "ConfigError",
    "CrashLoopError",
    "DecodeError",
    "InputError",
    "InternalError",
    "LockedError",
    "OutputError",
    "Pipeline",
    "PluginCollisionError",
    "PluginContractError",
    "PluginError",
    "PluginLoadError",
    "PluginNotFoundError",
    "PluginOrderError",
    "QuarantineLimitExceeded",
    "Record",
    "RecordError",
    "RecordTooLarge",
    "Reject",
    "Report",
    "ResumeError",
    "StepCrashed",
    "StepError",
    "StepMemoryExceeded",
    "StepTimeout",
    "Table",
    "TableReader",
    "TextProcessor",
    "TextProcessorError",
    "TraceEntry",
    "__version__",
    "plugin",
]
