"""Feeds over HTTP: conditional requests, limits, retries, and rejection of unusable feeds."""

from __future__ import annotations

import gzip
import threading
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import httpx
import pytest

from spotlab.aws.feeds import AdvisorFeed, OnDemandFeed, SpotPriceFeed
from spotlab.aws.feeds.http import HttpFeed
from spotlab.domain.market import FeedKind, MarketName
from spotlab.domain.ports import FeedSource
from spotlab.errors import FeedRefused, NotAvailable
from tests.support import feeds
from tests.support.feeds import NOW, Clock, encoded

URL = "https://user:pass@feeds.example/advisor.json?token=hush"
ETAG = '"abc"'
Answers = list[httpx.Response | Exception]


class Server:
    """Sends the given responses in order, and then repeats the last one."""

    def __init__(self, *answers: httpx.Response | Exception) -> None:
        self.answers = list(answers)
        self.requests: list[httpx.Request] = []
        self.waits_s: list[float] = []

    def __call__(self, request: httpx.Request) -> httpx.Response:
        self.requests.append(request)
        answer = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        if isinstance(answer, Exception):
            raise answer
        return answer

    def feed(self, url: str = URL, **limits: Any) -> AdvisorFeed:
        limits = {"sleep": self.waits_s.append} | limits
        return AdvisorFeed(self.client(), url, MarketName.PUBLIC, Clock(), **limits)

    def client(self) -> httpx.Client:
        return httpx.Client(transport=httpx.MockTransport(self))


def ok(content: bytes | None = None, **headers: str) -> httpx.Response:
    body = encoded(feeds.advisor()) if content is None else content
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return httpx.Response(200, stream=_Stream(body), headers=named)


class _Stream(httpx.SyncByteStream):
    def __init__(self, *chunks: bytes, then: Exception | None = None) -> None:
        self.chunks, self.then = chunks, then

    def __iter__(self) -> Iterator[bytes]:
        yield from self.chunks
        if self.then is not None:
            raise self.then


def test_advisor_comes_with_its_age_and_validator() -> None:
    server = Server(ok(ETag=ETAG, Last_Modified="Mon, 02 Mar 2026 06:00:00 GMT"))
    source: FeedSource = server.feed()
    buckets, specs = source.fetch({})
    assert (buckets.kind, specs.kind) == (FeedKind.ADVISOR, FeedKind.SPECS)
    assert tuple((s.kind, s.scope) for s in (buckets, specs)) == source.covers
    assert buckets.origin.source == "AWS Spot Advisor feed"
    assert buckets.origin.event_time == datetime(2026, 3, 2, 6, tzinfo=UTC)
    assert buckets.origin.fetched_at == NOW
    assert buckets.validator == specs.validator == ETAG
    assert len(buckets.rows) == 4


def test_a_simulated_feed_is_not_called_aws() -> None:
    feed = AdvisorFeed(Server(ok()).client(), URL, MarketName.SIMULATED, Clock())
    assert feed.name == "Simulated Spot Advisor feed"


@pytest.mark.parametrize(
    "header",
    ["", "last week", "Tue, 03 Mar 2026 06:00:00 GMT", "Fri, 31 Dec 9999 23:59:59 -1400"],
)
def test_without_a_usable_date_the_age_is_the_fetchs(header: str) -> None:
    (buckets, _) = Server(ok(Last_Modified=header)).feed().fetch({})
    assert buckets.origin.event_time == NOW


@pytest.mark.parametrize(
    ("validator", "header"),
    [
        (ETAG, "If-None-Match"),
        ('W/"abc"', "If-None-Match"),
        ("Mon, 02 Mar 2026 06:00:00 GMT", "If-Modified-Since"),
    ],
)
def test_an_unchanged_feed_gives_nothing(validator: str, header: str) -> None:
    server = Server(httpx.Response(304))
    assert server.feed().fetch({FeedKind.ADVISOR: validator}) == ()
    assert server.requests[0].headers[header] == validator


def test_another_etag_gives_a_new_snapshot() -> None:
    server = Server(ok(ETag=ETAG), ok(encoded(feeds.advisor(r=2)), ETag='"def"'))
    feed = server.feed()
    first = feed.fetch({})[0]
    second = feed.fetch({FeedKind.ADVISOR: first.validator})[0]
    assert second.digest != first.digest
    assert second.validator == '"def"'


def test_gzip_is_unpacked_however_it_is_labelled() -> None:
    zipped = gzip.compress(encoded(feeds.advisor()))
    labelled = Server(ok(zipped, Content_Encoding="gzip")).feed().fetch({})
    bare = Server(ok(zipped)).feed().fetch({})
    assert labelled[0].digest == bare[0].digest


@pytest.mark.parametrize(
    "trouble",
    [
        httpx.Response(503),
        httpx.Response(429),
        httpx.ReadTimeout("slow"),
        httpx.ConnectError("refused"),
        httpx.RemoteProtocolError("peer closed connection"),
    ],
)
def test_trouble_that_passes_is_waited_out(trouble: httpx.Response | Exception) -> None:
    server = Server(trouble, ok())
    assert len(server.feed().fetch({})[0].rows) == 4
    assert len(server.waits_s) == 1
    assert 0.25 <= server.waits_s[0] <= 0.75


def test_trouble_that_stays_ends_after_the_last_attempt() -> None:
    server = Server(httpx.Response(503))
    with pytest.raises(NotAvailable, match=r"status 503 \(attempt 3 of 3\)"):
        server.feed(attempts=3).fetch({})
    assert len(server.requests) == 3
    assert server.waits_s[1] > 0.4, "the second wait is longer"


def test_a_body_that_breaks_off_is_read_again() -> None:
    broken = httpx.Response(200, stream=_Stream(b"{", then=httpx.ReadError("reset")))
    server = Server(broken, ok())
    assert len(server.feed().fetch({})[0].rows) == 4


@pytest.mark.parametrize("status", [400, 403, 404, 204])
def test_a_final_answer_is_not_asked_again(status: int) -> None:
    server = Server(httpx.Response(status))
    with pytest.raises(NotAvailable, match=f"status {status}"):
        server.feed().fetch({})
    assert len(server.requests) == 1


def test_no_message_holds_the_password_or_the_query() -> None:
    for answer in (httpx.Response(403), httpx.Response(503), httpx.ConnectError("refused")):
        with pytest.raises(NotAvailable) as failed:
            Server(answer).feed().fetch({})
        assert "https://feeds.example/advisor.json" in str(failed.value)
        assert "pass" not in str(failed.value)
        assert "hush" not in str(failed.value)


def test_a_validator_that_cannot_be_sent_back_is_left_out() -> None:
    odd = httpx.Response(
        200, stream=_Stream(encoded(feeds.advisor())), headers=[(b"ETag", b'"\xe9"')]
    )
    assert Server(odd).feed().fetch({})[0].validator == ""


def test_the_whole_fetch_has_a_time_limit() -> None:
    seconds = iter(range(0, 1000, 40))
    chunks = httpx.Response(200, stream=_Stream(*[b" "] * 9))
    with pytest.raises(NotAvailable, match="took longer than 60 s"):
        Server(chunks).feed(elapsed_s=lambda: float(next(seconds))).fetch({})


def test_waiting_never_passes_the_time_limit() -> None:
    server = Server(httpx.Response(503))
    with pytest.raises(NotAvailable, match="attempt 1 of 3"):
        server.feed(total_s=0.1).fetch({})
    assert server.waits_s == []


def test_a_feed_over_the_size_limit_is_refused_before_it_is_read_whole() -> None:
    read: list[int] = []

    class Endless(httpx.SyncByteStream):
        def __iter__(self) -> Iterator[bytes]:
            while True:
                read.append(1)
                yield b" " * 1000

    with pytest.raises(FeedRefused, match=r"over 0\.01 MB"):
        Server(httpx.Response(200, stream=Endless())).feed(max_bytes=10_000).fetch({})
    assert len(read) == 11


def test_a_decompression_bomb_is_refused() -> None:
    bomb = ok(gzip.compress(b" " * 20_000_000), Content_Encoding="gzip")
    with pytest.raises(FeedRefused, match="over 1 MB"):
        Server(bomb).feed(max_bytes=1_000_000).fetch({})


def test_an_encoding_that_was_not_asked_for_is_refused() -> None:
    server = Server(ok(Content_Encoding="br"))
    with pytest.raises(FeedRefused, match="encoding is 'br'"):
        server.feed().fetch({})
    assert server.requests[0].headers["Accept-Encoding"] == "gzip"


def redirect_to(to: str) -> httpx.Response:
    return httpx.Response(302, headers={"Location": to})


def test_a_redirect_is_followed() -> None:
    server = Server(redirect_to("https://elsewhere.example/advisor.json"), ok())
    assert len(server.feed().fetch({})[0].rows) == 4
    assert server.requests[1].url.host == "elsewhere.example"
    assert "Authorization" not in server.requests[1].headers


@pytest.mark.parametrize(
    "to", ["http://elsewhere.example/", "ftp://elsewhere.example/", "file:///etc/passwd"]
)
def test_a_redirect_to_a_lesser_scheme_is_not_followed(to: str) -> None:
    server = Server(redirect_to(to), ok())
    with pytest.raises(NotAvailable, match="redirects from https to"):
        server.feed().fetch({})
    assert len(server.requests) == 1


def test_redirects_in_a_circle_end() -> None:
    server = Server(redirect_to("https://feeds.example/again"))
    with pytest.raises(NotAvailable, match="redirects more than 5 times"):
        server.feed().fetch({})


@pytest.mark.parametrize("url", ["feeds.example/a", "file:///a", "https://[", ""])
def test_an_address_that_is_none_is_said_so(url: str) -> None:
    feed = AdvisorFeed(httpx.Client(), url, MarketName.PUBLIC, Clock())
    with pytest.raises(NotAvailable, match="URL"):
        feed.fetch({})


def test_a_refused_feed_leaves_the_last_good_one_in_force() -> None:
    small = feeds.advisor()
    del small["spot_advisor"]["us-east-1"]
    server = Server(ok(), ok(encoded(small)), ok(b"<html>"), ok())
    feed = server.feed()
    before = feed.fetch({})[0]
    for words in ("1 rows, and the last good one had 4", "not JSON"):
        with pytest.raises(FeedRefused, match=words):
            feed.fetch({})
    assert feed.fetch({})[0].digest == before.digest


def test_the_last_good_size_may_come_from_an_earlier_run() -> None:
    with pytest.raises(FeedRefused, match="last good one had 100"):
        Server(ok()).feed(previous_rows=100).fetch({})


def test_spot_prices_over_http() -> None:
    server = Server(ok(encoded(feeds.spot_prices())))
    feed = SpotPriceFeed(server.client(), URL, MarketName.PUBLIC, Clock())
    (snapshot,) = feed.fetch({})
    assert (snapshot.kind, len(snapshot.rows)) == (FeedKind.SPOT_PRICES, 4)
    assert snapshot.origin.event_time == NOW, "it carries no publication time"


def _on_demand(server: Server, region: str) -> OnDemandFeed:
    url = "https://feeds.example/{location}/Linux/index.json"
    return OnDemandFeed(server.client(), url, region, MarketName.PUBLIC, Clock())


def test_on_demand_asks_for_the_regions_location() -> None:
    server = Server(ok(encoded(feeds.on_demand())))
    feed = _on_demand(server, "eu-west-1")
    (snapshot,) = feed.fetch({})
    assert feed.covers == ((FeedKind.ON_DEMAND, "eu-west-1"),)
    assert (snapshot.scope, len(snapshot.rows)) == ("eu-west-1", 2)
    assert server.requests[0].url.raw_path == b"/EU%20%28Ireland%29/Linux/index.json"
    assert snapshot.origin.event_time < NOW - timedelta(days=2)


def test_on_demand_of_an_unknown_region_asks_nobody() -> None:
    server = Server(ok())
    with pytest.raises(NotAvailable, match="xx-nowhere-1"):
        _on_demand(server, "xx-nowhere-1").fetch({})
    assert server.requests == []


@pytest.mark.parametrize(
    "make",
    [
        lambda client: AdvisorFeed(client, URL, MarketName.PUBLIC, Clock()),
        lambda client: SpotPriceFeed(client, URL, MarketName.PUBLIC, Clock()),
        lambda client: OnDemandFeed(client, URL, "eu-west-1", MarketName.PUBLIC, Clock()),
    ],
)
def test_every_feed_refuses_another_feeds_content(make: Callable[[httpx.Client], HttpFeed]) -> None:
    feed = make(Server(ok(b'{"config": {}, "regions": {}}')).client())
    with pytest.raises(FeedRefused, match=feed.name):
        feed.fetch({})


@pytest.fixture
def half_written() -> Iterator[str]:
    """URL of a server whose Content-Length is larger than its body."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.send_header("Content-Length", "100000")
            self.end_headers()
            self.wfile.write(encoded(feeds.advisor()))

        def log_message(self, *_: Any) -> None: ...

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield f"http://127.0.0.1:{server.server_address[1]}/advisor.json"
        server.shutdown()
        thread.join()


def test_a_body_shorter_than_promised_is_not_taken_for_whole(half_written: str) -> None:
    with httpx.Client(timeout=5) as client:
        feed = AdvisorFeed(
            client, half_written, MarketName.PUBLIC, Clock(), sleep=lambda _: None, attempts=2
        )
        with pytest.raises(NotAvailable, match=r"cannot be read.*\(attempt 2 of 2\)"):
            feed.fetch({})
