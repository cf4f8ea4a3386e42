from __future__ import annotations

from collections.abc import Generator

import httpx
import pytest

from caesura.messages.scripted import ScriptedClient
from caesura.web.offline import MAX_BODY_BYTES
from tests.web.serving import page_app, serving


@pytest.fixture(scope="module")
def page() -> Generator[httpx.Client]:
    with (
        serving(page_app(ScriptedClient(otherwise="Hello."))) as url,
        httpx.Client(base_url=url, trust_env=False) as http,
    ):
        yield http


def test_the_page_is_at_the_root_and_names_no_other_host(page: httpx.Client) -> None:
    response = page.get("/", headers={"accept-encoding": "br, gzip"})
    assert response.status_code == 200
    assert "<title>" in response.text or "Caesura" in response.text
    head = response.text.split("window.gradio_config")[0]
    assert "http://" not in head
    assert "https://" not in head
    assert "og:image" not in response.text
    assert "fonts.googleapis" not in response.text


def test_the_browser_is_told_to_fetch_from_nowhere_else(page: httpx.Client) -> None:
    for path in ("/", "/theme.css"):
        policy = page.get(path).headers["content-security-policy"]
        assert "default-src 'self'" in policy
        assert "http" not in policy


def test_head_at_the_root_still_answers_api_clients(page: httpx.Client) -> None:
    assert page.head("/").status_code == 200


def test_the_api_wins_over_the_page(page: httpx.Client) -> None:
    body = {"model": "scripted", "max_tokens": 9, "messages": [{"role": "user", "content": "Hi"}]}
    reply = page.post("/v1/messages", json=body).json()
    assert reply["content"] == [{"type": "text", "text": "Hello."}]


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [("GET", "/v1/messages", 405), ("GET", "/v1/nothing", 404), ("POST", "/", 405), ("GET", "/nothing", 404)],
)
def test_the_api_answers_for_what_is_not_the_pages(
    page: httpx.Client, method: str, path: str, status: int
) -> None:
    response = page.request(method, path)
    assert response.status_code == status
    assert response.json()["type"] == "error"


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("POST", "/gradio_api/upload"),
        ("GET", "/gradio_api/file=/etc/passwd"),
        ("GET", "/gradio_api/proxy=http://127.0.0.1/"),
        ("GET", "/monitoring"),
        ("GET", "/gradio_api/info"),
        ("GET", "/assets/../../../../../../etc/passwd"),
        ("GET", "/static/%2e%2e/%2e%2e/%2e%2e/%2e%2e/etc/passwd"),
        ("POST", "/login"),
    ],
)
def test_what_the_page_does_not_need_is_not_there(page: httpx.Client, method: str, path: str) -> None:
    response = page.request(method, path)
    assert response.status_code in (403, 404)
    assert "root:" not in response.text


def assert_envelope(response: httpx.Response, error_type: str) -> None:
    body = response.json()
    assert body["error"]["type"] == error_type
    assert body["request_id"] == response.headers["request-id"]


@pytest.mark.parametrize(
    ("method", "path", "body", "status", "error_type"),
    [
        ("POST", "/gradio_api/queue/join", b"{}", 400, "invalid_request_error"),
        ("POST", "/gradio_api/queue/join", b"no json", 400, "invalid_request_error"),
        ("POST", "/gradio_api/queue/join", b'"secret words"', 400, "invalid_request_error"),
        ("GET", "/gradio_api/queue/data", b"", 400, "invalid_request_error"),
        ("GET", "/static/nothing.js", b"", 404, "not_found_error"),
        ("GET", "/assets/../../../../../../etc/passwd", b"", 404, "not_found_error"),
        ("GET", "/static/%2e%2e/%2e%2e/%2e%2e/etc/passwd", b"", 403, "permission_error"),
    ],
)
def test_the_pages_errors_have_the_envelope(
    page: httpx.Client, method: str, path: str, body: bytes, status: int, error_type: str
) -> None:
    headers = {"content-type": "application/json"}
    response = page.request(method, path, content=body, headers=headers)
    assert response.status_code == status
    assert_envelope(response, error_type)


FAULTY = [
    b"[1]",
    b'{"fn_index": 99, "data": ["secret words"], "session_hash": "a"}',
    b'{"fn_index": 0, "data": "secret words"}',
    b'{"fn_index": 0, "data": ["secret words"], "session_hash": 7}',
    b'{"data": ["secret words"]}',
    b'{"fn_index": 0, "data": ["secret words"], "session_hash": "a", "event_data": "secret words"}',
]


@pytest.mark.parametrize("body", FAULTY)
@pytest.mark.parametrize("path", ["queue/join", "run/predict", "cancel", "reset"])
def test_what_a_visitor_sends_is_not_logged_or_told_to_others(
    page: httpx.Client,
    capfd: pytest.CaptureFixture[str],
    caplog: pytest.LogCaptureFixture,
    path: str,
    body: bytes,
) -> None:
    headers = {"content-type": "application/json"}
    response = page.post(f"/gradio_api/{path}", content=body, headers=headers)
    if response.status_code >= 400:
        assert_envelope(response, response.json()["error"]["type"])
    assert "secret" not in response.text + caplog.text + "".join(capfd.readouterr())


def test_a_body_for_the_page_is_limited_too(page: httpx.Client) -> None:
    headers = {"content-type": "application/json"}
    response = page.post("/gradio_api/queue/join", content=b" " * (MAX_BODY_BYTES + 1), headers=headers)
    assert response.status_code == 413
    assert_envelope(response, "request_too_large")
