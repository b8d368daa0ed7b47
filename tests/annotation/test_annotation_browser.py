"""The page in a real browser: judged with the keyboard alone, whatever breaks, by whoever, in whatever size."""

import shutil
import signal
from contextlib import contextmanager
from functools import partial

import pytest

pytest.importorskip("playwright")

from playwright import sync_api
from serving import serve_in_a_process

from sentire.annotation.annotations import read_all_annotations
from sentire.annotation.pairs import Pair, draw_pairs
from sentire.annotation.questions import ALIKE, EMOTIONS, FIRST, MORE_EMOTIONAL, NONE, SECOND
from sentire.annotation.rewriting_scores import score_rewritings
from sentire.annotation.sample import Item, Key, draw_sample, make_sample, read_key, read_sample, write_sample
from sentire.annotation.scoring import score_annotations
from sentire.core.labels import GOEMOTIONS
from sentire.core.records import Example

CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)

pytestmark = [
    pytest.mark.browser,
    pytest.mark.skipif(CHROMIUM is None, reason="no Chromium on the PATH"),
]

ARGUMENTS = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)

PATIENCE_MILLISECONDS = 20_000

DESK, PHONE, NARROW = {"width": 1280, "height": 800}, {"width": 390, "height": 844}, {"width": 320, "height": 600}

LABELS = ("joy", "sadness", "anger", "fear", "surprise", "pride", NONE)

TEXTS = {
    "plain": (
        "I never thought the kettle would outlive the cat.",
        ("She moved house.", "What is left of the kitchen?"),
    ),
    "html": (
        "<b>so</b> <script>document.title = 1</script><img src=x onerror='document.title = 2'> &amp;",
        ("<i>a</i>",),
    ),
    "emoji": ("I am 😭 so happy 👨‍👩‍👧‍👦 right now 🥹", ()),
    "rtl": ("אני כל כך שמח שבאת! (really)", ("שלום, מה שלומך?", "Fine, thanks.")),
    "long": ("On and on. " * 400 + "w" * 300, ("c" * 300, "the turn before " * 100)),
    "longer": ("And on and on. " * 400, ()),
    "lines": ("  one\n\n  two", ("a turn\nof two lines", "another")),
}


def write_emotions(folder):
    examples = [
        Example(id=f"e{k}", text=f"text {k}", context=(f"secret {k}",), labels=("joy",), scores={"joy": 0.9})
        for k in range(20)
    ]
    write_sample(folder, *draw_sample(examples, GOEMOTIONS, name="own:test", n=20, neutral_share=0))


def write_versions(folder):
    versions = [
        Pair(
            original=Example(id=f"e{k}", text=f"loud {k}", context=(f"secret {k}",)),
            rewritten=Example(id=f"e{k}", text=f"calm {k}", context=(f"secret {k}",)),
        )
        for k in range(20)
    ]
    write_sample(folder, *draw_pairs(versions, name="own:test", n=20))


def write_odd_texts(folder, question=EMOTIONS):
    is_pair = question == MORE_EMOTIONAL
    options = (FIRST, SECOND, ALIKE) if is_pair else LABELS
    items = [
        Item(id=name, texts=(text, f"{text} Well.") if is_pair else (text,), context=context, options=options)
        for name, (text, context) in TEXTS.items()
    ]
    name = "data/of/a/long/name/rewritten.toml:test and data/of/a/long/name/original.toml:test"
    sample = make_sample(name, question, items)
    write_sample(folder, sample, Key(fingerprint=sample.fingerprint))


@pytest.fixture(scope="module")
def browser():
    with sync_api.sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=ARGUMENTS)
        yield browser
        browser.close()


@contextmanager
def open_page(browser, address, *, allowed=(), **options):
    """Open the page; at the end, it has asked nobody else for anything, and the console holds nothing but `allowed`."""
    context = browser.new_context(**{"viewport": DESK, **options})
    context.set_default_timeout(PATIENCE_MILLISECONDS)
    sync_api.expect.set_options(timeout=PATIENCE_MILLISECONDS)
    page, told, asked = context.new_page(), [], []
    page.on("console", lambda message: told.append(message.text))
    page.on("pageerror", lambda error: told.append(str(error)))
    page.on("request", lambda request: asked.append(request.url))
    page.goto(address)
    page.locator("body[data-ready=yes]").wait_for()
    try:
        yield page
    finally:
        context.close()
    assert [one for one in told if not any(words in one for words in allowed)] == []
    assert [one for one in asked if not one.startswith(address.split("?")[0])] == []


def press(page, *keys):
    for key in keys:
        page.keyboard.press(key)


def go_to(page, name):
    """Go back as far as that item, and on, picking the first option, as far as it."""
    press(page, *["ArrowLeft"] * len(TEXTS))
    while page.locator("body").get_attribute("data-item") != name:
        if not get_picks(page):
            press(page, "1")
        press(page, "Enter")


def get_picks(page):
    """Return the places of the options that are picked, from 1."""
    pressed = page.locator("#options button").evaluate_all("all => all.map((one) => one.ariaPressed)")
    return [place for place, one in enumerate(pressed, start=1) if one == "true"]


def expect_saved(page):
    sync_api.expect(page.locator("#trouble")).to_be_empty()
    assert page.evaluate("async () => { await queue; return unsaved.size; }") == 0


def expect_words(page, name, words):
    sync_api.expect(page.locator(f"#{name}")).to_have_text(words)


def expect_trouble(page):
    sync_api.expect(page.locator("#trouble")).to_contain_text("not saved yet: the server does not answer")
    sync_api.expect(page.locator("#safe")).to_be_hidden()


# What Chromium itself says of a server that is killed, and of one that was started anew and does not know the page yet.
KILLED = ("net::ERR_CONNECTION", "net::ERR_EMPTY_RESPONSE", "net::ERR_SOCKET_NOT_CONNECTED", "status of 403")


@pytest.mark.parametrize(
    ("write", "n_options", "score"),
    [(write_emotions, 7, score_annotations), (write_versions, 3, score_rewritings)],
    ids=["emotions", "versions"],
)
def test_two_people_judge_twenty_items_with_the_keyboard_alone_and_nothing_is_lost(
    browser, tmp_path, write, n_options, score
):
    write(tmp_path)
    sample = read_sample(tmp_path)
    pressed = {}
    open_own = partial(open_page, browser, allowed=KILLED)
    for shift, annotator in enumerate(("a1", "a2")):
        keys = [str(1 + (place + shift) % n_options) for place in range(20)]
        pressed[annotator] = {
            item.id: (item.options[int(key) - 1],) for item, key in zip(sample.items, keys, strict=True)
        }
        with serve_in_a_process(tmp_path, annotator) as server, open_own(server.address) as page:
            expect_words(page, "where", "1 of 20, 0 done")
            expect_words(page, "asked", sample.question.words)
            sync_api.expect(page.locator("#context")).to_be_hidden()
            assert "secret" not in page.content()
            press(page, "c")
            expect_words(page, "context", sample.items[0].context[0])
            for key in keys[:9]:
                press(page, key, "Enter")
            expect_words(page, "where", "10 of 20, 9 done")
            sync_api.expect(page.locator("#context")).to_be_hidden()
            port = server.port
            press(page, keys[9])
            server.kill()  # while the last key is on its way
            server.wait()
            press(page, "Enter", keys[10])
            expect_trouble(page)
            press(page, "Enter", "c")  # nobody is there to tell the context
            sync_api.expect(page.locator("#said")).to_contain_text("the server does not answer; press the key again")
            expect_words(page, "where", "12 of 20, 11 done")
            with serve_in_a_process(tmp_path, annotator, port):
                expect_saved(page)
                sync_api.expect(page.locator("#safe")).to_be_visible()
                press(page, "ArrowLeft", "ArrowLeft")
                expect_words(page, "where", "10 of 20, 11 done")
                assert get_picks(page) == [int(keys[9])]
                press(page, keys[9])  # undone: then it is not done either
                expect_words(page, "where", "10 of 20, 10 done")
                assert get_picks(page) == []
                press(page, "Enter")
                expect_words(page, "said", sample.question.how)
                expect_saved(page)
        found = read_all_annotations(tmp_path, sample)[annotator]
        assert [found[item.id].is_done for item in sample.items[:11]] == [True] * 9 + [False, True]
        with (
            serve_in_a_process(tmp_path, annotator) as server,
            open_own(server.address) as page,
        ):  # the laptop was closed
            expect_words(page, "where", "10 of 20, 10 done")
            press(page, keys[9], "Enter")
            assert get_picks(page) == [int(keys[10])]
            press(page, "Enter")
            for key in keys[11:]:
                press(page, key, "Enter")
            expect_words(page, "said", "all done: thank you")
            expect_words(page, "where", "20 of 20, 20 done")
            expect_saved(page)
        with serve_in_a_process(tmp_path, annotator) as server, open_own(server.address) as page:
            expect_words(page, "said", "all done: thank you")
            expect_words(page, "context", sample.items[0].context[0])
    found = read_all_annotations(tmp_path, sample)
    assert {alias: {item: one.picks for item, one in said.items()} for alias, said in found.items()} == pressed
    assert all(one.is_done for said in found.values() for one in said.values())
    for said in found.values():
        assert {item for item, one in said.items() if one.saw_context} == {sample.items[0].id}
    assert score(sample, read_key(tmp_path), found).annotators == {"a1": 20, "a2": 20}


def test_a_server_that_hangs_is_told_and_the_page_is_not_closed_without_asking(browser, tmp_path):
    write_emotions(tmp_path)
    sample = read_sample(tmp_path)
    with serve_in_a_process(tmp_path, "a1") as server, open_page(browser, server.address) as page:
        server.send_signal(signal.SIGSTOP)
        press(page, "2")
        with page.expect_event("dialog") as asked:  # before anything has failed
            page.close(run_before_unload=True)
        assert asked.value.type == "beforeunload"
        asked.value.dismiss()
        press(page, "Enter", "3", "3", "1")
        expect_trouble(page)
        server.send_signal(signal.SIGCONT)
        expect_saved(page)
        found = read_all_annotations(tmp_path, sample)["a1"]
        page.close(run_before_unload=True)  # which nothing holds up any more
    assert {item: (one.picks, one.is_done) for item, one in found.items()} == {
        sample.items[0].id: ((sample.items[0].options[1],), True),
        sample.items[1].id: ((sample.items[1].options[0],), False),
    }


def get_focus(page):
    return page.evaluate("document.activeElement.id || document.activeElement.textContent")


def test_everything_is_reached_with_tab_and_does_what_it_says(browser, tmp_path):
    write_odd_texts(tmp_path)
    with serve_in_a_process(tmp_path, "a1") as server, open_page(browser, server.address) as page:
        assert get_focus(page) == "item"
        order = []
        for _ in range(10):
            press(page, "Tab")
            order.append(get_focus(page))
        assert order == [f"{number} {label}" for number, label in enumerate(LABELS, start=1)] + ["back", "ask", "next"]
        press(page, "Shift+Tab", "Enter")  # on the button for the context, and not further
        expect_words(page, "where", "1 of 7, 0 done")
        sync_api.expect(page.locator("#context")).to_contain_text("She moved house.")
        assert get_focus(page) == "item"  # from which the context is read
        press(page, "Tab", "Tab", "Space")
        assert (get_picks(page), get_focus(page)) == ([2], "2 sadness")
        press(page, "Tab", "Enter")
        assert (get_picks(page), get_focus(page)) == ([2, 3], "3 anger")
        press(page, "2")
        assert (get_picks(page), get_focus(page)) == ([3], "3 anger")
        press(page, *["Tab"] * 6)
        assert get_focus(page) == "next"  # past the button for a context that is there already
        press(page, "Enter")
        expect_words(page, "where", "2 of 7, 1 done")
        assert get_focus(page) == "item"
        press(page, *["Tab"] * 8, "Space")
        expect_words(page, "where", "1 of 7, 1 done")
        expect_saved(page)


def test_after_a_click_enter_goes_on(browser, tmp_path):
    write_odd_texts(tmp_path)
    with serve_in_a_process(tmp_path, "a1") as server, open_page(browser, server.address) as page:
        page.get_by_role("button", name="2 sadness").click()
        press(page, "Enter")
        expect_words(page, "where", "2 of 7, 1 done")
        expect_saved(page)
    with (
        serve_in_a_process(tmp_path, "a1") as server,
        open_page(browser, server.address, viewport=PHONE, has_touch=True) as page,
    ):
        page.get_by_role("button", name="7 none of these").tap()
        page.get_by_role("button", name="next").tap()
        expect_words(page, "where", "3 of 7, 2 done")
        sync_api.expect(page.get_by_role("button", name="no context")).to_be_disabled()
        expect_saved(page)


def test_a_key_that_is_held_counts_once_and_other_keyboards_have_digits_too(browser, tmp_path):
    write_odd_texts(tmp_path)
    with serve_in_a_process(tmp_path, "a1") as server, open_page(browser, server.address) as page:
        for _ in range(2):
            page.keyboard.down("1")  # the second time, as a keyboard repeats it
        page.keyboard.up("1")
        assert get_picks(page) == [1]
        session = page.context.new_cdp_session(page)
        for kind in ("keyDown", "keyUp"):  # the key of 2 on a French keyboard
            session.send("Input.dispatchKeyEvent", {"type": kind, "key": "é", "code": "Digit2", "text": "é"})
        assert get_picks(page) == [1, 2]
        press(page, "C")
        sync_api.expect(page.locator("#context")).to_be_visible()
        press(page, "Control+3", "Alt+3")
        assert get_picks(page) == [1, 2]
        expect_saved(page)


def test_a_reader_of_screens_is_told_what_is_seen(browser, tmp_path):
    write_odd_texts(tmp_path, MORE_EMOTIONAL)
    text = TEXTS["plain"][0]
    with serve_in_a_process(tmp_path, "a1") as server, open_page(browser, server.address) as page:
        press(page, "c", "2")
        sync_api.expect(page.locator("#context")).to_be_visible()
        sync_api.expect(page.locator("main")).to_match_aria_snapshot(f"""
            - main:
              - heading "Which of the two is more emotional?" [level=1]
              - group "context first {text} second {text} Well.":
                - group "context":
                  - paragraph: She moved house.
                  - paragraph: What is left of the kitchen?
                - heading "first" [level=2]
                - paragraph: {text}
                - heading "second" [level=2]
                - paragraph: {text} Well.
              - group "Which of the two is more emotional? pick one":
                - button "1 the first is more emotional"
                - button "2 the second is more emotional" [pressed]
                - button "3 both alike"
              - status
              - button "← back"
              - button "c context" [disabled]
              - button "Enter next"
              - alert
            """)
        press(page, "Enter")
        bar = page.get_by_role("progressbar", name="done")
        assert [bar.get_attribute(f"aria-value{name}") for name in ("min", "now", "max")] == ["0", "1", "7"]
        expect_saved(page)


def test_texts_are_shown_as_they_are(browser, tmp_path):
    write_odd_texts(tmp_path)
    with serve_in_a_process(tmp_path, "a1") as server, open_page(browser, server.address) as page:
        for name, (text, context) in TEXTS.items():
            go_to(page, name)
            if context:
                press(page, "c")
                sync_api.expect(page.locator("#context")).to_be_visible()
            assert page.locator("#texts p").all_text_contents() == [text]
            assert page.locator("#context p").all_text_contents() == list(context)
            assert page.locator("#item").locator("b, i, script, img").count() == 0
            assert page.title() == "Sentire: annotate"
        go_to(page, "rtl")
        directions = "all => all.map((one) => getComputedStyle(one).direction)"
        assert page.locator("#item p").evaluate_all(directions) == ["rtl", "ltr", "rtl"]
        go_to(page, "lines")
        assert page.locator("#texts p").evaluate("one => one.innerText") == TEXTS["lines"][0]
        expect_saved(page)


# Least contrast of a text, and of the edge of a button, with what is behind it; both as WCAG 2.2 counts them.
CONTRASTS = """
() => {
  const canvas = document.createElement("canvas"), pen = canvas.getContext("2d", { willReadFrequently: true });
  const paint = (...colours) => {
    for (const colour of colours) { pen.fillStyle = colour; pen.fillRect(0, 0, 1, 1); }
    const [red, green, blue] = [...pen.getImageData(0, 0, 1, 1).data].map((one) =>
      one / 255 <= .04045 ? one / 255 / 12.92 : ((one / 255 + .055) / 1.055) ** 2.4);
    return .2126 * red + .7152 * green + .0722 * blue;
  };
  document.body.style.outlineColor = "Canvas";
  const base = getComputedStyle(document.body).outlineColor;
  const behind = (part) => part ? [...behind(part.parentElement), getComputedStyle(part).backgroundColor] : [base];
  const compare = (part, colour, ground) => {
    const [dark, light] = [paint(...ground), paint(...ground, colour)].sort((one, other) => one - other);
    return [(light + .05) / (dark + .05), part.id || part.textContent];
  };
  const least = (all) => all.sort(([one], [other]) => one - other)[0];
  const isShown = (part) => part.checkVisibility() && !part.closest(":disabled");
  const parts = [...document.body.querySelectorAll("*")].filter(isShown);
  const written = parts.filter((part) => [...part.childNodes].some((one) => one.nodeType === 3 && one.data.trim()));
  return [
    least(written.map((part) => compare(part, getComputedStyle(part).color, behind(part)))),
    least(parts.filter((part) => part.tagName === "BUTTON").map((part) =>
      compare(part, getComputedStyle(part).borderTopColor, behind(part.parentElement)))),
  ];
}
"""


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_all_words_can_be_told_from_what_is_behind_them(browser, tmp_path, scheme):
    write_odd_texts(tmp_path)
    with (
        serve_in_a_process(tmp_path, "a1") as server,
        open_page(browser, server.address, color_scheme=scheme, allowed=KILLED) as page,
    ):
        press(page, "Enter", "c")
        sync_api.expect(page.locator("#context")).to_be_visible()
        sync_api.expect(page.locator("#said")).not_to_be_empty()
        server.kill()
        server.wait()
        press(page, "6")
        expect_trouble(page)
        press(page, "Enter")
        press(page, "Enter")
        (words, which_words), (edge, which_edge) = page.evaluate(CONTRASTS)
    assert words >= 4.5, which_words
    assert edge >= 3, which_edge


@pytest.mark.parametrize("size", [DESK, PHONE, NARROW], ids=["desk", "phone", "narrow"])
@pytest.mark.parametrize("question", [EMOTIONS, MORE_EMOTIONAL], ids=["emotions", "versions"])
def test_nothing_is_wider_than_the_window_and_every_item_begins_at_its_top(browser, tmp_path, size, question):
    write_odd_texts(tmp_path, question)
    with (
        serve_in_a_process(tmp_path, "a1") as server,
        open_page(browser, server.address, viewport=size, allowed=KILLED) as page,
    ):
        for name, (_, context) in TEXTS.items():
            go_to(page, name)
            if context:
                press(page, "c")
                sync_api.expect(page.locator("#context")).to_be_visible()
            assert page.evaluate("document.documentElement.scrollWidth - innerWidth") <= 0, name
        go_to(page, "long")
        header, end = page.locator("header"), page.locator("footer")
        sync_api.expect(end).not_to_be_in_viewport()
        page.evaluate("scrollTo(0, document.body.scrollHeight)")
        sync_api.expect(header).not_to_be_in_viewport()
        press(page, "Enter")
        sync_api.expect(header).to_be_in_viewport(ratio=1)
        sync_api.expect(end).not_to_be_in_viewport()
        expect_saved(page)
        server.kill()
        server.wait()
        press(page, "2")
        expect_trouble(page)
        sync_api.expect(page.locator("#trouble")).to_be_in_viewport(ratio=1)  # however long the text is
        sync_api.expect(header).to_be_in_viewport(ratio=1)


def test_no_other_page_holds_ours(browser, tmp_path):
    write_emotions(tmp_path)
    with serve_in_a_process(tmp_path, "a1") as server:
        page = browser.new_page()
        with page.expect_console_message(lambda message: "frame-ancestors 'none'" in message.text):
            page.set_content(f'<iframe src="{server.address}"></iframe>')
        page.close()
