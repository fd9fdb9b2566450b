import asyncio
import os
import select
import socket
import threading

import pytest

from codex_plus.worker.connection import Connection, Selector


class Ended(Exception):
    """In place of the end of the process."""


@pytest.fixture(params=["epoll", "any other"])
def ends(request, monkeypatch):
    """A loop whose selector serves a socket, the connection, and the proxy's end of it."""
    if request.param != "epoll":
        monkeypatch.delattr(select, "epoll", raising=False)

    def end(code):
        raise Ended(code)

    monkeypatch.setattr(os, "_exit", end)
    ours, theirs = socket.socketpair()
    ours.setblocking(False)
    selector = Selector()
    loop = asyncio.SelectorEventLoop(selector)
    yield loop, Connection(loop, selector, ours), theirs
    ours.close()
    theirs.close()
    loop.close()


def serve(connection, heard):
    buffer = memoryview(bytearray(1024))
    connection.serve(lambda: buffer, lambda count: heard(bytes(buffer[:count])))


def test_what_comes_is_heard_whatever_else_the_loop_does(ends):
    loop, connection, theirs = ends
    seen = []

    def other(number):
        # Of another thread, as hooks may have them.
        loop.call_soon_threadsafe(lambda: (seen.append(f"thread {number}"), after(number)))

    async def waits(number):
        await asyncio.sleep(0.001)
        seen.append(f"waited {number}")
        threading.Thread(target=other, args=(number,)).start()

    def after(number):
        if number == 5:
            loop.stop()
        else:
            theirs.sendall(b"%d" % (number + 1))

    def heard(data):
        number = int(data)
        seen.append(f"heard {number}")
        loop.create_task(waits(number))

    serve(connection, heard)
    theirs.sendall(b"1")
    loop.run_forever()
    wanted = [f"{what} {n}" for n in range(1, 6) for what in ("heard", "waited", "thread")]
    assert seen == wanted


def test_other_sockets_and_this_one_do_not_keep_each_other_waiting(ends):
    loop, connection, theirs = ends
    read, write = socket.socketpair()
    seen = {"ours": 0, "other": 0}

    def heard(data):
        seen["ours"] += len(data)
        (theirs if seen["ours"] < 100 else write).sendall(b"x")

    def readable():
        seen["other"] += len(read.recv(1))
        if seen["ours"] >= 100 and seen["other"] >= 100:
            loop.stop()
        else:
            write.sendall(b"x")

    serve(connection, heard)
    loop.add_reader(read, readable)
    theirs.sendall(b"x")
    write.sendall(b"x")
    loop.run_forever()
    assert min(seen.values()) >= 100
    read.close()
    write.close()


def test_what_does_not_fit_is_written_in_order_while_others_are_heard(ends):
    loop, connection, theirs = ends
    pieces = [bytes([number]) * 300_000 for number in range(1, 20)]
    got = bytearray()

    def heard(data):
        for piece in pieces:
            connection.write(piece)
        connection.write(b"")

    def read():
        theirs.sendall(b"go")
        while len(got) < 300_000 * len(pieces):
            got.extend(theirs.recv(100_000))
        loop.call_soon_threadsafe(loop.stop)

    serve(connection, heard)
    reader = threading.Thread(target=read)
    reader.start()
    loop.run_forever()
    reader.join()
    assert bytes(got) == b"".join(pieces)
    # Nothing waits to be written any more, and the next is at once.
    connection.write(b"more")
    assert theirs.recv(10) == b"more"


@pytest.mark.parametrize("how", ["closed", "half closed", "closed unread"])
def test_the_process_ends_with_the_connection(ends, how):
    loop, connection, theirs = ends
    serve(connection, lambda data: None)
    if how == "closed unread":
        connection.write(b"never read")
    if how == "half closed":
        theirs.shutdown(socket.SHUT_WR)
    else:
        theirs.close()
    with pytest.raises(Ended):
        loop.run_forever()


def test_writing_to_nobody_ends_the_process(ends):
    _, connection, theirs = ends
    theirs.close()
    with pytest.raises(Ended):
        connection.write(b"x")
