import numpy as np
import pytest

from sentire.core.errors import UsageError
from sentire.core.labels import make_label_space
from sentire.evaluate.identity_terms import TEMPLATES, TERMS, audit_identity_terms
from sentire.runtime.judgement import Judgement

MOODS = make_label_space("moods", ["calm", "glad", "cross"])
WORDS = {"faith": ("oakish", "elmish", "ashish"), "age": ("tenner", "ninety")}


class SentenceModel:
    """Answers each sentence by its template alone, plus what is planted for a word."""

    name, fingerprint, label_space, uses_context = "sentences", "abc", MOODS, False
    thresholds = np.array([0.5, 0.5, 0.5])

    def __init__(self, planted=None, *, words=WORDS, vad=False, planted_vad=None):
        self._planted = planted or {}
        self._planted_vad = planted_vad or {}
        self._words = [word for group in words.values() for word in group]
        self.has_vad = vad
        self.asked = []

    def judge(self, texts, *, context=None):
        assert context is None
        self.asked += texts
        proba = np.zeros((len(texts), 3), np.float32)
        vad = np.zeros((len(texts), 3), np.float32)
        for row, text in enumerate(texts):
            (word,) = (word for word in self._words if word in text)
            base = np.random.default_rng(len(text.replace(word, ""))).uniform(0.1, 0.4, 3)
            proba[row] = base + self._planted.get(word, 0)
            vad[row] = base + self._planted_vad.get(word, 0)
        return Judgement(
            proba=proba,
            vad=vad if self.has_vad else None,
            is_known=np.ones(len(texts), bool),
            is_english=np.ones(len(texts), bool),
        )


def audit(model, **options):
    return audit_identity_terms(model, terms=WORDS, n_resamples=200, **options)


def test_a_model_without_bias_has_shifts_of_exactly_zero():
    found = audit(SentenceModel(vad=True))
    assert len(found.shifts) == 5 * 3
    assert len(found.affect_shifts) == 5 * 3
    for one in (*found.shifts, *found.affect_shifts):
        assert (one.shift, one.low, one.high) == (0, 0, 0)
    for group in found.groups:
        assert (group.mean_absolute_shift, group.n_flips, group.n_flipped_texts) == (0, 0, 0)


def test_a_planted_bias_is_found_with_its_size():
    found = audit(SentenceModel({"elmish": np.array([0, 0, 0.3])}))
    first, *others = found.shifts
    assert (first.group, first.term, first.answer) == ("faith", "elmish", "cross")
    # Against the mean of the three words: .3 less a third of it for the one, a third less for the others.
    assert first.shift == pytest.approx(0.2, abs=1e-6)
    assert first.low == pytest.approx(0.2, abs=1e-6)  # the same in every sentence, so in every resample
    by_word = {(one.term, one.answer): one.shift for one in others}
    assert by_word["oakish", "cross"] == pytest.approx(-0.1, abs=1e-6)
    assert by_word["ashish", "cross"] == pytest.approx(-0.1, abs=1e-6)
    assert [one.shift for one in others if one.answer != "cross"] == [0] * 10
    faith, age = found.groups
    assert faith.mean_absolute_shift == pytest.approx(0.4 / 9, abs=1e-6)
    assert age.mean_absolute_shift == 0
    assert [abs(one.shift) for one in found.shifts] == sorted((abs(one.shift) for one in found.shifts), reverse=True)


def test_changed_decisions_are_counted_as_a_slow_loop_does():
    planted = {"elmish": np.array([0, 0.05, 0.3]), "ninety": np.array([0.2, 0, 0])}
    model = SentenceModel(planted)
    found = audit(model)
    for group in found.groups:
        n_flips = n_texts = 0
        for template in TEMPLATES:
            answers = [model.judge([template.replace("{term}", word)]).proba[0] for word in WORDS[group.group]]
            usual = np.mean(np.array(answers, np.float64), axis=0) >= 0.5
            flips = [(answer >= 0.5) != usual for answer in answers]
            n_flips += int(np.sum(flips))
            n_texts += sum(bool(row.any()) for row in flips)
        assert (group.n_flips, group.n_flipped_texts) == (n_flips, n_texts)
        assert group.n_texts == len(TEMPLATES) * len(WORDS[group.group])
    assert found.groups[0].n_flips > 0
    assert found.groups[1].n_flips > 0


def test_affect_is_audited_where_there_is_affect():
    found = audit(SentenceModel(vad=True, planted_vad={"tenner": np.array([-0.5, 0, 0])}))
    worst = found.affect_shifts[:2]
    assert {(one.term, one.answer) for one in worst} == {("tenner", "valence"), ("ninety", "valence")}
    assert {round(one.shift, 6) for one in worst} == {-0.25, 0.25}
    assert found.shifts[0].shift == 0
    assert audit(SentenceModel()).affect_shifts == ()


def test_intervals_are_those_of_other_sentences():
    class Uneven(SentenceModel):
        """The word matters in the sentences of an even number of characters only."""

        def judge(self, texts, *, context=None):
            judgement = super().judge(texts, context=context)
            for row, text in enumerate(texts):
                if "elmish" in text and len(text) % 2 == 0:
                    judgement.proba[row, 2] += 0.3
            return judgement

    first = audit_identity_terms(Uneven(), terms=WORDS, n_resamples=2000).shifts[0]
    share = np.mean([len(template.replace("{term}", "elmish")) % 2 == 0 for template in TEMPLATES])
    assert first.shift == pytest.approx(0.2 * share, abs=1e-6)
    error = 0.2 * np.sqrt(share * (1 - share) / len(TEMPLATES))
    assert first.low == pytest.approx(first.shift - 1.96 * error, abs=0.015)
    assert first.high == pytest.approx(first.shift + 1.96 * error, abs=0.015)


def test_the_seed_decides_the_intervals_and_nothing_else():
    planted = {"elmish": np.array([0.1, 0.2, 0.3])}
    assert audit(SentenceModel(planted)).as_dict() == audit(SentenceModel(planted)).as_dict()
    one, other = audit(SentenceModel(planted), seed=1), audit(SentenceModel(planted), seed=2)
    assert [shift.shift for shift in one.shifts] == [shift.shift for shift in other.shifts]


def test_plain_data_with_the_largest_shifts():
    found = audit(SentenceModel({"elmish": np.array([0, 0, 0.3])}, vad=True))
    content = found.as_dict(n_largest=2)
    assert content["shifts"][0]["term"] == "elmish"
    assert (len(content["shifts"]), len(content["affect_shifts"]), content["n_shifts"]) == (2, 2, 15)
    assert len(found.as_dict()["shifts"]) == 15
    assert content["n_texts"] == len(TEMPLATES) * 5
    assert content["label_space"] == MOODS.id


def test_our_own_sentences_and_words():
    assert len(TEMPLATES) == len(set(TEMPLATES)) == 25
    words = [word for group in TERMS.values() for word in group]
    assert len(words) == len(set(words)) >= 40
    assert {"gender", "age", "religion", "origin", "orientation", "disability"} == set(TERMS)
    for template in TEMPLATES:
        assert template.count("{term}") == 1
        assert " a {term}" not in template  # which would be wrong before a vowel
        assert " an {term}" not in template


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"terms": {"faith": ("oakish",)}}, r"at least two words, each once, got \('oakish',\) at group faith"),
        ({"terms": {"faith": ("oakish", "oakish")}}, "at least two words, each once"),
        ({"templates": ("my neighbour is here",)}, "a template with one {term}, got 'my neighbour is here'"),
        ({"templates": ("{term} and {term}",)}, "a template with one {term}"),
        ({"terms": {}}, "words and templates, got none"),
        ({"templates": ()}, "words and templates, got none"),
        ({"n_resamples": 0}, "at least 1 resample"),
    ],
)
def test_what_cannot_be_audited(options, message):
    with pytest.raises(UsageError, match=message):
        audit_identity_terms(SentenceModel(), **{"terms": WORDS, **options})


def test_the_embedded_linear_model_can_be_audited():
    from sentire.runtime.load import load

    found = audit_identity_terms(load("linear"), n_resamples=20)
    assert found.n_texts == 25 * sum(len(words) for words in TERMS.values())
    assert found.affect_shifts == ()
    assert found.shifts[0].shift != 0
