"""Processes end when they should and leave nothing behind."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from django_cloudkey.server.transcoding.errors import Cancelled, NoSpace, TimedOut, ToolMissing
from django_cloudkey.server.transcoding.failures import ProcessFailed
from django_cloudkey.server.transcoding.runner import STDERR_TAIL, Limits, run
from django_cloudkey.server.transcoding.tools import Tools

REPOSITORY = Path(__file__).parents[3]

# Two processes that ignore SIGTERM and keep both pipes; the second one's number is in a file.
STUBBORN = """
signal.signal(signal.SIGTERM, signal.SIG_IGN)
child = os.fork()
if child == 0:
    time.sleep(60)
with open(sys.argv[1], "w") as file:
    file.write(f"{os.getpid()} {child}")
print("ready", flush=True)
"""


def pids(path: Path) -> list[int]:
    return [int(word) for word in path.read_text().split()]


def test_output_is_returned(program: Callable[..., str]) -> None:
    assert run([program("print('hello')")], limits=Limits()) == b"hello\n"


def test_lines_are_handed_over_as_they_come(program: Callable[..., str]) -> None:
    lines: list[str] = []

    output = run(
        [program("print('a=1'); print('b'); sys.stdout.write('unfinished')")],
        limits=Limits(),
        on_line=lines.append,
    )

    assert output == b""
    assert lines == ["a=1", "b"]


def test_arguments_are_not_interpreted(program: Callable[..., str]) -> None:
    echo = program("print(sys.argv[1:])")

    output = run([echo, "$(id)", "-y", "a b;c", "'"], limits=Limits())

    assert output.decode() == "['$(id)', '-y', 'a b;c', \"'\"]\n"


def test_a_bad_status_carries_the_end_of_stderr(program: Callable[..., str]) -> None:
    failing = program("sys.stderr.write('x' * 100_000 + 'the \\x1b end'); sys.exit(3)")

    with pytest.raises(ProcessFailed) as caught:
        run([failing], limits=Limits())

    assert caught.value.returncode == 3
    assert len(caught.value.stderr) == STDERR_TAIL
    assert str(caught.value).endswith(r"the \x1b end'")


def test_a_flood_of_stderr_neither_blocks_nor_grows(program: Callable[..., str]) -> None:
    flood = program("for n in range(320): os.write(2, b'warning\\n' * 8192)\nprint('done')")

    assert run([flood], limits=Limits(wall=20)) == b"done\n"


def test_a_flood_of_stdout_is_an_error(program: Callable[..., str]) -> None:
    flood = program("while True: os.write(1, bytes(65536))")

    with pytest.raises(ProcessFailed):
        run([flood], limits=Limits(wall=20))


def test_a_line_without_end_is_dropped(program: Callable[..., str]) -> None:
    lines: list[str] = []
    endless = program("for n in range(100): os.write(1, b'x' * 65536)\nprint(); print('end')")

    run([endless], limits=Limits(), on_line=lines.append)

    assert lines[-1] == "end"
    assert sum(map(len, lines)) < 2 * 65536


def test_a_missing_program_is_a_missing_tool(tmp_path: Path) -> None:
    with pytest.raises(ToolMissing):
        run([str(tmp_path / "nothing")], limits=Limits())


def test_a_program_that_cannot_start_fails(tmp_path: Path) -> None:
    path = tmp_path / "garbage"
    path.write_bytes(b"\x00\x01\x02")
    path.chmod(0o755)

    with pytest.raises(ProcessFailed, match="cannot start") as caught:
        run([str(path)], limits=Limits())

    assert caught.value.returncode == 127


def test_a_stubborn_group_is_killed_at_the_wall(
    program: Callable[..., str], tmp_path: Path, is_alive: Callable[[int], bool]
) -> None:
    note = tmp_path / "pids"
    stubborn = program(STUBBORN + "while True: time.sleep(60)")

    begun = time.monotonic()
    with pytest.raises(TimedOut):
        run([stubborn, str(note)], limits=Limits(wall=1))

    assert time.monotonic() - begun < 5
    assert len(pids(note)) == 2
    assert not any(map(is_alive, pids(note)))


def test_children_left_behind_are_killed(
    program: Callable[..., str], tmp_path: Path, is_alive: Callable[[int], bool]
) -> None:
    note = tmp_path / "pids"

    begun = time.monotonic()
    output = run([program(STUBBORN), str(note)], limits=Limits())

    assert output == b"ready\n"
    assert time.monotonic() - begun < 5
    assert not any(map(is_alive, pids(note)))


def test_a_child_outside_the_group_does_not_hold_it_up(program: Callable[..., str]) -> None:
    leaver = program("if os.fork() == 0:\n    os.setsid(); time.sleep(3)\nelse: print('bye')")

    begun = time.monotonic()
    assert run([leaver], limits=Limits()) == b"bye\n"

    assert time.monotonic() - begun < 2.5


def test_closed_pipes_do_not_end_the_wait(program: Callable[..., str], tmp_path: Path) -> None:
    quiet = program("os.close(1); os.close(2); time.sleep(0.5); open(sys.argv[1], 'w').close()")

    run([quiet, str(tmp_path / "late")], limits=Limits())

    assert (tmp_path / "late").exists()


def test_stop_kills_the_group(
    program: Callable[..., str], tmp_path: Path, is_alive: Callable[[int], bool]
) -> None:
    note = tmp_path / "pids"
    stubborn = program(STUBBORN + "while True: os.write(2, b'noise' * 1000)")

    begun = time.monotonic()
    with pytest.raises(Cancelled):
        run([stubborn, str(note)], limits=Limits(), stop=note.exists)

    assert time.monotonic() - begun < 5
    assert not any(map(is_alive, pids(note)))


@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt])
def test_an_error_of_the_caller_kills_the_group(
    program: Callable[..., str],
    tmp_path: Path,
    is_alive: Callable[[int], bool],
    error: type[BaseException],
) -> None:
    note = tmp_path / "pids"

    def fail(line: str) -> None:
        raise error(line)

    with pytest.raises(error, match="ready"):
        run([program(STUBBORN + "time.sleep(60)"), str(note)], limits=Limits(), on_line=fail)

    assert not any(map(is_alive, pids(note)))


def test_the_end_of_the_caller_is_the_end_of_ffmpeg(
    tools: Tools, is_alive: Callable[[int], bool]
) -> None:
    command = [tools.ffmpeg, "-nostdin", "-re", "-f", "lavfi", "-i", "testsrc2", "-f", "null", "-"]
    script = (
        "from django_cloudkey.server.transcoding.runner import Limits, run\n"
        f"run({[*command[:1], '-progress', 'pipe:1', *command[1:]]}, limits=Limits(),"
        " on_line=lambda line: print(line, flush=True))"
    )
    with subprocess.Popen(
        [sys.executable, "-c", script], stdout=subprocess.PIPE, cwd=REPOSITORY
    ) as caller:
        assert caller.stdout is not None
        assert caller.stdout.readline()  # ffmpeg reports: it runs
        children = Path(f"/proc/{caller.pid}/task/{caller.pid}/children").read_text()
        assert len(children.split()) == 1

        caller.send_signal(signal.SIGKILL)

        assert not is_alive(int(children))


def test_memory_is_limited(program: Callable[..., str]) -> None:
    greedy = program("bytearray(1024**3)")

    with pytest.raises(ProcessFailed, match="MemoryError"):
        run([greedy], limits=Limits(memory=256 * 1024**2))


def test_processor_time_is_limited(program: Callable[..., str]) -> None:
    with pytest.raises(TimedOut):
        run([program("while True: pass")], limits=Limits(cpu=1, wall=20))


def test_processor_time_is_limited_for_who_ignores_the_warning(program: Callable[..., str]) -> None:
    deaf = program("signal.signal(signal.SIGXCPU, signal.SIG_IGN)\nwhile True: pass")

    with pytest.raises(TimedOut):
        run([deaf], limits=Limits(cpu=1, wall=20))


def test_files_are_limited(program: Callable[..., str], tmp_path: Path) -> None:
    target = tmp_path / "large"
    # The interpreter ignores the signal; ffmpeg does not.
    writer = program(
        "signal.signal(signal.SIGXFSZ, signal.SIG_DFL)\n"
        "with open(sys.argv[1], 'wb', 0) as file:\n    while True: file.write(bytes(65536))"
    )

    with pytest.raises(ProcessFailed) as caught:
        run([writer, str(target)], limits=Limits(file_size=1_000_000))

    assert caught.value.returncode == -signal.SIGXFSZ
    assert target.stat().st_size <= 1_000_000


@pytest.mark.parametrize("status", [0, 1])
def test_a_full_disk_is_told_whatever_the_status(program: Callable[..., str], status: int) -> None:
    full = program(f"sys.stderr.write('av_write: No space left on device\\n'); sys.exit({status})")

    with pytest.raises(NoSpace):
        run([full], limits=Limits())


def test_nothing_of_our_environment_is_handed_on(
    program: Callable[..., str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("API_KEY", "secret")

    output = run([program("print(sorted(os.environ), os.getcwd())")], limits=Limits())

    assert output.decode().strip() == "['LC_ALL', 'MALLOC_ARENA_MAX'] /"


def test_the_process_is_confined(program: Callable[..., str]) -> None:
    facts = program(
        "import resource\n"
        "print([line for line in open('/proc/self/status') if 'NoNewPrivs' in line],"
        " resource.getrlimit(resource.RLIMIT_CORE), os.getpid() == os.getsid(0), sys.stdin.read())"
    )

    output = run([facts], limits=Limits()).decode()

    assert output == r"['NoNewPrivs:\t1\n'] (0, 0) True " + "\n"


def test_the_process_has_no_network_where_the_kernel_allows_that(
    program: Callable[..., str],
) -> None:
    attempt = (
        "import ctypes, os; libc = ctypes.CDLL(None); "
        "flags = 0x40000000 | (0x10000000 if os.geteuid() else 0); "
        "raise SystemExit(libc.unshare(flags) != 0)"
    )
    is_allowed = subprocess.run([sys.executable, "-c", attempt], check=False).returncode == 0

    inside = run([program("print(os.readlink('/proc/self/ns/net'))")], limits=Limits()).decode()

    assert (inside.strip() != os.readlink("/proc/self/ns/net")) is is_allowed
