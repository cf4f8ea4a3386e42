"""The page as people meet it: a real browser, a real server, a scripted model that takes its time."""

from __future__ import annotations

import os
import re
import socket
from collections.abc import Generator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, Request, expect, sync_playwright

from caesura.messages.content import ThinkingBlock, text_of, thinking_of
from caesura.messages.errors import OverloadedError
from caesura.messages.request import Thinking
from caesura.messages.scripted import ScriptedClient, ScriptedReply
from caesura.web.controls import EXAMPLES
from tests.web.serving import page_app, serving

pytestmark = [
    pytest.mark.browser,
    # Gradio uses what the pandas that it installs has deprecated.
    pytest.mark.filterwarnings("ignore:.*no_silent_downcasting"),
    pytest.mark.filterwarnings("ignore:The copy keyword is deprecated"),
]

CHROMIUM_FLAGS = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)
DESK = (1280, 900)
PHONE = (390, 844)
# How long a block takes to open, so that screenshots show what was waited for.
UNFOLDING_MS = 500
THOUGHT = "Start with 7.\n7 * 3 = 21\n21 + 8 = 29\n29 - 5 = 24\n" * 2
SLOW = ScriptedReply(thinking=THOUGHT, text="The answer is **24**. It is *not* 3*4*5.", delay_s=0.04)


@pytest.fixture(scope="module")
def browser() -> Generator[Browser]:
    path = Path(os.environ.get("CHROMIUM", "/usr/bin/chromium"))
    if not path.exists():
        pytest.fail(
            f"there is no Chromium at {path}: apt-get install chromium, or set CHROMIUM to where it is,"
            " or leave these tests out with -m 'not browser'"
        )
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=CHROMIUM_FLAGS)
        yield browser
        browser.close()


@pytest.fixture
def screenshots(tmp_path: Path) -> Path:
    folder = Path(os.environ.get("CAESURA_SCREENSHOTS", tmp_path))
    folder.mkdir(parents=True, exist_ok=True)
    return folder


@pytest.fixture
def context(browser: Browser, request: pytest.FixtureRequest) -> Generator[BrowserContext]:
    width, height = getattr(request, "param", DESK)
    context = browser.new_context(viewport={"width": width, "height": height})
    yield context
    context.close()


def open_page(context: BrowserContext, url: str) -> Page:
    page = context.new_page()
    page.set_default_timeout(15_000)
    page.goto(url)
    expect(page.get_by_placeholder("Ask something")).to_be_visible(timeout=15_000)
    expect(page.get_by_role("button", name="Send")).to_be_visible()
    return page


def ask(page: Page, question: str) -> None:
    page.get_by_placeholder("Ask something").fill(question)
    page.get_by_role("button", name="Send").click()


def foreign(requests: list[Request], url: str) -> list[str]:
    return [request.url for request in requests if not request.url.startswith((url, "data:", "blob:"))]


@pytest.mark.parametrize("context", [DESK, PHONE], ids=["desk", "phone"], indirect=True)
def test_a_question_is_thought_about_and_answered(
    context: BrowserContext, screenshots: Path, request: pytest.FixtureRequest
) -> None:
    name = request.node.callspec.id
    client = ScriptedClient(otherwise=SLOW)
    requests: list[Request] = []
    context.on("request", lambda sent: requests.append(sent))
    with serving(page_app(client)) as url:
        page = open_page(context, url)
        expect(page).to_have_title("Caesura")
        for example in EXAMPLES:
            expect(page.get_by_role("button", name=example)).to_be_visible()
        page.screenshot(path=screenshots / f"{name}-1-empty.png")

        ask(page, "Start with 7. Multiply by 3, add 8, then subtract 5.")
        chat = page.locator("#chat")
        title = chat.get_by_text(re.compile(r"thinking: \d+ of 256 tokens"))
        expect(title).to_be_visible()
        expect(chat.get_by_text("7 * 3 = 21").first).to_be_visible()
        page.wait_for_timeout(UNFOLDING_MS)
        page.screenshot(path=screenshots / f"{name}-2-thinking.png")

        expect(chat.locator("strong")).to_have_text("24")
        expect(
            chat.get_by_text(re.compile(r"tokens in · 36 thinking · 8 answer · \d+ tokens/s"))
        ).to_be_visible()
        expect(chat.get_by_text("thinking: 36 of 256 tokens")).to_be_visible()
        expect(chat.get_by_text("7 * 3 = 21")).to_have_count(0)
        page.screenshot(path=screenshots / f"{name}-3-answer.png")

        title.click()
        expect(chat.get_by_text("7 * 3 = 21").first).to_be_visible()
        page.wait_for_timeout(UNFOLDING_MS)
        page.screenshot(path=screenshots / f"{name}-4-unfolded.png")
        page.get_by_role("button", name="Settings").click()
        expect(page.get_by_label("System prompt")).to_be_visible()
        page.screenshot(path=screenshots / f"{name}-5-settings.png", full_page=True)

        width = page.viewport_size["width"] if page.viewport_size else 0
        assert page.evaluate("document.documentElement.scrollWidth") <= width
        assert requests
        assert foreign(requests, url) == []


@pytest.mark.parametrize("context", [PHONE], ids=["dark"], indirect=True)
def test_a_dark_page_is_dark(context: BrowserContext, screenshots: Path) -> None:
    with serving(page_app(ScriptedClient(otherwise="Good evening."))) as url:
        page = open_page(context, url)
        page.emulate_media(color_scheme="dark")
        page.reload()
        ask(page, "Hello")
        expect(page.get_by_text("Good evening.")).to_be_visible()
        page.screenshot(path=screenshots / "dark.png")
        colour = page.evaluate("getComputedStyle(document.body).backgroundColor")
        assert max(int(part) for part in re.findall(r"\d+", colour)[:3]) < 64


def test_stop_keeps_what_was_said_and_retry_asks_again(context: BrowserContext, screenshots: Path) -> None:
    endless = ScriptedReply(thinking="thought " * 5, text="word " * 5000, delay_s=0.03)
    client = ScriptedClient([endless, "The second answer."])
    with serving(page_app(client)) as url:
        page = open_page(context, url)
        chat = page.locator("#chat")
        ask(page, "Talk for ever")
        expect(chat.get_by_text(re.compile("word word word"))).to_be_visible()
        page.get_by_role("button", name="Stop").click()
        expect(chat.get_by_text(re.compile("^stopped · "))).to_be_visible(timeout=3000)
        assert client.num_closed_early == 1
        expect(chat.get_by_text(re.compile("word word word"))).to_be_visible()
        expect(page.get_by_role("button", name="Send")).to_be_visible()
        page.screenshot(path=screenshots / "stopped.png")

        page.get_by_role("button", name="Retry").click()
        expect(chat.get_by_text("The second answer.")).to_be_visible()
        expect(chat.get_by_text(re.compile("word word word"))).to_have_count(0)
        first, second = client.history
        assert first.conversation == second.conversation

        page.get_by_role("button", name="Clear").click()
        expect(chat.get_by_text("The second answer.")).to_have_count(0)
        expect(chat.get_by_text(EXAMPLES[0])).to_be_visible()


def test_closing_the_tab_ends_its_reply(context: BrowserContext) -> None:
    client = ScriptedClient([ScriptedReply(text="word " * 5000, delay_s=0.03)])
    with serving(page_app(client)) as url:
        page = open_page(context, url)
        ask(page, "Talk for ever")
        expect(page.locator("#chat").get_by_text(re.compile("word word"))).to_be_visible()
        page.close()
        other = context.new_page()
        for _ in range(100):
            if client.num_closed_early:
                break
            other.wait_for_timeout(100)
        assert client.num_closed_early == 1


def test_the_next_question_carries_the_signed_thought(context: BrowserContext) -> None:
    client = ScriptedClient(
        [ScriptedReply(thinking="7 * 3 = 21", text="21"), ScriptedReply(thinking="21 + 8 = 29", text="29")]
    )
    with serving(page_app(client)) as url:
        page = open_page(context, url)
        chat = page.locator("#chat")
        page.get_by_role("button", name=EXAMPLES[0]).click()
        expect(chat.get_by_text(re.compile("tokens in"))).to_have_count(1)
        ask(page, "Add 8")
        expect(chat.get_by_text(re.compile("tokens in"))).to_have_count(2)
    question, answer, _ = client.history[1].conversation.turns
    assert text_of(question.content) == EXAMPLES[0]
    assert (thinking_of(answer.content), text_of(answer.content)) == ("7 * 3 = 21", "21")
    assert [block.signature for block in answer.content if isinstance(block, ThinkingBlock)] == ["scripted"]


def test_the_controls_decide_how_long_it_thinks(context: BrowserContext) -> None:
    client = ScriptedClient(otherwise=ScriptedReply(thinking="hm hm hm", text="Yes."))
    with serving(page_app(client)) as url:
        page = open_page(context, url)
        chat, tokens = page.locator("#chat"), page.get_by_label("Tokens", exact=True)
        slider = page.locator("#steps input[type=range]")
        slider.focus()
        slider.press("ArrowLeft")
        slider.press("ArrowLeft")
        expect(tokens).to_have_value("64")
        ask(page, "one")
        expect(chat.get_by_text("thinking: 3 of 64 tokens")).to_be_visible()
        expect(chat.get_by_text(re.compile("tokens in"))).to_have_count(1)
        tokens.fill("100")
        tokens.blur()
        ask(page, "two")
        expect(chat.get_by_text("thinking: 3 of 100 tokens")).to_be_visible()
        expect(chat.get_by_text(re.compile("tokens in"))).to_have_count(2)
        page.get_by_label("Off").check()
        expect(tokens).to_be_hidden()
        ask(page, "three")
        expect(chat.get_by_text(re.compile("tokens in"))).to_have_count(3)
        page.get_by_label("Adaptive").check()
        ask(page, "four")
        expect(chat.get_by_text(re.compile("tokens in"))).to_have_count(4)
    assert [request.thinking for request in client.history] == [
        Thinking(mode="enabled", budget_tokens=64),
        Thinking(mode="enabled", budget_tokens=100),
        Thinking(),
        Thinking(mode="adaptive"),
    ]


def test_an_error_is_told_in_the_chat(context: BrowserContext, screenshots: Path) -> None:
    client = ScriptedClient([OverloadedError("Overloaded: 9 requests wait already"), "Now it works."])
    with serving(page_app(client)) as url:
        page = open_page(context, url)
        ask(page, "Hello")
        expect(page.get_by_role("alert")).to_contain_text("The server is busy")
        page.screenshot(path=screenshots / "error.png")
        page.get_by_role("button", name="Retry").click()
        expect(page.get_by_text("Now it works.")).to_be_visible()


def test_a_picture_in_an_answer_is_fetched_from_nowhere(context: BrowserContext) -> None:
    with socket.create_server(("127.0.0.1", 0)) as elsewhere:
        elsewhere.settimeout(1)
        spy = f"http://127.0.0.1:{elsewhere.getsockname()[1]}/spy.png"
        answer = f"Look: ![x]({spy}) <img src='{spy}'> <link rel=stylesheet href='{spy}'> done"
        with serving(page_app(ScriptedClient(otherwise=answer))) as url:
            page = open_page(context, url)
            ask(page, "Hello")
            expect(page.get_by_text(re.compile("tokens in"))).to_be_visible()
            with pytest.raises(TimeoutError):
                elsewhere.accept()


def test_with_keys_the_page_opens_with_one_and_asks_with_it(browser: Browser) -> None:
    client = ScriptedClient(otherwise="Welcome.")
    with serving(page_app(client, keys=("sesame",))) as url:
        context = browser.new_context(http_credentials={"username": "any", "password": "sesame"})
        page = open_page(context, url)
        ask(page, "Hello")
        expect(page.get_by_text("Welcome.")).to_be_visible()
        context.close()
        stranger = browser.new_context()
        response = stranger.request.get(url)
        assert response.status == 401
        stranger.close()
