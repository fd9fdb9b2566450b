//! A worker's process: started in a group of its own, ended with all that it started.

use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::net::UnixStream as StdStream;
use std::path::Path;
use std::process::Stdio;
use std::{ffi::OsStr, mem::MaybeUninit};

use rustix::net::{SendAncillaryBuffer, SendAncillaryMessage, SendFlags};
use tokio::net::{UnixStream, unix::pipe};
use tokio::process::{Child, Command};

use super::carried::BOOTSTRAP;
use super::program::Program;

/// A running worker process. Dropping it ends its whole process group.
#[derive(Debug)]
pub(super) struct Process {
    child: Child,
    /// The process id.
    pub(super) id: u32,
}

/// Our ends of what a worker process is connected with.
#[derive(Debug)]
pub(super) struct Ends {
    /// Frames; does not block.
    pub(super) frames: StdStream,
    pub(super) others: Others,
}

/// All ends but that of the frames.
#[derive(Debug)]
pub(super) struct Others {
    /// Questions to its monitor thread.
    pub(super) control: UnixStream,
    /// What it and its children write to descriptors 1 and 2.
    pub(super) output: pipe::Receiver,
    /// The kernel ends the worker's group when this closes, also by our own death.
    pub(super) lifeline: io::PipeWriter,
}

/// Starts an interpreter in `folder`.
pub(super) fn spawn(program: &Program, folder: Option<&Path>) -> io::Result<(Process, Ends)> {
    let (frames, theirs) = StdStream::pair()?;
    let (control, their_control) = StdStream::pair()?;
    let (their_lifeline, lifeline) = io::pipe()?;
    let (output, write) = io::pipe()?;
    // Large bodies then cross in fewer turns; the kernel may give less.
    for end in [&frames, &theirs] {
        let _ = rustix::net::sockopt::set_socket_send_buffer_size(end, 1024 * 1024);
    }
    let mut command = Command::new(&program.path);
    if let Some(variables) = &program.variables {
        command.env_clear().envs(variables);
    }
    command
        .args([OsStr::new("-c"), OsStr::new(BOOTSTRAP)])
        .stdin(Stdio::from(OwnedFd::from(theirs)))
        .stdout(Stdio::from(write.try_clone()?))
        .stderr(Stdio::from(write))
        .process_group(0)
        .kill_on_drop(true);
    if let Some(folder) = folder {
        command.current_dir(folder);
    }
    let child = command.spawn()?;
    let id = child.id().unwrap_or_default();
    // Held from here on, so that any error below ends the process.
    let process = Process { child, id };
    pass(&frames, &[their_control.as_fd(), their_lifeline.as_fd()])?;
    frames.set_nonblocking(true)?;
    control.set_nonblocking(true)?;
    let ends = Ends {
        frames,
        others: Others {
            control: UnixStream::from_std(control)?,
            output: pipe::Receiver::from_owned_fd(output.into())?,
            lifeline,
        },
    };
    Ok((process, ends))
}

/// Sends descriptors with one byte, the first on the socket.
fn pass(socket: &StdStream, descriptors: &[std::os::fd::BorrowedFd<'_>]) -> io::Result<()> {
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(2))];
    let mut message = SendAncillaryBuffer::new(&mut space);
    if !message.push(SendAncillaryMessage::ScmRights(descriptors)) {
        return Err(io::Error::other("no room for two descriptors"));
    }
    let byte = [io::IoSlice::new(b"F")];
    rustix::net::sendmsg(socket, &byte, &mut message, SendFlags::empty())?;
    Ok(())
}

impl Process {
    /// Lets the process group go on if a signal had stopped it.
    pub(super) fn resume(&self) {
        self.signal_group(rustix::process::Signal::CONT);
    }

    /// Only while its leader is not reaped, so its id is still its own.
    fn signal_group(&self, signal: rustix::process::Signal) {
        let group = i32::try_from(self.id)
            .ok()
            .and_then(rustix::process::Pid::from_raw);
        if let (Some(group), Some(_)) = (group, self.child.id()) {
            let _ = rustix::process::kill_process_group(group, signal);
        }
    }

    /// Ends the process group.
    fn kill_group(&self) {
        self.signal_group(rustix::process::Signal::KILL);
    }

    /// Ends the process group and reaps the worker. Says how it had ended by itself, if it had.
    pub(super) async fn end(mut self) -> Option<String> {
        // Its own end closes the socket a moment before its status can be had.
        self.kill_group();
        let status = self.child.wait().await.ok()?;
        let killed = std::os::unix::process::ExitStatusExt::signal(&status) == Some(9);
        (!killed).then(|| status.to_string())
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.kill_group();
    }
}
