//! `proxy.sh`, copied into a checkout of its own, with the built binary.

use std::os::unix::fs::PermissionsExt as _;
use std::process::Command;

use crate::home::{Home, Said, install, is_alive, wait_for};

const PROXY_SH: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../proxy.sh");

fn script(home: &Home, args: &[&str]) -> Said {
    let copy = home.path("checkout/proxy.sh");
    if !copy.exists() {
        install(PROXY_SH.as_ref(), &copy);
        let open = std::fs::Permissions::from_mode(0o755);
        std::fs::set_permissions(home.path("checkout"), open).unwrap();
    }
    let mut command: Command = home.program(&copy);
    command.env("CODEX_PLUS_BIN", env!("CARGO_BIN_EXE_codex-plus"));
    command.args(args).output().unwrap().into()
}

#[test]
fn proxy_sh_starts_and_stops_and_keeps_its_files_beside_itself() {
    let home = Home::new();
    for (start, stop) in [("start", "stop"), ("enable", "disable")] {
        let said = script(&home, &[start, "--upstream", "http://127.0.0.1:9/v1"]);
        assert_eq!(said.code, Some(0), "{said:?}");
        let pid = std::fs::read_to_string(home.path("checkout/proxy.pid")).unwrap();
        let pid = pid.trim().parse().unwrap();
        assert!(is_alive(pid));
        assert!(script(&home, &["status"]).out.contains(&home.listen));
        assert!(
            script(&home, &["logs", "-n", "1"])
                .out
                .contains("listening")
        );
        assert_eq!(script(&home, &["restart"]).code, Some(0));
        wait_for("its end", || !is_alive(pid));
        let said = script(&home, &[stop]);
        assert!(said.out.contains("stopped"), "{said:?}");
        assert!(!home.path("checkout/proxy.pid").exists());
    }
    let mode = |name: &str| home.path(name).metadata().unwrap().permissions().mode() & 0o777;
    assert_eq!(mode("checkout"), 0o755);
    assert_eq!(mode("checkout/proxy.log"), 0o600);
}

#[test]
fn proxy_sh_can_be_called_through_a_link_from_anywhere() {
    let home = Home::new();
    script(&home, &["status"]);
    std::fs::create_dir_all(home.path("bin")).unwrap();
    std::os::unix::fs::symlink("../checkout/proxy.sh", home.path("bin/proxy")).unwrap();
    let mut command = home.program(&home.path("bin/proxy"));
    command
        .arg("status")
        .env("CODEX_PLUS_BIN", env!("CARGO_BIN_EXE_codex-plus"));
    let said = Said::from(command.output().unwrap());
    assert!(
        said.out.contains(home.path("checkout").to_str().unwrap()),
        "{said:?}"
    );
}

#[test]
fn proxy_sh_says_what_is_missing() {
    let home = Home::new();
    assert_eq!(script(&home, &["frobnicate"]).code, Some(2));
    // Only what the script itself calls is on this PATH, so there is no cargo.
    for tool in ["bash", "dirname", "readlink", "find", "head", "cat", "env"] {
        let found = Command::new("sh")
            .args(["-c", &format!("command -v {tool}")])
            .output()
            .unwrap();
        let path = String::from_utf8(found.stdout).unwrap();
        std::fs::create_dir_all(home.path("tools")).unwrap();
        std::os::unix::fs::symlink(path.trim(), home.path("tools").join(tool)).unwrap();
    }
    let mut command = home.program(&home.path("checkout/proxy.sh"));
    command.arg("start").env("PATH", home.path("tools"));
    let said = Said::from(command.output().unwrap());
    assert_eq!(said.code, Some(1), "{said:?}");
    assert!(said.err.contains("https://rustup.rs"), "{said:?}");
}
