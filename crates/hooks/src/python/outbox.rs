//! What goes out to a worker: written by whoever sends it, and by the supervisor only what the
//! socket had no room for. A call thus waits for no other task to be woken.

use std::collections::VecDeque;
use std::io::{self, IoSlice, Write as _};
use std::os::unix::net::UnixStream;
use std::sync::{Arc, Mutex};

use bytes::{Buf, Bytes};
use tokio::net::unix::pipe;
use tokio::sync::Notify;

use super::lock;

/// The outgoing half of a worker's socket.
#[derive(Debug)]
pub(super) struct Outbox {
    state: Mutex<State>,
    /// Told when something was left over.
    left: Notify,
}

#[derive(Debug)]
struct State {
    /// `None` after the end.
    socket: Option<Arc<UnixStream>>,
    /// Not written yet, in order. Not bounded by itself: the calls in flight are, and each puts in
    /// three frames at most.
    waiting: VecDeque<Bytes>,
}

impl Outbox {
    pub(super) fn new(socket: Arc<UnixStream>) -> Self {
        Self {
            state: Mutex::new(State {
                socket: Some(socket),
                waiting: VecDeque::new(),
            }),
            left: Notify::new(),
        }
    }

    /// Sends a frame that is in two parts. Never waits.
    pub(super) fn send(&self, head: Bytes, body: Bytes) {
        let mut state = lock(&self.state);
        if state.socket.is_none() {
            return;
        }
        let is_first = state.waiting.is_empty();
        let parts = [head, body].into_iter().filter(|part| !part.is_empty());
        state.waiting.extend(parts);
        if !is_first {
            return;
        }
        let Some(socket) = state.socket.clone() else {
            return;
        };
        if !state.write(|parts| (&*socket).write_vectored(parts)) {
            self.left.notify_one();
        }
    }

    /// Writes what was left over, until the end.
    pub(super) async fn flush(&self) {
        loop {
            let socket = {
                let state = lock(&self.state);
                let Some(socket) = &state.socket else { return };
                (!state.waiting.is_empty()).then(|| Arc::clone(socket))
            };
            match socket {
                None => self.left.notified().await,
                Some(socket) if self.write_on(&socket).await.is_ok() => {}
                Some(_) => lock(&self.state).fail(),
            }
        }
    }

    /// Writes until nothing is left over. Only so long does anybody listen for room: else each
    /// frame that the worker reads would wake the thread for nothing.
    async fn write_on(&self, socket: &UnixStream) -> io::Result<()> {
        let socket = pipe::Sender::from_owned_fd_unchecked(socket.try_clone()?.into())?;
        loop {
            socket.writable().await?;
            if lock(&self.state).write(|parts| socket.try_write_vectored(parts)) {
                return Ok(());
            }
        }
    }

    /// Nothing is sent any more.
    pub(super) fn close(&self) {
        lock(&self.state).fail();
        self.left.notify_one();
    }
}

impl State {
    /// Writes what the socket has room for; whether that was all.
    fn write(&mut self, write: impl Fn(&[IoSlice<'_>]) -> io::Result<usize>) -> bool {
        while !self.waiting.is_empty() {
            let mut parts = [IoSlice::new(&[]); 8];
            for (part, bytes) in parts.iter_mut().zip(&self.waiting) {
                *part = IoSlice::new(bytes);
            }
            match write(&parts) {
                Ok(written) => self.advance(written),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return false,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                // The reader sees the end too, and knows more about it.
                Err(_) => self.fail(),
            }
        }
        true
    }

    fn advance(&mut self, mut written: usize) {
        while let Some(first) = self.waiting.front_mut() {
            if first.len() > written {
                first.advance(written);
                return;
            }
            written -= first.len();
            self.waiting.pop_front();
        }
    }

    fn fail(&mut self) {
        self.socket = None;
        self.waiting.clear();
    }
}
