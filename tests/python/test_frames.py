import random

import pytest

from codex_plus.worker import frames


def feed(decoder, data):
    while data:
        room = decoder.room()
        count = min(len(room), len(data))
        room[:count] = data[:count]
        data = data[count:]
        yield from decoder.filled(count)


@pytest.mark.parametrize("seed", range(200))
def test_any_split_gives_the_same_frames(seed):
    rng = random.Random(seed)
    sent = [(rng.randrange(1, 23), rng.randrange(2**60), rng.randbytes(rng.randrange(300)))
            for _ in range(rng.randrange(1, 8))]
    data = b"".join(frames.encode(*frame) for frame in sent)
    decoder, got = frames.Decoder(1000), []
    while data:
        size = rng.randrange(1, 60)
        got += [(k, c, bytes(p)) for k, c, p in feed(decoder, data[:size])]
        data = data[size:]
    assert got == sent


def test_a_frame_over_the_limit_is_refused():
    with pytest.raises(frames.FrameError):
        list(feed(frames.Decoder(10), frames.encode(1, 1, b"x" * 11)))


def test_head_and_rest():
    frame = frames.encode_split(2, 7, b"{}", b"rest")
    ((kind, call, payload),) = feed(frames.Decoder(100), frame)
    assert (kind, call, frames.split(payload)) == (2, 7, (b"{}", b"rest"))
    with pytest.raises(frames.FrameError):
        frames.split(memoryview(b"\0\0\0\x09ab"))


def test_frames_larger_than_the_buffer_and_behind_each_other():
    rng = random.Random(1)
    sizes = [0, 10, frames.ROOM - frames.FRAME.size, frames.ROOM, 3 * frames.ROOM, 7, 7, 100_000]
    sent = [(2, number, rng.randbytes(size)) for number, size in enumerate(sizes * 3)]
    data = b"".join(frames.encode(*frame) for frame in sent)
    decoder, got, at = frames.Decoder(1 << 20), [], 0
    while at < len(data):
        room = decoder.room()
        count = min(len(room), len(data) - at, rng.choice([1, 999, 70_000, 1 << 20]))
        room[:count] = data[at : at + count]
        at += count
        got += [(kind, call, bytes(payload)) for kind, call, payload in decoder.filled(count)]
    assert got == sent
    # What a large frame took is given back.
    assert len(decoder.room()) <= frames.ROOM
