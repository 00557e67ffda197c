"""Calls that wait for a server, where Ctrl-C is not to wait with them.

obstore does not look for signals while it waits, and the interpreter handles them in the main
thread alone: what is called there waits in another thread.
"""

import threading
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future
from typing import TypeVar

T = TypeVar("T")
_END = object()


def waited(call: Callable[[], T]) -> T:
    """What `call` returns or raises. KeyboardInterrupt leaves it to itself."""
    if threading.current_thread() is not threading.main_thread():
        return call()
    answer: Future[T] = Future()
    threading.Thread(target=_answer, args=(call, answer), daemon=True).start()
    try:
        return answer.result()
    finally:
        del answer  # an error keeps this frame


def _answer(call: Callable[[], T], answer: "Future[T]") -> None:
    try:
        answer.set_result(call())
    except BaseException as error:
        answer.set_exception(error)


def each_waited(items: Iterable[T]) -> Iterator[T]:
    """The items, each waited for."""
    rest = iter(items)
    while (item := waited(lambda: next(rest, _END))) is not _END:
        yield item  # type: ignore[misc]
