//! A full disk: what is carried does not need it, and what is written is written again when there
//! is room.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use codex_plus_stand_in::{Config, StandIn};
use serde_json::{Value, json};

use crate::support::home::{Home, signal};
use crate::support::peer::{ask, post};
use crate::support::proxy::Proxy;
use crate::support::until;

const HOOKS: &str = r#"{"hooks": {"UserPromptSubmit": [{"hooks": [{"type": "command", "command": "echo context-of-$(tr -dc 0-9 < \"$HOME/../number\")"}]}]}}"#;

/// How a disk is made to be full.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Means {
    /// No file may grow (`EFBIG`): needs no right at all.
    FileSize,
    /// A file system of its own that has no room left (`ENOSPC`): needs user namespaces.
    SmallDisk,
}

impl Means {
    /// Those that this machine allows.
    fn allowed() -> Vec<Self> {
        let probe = Command::new("unshare")
            .args(["-rm", "mount", "-t", "tmpfs", "none", "/mnt"])
            .stderr(Stdio::null())
            .status();
        if probe.is_ok_and(|status| status.success()) {
            vec![Self::FileSize, Self::SmallDisk]
        } else {
            vec![Self::FileSize]
        }
    }
}

/// A proxy whose state folder may be full.
struct Disk {
    means: Means,
    proxy: Proxy,
    /// The state folder, as this process reaches it.
    state: PathBuf,
}

impl Disk {
    fn start(means: Means, upstream: &str) -> Self {
        let mut state = PathBuf::new();
        let proxy = Proxy::started(upstream, "", |home, command| {
            home.write("home/.codexplus/settings.json", HOOKS);
            home.write("number", "1");
            state = home.state("");
            std::fs::create_dir_all(&state).unwrap();
            if means == Means::SmallDisk {
                on_a_small_disk(command, &state, "true");
            }
        });
        if means == Means::SmallDisk {
            let root = format!("/proc/{}/root", proxy.pid());
            state = Path::new(&root).join(state.strip_prefix("/").unwrap());
        }
        Self {
            means,
            proxy,
            state,
        }
    }

    fn fill(&self) {
        match self.means {
            Means::FileSize => self.proxy.limit("fsize", 1),
            Means::SmallDisk => fill(&self.state),
        }
    }

    fn free(&self) {
        match self.means {
            Means::FileSize => self.proxy.limit("fsize", "unlimited"),
            Means::SmallDisk => std::fs::remove_file(self.state.join("filler")).unwrap(),
        }
    }

    fn read(&self, name: &str) -> String {
        std::fs::read_to_string(self.state.join(name)).unwrap_or_default()
    }
}

/// Takes what is left, to the last byte.
fn fill(folder: &Path) {
    use std::io::Write as _;
    let mut filler = std::fs::File::create(folder.join("filler")).unwrap();
    while filler.write_all(&[b'x'; 4096]).is_ok() {}
}

/// The same command, with a small disk mounted at `state` and `first` done before it.
fn on_a_small_disk(command: &mut Command, state: &Path, first: &str) {
    let script = format!(
        "mount -t tmpfs -o size=256k,mode=0700 none '{0}' && cd . && {first} && exec \"$@\"",
        state.display()
    );
    let mut wrapped = Command::new("unshare");
    wrapped
        .args(["-rm", "sh", "-c", &script, "sh"])
        .arg(command.get_program())
        .args(command.get_args())
        .env_clear()
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::piped());
    for (name, value) in command.get_envs() {
        wrapped.env(name, value.unwrap_or_default());
    }
    wrapped.current_dir(command.get_current_dir().unwrap());
    *command = wrapped;
}

fn item(id: &str) -> Value {
    json!({"type": "message", "role": "user", "id": id,
        "content": [{"type": "input_text", "text": "hello"}]})
}

/// Sends these items; what the provider got.
async fn send(disk: &Disk, provider: &StandIn, items: &[Value]) -> Value {
    let body = json!({"model": "m", "input": items}).to_string();
    let request = post("/v1/responses", "", body.as_bytes());
    let (head, _) = ask(disk.proxy.address, request).await;
    assert_eq!(head.status(), 200, "{:?}", disk.means);
    provider.received().pop().unwrap().json.unwrap()["input"].take()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_full_disk_stops_nothing_and_is_written_to_again() {
    for means in Means::allowed() {
        let provider = StandIn::start(Config::default()).await.unwrap();
        let disk = Disk::start(means, &provider.base_url());
        let home = disk.proxy.home();
        let sent = send(&disk, &provider, &[item("p1")]).await;
        assert!(sent.to_string().contains("context-of-1"), "{sent}");
        until("the log and the journal", || {
            disk.read("proxy.log").contains("\"exchange\"")
                && !disk.read("history.jsonl").is_empty()
        })
        .await;

        // Some are opened with the first exchange, and kept for the next.
        let (descriptors, threads) = (disk.proxy.descriptors(), disk.proxy.threads());
        disk.fill();
        home.write("number", "2");
        let sent = send(&disk, &provider, &[item("p1"), item("p2")]).await;
        let text = sent.to_string();
        assert!(
            text.contains("context-of-1") && text.contains("context-of-2"),
            "{sent}"
        );
        // New settings need no disk either.
        signal(disk.proxy.pid(), "HUP");
        for number in 0..20 {
            let items = [item("p1"), item("p2"), item(&format!("x{number}"))];
            let again = send(&disk, &provider, &items).await;
            let (again, sent) = (again.as_array().unwrap(), sent.as_array().unwrap());
            assert_eq!(
                again[..sent.len()],
                sent[..],
                "{means:?}: what was sent is sent again"
            );
        }

        disk.free();
        home.write("number", "3");
        // At least one after there is room: the log may go on with lines from before.
        for number in 0.. {
            let sent = send(&disk, &provider, &[item(&format!("y{number}"))]).await;
            assert!(sent.to_string().contains("context-of-3"), "{sent}");
            let log = disk.read("proxy.log");
            if log.contains("bytes could not be written here)") {
                break;
            }
            assert!(number < 300, "{means:?} {log}");
            tokio::time::sleep(std::time::Duration::from_millis(100)).await;
        }
        // Whole lines, but for the one that says how much is missing and the one that broke off.
        let log = disk.read("proxy.log");
        let broken = log
            .lines()
            .filter(|line| serde_json::from_str::<Value>(line).is_err());
        assert!(broken.count() <= 2, "{means:?} {log}");
        // Edits are kept again, so that the next process knows them.
        until("the journal", || {
            disk.read("history.jsonl").contains("context-of-3")
        })
        .await;
        let journal = disk.read("history.jsonl");
        let broken = journal
            .lines()
            .filter(|line| serde_json::from_str::<Value>(line).is_err());
        assert!(broken.count() <= 1, "{means:?} {journal}");
        until("the descriptors", || {
            disk.proxy.descriptors() <= descriptors + 2
        })
        .await;
        until("the threads", || disk.proxy.threads() <= threads).await;
    }
}

/// A proxy that cannot say where it is could not be found, stopped or restarted: it does not
/// start, and says what is missing.
#[test]
fn a_start_without_any_room_says_so() {
    if !Means::allowed().contains(&Means::SmallDisk) {
        return a_start_whose_files_cannot_grow_says_so();
    }
    let home = Home::new();
    let state = home.state("");
    std::fs::create_dir_all(&state).unwrap();
    let mut command = home.codex_plus();
    command.args(["start", "--foreground", "--listen", "127.0.0.1:0"]);
    let fill = format!(
        "{{ cat /dev/zero > '{}/filler' 2>/dev/null || true; }}",
        state.display()
    );
    on_a_small_disk(&mut command, &state, &fill);
    let said = command.output().unwrap();
    let err = String::from_utf8_lossy(&said.stderr);
    assert_eq!(said.status.code(), Some(1), "{err}");
    assert!(err.contains("No space left on device"), "{err}");
    assert!(err.contains("check its owner and free space"), "{err}");
}

fn a_start_whose_files_cannot_grow_says_so() {
    let home = Home::new();
    let mut command = Command::new("prlimit");
    let wrapped = home.codex_plus();
    command.arg("--fsize=1").arg(wrapped.get_program());
    command.args(["start", "--foreground", "--listen", "127.0.0.1:0"]);
    command.env_clear().current_dir(home.path("work"));
    for (name, value) in wrapped.get_envs() {
        command.env(name, value.unwrap_or_default());
    }
    let said = command.output().unwrap();
    let err = String::from_utf8_lossy(&said.stderr);
    assert_eq!(said.status.code(), Some(1), "{err}");
    assert!(err.contains("File too large"), "{err}");
}
