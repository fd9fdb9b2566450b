//! A process group that does not outlive the one who waits for it.

use std::io;
use std::process::ExitStatus;

use rustix::process::{Pid, Signal, kill_process_group};
use tokio::process::{Child, Command};

use super::warden;

/// A child that leads a process group. Dropping it kills the whole group; the runtime reaps the
/// child.
pub(super) struct Group {
    child: Child,
    /// `None` once the leader was reaped: the number may then belong to a stranger.
    leader: Option<Pid>,
}

impl Group {
    /// Starts a command as the leader of a new group.
    pub(super) fn spawn(command: &mut Command) -> io::Result<Self> {
        warden::stand_by();
        let child = command.process_group(0).kill_on_drop(true).spawn()?;
        let number = child.id().and_then(|id| i32::try_from(id).ok());
        let leader = number.and_then(Pid::from_raw);
        if let Some(leader) = leader {
            warden::began(leader);
        }
        Ok(Self { child, leader })
    }

    pub(super) fn child(&mut self) -> &mut Child {
        &mut self.child
    }

    /// Waits for the leader to end. What it left running in the background keeps running.
    pub(super) async fn wait(&mut self) -> io::Result<ExitStatus> {
        let status = self.child.wait().await;
        if let Some(leader) = self.leader.take() {
            warden::ended(leader);
        }
        status
    }

    /// Kills the group and reaps its leader.
    pub(super) async fn kill(&mut self) {
        self.signal();
        let _ = self.wait().await;
    }

    fn signal(&mut self) {
        if let Some(leader) = self.leader {
            // The group may have ended by itself: nothing to do then.
            let _ = kill_process_group(leader, Signal::KILL);
        }
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        self.signal();
        if let Some(leader) = self.leader.take() {
            warden::ended(leader);
        }
    }
}
