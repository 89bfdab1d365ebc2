"""The one-text face: trim the lines of a text, then run named plugins over it."""

from __future__ import annotations

from text_processor._engine import Pipeline

# Type checkers take a variable of this name for true; the import would cost more than this module.
TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable


class TextProcessor:
    r"""Trims the lines of one text and runs plugins over it.

    This is the face of the article that this project began from. For more than one text, make a `Pipeline` once and
    use it for all of them.

    Args:
        text: The text.
        plugins: The names of the plugins to run after `trim-lines`, in order. `None` means every installed plugin, in
            the order that the plugins declare.

    Raises:
        TypeError: If `text` is not a `str`.
        PluginError: If a plugin cannot be found, loaded or ordered.

    Example:
        >>> from text_processor import TextProcessor
        >>> TextProcessor("  hello  \n  world", plugins=[]).process()
        'hello\nworld'
    """

    def __init__(self, text: str, plugins: Iterable[str] | None = None) -> None:
        if not isinstance(text, str):
            message = f"`text` must be a `str`, and is a `{type(text).__name__}`."
            raise TypeError(message)
        names = Pipeline.discover().steps if plugins is None else tuple(plugins)
        self.text = text
        self.pipeline = Pipeline(["trim-lines", *names])

    def process(self) -> str | None:
        """Runs the steps over the text.

        Returns:
            The processed text, or `None` if a filter rejected it.

        Raises:
            RecordError: If a step fails; its `__cause__` is the plugin's own exception.
        """
        return self.pipeline.process(self.text)

    def __repr__(self) -> str:
        return f"TextProcessor({self.text!r}, plugins={list(self.pipeline.steps[1:])!r})"
