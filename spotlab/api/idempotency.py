"""Writes that are carried out once, however often they are sent.

With the header Idempotency-Key a write's answer is kept; the same key and the same request get the
same answer, byte for byte. Only what succeeded is kept: a write that was refused changed nothing
and may be sent again. Where a process died half way nobody knows what it did, and that is said.
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
from spotlab.store.idempotency import AT_WORK, AnsweredWrite

log = logging.getLogger("spotlab.api")

KEY_PATTERN: Final = r"^[A-Za-z0-9._:-]{1,128}$"
_KEY: Final = re.compile(KEY_PATTERN)
WRITE_TIMEOUT: Final = timedelta(minutes=10)
"""A write that has had no answer for this long has lost its process."""
_STORED_HEADERS: Final = ("location", "etag", "link")


class KeyReused(Conflict):
    """An idempotency key that was sent with another request before."""


@dataclass(frozen=True, slots=True)
class IdempotentWrite:
    """One request that writes.

    Args:
        lab: where answers are kept.
        user: who asks.
        key: None: not to be kept.
        route: method and path template.
        digest: of method, address, body, what the change was made from, and what the user may.
    """

    lab: Lab
    user: str
    key: str | None
    route: str
    digest: str

    @classmethod
    def from_request(cls, request: Request, lab: Lab, path: str) -> IdempotentWrite:
        """The write that a request asks for; its body was read.

        Raises:
            InvalidInput: the key is none that can be used.
        """
        key = request.headers.get("idempotency-key")
        if key is not None and not _KEY.fullmatch(key):
            raise InvalidInput(
                "The Idempotency-Key cannot be used.",
                remedy="Use 1 to 128 letters, digits, dots, dashes, underscores or colons, such as "
                "a UUID.",
            )
        asked = (request.method, request.url.path, request.url.query)
        who = request.scope["spotlab.who"]
        # An answer is told again to nobody who may do less: another token of the user's, or the
        # user after a change of role.
        may = (*sorted(who.rights), repr(who.accounts))
        head = "\n".join([*asked, request.headers.get("if-match", ""), *may])
        digest = hashlib.sha256(head.encode() + b"\n" + request._body).hexdigest()
        return cls(lab, who.name, key, f"{request.method} {path}", digest)

    async def run_once(
        self, carry_out: Callable[[], Awaitable[Response]], secret: bool = False
    ) -> Response:
        """Carry it out, or give the answer that it got before.

        Args:
            carry_out: does it.
            secret: the answer is told once, and not kept.
        Raises:
            KeyReused, Conflict: the key is another write's, or that one has no answer (yet).
        """
        if self.key is None:
            return await carry_out()
        before = await run_in_threadpool(self._claim)
        if before is not None:
            return self._replay(before)
        try:
            response = await carry_out()
        except (SpotlabError, RequestValidationError, HTTPException):
            # Refused: it changed nothing. After anything else its claim stays: it may have.
            await run_in_threadpool(self._release)
            raise
        await run_in_threadpool(self._settle, response, secret)
        return response

    def _claim(self) -> AnsweredWrite | None:
        assert self.key is not None
        now = self.lab.clock.now()
        return self.lab.store.answers.claim(self.user, self.key, self.route, self.digest, now)

    def _release(self) -> None:
        assert self.key is not None
        try:
            self.lab.store.answers.release(self.user, self.key)
        except SpotlabError as exc:
            log.error("the claim of a refused write stays: %s", exc)

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
            self.lab.store.answers.settle(self.user, self.key, response.status_code, answer)
        except SpotlabError as exc:
            log.error("the answer of a write that was carried out is not kept: %s", exc)

    def _replay(self, before: AnsweredWrite) -> Response:
        if before.request_hash != self.digest:
            raise KeyReused(
                "This Idempotency-Key was sent with another request.",
                remedy="Make a new key for each write.",
            )
        if before.status == AT_WORK:
            if self.lab.clock.now() - before.created_at < WRITE_TIMEOUT:
                raise Conflict(
                    "This write is being carried out.", remedy="Send it again in some seconds."
                )
            raise Conflict(
                f"This write was begun at {before.created_at:%Y-%m-%d %H:%M:%S} UTC and has no "
                "answer: nobody knows whether it was carried out.",
                remedy="Look at what it was to change, then send it with a new key if needed.",
            )
        kept = before.answer
        if kept["body"] is None:
            raise Conflict(
                "This write was carried out; its answer held a secret, which is told once.",
                remedy="If it is lost, end what was made and make another, with a new key.",
            )
        response = Response(kept["body"], before.status, dict(kept["headers"]), kept["media"])
        response.headers["Idempotency-Replayed"] = "true"
        return response
