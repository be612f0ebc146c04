"""Log lines, as far as somebody may read them.

Who sees every account reads every line. Who sees some accounts reads the lines that name one of
those, and no other: a line that names none may speak of anybody's. What they read of another
account in it is hidden, and is not found either.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Any, Final

import msgspec

from spotlab.access.name_redaction import everywhere, foreign
from spotlab.domain.access import Right
from spotlab.errors import DatabaseDown, InvalidInput
from spotlab.runtime.log_stream import Entry
from spotlab.services.base import DeskPart

LEVELS: Final = ("DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL")
_BATCH: Final = 1_000
_ID: Final = re.compile(r"\d{1,19}-\d{1,19}", re.ASCII)


class _Line(msgspec.Struct):
    """A line as it was written; what it has beyond this is left out."""

    time: datetime
    level: str
    component: str
    message: str
    process: str = ""
    role: str = ""
    correlation_id: str = ""
    request_id: str = ""
    user: str = ""
    account: str = ""
    fields: dict[str, Any] = msgspec.field(default_factory=dict)
    error: str = ""


@dataclass(frozen=True, slots=True)
class LogLine:
    """One line.

    Args:
        id: its place in the stream; grows.
        time: when it was written, aware UTC.
        level: DEBUG, INFO, WARNING, ERROR or CRITICAL.
        component: who wrote it, such as "runtime.evaluation".
        message: in words.
        process: such as "app@host:4711".
        role: app, worker or command.
        correlation_id: of what was being done; "": none.
        request_id: of the API request that led to it; "": none.
        user: who asked for it; "": nobody.
        account: the AWS account that it is about; "": none, or several.
        fields: more facts.
        error: traceback; "": none.
    """

    id: str
    time: datetime
    level: str
    component: str
    message: str
    process: str
    role: str
    correlation_id: str
    request_id: str
    user: str
    account: str
    fields: Mapping[str, Any]
    error: str

    def as_dict(self) -> dict[str, Any]:
        """As JSON."""
        built: dict[str, Any] = msgspec.to_builtins(self)
        return built


@dataclass(frozen=True, slots=True)
class LogFilter:
    """Which lines; what is empty leaves all.

    Args:
        component: its beginning, such as "runtime".
        level: the least severe.
        text: in the message, the error or a field, in small or capital letters.
        id: correlation id, request id or the reference of an error.
        process: part of its role and name.
        since: written then or later, aware UTC.
    """

    component: str = ""
    level: str = ""
    text: str = ""
    id: str = ""
    process: str = ""
    since: datetime | None = None

    def fits(self, line: LogLine) -> bool:
        """Whether a line is one of these."""
        return (
            _is_part(self.component, line.component)
            and (not self.level or _severity(line.level) >= _severity(self.level))
            and (not self.id or self.id in _ids(line))
            and self.process.lower() in f"{line.role} {line.process}".lower()
            and (self.since is None or line.time >= self.since)
            and (not self.text or self.text.lower() in _words(line))
        )


ALL: Final = LogFilter()


@dataclass(frozen=True, slots=True)
class LogPage:
    """Some lines.

    Args:
        lines: newest first.
        newest_id: where to follow from.
        more: whether there are older ones that fit.
    """

    lines: list[LogLine] = field(default_factory=list)
    newest_id: str = "0-0"
    more: bool = False


class LogsDesk(DeskPart):
    """The log lines of every process."""

    __slots__ = ()

    def query(
        self, where: LogFilter = ALL, *, limit: int = 200, before: str | None = None
    ) -> LogPage:
        """The newest lines that fit.

        Args:
            where: which.
            limit: at most this many.
            before: older than the line of this id.
        Raises:
            Forbidden: they may not read log lines.
            InvalidInput: `before` is no id of a line.
            OnlineStoreDown: lines are on each process's stderr alone.
        """
        fitting = self._fitting(where)
        before = _checked(before) if before else None
        newest_id = self.lab.log_stream.newest_id()
        lines: list[LogLine] = []
        for line in self._backwards(before):
            if where.since is not None and line.time < where.since:
                break
            if (shown := fitting(line)) is None:
                continue
            if len(lines) == limit:
                return LogPage(lines, newest_id, more=True)
            lines.append(shown)
        return LogPage(lines, newest_id)

    def follow(
        self, after_id: str, where: LogFilter = ALL, *, limit: int = 1_000
    ) -> tuple[list[LogLine], str]:
        """The lines that fit and came after an id, oldest first, and where to follow from next.

        Raises:
            Forbidden, InvalidInput, OnlineStoreDown: as in `query`.
        """
        fitting = self._fitting(where)
        after_id = _checked(after_id)
        found = self.lab.log_stream.after(after_id, limit)
        parsed = [line for line in map(_parsed, found) if line is not None]
        lines = [shown for shown in map(fitting, parsed) if shown is not None]
        return lines, found[-1][0] if found else after_id

    def newest_id(self) -> str:
        """Where the stream ends now. Raises Forbidden, OnlineStoreDown."""
        self.require(Right.READ_LOGS)
        return self.lab.log_stream.newest_id()

    def _fitting(self, where: LogFilter) -> Callable[[LogLine], LogLine | None]:
        """Gives a line as they may read it, where it fits; else None."""
        self.require(Right.READ_LOGS)
        if self.sees_all():
            return lambda line: line if where.fits(line) else None
        hidden = self._hidden()

        def fitting(line: LogLine) -> LogLine | None:
            if not self.who.sees(line.account):
                return None
            shown = replace(
                line,
                message=hidden(line.message),
                error=hidden(line.error),
                fields=everywhere(line.fields, hidden),
            )
            return shown if where.fits(shown) else None

        return fitting

    def _hidden(self) -> Callable[[str], str]:
        try:
            return foreign(self.lab, self.who)
        except DatabaseDown:
            return lambda _: "Not shown while it cannot be read which accounts you see."

    def _backwards(self, before: str | None) -> Iterator[LogLine]:
        while entries := self.lab.log_stream.before(before, _BATCH):
            for entry in entries:
                if (line := _parsed(entry)) is not None:
                    yield line
            before = entries[-1][0]


def _checked(stream_id: str) -> str:
    if not _ID.fullmatch(stream_id):
        raise InvalidInput("That is no id of a log line.", remedy="Use one that a line had.")
    return stream_id


_decode: Final = msgspec.json.Decoder(_Line).decode


def _parsed(entry: Entry) -> LogLine | None:
    """A line; None where somebody else wrote into the stream."""
    stream_id, text = entry
    try:
        line = _decode(text)
        at = line.time.astimezone(UTC)
    except (msgspec.MsgspecError, OverflowError):  # OverflowError: before the year 1 in UTC
        return None
    return LogLine(
        id=stream_id,
        time=at,
        level=line.level,
        component=line.component,
        message=line.message,
        process=line.process,
        role=line.role,
        correlation_id=line.correlation_id,
        request_id=line.request_id,
        user=line.user,
        account=line.account,
        fields=line.fields,
        error=line.error,
    )


def _is_part(beginning: str, component: str) -> bool:
    return not beginning or component == beginning or component.startswith(f"{beginning}.")


def _severity(level: str) -> int:
    return LEVELS.index(level) if level in LEVELS else len(LEVELS)


def _ids(line: LogLine) -> tuple[object, ...]:
    return line.correlation_id, line.request_id, line.fields.get("reference")


def _words(line: LogLine) -> str:
    told = [line.message, line.error, line.component, *map(str, line.fields.values())]
    return "\n".join(told).lower()
