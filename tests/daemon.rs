//! The daemon as a user meets it: the real binary, real processes, real ports.
#![allow(
    clippy::unwrap_used,
    reason = "a test ends at the first thing that is not as it should be"
)]

#[path = "daemon/codex.rs"]
mod codex;
#[path = "daemon/home.rs"]
mod home;
#[path = "daemon/script.rs"]
mod script;
#[path = "daemon/stand_in.rs"]
mod stand_in;

use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt as _;
use std::process::Stdio;

use home::{Home, Said, is_alive, signal, wait_for};

#[test]
fn start_says_all_one_needs_and_stop_ends_it() {
    let home = Home::new();
    let said = home.ok(&["start", "--upstream", "http://127.0.0.1:9/v1"]);
    let pid = home.pid();
    for part in [
        format!("running on http://{}", home.listen),
        "http://127.0.0.1:9/v1".to_owned(),
        pid.to_string(),
        home.state("proxy.log").display().to_string(),
        format!("codex -c 'openai_base_url=\"http://{}\"'", home.listen),
    ] {
        assert!(said.out.contains(&part), "{part} is not in {}", said.out);
    }
    assert_eq!(said.err, "");
    let status = home.status();
    assert_eq!(status["running"], true);
    assert_eq!(status["healthy"], true);
    assert_eq!(status["pid"], pid);
    assert_eq!(status["upstream"], "http://127.0.0.1:9/v1");

    assert!(home.ok(&["stop"]).out.contains("stopped"));
    wait_for("its end", || !is_alive(pid));
    assert!(!home.state("proxy.pid").exists());
    assert_eq!(home.status()["running"], false);
    assert!(home.log().contains("signal=SIGTERM"));
}

/// What a user does not see but relies on; told by `/proc`, so only where there is one.
#[test]
fn the_daemon_has_a_session_of_its_own_no_open_pipe_and_all_the_descriptors() {
    let home = Home::new();
    let text = format!(
        "ulimit -Sn 256 && exec '{}' start",
        env!("CARGO_BIN_EXE_codex-plus")
    );
    let mut command = home.program(std::path::Path::new("/bin/sh"));
    let said = Said::from(command.args(["-c", &text]).output().unwrap());
    assert_eq!(said.code, Some(0), "{said:?}");
    let proc = std::path::PathBuf::from(format!("/proc/{}", home.pid()));
    if !proc.exists() {
        return;
    }
    let stat = std::fs::read_to_string(proc.join("stat")).unwrap();
    let session = stat
        .rsplit(')')
        .next()
        .unwrap()
        .split_ascii_whitespace()
        .nth(3);
    assert_eq!(session, Some(home.pid().to_string().as_str()));
    // A closed terminal's signal means nothing to it.
    signal(home.pid(), "HUP");
    assert_eq!(home.status()["healthy"], true);
    for descriptor in ["fd/0", "fd/1", "fd/2"] {
        let target = std::fs::read_link(proc.join(descriptor)).unwrap();
        assert_eq!(target.to_str(), Some("/dev/null"), "{descriptor}");
    }
    let limits = std::fs::read_to_string(proc.join("limits")).unwrap();
    let line = limits
        .lines()
        .find(|line| line.starts_with("Max open files"))
        .unwrap();
    let numbers: Vec<&str> = line.split_ascii_whitespace().skip(3).collect();
    assert_eq!(numbers[0], numbers[1], "{line}");
    assert_ne!(numbers[0], "256");
}

#[test]
fn starting_twice_says_so() {
    let home = Home::new();
    home.ok(&["start"]);
    let pid = home.pid();
    let said = home.ok(&["start", "--passthrough"]);
    assert!(said.out.contains("already running"), "{said:?}");
    assert!(said.err.contains("restart"), "{said:?}");
    assert_eq!(home.pid(), pid);
    assert!(
        home.ok(&["start", "--foreground"])
            .out
            .contains("already running")
    );
}

#[test]
fn two_starts_at_once_give_one_daemon() {
    let home = Home::new();
    let spawn = || {
        let mut command = home.codex_plus();
        command
            .arg("start")
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        command.spawn().unwrap()
    };
    let children: Vec<_> = (0..4).map(|_| spawn()).collect();
    let said: Vec<Said> = children
        .into_iter()
        .map(|child| child.wait_with_output().unwrap().into())
        .collect();
    assert!(said.iter().all(|said| said.code == Some(0)), "{said:?}");
    let count = |text: &str| said.iter().filter(|said| said.out.contains(text)).count();
    assert_eq!(count("codex-plus is running on"), 1, "{said:?}");
    assert_eq!(count("already running"), 3, "{said:?}");
    home.ok(&["stop"]);
    assert_eq!(home.log().matches("listening").count(), 1);
}

#[test]
fn a_port_of_another_program_is_named_and_left_alone() {
    let home = Home::new();
    let holder = TcpListener::bind(&home.listen).unwrap();
    // Answers nothing, as a program that does not speak HTTP would.
    let accept = std::thread::spawn(move || {
        while let Ok((stream, _)) = holder.accept() {
            drop(stream);
        }
    });
    for args in [&["start"][..], &["start", "--foreground"]] {
        let said = home.run(args);
        assert_eq!(said.code, Some(1), "{said:?}");
        let port = home.listen.rsplit(':').next().unwrap();
        assert!(said.err.contains(port), "{said:?}");
        assert!(
            said.err.contains(&format!("(pid {})", std::process::id())),
            "{said:?}"
        );
        assert!(said.err.contains("--listen"), "{said:?}");
    }
    assert!(!home.state("proxy.pid").exists());
    assert!(!accept.is_finished());
}

#[test]
fn a_codex_plus_of_another_state_folder_is_told_apart() {
    let home = Home::new();
    let other = home.path("other");
    let other = other.to_str().unwrap();
    home.ok(&["start", "--state-dir", other]);
    let said = home.ok(&["start"]);
    let pid = std::fs::read_to_string(home.path("other/proxy.pid")).unwrap();
    assert!(said.out.contains("Another codex-plus"), "{said:?}");
    assert!(
        said.out.contains(&format!("pid {}", pid.trim())),
        "{said:?}"
    );
    assert!(!home.state("proxy.pid").exists());
}

#[test]
fn a_stale_pid_file_is_seen_through() {
    let home = Home::new();
    // Our own pid: alive, and not a codex-plus.
    let stale = std::process::id().to_string();
    home.write("home/.local/state/codex-plus/proxy.pid", &stale);
    assert_eq!(home.status()["running"], false);
    assert!(home.ok(&["stop"]).out.contains("left behind"));
    home.write("home/.local/state/codex-plus/proxy.pid", &stale);
    home.ok(&["start"]);
    assert_ne!(home.pid(), std::process::id());
}

#[test]
fn a_killed_daemon_leaves_nothing_in_the_way() {
    let home = Home::new();
    home.ok(&["start"]);
    let pid = home.pid();
    signal(pid, "KILL");
    wait_for("the lock to be free", || home.status()["running"] == false);
    assert!(home.state("proxy.pid").exists());
    home.ok(&["start"]);
    assert_ne!(home.pid(), pid);
    assert_eq!(home.status()["healthy"], true);
}

#[test]
fn a_daemon_that_does_not_end_is_killed_with_a_word() {
    let home = Home::new();
    home.ok(&["start"]);
    let pid = home.pid();
    signal(pid, "STOP");
    let said = home.ok(&["stop"]);
    assert!(said.err.contains("was killed"), "{said:?}");
    wait_for("its end", || !is_alive(pid));
    assert_eq!(home.status()["running"], false);
}

#[test]
fn restart_keeps_the_flags_until_new_ones_are_given() {
    let home = Home::new();
    home.ok(&[
        "start",
        "--upstream",
        "http://127.0.0.1:9/a",
        "--passthrough",
    ]);
    let first = home.pid();
    home.ok(&["restart"]);
    assert_ne!(home.pid(), first);
    let status = home.status();
    assert_eq!(status["upstream"], "http://127.0.0.1:9/a");
    assert_eq!(status["flags"][2], "--passthrough");
    home.ok(&["restart", "--upstream", "http://127.0.0.1:9/b"]);
    assert_eq!(home.status()["upstream"], "http://127.0.0.1:9/b");
    // Settings that cannot be used leave the running one alone.
    let pid = home.pid();
    assert_eq!(home.run(&["restart", "--listen", "nowhere"]).code, Some(2));
    assert_eq!(home.pid(), pid);
    home.ok(&["stop"]);
    assert!(home.ok(&["restart"]).out.contains("http://127.0.0.1:9/b"));
}

#[test]
fn the_state_is_private() {
    let home = Home::new();
    home.ok(&["start"]);
    let mode = |name: &str| home.state(name).metadata().unwrap().permissions().mode() & 0o777;
    assert_eq!(mode(""), 0o700);
    for file in ["proxy.pid", "proxy.log", "proxy.lock", "proxy.json"] {
        assert_eq!(mode(file), 0o600, "{file}");
    }
}

#[test]
fn a_foreground_proxy_logs_to_both_and_ends_on_ctrl_c() {
    let home = Home::new();
    let mut command = home.codex_plus();
    command
        .args(["start", "--foreground"])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    let child = command.spawn().unwrap();
    wait_for("the pid file", || home.state("proxy.pid").exists());
    assert_eq!(home.pid(), child.id());
    wait_for("health", || home.status()["healthy"] == true);
    signal(child.id(), "INT");
    let said = Said::from(child.wait_with_output().unwrap());
    assert_eq!(said.code, Some(0), "{said:?}");
    assert!(said.err.contains("INFO codex-plus listening"), "{said:?}");
    assert!(
        said.err.contains("signal=SIGINT") && !said.err.contains('\u{1b}'),
        "{said:?}"
    );
    assert_eq!(home.log(), said.err);
}

#[test]
fn the_log_rotates_and_logs_follows_it() {
    let home = Home::new();
    home.write(
        "home/.config/codex-plus/config.toml",
        "[log]\nrotate = 400\nkeep = 3\n",
    );
    home.ok(&["start"]);
    let mut follow = home.codex_plus();
    let mut follow = follow
        .args(["logs", "-f", "-n", "1"])
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    // Not `restart`: the process before may have the last word then.
    for _ in 0..4 {
        home.ok(&["stop"]);
        home.ok(&["start"]);
    }
    // In the middle of a rotation there is no first one.
    wait_for("an old log", || home.state("proxy.log.1").exists());
    assert!(!home.state("proxy.log.4").exists());
    wait_for("the last line", || {
        home.log().contains(&format!("pid={}", home.pid()))
    });
    let last = home.ok(&["logs", "-n", "1"]).out;
    assert_eq!(last.lines().count(), 1);
    assert!(last.contains("listening"), "{last}");
    // The follower came along: it shows the last daemon's line too.
    let mut shown = std::io::BufReader::new(follow.stdout.take().unwrap());
    let wanted = format!("pid={}", home.pid());
    let mut line = String::new();
    while !line.contains(&wanted) {
        line.clear();
        assert!(
            std::io::BufRead::read_line(&mut shown, &mut line).unwrap() > 0,
            "no {wanted}"
        );
    }
    follow.kill().unwrap();
    follow.wait().unwrap();
}

#[test]
fn a_log_that_cannot_be_written_does_not_keep_it_from_starting() {
    let home = Home::new();
    std::fs::create_dir_all(home.state("proxy.log")).unwrap();
    home.ok(&["start"]);
    assert_eq!(home.status()["healthy"], true);
}

#[test]
fn doctor_tells_good_from_broken() {
    let home = Home::new();
    home.script("bin/codex", "#!/bin/sh\necho codex-cli 0.169.0\n");
    home.write(
        "home/.codex/config.toml",
        "openai_base_url = 'http://127.0.0.1:1/v1'\n",
    );
    let said = home.ok(&["doctor"]);
    assert!(said.out.contains("is free"), "{said:?}");
    assert!(said.out.contains("codex-cli 0.169.0"), "{said:?}");
    assert!(said.out.contains("does not use the proxy"), "{said:?}");
    let holder = TcpListener::bind(&home.listen).unwrap();
    let accept = std::thread::spawn(move || {
        while let Ok((stream, _)) = holder.accept() {
            drop(stream);
        }
    });
    let said = home.run(&["doctor", "--json"]);
    assert_eq!(said.code, Some(1));
    let checks: Vec<serde_json::Value> = serde_json::from_str(&said.out).unwrap();
    let port = checks
        .iter()
        .find(|check| check["check"] == "port")
        .unwrap();
    assert_eq!(port["result"], "broken");
    assert!(!accept.is_finished());
}
