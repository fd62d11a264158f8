"""``python -m gongzhi.kernel.helper``: composes batches for the process that started it (``helpers``), until its pipe ends."""

import os
import pickle
import queue
import sys
import threading
from typing import IO, Any


def main() -> int:
    """Answer each batch of rows with what was composed of it, or None where that did not work here."""
    source, sink = sys.stdin.buffer, os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)  # nothing that is printed may get between the answers

    import django  # noqa: PLC0415

    django.setup()  # before anything is read: models come through the pipe
    from django.utils import timezone, translation  # noqa: PLC0415

    from gongzhi.kernel.batches import Composer, Row, without_rings  # noqa: PLC0415
    from gongzhi.kernel.service import service  # noqa: PLC0415
    from gongzhi.kernel.words import index_words  # noqa: PLC0415

    asked: queue.SimpleQueue[Any] = queue.SimpleQueue()
    made: queue.SimpleQueue[Any] = queue.SimpleQueue()
    threading.Thread(target=_read, args=(source, asked), daemon=True).start()
    threading.Thread(target=_answer, args=(sink, made), daemon=True).start()
    actor, code, loader, language, zone = asked.get()
    translation.activate(language) if language else translation.deactivate_all()
    timezone.activate(zone)
    composer = Composer(actor, service(code), loader)
    index_words(["读入词典"])
    made.put("up")
    with without_rings():
        while True:
            now, rows = asked.get()
            try:
                batch = composer.compose([Row(*row) for row in rows], now)
                batch.refused.clear()  # act() tells why, in the words of whoever reads it
                made.put(batch)
            except Exception:  # noqa: BLE001 (whatever it is, the process that asked meets it itself and has the words)
                made.put(None)


def _read(source: IO[bytes], asked: "queue.SimpleQueue[Any]") -> None:
    try:
        while True:
            asked.put(pickle.load(source))  # noqa: S301 (from the process that started this one)
    except (EOFError, pickle.UnpicklingError):
        os._exit(0)  # at once: whoever asked has gone, half-way through a batch perhaps


def _answer(sink: IO[bytes], made: "queue.SimpleQueue[Any]") -> None:
    try:
        while True:
            pickle.dump(made.get(), sink, pickle.HIGHEST_PROTOCOL)
            sink.flush()
    except OSError:
        os._exit(0)


if __name__ == "__main__":
    sys.exit(main())
