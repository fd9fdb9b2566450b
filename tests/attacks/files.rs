//! State that someone else prepared.

use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _, symlink};
use std::path::Path;
use std::process::Command;

use crate::support::home::Home;

/// Links in the place of the proxy's own files lead nowhere: what they point to stays as it was.
#[test]
fn links_in_the_state_folder_are_not_followed() {
    for file in ["proxy.log", "proxy.pid", "proxy.json", "proxy.sock"] {
        let home = Home::new();
        let victim = home.write("victim", "precious");
        std::fs::create_dir_all(home.state("")).unwrap();
        symlink(&victim, home.state(file)).unwrap();
        home.run(&["start"]);
        home.run(&["restart"]);
        home.run(&["stop"]);
        assert_eq!(
            std::fs::read_to_string(&victim).unwrap(),
            "precious",
            "{file}"
        );
        assert_eq!(
            victim.metadata().unwrap().permissions().mode() & 0o777,
            0o644
        );
    }
    // The lock is the one that cannot be replaced: it refuses to start.
    let home = Home::new();
    let victim = home.write("victim", "precious");
    std::fs::create_dir_all(home.state("")).unwrap();
    symlink(&victim, home.state("proxy.lock")).unwrap();
    assert_ne!(home.run(&["start"]).code, Some(0));
    assert_eq!(std::fs::read_to_string(&victim).unwrap(), "precious");
}

#[test]
fn a_folder_open_to_all_is_closed_and_its_files_are_private() {
    let home = Home::new();
    std::fs::create_dir_all(home.state("")).unwrap();
    let open = std::fs::Permissions::from_mode(0o777);
    std::fs::set_permissions(home.state(""), open).unwrap();
    home.write("home/.local/state/codex-plus/proxy.log", "");
    home.ok(&["start"]);
    home.ok(&["restart"]);
    assert_eq!(home.state("").metadata().unwrap().mode() & 0o777, 0o700);
    for entry in std::fs::read_dir(home.state("")).unwrap() {
        let entry = entry.unwrap();
        let mode = entry.metadata().unwrap().mode() & 0o077;
        assert_eq!(mode, 0, "{:?}", entry.path());
    }
}

/// The user chose it, so its mode is theirs to set: nothing is put where others could replace it.
#[test]
fn a_chosen_folder_that_all_may_write_to_is_refused() {
    let home = Home::new();
    let chosen = home.path("other");
    std::fs::create_dir_all(&chosen).unwrap();
    let mode = |mode| {
        let mode = std::fs::Permissions::from_mode(mode);
        std::fs::set_permissions(&chosen, mode).unwrap();
    };
    let flags = ["--state-dir", chosen.to_str().unwrap()];
    for open in [0o777, 0o1777, 0o702] {
        mode(open);
        for verb in ["start", "restart"] {
            let said = home.run(&[&[verb], &flags[..]].concat());
            assert_eq!(said.code, Some(1), "{open:o} {verb} {said:?}");
            assert!(said.err.contains("chmod o-w"), "{open:o} {verb} {said:?}");
            assert_eq!(said.err.trim().lines().count(), 1, "{said:?}");
        }
        assert_eq!(std::fs::read_dir(&chosen).unwrap().count(), 0, "{open:o}");
        assert_eq!(chosen.metadata().unwrap().mode() & 0o7777, open);
    }
    mode(0o755);
    home.ok(&[&["start"], &flags[..]].concat());
    home.ok(&[&["stop"], &flags[..]].concat());
}

/// A folder of somebody else's, and a link to one's own that somebody else made.
#[test]
fn a_folder_or_a_link_of_another_users_is_refused() {
    let home = Home::new();
    let refused = |state: &Path, user: Option<u32>, why: &str| {
        let mut command = home.codex_plus();
        if let Some(user) = user {
            command = home.program(Path::new("setpriv"));
            let ids = [format!("--reuid={user}"), format!("--regid={user}")];
            command
                .args(ids)
                .arg("--clear-groups")
                .arg(home.path("codex-plus"));
        }
        let output = command
            .args(["start", "--state-dir"])
            .arg(state)
            .output()
            .unwrap();
        let err = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(1), "{err}");
        assert!(err.contains(why) && err.contains("--state-dir"), "{err}");
        assert_eq!(err.trim().lines().count(), 1, "{err}");
    };
    if !rustix::process::geteuid().is_root() {
        return refused(Path::new("/usr"), None, "belongs to another user");
    }
    // Root itself may use every folder.
    std::fs::copy(env!("CARGO_BIN_EXE_codex-plus"), home.path("codex-plus")).unwrap();
    for folder in ["", "home", "work"] {
        std::fs::create_dir_all(home.path(folder)).unwrap();
        let readable = std::fs::Permissions::from_mode(0o755);
        std::fs::set_permissions(home.path(folder), readable).unwrap();
    }
    let chosen = home.path("theirs");
    std::fs::create_dir(&chosen).unwrap();
    refused(&chosen, Some(65_534), "belongs to another user");
    std::os::unix::fs::chown(&chosen, Some(65_534), None).unwrap();
    let link = home.path("link");
    symlink(&chosen, &link).unwrap();
    std::os::unix::fs::lchown(&link, Some(1), None).unwrap();
    refused(&link, Some(65_534), "is a link of another user's");
    assert_eq!(std::fs::read_dir(&chosen).unwrap().count(), 0);
}

/// Pipes and folders in the place of the proxy's own files: nobody waits at them for ever.
#[test]
fn pipes_and_folders_in_the_state_folder_hold_nobody_up() {
    for file in [
        "proxy.log",
        "proxy.pid",
        "proxy.json",
        "proxy.sock",
        "proxy.lock",
        "history.jsonl",
        "trust.json",
        "folders.json",
    ] {
        for is_pipe in [true, false] {
            let home = Home::new();
            std::fs::create_dir_all(home.state("")).unwrap();
            if is_pipe {
                let made = Command::new("mkfifo").arg(home.state(file)).status();
                assert!(made.unwrap().success());
            } else {
                std::fs::create_dir(home.state(file)).unwrap();
            }
            for args in [["start"], ["status"], ["stop"]] {
                let mut command = home.program(Path::new("timeout"));
                command
                    .args(["20", env!("CARGO_BIN_EXE_codex-plus")])
                    .args(args);
                let output = command.output().unwrap();
                // Served or refused, with a word about it, and not ended by `timeout`.
                let code = output.status.code();
                assert!(
                    code.is_some_and(|code| code < 100),
                    "{file} {is_pipe} {args:?}: {output:?}"
                );
            }
        }
    }
}

/// Whatever the umask allows, the files are their owner's alone.
#[test]
fn an_open_umask_opens_nothing() {
    let home = Home::new();
    let mut command = home.program(Path::new("sh"));
    let script = "umask 000; \"$0\" start && \"$0\" trust && \"$0\" restart";
    let output = command
        .args(["-c", script, env!("CARGO_BIN_EXE_codex-plus")])
        .output();
    let output = output.unwrap();
    assert!(output.status.success(), "{output:?}");
    let mut folders = vec![home.state("")];
    while let Some(folder) = folders.pop() {
        assert_eq!(folder.metadata().unwrap().mode() & 0o077, 0, "{folder:?}");
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            let meta = path.symlink_metadata().unwrap();
            assert_eq!(meta.mode() & 0o077, 0, "{path:?}");
            if meta.is_dir() {
                folders.push(path);
            }
        }
    }
}
