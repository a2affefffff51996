"""The rendering process: takes orders from its standard input until that ends or stays silent.

It holds no secret; limits of the system bound its memory and time and let it open no file and no connection, so that what a picture
does to a decoder ends here. `python -m reactor_storage.images.worker 1000000000 60` by hand shows why it does not start.
"""

from __future__ import annotations

import os
import resource
import select
import signal
import sys
from typing import BinaryIO

import msgspec

from reactor_storage.images.render import TooLarge, Unsupported, load_all, render
from reactor_storage.images.wire import Answer, Ended, Order, receive, send

_ORDERS = msgspec.json.Decoder(Order)
_POLITENESS = 5


def main(memory: int, idle: float) -> None:
    """Take orders until the input ends or is silent for `idle` seconds; what libraries hold of memory goes with the process."""
    orders, answers = sys.stdin.buffer, os.fdopen(os.dup(1), "wb")
    # Whatever a library prints is not an answer.
    os.dup2(2, 1)
    _confine(memory)
    load_all()
    # Whatever is open stays so.
    resource.setrlimit(resource.RLIMIT_NOFILE, (0, 0))
    send(answers, Answer("ready"))
    # One order comes at a time, so none waits in the buffer where this does not see it.
    while select.select([orders], [], [], idle)[0]:
        try:
            order, source = receive(orders)
        except Ended:
            return
        _answer(answers, _ORDERS.decode(order), source)


def _confine(memory: int) -> None:
    os.nice(_POLITENESS)
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))
    if sys.platform != "darwin":
        # macOS refuses this limit.
        resource.setrlimit(resource.RLIMIT_AS, (memory, memory))


def _answer(answers: BinaryIO, order: Order, source: bytes) -> None:
    # Unhandled on purpose: the signal ends the process, also in the middle of a decoder.
    signal.setitimer(signal.ITIMER_REAL, order.seconds)
    try:
        picture, content_type = render(source, order)
        answer = Answer("rendered", content_type)
    except Unsupported as error:
        picture, answer = b"", Answer("unsupported", message=str(error))
    except TooLarge as error:
        picture, answer = b"", Answer("too_large", message=str(error))
    signal.setitimer(signal.ITIMER_REAL, 0)
    send(answers, answer, len(picture), [picture])


if __name__ == "__main__":
    main(int(sys.argv[1]), float(sys.argv[2]))
