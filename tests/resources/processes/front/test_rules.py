"""What the guard lets in and what it refuses, as requests in words; the running servers are tried in test_running_servers.py."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from resources.processes.front.guard import HEADERS, with_guard_headers
from resources.processes.front.rules import Request, only_reads, refusal

HOST = ("host", "127.0.0.1:3000")
JSON = ("content-type", "application/json")
LINK = [("sec-fetch-site", "cross-site"), ("sec-fetch-mode", "navigate"), ("sec-fetch-dest", "document")]
STOP = "mutation%7BstopSensor(id%3A%22x%22)%7B__typename%7D%7D"


def told(method: str, target: str, *headers: tuple[str, str], is_socket: bool = False) -> str | None:
    return refusal(
        Request(method, target, headers, is_socket), allowed_hosts=("platform.example", "proxy.example:8443")
    )


@pytest.mark.parametrize(
    "host",
    [
        "127.0.0.1.evil.example",
        "evil.example",
        "localhost.evil.example:3000",
        "evil.example:3000",
        "127.0.0.1@evil.example",
        "evil.example@127.0.0.1",
        "127.0.0.1:3000@evil.example",
        "127.0.0.1:",
        "127.0.0.1:port",
        "127.0.0.1 evil.example",
        "127.0.0.1,evil.example",
        "localhost.",
        "127.0.0.2",
        "127.1",
        "2130706433",
        "0x7f000001",
        "0.0.0.0:3000",
        "[::]",
        "[::ffff:127.0.0.1]",
        "::1",
        "192.168.0.7:3000",
        "platform.example.evil.example",
        "platform.example:81",
        "ｌocalhost",
        "127.0.0.1\x00",
        "",
    ],
)
def test_a_foreign_host_is_refused(host: str) -> None:
    assert "host is refused" in str(told("GET", "/", ("host", host)))


@pytest.mark.parametrize(
    "host",
    [
        "127.0.0.1",
        "127.0.0.1:3000",
        "localhost",
        "LOCALHOST:5000",
        "[::1]",
        "[::1]:8090",
        "platform.example",
        "Proxy.Example:8443",
    ],
)
def test_this_machines_own_hosts_and_the_proxys_are_let_in(host: str) -> None:
    assert told("GET", "/", ("host", host)) is None


@pytest.mark.parametrize(
    ("method", "target", "headers", "says"),
    [
        ("GET", "/", [], "none"),
        ("GET", "/", [HOST, HOST], "host is refused"),
        ("GET", "/", [HOST, ("host", "evil.example")], "host is refused"),
        ("GET", "http://127.0.0.1:3000/", [HOST], "whole address"),
        ("GET", "http://evil.example/", [HOST], "whole address"),
        ("CONNECT", "127.0.0.1:3000", [HOST], "method"),
        ("TRACE", "/", [HOST], "method"),
        ("get", "/", [HOST], "method"),
        ("OPTIONS", "*", [HOST], "whole address"),
        ("GET", "/", [HOST, ("x-forwarded-host", "evil.example")], "forwarded host"),
        ("GET", "/", [HOST, ("x-forwarded-host", "127.0.0.1, evil.example")], "forwarded host"),
        ("GET", "/", [HOST, ("x-original-host", "evil.example")], "forwarded host"),
        ("GET", "/", [HOST, ("forwarded", "for=1.2.3.4;host=evil.example")], "forwarded host"),
        ("GET", "/", [HOST, ("origin", "http://evil.example")], "another site"),
        ("GET", "/", [HOST, ("origin", "null")], "another site"),
        ("GET", "/", [HOST, ("origin", "")], "another site"),
        ("GET", "/", [HOST, ("origin", "http://127.0.0.1:8090")], "another site"),
        ("GET", "/", [HOST, ("origin", "http://localhost:3000")], "another site"),
        ("GET", "/", [HOST, ("origin", "http://127.0.0.1:3000.evil.example")], "another site"),
        ("GET", "/", [HOST, ("origin", "http://evil.example@127.0.0.1:3000")], "another site"),
        ("GET", "/", [HOST, ("origin", "file://127.0.0.1:3000")], "another site"),
        ("GET", "/", [HOST, ("origin", "http://127.0.0.1:3000"), ("origin", "http://evil.example")], "another site"),
        ("OPTIONS", "/graphql", [HOST, ("origin", "http://evil.example")], "another site"),
        ("POST", "/graphql", [HOST, JSON, ("origin", "http://evil.example")], "another site"),
        ("DELETE", "/api", [HOST, ("origin", "https://evil.example")], "another site"),
        ("GET", "/", [HOST, ("sec-fetch-site", "cross-site"), ("sec-fetch-mode", "no-cors"), ("sec-fetch-dest", "image")], "loads"),
        ("GET", "/", [HOST, ("sec-fetch-site", "same-site"), ("sec-fetch-mode", "cors"), ("sec-fetch-dest", "empty")], "loads"),
        ("GET", "/", [HOST, ("sec-fetch-site", "cross-site")], "loads"),
        ("GET", "/", [HOST, *LINK[:2], ("sec-fetch-dest", "iframe")], "loads"),
        ("POST", "/", [HOST, JSON, *LINK], "loads"),
        ("GET", "/", [HOST, ("sec-fetch-site", "none"), *LINK[:1], ("sec-fetch-mode", "cors")], "loads"),
        ("GET", f"/graphql?query={STOP}", [HOST], "changes something"),
        ("HEAD", f"/graphql?query={STOP}", [HOST], "changes something"),
        ("GET", f"/graphql/?query={STOP}", [HOST], "changes something"),
        ("GET", f"/%67raphql?query={STOP}", [HOST], "changes something"),
        ("GET", f"/prefix/graphql?query={STOP}", [HOST], "changes something"),
        ("GET", f"/graphql?query=%7Bversion%7D&query={STOP}", [HOST], "changes something"),
        ("GET", f"/graphql?query={STOP}&query=%7Bversion%7D", [HOST], "changes something"),
        ("GET", f"/graphql?query=query+a%7Bversion%7D+{STOP}&operationName=a", [HOST], "changes something"),
        ("GET", f"/graphql?q%75ery={STOP}", [HOST], "changes something"),
        ("GET", "/graphql?query=subscription%7Bx%7D", [HOST], "changes something"),
        ("GET", "/graphql?query=%7B", [HOST], "changes something"),
        ("GET", "/graphql?extensions=%7B%22persistedQuery%22%3A1%7D", [HOST], "changes something"),
        ("GET", f"/graphql?query={STOP}", [HOST, ("accept", "text/html"), *LINK], "changes something"),
        ("POST", f"/graphql?query={STOP}", [HOST], "changes something"),
        ("POST", "/graphql", [HOST, ("content-type", "text/plain; application/json")], "text/plain"),
        ("POST", "/graphql", [HOST, ("content-type", "Application/X-WWW-form-urlencoded")], "form-urlencoded"),
        ("POST", "/graphql", [HOST, ("content-type", "multipart/form-data; boundary=application/json")], "multipart"),
        ("POST", "/graphql", [HOST, JSON, ("content-type", "text/plain")], "text/plain"),
        ("POST", "/", [HOST, ("authorization", "Basic YTpi"), ("content-type", "text/plain")], "text/plain"),
        ("POST", "/", [HOST, ("content-type", "")], "any web page"),
        ("POST", f"/graphql?query={STOP}", [HOST, JSON], "changes something"),
        ("GET", "/../secret", [HOST], "upwards"),
        ("GET", "/logs/%2e%2e/%2e%2e/etc/passwd", [HOST], "upwards"),
        ("GET", "/logs/..%2f..%2fetc", [HOST], "upwards"),
        ("GET", "/logs/..%5c..%5cetc", [HOST], "upwards"),
        ("GET", "/a%00b", [HOST], "control"),
    ],
)  # fmt: skip
def test_what_another_site_could_send_is_refused(
    method: str, target: str, headers: list[tuple[str, str]], says: str
) -> None:
    assert says in str(told(method, target, *headers))


@pytest.mark.parametrize(
    ("method", "target", "headers"),
    [
        ("GET", "/", [HOST]),
        ("HEAD", "/", [HOST]),
        ("GET", "/runs/1?tab=logs", [HOST, *LINK]),  # a link in a mail, or from Dagster's page to MLflow's
        ("GET", "/", [HOST, ("sec-fetch-site", "none"), ("sec-fetch-mode", "navigate"), ("sec-fetch-dest", "document")]),
        ("GET", "/x.js", [HOST, ("sec-fetch-site", "same-origin"), ("sec-fetch-mode", "no-cors")]),
        ("GET", "/graphql?query=%7Bversion%7D", [HOST]),
        ("GET", "/graphql?query=query+a%7Bversion%7D+query+b%7Bversion%7D&operationName=b", [HOST]),
        ("GET", "/graphql", [HOST, ("accept", "text/html")]),
        ("POST", "/graphql", [HOST, JSON]),
        ("POST", "/graphql", [HOST, ("content-type", "application/json; charset=utf-8"), ("origin", "http://127.0.0.1:3000")]),
        ("POST", "/upload", [HOST, ("content-type", "multipart/form-data; boundary=x"), ("origin", "http://127.0.0.1:3000")]),
        ("POST", "/api/conversations.list", [HOST, ("content-type", "application/x-www-form-urlencoded"), ("authorization", "Bearer x")]),
        ("PUT", "/artifacts/model", [HOST]),
        ("POST", "/v2/enqueue", [HOST]),
        ("POST", "/v1/traces", [HOST, ("content-type", "application/x-protobuf")]),
        ("POST", "/", [("host", "localhost"), ("origin", "http://localhost:80"), ("content-type", "text/plain")]),
        ("POST", "/graphql", [("host", "platform.example"), JSON, ("origin", "https://platform.example")]),
        ("POST", "/graphql", [HOST, JSON, ("origin", "https://platform.example"), ("x-forwarded-host", "platform.example")]),
        ("GET", "/a..b/..c/d..", [HOST]),
    ],
)  # fmt: skip
def test_the_pages_own_requests_and_this_machines_programs_are_let_in(
    method: str, target: str, headers: list[tuple[str, str]]
) -> None:
    assert told(method, target, *headers) is None


@pytest.mark.parametrize("origin", ["http://evil.example", "null", "http://127.0.0.1:8090", "ws://127.0.0.1:3000"])
def test_a_socket_of_another_site_is_refused(origin: str) -> None:
    assert told("GET", "/graphql", HOST, ("origin", origin), is_socket=True)
    assert told("GET", "/graphql", HOST, *LINK, is_socket=True)


def test_the_pages_own_socket_is_let_in() -> None:
    assert told("GET", "/graphql", HOST, ("origin", "http://127.0.0.1:3000"), is_socket=True) is None
    assert told("GET", "/graphql", HOST, is_socket=True) is None


@settings(deadline=None)
@given(st.text(max_size=40))
def test_no_other_host_than_the_known_ones_is_let_in(host: str) -> None:
    known = {"127.0.0.1", "localhost", "[::1]"}
    if told("GET", "/", ("host", host)) is None:
        name, _, _port = host.strip().lower().rpartition(":") if not host.strip().endswith("]") else (host, "", "")
        assert host.strip().lower() in {*known, "platform.example", "proxy.example:8443"} or name in known


@given(
    st.sampled_from(["mutation", "subscription"]),
    st.sampled_from(["{a}", "query b {c} ", "# x\n", "fragment f on Q {a} "]),
)
def test_text_with_a_mutation_anywhere_does_not_only_read(kind: str, other: str) -> None:
    assert not only_reads(f"{other}{kind} z {{ stop }}")
    assert not only_reads(f"{kind} z {{ stop }} {other}")


@pytest.mark.parametrize("query", ["{" * 5_000, "", "{a", "mutation", "\ufeffmutation {a}", "#{a}\nmutation{a}"])
def test_text_that_is_no_query_does_not_only_read(query: str) -> None:
    assert not only_reads(query)


def test_an_answer_keeps_its_own_headers_and_gains_the_guards() -> None:
    own = [(b"X-Frame-Options", b"DENY"), (b"content-security-policy", b"default-src 'self'")]
    headers = with_guard_headers(own)
    assert headers[:2] == own
    assert [value for name, value in headers if name.lower() == b"x-frame-options"] == [b"DENY"]
    assert (b"content-security-policy", HEADERS["content-security-policy"].encode()) in headers
