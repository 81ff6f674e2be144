"""A shell that starts the tests in the background has them ignore Ctrl-C: some test Ctrl-C."""

import signal
import threading

if threading.current_thread() is threading.main_thread():
    signal.signal(signal.SIGINT, signal.default_int_handler)
