# The first thing a worker runs, as `python -c`. The proxy sends this package over the socket on
# descriptor 0, so that no file of it has to be installed, and no other file can take its place.
import gc
import sys

# What is imported here stays: to look through it for garbage again and again is a tenth of a start.
gc.disable()

sys.path[:] = [folder for folder in sys.path if folder]  # "" would be the project's folder

import importlib.abc  # noqa: E402
import importlib.util  # noqa: E402
import json  # noqa: E402
import os  # noqa: E402
import socket  # noqa: E402
import struct  # noqa: E402


class _Carried(importlib.abc.MetaPathFinder, importlib.abc.InspectLoader):
    def __init__(self, sources):
        self.sources = sources

    def find_spec(self, name, path=None, target=None):
        if name not in self.sources:
            return None
        return importlib.util.spec_from_loader(name, self, origin=self._file(name))

    def is_package(self, name):
        return self.sources[name][0]

    def get_source(self, name):
        return self.sources[name][1]

    def _file(self, name):
        inner = "/__init__" if self.is_package(name) else ""
        return "<codex-plus>/" + name.replace(".", "/") + inner + ".py"

    def get_code(self, name):
        return compile(self.get_source(name), self._file(name), "exec", dont_inherit=True)

    def exec_module(self, module):
        module.__file__ = self._file(module.__name__)
        exec(self.get_code(module.__name__), module.__dict__)


def _start():
    connection = socket.socket(fileno=os.dup(0))
    nothing = os.open(os.devnull, os.O_RDONLY)
    os.dup2(nothing, 0)
    os.close(nothing)
    # One byte carries two descriptors: the control socket and the lifeline.
    first, passed, _, _ = socket.recv_fds(connection, 1, 2)
    if not first or len(passed) != 2:
        sys.exit("codex-plus: the proxy went away")
    for descriptor in passed:
        os.set_inheritable(descriptor, False)

    def exactly(count):
        data = bytearray()
        while len(data) < count:
            piece = connection.recv(count - len(data))
            if not piece:
                os._exit(0)
            data += piece
        return bytes(data)

    (length,) = struct.unpack(">I", exactly(4))
    told = json.loads(exactly(length))
    sys.meta_path.insert(0, _Carried(told["modules"]))
    from codex_plus.worker.main import serve

    connection.setblocking(False)
    serve(connection, socket.socket(fileno=passed[0]), passed[1], told["settings"])


_start()
