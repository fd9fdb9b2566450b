//! What is measured: the proxy, and what stands beside it for comparison.

use std::fs;
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context as _, bail};

use crate::process::Processes;

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
        }
    }
}

/// A target that serves.
#[derive(Debug)]
pub(crate) struct Running {
    pub(crate) target: Target,
    pub(crate) address: SocketAddr,
    pub(crate) processes: Processes,
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
        let stub = Stub(stub);
        wait_for(upstream, Duration::from_secs(5))?;
        Ok(Self {
            programs,
            folder,
            upstream,
            _stub: stub,
        })
    }

    /// Starts a target with default settings.
    pub(crate) fn start(&self, target: Target) -> anyhow::Result<Running> {
        self.start_with(target, "")
    }

    /// Starts a target; `settings` go into the proxy's settings file.
    pub(crate) fn start_with(&self, target: Target, settings: &str) -> anyhow::Result<Running> {
        let address = if target == Target::Direct {
            self.upstream
        } else {
            free_port()?
        };
        let folder = self.folder.join(format!(
            "{}-{}",
            target.name().replace([' ', ','], ""),
            address.port()
        ));
        fs::create_dir_all(&folder)?;
        let (own, up) = (address.port().to_string(), self.upstream.port().to_string());
        let mut command = match target {
            Target::Direct => {
                return Ok(Running {
                    target,
                    address,
                    processes: Processes::tree(std::process::id()),
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
            Target::Passthrough | Target::Plain => {
                return self.daemon(target, &folder, address, settings);
            }
        };
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
            child: Some(child),
        };
        wait_for(address, Duration::from_mins(1))?;
        // The port is open before every worker is there.
        std::thread::sleep(Duration::from_millis(200));
        running.processes = Processes::tree(root);
        Ok(running)
    }

    /// The proxy, started in the background as its users do.
    fn daemon(
        &self,
        target: Target,
        folder: &Path,
        address: SocketAddr,
        settings: &str,
    ) -> anyhow::Result<Running> {
        fs::write(folder.join("config.toml"), settings)?;
        let mut command = with(
            self.programs.join("codex-plus"),
            &[
                "start",
                "--listen",
                &address.to_string(),
                "--upstream",
                &format!("http://{}", self.upstream),
            ],
        );
        if target == Target::Passthrough {
            command.arg("--passthrough");
        }
        let said = command
            .current_dir(folder)
            .env("HOME", folder)
            .env("CODEX_PLUS_STATE_DIR", folder)
            .env("CODEX_PLUS_CONFIG", folder.join("config.toml"))
            .stdin(Stdio::null())
            .output()
            .context("cannot start codex-plus; run ./bench.sh, which builds it")?;
        if !said.status.success() {
            bail!(
                "codex-plus did not start: {}",
                String::from_utf8_lossy(&said.stderr)
            );
        }
        let pid = fs::read_to_string(folder.join("proxy.pid")).context("proxy.pid")?;
        let pid = pid.trim().parse().context("proxy.pid holds no number")?;
        Ok(Running {
            target,
            address,
            processes: Processes::tree(pid),
            child: None,
        })
    }

    fn nginx(&self, folder: &Path, address: SocketAddr) -> anyhow::Result<String> {
        let (folder_name, upstream) = (path(folder)?, self.upstream);
        let config = format!(
            "daemon off; worker_processes auto; worker_rlimit_nofile 20000; pid {folder_name}/nginx.pid; error_log {folder_name}/error.log;
events {{ worker_connections 19000; }}
http {{
  access_log off; client_max_body_size 0; client_body_buffer_size 16m; keepalive_requests 1000000000;
  client_body_temp_path {folder_name}/body; proxy_temp_path {folder_name}/proxy; fastcgi_temp_path {folder_name}/f; uwsgi_temp_path {folder_name}/u; scgi_temp_path {folder_name}/s;
  map $http_upgrade $onward {{ default upgrade; '' ''; }}
  upstream provider {{ server {upstream}; keepalive 128; keepalive_requests 1000000000; }}
  server {{
    listen {address} backlog=16384;
    location / {{
      proxy_pass http://provider; proxy_http_version 1.1; proxy_set_header Upgrade $http_upgrade; proxy_set_header Connection $onward;
      proxy_buffering off; proxy_request_buffering off; proxy_read_timeout 600s; tcp_nodelay on;
    }}
  }}
}}
"
        );
        write(&folder.join("nginx.conf"), &config)
    }

    fn haproxy(&self, folder: &Path, address: SocketAddr) -> anyhow::Result<String> {
        let upstream = self.upstream;
        // Without http-no-delay events wait for each other.
        let config = format!(
            "global
  nbthread 2
  maxconn 9950
  ulimit-n 20000
defaults
  mode http
  option http-no-delay
  timeout connect 10s
  timeout client 600s
  timeout server 600s
  timeout tunnel 600s
frontend front
  bind {address} backlog 16384
  default_backend provider
backend provider
  http-reuse always
  server stub {upstream} pool-max-conn 200
"
        );
        write(&folder.join("haproxy.cfg"), &config)
    }
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

/// A port of this machine that nobody listens on.
pub(crate) fn free_port() -> anyhow::Result<SocketAddr> {
    let probe = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).context("no free port")?;
    Ok(probe.local_addr()?)
}

fn wait_for(address: SocketAddr, patience: Duration) -> anyhow::Result<()> {
    let until = Instant::now() + patience;
    while TcpStream::connect(address).is_err() {
        if Instant::now() > until {
            bail!("nobody answers on {address}");
        }
        std::thread::sleep(Duration::from_millis(1));
    }
    Ok(())
}
