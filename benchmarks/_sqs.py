"""A small SQS server for benchmarks and tests: at least once, shuffled, with dead letters.

Speaks the JSON protocol to boto3. It answers GetQueueUrl, ReceiveMessage, DeleteMessageBatch and
SendMessage. moto's queue would read every message for each batch, which takes hours for 100,000.

    python -m benchmarks._sqs FILE

FILE holds one message body per line, as JSON strings; the port is printed when it listens.
"""

from __future__ import annotations

import json
import random
import sys
import threading
import time
from collections import deque
from contextlib import suppress
from hashlib import md5
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

QUEUE, DEAD = "spotlab-events", "spotlab-events-dlq"


class Queues:
    """A queue and its dead-letter queue.

    Args:
        bodies: of the messages.
        visibility_s: instead of what a reader asks for, so that no test waits for it.
        seed: of the order.
    """

    def __init__(self, bodies: list[str], visibility_s: float = 1.0, seed: int = 1) -> None:
        self._lock = threading.Lock()
        self._bodies = {f"m-{number}": body for number, body in enumerate(bodies)}
        order = list(self._bodies)
        random.Random(seed).shuffle(order)
        self._visible = deque(order)
        self._hidden: deque[tuple[float, str]] = deque()
        self._visibility_s = visibility_s
        self.dead: list[dict[str, Any]] = []
        self.deliveries = 0

    def receive(self, count: int) -> list[dict[str, Any]]:
        """Up to `count` messages, which become visible again unless they are deleted."""
        now = time.monotonic()
        with self._lock:
            while self._hidden and self._hidden[0][0] <= now:
                _, key = self._hidden.popleft()
                if key in self._bodies:
                    self._visible.append(key)
            found = []
            while self._visible and len(found) < count:
                key = self._visible.popleft()
                if key in self._bodies:
                    found.append(key)
                    self._hidden.append((now + self._visibility_s, key))
            self.deliveries += len(found)
            return [
                {
                    "MessageId": key,
                    "ReceiptHandle": key,
                    "Body": self._bodies[key],
                    "MD5OfBody": _md5(self._bodies[key]),
                }
                for key in found
            ]

    def delete(self, keys: list[str]) -> None:
        """Delete messages."""
        with self._lock:
            for key in keys:
                self._bodies.pop(key, None)

    def left(self) -> int:
        """How many messages are not deleted."""
        with self._lock:
            return len(self._bodies)

    def answer(self, operation: str, request: dict[str, Any]) -> dict[str, Any]:
        """The response to a request, both as decoded JSON."""
        if operation == "GetQueueUrl":
            return {"QueueUrl": f"http://127.0.0.1/123456789012/{request['QueueName']}"}
        if operation == "ReceiveMessage":
            return {"Messages": self.receive(int(request.get("MaxNumberOfMessages", 1)))}
        if operation == "DeleteMessageBatch":
            self.delete([each["ReceiptHandle"] for each in request["Entries"]])
            return {"Successful": [{"Id": each["Id"]} for each in request["Entries"]], "Failed": []}
        if operation == "SendMessage" and request["QueueUrl"].endswith(DEAD):
            attributes = request["MessageAttributes"]
            with self._lock:
                self.dead.append({name: each["StringValue"] for name, each in attributes.items()})
            digest = _md5(request["MessageBody"])
            return {"MessageId": f"d-{len(self.dead)}", "MD5OfMessageBody": digest}
        raise ValueError(operation)


def _md5(text: str) -> str:
    return md5(text.encode(), usedforsecurity=False).hexdigest()


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    wbufsize = 65_536  # head and body in one packet, or a reader's delayed ACK costs 40 ms a call
    queues: Queues

    def handle(self) -> None:
        """Serve a connection; a reader that was killed ends it."""
        with suppress(ConnectionError):
            super().handle()

    def do_POST(self) -> None:
        """One call of the SQS API."""
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        operation = self.headers["X-Amz-Target"].partition(".")[2]
        self._send(self.queues.answer(operation, body))

    def do_GET(self) -> None:
        """The state of the queue, for the benchmark."""
        queues = self.queues
        self._send({"left": queues.left(), "deliveries": queues.deliveries, "dead": queues.dead})

    def _send(self, answer: dict[str, Any]) -> None:
        content = json.dumps(answer).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/x-amz-json-1.0")
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)
        self.wfile.flush()

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002
        """Do not log requests."""


def server(queues: Queues) -> ThreadingHTTPServer:
    """A server on a free port of loopback."""
    handler = type("Handler", (_Handler,), {"queues": queues})
    made = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    made.daemon_threads = True
    return made


def main(path: str) -> None:
    """Serve the messages of a file until the process is ended."""
    bodies = [json.loads(line) for line in Path(path).read_text().splitlines()]
    made = server(Queues(bodies))
    print(made.server_address[1], flush=True)
    made.serve_forever()


if __name__ == "__main__":
    main(sys.argv[1])
