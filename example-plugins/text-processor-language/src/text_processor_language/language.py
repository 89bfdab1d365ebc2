"""The step `language`: an annotator, which declares the fields that it adds."""

from dataclasses import dataclass, field

from py3langid.langid import MODEL_FILE, LanguageIdentifier

from text_processor import plugin

UNDETERMINED = "und"
"""The code that ISO 639 has for a language that cannot be told."""


@plugin(kind="annotate", stage="annotate", fields={"language": str, "language_score": float})
@dataclass
class Language:
    """Add the language of the text, as an ISO 639 code, and how probable it is, from 0 to 1."""

    candidates: list[str] = field(
        default_factory=list,
        metadata={"description": "The languages that come into question; all that the model knows if it is empty."},
    )

    def __post_init__(self) -> None:
        """Load the model once; the step is made once per process and then called for every text."""
        self._identifier = LanguageIdentifier.from_model_file(MODEL_FILE, norm_probs=True)
        unknown = sorted(set(self.candidates) - set(self._identifier.labels))
        if unknown:
            message = f"The model does not know the language(s) {', '.join(f'`{code}`' for code in unknown)}."
            raise ValueError(message)
        if self.candidates:
            self._identifier.set_languages(self.candidates)

    def __call__(self, text: str) -> dict[str, str | float]:
        """Return the values of the declared fields."""
        # The model has an answer for everything, even for digits. Without a letter there is no language.
        if not any(character.isalpha() for character in text):
            return {"language": UNDETERMINED, "language_score": 0.0}
        language, score = self._identifier.classify(text)
        return {"language": language, "language_score": float(score)}
