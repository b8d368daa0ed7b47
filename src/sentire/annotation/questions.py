"""What people are asked of the items of a sample, and how they may answer; a sample has one question.

**Source** Shvets 2025, Emo Pillars (arXiv 2504.16856), human evaluation: which emotions a text expresses, and which of
two versions of an utterance is more emotional, the rewritten one or the one that it was rewritten from.
"""

from collections.abc import Mapping
from dataclasses import dataclass

NONE = "none of these"

FIRST, SECOND, ALIKE = "the first is more emotional", "the second is more emotional", "both alike"


@dataclass(frozen=True, kw_only=True)
class Question:
    """A kind of question.

    Attributes:
        name: By which a sample's file names it.
        words: What the page asks.
        how: How to answer, said after the keys.
        most_picks: Of its options.
        alone: Option that goes with no other; empty where there is none.
    """

    name: str
    words: str
    how: str
    most_picks: int
    alone: str = ""


EMOTIONS = Question(
    name="emotions",
    words="What does the speaker express?",
    how="pick up to five; the last one means none of them",
    most_picks=5,
    alone=NONE,
)

MORE_EMOTIONAL = Question(
    name="more-emotional",
    words="Which of the two is more emotional?",
    how="pick one",
    most_picks=1,
)

QUESTIONS: Mapping[str, Question] = {question.name: question for question in (EMOTIONS, MORE_EMOTIONAL)}
