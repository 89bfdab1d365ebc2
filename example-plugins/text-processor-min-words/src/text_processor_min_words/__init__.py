"""The step `min-words` for text-processor: a dataclass whose fields are the configuration of the step."""

from dataclasses import dataclass, field

from text_processor import Reject, plugin


@plugin(kind="filter", stage="filter", after=["trim-lines"])
@dataclass
class MinWords:
    """Reject texts with fewer than `minimum` words.

    A word is what `str.split` finds: characters between white space.
    """

    minimum: int = field(default=5, metadata={"description": "The fewest words a text may have."})
    distinct: bool = field(default=False, metadata={"description": "Whether a repeated word counts only once."})

    def __post_init__(self) -> None:
        """Check the configuration: what is raised here stops the run before any text is read."""
        if self.minimum < 1:
            message = f"`minimum` must be at least 1, not {self.minimum}."
            raise ValueError(message)

    def __call__(self, text: str) -> bool | Reject:
        """Keep the text, or say why not. The reason is a stable word that reports can count."""
        words = text.split()
        if not words:
            return Reject("no_words")
        count = len({word.casefold() for word in words}) if self.distinct else len(words)
        return count >= self.minimum or Reject("too_few_words")
