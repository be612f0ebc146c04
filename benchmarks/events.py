"""Exactly-once effects of queue messages: 100,000, with duplicates, poison and killed consumers.

    python -m benchmarks events [--messages 100000] [--kills 2] [--database URL] [--json]

The messages are events of 500 instances: 30 % are second deliveries, 1 % is poison, and their order
is random. The consumer is a process of its own, which is killed with SIGKILL while it works, and
started again. At the end each distinct event must have had its effect exactly once (one row of the
event, one of evidence, the newest mark on its instance), and every poison message must be in the
dead-letter queue with its reason. The peer of the throughput is the same consumer on a queue
without duplicates, poison and kills. The queue is a small server that speaks the SQS API to boto3;
see _sqs.py.
"""

from __future__ import annotations

import json
import logging
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
import traceback
import urllib.request
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from spotlab.aws.event_queue import find_queue
from spotlab.aws.session import Sessions
from spotlab.domain.decision import Instance, Lifecycle
from spotlab.domain.market import Pool
from spotlab.domain.ports import Account
from spotlab.domain.spot_events import Signal, SpotEventKind
from spotlab.runtime.bootstrap import SystemClock
from spotlab.runtime.spot_events import read_batch
from spotlab.store import Store, open_store

ON_REQUEST = True
ACCOUNT = Account("bench", "123456789012", regions=("us-east-1",))
INSTANCES = 500
DETAIL_TYPES = {
    SpotEventKind.NOTICE: "EC2 Spot Instance Interruption Warning",
    SpotEventKind.REBALANCE: "EC2 Instance Rebalance Recommendation",
    SpotEventKind.STATE_CHANGE: "EC2 Instance State-change Notification",
}
POISON = (
    "not json",
    '{"id": 7}',
    json.dumps({"detail-type": "something else"}),
    "[" * 200,
    json.dumps({"x": "y" * 20_000}),
    "{}",
)


@dataclass(frozen=True)
class Traffic:
    """Messages, and what they must lead to.

    Args:
        bodies: in the order of their events; the queue shuffles them.
        events: distinct events.
        evidence: distinct events that are evidence.
        poison: messages that must be refused.
        signals: the last signal of each instance.
    """

    bodies: list[str]
    events: int
    evidence: int
    poison: int
    signals: dict[str, Signal]


def traffic(messages: int, duplicates: float = 0.3, poison: float = 0.01, seed: int = 3) -> Traffic:
    """Messages about INSTANCES instances within the last day."""
    draw = random.Random(seed)
    refused = round(poison * messages)
    repeated = round(duplicates * messages)
    start = datetime.now(UTC).replace(microsecond=0) - timedelta(days=1)
    bodies: list[str] = []
    signals: dict[str, Signal] = {}
    evidence = set()
    weights = {
        SpotEventKind.REBALANCE: 6,
        SpotEventKind.NOTICE: 1,
        SpotEventKind.STATE_CHANGE: 3,
    }
    distinct = messages - refused - repeated
    for number in range(distinct):
        (kind,) = draw.choices([*weights], [*weights.values()])
        instance_id = instance_ids()[draw.randrange(INSTANCES)]
        at = start + timedelta(seconds=number * 80_000 // distinct)
        bodies.append(_body(kind, instance_id, at, draw))
        if kind is SpotEventKind.STATE_CHANGE:
            continue
        # two events of an instance and a kind in the same second are one piece of evidence
        evidence.add((instance_id, kind, at))
        ends_at = at + timedelta(minutes=2) if kind is SpotEventKind.NOTICE else None
        found = Signal(kind, at, ends_at)
        if found.follows(signals.get(instance_id)):
            signals[instance_id] = found
    bodies += draw.sample(bodies, repeated) if repeated <= len(bodies) else []
    bodies += [f"{POISON[number % len(POISON)]} {number}" for number in range(refused)]
    return Traffic(bodies, distinct, len(evidence), refused, signals)


def _body(kind: SpotEventKind, instance_id: str, at: datetime, draw: random.Random) -> str:
    detail = {"instance-id": instance_id}
    if kind is SpotEventKind.STATE_CHANGE:
        detail["state"] = draw.choice(["running", "stopping", "stopped"])
    return json.dumps(
        {
            "version": "0",
            "id": str(uuid.UUID(int=draw.getrandbits(128))),
            "detail-type": DETAIL_TYPES[kind],
            "source": "aws.ec2",
            "account": ACCOUNT.aws_account_id,
            "time": f"{at:%Y-%m-%dT%H:%M:%SZ}",
            "region": "us-east-1",
            "resources": [],
            "detail": detail,
        }
    )


def instance_ids() -> list[str]:
    """The ids of the instances."""
    return [f"i-{number:017x}" for number in range(INSTANCES)]


def add_fleet(store: Store) -> None:
    """Add the account and its instances, on ten types in two zones."""
    store.fleet.save_account(ACCOUNT)
    store.fleet.sync(
        ACCOUNT.name,
        [
            Instance(
                instance_id,
                ACCOUNT.name,
                Pool("us-east-1", f"us-east-1{'ab'[number % 2]}", f"m5.{number % 10 + 1}xlarge"),
                Lifecycle.SPOT,
            )
            for number, instance_id in enumerate(instance_ids())
        ],
    )


def consume(port: int, database: str | None, path: Path) -> None:
    """Read the queue until it stays empty: what the consumer's process does."""
    sessions = Sessions(
        clock=SystemClock(),
        endpoint_url=f"http://127.0.0.1:{port}",
        access_key_id="bench",
        secret_access_key="bench",
    )
    queue = find_queue(sessions, ACCOUNT, "us-east-1", "spotlab-events")
    store = open_store(database, path)
    try:
        while _state(port)["left"]:
            while read_batch(store, ACCOUNT, "us-east-1", queue, SystemClock()).messages:
                pass
    finally:
        store.close()


@contextmanager
def served(bodies: list[str], folder: Path) -> Iterator[int]:
    """The port of a queue with these messages, in a process of its own."""
    path = folder / "messages.jsonl"
    path.write_text("".join(f"{json.dumps(body)}\n" for body in bodies))
    command = [sys.executable, "-m", "benchmarks._sqs", str(path)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            yield int(process.stdout.readline())
        finally:
            process.kill()


def _state(port: int) -> dict[str, Any]:
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/", timeout=30) as answer:
        state: dict[str, Any] = json.loads(answer.read())
        return state


@dataclass(frozen=True)
class Result:
    """What happened.

    Args:
        database: "sqlite" or "postgresql".
        messages: in the queue.
        deliveries: with those after a kill.
        distinct_events, recorded: expected, and in the database.
        evidence_expected, evidence: pieces of evidence.
        wrong_signals: instances whose last signal is not the newest.
        poison, refused, dead_letters: expected, recorded, and in the dead-letter queue.
        without_reason: dead letters that lack a reason.
        kills: of the consumer.
        seconds: from the first start of the consumer to the empty queue.
    """

    database: str
    messages: int
    deliveries: int
    distinct_events: int
    recorded: int
    evidence_expected: int
    evidence: int
    wrong_signals: int
    poison: int
    refused: int
    dead_letters: int
    without_reason: int
    kills: int
    seconds: float

    @property
    def exactly_once(self) -> bool:
        """Whether every effect happened once, and every poison message is accounted for."""
        return (
            self.recorded == self.distinct_events
            and self.evidence == self.evidence_expected
            and self.wrong_signals == 0
            and self.poison == self.refused == self.dead_letters
            and self.without_reason == 0
        )

    @property
    def messages_per_s(self) -> float:
        """Throughput."""
        return self.messages / self.seconds


def run(made: Traffic, folder: Path, database: str | None = None, kills: int = 2) -> Result:
    """Let a consumer that is killed again and again read the messages.

    Args:
        made: the messages.
        folder: for files.
        database: PostgreSQL's URL of an empty database; None: SQLite in the folder.
        kills: how often the consumer is killed.
    """
    path = folder / "events.db"
    store = open_store(database, path)
    add_fleet(store)
    with served(made.bodies, folder) as port:
        started = time.perf_counter()
        done = _consumed(port, database, path, len(made.bodies), kills)
        seconds = time.perf_counter() - started
        state = _state(port)
    dead = {each["SpotLabMessageId"]: each.get("SpotLabReason", "") for each in state["dead"]}
    fleet = {each.instance_id: each.signal for each in store.fleet.instances(active_only=False)}
    counts = store.spot_events.counts()
    result = Result(
        database=store.engine.dialect.name,
        messages=len(made.bodies),
        deliveries=state["deliveries"],
        distinct_events=made.events,
        recorded=sum(counts[kind.value] for kind in SpotEventKind),
        evidence_expected=made.evidence,
        evidence=len(store.interruptions.events()),
        wrong_signals=sum(fleet[key] != each for key, each in made.signals.items()),
        poison=made.poison,
        refused=counts["refused"],
        dead_letters=len(dead),
        without_reason=sum(not reason for reason in dead.values()),
        kills=done,
        seconds=seconds,
    )
    store.close()
    return result


def _consumed(port: int, database: str | None, path: Path, messages: int, kills: int) -> int:
    """Run the consumer to the end; returns how often it was killed while it worked."""
    done = 0
    while True:
        pid = _start_consumer(port, database, path)
        left_at_kill = messages * (kills - done) // (kills + 1)
        ended, status = os.waitpid(pid, os.WNOHANG)
        while not ended and done < kills:
            if 0 < _state(port)["left"] <= left_at_kill:
                os.kill(pid, signal.SIGKILL)
                done += 1
                break
            time.sleep(0.05)
            ended, status = os.waitpid(pid, os.WNOHANG)
        if not ended:
            _, status = os.waitpid(pid, 0)
        code = os.waitstatus_to_exitcode(status)
        if code == 0:
            return done
        if code != -signal.SIGKILL:
            raise SystemExit(f"the consumer ended with {code}")


def _start_consumer(port: int, database: str | None, path: Path) -> int:
    """Start the consumer in a process of its own, without importing everything again."""
    pid = os.fork()
    if pid:
        return pid
    code = 1
    try:
        logging.getLogger("spotlab").setLevel(logging.ERROR)  # a line for each poison message
        consume(port, database, path)
        code = 0
    except BaseException:
        traceback.print_exc()
    finally:
        os._exit(code)  # without closing what belongs to the parent


def main(messages: str = "100000", kills: str = "2", database: str = "", **output: str) -> None:
    """Run it on SQLite, or on a database, beside a run without kills and duplicates."""
    with tempfile.TemporaryDirectory(prefix="spotlab-events-") as name:
        hard = traffic(int(messages))
        result = run(hard, Path(name), database or None, int(kills))
    peer = None
    if not database:
        with tempfile.TemporaryDirectory(prefix="spotlab-events-") as name:
            peer = run(traffic(int(messages), 0.0, 0.0), Path(name), None, 0)
    if "json" in output:
        document = asdict(result) | {
            "exactly_once": result.exactly_once,
            "messages_per_s": round(result.messages_per_s, 1),
            "peer_messages_per_s": round(peer.messages_per_s, 1) if peer else None,
        }
        print(json.dumps(document))
    else:
        for key, value in asdict(result).items():
            print(f"{key:<20}{value}")
        print(f"{'exactly once':<20}{'yes' if result.exactly_once else 'NO'}")
        print(f"{'messages per s':<20}{result.messages_per_s:,.0f}")
        if peer:
            print(f"{'without kills':<20}{peer.messages_per_s:,.0f}")
    if not result.exactly_once:
        raise SystemExit(1)
