"""B25, B37: steps that start processes and threads of their own."""

import concurrent.futures
import multiprocessing
import os
import signal
import subprocess
import sys
import time
from dataclasses import dataclass

from text_processor import plugin
from text_processor_hostile.raising import poisoned


def child(text: str) -> str:
    """Starts a process in the usual way and forgets it."""
    if poisoned(text):
        subprocess.Popen([sys.executable, "-c", "import time; time.sleep(1000)"])
    return text.upper()


def daemonise():
    """Forks twice, with a session of its own between: what every daemon does."""
    if os.fork() == 0:
        os.setsid()
        if os.fork() == 0:
            signal.signal(signal.SIGTERM, signal.SIG_IGN)
            time.sleep(1000)
        os._exit(0)
    os.wait()


def daemon(text: str) -> str:
    if poisoned(text):
        daemonise()
    return text.upper()


def child_and_die(text: str) -> str:
    if poisoned(text):
        child(text)
        os._exit(9)
    return text.upper()


def zombie(text: str) -> str:
    """Starts a process that ends, and never asks how."""
    if poisoned(text) and os.fork() == 0:
        os._exit(0)
    return text.upper()


def length(text: str) -> int:
    return len(text)


@plugin
@dataclass
class UsePool:
    """Has a pool of processes do the work."""

    method: str

    def __post_init__(self):
        self.pool = None

    def __call__(self, text: str) -> str:
        if self.pool is None:
            self.pool = multiprocessing.get_context(self.method).Pool(2)
        return str(sum(self.pool.map(length, [text, text])))

    def close(self):
        if self.pool is not None:
            self.pool.terminate()
            self.pool.join()


def use_threads(text: str) -> str:
    with concurrent.futures.ThreadPoolExecutor(4) as pool:
        return "".join(pool.map(str.upper, text))


def use_process(text: str) -> str:
    done = subprocess.run(["cat"], input=text.encode(), capture_output=True, check=True)
    return done.stdout.decode().upper()
