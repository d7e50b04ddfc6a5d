"""Programs that work in a mount, for scripts/bench: none can keep the bench for longer than its limit."""

import contextlib
import os
import pathlib
import signal
import subprocess
import time


class Missing(Exception):
    """What is needed is not there; the text says what."""


def as_quick_as_this_session(pid):
    """Gives the session of a new process the priority of this one's, where the kernel schedules by session."""
    with contextlib.suppress(OSError, IndexError):
        nice = pathlib.Path("/proc/self/autogroup").read_text(encoding="ascii").split()[-1]
        pathlib.Path(f"/proc/{pid}/autogroup").write_text(nice, encoding="ascii")


def run(mount, words, limit_s, apart=False, **options):
    """Runs a command that works in `mount` and returns what it prints; `apart`: in a session of its own. Raises RuntimeError
    when it fails or outlives its limit; then the mount is aborted, so that nobody waits for it any more."""
    options |= {"start_new_session": True} if apart else {"process_group": 0}
    child = subprocess.Popen(words, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
                             **options)
    if apart:
        as_quick_as_this_session(child.pid)
    try:
        out, errors = child.communicate(timeout=limit_s)
    except subprocess.TimeoutExpired as error:
        raise RuntimeError(f"{os.path.basename(words[0])} did not come back in {limit_s:.0f} s") from error
    finally:
        if child.poll() is None:
            mount.abort()
            os.killpg(child.pid, signal.SIGKILL)
            child.communicate()
    if child.returncode != 0:
        raise RuntimeError(errors.strip()[-500:] or f"{os.path.basename(words[0])} ended with {child.returncode}")
    return out


def seconds(mount, words, limit_s, **options):
    """How long the command took. Raises as run."""
    begin = time.perf_counter()
    run(mount, words, limit_s, **options)
    return time.perf_counter() - begin
