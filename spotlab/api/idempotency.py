"""Idempotency keys: a write is executed once, however often it is sent.

The response to a write with the header Idempotency-Key is stored, and the same key with the same
request returns it again, byte for byte. Only successful writes are stored: a rejected write changed
nothing and may be sent again. If a process died during a write, the result is reported as unknown.
"""

from __future__ import annotations

import hashlib
import logging
import re
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import timedelta
from typing import Final

from fastapi.exceptions import RequestValidationError
from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

from spotlab.errors import Conflict, InvalidInput, SpotlabError
from spotlab.runtime.lab import Lab
from spotlab.store.idempotency import IN_PROGRESS, AnsweredWrite

log = logging.getLogger("spotlab.api")

KEY_PATTERN: Final = r"^[A-Za-z0-9._:-]{1,128}$"
_KEY: Final = re.compile(KEY_PATTERN)
WRITE_TIMEOUT: Final = timedelta(minutes=10)
"""After this time without a response, the process of a write is considered dead."""
_STORED_HEADERS: Final = ("location", "etag", "link")


class KeyReused(Conflict):
    """An idempotency key that was already used with another request."""


@dataclass(frozen=True, slots=True)
class IdempotentWrite:
    """One write request.

    Args:
        lab: the lab whose store has the responses.
        user: user name.
        key: idempotency key; None if there is none.
        route: method and path template.
        digest: of method, URL, body, If-Match, and the rights of the user.
    """

    lab: Lab
    user: str
    key: str | None
    route: str
    digest: str

    @classmethod
    def from_request(cls, request: Request, lab: Lab, path: str) -> IdempotentWrite:
        """The write of a request whose body was read.

        Raises:
            InvalidInput: the key is not valid.
        """
        key = request.headers.get("idempotency-key")
        if key is not None and not _KEY.fullmatch(key):
            raise InvalidInput(
                "The Idempotency-Key is not valid.",
                remedy="Use 1 to 128 letters, digits, dots, dashes, underscores or colons, such as "
                "a UUID.",
            )
        target = (request.method, request.url.path, request.url.query)
        who = request.scope["spotlab.who"]
        # A stored response is not returned to a principal with fewer rights: another token of the
        # user, or the user after a change of role.
        rights = (*sorted(who.rights), repr(who.accounts))
        head = "\n".join([*target, request.headers.get("if-match", ""), *rights])
        digest = hashlib.sha256(head.encode() + b"\n" + request._body).hexdigest()
        return cls(lab, who.name, key, f"{request.method} {path}", digest)

    async def run_once(
        self, execute: Callable[[], Awaitable[Response]], secret: bool = False
    ) -> Response:
        """Execute the write, or return its stored response.

        Args:
            execute: executes the write.
            secret: whether the response contains a secret, so that its body is not stored.
        Raises:
            KeyReused: the key was used with another request.
            Conflict: the write is in progress, its result is unknown, or its response was secret.
        """
        if self.key is None:
            return await execute()
        earlier = await run_in_threadpool(self._claim)
        if earlier is not None:
            return self._replay(earlier)
        try:
            response = await execute()
        except (SpotlabError, RequestValidationError, HTTPException):
            # A rejected write changed nothing. After any other error the claim stays: it may have.
            await run_in_threadpool(self._release)
            raise
        await run_in_threadpool(self._settle, response, secret)
        return response

    def _claim(self) -> AnsweredWrite | None:
        assert self.key is not None
        now = self.lab.clock.now()
        return self.lab.store.idempotency_keys.claim(
            self.user, self.key, self.route, self.digest, now
        )

    def _release(self) -> None:
        assert self.key is not None
        try:
            self.lab.store.idempotency_keys.release(self.user, self.key)
        except SpotlabError as exc:
            log.error("cannot release the idempotency key of a rejected write: %s", exc)

    def _settle(self, response: Response, secret: bool) -> None:
        assert self.key is not None
        headers = {
            name: response.headers[name] for name in _STORED_HEADERS if name in response.headers
        }
        answer = {
            "body": None if secret else bytes(response.body).decode(),
            "media": response.headers.get("content-type", ""),
            "headers": headers,
        }
        try:
            self.lab.store.idempotency_keys.settle(
                self.user, self.key, response.status_code, answer
            )
        except SpotlabError as exc:
            log.error("cannot store the response of an executed write: %s", exc)

    def _replay(self, earlier: AnsweredWrite) -> Response:
        if earlier.request_hash != self.digest:
            raise KeyReused(
                "This Idempotency-Key was already used with another request.",
                remedy="Use a new key for each write.",
            )
        if earlier.status == IN_PROGRESS:
            if self.lab.clock.now() - earlier.created_at < WRITE_TIMEOUT:
                raise Conflict(
                    "This write is in progress.", remedy="Send it again in a few seconds."
                )
            raise Conflict(
                f"This write started at {earlier.created_at:%Y-%m-%d %H:%M:%S} UTC and has no "
                "response: whether it was executed is unknown.",
                remedy="Check what it was to change, and send it with a new key if needed.",
            )
        stored = earlier.response
        if stored["body"] is None:
            raise Conflict(
                "This write was executed; its response contained a secret and was not stored.",
                remedy="If the secret is lost, revoke it and create another with a new key.",
            )
        response = Response(
            stored["body"], earlier.status, dict(stored["headers"]), stored["media"]
        )
        response.headers["Idempotency-Replayed"] = "true"
        return response
