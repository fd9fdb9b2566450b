//! Room to read into that belongs to a thread, not to a connection: thousands of connections wait
//! for their next bytes at once, and each would hold its own.

use std::cell::RefCell;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::BytesMut;
use tokio::io::{AsyncRead, ReadBuf};

/// One read of a busy connection.
pub(crate) const ROOM: usize = 64 << 10;

thread_local! {
    static SCRATCH: RefCell<Box<[u8]>> = RefCell::new(vec![0; ROOM].into_boxed_slice());
}

/// Reads once, and shows what came while it lies here; nothing at the end.
pub(crate) fn poll_look<T>(
    io: Pin<&mut impl AsyncRead>,
    cx: &mut Context<'_>,
    look: impl FnOnce(&[u8]) -> T,
) -> Poll<io::Result<T>> {
    SCRATCH.with_borrow_mut(|scratch| {
        let mut read = ReadBuf::new(scratch);
        ready!(io.poll_read(cx, &mut read))?;
        Poll::Ready(Ok(look(read.filled())))
    })
}

/// Reads once, and puts what came behind what `buffer` holds; the count is 0 at the end.
pub(crate) fn poll_read(
    io: Pin<&mut impl AsyncRead>,
    cx: &mut Context<'_>,
    buffer: &mut BytesMut,
) -> Poll<io::Result<usize>> {
    poll_look(io, cx, |came| {
        buffer.extend_from_slice(came);
        came.len()
    })
}
