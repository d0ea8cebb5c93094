"""Runs ministack until standard input ends, so that it never outlives the test that started it."""

import os
import signal
import sys
import threading
import time


def follow_parent():
    sys.stdin.buffer.read()
    # A graceful end first: it takes the functions' processes along.
    os.kill(os.getpid(), signal.SIGTERM)
    time.sleep(3)
    os._exit(0)


threading.Thread(target=follow_parent, daemon=True).start()
sys.argv = ["ministack"]
from ministack.app import main  # noqa: E402

main()
