//! A checkout as its user has it: `proxy.sh`, `src`, a repository, and the proxy started on port
//! 10000, which is where the document looks for it.

use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

const ROOT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../..");

pub(crate) struct Checkout {
    folder: tempfile::TempDir,
    upstream: String,
    path: String,
}

impl Checkout {
    /// Makes it and starts its proxy.
    pub(crate) fn prepare(upstream: &str) -> Self {
        drop(
            TcpListener::bind("127.0.0.1:10000")
                .expect("port 10000 is taken; stop what listens there, then run this again"),
        );
        let tools = Path::new(ROOT)
            .join("target/test-tools")
            .canonicalize()
            .unwrap_or_default();
        let python = tools.join("seed/bin");
        assert!(
            python.join("python3").exists(),
            "{} is missing; run ./run_tests.sh, which installs it",
            python.display()
        );
        let path = std::env::var("PATH").unwrap_or_default();
        let checkout = Self {
            folder: tempfile::tempdir().unwrap(),
            upstream: upstream.to_owned(),
            path: format!("{}:{path}", python.display()),
        };
        let root = checkout.root();
        std::fs::create_dir_all(root.join(".codexplus/hooks")).unwrap();
        std::fs::create_dir_all(checkout.folder.path().join("home")).unwrap();
        std::fs::copy(Path::new(ROOT).join("proxy.sh"), root.join("proxy.sh")).unwrap();
        let source = Path::new(ROOT).join("src").canonicalize().unwrap();
        std::os::unix::fs::symlink(source, root.join("src")).unwrap();
        for git in [
            "init -q -b main",
            "add proxy.sh",
            "-c user.name=t -c user.email=t@example.org commit -q -m begin",
        ] {
            checkout.run(&format!("git {git}"));
        }
        checkout.run("./proxy.sh start");
        checkout
    }

    pub(crate) fn root(&self) -> PathBuf {
        self.folder.path().canonicalize().unwrap().join("checkout")
    }

    /// Runs commands in bash and gives what they printed; they have to succeed.
    pub(crate) fn run(&self, commands: &str) -> String {
        let output = Command::new("bash")
            .args(["-c", commands])
            .env_clear()
            .env("PATH", &self.path)
            .env(
                "HOME",
                self.folder.path().canonicalize().unwrap().join("home"),
            )
            .env("CODEX_PLUS_BIN", env!("CARGO_BIN_EXE_codex-plus"))
            .env("CODEX_PLUS_UPSTREAM", &self.upstream)
            .env("CODEX_PLUS_DRAIN", "2s")
            .env("PYTHONDONTWRITEBYTECODE", "1")
            .current_dir(self.root())
            .stdin(Stdio::null())
            .output()
            .unwrap();
        let said = String::from_utf8_lossy(&output.stdout).into_owned();
        let complained = String::from_utf8_lossy(&output.stderr);
        assert!(
            output.status.success(),
            "{commands}\nprinted:\n{said}\n{complained}"
        );
        said
    }

    /// The proxy's process, as `proxy.pid` tells it.
    pub(crate) fn pid(&self) -> String {
        let pid = std::fs::read_to_string(self.root().join("proxy.pid")).unwrap();
        pid.trim().to_owned()
    }
}

impl Drop for Checkout {
    fn drop(&mut self) {
        // Whatever failed, the port is to be free again; the failure itself is told already.
        let _ = Command::new(env!("CARGO_BIN_EXE_codex-plus"))
            .args(["stop", "--state-dir"])
            .arg(self.root())
            .env("HOME", self.folder.path().join("home"))
            .output();
    }
}
