"""The card: it says what is there, and what models wrote stays text in it."""

import re

import pytest
from scripted_model import TEXTS, UTTERANCES, collect, count_words, make_settings, make_utterance

from sentire.synthesis.card import render_card
from sentire.synthesis.definitions import load_label_guide
from sentire.synthesis.statistics import measure_synthesis

SPLITS = {
    "orig": {"train": 3, "dev": 0, "test": 2},
    "corig": {"train": 1, "dev": 0, "test": 0},
    "crewr": {"train": 0, "dev": 0, "test": 0},
}
TITLES = {"orig": "said", "corig": "in context", "crewr": "rewritten"}


def render(utterances=UTTERANCES, pictures=(), collected=None, **changes):
    settings = make_settings(**changes)
    guide = load_label_guide(settings)
    collection = collect(utterances, settings, **(collected or {}))
    statistics = {
        "name": settings.name,
        "sentire_version": "0",
        "settings": "0123",
        "models": {"first": "small | quick", "second": "<b>large</b>"},
        "prompts": ["actors.v1-0", "context.v1-1"],
        "splits": SPLITS,
        **measure_synthesis(collection, settings, guide, count_words, "counted"),
    }
    return render_card(settings, guide, statistics, titles=TITLES, pictures=list(pictures))


def split_cells(line):
    r"""Split a line of a table as GitHub does: a backslash takes the sign after it."""
    cells, rest = [""], iter(line.strip().removeprefix("|").removesuffix("|"))
    for char in rest:
        if char == "\\":
            cells[-1] += next(rest, "")
        elif char == "|":
            cells.append("")
        else:
            cells[-1] += char
    return [cell.strip() for cell in cells]


def read_tables(card):
    """Return the tables by the heading before them, each as rows of cells."""
    tables, heading, before = {}, "", ""
    for line in card.splitlines():
        if line.startswith("#"):
            heading = line.strip("# ")
        if line.startswith("|"):
            tables.setdefault(heading, []).append(split_cells(line))
        assert line.startswith("|") or not before.startswith("|") or not line  # a table ends with an empty line
        before = line
    return tables


def test_the_card_shows_what_the_statistics_say():
    card = render(pictures=["labels.svg"])
    tables = read_tables(card)
    assert tables["test"][0] == ["", ""]
    facts = dict(row for row in tables["test"] if len(row) == 2)
    assert facts["written by"] == "small | quick"
    assert facts["labelled the second time by"] == "nobody"
    assert facts["stories"] == "2; left out: empty 1, too short 3"
    assert facts["characters"] == "3; left out: more than steps.most_actors 2, name of more than 80 characters 2"
    assert facts["utterances"] == "7; left out: more than were asked for 1"
    assert tables["Rows"] == [
        ["set", "train", "dev", "test", "what it is"],
        ["---"] * 5,
        ["orig", "3", "0", "2", "said"],
        ["corig", "1", "0", "0", "in context"],
        ["crewr", "0", "0", "0", "rewritten"],
    ]
    assert ["utterances", "3", "timeout 3"] in tables["Calls"]
    assert ["actors", "2", "0"] in tables["Calls"]
    assert tables["What the rules left out"][2:] == [
        ["orig", "too few words", "1"],
        ["orig", "near-duplicate", "1"],
    ]
    assert ["hope", "optimism", "first pass", "1"] in tables["Words outside the labels"]
    assert ["mauve", "nothing", "intended", "1"] in tables["Words outside the labels"]
    assert tables["Made on purpose"][2:] == [["1", "joy 3", "1"], ["2", "joy 1", "1"]]
    assert "Missing in the end: joy 1." in card
    assert ["joy", "3", "1", "1", "1"] in tables["Labels"]
    assert len(tables["Labels"]) == 2 + 28
    assert ["orig", "labels a row", "1.60 ± 0.89", "3.17 ± .97"] in tables["Measures"]
    assert "**Not finished**: at least 4 calls are still to be made." in card
    assert "![labels](labels.svg)" in card


def test_what_is_finished_and_met_is_said_to_be():
    card = render(collected={"n_unknown": 0, "shortages": {}, "rounds": (({}, 0),)}, labels__passes=2)
    assert "Not finished" not in card
    assert "Every quota is met." in card
    assert "labelled the second time by | &lt;b>large" in card
    assert "Made on purpose" not in render(collected={"rounds": (), "shortages": {}})


def test_every_row_of_a_table_has_the_cells_of_its_head():
    for rows in read_tables(render()).values():
        assert {len(row) for row in rows} == {len(rows[0])}


WORDS = [
    "joy|fear",
    "a | b | c | d | e",
    r"back\slash",
    r"back\|pipe",
    "<img src=x onerror=alert(1)>",
    "<!-- hidden",
    "```",
    "joy\n\n# a heading\n\n| a | b |",
    "joy\r\n- a list",
    "line\u2028end",
    "![x](https://example.org/x.png) so",
    "see [joy](https://example.org) so",
    "**joy** so",
    "&lt;b&gt;",
]


def strays_of(card):
    return read_tables(card)["Words outside the labels"][2:]


@pytest.mark.parametrize("word", WORDS)
def test_words_of_a_model_do_not_break_the_table(word):
    card, harmless = (
        render([make_utterance(n, text, intended=intended) for n, text in enumerate(TEXTS[:2])])
        for intended in (word, "mauve")
    )
    (row,) = strays_of(card)
    assert row[1:] == ["nothing", "intended", "2"]
    assert len(card.splitlines()) == len(harmless.splitlines())


@pytest.mark.parametrize("word", WORDS)
def test_words_of_a_model_do_not_become_markup(word):
    card = render([make_utterance(0, TEXTS[0], intended=word)])
    (line,) = [line for line in card.splitlines() if "| nothing | intended |" in line]
    shown = re.sub(r"\\.", "", line)
    assert not re.search(r"<[a-z!/]", shown)
    assert not re.search(r"\[[^\]]*\]\([^)]*\)", shown)


def test_a_name_of_a_model_is_text_too():
    card = render()
    assert "<b>" not in card
    assert r"small \| quick" in card


def read_head(card):
    yaml = pytest.importorskip("yaml")
    assert card.startswith("---\n")
    return yaml.safe_load(card.split("---\n")[1])


def test_the_head_lists_the_splits_that_have_rows():
    head = read_head(render())
    assert head == {
        "configs": [
            {
                "config_name": "orig",
                "data_files": [
                    {"split": "train", "path": "orig/train.parquet"},
                    {"split": "test", "path": "orig/test.parquet"},
                ],
            },
            {"config_name": "corig", "data_files": [{"split": "train", "path": "corig/train.parquet"}]},
        ]
    }


@pytest.mark.parametrize("licence", ["Apache-2.0", "ours: all of it # yes", "it's ours", '"ours"', "yes", "1.0"])
def test_a_licence_is_a_text_whatever_its_signs(licence):
    assert read_head(render(licence=licence))["license"] == licence
