"""A plugin in Python: standard library only.

It speaks JSON-RPC 2.0 with Content-Length framing on stdin and stdout; stderr is its log. The methods stand at the top, what is
needed to serve them below. The reader never computes, so a ping is answered while words are being counted.
"""

import json
import os
import platform
import re
import sys
import threading
import time
import traceback
from collections import Counter

PROTOCOL = 1
METHOD_NOT_FOUND, INVALID_PARAMS, INTERNAL, THREW, START_FAILED, CANCELLED = -32601, -32602, -32603, -32000, -32003, -32800
EXIT_FATAL = 125


class InvalidArguments(Exception):
    """The caller is to blame, not the plugin."""


class Cancelled(Exception):
    """The caller gave up."""


def count(call, text=None):
    """Words between white space, lines, and characters (Unicode code points) of a text."""
    require_text(text)
    lines = text.count("\n") + (1 if text and not text.endswith("\n") else 0)
    return {"words": len(text.split()), "lines": lines, "characters": len(text)}


def top(call, text=None, n=10):
    """The n most frequent words, in lower case, as [{word, count}]."""
    require_text(text)
    if not isinstance(n, int) or isinstance(n, bool) or n < 1:
        raise InvalidArguments("n must be a whole number from 1 up")
    counts = Counter()
    for number, match in enumerate(re.finditer(r"\w+", text)):
        counts[match.group().lower()] += 1
        if number % 10_000 == 0 and call.is_set():
            raise Cancelled()
    return [{"word": word, "count": seen} for word, seen in counts.most_common(n)]


def require_text(text):
    if not isinstance(text, str):
        raise InvalidArguments("the first argument must be a text")


METHODS = {"count": count, "top": top}


class Server:
    """Owns the running calls. Each has an event, which is set when the caller gives up."""

    def __init__(self, source, sink):
        self.source = source
        self.sink = sink
        self.writing = threading.Lock()
        self.running = {}
        self.changed = threading.Condition()
        self.draining = False

    def serve(self):
        """Until the supervisor closes our stdin, whether it means to or is gone."""
        while (message := self.read()) is not None:
            self.receive(message)

    def read(self):
        length = None
        while (line := self.source.readline(4096)) not in (b"", b"\r\n"):
            name, _, value = line.partition(b":")
            if name.lower() == b"content-length":
                length = int(value)
        if not line:
            return None
        return json.loads(self.source.read(length))

    def receive(self, message):
        id, method, params = message.get("id"), message.get("method"), message.get("params")
        if method == "$/cancelRequest":
            if cancelled := self.running.get(params["id"]):
                cancelled.set()
        elif id is None:
            pass  # a notification that we do not know
        elif method == "$/initialize":
            self.initialize(id, params)
        elif method == "$/ping":
            self.answer(id, {"cpuMs": round(time.process_time() * 1000)})
        elif method == "$/drain":
            in_background(self.drain, id)
        elif method == "$/free":
            self.answer(id, None)
            leave(0)
        elif method not in METHODS:
            self.fail(id, METHOD_NOT_FOUND, f"there is no method {method}")
        elif self.draining:
            self.fail(id, INTERNAL, "the plugin is draining")
        else:
            self.running[id] = threading.Event()
            in_background(self.call, id, METHODS[method], params)

    def initialize(self, id, params):
        if params["protocol"] != PROTOCOL:
            message = f"the supervisor speaks protocol {params['protocol']}, this plugin speaks {PROTOCOL}"
            self.fail(id, START_FAILED, message, {"phase": "handshake", "name": "Error"})
            leave(EXIT_FATAL)
        log(f"counting with Python {platform.python_version()}")
        runtime = f"python {platform.python_version()}"
        self.answer(id, {"protocol": PROTOCOL, "methods": {name: {} for name in METHODS}, "pid": os.getpid(), "runtime": runtime})

    def call(self, id, method, params):
        try:
            self.answer(id, method(self.running[id], *params))
        except Cancelled:
            self.fail(id, CANCELLED, "the call was cancelled")
        except InvalidArguments as error:
            self.fail(id, INVALID_PARAMS, str(error), {"name": "InvalidArguments"})
        except Exception as error:
            self.fail(id, THREW, str(error), {"name": type(error).__name__, "stack": traceback.format_exc()[:16_384]})
        finally:
            with self.changed:
                del self.running[id]
                self.changed.notify_all()

    def drain(self, id):
        with self.changed:
            self.changed.wait_for(lambda: not self.running)
            self.draining = True
        self.answer(id, None)

    def answer(self, id, result):
        self.write({"jsonrpc": "2.0", "id": id, "result": result})

    def fail(self, id, code, message, data=None):
        self.write({"jsonrpc": "2.0", "id": id, "error": {"code": code, "message": message, "data": data}})

    def write(self, message):
        body = json.dumps(message).encode()
        with self.writing:
            self.sink.write(b"Content-Length: %d\r\n\r\n%s" % (len(body), body))
            self.sink.flush()


def in_background(work, *args):
    threading.Thread(target=work, args=args, daemon=True).start()


def log(line):
    print(line, file=sys.stderr, flush=True)


def leave(code):
    """At once: calls that still run are nobody's any more."""
    os._exit(code)


if __name__ == "__main__":
    # What is printed by mistake goes to the log; only the server writes to the channel.
    channel, sys.stdout = sys.stdout.buffer, sys.stderr
    try:
        Server(sys.stdin.buffer, channel).serve()
    except BrokenPipeError:
        pass
    leave(0)
