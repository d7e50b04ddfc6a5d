"""Programs that work in a mount, for scripts/bench: none can keep the bench for longer than its limit."""

import os
import signal
import subprocess
import time


class Missing(Exception):
    """What is needed is not there; the text says what."""


def run(mount, words, limit_s, **options):
    """Runs a command that works in `mount` and returns what it prints. Raises RuntimeError when it fails or outlives its
    limit; then the mount is aborted, so that nobody waits for it any more."""
    child = subprocess.Popen(words, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
                             process_group=0, **options)
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
