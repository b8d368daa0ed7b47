import orjson
import pytest

from sentire.core.errors import ConfigError, DataError, UnknownNameError
from sentire.data.own_files import read_dataset_file
from sentire.data.reading import Reading


def describe(tmp_path, text):
    path = tmp_path / "mine.toml"
    path.write_text(text)
    return read_dataset_file(path)


LABELLED = """
[dataset]
name = "feedback"
label_space = "ekman"
licence = "ours"
weights_may_ship = "yes"
[columns]
text = "comment"
context = "product"
id = "nr"
group = "shop"
labels = "emotion"
label_separator = ";"
[splits]
train = "train.csv"
test = "test.jsonl"
"""


def test_the_card_says_what_the_description_says(tmp_path):
    card = describe(tmp_path, LABELLED).card
    assert (card.name, card.licence, card.weights_may_ship) == ("feedback", "ours", "yes")
    assert card.label_space is not None
    assert card.label_space.name == "ekman"
    assert card.splits == ("train", "test")
    assert (card.grouped_by, card.has_context) == ("shop", True)
    assert len(card.revision) == 16
    assert card.revision != describe(tmp_path, LABELLED.replace('";"', '"/"')).card.revision


def test_one_column_of_labels(tmp_path):
    (tmp_path / "train.csv").write_text(
        'nr,comment,product,shop,emotion\n7,"Cold, again",soup,A,sadness; anger\n8,Yes.,,A,\n'
    )
    first, second = describe(tmp_path, LABELLED).iter_split("train")
    assert (first.id, first.text, first.context, first.group) == ("7", "Cold, again", ("soup",), "A")
    assert first.labels == ("anger", "sadness")
    assert (second.context, second.labels) == ((), ())


def test_lists_in_jsonl(tmp_path):
    rows = [
        {"nr": 1, "comment": "Fine.", "product": ["Tea?", " ", "Please."], "shop": 3, "emotion": ["joy"]},
        {"nr": 2, "comment": "Hm.", "shop": "B", "emotion": []},
    ]
    (tmp_path / "test.jsonl").write_bytes(b"\n".join(map(orjson.dumps, rows)))
    first, second = describe(tmp_path, LABELLED).iter_split("test")
    assert (first.id, first.context, first.group, first.labels) == ("1", ("Tea?", "Please."), "3", ("joy",))
    assert (second.context, second.labels) == ((), ())


def test_every_row_that_cannot_be_used_is_counted(tmp_path):
    fine = "".join(f"{number},Fine {number},,A,joy\n" for number in range(6))
    broken = "7,,,A,joy\n8,Wrong,,A,joyy\n9,No shop,,,joy\n0,Again,,A,joy\n5,Short\n"
    (tmp_path / "train.csv").write_text("nr,comment,product,shop,emotion\n" + fine + broken)
    reading = Reading()
    assert len(list(describe(tmp_path, LABELLED).iter_split("train", reading=reading))) == 6
    assert (reading.n_read, reading.n_accepted) == (11, 6)
    assert reading.reports[0].reasons == {
        "empty text": 1,
        "label outside the label space": 1,
        "no group": 1,
        "id that an earlier row has": 1,
        "wrong number of fields": 1,
    }
    assert any("'joyy'; did you mean \"joy\"?" in str(one) for one in reading.reports[0].first_rejections)


def test_wrong_types_are_counted(tmp_path):
    fine = {"nr": 0, "comment": "Fine.", "product": None, "shop": "A", "emotion": "joy"}
    changes = [{"comment": None}, {"comment": 3}, {"product": [1]}, {"emotion": None}, {"emotion": 4}, {"emotion": [1]}]
    rows = [{**fine, "nr": number, **change} for number, change in enumerate([{}] * 6 + changes)]
    (tmp_path / "test.jsonl").write_bytes(b"\n".join(map(orjson.dumps, rows)))
    reading = Reading()
    assert len(list(describe(tmp_path, LABELLED).iter_split("test", reading=reading))) == 6
    assert reading.reports[0].reasons == {
        "text that is no text": 2,
        "context that is neither a text nor a list of texts": 1,
        "labels that are neither a text nor a list of texts": 3,
    }


COLUMNS = """
[dataset]
name = "moods"
labels = ["calm", "tense"]
[columns]
label_columns = true
[splits]
all = "all.csv"
"""


def test_one_column_a_label(tmp_path):
    (tmp_path / "all.csv").write_text("tense,text,calm\n1,a,0\n0,b,0\n1.0,c,1\n,d,1\n2,e,0\n1,f,1\n")
    reading = Reading()
    examples = list(describe(tmp_path, COLUMNS).iter_split("all", reading=reading))
    assert [(one.id, one.labels) for one in examples] == [
        ("2", ("tense",)),
        ("3", ()),
        ("4", ("calm", "tense")),
        ("7", ("calm", "tense")),
    ]
    assert reading.reports[0].reasons == {"label cell is neither 0 nor 1": 2}
    assert "(tense: '')" in str(reading.reports[0].first_rejections[0])


def test_marks_in_json_may_be_true_and_false(tmp_path):
    (tmp_path / "all.jsonl").write_text('{"text":"a","calm":true,"tense":false}\n{"text":"b","calm":1,"tense":null}\n')
    reading = Reading()
    dataset = describe(tmp_path, COLUMNS.replace("all.csv", "all.jsonl"))
    assert [one.labels for one in dataset.iter_split("all", reading=reading)] == [("calm",)]
    assert reading.n_rejected == 1


def test_single_label_wants_exactly_one(tmp_path):
    text = COLUMNS.replace('labels = ["calm"', 'task = "single-label"\nneutral = "calm"\nlabels = ["calm"')
    (tmp_path / "all.csv").write_text("tense,text,calm\n1,a,0\n0,b,1\n0,c,0\n1,d,1\n")
    reading = Reading()
    dataset = describe(tmp_path, text)
    assert [one.labels for one in dataset.iter_split("all", reading=reading)] == [("tense",), ("calm",)]
    assert reading.reports[0].reasons == {"not exactly one label": 2}
    assert dataset.card.label_space is not None
    assert (dataset.card.label_space.neutral, dataset.card.label_space.task) == ("calm", "single-label")


SCORED = """
[dataset]
name = "rated"
affect_scale = "vad-1-5"
[columns]
scores = { valence = "V", arousal = "A" }
[splits]
all = "all.parquet"
"""


def test_scores_from_parquet(tmp_path):
    pa = pytest.importorskip("pyarrow")
    parquet = pytest.importorskip("pyarrow.parquet")
    table = pa.table({"text": ["a", "b", "c", "d"], "V": [1.5, 6.0, None, 5.0], "A": [2, 3, 3, 1]})
    parquet.write_table(table, tmp_path / "all.parquet")
    reading = Reading()
    examples = list(describe(tmp_path, SCORED).iter_split("all", reading=reading))
    assert [(one.id, one.scores) for one in examples] == [
        ("1", {"valence": 1.5, "arousal": 2.0}),
        ("4", {"valence": 5.0, "arousal": 1.0}),
    ]
    assert reading.reports[0].reasons == {"score off the scale": 1, "score that is no number": 1}
    assert "V: 6, expected 1 to 5" in str(reading.reports[0].first_rejections[0])


def test_plain_text_is_a_data_set_without_labels(tmp_path):
    (tmp_path / "lines.txt").write_text("One.\n\nTwo.\n")
    dataset = describe(tmp_path, '[dataset]\nname = "lines"\n[splits]\nall = "lines.txt"\n')
    assert [(one.id, one.text, one.labels) for one in dataset.iter_split("all")] == [
        ("1", "One.", ()),
        ("3", "Two.", ()),
    ]


def test_another_encoding(tmp_path):
    (tmp_path / "lines.txt").write_bytes("Café".encode("cp1252"))
    dataset = describe(tmp_path, '[dataset]\nname = "x"\nencoding = "cp1252"\n[splits]\nall = "lines.txt"\n')
    assert [one.text for one in dataset.iter_split("all")] == ["Café"]


def test_a_column_that_is_not_there(tmp_path):
    (tmp_path / "train.csv").write_text("nr,coment,product,shop,emotion\n1,a,b,c,joy\n")
    with pytest.raises(DataError, match=r'a column .comment.*did you mean "coment"'):
        describe(tmp_path, LABELLED).read_split("train")


def test_the_first_row_of_jsonl_may_lack_what_later_rows_have(tmp_path):
    rows = [
        {"nr": 1, "comment": "Fine.", "shop": "A", "emotion": "joy"},
        {"nr": 2, "comment": "Hm.", "product": "tea", "shop": "B", "emotion": ""},
    ]
    (tmp_path / "test.jsonl").write_bytes(b"\n".join(map(orjson.dumps, rows)))
    first, second = describe(tmp_path, LABELLED).iter_split("test")
    assert (first.context, second.context) == ((), ("tea",))


@pytest.mark.parametrize("n_rows", [3, 50])
@pytest.mark.parametrize("is_strict", [False, True])
@pytest.mark.parametrize("missing", ["comment", "product", "nr", "shop", "emotion"])
def test_a_column_that_no_row_of_jsonl_has_is_a_misspelt_one(tmp_path, n_rows, is_strict, missing):
    row = {"comment": "Fine.", "product": "tea", "shop": "A", "emotion": "joy"}
    rows = [{**row, "nr": number} for number in range(n_rows)]
    for one in rows:
        one[f"{missing}s"] = one.pop(missing)
    (tmp_path / "test.jsonl").write_bytes(b"\n".join(map(orjson.dumps, rows)))
    with pytest.raises(DataError, match=rf"expected a column '{missing}', got the columns .*{missing}s.*test\.jsonl"):
        describe(tmp_path, LABELLED).read_split("test", reading=Reading(is_strict=is_strict))


def test_an_id_that_comes_again_is_quoted(tmp_path):
    rows = [{"nr": nr, "comment": "Fine.", "shop": "A", "emotion": "joy"} for nr in ("\x1b[2J", "\x1b[2J", "b", "c")]
    rows[0]["product"] = "tea"
    (tmp_path / "test.jsonl").write_bytes(b"\n".join(map(orjson.dumps, rows)))
    reading = Reading()
    describe(tmp_path, LABELLED).read_split("test", reading=reading)
    assert str(reading.reports[0].first_rejections[0]).endswith(r"id that an earlier row has ('\x1b[2J')")


def test_a_file_that_is_not_there(tmp_path):
    with pytest.raises(DataError, match=r"train\.csv"):
        describe(tmp_path, LABELLED).read_split("train")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (("[columns]", "[colums]"), 'colums.*did you mean "columns"'),
        (('text = "comment"', 'texts = "comment"'), 'columns.texts.*did you mean "text"'),
        (('label_space = "ekman"', ""), "a label space for the labels"),
        (('label_space = "ekman"', 'label_space = "ekman"\nlabels = ["a"]'), "got both at dataset.labels"),
        (('labels = "emotion"\n', ""), "the column of the labels"),
        (('labels = "emotion"', 'labels = "emotion"\nlabel_columns = true'), "got both at columns.label_columns"),
        (('";"', '""'), "expected a separator"),
        (('train = "train.csv"\ntest = "test.jsonl"', ""), "at least one split"),
        (('licence = "ours"', 'path = "a/b"'), "only with source = 'huggingface'"),
        (('licence = "ours"', 'source = "huggingface"'), "owner/name or a folder"),
        (('weights_may_ship = "yes"', 'weights_may_ship = "maybe"'), "dataset.weights_may_ship"),
        (('name = "feedback"', ""), "expected a value, got none at dataset.name"),
    ],
)
def test_descriptions_that_make_no_sense(tmp_path, change, message):
    assert change[0] in LABELLED
    with pytest.raises(ConfigError, match=message):
        describe(tmp_path, LABELLED.replace(*change))


@pytest.mark.parametrize(
    ("old", "new", "near"),
    [
        ('label_space = "ekman"', 'label_space = "ekmann"', "ekman"),
        ("licence", 'affect_scale = "vad-1-6"\nlicence', "vad-1-5"),
    ],
)
def test_unknown_names(tmp_path, old, new, near):
    with pytest.raises(UnknownNameError, match=f'did you mean .*"{near}"'):
        describe(tmp_path, LABELLED.replace(old, new))


def test_own_labels_under_a_registered_name_are_refused(tmp_path):
    description = tmp_path / "own.toml"
    description.write_text('[dataset]\nname = "sentiment"\nlabels = ["good", "bad"]\n[splits]\ntrain = "t.csv"\n')
    with pytest.raises(ConfigError, match=r"expected another name.*'sentiment', which is a registered.*dataset\.name"):
        read_dataset_file(description)


NAMED = """
[dataset]
name = "named"
[columns]
id = "nr"
group = "shop"
[splits]
all = "all.{suffix}"
"""


def test_an_id_is_a_text_or_an_integer_and_never_the_row_instead(tmp_path):
    ids = ["a", " b ", 7, 0, "", " ", None, 1.5, 2.0, True, ["c"]]
    rows = [{"nr": name, "text": "Hm.", "shop": "A"} for name in ids] + [{"text": "Hm.", "shop": "A"}]
    (tmp_path / "all.jsonl").write_bytes(b"\n".join(map(orjson.dumps, rows)))
    reading = Reading(max_rejected_fraction=0.9)
    examples = describe(tmp_path, NAMED.format(suffix="jsonl")).iter_split("all", reading=reading)
    assert [one.id for one in examples] == ["a", "b", "7", "0"]
    assert reading.reports[0].reasons == {"no id": 4, "id that is neither a text nor an integer": 4}
    assert "(nr: 1.5)" in str(reading.reports[0].first_rejections[3])


def test_a_group_is_a_text_or_an_integer(tmp_path):
    groups = ["A", 3, "", None, 1.0]
    rows = [{"nr": number, "text": "Hm.", "shop": group} for number, group in enumerate(groups)]
    (tmp_path / "all.jsonl").write_bytes(b"\n".join(map(orjson.dumps, rows)))
    reading = Reading(max_rejected_fraction=0.9)
    examples = describe(tmp_path, NAMED.format(suffix="jsonl")).iter_split("all", reading=reading)
    assert [one.group for one in examples] == ["A", "3"]
    assert reading.reports[0].reasons == {"no group": 2, "group that is neither a text nor an integer": 1}


def test_ids_in_parquet_that_have_become_floats_are_refused(tmp_path):
    pa = pytest.importorskip("pyarrow")
    parquet = pytest.importorskip("pyarrow.parquet")
    table = pa.table({"text": ["a", "b"], "nr": [1.0, None], "shop": ["A", "A"]})
    parquet.write_table(table, tmp_path / "all.parquet")
    with pytest.raises(DataError, match=r"got 2 of 2.*do columns, labels and scores of the description fit") as caught:
        describe(tmp_path, NAMED.format(suffix="parquet")).read_split("all")
    assert "release" not in str(caught.value)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (
            'labels = ["calm", "tense", "calm"]',
            r"different labels, got calm more than once at dataset\.labels in .*mine",
        ),
        ('labels = ["calm", "tense"]\nneutral = "clam"', r"got 'clam' at dataset\.neutral in .*mine.*\"calm\""),
    ],
)
def test_own_labels_that_make_no_space(tmp_path, change, message):
    with pytest.raises(ConfigError, match=message):
        describe(tmp_path, COLUMNS.replace('labels = ["calm", "tense"]', change))


def test_a_json_row_without_one_of_the_label_keys_is_a_counted_rejection(tmp_path):
    (tmp_path / "own.toml").write_text(
        '[dataset]\nname = "own"\nlabels = ["a", "b"]\n[columns]\nlabel_columns = true\n[splits]\ntrain = "t.jsonl"\n'
    )
    (tmp_path / "t.jsonl").write_text(
        '{"text": "x", "a": 1, "b": 0}\n{"text": "y", "a": true, "b": false}\n{"text": "z", "a": 1}\n'
    )
    reading = Reading()
    examples = read_dataset_file(tmp_path / "own.toml").read_split("train", reading=reading)
    assert [example.labels for example in examples] == [("a",), ("a",)]
    assert reading.reports[0].as_dict()["reasons"] == {"label cell is neither 0 nor 1": 1}


SOFT = """
[dataset]
name = "soft"
labels = ["calm", "tense"]
affect_scale = "vad-1-5"
[columns]
labels = "mood"
scores = { calm = "c", tense = "t", valence = "v" }
[splits]
all = "all.jsonl"
"""


def test_a_soft_label_is_from_0_to_1_and_a_rating_on_its_scale(tmp_path):
    fine = {"text": "Hm.", "mood": ["calm"], "c": 0.25, "t": 1, "v": 4.5}
    changes = [{}, {"c": 0}, {"c": 1.01}, {"t": -0.1}, {"t": "nan"}, {"t": None}, {"t": "inf"}, {"v": 0.5}, {"v": 5.5}]
    rows = [{**fine, **change} for change in changes]
    (tmp_path / "all.jsonl").write_bytes(b"\n".join(map(orjson.dumps, rows)))
    reading = Reading(max_rejected_fraction=0.9)
    examples = list(describe(tmp_path, SOFT).iter_split("all", reading=reading))
    assert [one.scores for one in examples] == [
        {"calm": 0.25, "tense": 1.0, "valence": 4.5},
        {"calm": 0.0, "tense": 1.0, "valence": 4.5},
    ]
    assert reading.reports[0].reasons == {
        "soft label that is not from 0 to 1": 2,
        "score that is no number": 3,
        "score off the scale": 2,
    }
    shown = [str(one) for one in reading.reports[0].first_rejections]
    assert "c: 1.01" in shown[0]
    assert "all.jsonl:3: " in shown[0]
    assert "v: 0.5, expected 1 to 5" in shown[5]


def test_soft_labels_need_no_scale_and_labels_may_be_called_as_dimensions_are(tmp_path):
    plain = SOFT.replace('affect_scale = "vad-1-5"\n', "").replace("tense", "valence").replace(', valence = "v"', "")
    rows = [{"text": "Hm.", "mood": "calm", "c": 0.5, "t": value} for value in (0.5, 2.0)]
    (tmp_path / "all.jsonl").write_bytes(b"\n".join(map(orjson.dumps, rows)))
    reading = Reading()
    examples = list(describe(tmp_path, plain).iter_split("all", reading=reading))
    assert [one.scores for one in examples] == [{"calm": 0.5, "valence": 0.5}]
    assert reading.reports[0].reasons == {"soft label that is not from 0 to 1": 1}


@pytest.mark.parametrize(
    ("line", "is_synthetic"), [("is_synthetic = true", True), ("is_synthetic = false", False), ("", False)]
)
def test_rows_that_a_model_wrote_are_marked(tmp_path, line, is_synthetic):
    (tmp_path / "train.csv").write_text("nr,comment,product,shop,emotion\n7,Cold,soup,A,sadness\n8,Warm,soup,A,joy\n")
    dataset = describe(tmp_path, LABELLED.replace('licence = "ours"', f'licence = "ours"\n{line}'))
    assert dataset.card.is_ours is is_synthetic
    assert [one.is_synthetic for one in dataset.iter_split("train")] == [is_synthetic] * 2


def test_whether_a_model_wrote_it_is_part_of_the_revision_and_is_true_or_false(tmp_path):
    synthetic = LABELLED.replace('licence = "ours"', 'licence = "ours"\nis_synthetic = true')
    assert describe(tmp_path, synthetic).card.revision != describe(tmp_path, LABELLED).card.revision
    with pytest.raises(ConfigError, match=r"got 'yes' at dataset\.is_synthetic"):
        describe(tmp_path, synthetic.replace("= true", '= "yes"'))
