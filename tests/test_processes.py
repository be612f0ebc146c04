"""Helper processes: one per home, even if users are killed, and none is left running."""

from __future__ import annotations

import errno
import fcntl
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path

import pytest

from spotlab.errors import NotAvailable
from spotlab.processes import __main__ as supervisor
from spotlab.processes import begin, join, run_dir, socket_dir
from spotlab.processes.files import LOG_BYTES, Files
from tests.support.online import is_running, wait_until
from tests.support.processes import NAME, beacon, user_of


@pytest.fixture
def home(tmp_path: Path) -> Iterator[Path]:
    """A home with spaces in its path; at the end, no process of it may be running."""
    folder = tmp_path / "a home, with spaces é"
    yield folder
    files = Files(run_dir(folder), NAME)
    wait_until(lambda: not files.is_alive(), "the helper has ended")


def test_a_helper_that_was_begun_is_joined_and_not_started_again(home: Path) -> None:
    helper = beacon(home)
    begin(helper)
    begin(helper)
    with join(helper) as first, join(helper) as second:
        assert first.pid == second.pid is not None


def ended(*pids: int) -> None:
    wait_until(lambda: not any(map(is_running, pids)), f"processes {pids} have ended")


def test_processes_that_start_at_once_share_one_helper(home: Path) -> None:
    with ExitStack() as stack:
        users = [stack.enter_context(user_of(home)) for _ in range(3)]
        pids = {user.helper_pid() for user in users}
        assert len(pids) == 1
        assert is_running(*pids)
        for user in users:
            user.leave()
    ended(*pids)


def test_one_process_may_join_more_than_once(home: Path) -> None:
    helper = beacon(home)
    with join(helper) as first:
        with ThreadPoolExecutor(4) as pool:
            others = list(pool.map(lambda _: join(helper), range(4)))
        assert {other.pid for other in others} == {first.pid}
        for other in others:
            other.close()
            other.close()
        assert first.pid is not None
        pid = first.pid
    ended(pid)


def test_a_killed_user_leaves_no_lock_and_the_others_go_on(home: Path) -> None:
    with user_of(home) as owner:
        pid = owner.helper_pid()
        with join(beacon(home)) as membership:
            owner.process.kill()
            owner.process.wait()
            with user_of(home) as late:
                assert late.helper_pid() == pid == membership.pid
                late.process.kill()
                late.process.wait()
            assert is_running(pid)
    ended(pid)


def test_nothing_is_left_after_all_users_were_killed(home: Path) -> None:
    with user_of(home) as one, user_of(home) as other:
        pid = one.helper_pid()
        assert other.helper_pid() == pid
        pids = Files(run_dir(home), NAME).pids()
        assert pids is not None
        one.process.kill()
        other.process.kill()
    ended(pids.helper, pids.supervisor)
    assert "asked to end" in Files(run_dir(home), NAME).log.read_text()


def test_the_helper_outlives_a_restart_of_the_app(home: Path) -> None:
    with user_of(home, idle_s=3.0) as before:
        pid = before.helper_pid()
        before.leave()
    with user_of(home, idle_s=3.0) as after:
        assert after.helper_pid() == pid
        os.kill(pid, signal.SIGTERM)
        ended(pid)


def test_a_helper_that_died_is_started_anew(home: Path) -> None:
    with join(beacon(home)) as membership:
        first = membership.pid
        assert first is not None
        membership.ensure_running()
        assert membership.pid == first
        os.kill(first, signal.SIGKILL)
        wait_until(lambda: membership.pid is None, "its supervisor has ended")
        membership.ensure_running()
        second = membership.pid
        assert second is not None
        assert second != first
        with join(beacon(home)) as other:
            assert other.pid == second


@pytest.mark.skipif(sys.platform != "linux", reason="needs PR_SET_PDEATHSIG")
def test_the_helper_dies_with_its_supervisor(home: Path) -> None:
    with join(beacon(home)) as membership:
        pids = Files(run_dir(home), NAME).pids()
        assert pids is not None
        os.kill(pids.supervisor, signal.SIGKILL)
        ended(pids.helper, pids.supervisor)
        membership.ensure_running()
        assert membership.pid not in (None, pids.helper)
        with join(beacon(home)) as other:
            assert membership.pid == other.pid


def test_sigterm_to_the_supervisor_ends_both(home: Path) -> None:
    with join(beacon(home)):
        pids = Files(run_dir(home), NAME).pids()
        assert pids is not None
        os.kill(pids.supervisor, signal.SIGTERM)
        ended(pids.helper, pids.supervisor)


def test_a_forked_child_is_a_user_of_its_own(home: Path) -> None:
    membership = join(beacon(home))
    pid = membership.pid
    assert pid is not None
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:  # the forked process waits until the test closes the pipe
        os.close(writer)
        os.read(reader, 1)
        os._exit(0)
    os.close(reader)
    membership.close()
    users = Files(run_dir(home), NAME).users
    held = subprocess.run(
        [sys.executable, "-c", IS_HELD, str(users)], capture_output=True, check=True, text=True
    )
    assert held.stdout == "held"
    assert is_running(pid)
    os.close(writer)
    os.waitpid(child, 0)
    ended(pid)


IS_HELD = """
import fcntl, sys
try:
    fcntl.flock(open(sys.argv[1]), fcntl.LOCK_EX | fcntl.LOCK_NB)
except BlockingIOError:
    print("held", end="")
"""


def test_a_fork_while_it_starts_keeps_nobody_waiting(home: Path) -> None:
    helper = beacon(home)
    forks: list[int] = []
    reader, writer = os.pipe()

    def ready_and_forked() -> bool:
        if not forks:
            forks.append(os.fork())
            if forks == [0]:  # it has a copy of every lock that is currently held
                os.close(writer)
                os.read(reader, 1)
                os._exit(0)
        return helper.ready()

    with join(replace(helper, ready=ready_and_forked)), user_of(home) as other:
        began = time.monotonic()
        pid = other.helper_pid()
        assert time.monotonic() - began < 5.0
        assert is_running(forks[0])
    os.close(writer)
    os.close(reader)
    os.waitpid(forks[0], 0)
    ended(pid)


def test_a_user_killed_while_it_starts_a_helper_keeps_nobody_waiting(home: Path) -> None:
    with user_of(home) as hasty:
        files = Files(run_dir(home), NAME)
        wait_until(files.is_alive, "the supervisor is there")
        hasty.process.kill()
        hasty.process.wait()
        with user_of(home) as next_one:
            assert is_running(next_one.helper_pid())
            next_one.leave()


def test_a_second_supervisor_gives_way(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with join(beacon(home)) as membership:
        pid = membership.pid
        monkeypatch.setattr(supervisor, "STOP_S", 0.1)
        monkeypatch.setattr(os, "fork", lambda: pytest.fail("it went on"))
        with pytest.raises(SystemExit, match="Another beacon is already running"):
            supervisor.main([str(run_dir(home)), NAME, "1", "no-such-program"])
        assert membership.pid == pid
        assert is_running(pid or 0)


def test_threads_may_leave_at_once_and_close_nothing_else(home: Path) -> None:
    membership = join(beacon(home))
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda _: membership.close(), range(64)))
    with (home / "run" / "beacon.ready").open() as other:
        membership.close()
        assert other.read(), "its descriptor has the number that the lock had"


def test_joining_while_it_ends_waits_and_starts_anew(home: Path) -> None:
    helper = beacon(home, idle_s=0.1, program=SLOW_TO_END)
    with join(helper) as membership:
        first = membership.pid
        assert first is not None
    ending = run_dir(home) / "beacon.ending"
    wait_until(ending.exists, "the supervisor ends the helper")
    assert is_running(first)
    with join(helper) as again:
        assert not is_running(first)
        assert again.pid not in (None, first)


SLOW_TO_END = """
import pathlib, signal, time
def end(*_):
    pathlib.Path("beacon.ending").touch()
    time.sleep(0.5)
    raise SystemExit
signal.signal(signal.SIGTERM, end)
pathlib.Path("beacon.ready").touch()
while True:
    signal.pause()
"""


def test_a_start_that_fails_shows_the_end_of_the_log(home: Path) -> None:
    program = "import sys; print('x' * 5000); sys.exit('the port is taken')"
    began = time.monotonic()
    with pytest.raises(NotAvailable, match=r"ended during start-up.*the port is taken") as caught:
        join(beacon(home, program=program))
    assert time.monotonic() - began < 5.0, "it does not wait until the timeout"
    assert len(str(caught.value)) < 1000
    files = Files(run_dir(home), NAME)
    assert not files.is_alive()
    with pytest.raises(NotAvailable, match="no-such-program cannot be started: No such file"):
        join(replace(beacon(home), command=("no-such-program",)))


def test_a_helper_that_never_answers_is_ended(home: Path) -> None:
    program = "import time; print('starting up', flush=True); time.sleep(60)"
    mute = replace(
        beacon(home, program=program), ready=lambda: False, start_timeout_s=0.5, idle_s=60.0
    )
    with pytest.raises(NotAvailable, match=r"did not respond within 0.5 s.*starting up"):
        join(mute)
    assert not Files(run_dir(home), NAME).is_alive(), "no process can join it"


def test_a_left_membership_says_so(home: Path) -> None:
    membership = join(beacon(home))
    membership.close()
    with pytest.raises(NotAvailable, match="was closed"):
        membership.ensure_running()


def test_a_removed_home_ends_its_helper(tmp_path: Path) -> None:
    home = tmp_path / "home"
    with join(beacon(home, idle_s=60.0)) as membership:
        pid = membership.pid
        assert pid is not None
        home.rename(tmp_path / "elsewhere")
        ended(pid)


def test_a_long_log_keeps_its_end(tmp_path: Path) -> None:
    files = Files(run_dir(tmp_path), NAME)
    with files.log.open("ab") as writer:
        writer.write(b"x" * (LOG_BYTES + 1) + b"the end")
        writer.flush()
        files.bound_log()
        writer.write(b", and more")
    assert files.log.stat().st_size < LOG_BYTES / 2
    assert files.log.read_bytes().endswith(b"xthe end, and more")


def test_a_helper_that_writes_without_end_fills_no_disk(home: Path) -> None:
    with join(beacon(home, program=CHATTERBOX)):
        files = Files(run_dir(home), NAME)
        wait_until((run_dir(home) / "beacon.wrote").exists, "it has written three times the limit")
        wait_until(lambda: files.log.stat().st_size < LOG_BYTES, "its log was cut")
        wait_until(lambda: files.log_end(0).endswith("the end"), "its end is preserved")


CHATTERBOX = f"""
import pathlib, signal
pathlib.Path("beacon.ready").touch()
for _ in range(3):
    print("x" * {LOG_BYTES}, flush=True)
print("the end", end="", flush=True)
pathlib.Path("beacon.wrote").touch()
signal.pause()
"""


def test_a_file_system_without_locks_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def no_locks(_handle: int, _how: int) -> None:
        raise OSError(errno.ENOLCK, os.strerror(errno.ENOLCK))

    monkeypatch.setattr(fcntl, "flock", no_locks)
    with pytest.raises(NotAvailable, match=r"does not support file locks.*local disk"):
        join(beacon(tmp_path))


def test_the_run_folder_is_the_owners_alone(tmp_path: Path) -> None:
    (tmp_path / "run").mkdir(mode=0o755)
    assert run_dir(tmp_path).stat().st_mode & 0o777 == 0o700


def test_a_home_that_cannot_be_made_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(NotAvailable, match="file/run cannot be created: Not a directory"):
        run_dir(tmp_path / "file")
    (tmp_path / "run").symlink_to(tmp_path / "nowhere")
    with pytest.raises(NotAvailable, match="run"):
        run_dir(tmp_path)


def test_a_long_home_has_its_sockets_in_a_short_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    long = tmp_path / ("long " * 30)
    assert socket_dir(tmp_path) == run_dir(tmp_path)
    folder = socket_dir(long)
    try:
        assert len(bytes(folder / "emulated-aws.sock")) < 100
        assert folder.stat().st_mode & 0o777 == 0o700
        monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
        assert socket_dir(long) == folder, "a process with another TMPDIR finds the same folder"
        (tmp_path / "link").symlink_to(long)
        assert socket_dir(tmp_path / "link") == folder, "so does one that uses a symbolic link"
    finally:
        folder.rmdir()
