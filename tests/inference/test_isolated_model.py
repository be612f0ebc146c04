"""Uploaded models run in separate processes, which are not trusted."""

from __future__ import annotations

import json
import logging
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import skops.io
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.linear_model import LogisticRegression

from spotlab.domain.features import Matrix
from spotlab.errors import ArtefactRefused, InvalidInput, ModelFailed, NotAvailable, SpotlabError
from spotlab.features.capacity_model.features import compute_capacity
from spotlab.inference import artefacts
from spotlab.inference.model_process import PROGRAM, WorkerLimits
from spotlab.inference.model_workers import BLOCKED_S, IDLE_S, ModelWorkers
from spotlab.inference.predictor import Isolation, Predictor
from spotlab.processes.limits import landlock_version
from tests.conftest import ROOT
from tests.support import capacity, models, odd_model
from tests.support.online import is_running, wait_until

ROWS = models.rows(300)


class Watch:
    """A monotonic clock that changes only when a test sets it."""

    def __init__(self) -> None:
        self.now_s = 1000.0

    def __call__(self) -> float:
        return self.now_s


class Sent:
    """Models in a folder of uploads, each in its own process."""

    def __init__(self, folder: Path, program: str = odd_model.PROGRAM, **limits: Any) -> None:
        self.folder = folder
        self.watch = Watch()
        self.trusted: set[str] = set()
        limits = {"workers": 2, "memory_mb": 512, "wall_s": 20.0} | limits
        self.workers = ModelWorkers(WorkerLimits(**limits), program, self.watch)
        self.predictor = Predictor(
            folder,
            isolation=Isolation(folder, lambda *known: known[2] in self.trusted, self.workers),
        )
        self.inside = Predictor(folder)

    def save(self, behaves: str = "", **changed: Any) -> Any:
        card = models.card(behaves=behaves, **changed)
        artefacts.save(self.folder, json.dumps(card).encode(), booster())
        return self.predictor.get(f"{card['name']}@{card['version']}")

    def pid(self, model: Any) -> int:
        return self.workers.pids()[model.digest]


_BOOSTER: list[bytes] = []


def booster() -> bytes:
    if not _BOOSTER:
        _BOOSTER.append(models.booster_text().encode())
    return _BOOSTER[0]


@pytest.fixture
def sent(tmp_path: Path) -> Iterator[Sent]:
    opened = Sent(tmp_path)
    yield opened
    opened.workers.close()
    wait_until(lambda: not opened.workers.pids(), "no model process is left")


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sent]:
    """The same for tests that may use one process, because they do not end or change it."""
    opened = Sent(tmp_path_factory.mktemp("models"))
    yield opened
    opened.workers.close()


@pytest.fixture
def hasty(tmp_path: Path) -> Iterator[Sent]:
    """The same with a short time limit."""
    opened = Sent(tmp_path, wall_s=1.0)
    yield opened
    opened.workers.close()


def same(mine: Any, theirs: Any) -> bool:
    pair = (mine, theirs) if isinstance(mine, tuple) else ((mine,), (theirs,))
    return all(
        a.shape == b.shape and a.tobytes() == b.tobytes() for a, b in zip(*pair, strict=True)
    )


def same_to_rounding(mine: Any, theirs: Any) -> bool:
    """The kernels, which only run in the app's own process, add contributions in another order."""
    return all(
        np.allclose(a, b, rtol=0.0, atol=1e-12, equal_nan=True)
        for a, b in zip(mine, theirs, strict=True)
    )


@pytest.mark.parametrize("count", [0, 1, 199, 5000])
def test_it_answers_the_same_numbers(shared: Sent, count: int) -> None:
    model, inside = shared.save(), shared.inside.get("toy")
    rows = models.rows(count)
    rows[: count // 3, 3] = np.nan  # refused by the card
    for ask in ("hazard_per_hour", "monthly_rate", "raw_score", "high_bucket_probability"):
        assert same(getattr(model, ask)(rows), getattr(inside, ask)(rows))
    assert same_to_rounding(model.contributions(rows), inside.contributions(rows))
    assert model.refusals(rows) == inside.refusals(rows)
    assert model.card == inside.card
    assert model.digest == inside.digest


@pytest.mark.parametrize(
    "estimator", [LogisticRegression(), HistGradientBoostingClassifier(max_iter=5)]
)
def test_so_does_one_of_scikit_learn(sent: Sent, estimator: Any) -> None:
    matrix = models.rows(400)
    estimator.fit(models.frame_of(matrix), models.outcomes(matrix))
    features = [each | {"typical": 1.0} for each in models.card()["features"]]
    card = models.card(kind="sklearn", file="model.skops", features=features)
    artefacts.save(sent.folder, json.dumps(card).encode(), skops.io.dumps(estimator))
    model, inside = sent.predictor.get("toy"), sent.inside.get("toy")
    assert same(model.hazard_per_hour(ROWS), inside.hazard_per_hour(ROWS))
    assert same(model.contributions(ROWS), inside.contributions(ROWS))


def test_so_does_one_of_capacity_at_any_horizon(tmp_path: Path) -> None:
    shipped = ROOT / "models"
    workers = ModelWorkers(WorkerLimits(1, 512, 30.0))
    isolated = Predictor(shipped, isolation=Isolation(shipped, lambda *_: False, workers))
    model, inside = (each.capacity("capacity-lgbm") for each in (isolated, Predictor(shipped)))
    panel = capacity.panel(days=9)
    rows = compute_capacity(panel).rows(*np.nonzero(panel.available == 1.0))[::7]
    for horizon_h in (0.1, 1.0, 5.0, 60.0):
        mine, theirs = (each.loss_probability(rows, horizon_h) for each in (model, inside))
        assert same(mine, theirs)
    assert same_to_rounding(
        model.contributions(rows[:50], 3.0), inside.contributions(rows[:50], 3.0)
    )
    assert same(model.hazard_per_hour(rows), inside.hazard_per_hour(rows))
    assert model.horizons_h == inside.horizons_h
    assert len(workers.pids()) == 1
    workers.close()


def test_a_large_matrix_is_asked_about_in_pieces(
    shared: Sent, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("spotlab.inference.isolated_model.MAX_REQUEST_BYTES", 8 * 4 * 70)
    model, inside = shared.save(), shared.inside.get("toy")
    assert same(model.hazard_per_hour(ROWS), inside.hazard_per_hour(ROWS))
    assert same_to_rounding(model.contributions(ROWS), inside.contributions(ROWS))


FAILURES = {
    "crash": r"crashed \(SIGSEGV\)",
    "crash_as_it_opens": r"crashed \(SIGSEGV\)",
    "abort": r"crashed \(SIGABRT\)",
    "leave": r"crashed \(exit code 0\)",
    "swallow": "used more than 512 MB",
    "answer_more": "sent an invalid response",
    "answer_less": "sent an invalid response",
    "answer_floats": "sent an invalid response",
    "answer_endlessly": "sent an invalid response",
    "answer_noise": "sent an invalid response",
    "hang_up": "sent an invalid response",
}


@pytest.mark.parametrize("behaves", FAILURES)
def test_one_that_fails_is_ended_named_and_left_alone_for_a_while(
    sent: Sent, behaves: str, caplog: pytest.LogCaptureFixture
) -> None:
    model = sent.save(behaves)
    with (
        caplog.at_level(logging.ERROR),
        pytest.raises(ModelFailed, match=f"Model toy@1.0.0 {FAILURES[behaves]}") as failed,
    ):
        model.hazard_per_hour(ROWS)
    assert "used again in 5 min" in failed.value.remedy
    assert "toy@1.0.0" in caplog.text
    assert sent.workers.pids() == {}
    with pytest.raises(ModelFailed, match=r"toy@1\.0\.0"):
        model.hazard_per_hour(ROWS)
    with pytest.raises(ModelFailed, match=FAILURES[behaves]):
        sent.predictor.get("toy")
    assert sent.workers.pids() == {}, "no process was started for it"
    sent.watch.now_s += BLOCKED_S
    assert sent.predictor.get("toy") is model


@pytest.mark.parametrize("behaves", ["hang", "spin"])
def test_one_that_never_answers_is_ended(hasty: Sent, behaves: str) -> None:
    model = hasty.save(behaves)
    with pytest.raises(ModelFailed, match="took more than 1 s in its own process and was stopped"):
        model.hazard_per_hour(ROWS)
    assert hasty.workers.pids() == {}


def test_one_that_was_stopped_is_ended(hasty: Sent) -> None:
    model = hasty.save()
    model.hazard_per_hour(ROWS)
    pid = hasty.pid(model)
    os.kill(pid, signal.SIGSTOP)
    with pytest.raises(ModelFailed, match="took more than 1 s"):
        model.hazard_per_hour(models.rows(60_000))
    assert not is_running(pid)


def test_numbers_that_are_none_are_no_answer(sent: Sent) -> None:
    with pytest.raises(ModelFailed, match="returned values that are not finite numbers"):
        sent.save("answer_nan").hazard_per_hour(ROWS)


def test_what_a_library_prints_is_no_answer(sent: Sent) -> None:
    assert np.isfinite(sent.save("print").hazard_per_hour(ROWS)).all()


def test_what_it_says_is_shown_as_plain_words(sent: Sent) -> None:
    model = sent.save("object")
    with pytest.raises(ModelFailed) as failed:
        model.hazard_per_hour(ROWS)
    message = str(failed.value)
    assert message.startswith("Model toy@1.0.0 failed (ValueError click ")
    assert not {"[", "<", "://", "www."} & {
        part for part in ("[", "<", "://", "www.") if part in message
    }
    assert len(message) < 500
    assert sent.pid(model), "a question that was too much ends nothing"


def test_a_model_that_cannot_be_opened_is_refused(sent: Sent, tmp_path: Path) -> None:
    folder = artefacts.save(tmp_path, json.dumps(models.card()).encode(), booster())
    (folder / "model.txt").write_text("tree\nno booster\n")
    with pytest.raises(ArtefactRefused, match="SHA-256"):
        sent.predictor.get("toy")


def test_a_matrix_of_another_shape_is_the_callers_mistake(sent: Sent) -> None:
    with pytest.raises(InvalidInput, match="shape"):
        sent.save().hazard_per_hour(np.zeros((3, 9)))
    assert sent.workers.pids() == {}, "it was not even asked"


def test_its_process_has_no_secret_no_file_and_its_limits(
    sent: Sent, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("SPOTLAB_SECRET_KEY", "s" * 40)
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "t" * 40)
    with (tmp_path / "a file of the app").open("w") as held:
        os.set_inheritable(held.fileno(), True)
        model = sent.save()
        model.hazard_per_hour(ROWS)
        process = Path(f"/proc/{sent.pid(model)}")
        files = {str(each.readlink()) for each in (process / "fd").iterdir()}
    variables = {each.split("=")[0] for each in (process / "environ").read_text().split("\0")}
    assert variables <= {
        *(
            "PATH",
            "LD_LIBRARY_PATH",
            "NPY_DISABLE_CPU_FEATURES",
            "OPENBLAS_CORETYPE",
            "OPENBLAS_L2_SIZE",
            "PYTHONPATH",
            "",
        ),
        *("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"),
    }
    assert {each.split(":")[0] for each in files} <= {"pipe", "/dev/null"}
    text = (process / "limits").read_text()
    limits = {line[:25].strip(): line[25:].split()[1] for line in text.splitlines()}
    assert int(limits["Max address space"]) < 2**31
    assert limits["Max file size"] == limits["Max core file size"] == "0"
    assert int(limits["Max cpu time"]) == 400
    assert limits["Max open files"] == "0"


@pytest.fixture(scope="module")
def succeeded(shared: Sent) -> dict[str, float]:
    """1.0 for each attempt that succeeded in a compromised process, otherwise 0.0."""
    model = shared.save("try_everything", version="3.0.0")
    scores = model.library.score(ROWS[: len(odd_model.ATTEMPTS)])
    return dict(zip(odd_model.ATTEMPTS, scores.tolist(), strict=True))


@pytest.mark.parametrize("attempt", odd_model.ATTEMPTS)
def test_subverted_it_reaches_nothing(succeeded: dict[str, float], attempt: str) -> None:
    if attempt == "signal_the_app" and landlock_version() < 6:
        pytest.skip("this kernel's Landlock does not block signals: it needs version 6")
    assert succeeded[attempt] == 0.0


APP = """
import sys
from pathlib import Path
import numpy as np
from spotlab.inference.model_workers import ModelWorkers
from spotlab.inference.predictor import Isolation, Predictor
folder, workers = Path(sys.argv[1]), ModelWorkers()
model = Predictor(folder, isolation=Isolation(folder, lambda *_: False, workers)).get("toy")
model.hazard_per_hour(np.array([[1.0, 2.0, -1.0, 4.0]]))
print(*workers.pids().values(), flush=True)
sys.stdin.read()
"""


@pytest.mark.parametrize("stopped", [False, True])
def test_it_dies_with_the_app_however_that_ends(tmp_path: Path, stopped: bool) -> None:
    artefacts.save(tmp_path, json.dumps(models.card()).encode(), booster())
    with subprocess.Popen(
        [sys.executable, "-c", APP, str(tmp_path)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        cwd=ROOT,
    ) as app:
        assert app.stdout is not None
        pid = int(app.stdout.readline())
        if stopped:
            os.kill(pid, signal.SIGSTOP)
        assert is_running(pid)
        app.kill()
    wait_until(lambda: not is_running(pid), "the model's process has ended")


def test_it_outlives_the_thread_that_asked_first(sent: Sent) -> None:
    model = sent.save()
    thread = threading.Thread(target=model.hazard_per_hour, args=(ROWS,))
    thread.start()
    thread.join()
    pid = sent.pid(model)
    model.hazard_per_hour(ROWS)
    assert sent.pid(model) == pid


def test_many_may_ask_at_once_and_few_processes_answer(sent: Sent) -> None:
    asked = [sent.save(version=f"{number}.0.0") for number in range(3)]
    expected = [sent.inside.get(f"toy@{number}.0.0").raw_score(ROWS) for number in range(3)]
    seen: list[int] = []

    def ask(turn: int) -> bool:
        said = asked[turn % 3].raw_score(ROWS[: 100 + turn])
        seen.append(len(sent.workers.pids()))
        return same(said, expected[turn % 3][: 100 + turn])

    with ThreadPoolExecutor(8) as pool:
        assert all(pool.map(ask, range(12)))
    assert max(seen) <= 2


def test_each_model_has_a_process_of_its_own(sent: Sent) -> None:
    one, other = sent.save(version="1.0.0"), sent.save("crash", version="2.0.0")
    one.hazard_per_hour(ROWS)
    pid = sent.pid(one)
    with pytest.raises(ModelFailed, match=r"toy@2\.0\.0 crashed"):
        other.hazard_per_hour(ROWS)
    one.hazard_per_hour(ROWS)
    assert sent.pid(one) == pid


def test_an_idle_process_is_ended_and_a_new_one_answers(sent: Sent) -> None:
    model = sent.save()
    before = model.hazard_per_hour(ROWS)
    pid = sent.pid(model)
    sent.workers.end_idle()
    assert is_running(pid)
    sent.watch.now_s += IDLE_S
    sent.workers.end_idle()
    assert not is_running(pid)
    assert same(model.hazard_per_hour(ROWS), before)


def test_one_killed_between_two_questions_is_not_the_models_fault(sent: Sent) -> None:
    model = sent.save()
    before = model.hazard_per_hour(ROWS)
    pid = sent.pid(model)
    os.kill(pid, signal.SIGKILL)
    child = sent.workers._slots[model.digest].process.child
    assert child is not None
    wait_until(lambda: not child.alive(), "it has ended")
    assert same(model.hazard_per_hour(ROWS), before)
    assert sent.pid(model) != pid


def test_a_process_is_replaced_before_its_processor_time_is_used_up(hasty: Sent) -> None:
    model = hasty.save()
    model.hazard_per_hour(ROWS)
    pid = hasty.pid(model)
    place = hasty.workers._slots[model.digest]
    place.process._busy_s = 18.5
    model.hazard_per_hour(ROWS)
    assert hasty.workers.pids() == {}
    model.hazard_per_hour(ROWS)
    assert hasty.pid(model) != pid


def test_a_program_that_does_not_start_is_not_the_models_fault(tmp_path: Path) -> None:
    sent = Sent(tmp_path, program="tests.support.no_such_module")
    model = sent.save()
    for _ in range(2):
        with pytest.raises(NotAvailable, match="The process for model") as failed:
            model.hazard_per_hour(ROWS)
        assert not isinstance(failed.value, ModelFailed)
    sent.workers.close()


def test_nothing_is_asked_once_the_app_leaves(sent: Sent) -> None:
    model = sent.save()
    model.hazard_per_hour(ROWS)
    pid = sent.pid(model)
    sent.workers.close()
    assert not is_running(pid)
    with pytest.raises(NotAvailable, match="shutting down"):
        model.hazard_per_hour(ROWS)


def test_leaving_ends_a_question_too(sent: Sent) -> None:
    model = sent.save("hang")
    errors: list[SpotlabError] = []

    def ask() -> None:
        try:
            model.hazard_per_hour(ROWS)
        except SpotlabError as exc:
            errors.append(exc)

    thread = threading.Thread(target=ask)
    thread.start()
    wait_until(sent.workers.pids, "it was asked")
    sent.workers.close()
    thread.join(20.0)
    assert "shutting down" in errors[0].message


def test_trust_moves_it_inside_and_out_again_at_once(sent: Sent) -> None:
    outside = sent.save()
    sent.trusted.add(outside.digest)
    inside = sent.predictor.get("toy")
    assert inside is not outside
    inside.hazard_per_hour(ROWS)
    assert sent.workers.pids() == {}
    sent.trusted.clear()
    assert sent.predictor.get("toy") is outside
    sent.predictor.get("toy").hazard_per_hour(ROWS)
    assert len(sent.workers.pids()) == 1


def test_trust_is_for_the_content_that_was_seen(sent: Sent, tmp_path: Path) -> None:
    sent.trusted.add(sent.save().digest)
    folder = tmp_path / "toy" / "1.0.0"
    other = models.saved(tmp_path / "other", summary="changed afterwards")
    for name in ("card.json", "SHA256SUMS", "model.txt"):
        (folder / name).write_bytes((other / name).read_bytes())
    sent.predictor.get("toy").hazard_per_hour(ROWS)
    assert len(sent.workers.pids()) == 1


def test_files_that_change_before_its_process_starts_are_refused(
    sent: Sent, tmp_path: Path
) -> None:
    model = sent.save()
    other = models.saved(tmp_path / "other", summary="changed afterwards")
    for name in ("card.json", "SHA256SUMS", "model.txt"):
        (tmp_path / "toy" / "1.0.0" / name).write_bytes((other / name).read_bytes())
    with pytest.raises(ArtefactRefused, match="have changed"):
        model.hazard_per_hour(ROWS)


def test_the_program_that_is_shipped_answers(tmp_path: Path) -> None:
    sent = Sent(tmp_path, program=PROGRAM)
    rows: Matrix = models.rows(3)
    assert same(sent.save().hazard_per_hour(rows), sent.inside.get("toy").hazard_per_hour(rows))
    sent.workers.close()
