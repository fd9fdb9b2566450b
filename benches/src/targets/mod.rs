//! What is measured: the proxy, and what stands beside it for comparison.

mod proxy;
mod servers;

use std::fs;
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context as _, bail};
use codex_plus_bench::http::Connection;

use crate::process::Processes;
use crate::repository;

use servers::LITELLM;

pub(crate) use proxy::{CALL, EXPANDED, SetUp};

/// A way from the client to the upstream.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Target {
    /// No proxy between.
    Direct,
    Nginx,
    Haproxy,
    /// Minimal hyper.
    Floor,
    /// Minimal tungstenite relay.
    FloorWebSocket,
    /// The proxy, reading nothing.
    Passthrough,
    /// The proxy as it is installed.
    Plain,
    /// The proxy with the status line on, and with a slash command.
    Edited,
    /// The proxy with a hook that listens to calls in the answer.
    Listening,
    /// The proxy with a hook, of the kind named.
    Hooked(&'static str),
    Mitmproxy,
    LiteLlm,
}

impl Target {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Direct => "direct",
            Self::Nginx => "nginx",
            Self::Haproxy => "haproxy",
            Self::Floor => "floor",
            Self::FloorWebSocket => "floor (WebSocket)",
            Self::Passthrough => "codex-plus, passthrough",
            Self::Plain => "codex-plus",
            Self::Edited => "codex-plus, editing",
            Self::Listening => "codex-plus, listening",
            Self::Hooked(kind) => kind,
            Self::Mitmproxy => "mitmproxy",
            Self::LiteLlm => "LiteLLM",
        }
    }

    /// How long its start may take.
    fn patience(self) -> Duration {
        match self {
            Self::LiteLlm => Duration::from_mins(1),
            Self::Mitmproxy => Duration::from_secs(20),
            _ => Duration::from_secs(10),
        }
    }
}

/// A target that serves.
#[derive(Debug)]
pub(crate) struct Running {
    pub(crate) target: Target,
    pub(crate) address: SocketAddr,
    pub(crate) processes: Processes,
    /// From its start until its port was open.
    pub(crate) start: Duration,
    child: Option<Child>,
}

impl Drop for Running {
    fn drop(&mut self) {
        if self.target != Target::Direct {
            self.processes.end(Duration::from_secs(5));
        }
        if let Some(child) = &mut self.child {
            // Ended above; this takes it off the process table.
            let _ = child.wait();
        }
    }
}

impl Running {
    /// Asks once and gives the answer's text.
    pub(crate) async fn text_of(&self, request: &[u8]) -> anyhow::Result<String> {
        let mut connection = Connection::open(self.address).await?;
        connection.send(request).await?;
        let status = connection.head().await?;
        let mut body = Vec::new();
        while let Some(piece) = connection.piece().await? {
            body.extend_from_slice(&piece);
        }
        let text = String::from_utf8_lossy(&body).into_owned();
        anyhow::ensure!(
            status == 200,
            "{} answered {status}: {text}",
            self.target.name()
        );
        Ok(text)
    }
}

/// Where targets find their upstream and keep their files.
#[derive(Debug)]
pub(crate) struct Ground {
    pub(crate) programs: PathBuf,
    pub(crate) folder: PathBuf,
    pub(crate) upstream: SocketAddr,
    _stub: Stub,
}

#[derive(Debug)]
struct Stub(Child);

impl Drop for Ground {
    fn drop(&mut self) {
        // What stays behind only takes room.
        let _ = fs::remove_dir_all(&self.folder);
    }
}

impl Drop for Stub {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

impl Ground {
    /// Starts the upstream.
    pub(crate) fn prepare(programs: PathBuf, folder: PathBuf) -> anyhow::Result<Self> {
        fs::create_dir_all(&folder).with_context(|| format!("cannot make {}", folder.display()))?;
        let upstream = free_port()?;
        let stub = Command::new(programs.join("bench-stub"))
            .arg(upstream.port().to_string())
            .spawn()
            .context("cannot start bench-stub; run ./bench.sh, which builds it")?;
        let mut stub = Stub(stub);
        wait_for(upstream, &mut stub.0, Duration::from_secs(5)).context("bench-stub")?;
        repository::make(&folder.join("work"), 20)?;
        Ok(Self {
            programs,
            folder,
            upstream,
            _stub: stub,
        })
    }

    /// Where the clients say they work: a small repository.
    pub(crate) fn cwd(&self) -> anyhow::Result<String> {
        Ok(path(&self.folder.join("work"))?.to_owned())
    }

    fn folder_of(&self, target: Target, address: SocketAddr) -> anyhow::Result<PathBuf> {
        let name = target.name().replace([' ', ',', ':'], "");
        let folder = self.folder.join(format!("{name}-{}", address.port()));
        fs::create_dir_all(&folder)?;
        Ok(folder)
    }

    /// A program of another's that `./bench.sh full` installed; none when it could not.
    pub(crate) fn peer(name: &str, program: &str) -> Option<PathBuf> {
        let program = peer_folder(name).join("bin").join(program);
        program.canonicalize().ok()
    }

    /// Which version of it was installed.
    pub(crate) fn peer_version(name: &str) -> Option<String> {
        let pythons = fs::read_dir(peer_folder(name).join("lib")).ok()?;
        let packages = pythons
            .filter_map(|python| fs::read_dir(python.ok()?.path().join("site-packages")).ok())
            .flatten();
        packages
            .filter_map(|package| package.ok()?.file_name().into_string().ok())
            .find_map(|package| {
                let version = package.strip_prefix(name)?.strip_prefix('-')?;
                Some(version.strip_suffix(".dist-info")?.to_owned())
            })
    }

    /// Starts a target.
    pub(crate) fn start(&self, target: Target) -> anyhow::Result<Running> {
        let address = if target == Target::Direct {
            self.upstream
        } else {
            free_port()?
        };
        let folder = self.folder_of(target, address)?;
        let (own, up) = (address.port().to_string(), self.upstream.port().to_string());
        let mut command = match target {
            Target::Direct => {
                return Ok(Running {
                    target,
                    address,
                    processes: Processes::tree(std::process::id()),
                    start: Duration::ZERO,
                    child: None,
                });
            }
            Target::Floor => with(self.programs.join("bench-floor"), &[&own, &up]),
            Target::FloorWebSocket => {
                with(self.programs.join("bench-floor-websocket"), &[&own, &up])
            }
            Target::Nginx => with(
                "nginx",
                &["-p", path(&folder)?, "-c", &self.nginx(&folder, address)?],
            ),
            Target::Haproxy => with("haproxy", &["-db", "-f", &self.haproxy(&folder, address)?]),
            Target::Mitmproxy => {
                let program = Self::peer("mitmproxy", "mitmdump").context("no mitmproxy")?;
                let upstream = format!("reverse:http://127.0.0.1:{up}");
                with(
                    program,
                    &[
                        "-q",
                        "-p",
                        &own,
                        "--mode",
                        &upstream,
                        "--set",
                        "flow_detail=0",
                    ],
                )
            }
            Target::LiteLlm => {
                let program = Self::peer("litellm", "litellm").context("no LiteLLM")?;
                let config = self.litellm(&folder)?;
                let mut command = with(
                    program,
                    &["--port", &own, "--host", "127.0.0.1", "--config", &config],
                );
                command.envs(LITELLM);
                command
            }
            _ => return self.daemon(target, &folder, address, SetUp::default()),
        };
        let began = Instant::now();
        let child = command
            .current_dir(&folder)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(fs::File::create(folder.join("stderr"))?)
            .spawn()
            .with_context(|| format!("cannot start {}", target.name()))?;
        let root = child.id();
        let mut running = Running {
            target,
            address,
            processes: Processes::tree(root),
            start: Duration::ZERO,
            child: Some(child),
        };
        if let Some(child) = &mut running.child {
            wait_for(address, child, target.patience())
                .with_context(|| format!("{} {}", target.name(), last_words(&folder)))?;
        }
        running.start = began.elapsed();
        // The port is open before every worker is there.
        std::thread::sleep(Duration::from_millis(200));
        running.processes = Processes::tree(root);
        Ok(running)
    }
}

/// What a target said last before it was given up, for the one who reads why.
fn last_words(folder: &Path) -> String {
    let said = fs::read_to_string(folder.join("stderr")).unwrap_or_default();
    let last = said.lines().rfind(|line| !line.trim().is_empty());
    last.map_or_else(String::new, |line| format!("({})", line.trim()))
}

fn with(program: impl AsRef<std::ffi::OsStr>, arguments: &[&str]) -> Command {
    let mut command = Command::new(program);
    command.args(arguments);
    command
}

fn write(file: &Path, text: &str) -> anyhow::Result<String> {
    fs::write(file, text).with_context(|| format!("cannot write {}", file.display()))?;
    Ok(path(file)?.to_owned())
}

fn path(path: &Path) -> anyhow::Result<&str> {
    path.to_str().context("a path that is not text")
}

fn peer_folder(name: &str) -> PathBuf {
    Path::new("target/bench").join(name)
}

/// A port of this machine that nobody listens on.
pub(crate) fn free_port() -> anyhow::Result<SocketAddr> {
    let probe = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).context("no free port")?;
    Ok(probe.local_addr()?)
}

/// Waits until the port is open, unless its owner ended or patience did.
fn wait_for(address: SocketAddr, owner: &mut Child, patience: Duration) -> anyhow::Result<()> {
    let until = Instant::now() + patience;
    while TcpStream::connect(address).is_err() {
        if let Some(status) = owner.try_wait()? {
            bail!("ended at its start with {status}");
        }
        if Instant::now() > until {
            bail!("not there after {} s", patience.as_secs());
        }
        std::thread::sleep(Duration::from_millis(1));
    }
    Ok(())
}
