"""The sign-in pages, and the authentication middleware."""

from __future__ import annotations

from collections import Counter
from datetime import timedelta
from functools import partial

import httpx
import pytest
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route, WebSocketRoute
from starlette.websockets import WebSocket

from spotlab.access import sign_in as signing_in
from spotlab.access.one_time_links import first_administrator_link
from spotlab.access.passwords import passwords
from spotlab.access.sign_in_throttle import PER_ADDRESS, FailureCounter
from spotlab.api import file_access, identity
from spotlab.api.auth_middleware import AuthMiddleware
from spotlab.api.sign_in import routes
from spotlab.api.sign_in.cookies import device_cookie
from spotlab.api.sign_in.csrf_forms import safe_next_path
from spotlab.domain.access import Right, Role
from spotlab.errors import DatabaseDown, SpotlabError
from spotlab.runtime import app_process
from spotlab.runtime.lab import Lab
from spotlab.services import Services
from spotlab.ui.common.file_owners import ScreenFiles
from tests.support.access import PASSWORD, add_user, lab, quick_passwords
from tests.support.browser import Browser
from tests.support.market import StillClock
from tests.support.people import ANA
from tests.support.racing import SynchronisedPasswords, call_concurrently

__all__ = ["lab", "quick_passwords"]
pytestmark = pytest.mark.usefixtures("quick_passwords")

BASE = "http://spotlab.example"
ORIGIN = {"Origin": BASE}
STREAM = "/_stcore/stream"
SECRET_PATHS = (
    "/_stcore/host-config",
    "/_stcore/upload_file/s/f",
    "/_stcore/script-health-check",
    "/_stcore/agent/openapi.json",
    "/media/0123.png",
    "/component/x/index.html",
)


async def inside(request: Request) -> Response:
    """Stands in for Streamlit: responds with the session token that it received."""
    return PlainTextResponse(f"inside {request.cookies.get('spotlab_session', '')}")


async def stream(websocket: WebSocket) -> None:
    await websocket.accept()
    await websocket.send_text("inside")
    await websocket.close()


def whoami(request: Request) -> Response:
    try:
        return PlainTextResponse(identity.principal_of(request).name)
    except SpotlabError as exc:
        return PlainTextResponse(str(exc), 403)


APP = Starlette(
    routes=[
        *routes.SIGN_IN_ROUTES,
        Route("/api/v1/whoami", whoami, methods=["GET", "POST"]),
        WebSocketRoute(STREAM, stream),
        Route("/{rest:path}", inside, methods=["GET", "POST", "PUT", "DELETE"]),
    ],
    middleware=[Middleware(AuthMiddleware)],
)


@pytest.fixture
def browser(lab: Lab) -> Browser:
    return Browser(APP)


def enter(browser: Browser, name: str = "ana", path: str = "/sign-in") -> httpx.Response:
    return browser.fill(path, name=name, password=PASSWORD)


def forward(lab: Lab, **delta: float) -> None:
    assert isinstance(lab.clock, StillClock)
    lab.clock.forward(**delta)


# The middleware


def test_a_deep_link_leads_to_the_sign_in_and_back(browser: Browser, lab: Lab) -> None:
    add_user(lab)
    refused = browser.get("/candidates?vcpu=4&family=m5%20x")
    assert refused.status_code == 303
    to = refused.headers["location"]
    assert to.startswith("/sign-in?next=%2Fcandidates%3Fvcpu%3D4")
    entered = enter(browser, path=to)
    assert entered.status_code == 303
    assert entered.headers["location"] == "/candidates?vcpu=4&family=m5%20x"
    assert browser.get(entered.headers["location"]).text.startswith("inside ")


@pytest.mark.parametrize("path", SECRET_PATHS)
def test_what_is_no_page_is_refused_in_words(browser: Browser, path: str) -> None:
    for answer in (browser.get(path), browser.ask("PUT", path, content=b"x")):
        assert answer.status_code == 401
        assert "inside" not in answer.text


def test_streamlits_own_metrics_are_closed_to_everybody(browser: Browser, lab: Lab) -> None:
    add_user(lab)
    output = [browser.get("/_stcore/metrics")]
    enter(browser)
    output += [browser.get("/_stcore/metrics"), browser.get("/_stcore/metrics/")]
    lab.settings = lab.settings.model_copy(update={"auth": "off"})
    output.append(
        Browser(APP, "http://127.0.0.1:8501", ("127.0.0.1", 5000)).get("/_stcore/metrics")
    )
    assert [answer.status_code for answer in output] == [403] * 4
    assert "/metrics" in output[0].text


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE"])
def test_nothing_is_written_without_a_session(browser: Browser, method: str) -> None:
    assert browser.ask(method, "/candidates").status_code == 401


@pytest.mark.parametrize("path", ["/healthz", "/_stcore/health", "/static/js/index.js"])
def test_what_holds_nothing_is_open(browser: Browser, path: str) -> None:
    assert browser.get(path).text == "inside "


def test_a_websocket_needs_a_session_and_our_own_page(browser: Browser, lab: Lab) -> None:
    add_user(lab)
    assert browser.open_websocket(STREAM, BASE)["type"] == "websocket.close"
    enter(browser)
    assert browser.open_websocket(STREAM, BASE)["type"] == "websocket.accept"
    for origin in ("https://evil.example", "null", f"{BASE}.evil.example"):
        assert browser.open_websocket(STREAM, origin)["type"] == "websocket.close"


def test_an_expired_token_is_renewed_on_the_way(browser: Browser, lab: Lab) -> None:
    add_user(lab)
    enter(browser)
    before = dict(browser.cookies)
    forward(lab, minutes=20)
    output = browser.get("/candidates").text
    after = dict(browser.cookies)
    assert before["spotlab_session"] != after["spotlab_session"]
    assert before["spotlab_renewal"] != after["spotlab_renewal"]
    assert output == f"inside {after['spotlab_session']}", "what lies behind sees the new one"
    forward(lab, minutes=20)
    accepted = browser.open_websocket(STREAM, BASE)
    assert [name for name, _ in accepted["headers"]] == [b"set-cookie", b"set-cookie"]
    forward(lab, minutes=20)
    browser.cookies.update(before)
    assert browser.get("/candidates").status_code == 303, "a stolen one is worth nothing"


def test_signing_out_ends_the_session_itself(browser: Browser, lab: Lab) -> None:
    add_user(lab)
    enter(browser)
    stolen = dict(browser.cookies)
    assert "Sign ana out?" in browser.get("/sign-out").text
    assert browser.get("/candidates").status_code == 200, "looking signs nobody out"
    done = browser.fill("/sign-out", do="here")
    assert "has ended" in done.text
    assert "spotlab_session" not in browser.cookies
    browser.cookies.update(stolen)
    assert browser.get("/candidates").status_code == 303


def test_a_database_that_is_down_is_told(browser: Browser, monkeypatch: pytest.MonkeyPatch) -> None:
    def down() -> Lab:
        raise DatabaseDown("The database does not answer.")

    monkeypatch.setattr(app_process, "lab", down)
    for path in ("/candidates", "/sign-in"):
        answer = browser.get(path)
        assert answer.status_code == 503
        assert "does not answer" in answer.text


def test_visitors_come_in_where_they_may(browser: Browser, lab: Lab) -> None:
    lab.settings = lab.settings.model_copy(update={"demo_visitors": True})
    assert browser.get("/candidates").text == "inside "
    assert browser.get("/api/v1/whoami").text == "visitor"


def test_a_visitor_sends_no_file_and_is_given_none(browser: Browser, lab: Lab) -> None:
    lab.settings = lab.settings.model_copy(update={"demo_visitors": True})
    for method in ("PUT", "DELETE", "POST"):
        assert browser.ask(method, "/_stcore/upload_file/s/f", content=b"x").status_code == 403
    assert browser.get("/media/0123.csv").status_code == 404
    for path in ("/_stcore/agent/openapi.json", "/_stcore/metrics"):
        assert browser.get(path).status_code == 403


@pytest.mark.parametrize("role", [role for role in Role if role is not Role.DEMO])
def test_a_screen_takes_and_gives_files_of_its_own_user_alone(
    browser: Browser, lab: Lab, role: Role, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Users without a right to upload cannot send files."""
    owners = ScreenFiles()
    monkeypatch.setattr(file_access, "_owners", [owners])
    for name, user in (("own", "ana"), ("foreign", "ben")):
        owners.opened(name, user)
        owners.made(f"/media/{name}.csv", name)
        owners.waits(f"later-{name}", name)
        owners.made(f"/media/later-{name}.csv", owners.screen_of(f"later-{name}"))
    add_user(lab, "ana", role)
    enter(browser)
    takes = role is not Role.VIEWER
    for name, got, sent in (("own", 200, 200), ("foreign", 404, 404), ("none", 404, 404)):
        for path in (f"/media/{name}.csv", f"/media/later-{name}.csv"):
            assert browser.get(path).status_code == got
        for method in ("PUT", "DELETE"):
            answer = browser.ask(method, f"/_stcore/upload_file/{name}/f", content=b"x")
            assert answer.status_code == (sent if takes else 403)


def test_without_sign_in_only_this_machine_is_answered(lab: Lab) -> None:
    lab.settings = lab.settings.model_copy(update={"auth": "off"})
    near, here = "http://127.0.0.1:8501", ("127.0.0.1", 5000)
    assert Browser(APP, near, here).get("/api/v1/whoami").text == "local administrator"
    for other in (Browser(APP, near), Browser(APP, "http://evil.example:8501", here)):
        assert other.get("/candidates").status_code == 403
    evil = {"Origin": "http://evil.example"}
    assert Browser(APP, near, here).post("/api/v1/whoami", headers=evil).status_code == 403


# Cookies and forms


def test_the_cookies_are_for_this_server_alone(lab: Lab) -> None:
    add_user(lab)
    for public, secure in (("", False), ("https://spotlab.example", True)):
        lab.settings = lab.settings.model_copy(update={"public_url": public})
        lines = enter(Browser(APP, public or BASE)).headers.get_list("set-cookie")
        kept = [line for line in lines if "Max-Age=0" not in line]
        names = {line.split("=")[0] for line in kept}
        assert names == {"spotlab_session", "spotlab_renewal", device_cookie("ana")}
        for line in kept:
            assert "HttpOnly" in line
            assert "SameSite=lax" in line
            assert "Path=/" in line
            assert ("Secure" in line) == secure


def test_a_form_of_another_site_is_refused(browser: Browser, lab: Lab) -> None:
    add_user(lab)
    browser.get("/sign-in")
    fields = {"name": "ana", "password": PASSWORD, "form": browser.cookies["spotlab_form"]}
    sent = {
        "another origin": {"Origin": "https://evil.example"},
        "no origin": {},
        "another site": ORIGIN | {"Sec-Fetch-Site": "cross-site"},
    }
    for headers in sent.values():
        assert browser.post("/sign-in", data=fields, headers=headers).status_code == 403
    made_up = fields | {"form": "made.up"}
    assert browser.post("/sign-in", data=made_up, headers=ORIGIN).status_code == 403
    browser.cookies.set("spotlab_form", "made.up")
    assert browser.post("/sign-in", data=made_up, headers=ORIGIN).status_code == 403
    assert "spotlab_session" not in browser.cookies


def test_a_write_to_the_api_with_a_cookie_comes_from_our_own_page(
    browser: Browser, lab: Lab
) -> None:
    add_user(lab)
    enter(browser)
    assert browser.get("/api/v1/whoami").text == "ana"
    assert browser.post("/api/v1/whoami", headers=ORIGIN).text == "ana"
    for headers in ({}, {"Origin": "https://evil.example"}, {"Sec-Fetch-Site": "same-site"}):
        assert browser.post("/api/v1/whoami", headers=headers).status_code == 403


@pytest.mark.parametrize(
    "path",
    [
        "https://evil.example/",
        "//evil.example/",
        "/\\evil.example",
        "/\t/evil.example",
        "\\\\evil.example",
        "javascript:alert(1)",
        "evil.example",
        "/sign-out",
        "/x\r\nSet-Cookie: a=b",
        "/" + "a" * 3000,
        "",
        None,
    ],
)
def test_signing_in_leads_nowhere_else(path: str | None) -> None:
    assert safe_next_path(path) == "/"


def test_the_pages_forbid_scripts_and_frames(browser: Browser) -> None:
    page = browser.get("/sign-in")
    policy = page.headers["content-security-policy"]
    assert "default-src 'none'" in policy
    assert "frame-ancestors 'none'" in policy
    assert "script" not in policy
    assert page.headers["cache-control"] == "no-store"
    assert page.headers["x-content-type-options"] == "nosniff"
    assert "<script" not in page.text
    assert browser.get("/sign-in.css").headers["content-type"].startswith("text/css")


def test_what_was_typed_is_shown_as_text(browser: Browser) -> None:
    answer = browser.fill("/sign-in", name='"><script>alert(1)</script>', password="wrong")
    assert answer.status_code == 401
    assert "<script" not in answer.text


def test_a_form_that_is_too_large_is_refused(browser: Browser) -> None:
    browser.get("/sign-in")
    answer = browser.post("/sign-in", data={"name": "a" * 20_000}, headers=ORIGIN)
    assert answer.status_code == 422


def test_too_many_failures_say_when_to_try_again(browser: Browser, lab: Lab) -> None:
    for _ in range(50):
        FailureCounter(lab).count(PER_ADDRESS, browser.client[0])
    answer = browser.fill("/sign-in", name="nobody", password="wrong")
    assert answer.status_code == 429
    assert int(answer.headers["retry-after"]) > 0


def test_a_locked_user_comes_in_by_a_browser_that_is_known(browser: Browser, lab: Lab) -> None:
    add_user(lab)
    enter(browser)
    browser.fill("/sign-out", do="here")
    for _ in range(5):
        lab.store.sign_ins.attempt("ana", lab.clock.now(), lambda _failures: 900.0)
    assert enter(Browser(APP)).status_code == 401
    assert enter(browser, " Ana ").status_code == 303


def test_browsers_that_sign_in_at_once_guess_no_more_than_one_after_the_other(
    lab: Lab, monkeypatch: pytest.MonkeyPatch
) -> None:
    add_user(lab)
    met = SynchronisedPasswords(34, passwords())
    monkeypatch.setattr(signing_in, "passwords", lambda: met)
    browsers = [Browser(APP, client=(f"198.51.100.{n}", 5000)) for n in range(34)]
    words = ["wrong"] * 26 + [PASSWORD] * 8
    answers = call_concurrently(
        [
            partial(each.fill, "/sign-in", name="ana", password=word)
            for each, word in zip(browsers, words, strict=True)
        ]
    )
    statuses = Counter(each.status_code for each in answers if isinstance(each, httpx.Response))
    assert met.compared == 5
    assert statuses[303] <= 5
    assert statuses[303] + statuses[401] == 34
    let_in = [browser for browser in browsers if browser.cookies.get("spotlab_session")]
    assert len(let_in) == statuses[303]


# Links


def test_the_first_administrator_chooses_a_name_and_is_in(browser: Browser, lab: Lab) -> None:
    assert "no users yet" in browser.get("/sign-in").text
    path = first_administrator_link(lab)
    assert path is not None
    weak = browser.fill(path, name="ana", password="password1234", again="password1234")
    assert weak.status_code == 422
    unlike = browser.fill(path, name="ana", password=PASSWORD, again="another")
    assert "differ" in unlike.text
    done = browser.fill(path, name="Ana", password=PASSWORD, again=PASSWORD)
    assert done.status_code == 303
    assert browser.get("/").text.startswith("inside ")
    ana = lab.store.users.get("ana")
    assert (ana.role, ana.last_sign_in_at) == (Role.ADMIN, lab.clock.now())
    assert browser.get(path).status_code == 404, "it is used up"
    assert first_administrator_link(lab) is None


def test_a_link_expires(browser: Browser, lab: Lab) -> None:
    path = first_administrator_link(lab)
    forward(lab, minutes=61)
    assert path is not None
    assert browser.get(path).status_code == 404
    assert browser.get("/first-administrator?code=made-up").status_code == 404


def test_somebody_new_chooses_a_password_by_a_link(browser: Browser, lab: Lab) -> None:
    user, path = Services(lab, ANA).users.add("ben", Role.OPERATOR)
    assert "Choose a password, ben" in browser.get(path).text
    done = browser.fill(path, password=PASSWORD, again=PASSWORD)
    assert done.status_code == 303
    assert browser.get("/api/v1/whoami").text == user.name
    assert lab.store.users.get("ben").last_sign_in_at == lab.clock.now()
    assert browser.get(path).status_code == 404


# Bearers


def test_the_api_takes_tokens_and_nothing_else(browser: Browser, lab: Lab) -> None:
    add_user(lab)
    _, token = Services(lab, ANA).api_tokens.create("ana", "ci", [Right.READ], timedelta(days=1))
    good = {"Authorization": f"Bearer {token}"}
    assert browser.post("/api/v1/whoami", headers=good).text == "ana"
    for wrong in ("Bearer x", "Basic YW5hOmFuYQ==", f"Bearer {token}x", "Bearer"):
        answer = browser.get("/api/v1/whoami", headers={"Authorization": wrong})
        assert answer.status_code == 403, wrong
    assert browser.get("/candidates", headers=good).status_code == 303, "screens take sessions"


def test_no_other_site_lays_its_page_over_ours(browser: Browser, lab: Lab) -> None:
    add_user(lab)
    enter(browser)
    for path in ("/candidates", "/sign-in", "/healthz"):
        answer = browser.get(path)
        assert answer.headers["x-frame-options"] in ("SAMEORIGIN", "DENY")
        assert "frame-ancestors" in answer.headers["content-security-policy"]
        assert len(answer.headers.get_list("x-frame-options")) == 1


def test_a_claimed_address_is_not_believed(lab: Lab) -> None:
    lab.settings = lab.settings.model_copy(update={"trusted_proxies": "192.0.2.7"})
    for lines, address in (
        (["203.0.113.9"], "203.0.113.9"),
        (["10.9.9.9, 203.0.113.9"], "203.0.113.9"),
        (["10.9.9.9", "203.0.113.9"], "203.0.113.9"),  # a proxy that adds a line of its own
        ([], "192.0.2.7"),
    ):
        scope = {
            "type": "http",
            "headers": [(b"x-forwarded-for", line.encode()) for line in lines],
            "client": ("192.0.2.7", 5000),
        }
        assert identity.client_address(Request(scope), lab) == address
        scope["client"] = ("198.51.100.1", 5000)
        assert identity.client_address(Request(scope), lab) == "198.51.100.1"
