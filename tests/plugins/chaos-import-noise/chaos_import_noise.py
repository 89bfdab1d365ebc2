"""Prints, and starts a thread, when it is imported. It works."""

import threading

print("noise on standard output")
threading.Thread(target=threading.Event().wait, daemon=True).start()


def process(text):
    return text
