//! From one daemon to the next without a closed door: the successor asks the running one, over a
//! socket in the state folder, for its listening socket and its lock.
//!
//! ```text
//! successor                      predecessor
//!     ── take over ──────────────▶            both hold the socket; the predecessor serves on
//!     ◀── {"listen"} + descriptors
//!     ── serving ────────────────▶            takes no more connections, lets its copies go
//!     ◀── yours
//!     ── stop ───────────────────▶            (later) the whole line is to end
//!                     end of file             whoever is left has ended
//! ```
//! A successor that dies before it says `serving` changes nothing.

use std::fs::File;
use std::io::{self, IoSlice, IoSliceMut};
use std::mem::MaybeUninit;
use std::net::SocketAddr;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::fs::PermissionsExt as _;
use std::time::Duration;

use codex_plus_proxy::Control;
use rustix::io::{FdFlags, fcntl_setfd};
use rustix::net::{
    RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, SendAncillaryBuffer,
    SendAncillaryMessage, SendFlags, recvmsg, sendmsg,
};
use serde::{Deserialize, Serialize};
use tokio::io::Interest;
use tokio::net::{UnixListener, UnixStream};

use super::lock::Lock;
use super::short::Short;
use super::state::StateDir;

const TAKE_OVER: &str = "take over 1";
const SERVING: &str = "serving";
const YOURS: &str = "yours";
const STOP: &str = "stop";
/// The longest message.
const LONGEST: usize = 256;
/// The listening socket and the lock.
const DESCRIPTORS: usize = 2;
/// How long a word may take that the other side has only to say.
const PROMPT: Duration = Duration::from_secs(5);
/// How long a successor may take to start.
const START: Duration = Duration::from_mins(1);

/// What goes with the descriptors.
#[derive(Debug, Serialize, Deserialize)]
struct Given {
    listen: SocketAddr,
    pid: u32,
}

/// What a successor was given.
#[derive(Debug)]
pub(crate) struct Taken {
    /// The listening socket, and where it listens.
    pub(crate) socket: OwnedFd,
    pub(crate) listen: SocketAddr,
    pub(crate) lock: Lock,
    /// The way to the predecessor.
    pub(crate) leash: Leash,
    /// The predecessor's process.
    pub(crate) pid: u32,
}

/// What ties a successor to its predecessor, which may have streams to finish.
#[derive(Debug)]
pub(crate) struct Leash(UnixStream);

impl Leash {
    /// The successor serves now; the predecessor takes no more connections when this is done. One
    /// that died meanwhile takes none either.
    pub(crate) async fn serving(&self) {
        let told = async {
            say(&self.0, SERVING, &[]).await?;
            hear(&self.0).await
        };
        match tokio::time::timeout(PROMPT, told).await {
            Ok(Ok((word, _))) if word == YOURS => {}
            _ => tracing::warn!(target: "codex-plus", "the process before this one did not answer"),
        }
    }

    /// Asks the predecessor, and those before it, to stop as well.
    pub(crate) async fn stop(&self) {
        // It may have ended long ago.
        let _ = say(&self.0, STOP, &[]).await;
    }

    /// Done when the predecessor has ended.
    pub(crate) async fn ended(&self) {
        while hear(&self.0).await.is_ok() {}
    }
}

/// Asks the daemon of this state folder for its place.
pub(crate) async fn take(state: &StateDir) -> io::Result<Taken> {
    let door = Short::to(&state.control_socket())?;
    let stream = UnixStream::connect(door.path()).await?;
    only_ours(&stream)?;
    say(&stream, TAKE_OVER, &[]).await?;
    let answer = tokio::time::timeout(PROMPT, hear(&stream)).await??;
    let (word, descriptors) = answer;
    let given: Given = serde_json::from_str(&word).map_err(io::Error::other)?;
    let mut descriptors = descriptors.into_iter();
    let (Some(socket), Some(lock)) = (descriptors.next(), descriptors.next()) else {
        return Err(io::Error::other("the running proxy gave no descriptors"));
    };
    Ok(Taken {
        socket,
        listen: given.listen,
        lock: Lock::inherited(File::from(lock)),
        leash: Leash(stream),
        pid: given.pid,
    })
}

/// The predecessor's side: waits for a successor.
pub(crate) struct Door {
    listener: UnixListener,
    listen: SocketAddr,
    socket: OwnedFd,
    lock: Lock,
}

impl Door {
    /// Opens the door of the daemon that holds `lock` and serves `socket`.
    ///
    /// # Errors
    /// When the socket cannot be made. The lock comes back, to be held all the same.
    pub(crate) fn open(
        state: &StateDir,
        listen: SocketAddr,
        socket: OwnedFd,
        lock: Lock,
    ) -> Result<Self, (io::Error, Lock)> {
        match listen_privately(state) {
            Ok(listener) => Ok(Self {
                listener,
                listen,
                socket,
                lock,
            }),
            Err(error) => Err((error, lock)),
        }
    }

    /// Waits for a successor that serves, hands over to it, and passes its stop on.
    pub(crate) async fn attend(self, control: Control) {
        let stream = loop {
            let asked = tokio::select! {
                asked = self.listener.accept() => asked,
                // A copy of the socket that stays open would keep clients waiting for nobody.
                () = control.stopping() => {
                    drop((self.listener, self.socket));
                    return self.lock.keep().await;
                }
            };
            match asked {
                Ok((stream, _)) => match self.hand_over(&stream, &control).await {
                    Ok(()) => break stream,
                    Err(error) => tracing::warn!(
                        target: "codex-plus",
                        %error,
                        "a successor did not start; this process serves on"
                    ),
                },
                Err(error) => {
                    tracing::warn!(target: "codex-plus", %error, "the door to a successor is stuck");
                    tokio::time::sleep(PROMPT).await;
                }
            }
        };
        control.hand_over();
        tracing::info!(target: "codex-plus", "handed over; live streams finish here");
        // Whoever starts after the successor's death must find lock and port free.
        drop(self);
        let _ = say(&stream, YOURS, &[]).await;
        if let Ok((word, _)) = hear(&stream).await
            && word == STOP
        {
            control.stop();
        }
        // The successor sees our end by this stream's.
        std::future::pending::<()>().await;
    }

    async fn hand_over(&self, stream: &UnixStream, control: &Control) -> io::Result<()> {
        only_ours(stream)?;
        let (word, _) = tokio::time::timeout(PROMPT, hear(stream)).await??;
        if word != TAKE_OVER {
            return Err(io::Error::other("it asked for something else"));
        }
        control.keep_history().await;
        let given = serde_json::to_string(&Given {
            listen: self.listen,
            pid: std::process::id(),
        })?;
        let descriptors = [self.socket.as_fd(), self.lock.as_fd()];
        say(stream, &given, &descriptors).await?;
        let (word, _) = tokio::time::timeout(START, hear(stream)).await??;
        if word == SERVING {
            Ok(())
        } else {
            Err(io::Error::other("it gave up"))
        }
    }
}

fn listen_privately(state: &StateDir) -> io::Result<UnixListener> {
    let path = state.control_socket();
    // We hold the lock, so whoever made it has ended or is about to.
    match std::fs::remove_file(&path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let listener = UnixListener::bind(Short::to(&path)?.path())?;
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o600))?;
    Ok(listener)
}

/// Descriptors come from, and go to, this user's processes only, whatever the folder's mode.
fn only_ours(stream: &UnixStream) -> io::Result<()> {
    let other = stream.peer_cred()?.uid();
    if other == rustix::process::geteuid().as_raw() {
        return Ok(());
    }
    Err(io::Error::new(
        io::ErrorKind::PermissionDenied,
        format!("the other side belongs to user {other}"),
    ))
}

/// Sends a word, with descriptors.
async fn say(stream: &UnixStream, word: &str, descriptors: &[BorrowedFd<'_>]) -> io::Result<()> {
    let line = format!("{word}\n");
    let sent = stream
        .async_io(Interest::WRITABLE, || {
            let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(DESCRIPTORS))];
            let mut ancillary = SendAncillaryBuffer::new(&mut space);
            if !descriptors.is_empty() {
                ancillary.push(SendAncillaryMessage::ScmRights(descriptors));
            }
            let words = [IoSlice::new(line.as_bytes())];
            Ok(sendmsg(stream, &words, &mut ancillary, SendFlags::empty())?)
        })
        .await?;
    if sent == line.len() {
        Ok(())
    } else {
        Err(io::ErrorKind::WriteZero.into())
    }
}

/// The next word. Each side speaks only when it is its turn, so one reading holds one word.
async fn hear(stream: &UnixStream) -> io::Result<(String, Vec<OwnedFd>)> {
    let mut bytes = [0; LONGEST];
    let mut descriptors = Vec::new();
    let heard = stream
        .async_io(Interest::READABLE, || {
            let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(DESCRIPTORS))];
            let mut ancillary = RecvAncillaryBuffer::new(&mut space);
            let mut words = [IoSliceMut::new(&mut bytes)];
            let heard = recvmsg(stream, &mut words, &mut ancillary, RecvFlags::empty())?;
            for message in ancillary.drain() {
                if let RecvAncillaryMessage::ScmRights(given) = message {
                    descriptors.extend(given);
                }
            }
            Ok(heard.bytes)
        })
        .await?;
    for descriptor in &descriptors {
        // Programs that hooks run have no business with them.
        fcntl_setfd(descriptor, FdFlags::CLOEXEC)?;
    }
    let word = bytes
        .get(..heard)
        .and_then(|bytes| bytes.strip_suffix(b"\n"))
        .ok_or(io::ErrorKind::UnexpectedEof)?;
    let word = std::str::from_utf8(word).map_err(io::Error::other)?;
    Ok((word.to_owned(), descriptors))
}
