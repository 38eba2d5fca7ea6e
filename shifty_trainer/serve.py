"""`python -m shifty_trainer.serve`: answers with exported model versions, one JSON request and one JSON reply a line.

Requests: `{"load": {"key", "directory", "baseModel"}}`, `{"predict": {"key", "texts"}}`, `{"forget": {"key"}}`. Replies
carry `ok`; a refusal also `code` and `message`. Ends when its input does, so it does not outlive its launcher.
"""

import json
import os  # the libraries below read their settings from the environment at import
import sys
from collections import OrderedDict
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, TextIO

from shifty_trainer.collector import resting_collector
from shifty_trainer.refusals import TrainerRefusal

if TYPE_CHECKING:
    from shifty_trainer.prediction import Predictor

#: Versions kept ready; the one not asked for longest goes first.
MAX_LOADED = 4


class Server:
    """The loaded versions, by the launcher's keys."""

    def __init__(self) -> None:
        self._loaded: OrderedDict[str, Predictor] = OrderedDict()

    def answer(self, request: Mapping[str, Any]) -> dict[str, Any]:
        """The reply to one request."""
        ((verb, arguments),) = request.items()
        if verb == "load":
            return self._load(**arguments)
        if verb == "predict":
            return self._predict(**arguments)
        if verb == "forget":
            self._loaded.pop(arguments["key"], None)
            return {"ok": True}
        return {"ok": False, "code": "serve.unknown_request", "message": f"no request {verb!r}"}

    def _load(self, *, key: str, directory: str, baseModel: str) -> dict[str, Any]:  # noqa: N803 - the wire's name
        with resting_collector():
            from shifty_trainer.prediction import Predictor  # noqa: PLC0415 - torch reads the environment set in main

        try:
            predictor = Predictor.load(Path(directory), base_model=Path(baseModel))
        except TrainerRefusal as refusal:
            return {"ok": False, "code": refusal.code, "message": refusal.message}
        self._loaded[key] = predictor
        while len(self._loaded) > MAX_LOADED:
            self._loaded.popitem(last=False)
        return {"ok": True, "labels": list(predictor.labels)}

    def _predict(self, *, key: str, texts: list[str]) -> dict[str, Any]:
        predictor = self._loaded.get(key)
        if predictor is None:
            return {"ok": False, "code": "serve.not_loaded", "message": "load this version first"}
        self._loaded.move_to_end(key)
        table = predictor.probabilities(texts)
        return {"ok": True, "labels": list(predictor.labels), "probabilities": table.tolist()}


def main() -> None:
    """Serve until the input ends."""
    os.environ.update({"HF_HUB_OFFLINE": "1", "TOKENIZERS_PARALLELISM": "false"})  # noqa: TID251 - for the libraries
    # Whatever a library prints goes elsewhere: standard output is the protocol's alone.
    replies = os.fdopen(os.dup(sys.stdout.fileno()), "w", encoding="utf-8")
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())
    _serve(sys.stdin, replies)


def _serve(requests: TextIO, replies: TextIO) -> None:
    server = Server()
    for line in requests:
        try:
            reply = server.answer(json.loads(line))
        except Exception as error:  # noqa: BLE001 - say what kind, never with what: a message may quote a text
            reply = {"ok": False, "code": "serve.crashed", "message": type(error).__name__}
        replies.write(json.dumps(reply) + "\n")
        replies.flush()


if __name__ == "__main__":
    main()
