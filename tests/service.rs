//! The proxy as a service, and its end without a trace: the real binary, a service manager's
//! command that writes down what it is told, and sockets passed as systemd passes them.
#![allow(
    clippy::unwrap_used,
    reason = "a test ends at the first thing that is not as it should be"
)]

#[path = "daemon/home.rs"]
#[allow(dead_code, reason = "the daemon's tests use the rest")]
mod home;
#[path = "service/uninstall.rs"]
mod uninstall;

use std::collections::BTreeMap;
use std::io::{Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::os::fd::OwnedFd;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use home::{Home, Said, wait_for};
use serde_json::Value;

const SOCKET: &str = "home/.config/systemd/user/codex-plus.socket";
const SERVICE: &str = "home/.config/systemd/user/codex-plus.service";
const BINARY: &str = env!("CARGO_BIN_EXE_codex-plus");

/// Everything below a folder: modes, contents, where links lead.
fn everything(folder: &Path) -> BTreeMap<PathBuf, (u32, Vec<u8>)> {
    let mut found = BTreeMap::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            let meta = path.symlink_metadata().unwrap();
            let content = if meta.is_dir() {
                folders.push(path.clone());
                Vec::new()
            } else if meta.is_symlink() {
                let target = std::fs::read_link(&path).unwrap();
                target.to_string_lossy().into_owned().into_bytes()
            } else if meta.is_file() {
                std::fs::read(&path).unwrap()
            } else {
                // A socket says nothing by itself.
                Vec::new()
            };
            found.insert(path, (meta.permissions().mode(), content));
        }
    }
    found
}

/// A home in which Codex and this proxy were set up, with a `systemctl` that writes down its
/// arguments and remembers whether the socket is up.
fn lived_in() -> Home {
    let home = Home::new();
    home.write("home/.codex/config.toml", "model = 'm'\n");
    home.write("home/.codexplus/settings.json", "{}\n");
    home.write("home/.bashrc", "eval \"$(codex-plus shell-init bash)\"\n");
    home.script(
        "bin/systemctl",
        &format!(
            "#!/bin/sh\necho \"$*\" >> '{calls}'\ncase \"$2\" in\n\
             is-*) test -f '{up}' ;;\nenable) touch '{up}' ;;\ndisable) rm -f '{up}' ;;\n\
             start) '{BINARY}' start --service </dev/null >/dev/null 2>&1 & ;;\nesac\n",
            calls = home.path("calls").display(),
            up = home.path("up").display(),
        ),
    );
    home
}

/// What the stub was told, but for questions.
fn calls(home: &Home) -> Vec<String> {
    let text = std::fs::read_to_string(home.path("calls")).unwrap_or_default();
    let lines = text.lines().filter(|line| !line.contains(" is-"));
    lines.map(str::to_owned).collect()
}

fn read(home: &Home, name: &str) -> String {
    std::fs::read_to_string(home.path(name)).unwrap()
}

/// systemd's own opinion of the units, where it is installed.
fn verify(home: &Home) {
    let runtime = home.path("runtime");
    std::fs::create_dir(&runtime).unwrap();
    let mut command = home.program(Path::new("systemd-analyze"));
    command
        .args(["--user", "verify", "--man=no"])
        .args([home.path(SERVICE), home.path(SOCKET)])
        .env("XDG_RUNTIME_DIR", runtime);
    if let Ok(output) = command.output() {
        let said = Said::from(output);
        assert_eq!((said.code, said.err.as_str()), (Some(0), ""), "{said:?}");
    }
}

fn service_status(home: &Home) -> Value {
    serde_json::from_str(&home.ok(&["service", "status", "--json"]).out).unwrap()
}

#[test]
fn install_writes_units_that_uninstall_takes_back_to_the_byte() {
    let home = lived_in();
    let before = everything(&home.path("home"));
    let state = home.path("my state");
    let state = state.to_str().unwrap();
    let mut command = home.codex_plus();
    command
        .args(["service", "install", "--upstream", "http://127.0.0.1:9/v1"])
        .args(["--state-dir", state])
        .env("CODEX_PLUS_CONFIG", "conf 100%.toml")
        .env("CODEX_PLUS_TOKEN", "hunter2");
    let said = Said::from(command.output().unwrap());
    assert_eq!(said.code, Some(0), "{said:?}");
    assert!(
        said.err.contains("CODEX_PLUS_TOKEN is a secret"),
        "{said:?}"
    );
    let socket = read(&home, SOCKET);
    let listen = format!("\nListenStream={}\n", home.listen);
    assert!(socket.contains(&listen), "{socket}");
    let service = read(&home, SERVICE);
    for part in [
        format!("\nExecStart=\"{BINARY}\" \"start\" \"--service\" "),
        "\"--upstream\" \"http://127.0.0.1:9/v1\"".to_owned(),
        format!("\"--state-dir\" \"{state}\"\n"),
        format!(
            "\nEnvironment=\"CODEX_PLUS_CONFIG={}\"\n",
            home.path("work/conf 100%%.toml").display()
        ),
        format!("\nWorkingDirectory={}\n", home.path("home").display()),
    ] {
        assert!(service.contains(&part), "{part} is not in {service}");
    }
    assert!(!service.contains("hunter2"), "{service}");
    verify(&home);
    let up = [
        "--user daemon-reload",
        "--user enable --now codex-plus.socket",
    ];
    assert_eq!(calls(&home), up);
    let status = service_status(&home);
    assert_eq!(status["installed"], true, "{status}");
    assert_eq!(status["active"], true, "{status}");

    // The same again changes nothing.
    let installed = everything(&home.path("home"));
    let said = Said::from(command.output().unwrap());
    assert!(said.out.contains("is installed already"), "{said:?}");
    assert_eq!(everything(&home.path("home")), installed);
    assert_eq!(calls(&home), up);

    home.ok(&["service", "uninstall"]);
    assert_eq!(everything(&home.path("home")), before);
    let down = [
        "--user disable --now codex-plus.socket",
        "--user stop codex-plus.service",
        "--user daemon-reload",
    ];
    assert_eq!(calls(&home)[up.len()..], down);
    assert!(
        home.ok(&["service", "uninstall"])
            .out
            .contains("was not installed")
    );
    assert_eq!(service_status(&home)["installed"], false);
}

#[test]
fn other_flags_are_put_in_force_by_installing_again() {
    let home = lived_in();
    let before = everything(&home.path("home"));
    home.ok(&["service", "install"]);
    home.ok(&["service", "install", "--listen", "127.0.0.1:1"]);
    assert!(read(&home, SOCKET).contains("\nListenStream=127.0.0.1:1\n"));
    assert_eq!(
        calls(&home)[2..],
        [
            "--user disable --now codex-plus.socket",
            "--user stop codex-plus.service",
            "--user daemon-reload",
            "--user enable --now codex-plus.socket",
        ]
    );
    home.ok(&["service", "uninstall"]);
    assert_eq!(everything(&home.path("home")), before);
}

#[test]
fn what_the_user_wrote_or_edited_is_named_and_left_alone() {
    let home = lived_in();
    home.write(SERVICE, "[Service]\nExecStart=/mine\n");
    let mine = everything(&home.path("home"));
    for args in [["service", "install"], ["service", "uninstall"]] {
        let said = home.run(&args);
        assert_eq!(said.code, Some(1), "{said:?}");
        let name = home.path(SERVICE).display().to_string();
        assert!(said.err.contains(&name), "{said:?}");
    }
    assert_eq!(everything(&home.path("home")), mine);
    assert_eq!(calls(&home), Vec::<String>::new());

    std::fs::remove_file(home.path(SERVICE)).unwrap();
    home.ok(&["service", "install"]);
    let edited = read(&home, SOCKET).replace("Backlog=4096", "Backlog=1");
    home.write(SOCKET, &edited);
    assert_eq!(home.run(&["service", "install"]).code, Some(1));
    assert_eq!(home.run(&["service", "uninstall"]).code, Some(1));
    assert_eq!(read(&home, SOCKET), edited);
}

#[test]
fn without_a_service_manager_it_says_the_one_command() {
    let home = Home::new();
    let run = |args: &[&str]| {
        let mut command = home.codex_plus();
        let said = Said::from(
            command
                .args(args)
                .env("PATH", home.path("bin"))
                .output()
                .unwrap(),
        );
        assert_eq!(said.code, Some(0), "{said:?}");
        said.out
    };
    let line = "systemctl --user daemon-reload && systemctl --user enable --now codex-plus.socket";
    assert!(run(&["service", "install"]).contains(line));
    // As `systemctl enable` leaves it.
    let wants = home.path("home/.config/systemd/user/sockets.target.wants");
    std::fs::create_dir(&wants).unwrap();
    std::os::unix::fs::symlink(home.path(SOCKET), wants.join("codex-plus.socket")).unwrap();
    run(&["service", "uninstall"]);
    assert_eq!(everything(&home.path("home")), BTreeMap::new());
}

#[test]
fn a_launchd_agent_is_a_property_list() {
    let home = lived_in();
    let before = everything(&home.path("home"));
    let text = format!(
        "#!/bin/sh\necho \"$*\" >> '{}'\n[ \"$1\" != print ] || test -f '{}'\n",
        home.path("calls").display(),
        home.path("up").display(),
    );
    home.script("bin/launchctl", &text);
    let agent = ["--manager", "launchd"];
    let upstream = ["--upstream", "http://127.0.0.1:9/a&b"];
    home.ok(&[&["service", "install"], &upstream[..], &agent[..]].concat());
    let file = home.path("home/Library/LaunchAgents/codex-plus.plist");
    let script = "import json, plistlib, sys\n\
        print(json.dumps(plistlib.load(open(sys.argv[1], 'rb'))))\n";
    let output = Command::new("python3")
        .args(["-c", script])
        .arg(&file)
        .output()
        .unwrap();
    let told: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(told["Label"], "codex-plus");
    let command = serde_json::json!([BINARY, "start", "--service", upstream[0], upstream[1]]);
    assert_eq!(told["ProgramArguments"], command);
    assert_eq!(
        told["EnvironmentVariables"]["CODEX_PLUS_LISTEN"],
        home.listen
    );
    assert!(
        calls(&home)[1].starts_with("bootstrap gui/"),
        "{:?}",
        calls(&home)
    );
    home.ok(&[&["service", "uninstall"][..], &agent[..]].concat());
    assert_eq!(everything(&home.path("home")), before);
}

/// Starts the proxy as systemd does, with `socket` as descriptor 3.
fn activate(home: &Home, socket: TcpListener) -> std::process::Child {
    let script = "exec 3<&0 </dev/null; LISTEN_PID=$$ LISTEN_FDS=1 exec \"$0\" start --service";
    home.program(Path::new("/bin/sh"))
        .args(["-c", script, BINARY])
        .stdin(OwnedFd::from(socket))
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap()
}

#[test]
fn a_client_that_connected_before_the_start_is_served_on_the_passed_socket() {
    let home = lived_in();
    let socket = TcpListener::bind(&home.listen).unwrap();
    let mut early = TcpStream::connect(&home.listen).unwrap();
    early
        .write_all(b"GET /health HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n")
        .unwrap();
    let mut child = activate(&home, socket);
    let mut answer = String::new();
    early.read_to_string(&mut answer).unwrap();
    assert!(answer.starts_with("HTTP/1.1 200 "), "{answer}");
    wait_for("its pid file", || home.state("proxy.pid").exists());
    assert_eq!(home.pid(), child.id());
    let status = home.status();
    assert_eq!(status["listen"], home.listen);
    // One listening socket, and it is the one that was passed.
    let passed = format!("/proc/{}/fd/3", child.id());
    if Path::new("/proc/self/fd").exists() {
        let link = std::fs::read_link(passed).unwrap();
        assert!(link.to_string_lossy().starts_with("socket:"), "{link:?}");
    }

    // The service manager starts it again, for only what it starts is its own.
    let said = home.run(&["restart", "--passthrough"]);
    assert_eq!(said.code, Some(1), "{said:?}");
    assert!(said.err.contains("service install"), "{said:?}");
    assert_eq!(home.pid(), child.id());
    // As init would, so that the end of the child is seen.
    let pid = child.id();
    let reaper = std::thread::spawn(move || child.wait().unwrap());
    home.ok(&["restart"]);
    assert!(reaper.join().unwrap().success());
    assert_eq!(calls(&home), ["--user start codex-plus.service"]);
    assert_ne!(home.pid(), pid);
    assert_eq!(home.status()["healthy"], true);
    let said = home.ok(&["stop"]);
    assert!(said.err.contains("service uninstall"), "{said:?}");
}

#[test]
fn a_socket_meant_for_another_process_is_not_taken() {
    let home = Home::new();
    let mut command = home.codex_plus();
    command
        .args(["start", "--service"])
        .env("LISTEN_PID", "1")
        .env("LISTEN_FDS", "1")
        .stderr(Stdio::null());
    let mut child = command.spawn().unwrap();
    wait_for("its pid file", || home.state("proxy.pid").exists());
    assert_eq!(home.status()["listen"], home.listen);
    home.ok(&["stop"]);
    assert!(child.wait().unwrap().success());
}
