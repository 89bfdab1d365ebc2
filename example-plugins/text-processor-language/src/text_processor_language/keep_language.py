"""The step `keep-language`: a filter that asks for fields by the names of its parameters."""

from dataclasses import dataclass, field

from text_processor import Reject, plugin


@plugin(kind="filter", stage="emit")
@dataclass
class KeepLanguage:
    """Keep texts in one of the `languages`, if it is probable enough."""

    languages: list[str] = field(metadata={"description": "The languages to keep, as ISO 639 codes."})
    minimum_score: float = field(default=0.0, metadata={"description": "How probable the language must be, 0 to 1."})

    def __post_init__(self) -> None:
        """Check the configuration, and prepare what each call needs."""
        if not self.languages:
            message = "`languages` must name at least one language."
            raise ValueError(message)
        self._languages = frozenset(self.languages)

    def __call__(self, text: str, language: str, language_score: float = 1.0) -> bool | Reject:
        """Decide by the fields `language` and `language_score` of the record.

        They come from the step `language`, or from the record itself: a file whose records say their language needs no
        model. A language that somebody stated has no score, and counts as certain.
        """
        if language not in self._languages:
            return Reject("other_language")
        return language_score >= self.minimum_score or Reject("uncertain_language")
