"""Log lines that a user may read.

A user who sees every account may read every line. Other users may read only lines about one of
their accounts, because a line without an account can concern any. Names of other accounts in such a
line are redacted, and a search does not find them.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Any, Final

import msgspec

from spotlab.access.name_redaction import name_redactor, redact_json
from spotlab.domain.access import Right
from spotlab.errors import DatabaseDown, InvalidInput
from spotlab.runtime.log_stream import Entry
from spotlab.services.base import Service

LEVELS: Final = ("DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL")
_BATCH: Final = 1_000
_ID: Final = re.compile(r"\d{1,19}-\d{1,19}", re.ASCII)


class _Line(msgspec.Struct):
    """A line as it was written; other fields are ignored."""

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
        id: position in the stream, increasing.
        time: when it was written, aware UTC.
        level: DEBUG, INFO, WARNING, ERROR or CRITICAL.
        component: logger, such as "runtime.evaluation".
        message: text of the line.
        process: such as "app@host:4711".
        role: app, worker or command.
        correlation_id: id of the click, request or job, or "".
        request_id: id of the API request, or "".
        user: user who caused it, or "".
        account: the AWS account that it is about; "": none, or several.
        fields: additional values.
        error: traceback, or "".
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
    """Filter for log lines; an empty value matches every line.

    Args:
        component: prefix of the logger, such as "runtime".
        level: lowest level.
        text: part of the message, the error or a field; upper and lower case are the same.
        id: correlation id, request id or reference of an error.
        process: part of role and name of the process.
        since: earliest time, aware UTC.
    """

    component: str = ""
    level: str = ""
    text: str = ""
    id: str = ""
    process: str = ""
    since: datetime | None = None

    def fits(self, line: LogLine) -> bool:
        """Whether a line matches."""
        return (
            _has_prefix(line.component, self.component)
            and (not self.level or _severity(line.level) >= _severity(self.level))
            and (not self.id or self.id in _ids(line))
            and self.process.lower() in f"{line.role} {line.process}".lower()
            and (self.since is None or line.time >= self.since)
            and (not self.text or self.text.lower() in _searchable_text(line))
        )


ALL: Final = LogFilter()


@dataclass(frozen=True, slots=True)
class LogPage:
    """A page of log lines.

    Args:
        lines: newest first.
        newest_id: id to continue from with `follow`.
        more: whether older lines match.
    """

    lines: list[LogLine] = field(default_factory=list)
    newest_id: str = "0-0"
    more: bool = False


class LogService(Service):
    """The log lines of every process."""

    __slots__ = ()

    def query(
        self, where: LogFilter = ALL, *, limit: int = 200, before: str | None = None
    ) -> LogPage:
        """The newest lines that match.

        Args:
            where: the filter.
            limit: maximum number of lines.
            before: id; only older lines are returned.
        Raises:
            Forbidden: the user may not read log lines.
            InvalidInput: `before` is not the id of a line.
            OnlineStoreDown: the lines are only on each process's stderr.
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
        """The matching lines after an id, oldest first, and the id to continue from.

        Raises:
            Forbidden, InvalidInput, OnlineStoreDown: as in `query`.
        """
        fitting = self._fitting(where)
        after_id = _checked(after_id)
        entries = self.lab.log_stream.after(after_id, limit)
        parsed = [line for line in map(_parsed, entries) if line is not None]
        lines = [shown for shown in map(fitting, parsed) if shown is not None]
        return lines, entries[-1][0] if entries else after_id

    def newest_id(self) -> str:
        """Id of the newest line. Raises Forbidden, OnlineStoreDown."""
        self.require(Right.READ_LOGS)
        return self.lab.log_stream.newest_id()

    def _fitting(self, where: LogFilter) -> Callable[[LogLine], LogLine | None]:
        """A function that returns a matching line as the user may read it, else None."""
        self.require(Right.READ_LOGS)
        if self.sees_all():
            return lambda line: line if where.fits(line) else None
        hidden = self._hidden()

        def fitting(line: LogLine) -> LogLine | None:
            if not self.principal.sees(line.account):
                return None
            shown = replace(
                line,
                message=hidden(line.message),
                error=hidden(line.error),
                fields=redact_json(line.fields, hidden),
            )
            return shown if where.fits(shown) else None

        return fitting

    def _hidden(self) -> Callable[[str], str]:
        try:
            return name_redactor(self.lab, self.principal)
        except DatabaseDown:
            return lambda _: "Hidden: the accounts that you may see cannot be read now."

    def _backwards(self, before: str | None) -> Iterator[LogLine]:
        while entries := self.lab.log_stream.before(before, _BATCH):
            for entry in entries:
                if (line := _parsed(entry)) is not None:
                    yield line
            before = entries[-1][0]


def _checked(stream_id: str) -> str:
    if not _ID.fullmatch(stream_id):
        raise InvalidInput("This is not the id of a log line.", remedy="Use the id of a line.")
    return stream_id


_decode: Final = msgspec.json.Decoder(_Line).decode


def _parsed(entry: Entry) -> LogLine | None:
    """The log line of an entry; None if the entry is not a log line."""
    stream_id, text = entry
    try:
        line = _decode(text)
        time = line.time.astimezone(UTC)
    except (msgspec.MsgspecError, OverflowError):  # OverflowError: before the year 1 in UTC
        return None
    return LogLine(
        id=stream_id,
        time=time,
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


def _has_prefix(component: str, prefix: str) -> bool:
    return not prefix or component == prefix or component.startswith(f"{prefix}.")


def _severity(level: str) -> int:
    return LEVELS.index(level) if level in LEVELS else len(LEVELS)


def _ids(line: LogLine) -> tuple[object, ...]:
    return line.correlation_id, line.request_id, line.fields.get("reference")


def _searchable_text(line: LogLine) -> str:
    texts = [line.message, line.error, line.component, *map(str, line.fields.values())]
    return "\n".join(texts).lower()
