//! What comes in from a worker: read on the thread of whoever calls it, so that a reply wakes
//! nobody but its caller. To wake another thread costs more than all the rest of a short call.

use std::future::poll_fn;
use std::io;
use std::os::unix::net::UnixStream;
use std::pin::{Pin, pin};
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, ready};

use bytes::BytesMut;
use tokio::io::{AsyncRead as _, ReadBuf};
use tokio::net::unix::pipe;
use tokio::runtime::{Handle, Id};
use tokio::sync::watch;
use tokio::task::AbortHandle;

use super::frame::{self, Frame};
use super::link::Link;
use super::lock;

/// What is read at once, in bytes.
const ROOM: usize = 64 * 1024;
/// So many calls in a row from another thread, and reading moves there. The first of a connection
/// may be its only one, and two that call in turns would do nothing but move.
const MOVES_AFTER: u8 = 2;

/// The incoming half of a worker's socket.
#[derive(Debug)]
pub(super) struct Inbox {
    socket: Arc<UnixStream>,
    limit: usize,
    /// Frames are taken out and acted on under this lock, so they stay in order while reading moves.
    read: Mutex<Read>,
    reader: Mutex<Option<Reader>>,
    /// Why nothing comes in any more.
    ended: watch::Sender<Option<String>>,
}

#[derive(Debug)]
struct Read {
    /// Where the system writes.
    piece: Box<[u8]>,
    /// What is no whole frame yet.
    held: BytesMut,
}

#[derive(Debug)]
struct Reader {
    runtime: Id,
    /// Calls in a row that came from elsewhere.
    elsewhere: u8,
    task: AbortHandle,
}

impl Inbox {
    /// Reads frames of up to `limit` bytes.
    pub(super) fn new(socket: Arc<UnixStream>, limit: usize) -> Self {
        Self {
            socket,
            limit,
            read: Mutex::new(Read {
                piece: vec![0; ROOM].into(),
                held: BytesMut::new(),
            }),
            reader: Mutex::default(),
            ended: watch::Sender::new(None),
        }
    }

    /// Sees to it that replies are read on this thread, if it is one that calls often.
    pub(super) fn read_here(link: &Arc<Link>) {
        let Ok(here) = Handle::try_current() else {
            return;
        };
        let inbox = &link.inbox;
        let mut reader = lock(&inbox.reader);
        if let Some(reader) = &mut *reader
            && !reader.task.is_finished()
        {
            if reader.runtime == here.id() {
                reader.elsewhere = 0;
                return;
            }
            reader.elsewhere += 1;
            if reader.elsewhere < MOVES_AFTER {
                return;
            }
        }
        match inbox.register() {
            Ok(socket) => {
                let task = here.spawn(read(Arc::clone(link), socket)).abort_handle();
                let runtime = here.id();
                let before = reader.replace(Reader {
                    runtime,
                    elsewhere: 0,
                    task,
                });
                if let Some(before) = before {
                    before.task.abort();
                }
            }
            // The one there goes on.
            Err(_) if reader.is_some() => {}
            Err(error) => inbox.end(format!("its socket failed: {error}")),
        }
    }

    /// A descriptor of its own, since the two threads may be one to the system while reading moves.
    ///
    /// As the end of a pipe it is told of what comes in alone. A socket is told of room to write
    /// as well, which the worker makes with each frame that it reads: a thread woken for nothing.
    fn register(&self) -> io::Result<pipe::Receiver> {
        pipe::Receiver::from_owned_fd_unchecked(self.socket.try_clone()?.into())
    }

    /// Waits until nothing comes in any more; says why.
    pub(super) async fn ended(&self) -> String {
        let mut ended = self.ended.subscribe();
        let why = ended.wait_for(Option::is_some).await;
        why.ok().and_then(|why| why.clone()).unwrap_or_default()
    }

    fn end(&self, why: String) {
        self.ended.send_replace(Some(why));
    }

    /// Nothing is read any more.
    pub(super) fn close(&self) {
        if let Some(reader) = lock(&self.reader).take() {
            reader.task.abort();
        }
    }

    /// Reads frames and acts on them; ready when nothing comes in any more, with the reason.
    fn poll(
        &self,
        context: &mut Context<'_>,
        mut from: Pin<&mut pipe::Receiver>,
        act: impl Fn(Frame) -> Result<(), String>,
    ) -> Poll<String> {
        loop {
            let mut read = lock(&self.read);
            let Read { piece, held } = &mut *read;
            let mut piece = ReadBuf::new(piece);
            if let Err(error) = ready!(from.as_mut().poll_read(context, &mut piece)) {
                return Poll::Ready(format!("its socket failed: {error}"));
            }
            if piece.filled().is_empty() {
                return Poll::Ready("it ended by itself".to_owned());
            }
            held.extend_from_slice(piece.filled());
            loop {
                match frame::decode(held, self.limit) {
                    Ok(Some(frame)) => {
                        if let Err(why) = act(frame) {
                            return Poll::Ready(why);
                        }
                    }
                    Ok(None) => break,
                    Err(error) => return Poll::Ready(format!("it sent {error}")),
                }
            }
        }
    }
}

/// Reads frames until the worker ends or sends what is none.
async fn read(link: Arc<Link>, from: pipe::Receiver) {
    let mut from = pin!(from);
    let act = |frame| link.receive(frame);
    let why = poll_fn(|context| link.inbox.poll(context, from.as_mut(), act)).await;
    link.inbox.end(why);
}
