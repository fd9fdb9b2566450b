//! A made-up home for the real binary: temporary folders, a free port, no variable of ours from
//! outside. Every daemon started in it is ended with it, by pid.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use tokio::net::TcpSocket;

/// The folders and the port of one test.
pub(crate) struct Home {
    folder: tempfile::TempDir,
    /// The address `start` is told to listen on.
    pub(crate) listen: String,
}

/// What a command said.
#[derive(Debug)]
pub(crate) struct Said {
    pub(crate) code: Option<i32>,
    pub(crate) out: String,
    pub(crate) err: String,
}

impl From<Output> for Said {
    fn from(output: Output) -> Self {
        Self {
            code: output.status.code(),
            out: String::from_utf8_lossy(&output.stdout).into_owned(),
            err: String::from_utf8_lossy(&output.stderr).into_owned(),
        }
    }
}

impl Home {
    pub(crate) fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        std::fs::create_dir_all(folder.path().join("work/.git")).unwrap();
        let listen = free().to_string();
        Self { folder, listen }
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().canonicalize().unwrap().join(name)
    }

    /// The state folder used unless a test names another.
    pub(crate) fn state(&self, file: &str) -> PathBuf {
        self.path("home/.local/state/codex-plus").join(file)
    }

    pub(crate) fn write(&self, name: &str, text: &str) -> PathBuf {
        let path = self.path(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(&path, text).unwrap();
        path
    }

    /// Writes an executable script.
    pub(crate) fn script(&self, name: &str, text: &str) -> PathBuf {
        let path = self.path(name);
        let draft = self.write("draft", text);
        install(&draft, &path);
        std::fs::remove_file(draft).unwrap();
        path
    }

    /// A program in this home: nothing of the outside but PATH.
    pub(crate) fn program(&self, program: &Path) -> Command {
        std::fs::create_dir_all(self.path("home")).unwrap();
        let path = std::env::var("PATH").unwrap_or_default();
        let path = format!("{}:{path}", self.path("bin").display());
        let mut command = Command::new(program);
        command
            .env_clear()
            .env("PATH", path)
            .env("HOME", self.path("home"))
            .env("CODEX_PLUS_LISTEN", &self.listen)
            .env("CODEX_PLUS_DRAIN", "2s")
            .current_dir(self.path("work"))
            .stdin(Stdio::null());
        command
    }

    pub(crate) fn codex_plus(&self) -> Command {
        self.program(Path::new(env!("CARGO_BIN_EXE_codex-plus")))
    }

    pub(crate) fn run(&self, args: &[&str]) -> Said {
        self.codex_plus().args(args).output().unwrap().into()
    }

    /// Runs a command that must end with 0.
    pub(crate) fn ok(&self, args: &[&str]) -> Said {
        let said = self.run(args);
        assert_eq!(said.code, Some(0), "{args:?}: {said:?}");
        said
    }

    pub(crate) fn status(&self) -> serde_json::Value {
        serde_json::from_str(&self.ok(&["status", "--json"]).out).unwrap()
    }

    /// The running daemon's pid.
    pub(crate) fn pid(&self) -> u32 {
        let text = std::fs::read_to_string(self.state("proxy.pid")).unwrap();
        text.trim().parse().unwrap()
    }

    pub(crate) fn log(&self) -> String {
        std::fs::read_to_string(self.state("proxy.log")).unwrap_or_default()
    }
}

/// An address at which nobody listens, until someone does who names it. The system gives the port to
/// nobody else while the tests run: it is held by a socket that does not listen.
pub(crate) fn free() -> SocketAddr {
    let socket = TcpSocket::new_v4().unwrap();
    socket.set_reuseaddr(true).unwrap();
    socket.bind((Ipv4Addr::LOCALHOST, 0).into()).unwrap();
    let address = socket.local_addr().unwrap();
    // Other systems would not let anyone else bind it either.
    if cfg!(target_os = "linux") {
        std::mem::forget(socket);
    }
    address
}

/// Puts a program in place. Not by this process: a test beside this one may fork while the file is
/// open for writing, and until that one's exec the program is busy.
pub(crate) fn install(program: &Path, place: &Path) {
    std::fs::create_dir_all(place.parent().unwrap()).unwrap();
    let next = place.with_extension("next");
    let mut command = Command::new("install");
    let status = command.args(["-m", "755"]).arg(program).arg(&next).status();
    assert!(status.unwrap().success());
    std::fs::rename(next, place).unwrap();
}

/// Sends a signal by pid.
pub(crate) fn signal(pid: u32, name: &str) {
    let status = Command::new("kill")
        .arg(format!("-{name}"))
        .arg(pid.to_string())
        .status();
    assert!(status.unwrap().success());
}

pub(crate) fn is_alive(pid: u32) -> bool {
    let status = Command::new("kill")
        .arg("-0")
        .arg(pid.to_string())
        .stderr(Stdio::null())
        .status();
    status.unwrap().success()
}

/// Waits until `done`; the limit only keeps a broken test from hanging.
pub(crate) fn wait_for(what: &str, mut done: impl FnMut() -> bool) {
    for _ in 0..3_000 {
        if done() {
            return;
        }
        std::thread::sleep(std::time::Duration::from_millis(10));
    }
    panic!("waited 30 s for {what}");
}

impl Drop for Home {
    fn drop(&mut self) {
        let _ = self.codex_plus().arg("stop").output();
        for folder in ["other", "checkout"] {
            if !self.path(folder).exists() {
                continue;
            }
            let _ = self
                .codex_plus()
                .args(["stop", "--state-dir"])
                .arg(self.path(folder))
                .output();
        }
    }
}
