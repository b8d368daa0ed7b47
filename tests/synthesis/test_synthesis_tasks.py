"""What each task asks: of whom, how long, in which form, and how its reply is read."""

import pytest
from scripted_model import FERRY, make_desk, make_story

from sentire.synthesis.tasks import (
    actors,
    cleaning,
    context,
    labels_in_context,
    rewriting,
    soft_labels,
    targeted,
    utterances,
)

STORY = make_story(number=7)
TEXT = "So it is you again."
EMOTIONS = ("joy", "relief")


def make_calls(desk):
    return {
        "actors": actors.make_call(desk, STORY),
        "utterances": utterances.make_call(desk, STORY, "Mira"),
        "targeted": targeted.make_call(desk, STORY, "Mira", "pride"),
        "soft-labels": soft_labels.make_call(desk, "ferry/Mira/1", TEXT, primary="joy", priority=7),
        "soft-labels-2": soft_labels.make_second_call(desk, "ferry/Mira/1", TEXT, priority=7),
        "context": context.make_call(desk, "ferry/Mira/1", TEXT, story=STORY, actor="Mira", emotions=EMOTIONS),
        "cleaning": cleaning.make_call(desk, "ferry/Mira/1", "It rains.", actor="Mira", emotions=EMOTIONS, priority=7),
        "rewriting": rewriting.make_call(desk, "ferry/Mira/1", TEXT, actor="Mira", emotions=EMOTIONS, priority=7),
        "labels-in-context": labels_in_context.make_call(
            desk, "ferry/Mira/1", TEXT, actor="Mira", context="It rains.", priority=7
        ),
    }


LONGEST = {"actors": 11, "utterances": 12, "soft_labels": 13, "context": 14, "cleaning": 15, "rewriting": 16}
CALLS = make_calls(make_desk(max_tokens=LONGEST, sampling={"temperature": 0.7, "seed": 3}, quota__per_call=6))


def test_names_are_of_the_task_and_what_it_is_about():
    assert {task: call.request.name for task, call in CALLS.items()} == {
        "actors": "actors/ferry",
        "utterances": "utterances/ferry/Mira",
        "targeted": "targeted/ferry/Mira/pride",
        "soft-labels": "soft-labels/ferry/Mira/1",
        "soft-labels-2": "soft-labels-2/ferry/Mira/1",
        "context": "context/ferry/Mira/1",
        "cleaning": "cleaning/ferry/Mira/1",
        "rewriting": "rewriting/ferry/Mira/1",
        "labels-in-context": "labels-in-context/ferry/Mira/1",
    }
    assert all(call.task == task for task, call in CALLS.items())


def test_every_task_has_its_own_longest_reply():
    assert {task: call.request.max_tokens for task, call in CALLS.items()} == {
        "actors": 11,
        "utterances": 12,
        "targeted": 12,
        "soft-labels": 13,
        "soft-labels-2": 13,
        "context": 14,
        "cleaning": 15,
        "rewriting": 16,
        "labels-in-context": 13,
    }


@pytest.mark.parametrize("task", CALLS)
def test_sampling_and_order_are_those_of_the_synthesis_and_the_story(task):
    call = CALLS[task]
    assert (call.request.sampling.temperature, call.request.sampling.seed) == (0.7, 3)
    assert (call.priority, call.sample) == (7, 0)


@pytest.mark.parametrize("task", CALLS)
def test_the_schema_is_one_that_strict_servers_take(task):
    (key,) = check_object(CALLS[task].request.schema)
    assert f'{{"{key}":' in CALLS[task].request.messages[0].text


def check_object(schema):
    assert schema["type"] == "object"
    assert schema["additionalProperties"] is False
    assert schema["required"] == list(schema["properties"])
    for inner in schema["properties"].values():
        if inner["type"] == "array" and inner["items"]["type"] == "object":
            check_object(inner["items"])
    return schema["required"]


REPLIES = {
    "actors": ('{"actors": ["Mira"]}', ("Mira",)),
    "utterances": ('{"utterances": [{"text": "So.", "emotion": "joy"}]}', (("So.", "joy"),)),
    "targeted": ('{"utterances": [{"text": "So.", "emotion": "joy"}]}', (("So.", "joy"),)),
    "soft-labels": ('{"emotions": [{"label": "joy", "level": 0.8}]}', (("joy", 0.8),)),
    "soft-labels-2": ('{"emotions": [{"label": "joy", "level": 0.8}]}', (("joy", 0.8),)),
    "context": ('{"context": "It rains."}', "It rains."),
    "cleaning": ('{"context": "It rains."}', "It rains."),
    "rewriting": ('{"utterance": "It rains."}', "It rains."),
    "labels-in-context": ('{"emotions": [{"label": "joy", "level": 0.8}]}', (("joy", 0.8),)),
}


@pytest.mark.parametrize("task", CALLS)
def test_a_reply_in_the_form_of_the_schema_is_read(task):
    reply, value = REPLIES[task]
    assert CALLS[task].parse(reply) == value
    assert f'{{"{CALLS[task].request.schema["required"][0]}":' in reply


def user(task):
    return CALLS[task].request.messages[1].text


def test_who_sees_the_story():
    assert {task for task in CALLS if FERRY in user(task)} == {"actors", "utterances", "targeted", "context"}


def test_who_sees_the_utterance_and_who_the_situation():
    assert {task for task in CALLS if TEXT in user(task)} == {
        "soft-labels",
        "soft-labels-2",
        "context",
        "rewriting",
        "labels-in-context",
    }
    assert {task for task in CALLS if "It rains." in user(task)} == {"cleaning", "labels-in-context"}


def test_who_is_told_the_emotions():
    assert {task for task in CALLS if "joy, relief" in user(task)} == {"context", "cleaning", "rewriting"}
    assert user("targeted").endswith("Write 6 utterances of this character, all of the emotion pride.")


def test_the_first_pass_may_be_told_the_intended_emotion_and_the_second_never_is():
    assert user("soft-labels").endswith("The first emotion of your reply is joy, with the level that it has.")
    untold = soft_labels.make_call(make_desk(), "s", TEXT, primary="", priority=0).request.messages[1].text
    assert untold == user("soft-labels-2")
    assert "joy" not in untold


def test_the_second_pass_reads_the_labels_in_reverse_order():
    first, second = (CALLS[task].request.messages[0].text for task in ("soft-labels", "soft-labels-2"))
    assert first != second
    assert first.index("- admiration:") < first.index("- surprise:")
    assert second.index("- admiration:") > second.index("- surprise:")
    assert sorted(first.splitlines()) == sorted(second.splitlines())


def test_the_form_of_a_reply_does_not_change_from_call_to_call():
    again = make_calls(make_desk(max_tokens=LONGEST, sampling={"temperature": 0.7, "seed": 3}, quota__per_call=6))
    assert {task: call.request for task, call in again.items()} == {task: call.request for task, call in CALLS.items()}
