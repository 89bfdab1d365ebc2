"""Starts a thread that waits for ever when it is imported."""

import threading

threading.Thread(target=threading.Event().wait, daemon=True, name="left by a plugin").start()


def process(text: str) -> str:
    return text.upper()
