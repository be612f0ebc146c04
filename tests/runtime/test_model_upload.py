"""An upload is accepted completely or rejected with a reason, and never runs in the app."""

from __future__ import annotations

import errno
import io
import json
import os
import pickle
import stat
import sys
import threading
import zipfile
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cache, partial
from hashlib import sha256
from pathlib import Path

import pytest

from spotlab.domain.ports import By, ModelEvent
from spotlab.errors import ArtefactRefused, InvalidInput, NotAvailable, SpotlabError
from spotlab.inference.predictor import Predictor
from spotlab.inference.tree_limits import TreeLimits
from spotlab.runtime import model_upload
from spotlab.runtime.model_dry_run import DryRun, DryRunLimits, dry_run
from spotlab.runtime.model_registration import UPLOADS
from spotlab.runtime.model_unpacking import UnpackLimits
from spotlab.runtime.model_upload import QUARANTINE, UploadReport, upload
from spotlab.store import Store, open_store
from tests.support import builders as make
from tests.support import hostile_models as hostile
from tests.support import models
from tests.support.migrated import copy_to
from tests.support.racing import call_concurrently, outcomes, synchronise_first_calls

Files = dict[str, bytes]
SMALL = UnpackLimits(archive_mb=0.5, unpacked_mb=1.0, files=8)


@dataclass(frozen=True)
class Home:
    """A home for uploads, with a folder of shipped models."""

    path: Path
    store: Store
    predictor: Predictor

    def upload(self, source: Path | bytes, limits: DryRunLimits | None = None) -> UploadReport:
        by = By("ana", make.NOW, "it looks good")
        return upload(source, by, self.store.registry, self.predictor, self.path, SMALL, limits)

    def events(self) -> list[ModelEvent]:
        return self.store.registry.events()

    def left_over(self) -> list[str]:
        """All paths in quarantine and among the uploads."""
        return sorted(
            str(path.relative_to(self.path))
            for path in (self.path / UPLOADS).rglob("*")
            if path != self.path / QUARANTINE
        )


@pytest.fixture
def home(tmp_path: Path) -> Iterator[Home]:
    path = tmp_path / "home"
    store = open_store(None, copy_to(path / "spotlab.db"))
    yield Home(path, store, Predictor(tmp_path / "shipped", path / UPLOADS))
    store.close()


@pytest.fixture
def trusting(monkeypatch: pytest.MonkeyPatch) -> None:
    """Skips the trial prediction: these tests are about the checks before and after it."""
    monkeypatch.setattr(
        model_upload, "dry_run", lambda _folder, _limits: DryRun(256, 0.1, 0.2, 0.01)
    )


@cache
def booster() -> bytes:
    return models.booster_text().encode()


def artefact(model: bytes | None = None, **changed: object) -> Files:
    """The three files of a valid artefact of the toy model."""
    card = json.dumps(models.card(**changed)).encode()
    return summed({"card.json": card, "model.txt": booster() if model is None else model})


def summed(files: Files) -> Files:
    """The files with their checksums."""
    rest = {name: content for name, content in files.items() if name != "SHA256SUMS"}
    sums = "".join(f"{sha256(c).hexdigest()}  {n}\n" for n, c in sorted(rest.items()))
    return rest | {"SHA256SUMS": sums.encode()}


def zipped(files: Files, prefix: str = "", method: int = zipfile.ZIP_DEFLATED) -> bytes:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", method) as archive:
        for name, content in files.items():
            archive.writestr(prefix + name, content)
    return packed.getvalue()


def with_entry(name: str, mode: int = 0, content: bytes = b"x") -> bytes:
    packed = io.BytesIO(zipped(artefact()))
    with zipfile.ZipFile(packed, "a") as archive:
        info = zipfile.ZipInfo("entry")
        info.filename, info.external_attr = name, mode << 16
        archive.writestr(info, content)
    return packed.getvalue()


def bit_flipped(content: bytes, at: int) -> bytes:
    return content[:at] + bytes([content[at] ^ 0x40]) + content[at + 1 :]


def misspelt(old: bytes, new: bytes) -> bytes:
    """An entry whose name is marked as UTF-8, but is not."""
    return with_entry("\u00fc" + old.decode()).replace(old, new)


def encrypted() -> bytes:
    """Set the encryption flag in the local and the central header."""
    content = bytearray(zipped(artefact()))
    for magic, offset in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
        at = content.find(magic)
        while at >= 0:
            content[at + offset] |= 1
            at = content.find(magic, at + 4)
    return bytes(content)


def without(name: str) -> Files:
    return {key: content for key, content in artefact().items() if key != name}


def card_text(text: bytes) -> bytes:
    return zipped(summed(artefact() | {"card.json": text}))


PICKLED = pickle.dumps({"a": 1})
MALFORMED: dict[str, tuple[Callable[[], bytes], str]] = {
    "nothing": (lambda: b"", "not a readable zip"),
    "noise": (lambda: b"\x00\x01\x02" * 500, "not a readable zip"),
    "text": (lambda: b"version=v4\n", "not a readable zip"),
    "a bare model": (lambda: b"tree\nversion=v4\n", "bare LightGBM model without a card"),
    "a pickle": (lambda: PICKLED, "is or contains a pickle, .* can run code"),
    "half a zip": (lambda: zipped(artefact())[:-300], "not a readable zip"),
    "a damaged zip": (lambda: bit_flipped(zipped(artefact()), 200), "not a readable zip|SHA-256"),
    "an empty zip": (lambda: zipped({}), "card.json: is missing"),
    "too large an archive": (lambda: os.urandom(600_000), "larger than 0.5 MB"),
    "a zip bomb": (lambda: zipped({"model.txt": b"0" * 30_000_000}), "larger than 1 MB"),
    "many files": (lambda: zipped({f"{n}.txt": b"" for n in range(9)}), "9 entries"),
    "a link": (
        lambda: with_entry("sly", stat.S_IFLNK | 0o777, b"/etc/passwd"),
        "'sly': is not a regular",
    ),
    "a device": (lambda: with_entry("tty", stat.S_IFCHR | 0o600), "'tty': is not a regular"),
    "a path upwards": (lambda: with_entry("../../x.txt"), "not a valid path"),
    "an absolute path": (lambda: with_entry("/etc/x.txt"), "not a valid path"),
    "a Windows path": (lambda: with_entry("..\\x.txt"), "not a valid path"),
    "a drive": (lambda: with_entry("C:x.txt"), "not a valid path"),
    "a name of 300 letters": (lambda: with_entry("a" * 300), "not a valid path"),
    "a name of 300 bytes": (lambda: with_entry("ü" * 150), "not a valid path"),
    "a folder of 300 letters": (lambda: with_entry("a" * 300 + "/x.txt"), "not a valid path"),
    "a NUL in a name": (lambda: with_entry("a\x00b.txt"), "not a valid path"),
    "a dot at the end": (lambda: with_entry("model.txt."), "not a valid path"),
    "a blank at the end": (lambda: with_entry("model.txt "), "not a valid path"),
    "only dots": (lambda: with_entry("..."), "not a valid path"),
    "a device of Windows": (lambda: with_entry("NUL.txt"), "not a valid path"),
    "a stream of Windows": (lambda: with_entry("model.txt:x"), "not a valid path"),
    "a name that is no UTF-8": (
        lambda: misspelt(b"aaaa", b"\xff\xfe\xfa\xfb"),
        "not a readable zip",
    ),
    "two spellings of a name": (
        lambda: zipped({"caf\u00e9.txt": b"", "cafe\u0301.txt": b""}),
        "two files of the same name",
    ),
    "two cases of a name": (
        lambda: zipped({"stra\u00dfe.txt": b"", "STRASSE.TXT": b""}),
        "two files of the same name",
    ),
    "ten thousand files": (
        lambda: zipped({f"{n}.txt": b"" for n in range(10_000)}, method=zipfile.ZIP_STORED),
        "larger than 0.5 MB|10000 entries",
    ),
    "a bell in a name": (lambda: with_entry("a\x07b"), "not a valid path"),
    "several folders": (lambda: with_entry("inner/x.txt"), "several folders"),
    "a name twice": (lambda: with_entry("Model.txt"), "two files of the same name"),
    "encryption": (encrypted, "is encrypted"),
    "another method": (lambda: zipped(artefact(), method=zipfile.ZIP_LZMA), "other than deflate"),
    "no card": (lambda: zipped(without("card.json")), "card.json: is missing"),
    "no checksums": (lambda: zipped(without("SHA256SUMS")), "SHA256SUMS: is missing"),
    "no model": (lambda: zipped(without("model.txt")), "model.txt: is listed in SHA256SUMS but"),
    "a changed model": (
        lambda: zipped(artefact() | {"model.txt": booster() + b" "}),
        "model.txt: its SHA-256",
    ),
    "a file more": (lambda: zipped(artefact() | {"notes.txt": b"x"}), "notes.txt: is not listed"),
    "a pickle beside": (
        lambda: zipped(summed(artefact() | {"model.pkl": PICKLED})),
        r"model.pkl: a .pkl file can run code",
    ),
    "a joblib beside": (
        lambda: zipped(summed(artefact() | {"model.joblib": b"x"})),
        r"model.joblib: a .joblib file can run code",
    ),
    "an npy beside": (
        lambda: zipped(summed(artefact() | {"a.npy": b"\x93NUMPY"})),
        r"a.npy: a .npy file can run code",
    ),
    "a pickle in disguise": (lambda: zipped(artefact(PICKLED)), "model.txt: is a pickle"),
    "a zip in disguise": (
        lambda: zipped(artefact(zipped({"data.pkl": PICKLED}))),
        "carry a pickle",
    ),
    "a binary model": (lambda: zipped(artefact(b"\xff\xfe\x00")), "model.txt: is not UTF-8"),
    "a card that is no JSON": (lambda: card_text(b'{"format": 1,'), "card.json"),
    "a card of lists": (lambda: card_text(b"[]"), "card.json"),
    "a card without bottom": (
        lambda: card_text(b'{"a":' * 100_000 + b"1" + b"}" * 100_000),
        "card.json",
    ),
    "a card without end": (
        lambda: card_text(json.dumps(models.card(more="x" * 2**20)).encode()),
        "larger than 1 MB",
    ),
    "a name without end": (lambda: zipped(artefact(file="secret " * 100_000)), "secret"),
    "a card of tomorrow": (lambda: zipped(artefact(format=2)), "format 2 is newer"),
    "a name that climbs": (lambda: zipped(artefact(name="../../x")), "is not a valid name"),
    "a version that climbs": (lambda: zipped(artefact(version="..")), "is not a valid name"),
    "a task that is no word": (lambda: zipped(artefact(task="ad\x00visor")), "is not a valid name"),
    "a model that climbs": (lambda: zipped(artefact(file="../model.txt")), "does not exist"),
    "another kind": (lambda: zipped(artefact(kind="pickle")), r"card.json: .*kind"),
}


@pytest.mark.parametrize("name", MALFORMED)
def test_what_is_malformed_is_refused_in_words_and_removed(home: Home, name: str) -> None:
    build, said = MALFORMED[name]
    content = build()

    with pytest.raises(ArtefactRefused, match=said) as caught:
        home.upload(content)

    assert "quarantine" not in str(caught.value)
    assert len(caught.value.message) <= 1001
    assert home.left_over() == []
    assert home.store.registry.records() == []
    [event] = home.events()
    assert (event.actor, event.action) == ("ana", "refuse")
    assert caught.value.message in event.reason
    assert "it looks good" in event.reason


def test_a_good_upload_becomes_a_candidate(home: Home) -> None:
    report = home.upload(zipped(artefact(), prefix="toy/1.0.0/"))

    assert report.first.rows > 256
    assert 0.0 <= report.first.risk_low <= report.first.risk_high <= 1.0
    assert home.store.registry.records() == [report.record]
    assert (report.record.reference, report.record.state) == ("toy@1.0.0", "candidate")
    assert home.predictor.get("toy@1.0.0").digest == report.record.digest
    folder = home.path / UPLOADS / "toy" / "1.0.0"
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == artefact()
    assert list((home.path / QUARANTINE).iterdir()) == []
    [event] = home.events()
    assert (event.action, event.after) == ("register", "candidate")
    assert event.reason == "Uploaded. it looks good"


@pytest.mark.usefixtures("trusting")
def test_one_version_that_is_uploaded_twice_at_once_is_taken_once(
    home: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    synchronise_first_calls(
        monkeypatch, model_upload, "_publish", 4
    )  # all found the version unused
    told = call_concurrently([partial(home.upload, zipped(artefact()))] * 4)

    assert outcomes(told) == {"ok": 1, "InvalidInput": 3}
    assert all("exists" in str(each) for each in told if isinstance(each, Exception))
    folder = home.path / UPLOADS / "toy" / "1.0.0"
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == artefact()
    assert list((home.path / QUARANTINE).iterdir()) == []
    assert sorted(event.action for event in home.events()) == ["refuse"] * 3 + ["register"]


@pytest.mark.usefixtures("trusting")
def test_a_folder_and_a_file_are_taken_too(home: Home, tmp_path: Path) -> None:
    folder = models.saved(tmp_path / "made", version="2.0.0")
    file = tmp_path / "toy.zip"
    file.write_bytes(zipped(artefact()))

    assert home.upload(folder).record.version == "2.0.0"
    assert home.upload(file).record.version == "1.0.0"
    assert folder.is_dir()


def test_a_folder_with_a_link_or_a_pipe_is_refused(home: Home, tmp_path: Path) -> None:
    folder = models.saved(tmp_path / "made")
    (folder / "sly").symlink_to("/etc/passwd")
    with pytest.raises(ArtefactRefused, match="sly: is not a regular file"):
        home.upload(folder)
    (folder / "sly").unlink()
    os.mkfifo(folder / "pipe")
    with pytest.raises(ArtefactRefused, match="pipe: is not a regular file"):
        home.upload(folder)


@pytest.mark.parametrize("name", ["con.txt", "a\nb", "trailing.", os.fsdecode(b"\xff.txt")])
def test_a_folder_with_a_name_that_is_not_plain_is_refused(
    home: Home, tmp_path: Path, name: str
) -> None:
    folder = models.saved(tmp_path / "made")
    (folder / name).touch()
    with pytest.raises(ArtefactRefused, match="not a valid file name") as refused:
        home.upload(folder)
    assert str(refused.value).isprintable()


@pytest.mark.parametrize("name", ["model.pkl", "model.joblib"])
def test_a_pickle_file_alone_is_refused_with_the_reason(
    home: Home, tmp_path: Path, name: str
) -> None:
    file = tmp_path / name
    file.write_bytes(b"cos\nsystem\n(S'true'\ntR.")
    with pytest.raises(ArtefactRefused, match=f"{name} is or contains a pickle, .* can run code"):
        home.upload(file)
    assert name in home.events()[0].reason


def test_a_file_that_is_not_there_is_said(home: Home, tmp_path: Path) -> None:
    with pytest.raises(InvalidInput, match=r"none\.zip: no such file or folder"):
        home.upload(tmp_path / "none.zip")


def edited(change: Callable[[bytes, bytes], bytes]) -> bytes:
    """The booster with other values in some lines, and matching sizes."""
    lines = [line.partition(b"=") for line in booster().split(b"\n")]
    text = b"\n".join(name + equals + change(name, values) for name, equals, values in lines)
    return hostile.resized(text.decode()).encode()


def each(values: bytes, value: bytes) -> bytes:
    return b" ".join(value for _ in values.split())


def looping() -> bytes:
    """Trees whose first node is its own child: a prediction never ends."""
    children = (b"left_child", b"right_child")
    return edited(lambda name, values: each(values, b"0") if name in children else values)


def greedy() -> bytes:
    """A model with two thousand million classes: a prediction takes 4 TB."""
    return edited(lambda name, values: b"2000000000" if name == b"num_class" else values)


def crashing() -> bytes:
    """A model with two thousand million trees per round: LightGBM reads beyond its end."""
    trees = b"num_tree_per_iteration"
    return edited(lambda name, values: b"2000000000" if name == trees else values)


def lost() -> bytes:
    """Leaves whose values are not numbers."""
    return edited(lambda name, values: each(values, b"nan") if name == b"leaf_value" else values)


DANGEROUS = {
    "hangs": (looping, "Tree 0, node 0: its left child is itself"),
    "eats memory": (greedy, "num_class is '2000000000'; only 1 is accepted"),
    "crashes": (crashing, "num_tree_per_iteration is '2000000000'; only 1 is accepted"),
    "gives no numbers": (lost, "Tree 0: leaf_value contains 'nan "),
}


@pytest.mark.parametrize("name", DANGEROUS)
def test_a_model_whose_text_lies_is_refused_in_words(home: Home, name: str) -> None:
    build, said = DANGEROUS[name]

    with pytest.raises(ArtefactRefused, match=said):
        home.upload(zipped(artefact(build())))

    assert home.left_over() == []
    [event] = home.events()
    assert (event.action, event.name, event.version) == ("refuse", "toy", "1.0.0")


@pytest.mark.parametrize("name", ["own child", "far leaf", "near leaf", "far column"])
def test_a_shipped_model_made_hostile_is_refused_in_words(home: Home, name: str) -> None:
    packed = zipped(hostile.hostile_artefact(name))
    by = By("ana", make.NOW, "")

    with pytest.raises(ArtefactRefused, match=hostile.HOSTILE[name][1]):
        upload(packed, by, home.store.registry, home.predictor, home.path)

    assert home.left_over() == []
    assert home.events()[0].action == "refuse"


@pytest.mark.parametrize(
    ("script", "said"),
    [("exec tail -f /dev/null", "took more than 1 s"), ("kill -SEGV $$", "was killed by SIGSEGV")],
    ids=["hangs", "crashes"],
)
def test_a_model_that_misbehaves_ends_in_its_own_process(
    home: Home, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, script: str, said: str
) -> None:
    """Native code that fails despite validation, simulated by a shell script."""
    program = tmp_path / "python"
    program.write_text(f"#!/bin/bash\n{script}\n")
    program.chmod(0o755)
    monkeypatch.setattr(sys, "executable", str(program))

    with pytest.raises(ArtefactRefused, match=said):
        home.upload(zipped(artefact()), DryRunLimits(wall_s=1.0))

    assert home.left_over() == []
    assert home.events()[0].action == "refuse"


def test_the_limits_of_the_settings_are_those_of_an_upload(home: Home) -> None:
    small = Predictor(home.path / UPLOADS, limits=TreeLimits(trees=19))
    by = By("ana", make.NOW, "")
    with pytest.raises(ArtefactRefused, match="tree_sizes has 20 entries, not 1 to 19"):
        upload(zipped(artefact()), by, home.store.registry, small, home.path)


def test_a_first_prediction_has_no_more_memory_than_it_may(tmp_path: Path) -> None:
    with pytest.raises(ArtefactRefused, match="trial prediction"):
        dry_run(models.saved(tmp_path), DryRunLimits(memory_mb=64))


@pytest.mark.usefixtures("trusting")
def test_an_existing_version_is_not_replaced(home: Home, tmp_path: Path) -> None:
    home.upload(zipped(artefact()))
    models.saved(tmp_path / "shipped", name="shipped")
    before = home.left_over()

    for files, said in (
        (artefact(), r"toy@1\.0\.0 exists"),
        (artefact(summary="another"), r"toy@1\.0\.0 is registered with other content"),
        (artefact(name="shipped", summary="another"), r"shipped@1\.0\.0 exists"),
    ):
        with pytest.raises(InvalidInput, match=said):
            home.upload(zipped(files))
    assert home.left_over() == before
    assert len(home.store.registry.records()) == 1


def test_two_uploads_of_one_version_at_once_leave_one(
    home: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    together = threading.Barrier(2, timeout=30)

    def meet(_folder: Path, _limits: DryRunLimits) -> DryRun:
        together.wait()
        return DryRun(256, 0.1, 0.2, 0.01)

    monkeypatch.setattr(model_upload, "dry_run", meet)

    def attempt(summary: str) -> str:
        try:
            return home.upload(zipped(artefact(summary=summary))).record.digest
        except SpotlabError as exc:
            return str(exc)

    with ThreadPoolExecutor(2) as pool:
        ends = list(pool.map(attempt, ["one", "two"]))

    [record] = home.store.registry.records()
    assert record.digest in ends
    assert any("registered with other content" in end for end in ends)
    assert home.predictor.get("toy").digest == record.digest
    assert len([line for line in home.left_over() if line.endswith("card.json")]) == 1


@pytest.mark.usefixtures("trusting")
@pytest.mark.parametrize("at", ["unpacking", "publishing"])
def test_a_full_disk_leaves_nothing_half_written(
    home: Home, monkeypatch: pytest.MonkeyPatch, at: str
) -> None:
    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with monkeypatch.context() as patched:
        if at == "unpacking":
            patched.setattr(os, "fsync", full)
        else:
            patched.setattr(Path, "rename", full)
        with pytest.raises(NotAvailable, match="No space left on device") as caught:
            home.upload(zipped(artefact()))

    assert "Nothing was stored" in caught.value.remedy
    assert [line for line in home.left_over() if line.endswith(("card.json", "model.txt"))] == []
    assert home.store.registry.records() == []
    assert home.events()[0].action == "refuse"


@pytest.mark.usefixtures("trusting")
def test_a_registry_that_is_down_takes_the_files_back(
    home: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    def down(*_: object) -> None:
        raise NotAvailable("The database does not answer.")

    monkeypatch.setattr(type(home.store.registry), "register", down)
    with pytest.raises(NotAvailable, match="does not answer"):
        home.upload(zipped(artefact()))
    assert [line for line in home.left_over() if "1.0.0" in line] == []


@pytest.mark.usefixtures("trusting")
def test_what_a_dead_process_left_in_quarantine_is_swept(home: Home) -> None:
    old, new = (home.path / QUARANTINE / name for name in ("old", "new"))
    for folder in (old, new):
        folder.mkdir(parents=True)
    os.utime(old, (0, 0))
    home.upload(zipped(artefact()))
    assert (old.exists(), new.exists()) == (False, True)
