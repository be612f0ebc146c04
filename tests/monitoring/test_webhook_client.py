"""Allowed receivers, the reported response, and the time limit of a request."""

from __future__ import annotations

import json
import socket
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from spotlab.errors import InvalidInput
from spotlab.monitoring.alerts import webhook_client
from spotlab.monitoring.alerts.addresses import is_allowed
from spotlab.monitoring.alerts.webhook_client import WebhookResponse, shown
from spotlab.settings import Settings
from tests.support import builders as make
from tests.support.receivers import LOOPBACK, running_receiver

PUBLIC = "93.184.215.14"
REFUSED = "its address is not allowed"
Found = list[tuple[Any, ...]]


def post(address: str, limit_s: float = 5.0, networks: Any = ()) -> WebhookResponse:
    return webhook_client.post(address, b"{}", "00", 0, limit_s, networks=networks)


def found(*addresses: str) -> Found:
    """What a resolver answers."""
    kinds = [(socket.AF_INET6 if ":" in each else socket.AF_INET, each) for each in addresses]
    return [(family, socket.SOCK_STREAM, 6, "", (each, 80)) for family, each in kinds]


@pytest.fixture
def connected(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The addresses that were connected to; each refuses."""
    seen: list[str] = []

    def refuse(_socket: socket.socket, at: tuple[Any, ...]) -> None:
        seen.append(at[0])
        raise ConnectionRefusedError

    monkeypatch.setattr(socket.socket, "connect", refuse)
    return seen


@pytest.fixture
def resolver(monkeypatch: pytest.MonkeyPatch) -> list[Found | Exception]:
    """What a resolver answers, in turn."""
    answers: list[Found | Exception] = []

    def ask(*_: object, **__: object) -> Found:
        answer = answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return answer

    monkeypatch.setattr(socket, "getaddrinfo", ask)
    return answers


@pytest.mark.parametrize(
    "address",
    [
        "127.0.0.1", "127.255.255.254", "::1",
        "10.0.0.1", "172.16.0.1", "172.31.255.255", "192.168.1.1", "fc00::1", "fd12:3456::1",
        "169.254.169.254", "169.254.170.2", "fe80::1", "fec0::1",
        "fd00:ec2::254", "fd20:ce::254", "100.100.100.200", "168.63.129.16", "192.0.0.192",
        "100.64.0.1", "100.127.255.255",
        "224.0.0.1", "239.255.255.255", "ff02::1", "ff0e::1",
        "240.0.0.1", "255.255.255.255", "0.0.0.0", "0.1.2.3", "::",
        "192.0.0.1", "192.0.2.1", "198.18.0.1", "198.51.100.1", "203.0.113.1", "192.88.99.1",
        "2001:db8::1", "3fff::1", "100::1", "5f00::1",
        "::ffff:127.0.0.1", "::ffff:10.0.0.1", "::ffff:169.254.169.254", "::ffff:0:127.0.0.1",
        "::127.0.0.1", "::10.0.0.1", "::93.184.215.14",
        "2002:7f00:1::1", "2002:a00:1::1", "2002:5db8:d70e::1",
        "2001::1", "2001:0:4136:e378:8000:63bf:3fff:fdd2",
        "64:ff9b::127.0.0.1", "64:ff9b::93.184.215.14", "64:ff9b:1::10.0.0.1", "64:ff9b:1:2::1",
    ],
)  # fmt: skip
def test_no_receiver_is_at_an_address_that_is_not_public(address: str) -> None:
    assert not is_allowed(address)


@pytest.mark.parametrize(
    "address", [PUBLIC, "::ffff:93.184.215.14", "2606:2800:21f:cb07::1", "172.32.0.1", "100.63.0.1"]
)
def test_receivers_are_on_the_public_internet(address: str) -> None:
    assert is_allowed(address)


@pytest.mark.parametrize(
    ("networks", "allowed", "refused"),
    [
        ("10.0.0.0/8, fd00::/8", ["10.1.2.3", "::ffff:10.1.2.3", "fd12::1"], ["192.168.0.1"]),
        ("127.0.0.1", ["127.0.0.1"], ["127.0.0.2", "::1"]),
        # Credentials are where nobody means them who names a wide network.
        ("0.0.0.0/0", ["10.1.2.3"], ["169.254.169.254", "168.63.129.16", "100.100.100.200"]),
        ("fd00::/8", ["fd12::1"], ["fd00:ec2::254", "fd20:ce::254"]),
        ("169.254.169.254", ["169.254.169.254"], ["169.254.170.2"]),
        # A network that translates reaches no more of IPv4 than is named itself.
        ("64:ff9b::/96", ["64:ff9b::93.184.215.14"], ["64:ff9b::10.0.0.1", "64:ff9b::127.0.0.1"]),
        ("64:ff9b::/96,10.0.0.0/8", ["64:ff9b::10.0.0.1"], ["64:ff9b::169.254.169.254"]),
    ],
)
def test_a_setting_names_more(networks: str, allowed: list[str], refused: list[str]) -> None:
    named = Settings(alert_networks=networks).receiver_networks
    assert [address for address in allowed if not is_allowed(address, named)] == []
    assert [address for address in refused if is_allowed(address, named)] == []


@pytest.mark.parametrize(
    "host",
    [
        "127.0.0.1", "localhost", "localhost.", "LOCALHOST", "2130706433", "0x7f.1", "0x7f000001",
        "127.1", "0177.0.0.1", "017700000001", "127.0.0.1.", "１２７.0.0.1", "①②⑦.0.0.1",
        "0", "0.0.0.0", "[::1]", "[::]", "[::ffff:127.0.0.1]", "[::ffff:7f00:1]", "[::127.0.0.1]",
        "[64:ff9b:1::7f00:1]", "[2001::1]", "[2002:7f00:1::]", "168.63.129.16", "2852039166",
    ],
)  # fmt: skip
def test_however_an_address_is_written_it_is_refused_before_it_is_connected_to(
    host: str, connected: list[str]
) -> None:
    answer = post(f"http://{host}/latest")
    assert not answer.ok
    assert REFUSED in answer.words or "cannot be used" in answer.words
    assert connected == []


@pytest.mark.parametrize(
    "address",
    [
        "ftp://example.com/", "file:///etc/passwd", "gopher://example.com/", "//example.com/x",
        "http:///x", "http://?", "https://user@example.com/", "https://user:pw@example.com/",
        "https://@example.com/", "http://example.com\\@127.0.0.1/", "http://127.0.0.1\\.a.com/",
        "http://example.com:0/", "http://example.com:99999/", "http://example.com:x/",
        "http://a b/", "http://a\tb/", "http://example.com/a\r\nHost: b", "http://exa\x00mple.com/",
        "http://[fe80::1%25eth0]/", "http://[::1/", "http://a..b/", "http://.a/", "http://-a/",
        f"http://{'a' * 64}.com/", "http://exa%6dple.com/", "http://./",
    ],
)  # fmt: skip
def test_what_is_no_address_of_a_receiver_is_refused_and_not_repeated(address: str) -> None:
    with pytest.raises(InvalidInput) as refused:
        shown(address)
    assert refused.value.field == "address"
    assert address not in str(refused.value)


def test_a_name_is_shown_as_it_is_resolved() -> None:
    assert shown("https://Bücher.example:8443/secret") == "https://xn--bcher-kva.example:8443/…"
    assert shown("https://example.com./x?y") == "https://example.com/…"
    assert shown("http://[2606:2800:21f::1]/x") == "http://[2606:2800:21f::1]/…"


def test_a_name_is_resolved_once_and_that_address_is_connected_to(
    connected: list[str], resolver: list[Found | Exception]
) -> None:
    resolver += [found(PUBLIC), found("127.0.0.1")]
    assert post("http://hooks.example.com/x").words == "It refused the connection."
    assert connected == [PUBLIC]
    assert resolver == [found("127.0.0.1")]


@pytest.mark.parametrize("other", ["127.0.0.1", "::1", "10.0.0.1", "::ffff:169.254.169.254"])
def test_every_address_of_a_name_is_judged(
    other: str, connected: list[str], resolver: list[Found | Exception]
) -> None:
    resolver += [found(PUBLIC, other)]
    assert REFUSED in post("http://hooks.example.com/x").words
    assert connected == []


def test_an_unknown_name_and_a_refused_one_are_told_alike(
    resolver: list[Found | Exception], connected: list[str]
) -> None:
    unknown = socket.gaierror(socket.EAI_NONAME, "Name or service not known")
    resolver += [unknown, found("10.0.0.7"), found("127.0.0.1"), found("168.63.129.16"), []]
    answers = {post("http://inner.example.com/x") for _ in range(5)}
    assert len(answers) == 1
    assert connected == []


def test_open_and_closed_ports_are_told_alike_where_no_receiver_may_be() -> None:
    with running_receiver() as receiver, socket.create_server(("127.0.0.1", 0)) as silent:
        answers = {
            post(f"http://127.0.0.1:{port}/")
            for port in (receiver.port, silent.getsockname()[1], 1)
        }
        assert receiver.received == []
    assert len(answers) == 1


def test_nothing_that_a_receiver_writes_is_told() -> None:
    with serving(b"HTTP/1.1 403 hunter2\r\nX: hunter2\r\n\r\nhunter2") as port:
        answer = post(f"http://127.0.0.1:{port}/", networks=LOOPBACK)
    assert answer == WebhookResponse(False, True, "It responded 403 Forbidden.")


def test_the_environment_names_no_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    with running_receiver() as proxy, running_receiver() as receiver:
        for name in ("http_proxy", "HTTP_PROXY", "all_proxy", "https_proxy"):
            monkeypatch.setenv(name, f"http://127.0.0.1:{proxy.port}")
        monkeypatch.delenv("no_proxy", raising=False)
        assert post(receiver.address, networks=LOOPBACK).ok
        assert (len(proxy.received), len(receiver.received)) == (0, 1)


@contextmanager
def serving(
    said: bytes, again: bytes = b"", context: ssl.SSLContext | None = None
) -> Iterator[int]:
    """A server that says something, then something else again and again until it is left."""
    left = threading.Event()

    def answer(server: socket.socket) -> None:
        with server.accept()[0] as raw:
            try:
                with context.wrap_socket(raw, server_side=True) if context else raw as connection:
                    asked = b""
                    while not asked.endswith(b"\r\n\r\n{}"):
                        asked += connection.recv(65536)
                    connection.sendall(said)
                    while again and not left.wait(0.002):
                        connection.sendall(again)
            except OSError:
                return

    with socket.create_server(("127.0.0.1", 0)) as server:
        thread = threading.Thread(target=answer, args=(server,), daemon=True)
        thread.start()
        try:
            yield server.getsockname()[1]
        finally:
            left.set()
            thread.join(10)


ENDLESS = {
    "a status": (b"HTTP/1.1 200", b" "),
    "a header": (b"HTTP/1.1 200 OK\r\nX: ", b"x"),
    "headers": (b"HTTP/1.1 200 OK\r\n", b"X: x\r\n"),
    "interim answers": (b"", b"HTTP/1.1 100 Continue\r\n\r\n"),
}


@pytest.mark.parametrize("what", ENDLESS)
def test_an_answer_that_never_ends_is_given_up(what: str) -> None:
    with serving(*ENDLESS[what]) as port:
        answer = post(f"http://127.0.0.1:{port}/", 0.15, LOOPBACK)
    assert (answer.ok, answer.final) == (False, False)


@pytest.mark.parametrize("said", [b"HTTP/1.1 200 OK\r\nX: " + b"x" * 2**20, b"X: x\r\n" * 2**16])
def test_no_more_is_read_than_an_answer_has(said: bytes) -> None:
    with serving(said) as port:
        answer = post(f"http://127.0.0.1:{port}/", networks=LOOPBACK)
    assert answer.words.startswith("The connection broke: ")


def test_a_body_that_never_ends_changes_nothing() -> None:
    with serving(b"HTTP/1.1 200 OK\r\n\r\n", b"x") as port:
        assert post(f"http://127.0.0.1:{port}/", 2.0, LOOPBACK).ok


def test_a_resolver_that_hangs_is_not_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    answered = threading.Event()

    def hang(*_: object, **__: object) -> Found:
        answered.wait(30)
        return found(PUBLIC)

    monkeypatch.setattr(socket, "getaddrinfo", hang)
    assert post("http://hooks.example.com/", 0.02).words == "It did not respond in time."
    answered.set()


def test_a_handshake_that_hangs_is_not_waited_for() -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        address = f"https://127.0.0.1:{silent.getsockname()[1]}/"
        assert post(address, 0.1, LOOPBACK).words == "It did not respond in time."


@pytest.fixture
def certified(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> ssl.SSLContext:
    """A server's certificate for hooks.example.com, which this process trusts."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "a test")])
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(make.NOW - timedelta(days=3650))
        .not_valid_after(make.NOW + timedelta(days=36500))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName("hooks.example.com")]), False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), True)
        .sign(key, hashes.SHA256())
    )
    path = tmp_path / "server.pem"
    pem = serialization.Encoding.PEM
    plain = (serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    path.write_bytes(key.private_bytes(pem, *plain) + made.public_bytes(pem))
    monkeypatch.setenv("SSL_CERT_FILE", str(path))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(path)
    return context


@pytest.mark.parametrize(
    ("host", "words"),
    [
        ("hooks.example.com", "It responded 200 OK."),
        ("hooks.example.com.", "It responded 200 OK."),
        ("other.example.com", "Its certificate cannot be trusted: "),
    ],
)
def test_the_certificate_is_for_the_name_that_was_resolved(
    certified: ssl.SSLContext, monkeypatch: pytest.MonkeyPatch, host: str, words: str
) -> None:
    asked: list[str] = []
    certified.sni_callback = lambda _socket, name, _context: asked.append(str(name))
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: [])
    with serving(b"HTTP/1.1 200 OK\r\n\r\n", context=certified) as port:
        at = [(socket.AF_INET, socket.SOCK_STREAM, 6, "", ("127.0.0.1", port))]
        monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: at)
        answer = post(f"https://{host}:{port}/x", networks=LOOPBACK)
    assert answer.words.startswith(words)
    assert asked == [host.rstrip(".")]


def test_the_header_names_the_host_as_the_address_does() -> None:
    with running_receiver() as receiver:
        assert post(f"http://127.0.0.1:{receiver.port}/é?a=%20ü", networks=LOOPBACK).ok
        (headers, _body), port = receiver.received[0], receiver.port
    assert headers["Host"] == f"127.0.0.1:{port}"
    assert json.loads(_body) == {}


@pytest.mark.parametrize("wrong", ["loopback", "10.0.0.1/8", "10.0.0.0/33", "1,2,3"])
def test_a_network_that_is_none_is_said(wrong: str, monkeypatch: pytest.MonkeyPatch) -> None:
    from spotlab.errors import InvalidSetting
    from spotlab.settings import load

    monkeypatch.setenv("SPOTLAB_ALERT_NETWORKS", wrong)
    with pytest.raises(InvalidSetting, match=r"SPOTLAB_ALERT_NETWORKS: .*10\.20\.0\.0/16"):
        load()
