//! The built binary, in the foreground, as a child of the test.

use std::io::{BufRead as _, BufReader, Read as _};
use std::net::SocketAddr;
use std::process::{Child, Command, Stdio};

use serde_json::Value;

use super::home::Home;
use super::until;

/// A running proxy; it is killed when dropped.
pub(crate) struct Proxy {
    child: Child,
    /// Where it listens: a port the system chose.
    pub(crate) address: SocketAddr,
    home: Home,
}

impl Proxy {
    /// In front of `upstream`, with the defaults.
    pub(crate) fn before(upstream: impl std::fmt::Display) -> Self {
        Self::configured(upstream, "")
    }

    /// With the settings of a `config.toml`. The log is JSON, to be read by tests.
    pub(crate) fn configured(upstream: impl std::fmt::Display, settings: &str) -> Self {
        Self::started(upstream, settings, |_, _| {})
    }

    /// With more in its home or its environment.
    pub(crate) fn started(
        upstream: impl std::fmt::Display,
        settings: &str,
        prepare: impl FnOnce(&Home, &mut Command),
    ) -> Self {
        let home = Home::new();
        home.write("home/.config/codex-plus/config.toml", settings);
        let mut command = home.codex_plus();
        command
            .args(["start", "--foreground", "--listen", "127.0.0.1:0"])
            .args(["--upstream", &upstream.to_string()])
            .env("CODEX_PLUS_LOG_FORMAT", "json")
            .stdout(Stdio::null())
            .stderr(Stdio::piped());
        prepare(&home, &mut command);
        let mut child = command.spawn().unwrap();
        let mut log = BufReader::new(child.stderr.take().unwrap());
        let mut said = String::new();
        let address = loop {
            let start = said.len();
            let more = log.read_line(&mut said).unwrap() > 0;
            assert!(more, "the proxy did not start: {said}");
            if let Some(address) = listening(&said[start..]) {
                break address;
            }
        };
        // The same lines go to the file; here they are only taken away.
        std::thread::spawn(move || log.read_to_end(&mut Vec::new()));
        Self {
            child,
            address,
            home,
        }
    }

    pub(crate) fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// The folders it works in.
    pub(crate) fn home(&self) -> &Home {
        &self.home
    }

    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Open file descriptors.
    pub(crate) fn descriptors(&self) -> usize {
        std::fs::read_dir(format!("/proc/{}/fd", self.pid()))
            .unwrap()
            .count()
    }

    /// The whole log so far.
    pub(crate) fn log(&self) -> String {
        self.home.log()
    }

    /// The exchanges told in the log so far.
    pub(crate) fn exchanges(&self) -> Vec<Value> {
        let lines = self.log();
        // The last line may be under way.
        let lines = lines
            .lines()
            .filter_map(|line| serde_json::from_str(line).ok());
        lines
            .filter(|line: &Value| line["name"] == "exchange")
            .collect()
    }

    /// The log's exchanges, once there are `count`.
    pub(crate) async fn logged(&self, count: usize) -> Vec<Value> {
        until("the log", || self.exchanges().len() >= count).await;
        self.exchanges()
    }
}

/// The address in the line that tells it, in either format of the log.
fn listening(line: &str) -> Option<SocketAddr> {
    let json: Value = serde_json::from_str(line).unwrap_or_default();
    let mut words = line.split_whitespace();
    let text = words.find_map(|word| word.strip_prefix("listen="));
    json["listen"].as_str().or(text)?.parse().ok()
}

impl Drop for Proxy {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
