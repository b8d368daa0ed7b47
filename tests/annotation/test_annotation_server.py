"""The page: what it serves, to whom, and that a click that was answered is on the disk."""

import http.client
import resource
import shutil
import subprocess
import threading
from contextlib import contextmanager
from pathlib import Path

import orjson
import pytest
from serving import serve_in_a_process

from sentire.annotation.annotations import (
    FOLDER_NAME,
    PAGE_KEY_NAME,
    Judgement,
    open_annotations,
    read_all_annotations,
    read_annotations,
)
from sentire.annotation.pairs import Pair, draw_pairs
from sentire.annotation.questions import ALIKE, FIRST, NONE, SECOND
from sentire.annotation.sample import KEY_NAME, draw_sample, read_key, read_sample, write_sample
from sentire.annotation.scoring import score_annotations
from sentire.annotation.server import AnnotationServer
from sentire.core.errors import ArtifactError, DataError, HeldError, OutputError, UsageError
from sentire.core.labels import GOEMOTIONS
from sentire.core.records import Example


@pytest.fixture
def folder(tmp_path):
    examples = [
        Example(id=f"e{k}", text=f"<b>text</b> {k}", context=(f"secret {k}",), labels=("joy",), scores={"joy": 0.9})
        for k in range(20)
    ]
    write_sample(tmp_path, *draw_sample(examples, GOEMOTIONS, name="own:test", n=20, neutral_share=0))
    return tmp_path


@pytest.fixture
def pairs(tmp_path):
    """A folder with a sample of texts in two versions."""
    versions = [
        Pair(
            original=Example(id=f"e{k}", text=f"loud {k}", context=(f"secret {k}",)),
            rewritten=Example(id=f"e{k}", text=f"calm {k}", context=(f"secret {k}",)),
        )
        for k in range(20)
    ]
    write_sample(tmp_path, *draw_pairs(versions, name="own:test", n=20))
    return tmp_path


@contextmanager
def serve(folder, annotator="a1"):
    sample = read_sample(folder)
    with open_annotations(folder, sample, annotator) as file, AnnotationServer(sample, file, annotator) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        try:
            yield server
        finally:
            server.shutdown()
            thread.join()


def ask(server, method, path, body=None, **headers):
    connection = http.client.HTTPConnection("127.0.0.1", server.server_port, timeout=5)
    sent = {"x-token": server.token} | {name.replace("_", "-"): value for name, value in headers.items()}
    connection.request(method, path, body=None if body is None else orjson.dumps(body), headers=sent)
    answer = connection.getresponse()
    content = answer.read()
    connection.close()
    return answer.status, content, answer.headers


def get_page_path(server):
    return f"/?{server.address.partition('?')[2]}"


def save(server, item, picks, *, is_done=True):
    return ask(server, "POST", "/save", {"item": item, "picks": picks, "is_done": is_done, "saw_context": False})


def make_stray(folder, other):
    """Copy the annotations of one sample to another."""
    stray = other / FOLDER_NAME / "a1" / "judgements.jsonl"
    stray.parent.mkdir(parents=True)
    stray.write_bytes((folder / FOLDER_NAME / "a1" / "judgements.jsonl").read_bytes())
    return stray


def test_the_page_runs_no_script_but_its_own_and_holds_no_text_of_the_sample(folder):
    with serve(folder) as server:
        status, page, headers = ask(server, "GET", get_page_path(server))
    assert status == 200
    policy = headers["content-security-policy"]
    nonce = policy.split("'nonce-")[1].split("'")[0]
    assert f'<script nonce="{nonce}">'.encode() in page
    assert "default-src 'none'" in policy
    assert "frame-ancestors 'none'" in policy
    assert "unsafe" not in policy
    assert b"secret" not in page
    assert page.count(b"<script") == 1
    assert b"innerHTML" not in page


def test_items_come_without_their_contexts_which_are_asked_for_one_by_one(folder):
    with serve(folder) as server:
        _, content, _ = ask(server, "GET", "/items")
        said = orjson.loads(content)
        assert len(said["items"]) == 20
        assert b"secret" not in content
        assert b"expressed" not in content
        _, context, _ = ask(server, "GET", "/context?item=e3")
    assert orjson.loads(context) == {"context": ["secret 3"]}


@pytest.mark.parametrize(
    ("method", "path", "headers", "status"),
    [
        ("GET", "/items", {"x_token": "wrong"}, 403),
        ("POST", "/save", {"x_token": ""}, 403),
        ("GET", "/items", {"host": "evil.example"}, 403),
        ("GET", "/", {"host": "evil.example"}, 403),
        ("GET", "/", {}, 403),
        ("GET", "/?k=", {}, 403),
        ("GET", "/?k=guess", {}, 403),
        ("GET", "/?k=%ED%A0%80", {}, 403),
        ("GET", "/key.json", {}, 404),
        ("GET", "/../key.json", {}, 404),
        ("POST", "/items", {}, 404),
        ("GET", "/context?item=zzz", {}, 400),
    ],
)
def test_others_get_nothing(folder, method, path, headers, status):
    with serve(folder) as server:
        assert ask(server, method, path, {} if method == "POST" else None, **headers)[0] == status


def test_without_the_secret_of_the_address_nobody_is_given_a_token(folder):
    with serve(folder) as server:
        for path in ("/", "/?k=guess"):
            status, content, _ = ask(server, "GET", path)
            assert (status, server.token.encode() in content) == (403, False)
            assert orjson.loads(content) == {"error": "open the whole address that the command printed"}
        status, content, _ = ask(server, "GET", get_page_path(server))
        assert (status, server.token.encode() in content) == (200, True)


def test_the_secret_stays_from_sitting_to_sitting_and_is_for_the_owner_alone(folder):
    path = folder / FOLDER_NAME / "a1" / PAGE_KEY_NAME
    with serve(folder) as server:
        first = get_page_path(server)
        assert path.stat().st_mode & 0o777 == 0o600
        assert first == f"/?k={path.read_text()}"
    with serve(folder) as server, serve(folder, "a2") as other:
        assert get_page_path(server) == first
        assert ask(other, "GET", first)[0] == 403
    path.chmod(0o644)  # as in a copy of the folder
    with serve(folder) as server:
        assert ask(server, "GET", first)[0] == 403
        assert ask(server, "GET", get_page_path(server))[0] == 200
        assert path.stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize(
    ("body", "words"),
    [
        ({"item": "e1", "picks": ["mauve"], "is_done": False}, "options of item e1"),
        ({"item": "zzz", "picks": [], "is_done": False}, "an item of the sample"),
        ({"item": "e1", "picks": "joy"}, "a list of picks"),
        ({"item": "e1", "picks": [], "is_done": True}, "at least one pick"),
        ([1], "a JSON object"),
    ],
)
def test_judgements_that_cannot_be_are_refused_and_not_kept(folder, body, words):
    with serve(folder) as server:
        status, content, _ = ask(server, "POST", "/save", body)
        assert (status, words in orjson.loads(content)["error"]) == (400, True)
        assert server.file.judgements == {}


def test_a_body_beyond_all_bounds_is_not_read(folder):
    with serve(folder) as server:
        status, content, _ = ask(server, "POST", "/save", {"item": "e1", "picks": ["x" * 100_000]})
    assert (status, b"at most 65536 bytes" in content) == (400, True)


def test_too_many_picks_or_none_with_others_are_refused(folder):
    sample = read_sample(folder)
    options = sample.items[0].options
    with open_annotations(folder, sample, "a1") as file:
        with pytest.raises(DataError, match="at most 5 different picks"):
            file.save(sample.items[0].id, Judgement(picks=options[:6], is_done=False, saw_context=False))
        with pytest.raises(DataError, match="alone, or other options"):
            file.save(sample.items[0].id, Judgement(picks=(options[0], NONE), is_done=False, saw_context=False))


def test_a_sitting_goes_on_where_the_last_one_ended(folder):
    item = read_sample(folder).items[0]
    with serve(folder) as server:
        assert save(server, item.id, [item.options[0]], is_done=False)[0] == 200
        assert save(server, item.id, [item.options[1]])[0] == 200
    with serve(folder) as server:
        said = orjson.loads(ask(server, "GET", "/items")[1])
    assert said["judgements"] == {item.id: {"picks": [item.options[1]], "is_done": True, "saw_context": False}}


def test_two_annotators_have_a_file_each_and_nobody_takes_anothers_alias(folder):
    item = read_sample(folder).items[0]
    with serve(folder, "a1") as one, serve(folder, "a2") as other:
        save(one, item.id, [item.options[0]])
        save(other, item.id, [NONE])
        with (
            pytest.raises(HeldError, match=r"annotator under the alias a1 at .*/a1; take another --annotator"),
            serve(folder, "a1"),
        ):
            pass
    found = read_all_annotations(folder, read_sample(folder))
    assert {alias: one[item.id].picks for alias, one in found.items()} == {"a1": (item.options[0],), "a2": (NONE,)}


@pytest.mark.parametrize("alias", ["", "../a1", "Ann Other", "a" * 40, "a/b", "-a"])
def test_an_alias_is_a_plain_word(folder, alias):
    with pytest.raises(UsageError, match="an alias of lower-case letters"), serve(folder, alias):
        pass


def test_annotations_of_another_sample_are_refused(folder, tmp_path_factory):
    with serve(folder) as server:
        item = read_sample(folder).items[0]
        save(server, item.id, [NONE])
    other = tmp_path_factory.mktemp("other")
    examples = [Example(id=f"x{k}", text=f"other {k}", labels=("fear",)) for k in range(5)]
    write_sample(other, *draw_sample(examples, GOEMOTIONS, name="own:other", n=5))
    stray = make_stray(folder, other)
    with pytest.raises(ArtifactError, match=r"annotations of the sample .*drawn anew"):
        read_annotations(stray, read_sample(other))
    with pytest.raises(ArtifactError, match="annotations of the sample"), serve(other, "a1"):
        pass


@pytest.mark.parametrize("cut", [1, 5, 20])
def test_a_line_that_was_being_written_is_left_out_and_the_others_stay(folder, cut):
    sample = read_sample(folder)
    path = folder / FOLDER_NAME / "a1" / "judgements.jsonl"
    with serve(folder) as server:
        for item in sample.items[:3]:
            save(server, item.id, [NONE])
    path.write_bytes(path.read_bytes()[:-cut])
    with serve(folder) as server:
        assert len(server.file.judgements) == 2
        save(server, sample.items[2].id, [NONE])
    assert len(read_annotations(path, sample)) == 3


def test_a_damaged_line_in_the_middle_is_told_and_nothing_is_dropped(folder):
    sample = read_sample(folder)
    path = folder / FOLDER_NAME / "a1" / "judgements.jsonl"
    with serve(folder) as server:
        for item in sample.items[:3]:
            save(server, item.id, [NONE])
    lines = path.read_bytes().splitlines(keepends=True)
    path.write_bytes(b"".join([lines[0], b"{broken\n", *lines[2:]]))
    with pytest.raises(ArtifactError, match=r"judgements\.jsonl:2"):
        read_annotations(path, sample)


def test_a_port_that_is_taken_is_told(folder):
    sample = read_sample(folder)
    with (
        serve(folder) as server,
        open_annotations(folder, sample, "a2") as file,
        pytest.raises(OutputError, match="a port that is free"),
    ):
        AnnotationServer(sample, file, "a2", port=server.server_port)


def test_two_versions_come_in_their_order_without_context_or_key(pairs):
    sample, key = read_sample(pairs), read_key(pairs)
    with serve(pairs) as server:
        _, page, _ = ask(server, "GET", get_page_path(server))
        _, content, _ = ask(server, "GET", "/items")
        _, context, _ = ask(server, "GET", "/context?item=e3")
        _, saved, _ = save(server, "e3", [FIRST])
    said = orjson.loads(content)
    assert said["items"] == [
        {"id": item.id, "texts": list(item.texts), "options": [FIRST, SECOND, ALIKE], "has_context": True}
        for item in sample.items
    ]
    assert said["question"]["words"] == "Which of the two is more emotional?"
    assert said["question"]["most_picks"] == 1
    assert orjson.loads(context) == {"context": ["secret 3"]}
    for answer in (page, content, context, saved):
        assert not any(word in answer for word in (b"rewritten", b"original", b"rewriting", key.fingerprint.encode()))
    assert b"secret" not in content


def test_the_server_needs_no_key(pairs):
    (pairs / KEY_NAME).unlink()
    with serve(pairs) as server:
        assert save(server, "e1", [SECOND])[0] == 200
        assert ask(server, "GET", "/items")[0] == 200


@pytest.mark.parametrize(
    ("picks", "words"),
    [
        ([FIRST, SECOND], "expected one pick and no more, got 2 at item e1"),
        ([FIRST, ALIKE], "expected one pick and no more, got 2"),
        ([FIRST, FIRST], "expected one pick and no more, got 2"),
        ([NONE], "options of item e1"),
        ([], "at least one pick"),
    ],
)
def test_of_two_versions_exactly_one_answer_is_taken(pairs, picks, words):
    with serve(pairs) as server:
        status, content, _ = save(server, "e1", picks)
        assert (status, words in orjson.loads(content)["error"]) == (400, True)
        assert server.file.judgements == {}


def test_two_picks_of_two_versions_in_a_file_are_no_judgement(pairs):
    with serve(pairs) as server:
        save(server, "e1", [FIRST])
    path = pairs / FOLDER_NAME / "a1" / "judgements.jsonl"
    row = {"item": "e2", "picks": [FIRST, SECOND], "is_done": True, "saw_context": False}
    path.write_bytes(path.read_bytes() + orjson.dumps(row) + b"\n")
    with pytest.raises(ArtifactError, match=r"one pick and no more.*judgements\.jsonl:3"):
        read_annotations(path, read_sample(pairs))


def test_a_sitting_over_two_versions_goes_on_where_it_ended(pairs):
    first, second, third = read_sample(pairs).items[:3]
    path = pairs / FOLDER_NAME / "a1" / "judgements.jsonl"
    with serve(pairs) as server:
        save(server, first.id, [FIRST], is_done=False)
        save(server, first.id, [ALIKE])
        save(server, second.id, [SECOND])
        save(server, third.id, [FIRST])
        with pytest.raises(HeldError, match="annotator under the alias a1"), serve(pairs, "a1"):
            pass
    path.write_bytes(path.read_bytes()[:-5])  # the last line was being written
    with serve(pairs) as server:
        said = orjson.loads(ask(server, "GET", "/items")[1])
    assert {item: one["picks"] for item, one in said["judgements"].items()} == {first.id: [ALIKE], second.id: [SECOND]}


def test_annotations_of_the_other_question_are_refused(pairs, tmp_path_factory):
    with serve(pairs) as server:
        save(server, "e1", [FIRST])
    other = tmp_path_factory.mktemp("other")
    examples = [Example(id=f"e{k}", text=f"loud {k}", labels=("fear",)) for k in range(20)]
    write_sample(other, *draw_sample(examples, GOEMOTIONS, name="own:test", n=20))
    stray = make_stray(pairs, other)
    with pytest.raises(ArtifactError, match=r"annotations of the sample .*drawn anew"):
        read_annotations(stray, read_sample(other))


def test_a_server_that_is_killed_has_kept_every_click_that_it_answered(folder):
    sample = read_sample(folder)
    n_answered = 0
    for annotator, place in (("a1", 0), ("a2", 1)):
        for sitting in range(2):
            with serve_in_a_process(folder, annotator) as process:
                if sitting:
                    line = process.stderr.readline()
                    assert "10 of 20 items are done already; if not by you, take another --annotator" in line
                connection = http.client.HTTPConnection("127.0.0.1", process.port, timeout=5)
                connection.request("GET", f"/?{process.address.partition('?')[2]}")
                token = connection.getresponse().read().decode().split('name="token" content="')[1].split('"')[0]
                for item in sample.items[10 * sitting : 10 * sitting + 10]:
                    body = {"item": item.id, "picks": [item.options[place]], "is_done": True, "saw_context": False}
                    connection.request("POST", "/save", body=orjson.dumps(body), headers={"x-token": token})
                    n_answered += connection.getresponse().read() == b'{"saved":true}'
                connection.close()
    found = read_all_annotations(folder, sample)
    assert n_answered == 40
    for annotator, place in (("a1", 0), ("a2", 1)):
        assert {item: one.picks for item, one in found[annotator].items()} == {
            item.id: (item.options[place],) for item in sample.items
        }
        assert all(one.is_done for one in found[annotator].values())
    assert score_annotations(sample, read_key(folder), found).annotators == {"a1": 20, "a2": 20}


@contextmanager
def open_page(address):
    """Open the page, as far as that goes without a browser; what is called with a key returns what the page shows."""
    command = ["node", str(Path(__file__).with_name("page_in_node.mjs")), address]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        shown = orjson.loads(process.stdout.readline())

        def press(*keys):
            nonlocal shown
            for key in keys:
                process.stdin.write(f"{key}\n")
                process.stdin.flush()
                shown = orjson.loads(process.stdout.readline())
            return shown

        try:
            yield press
        finally:
            process.kill()


needs_node = pytest.mark.skipif(shutil.which("node") is None, reason="node is not installed")


@needs_node
def test_two_people_judge_with_the_keyboard_alone_and_nothing_is_lost_whatever_breaks(folder):
    sample = read_sample(folder)
    pressed = {}
    for annotator in ("a1", "a2"):
        keys = [str(1 + (place + len(pressed)) % 7) for place in range(20)]
        pressed[annotator] = {
            item.id: (item.options[int(key) - 1],) for item, key in zip(sample.items, keys, strict=True)
        }
        with serve_in_a_process(folder, annotator) as server, open_page(server.address) as press:
            assert press()["where"] == "1 of 20, 0 done"
            assert press("c")["context"] == sample.items[0].context[0]
            for key in keys[:9]:
                assert press(key, "Enter")["trouble"] == ""
            port = server.port
            server.kill()
            server.wait()
            shown = press(keys[9], "Enter", keys[10])  # nobody is there, and two items are judged
            assert shown["trouble"].startswith("not saved yet: ")
            assert (shown["where"], shown["picks"]) == (
                "11 of 20, 10 done",
                [sample.items[10].options[int(keys[10]) - 1]],
            )
            with serve_in_a_process(folder, annotator, port):
                assert press("again")["trouble"] == ""
                assert press("Enter")["trouble"] == ""
        with (
            serve_in_a_process(folder, annotator) as server,
            open_page(server.address) as press,
        ):  # the laptop was closed
            assert press()["where"] == "12 of 20, 11 done"
            for key in keys[11:]:
                shown = press(key, "Enter")
            assert (shown["said"], shown["where"]) == ("all done: thank you", "20 of 20, 20 done")
    found = read_all_annotations(folder, sample)
    assert {alias: {item: one.picks for item, one in said.items()} for alias, said in found.items()} == pressed
    assert all(one.is_done for said in found.values() for one in said.values())
    assert {item for item, one in found["a1"].items() if one.saw_context} == {sample.items[0].id}


@needs_node
def test_a_page_that_is_left_open_gives_nothing_to_another_annotator(folder):
    sample = read_sample(folder)
    with serve_in_a_process(folder, "a1") as server, open_page(server.address) as press:
        press("1", "Enter")
        server.kill()
        server.wait()
        press("2")
        with serve_in_a_process(folder, "a2", server.port):
            shown = press("again")
            assert "another annotator or sample is served there now; serve this sample to a1 again" in shown["trouble"]
        with serve_in_a_process(folder, "a1", server.port):
            assert press("again")["trouble"] == ""
    first, second = sample.items[:2]
    found = read_all_annotations(folder, sample)
    assert found["a2"] == {}
    assert {item: one.picks for item, one in found["a1"].items()} == {
        first.id: (first.options[0],),
        second.id: (second.options[1],),
    }


@needs_node
def test_the_page_takes_at_most_five_picks_and_none_of_these_alone(folder):
    item = read_sample(folder).items[0]
    with serve(folder) as server, open_page(server.address) as press:
        assert press("Enter")["said"].startswith("pick up to five")
        assert press("1", "2", "3", "4", "5", "6") | {"picks": ()} == press() | {"said": "at most 5", "picks": ()}
        assert press()["picks"] == list(item.options[:5])
        assert press("7")["picks"] == [NONE]
        assert press("2", "2", "3", "8", "x")["picks"] == [item.options[2]]
        assert press("Enter", "ArrowLeft")["picks"] == [item.options[2]]
        assert server.file.judgements[item.id].picks == (item.options[2],)


def test_what_is_turned_away_is_not_taken_for_the_next_question(folder):
    with serve(folder) as server:
        connection = http.client.HTTPConnection("127.0.0.1", server.server_port, timeout=5)
        body = orjson.dumps({"item": "e1", "picks": [NONE], "is_done": True, "saw_context": False})
        for path, token in (("/save", "stale"), ("/nowhere", server.token)):
            connection.request("POST", path, body=body, headers={"x-token": token})
            assert connection.getresponse().read().startswith(b'{"error":')
            connection.request("GET", "/items", headers={"x-token": server.token})
            assert orjson.loads(connection.getresponse().read())["judgements"] == {}
        connection.close()


def test_a_full_disk_is_told_and_the_next_click_tears_no_line(folder):
    sample = read_sample(folder)
    path = folder / FOLDER_NAME / "a1" / "judgements.jsonl"
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    with serve(folder) as server:
        save(server, sample.items[0].id, [NONE])
        resource.setrlimit(resource.RLIMIT_FSIZE, (path.stat().st_size + 20, limits[1]))
        try:
            status, content, _ = save(server, sample.items[1].id, [NONE])
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, limits)
        assert (status, "make room and click again" in orjson.loads(content)["error"]) == (507, True)
        assert list(server.file.judgements) == [sample.items[0].id]
        assert save(server, sample.items[1].id, [sample.items[1].options[0]])[0] == 200
        assert save(server, sample.items[2].id, [NONE])[0] == 200
    found = read_annotations(path, sample)
    assert {item: one.picks for item, one in found.items()} == {
        sample.items[0].id: (NONE,),
        sample.items[1].id: (sample.items[1].options[0],),
        sample.items[2].id: (NONE,),
    }


def test_a_sitting_that_ends_on_a_full_disk_says_so_and_keeps_what_was_answered(folder):
    sample = read_sample(folder)
    path = folder / FOLDER_NAME / "a1" / "judgements.jsonl"
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    judgement = Judgement(picks=(NONE,), is_done=True, saw_context=False)
    try:
        with pytest.raises(OutputError, match="make room"), open_annotations(folder, sample, "a1") as file:  # noqa: PT012
            file.save(sample.items[0].id, judgement)
            resource.setrlimit(resource.RLIMIT_FSIZE, (path.stat().st_size + 20, limits[1]))
            with pytest.raises(OutputError, match="make room"):
                file.save(sample.items[1].id, judgement)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    with open_annotations(folder, sample, "a1") as file:
        assert file.judgements == {sample.items[0].id: judgement}
        file.save(sample.items[1].id, judgement)
    assert len(read_annotations(path, sample)) == 2
