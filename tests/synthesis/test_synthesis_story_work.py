"""The six steps on one story: which questions are asked, of what, and what becomes of the answers."""

import asyncio
import json

import pytest
from scripted_model import Script, make_desk, make_story

from sentire.llm.caller import StoppedError
from sentire.synthesis.story_work import Purpose, StoryWorker, is_chosen
from sentire.synthesis.tasks import soft_labels

STORY = make_story(number=5)


def say(*pairs):
    return json.dumps({"utterances": [{"text": text, "emotion": emotion} for text, emotion in pairs]})


def judge(**levels):
    return json.dumps({"emotions": [{"label": label, "level": level} for label, level in levels.items()]})


ANSWERS = {
    "actors/ferry": '{"actors": ["Mira", "the ferryman"]}',
    "utterances/ferry/Mira": say(("Wait for me!", "fear"), ("He came back, look!", "Bliss")),
    "utterances/ferry/the ferryman": say(("Get in, child.", "caring")),
    "targeted/ferry/Mira/pride": say(("I ran faster than the tide.", "pride"), ("All my coins, saved.", "joy")),
    "soft-labels": judge(joy=0.8, relief=0.5, fear=0.2),
    "soft-labels-2": judge(joy=0.6, mauve=0.5),
    "context": '{"context": "The ferry has left, to her sorrow."}',
    "cleaning": '{"context": "The ferry has left."}',
    "rewriting": '{"utterance": "Look, there it is."}',
    "labels-in-context": judge(relief=0.9),
}
EVERYBODY = {"steps__context_share": 1}


def work(answers, purposes=(), second=None, **changes):
    script = Script(answers)
    found = asyncio.run(StoryWorker(make_desk(**changes), script, second).work(STORY, purposes))
    return found, script


def test_a_story_goes_through_all_steps():
    found, script = work(ANSWERS, labels__passes=2, **EVERYBODY)
    assert (found.story, found.actors) == (STORY, ("Mira", "the ferryman"))
    assert next(iter(found.names.items())) == ("key of actors/ferry", "actors/ferry")
    assert [(one.subject, one.actor, one.text, one.intended) for one in found.utterances] == [
        ("ferry/Mira/1", "Mira", "Wait for me!", "fear"),
        ("ferry/Mira/2", "Mira", "He came back, look!", "Bliss"),
        ("ferry/the ferryman/1", "the ferryman", "Get in, child.", "caring"),
    ]
    for one in found.utterances:
        assert (one.story, one.group, one.target) == ("ferry", "ferry", "")
        assert one.levels == (("joy", 0.8), ("relief", 0.5), ("fear", 0.2))
        assert one.second_levels == (("joy", 0.6), ("mauve", 0.5))
        assert one.context == "The ferry has left, to her sorrow."
        assert one.clean_context == "The ferry has left."
        assert one.rewritten == "Look, there it is."
        assert one.context_levels == (("relief", 0.9),)
    assert found.failures == {}
    assert found.yields == {
        "actors": 1,
        "utterances": 2,
        "soft-labels": 3,
        "soft-labels-2": 3,
        "context": 3,
        "cleaning": 3,
        "rewriting": 3,
        "labels-in-context": 3,
    }
    assert len(script.names()) == len(set(script.names())) == 21


def test_an_utterance_knows_all_calls_that_it_came_from():
    found, _ = work(ANSWERS, labels__passes=2, **EVERYBODY)
    assert found.utterances[1].keys == {
        "utterances": "key of utterances/ferry/Mira",
        **{
            task: f"key of {task}/ferry/Mira/2"
            for task in (
                "soft-labels",
                "soft-labels-2",
                "context",
                "cleaning",
                "rewriting",
                "labels-in-context",
            )
        },
    }


def test_every_question_has_the_place_of_its_story_in_the_queue():
    _, script = work(ANSWERS, [Purpose(actor="Mira", label="pride")], labels__passes=2, **EVERYBODY)
    assert {call.priority for call in script.begun} == {5}


def test_what_a_step_learns_is_what_the_next_one_is_asked_about():
    _, script = work(ANSWERS, **EVERYBODY)

    def user(task):
        return script.get(f"{task}/ferry/Mira/2").request.messages[1].text

    assert "\nHe came back, look!\n" in user("soft-labels")
    assert "\nHe came back, look!\n" in user("context")
    assert "\nHe came back, look!\n" in user("rewriting")
    assert "\nThe ferry has left, to her sorrow.\n" in user("cleaning")
    assert "\nThe ferry has left.\n" in user("labels-in-context")
    assert "\nLook, there it is.\n" in user("labels-in-context")
    for task in ("context", "cleaning", "rewriting"):
        assert "joy, relief" in user(task)
        assert "fear" not in user(task)  # below the least level


def test_one_pass_and_no_labels_in_context():
    found, script = work(ANSWERS, steps__relabel=False, **EVERYBODY)
    assert script.names("soft-labels-2") == script.names("labels-in-context") == []
    one = found.utterances[0]
    assert (one.second_levels, one.context_levels, one.rewritten) == (None, None, "Look, there it is.")
    assert set(one.keys) == {"utterances", "soft-labels", "context", "cleaning", "rewriting"}


def test_the_second_pass_may_be_somebody_else():
    second = Script({"soft-labels-2": judge(fear=1)})
    found, first = work(ANSWERS, second=second, labels__passes=2, **EVERYBODY)
    assert sorted(second.names()) == sorted(f"soft-labels-2/{one.subject}" for one in found.utterances)
    assert first.names("soft-labels-2") == []
    assert len(first.names("labels-in-context")) == 3
    assert {one.second_levels for one in found.utterances} == {(("fear", 1.0),)}


def test_the_intended_emotion_is_told_where_it_is_a_label():
    answers = ANSWERS | {
        "utterances/ferry/Mira": say(("Wait for me!", "Fear"), ("He came back.", "anxiety"), ("Look, mauve!", "mauve"))
    }
    _, script = work(answers)
    told = {
        name: script.get(f"soft-labels/ferry/Mira/{number}").request.messages[1].text.partition("reply is ")[2]
        for number, name in enumerate(["label", "stray", "neither"], start=1)
    }
    assert told["label"].startswith("fear,")
    assert told["stray"].startswith("nervousness,")
    assert told["neither"] == ""


def test_utterances_made_on_purpose():
    purposes = [Purpose(actor="Mira", label="pride"), Purpose(actor="the captain", label="grief")]
    found, script = work(ANSWERS, purposes, labels__passes=2, **EVERYBODY)
    made = [one for one in found.utterances if one.target]
    assert [(one.subject, one.actor, one.text, one.intended, one.target) for one in made] == [
        ("ferry/Mira/pride/1", "Mira", "I ran faster than the tide.", "pride", "pride"),
        ("ferry/Mira/pride/2", "Mira", "All my coins, saved.", "joy", "pride"),
    ]
    assert made[0].keys["targeted"] == "key of targeted/ferry/Mira/pride"
    assert "utterances" not in made[0].keys
    # Nobody of that name is in the story.
    assert script.names("targeted") == ["targeted/ferry/Mira/pride"]
    # The model that wrote it on purpose is not told what it was meant to be.
    untold = soft_labels.make_call(make_desk(), "s", "I ran faster than the tide.", primary="", priority=0)
    assert script.get("soft-labels/ferry/Mira/pride/1").request.messages[1] == untold.request.messages[1]
    assert found.utterances[-2:] == tuple(made)


def test_a_purpose_changes_nothing_of_what_was_asked_before():
    plain, before = work(ANSWERS, labels__passes=2, **EVERYBODY)
    more, after = work(ANSWERS, [Purpose(actor="Mira", label="pride")], labels__passes=2, **EVERYBODY)
    assert more.utterances[:3] == plain.utterances
    assert set(before.names()) < set(after.names())


def test_only_so_many_characters_and_utterances_are_used():
    answers = ANSWERS | {
        "actors/ferry": json.dumps({"actors": ["Mira", "x" * 81, "the ferryman", "the gull"]}),
        "utterances/ferry/Mira": say(*((f"Word number {n}.", "joy") for n in range(1, 8))),
        "targeted/ferry/Mira/pride": say(*((f"Deed number {n}.", "pride") for n in range(1, 8))),
    }
    purposes = [Purpose(actor="Mira", label="pride"), Purpose(actor="the gull", label="pride")]
    found, script = work(
        answers, purposes, steps__most_actors=2, steps__emotional=3, steps__neutral=1, quota__per_call=2
    )
    assert found.actors == ("Mira", "the ferryman")
    assert script.names("utterances") == ["utterances/ferry/Mira", "utterances/ferry/the ferryman"]
    assert script.names("targeted") == ["targeted/ferry/Mira/pride"]
    assert [one.text for one in found.utterances if one.actor == "Mira" and not one.target] == [
        f"Word number {n}." for n in range(1, 5)
    ]
    assert [one.text for one in found.utterances if one.target] == ["Deed number 1.", "Deed number 2."]
    assert found.dropped == {
        ("characters", "name of more than 80 characters"): 1,
        ("characters", "more than steps.most_actors"): 1,
        ("utterances", "more than were asked for"): 3 + 5,
    }
    assert work(ANSWERS, purposes)[0].dropped == {}


def in_context(script):
    return {name.partition("/")[2] for name in script.names("context")}


@pytest.mark.parametrize(("share", "n"), [(0, 0), (1, 3)])
def test_none_or_all_get_a_context(share, n):
    found, script = work(ANSWERS, steps__context_share=share)
    assert len(script.names("context")) == len(script.names("cleaning")) == len(script.names("rewriting")) == n
    assert [bool(one.context) for one in found.utterances] == [n > 0] * 3


def test_who_gets_a_context_depends_on_its_name_and_the_seed_alone():
    subjects = [f"story-{n % 40}/Mira/{n}" for n in range(3000)]
    third = {subject for subject in subjects if is_chosen(subject, 1 / 3, 0)}
    assert 900 < len(third) < 1100
    assert third == {subject for subject in reversed(subjects) if is_chosen(subject, 1 / 3, 0)}
    assert third != {subject for subject in subjects if is_chosen(subject, 1 / 3, 1)}
    assert third < {subject for subject in subjects if is_chosen(subject, 1 / 2, 0)}
    found, script = work(ANSWERS, steps__context_share=0.5, seed=3)
    assert in_context(script) == {one.subject for one in found.utterances if is_chosen(one.subject, 0.5, 3)}


def test_what_expresses_nothing_gets_no_context():
    answers = ANSWERS | {
        "soft-labels/ferry/Mira/1": judge(joy=0.29),
        "soft-labels/ferry/Mira/2": judge(mauve=0.9),
        "soft-labels/ferry/the ferryman/1": judge(joy=0.3),
    }
    found, script = work(answers, **EVERYBODY)
    assert in_context(script) == {"ferry/the ferryman/1"}
    assert found.utterances[0].levels == (("joy", 0.29),)
    assert found.utterances[1].levels == (("mauve", 0.9),)
    assert found.failures == {}
    assert in_context(work(answers, labels__least_level=0.2, **EVERYBODY)[1]) == {
        "ferry/Mira/1",
        "ferry/the ferryman/1",
    }


def without(*tasks, **more):
    return {name: reply for name, reply in ANSWERS.items() if name not in tasks} | more


def test_without_characters_nothing_more_is_asked():
    for answers, failure in (
        (without("actors/ferry"), "no answer"),
        (ANSWERS | {"actors/ferry": "Nobody."}, "no name in the list"),
    ):
        found, script = work(answers, [Purpose(actor="Mira", label="pride")])
        assert (found.actors, found.utterances, len(script.begun)) == ((), (), 1)
        assert found.failures == {("actors", failure): 1}
        assert found.yields == {}
        assert next(iter(found.names.items())) == ("key of actors/ferry", "actors/ferry")


def test_a_character_who_says_nothing_is_counted_and_the_others_go_on():
    found, _ = work(without("utterances/ferry/Mira"))
    assert found.actors == ("Mira", "the ferryman")
    assert [one.subject for one in found.utterances] == ["ferry/the ferryman/1"]
    assert found.failures == {("utterances", "no answer"): 1}
    assert found.yields == {"actors": 1, "utterances": 1, "soft-labels": 1}


def test_an_utterance_without_labels_stays_without_context():
    found, script = work(without("soft-labels"), labels__passes=2, **EVERYBODY)
    assert len(found.utterances) == 3
    assert {one.levels for one in found.utterances} == {()}
    assert {one.second_levels for one in found.utterances} == {(("joy", 0.6), ("mauve", 0.5))}
    assert script.names("context") == script.names("rewriting") == []
    assert found.failures == {("soft-labels", "no answer"): 3}
    assert found.yields["soft-labels-2"] == 3


def test_a_second_pass_that_fails_leaves_the_first():
    found, _ = work(without("soft-labels-2"), labels__passes=2, **EVERYBODY)
    assert {one.second_levels for one in found.utterances} == {None}
    assert {one.levels[0] for one in found.utterances} == {("joy", 0.8)}
    assert found.failures == {("soft-labels-2", "no answer"): 3}
    assert all("soft-labels-2" in one.keys for one in found.utterances)


@pytest.mark.parametrize(
    ("failing", "reply", "made", "not_asked"),
    [
        ("context", "", {"rewritten"}, {"cleaning", "labels-in-context"}),
        ("cleaning", '{"context": ""}', {"context", "rewritten"}, {"labels-in-context"}),
        ("rewriting", "Sure! Here it is.", {"context", "clean_context"}, {"labels-in-context"}),
        ("labels-in-context", judge(joy=2), {"context", "clean_context", "rewritten"}, set()),
    ],
)
def test_a_step_that_fails_ends_what_follows_from_it_and_is_counted(failing, reply, made, not_asked):
    found, script = work(ANSWERS | {failing: reply}, **EVERYBODY)
    for one in found.utterances:
        assert {name for name in ("context", "clean_context", "rewritten") if getattr(one, name)} == made
        assert one.context_levels is None
        assert failing in one.keys
    assert {task for task in ("context", "cleaning", "rewriting", "labels-in-context") if not script.names(task)} == (
        not_asked
    )
    ((task, reason),) = found.failures
    assert (task, found.failures[task, reason]) == (failing, 3)
    assert reason
    assert failing not in found.yields


def test_every_call_that_was_made_is_counted_once():
    answers = without("utterances/ferry/the ferryman", "context") | {"soft-labels/ferry/Mira/2": "x"}
    found, script = work(answers, [Purpose(actor="the ferryman", label="pride")], labels__passes=2, **EVERYBODY)
    assert found.failures.total() + found.yields.total() == len(script.begun)


@pytest.mark.parametrize(
    "stop",
    [
        "utterances/ferry/Mira",
        "targeted/ferry/Mira/pride",
        "soft-labels/ferry/Mira/1",
        "soft-labels-2/ferry/Mira/1",
        "context/ferry/Mira/1",
        "cleaning/ferry/Mira/1",
        "rewriting/ferry/Mira/1",
        "labels-in-context/ferry/Mira/1",
    ],
)
@pytest.mark.parametrize("error", [StoppedError, ZeroDivisionError])
def test_when_the_job_ends_what_is_under_way_comes_to_its_end(stop, error):
    class Ending(Script):
        async def __call__(self, call):
            if call.request.name == stop:
                self.begun.append(call)
                raise error
            return await super().__call__(call)

    script = Ending(ANSWERS)
    worker = StoryWorker(make_desk(labels__passes=2, **EVERYBODY), script)
    with pytest.raises(error):
        asyncio.run(worker.work(STORY, [Purpose(actor="Mira", label="pride")]))
    assert sorted([*script.ended, stop]) == sorted(script.names())
    # The other character is not held up: all seven of his questions are asked.
    assert sum("the ferryman" in name for name in script.ended) == 7


@pytest.mark.parametrize(
    ("stop", "others"),
    [
        ("soft-labels", {"soft-labels-2"}),
        ("soft-labels-2", {"soft-labels"}),
        ("rewriting", {"context", "cleaning"}),
        ("context", {"rewriting"}),
    ],
)
def test_what_is_asked_at_the_same_time_is_waited_for(stop, others):
    answers = ANSWERS | {"actors/ferry": '{"actors": ["the ferryman"]}'}
    script = Script(answers, stops=[f"{stop}/ferry/the ferryman/1"])
    with pytest.raises(StoppedError):
        asyncio.run(StoryWorker(make_desk(labels__passes=2, **EVERYBODY), script).work(STORY))
    assert {f"{task}/ferry/the ferryman/1" for task in others} <= set(script.ended)


def test_a_job_that_ends_at_the_first_question():
    script = Script(ANSWERS, stops=["actors/ferry"])
    with pytest.raises(StoppedError):
        asyncio.run(StoryWorker(make_desk(), script).work(STORY))
    assert script.names() == ["actors/ferry"]


def test_the_same_answers_give_the_same_work():
    purposes = [Purpose(actor="Mira", label="pride")]
    assert work(ANSWERS, purposes, **EVERYBODY)[0] == work(ANSWERS, purposes, **EVERYBODY)[0]
