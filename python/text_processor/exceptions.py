"""The exceptions of text-processor.

Every error that text-processor raises on its own account derives from `TextProcessorError`. The message is a finished
sentence; what a program may want to read is in attributes; the way out, where one is known, is a note (see
`BaseException.add_note`). What a plugin itself raised stays as `__cause__`, with its traceback.

    TextProcessorError
    ├─ ConfigError
    ├─ PluginError
    │   ├─ PluginNotFoundError
    │   ├─ PluginCollisionError
    │   ├─ PluginLoadError
    │   ├─ PluginContractError
    │   └─ PluginOrderError
    ├─ RecordError
    │   ├─ StepError
    │   ├─ BadReturnType
    │   ├─ DecodeError
    │   ├─ RecordTooLarge
    │   ├─ StepTimeout
    │   ├─ StepCrashed
    │   └─ StepMemoryExceeded
    ├─ InputError
    ├─ OutputError
    ├─ QuarantineLimitExceeded
    ├─ CrashLoopError
    ├─ ResumeError
    ├─ LockedError
    └─ InternalError

All of them can be pickled, attributes and notes included.
"""

from __future__ import annotations

__all__ = [
    "BadReturnType",
    "ConfigError",
    "CrashLoopError",
    "DecodeError",
    "InputError",
    "InternalError",
    "LockedError",
    "OutputError",
    "PluginCollisionError",
    "PluginContractError",
    "PluginError",
    "PluginLoadError",
    "PluginNotFoundError",
    "PluginOrderError",
    "QuarantineLimitExceeded",
    "RecordError",
    "RecordTooLarge",
    "ResumeError",
    "StepCrashed",
    "StepError",
    "StepMemoryExceeded",
    "StepTimeout",
    "TextProcessorError",
]


class TextProcessorError(Exception):
    """The base of all errors of text-processor: `except TextProcessorError` catches them and nothing else."""


class ConfigError(TextProcessorError):
    """The pipeline file, an option, or the configuration of a step is wrong. Nothing was read.

    Attributes:
        file: The file with the mistake, if it stands in a file.
        line: Its line, counted from 1.
        column: Its column, counted from 1.
        suggestion: The nearest name that would have been right.
        snippet: The offending line with a caret under the mistake.
    """

    def __init__(
        self,
        message: str,
        *,
        file: str | None = None,
        line: int | None = None,
        column: int | None = None,
        suggestion: str | None = None,
        snippet: str | None = None,
    ) -> None:
        super().__init__(message)
        self.file = file
        self.line = line
        self.column = column
        self.suggestion = suggestion
        self.snippet = snippet


class PluginError(TextProcessorError):
    """A plugin that a pipeline names cannot be used. Nothing was read.

    Attributes:
        plugin: The step's name.
        distribution: The distribution that ships it.
        version: The version of that distribution.
        entry_point: The value of its entry point, `module:attribute`.
    """

    def __init__(
        self,
        message: str,
        *,
        plugin: str | None = None,
        distribution: str | None = None,
        version: str | None = None,
        entry_point: str | None = None,
    ) -> None:
        super().__init__(message)
        self.plugin = plugin
        self.distribution = distribution
        self.version = version
        self.entry_point = entry_point


class PluginNotFoundError(PluginError):
    """No built-in step and no installed plugin has the name."""


class PluginCollisionError(PluginError):
    """Several distributions offer the name; `distribution/name` tells them apart."""


class PluginLoadError(PluginError):
    """Importing or creating the plugin failed; `__cause__` is what it raised."""


class PluginContractError(PluginError):
    """The plugin can be imported, but is not what a plugin must be."""


class PluginOrderError(PluginError):
    """The place of a step among the other steps cannot be satisfied."""


class RecordError(TextProcessorError):
    """One record could not be processed. A run quarantines such a record instead, unless it is told to raise.

    Attributes:
        step: The step that failed; None if the record could not be read or written.
        input: The input that the record comes from.
        position: The number of the record in its input, counted from 0.
        id: The record's own identity, where its format has one.
        kind: A stable word for what happened, the one that the quarantine file says.
    """

    def __init__(
        self,
        message: str,
        *,
        step: str | None = None,
        input: str | None = None,  # noqa: A002
        position: int | None = None,
        id: str | None = None,  # noqa: A002
        kind: str | None = None,
    ) -> None:
        super().__init__(message)
        self.step = step
        self.input = input
        self.position = position
        self.id = id
        self.kind = kind


class StepError(RecordError):
    """A step raised an exception, which is `__cause__`, or could not decide."""


class BadReturnType(RecordError):  # noqa: N818
    """A step returned something that its kind does not allow."""


class DecodeError(RecordError):
    """The record cannot be read: it is not UTF-8, not JSON, lacks its text, or is damaged in another way."""


class RecordTooLarge(RecordError):  # noqa: N818
    """The record is larger than the limit, or a step made more of it than the limit allows."""


class StepTimeout(RecordError):  # noqa: N818
    """A step took longer than it may."""


class StepCrashed(RecordError):  # noqa: N818
    """A step took its process down, or panicked."""


class StepMemoryExceeded(RecordError):  # noqa: N818
    """A step ran out of memory."""


class InputError(TextProcessorError):
    """An input cannot be read.

    Attributes:
        path: The file.
    """

    def __init__(self, message: str, *, path: str | None = None) -> None:
        super().__init__(message)
        self.path = path


class OutputError(TextProcessorError):
    """An output cannot be written. Nothing was committed.

    Attributes:
        path: The file.
        errno: The number of the operating system's error, where there is one (see the module `errno`).
    """

    def __init__(self, message: str, *, path: str | None = None, errno: int | None = None) -> None:
        super().__init__(message)
        self.path = path
        self.errno = errno


class QuarantineLimitExceeded(TextProcessorError):  # noqa: N818
    """More records failed than the run may quarantine, or their quarantine became too large. The run stopped."""


class CrashLoopError(TextProcessorError):
    """Worker processes died so often that starting more of them is of no use. The run stopped."""


class ResumeError(TextProcessorError):
    """A run cannot go on, because the pipeline, a plugin or an input is not what it was, or the directory is damaged.

    Attributes:
        path: The output directory.
        differences: What has changed since the run began, as it was, and as it is: `(what, before, now)` each.
    """

    def __init__(
        self,
        message: str,
        *,
        path: str | None = None,
        differences: tuple[tuple[str, str, str], ...] = (),
    ) -> None:
        super().__init__(message)
        self.path = path
        self.differences = differences


class LockedError(TextProcessorError):
    """Another run is writing to the same output directory.

    Attributes:
        path: The directory.
    """

    def __init__(self, message: str, *, path: str | None = None) -> None:
        super().__init__(message)
        self.path = path


class InternalError(TextProcessorError):
    """A promise of text-processor was broken by text-processor: a bug to report."""
