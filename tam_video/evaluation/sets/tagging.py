"""Tag nouns and function words one by one with NLTK, as the public TAM evaluation does.

The only use of NLTK. Its tagger and dictionary are data that are never downloaded from here.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any, Literal, TypeAlias

from tam_video.errors import MissingDependencyError

WordKind: TypeAlias = Literal["noun", "function", "other"]

FUNCTION_TAGS = frozenset(
    {"CC", "DT", "EX", "MD", "POS", "PRP", "PRP$", "UH", "WDT", "WP", "WP$", "WRB"}
)
NOUN_TAGS = frozenset({"NN", "NNS", "NNP", "NNPS"})
_PACKAGE = 'pip install "tam-video[sets]"'
_DATA = "python -m nltk.downloader averaged_perceptron_tagger_eng wordnet"


@dataclass(frozen=True, slots=True, eq=False)
class WordTagger:
    """Tags words and compares nouns.

    Attributes:
        tag: (word) to its Penn Treebank tag without context.
        lemma: (noun) to its dictionary form.
        known: kinds so far.
    """

    tag: Callable[[str], str]
    lemma: Callable[[str], str]
    known: dict[str, WordKind] = field(default_factory=dict)

    def kind(self, word: str) -> WordKind:
        """Tag a word without its context, and return its kind: function, noun or other."""
        if word not in self.known:
            tag = self.tag(word)
            self.known[word] = (
                "function" if tag in FUNCTION_TAGS else "noun" if tag in NOUN_TAGS else "other"
            )
        return self.known[word]

    def is_same(self, first: str, second: str) -> bool:
        """Return whether two nouns have the same dictionary form, ignoring case and hyphens."""
        ours, theirs = (self.lemma(word.lower().replace("-", "")) for word in (first, second))
        return ours == theirs


@lru_cache(maxsize=1)
def load_tagger() -> WordTagger:
    """Load NLTK's perceptron tagger and WordNet lemmatiser.

    Raises:
        MissingDependencyError: NLTK or its data are not installed.
    """
    try:
        from nltk.stem import WordNetLemmatizer
        from nltk.tag import PerceptronTagger
    except ImportError as exc:
        raise MissingDependencyError(
            "NLTK is required to tag nouns, but it is not installed", hint=_PACKAGE
        ) from exc
    try:
        tagger: Any = PerceptronTagger()
        lemmatizer: Any = WordNetLemmatizer()
        lemmatizer.lemmatize("words")
    except LookupError as exc:
        raise MissingDependencyError(
            "the data files of NLTK are not installed", hint=_DATA
        ) from exc
    return WordTagger(
        tag=lambda word: str(tagger.tag([word])[0][1]),
        lemma=lambda word: str(lemmatizer.lemmatize(word)),
    )
