import random

import pytest

from codex_plus.worker import frames


@pytest.mark.parametrize("seed", range(200))
def test_any_split_gives_the_same_frames(seed):
    rng = random.Random(seed)
    sent = [(rng.randrange(1, 23), rng.randrange(2**60), rng.randbytes(rng.randrange(300)))
            for _ in range(rng.randrange(1, 8))]
    data = b"".join(frames.encode(*frame) for frame in sent)
    decoder, got = frames.Decoder(1000), []
    while data:
        size = rng.randrange(1, 60)
        got += [(k, c, bytes(p)) for k, c, p in decoder.feed(data[:size])]
        data = data[size:]
    assert got == sent


def test_a_frame_over_the_limit_is_refused():
    with pytest.raises(frames.FrameError):
        list(frames.Decoder(10).feed(frames.encode(1, 1, b"x" * 11)))


def test_head_and_rest():
    frame = frames.encode_split(2, 7, b"{}", b"rest")
    ((kind, call, payload),) = frames.Decoder(100).feed(frame)
    assert (kind, call, frames.split(payload)) == (2, 7, (b"{}", b"rest"))
    with pytest.raises(frames.FrameError):
        frames.split(b"\0\0\0\x09ab")
