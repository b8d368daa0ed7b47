"""Which candidates become rows: one rule after another, each with its own count.

**Source** the course project's quality control (forbidden phrases, 3 to 100 words, no duplicate, a whole sentence),
with near-duplicates against everything, among them the splits that models are chosen and measured on, and a model's
judgement.
"""

import re
from collections import Counter
from collections.abc import Callable, Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from sentire.augmentation.candidates import Candidate
from sentire.augmentation.config import QualitySection
from sentire.core.normalise import normalise_text
from sentire.core.words import split_words
from sentire.data.near_duplicates import NearDuplicateIndex
from sentire.runtime.language import find_english
from sentire.synthesis.replies import speaks_of_the_task

JudgeLabel = Callable[[Sequence[str], Sequence[str]], NDArray[np.float64]]
"""Gives, for N texts and the label of each, the probability that the text expresses it, shape (N,)."""

# After "I'm sorry" a comma or "but": people are sorry that they cannot come, too.
_REFUSAL = re.compile(
    r"\b(i(?:'m| am) sorry(?:,|,? but) i (?:can(?:no|')t|am unable)|"
    r"i(?: can(?:no|')t| won't| must decline to|(?:'m| am) (?:unable|not able) to) "
    r"(?:do that|help with|rephrase|rewrite|translate)|rephras(?:ed|ing)|"
    r"the (?:original|given) (?:text|sentence)|this (?:text|sentence) expresses)\b",
    re.IGNORECASE,
)
# Those of Chinese and Japanese, Hindi, Arabic, Urdu, Burmese and Khmer as well; quotes, brackets and emoji may follow.
_SENTENCE_END = re.compile(r"[.!?…。！？।؟۔။។]\W*$")


class Rules:
    """Keeps what is new and right.

    Args:
        quality: What a row must be.
        known: Texts that are there, by where they are, such as ``train``; what resembles one is left out by that name.
        is_english: Whether the texts are to be English, which can be told.
        judge: The judgement of labels; None for none.
    """

    def __init__(
        self,
        quality: QualitySection,
        known: Mapping[str, Sequence[str]],
        *,
        is_english: bool,
        judge: JudgeLabel | None = None,
    ) -> None:
        self._quality, self._is_english, self._judge = quality, is_english, judge
        self._where = [where for where, texts in known.items() for _ in texts]
        texts = [text for texts in known.values() for text in texts]
        self._forms = {normalise_text(text): where for text, where in zip(texts, self._where, strict=True)}
        self._index = NearDuplicateIndex(similarity=quality.near_duplicate)
        self._index.add(texts)

    def choose(self, candidates: Sequence[Candidate], refused: Counter[str], *, most: int) -> list[Candidate]:
        """Return the candidates that pass every rule, in their order, and remember them as known.

        Args:
            candidates: Of one round.
            refused: Counts what is left out, by rule; what is good and not needed is counted as well.
            most: That are needed.
        """
        kept = self._leave_out_known(self._leave_out_bad(candidates, refused), refused)
        if self._judge is not None and kept:
            proba = self._judge([one.text for one in kept], [one.label for one in kept])
            is_expressed = proba >= self._quality.least_proba
            refused["the label is not expressed"] += int((~is_expressed).sum())
            kept = [one for one, is_right in zip(kept, is_expressed, strict=True) if is_right]
        refused["not needed"] += len(kept[most:])
        self._remember([one.text for one in kept[:most]])
        return kept[:most]

    def _remember(self, texts: Sequence[str]) -> None:
        self._index.add(texts)
        self._where += ["made before"] * len(texts)
        for text in texts:
            self._forms.setdefault(normalise_text(text), "made before")

    def _leave_out_bad(self, candidates: Sequence[Candidate], refused: Counter[str]) -> list[Candidate]:
        texts = [one.text for one in candidates]
        speaks_it = find_english(texts) if self._is_english and texts else np.ones(len(texts), np.bool_)
        kept = []
        for one, is_in_language in zip(candidates, speaks_it, strict=True):
            fault = self._find_fault(one.text, is_in_language=bool(is_in_language))
            if fault:
                refused[fault] += 1
            else:
                kept.append(one)
        return kept

    def _find_fault(self, text: str, *, is_in_language: bool) -> str:
        n_words = len(split_words(text))
        if speaks_of_the_task(text) or _REFUSAL.search(text.replace("’", "'")):
            return "a refusal, or talk about the task"
        if n_words < self._quality.shortest_words:
            return "too few words"
        if n_words > self._quality.longest_words:
            return "too many words"
        if self._quality.whole_sentence and not _SENTENCE_END.search(text):
            return "no whole sentence"
        return "" if is_in_language else "in another language"

    def _leave_out_known(self, candidates: Sequence[Candidate], refused: Counter[str]) -> list[Candidate]:
        different: list[Candidate] = []
        own: set[str] = set()
        for one in candidates:
            form = normalise_text(one.text)
            if form in self._forms or form in own:
                refused[f"duplicate of a text {self._forms.get(form, 'made before')}"] += 1
            else:
                own.add(form)
                different.append(one)
        if not different:
            return []
        n_known = len(self._index)
        gone: dict[int, str] = {}
        for pair in self._index.search([one.text for one in different]).pairs:
            if (pair.first - n_known) in gone or (pair.second - n_known) in gone:
                continue
            gone[pair.second - n_known] = self._where[pair.first] if pair.first < n_known else "made before"
        for where in gone.values():
            refused[f"near-duplicate of a text {where}"] += 1
        return [one for place, one in enumerate(different) if place not in gone]
