"""Match words of an answer with categories, by English plural rules without a dictionary."""

from __future__ import annotations

import re

# Plural endings and their singular: WordNet's rules of detachment.
_ENDINGS = (
    ("s", ""),
    ("ses", "s"),
    ("ves", "f"),
    ("xes", "x"),
    ("zes", "z"),
    ("ches", "ch"),
    ("shes", "sh"),
    ("men", "man"),
    ("ies", "y"),
)
_IRREGULAR = {
    "people": "person",
    "children": "child",
    "feet": "foot",
    "geese": "goose",
    "mice": "mouse",
    "teeth": "tooth",
    "wolves": "wolf",
    "knives": "knife",
}
_BETWEEN = re.compile(r"[\s_/-]+")


def names_category(word: str, category: str) -> bool:
    """Return whether a word is one of a category's words, in the singular or the plural.

    Args:
        word: word of an answer.
        category: words separated by spaces, hyphens or underscores ("paraglide-kite").
    """
    forms = noun_forms(word)
    return any(forms & noun_forms(part) for part in _BETWEEN.split(category) if part)


def noun_forms(word: str) -> frozenset[str]:
    """Return the word and its possible singulars."""
    own = word.casefold().replace("-", "")
    if own in _IRREGULAR:
        return frozenset({own, _IRREGULAR[own]})
    if own.endswith("ss"):
        return frozenset({own})
    singular = (
        own.removesuffix(ending) + stands for ending, stands in _ENDINGS if own.endswith(ending)
    )
    return frozenset({own, *(form for form in singular if len(form) > 1)})
