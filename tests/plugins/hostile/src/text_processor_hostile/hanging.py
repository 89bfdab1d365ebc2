"""B16–B18, B26, F4: steps that do not come back, or do not let go."""

import atexit
import ctypes
import re
import signal
import sys
import threading
import time

from text_processor_hostile.raising import poisoned


def hanging(wait):
    def step(text: str) -> str:
        if poisoned(text):
            wait()
        return text.upper()

    return step


def loop_for_ever():
    while True:
        pass


def wait_for_lock():
    lock = threading.Lock()
    lock.acquire()
    lock.acquire()


loop = hanging(loop_for_ever)
# `PyDLL` keeps the interpreter's lock, so that no other thread of the process gets on.
hold_interpreter = hanging(lambda: ctypes.PyDLL(None).sleep(1000))
backtrack = hanging(lambda: re.match(r"(a+)+$", "a" * 100 + "b"))
sleep_for_ever = hanging(lambda: time.sleep(1000))
lock = hanging(wait_for_lock)
swallow_signals = hanging(lambda: [signal.signal(signal.SIGTERM, signal.SIG_IGN), loop_for_ever()])


def read_input(text: str) -> str:
    """There is nothing to read, and the end of it comes at once."""
    return f"{text.upper()} {sys.stdin.read()!r}"


def cling(text: str) -> str:
    """Does all it can to keep its process alive."""
    if poisoned(text):
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        signal.signal(signal.SIGHUP, signal.SIG_IGN)
        threading.Thread(target=loop_for_ever).start()
        threading.Thread(target=threading.Event().wait).start()
        atexit.register(time.sleep, 1000)
    return text.upper()
