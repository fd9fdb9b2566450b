"""What a hook sees of a request and of an answer."""

from __future__ import annotations

from types import SimpleNamespace
from typing import (
    Any,
    Dict,
    Iterable,
    Iterator,
    List,
    Mapping,
    MutableMapping,
    Optional,
    Tuple,
    Union,
)
from urllib.parse import parse_qsl

__all__ = ["URL", "Headers", "Request", "Response"]

HeaderSource = Union[Mapping[str, str], Iterable[Iterable[str]], None]


class Headers(MutableMapping[str, str]):
    """HTTP header fields: names in any case, order kept, repeated fields kept.

    ``headers[name]`` is the first value; :meth:`get_all` gives every one. Setting a name replaces
    all its fields in the place of the first.
    """

    def __init__(self, fields: HeaderSource = None) -> None:
        pairs = fields.items() if isinstance(fields, Mapping) else (fields or ())
        self._pairs: List[Tuple[str, str]] = [(str(name), str(value)) for name, value in pairs]

    def __getitem__(self, name: str) -> str:
        wanted = name.lower()
        for key, value in self._pairs:
            if key.lower() == wanted:
                return value
        raise KeyError(name)

    def __setitem__(self, name: str, value: str) -> None:
        wanted = name.lower()
        places = [at for at, (key, _) in enumerate(self._pairs) if key.lower() == wanted]
        if not places:
            self._pairs.append((name, str(value)))
            return
        self._pairs[places[0]] = (self._pairs[places[0]][0], str(value))
        for at in reversed(places[1:]):
            del self._pairs[at]

    def __delitem__(self, name: str) -> None:
        wanted = name.lower()
        kept = [(key, value) for key, value in self._pairs if key.lower() != wanted]
        if len(kept) == len(self._pairs):
            raise KeyError(name)
        self._pairs = kept

    def __iter__(self) -> Iterator[str]:
        seen = set()
        for key, _ in self._pairs:
            if key.lower() not in seen:
                seen.add(key.lower())
                yield key

    def __len__(self) -> int:
        return len({key.lower() for key, _ in self._pairs})

    def __contains__(self, name: object) -> bool:
        return isinstance(name, str) and any(key.lower() == name.lower() for key, _ in self._pairs)

    def get_all(self, name: str) -> List[str]:
        """Every value of a repeated field, in order."""
        return [value for key, value in self._pairs if key.lower() == name.lower()]

    def pairs(self) -> List[List[str]]:
        """All fields as ``[name, value]``, as they go over the wire."""
        return [[name, value] for name, value in self._pairs]

    def __repr__(self) -> str:
        return f"Headers({self._pairs!r})"


class URL:
    """The request's target. Only what the client sent: no scheme or host is made up."""

    def __init__(self, target: str) -> None:
        path, _, query = target.partition("?")
        self.path = path
        self.query = query

    @property
    def params(self) -> Dict[str, str]:
        """The query's parameters; the last one of a repeated name."""
        return dict(parse_qsl(self.query, keep_blank_values=True))

    def __str__(self) -> str:
        return f"{self.path}?{self.query}" if self.query else self.path

    def __repr__(self) -> str:
        return f"URL({str(self)!r})"


class Request:
    """The request of an exchange. Read it; to change the request change the body."""

    #: Free for hooks: what one sets, later hooks of the same exchange see. Values must be JSON.
    state: SimpleNamespace

    def __init__(
        self,
        method: str = "POST",
        target: str = "/responses",
        headers: HeaderSource = None,
        state: Optional[Mapping[str, Any]] = None,
        meta: Optional[Mapping[str, Any]] = None,
    ) -> None:
        self.method = method
        self.url = URL(target)
        self.headers = Headers(headers)
        self.state = SimpleNamespace(**(state or {}))
        #: What the proxy knows: ``session_id``, ``turn_id``, ``cwd``, ``model``, ... if known.
        self.meta: Dict[str, Any] = dict(meta or {})

    def __repr__(self) -> str:
        return f"<Request {self.method} {self.url}>"


class Response:
    """The answer of an exchange."""

    def __init__(
        self,
        status_code: int = 200,
        headers: HeaderSource = None,
        body: Any = None,
        request: Optional[Request] = None,
    ) -> None:
        self.status_code = status_code
        #: May be changed before the first byte goes to the client.
        self.headers = Headers(headers)
        #: The decoded JSON of a whole answer; ``None`` for a stream.
        self.body = body
        #: The request this answers.
        self.request = request or Request()

    @property
    def state(self) -> SimpleNamespace:
        """The exchange's :attr:`Request.state`."""
        return self.request.state

    def __repr__(self) -> str:
        return f"<Response {self.status_code}>"
