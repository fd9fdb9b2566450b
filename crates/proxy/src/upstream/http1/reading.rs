//! Reads what a connection has, without a buffer of its own: while it has nothing, thousands of
//! streams that wait hold no memory for it.

use std::future::Future as _;
use std::io::{self, ErrorKind};
use std::pin::{Pin, pin};
use std::task::{Context, Poll, ready};

use bytes::{Bytes, BytesMut};
use tokio::io::AsyncReadExt as _;
use tokio::net::TcpStream;

use crate::scratch;

/// As much as is read at once when the last read was filled.
const LARGE_PIECE: usize = 256 << 10;

/// What a read brought.
pub(super) enum Came<'a> {
    /// Something short, to be copied if it is to be kept.
    Lent(&'a [u8]),
    /// Much, in memory of its own.
    Own(Bytes),
    /// The end of the connection.
    End,
}

/// Reads once. `much` says whether the last read was filled, so that copying would cost more than
/// memory.
pub(super) fn poll<T>(
    stream: &mut TcpStream,
    much: &mut bool,
    cx: &mut Context<'_>,
    look: impl FnOnce(Came<'_>) -> T,
) -> Poll<io::Result<T>> {
    if *much {
        let mut own = BytesMut::with_capacity(LARGE_PIECE);
        let number = ready!(pin!(stream.read_buf(&mut own)).poll(cx))?;
        *much = number > LARGE_PIECE / 2;
        let came = if number == 0 {
            Came::End
        } else {
            Came::Own(own.freeze())
        };
        return Poll::Ready(Ok(look(came)));
    }
    scratch::poll_look(Pin::new(stream), cx, |bytes| {
        *much = bytes.len() == scratch::ROOM;
        look(if bytes.is_empty() {
            Came::End
        } else {
            Came::Lent(bytes)
        })
    })
}

/// What came that nobody asked for, if anything did: a number of bytes, 0 for the end.
pub(in crate::upstream) fn unasked(stream: &TcpStream) -> Option<io::Result<usize>> {
    match stream.try_read(&mut [0]) {
        Err(error) if error.kind() == ErrorKind::WouldBlock => None,
        came => Some(came),
    }
}
