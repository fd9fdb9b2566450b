//! Settings as a user meets them: the real binary, files in a made-up home.
#![allow(
    clippy::unwrap_used,
    reason = "a test ends at the first thing that is not as it should be"
)]

#[path = "daemon/home.rs"]
#[allow(dead_code, reason = "the daemon's tests use the rest")]
mod home;

use home::{Home, Said};

const USER: &str = "home/.config/codex-plus/config.toml";
const PROJECT: &str = "work/.codexplus/config.toml";

#[test]
fn an_unknown_key_stops_with_file_line_column_and_the_nearest() {
    let home = Home::new();
    let file = home.write(USER, "# mine\n[timeouts]\ndrian = '1s'\n");
    for args in [&["start"][..], &["config", "show"], &["restart"]] {
        let said = home.run(args);
        assert_eq!(said.code, Some(2), "{said:?}");
        let place = format!("{}:3:1: ", file.display());
        assert!(said.err.contains(&place), "{said:?}");
        assert!(
            said.err.contains("did you mean `timeouts.drain`?"),
            "{said:?}"
        );
    }
    // What does not need the settings still works, and says so.
    assert!(home.ok(&["status"]).err.contains("timeouts.drian"));
    home.ok(&["stop"]);
    assert_eq!(home.run(&["doctor"]).code, Some(1));
}

#[test]
fn flags_win_over_variables_over_project_over_user_file() {
    let home = Home::new();
    home.write(
        USER,
        "upstream = 'http://127.0.0.1:9/user'\nwebsocket = true\nlog.format = 'json'\n",
    );
    home.write(PROJECT, "websocket = false\n");
    let show = |origin: bool| {
        let args: &[&str] = if origin { &["--origin"] } else { &[] };
        let said = home.ok(&[&["config", "show", "--json"], args].concat());
        serde_json::from_str::<serde_json::Value>(&said.out).unwrap()
    };
    let values = show(false);
    assert_eq!(values["upstream"], "http://127.0.0.1:9/user");
    assert_eq!(values["websocket"], false);
    assert_eq!(values["listen"], home.listen);
    let origins = show(true);
    assert_eq!(
        origins["listen"]["origin"],
        "environment variable CODEX_PLUS_LISTEN"
    );
    let place = format!("{}:1:13", home.path(PROJECT).display());
    assert_eq!(origins["websocket"]["origin"], place);
    assert_eq!(origins["limits.body"]["origin"], "default");

    let mut command = home.codex_plus();
    command.args(["start", "--upstream", "http://127.0.0.1:9/flag"]);
    command.env("CODEX_PLUS_UPSTREAM", "http://127.0.0.1:9/variable");
    let said = Said::from(command.output().unwrap());
    assert!(said.out.contains("http://127.0.0.1:9/flag"), "{said:?}");
    // The user file's log format is in force too. A stop writes what is left of the log.
    home.ok(&["stop"]);
    let log = home.log();
    let line: serde_json::Value = serde_json::from_str(log.lines().next().unwrap()).unwrap();
    assert_eq!(line["name"], "codex-plus");
}

#[test]
fn a_repository_cannot_send_the_traffic_elsewhere() {
    let home = Home::new();
    home.write(
        PROJECT,
        "websocket = false\nupstream = 'https://evil.example/v1'\n",
    );
    let said = home.ok(&["start"]);
    let place = format!("{}:2:12", home.path(PROJECT).display());
    assert!(
        said.err.contains(&place) && said.err.contains("was ignored"),
        "{said:?}"
    );
    let status = home.status();
    assert_eq!(status["upstream"], "auto");
    assert!(
        status["ignored"][0]
            .as_str()
            .unwrap()
            .contains("`upstream`")
    );
    assert!(home.ok(&["status"]).out.contains("trusted_projects"));
    home.ok(&["stop"]);
    assert!(home.log().contains("was ignored"));
    // Until the user says that this folder may.
    let folder = home.path("work");
    home.write(
        USER,
        &format!("trusted_projects = [{:?}]\n", folder.to_str().unwrap()),
    );
    assert!(home.ok(&["start"]).out.contains("https://evil.example/v1"));
}

#[test]
fn the_token_stays_secret() {
    let home = Home::new();
    home.write(USER, "guard.token = 's3cret-t0ken'\n");
    home.ok(&["start"]);
    let mut seen = String::new();
    for args in [
        &["config", "show", "--origin"][..],
        &["config", "show", "--json"],
        &["status", "--json"],
        &["doctor"],
    ] {
        let said = home.run(args);
        seen.push_str(&said.out);
        seen.push_str(&said.err);
    }
    home.ok(&["stop"]);
    seen.push_str(&home.log());
    seen.push_str(&std::fs::read_to_string(home.state("proxy.json")).unwrap());
    assert!(seen.contains("********"));
    assert!(!seen.contains("s3cret-t0ken"));
}

#[test]
fn a_misspelt_variable_is_noticed() {
    let home = Home::new();
    let mut command = home.codex_plus();
    command
        .args(["config", "show"])
        .env("CODEX_PLUS_UPSTEAM", "x");
    let said = Said::from(command.output().unwrap());
    assert!(
        said.err.contains("did you mean CODEX_PLUS_UPSTREAM?"),
        "{said:?}"
    );
}

#[test]
fn help_is_a_manual() {
    let home = Home::new();
    let help = home.ok(&["--help"]).out;
    for part in [
        "Examples:",
        "CODEX_PLUS_STATE_DIR",
        "Exit codes:",
        "trusted_projects",
        "shell-init",
    ] {
        assert!(help.contains(part), "{part}");
    }
    assert_eq!(home.run(&["strat"]).code, Some(2));
    for shell in ["bash", "zsh", "fish"] {
        assert!(home.ok(&["completions", shell]).out.contains("shell-init"));
    }
}

#[test]
fn an_upstream_that_cannot_be_used_is_refused_with_its_place() {
    let home = Home::new();
    let own = format!("upstream = 'http://{}/v1'\n", home.listen);
    for (text, says) in [
        ("upstream = 'gopher://x'\n", "not a usable URL"),
        ("upstream = 'http://provider.example/v1'\n", "plain http"),
        (&own, "this proxy itself"),
    ] {
        let file = home.write(USER, text);
        for args in [&["start"][..], &["start", "--foreground"]] {
            let said = home.run(args);
            assert_eq!(said.code, Some(2), "{said:?}");
            assert!(
                said.err.contains(&format!("{}:1:12: ", file.display())),
                "{said:?}"
            );
            assert!(said.err.contains(says), "{said:?}");
        }
    }
    // A restart that cannot succeed leaves the running one alone.
    home.write(USER, "");
    home.ok(&["start"]);
    let pid = home.pid();
    assert_eq!(
        home.run(&["restart", "--upstream", "gopher://x"]).code,
        Some(2)
    );
    assert_eq!(home.pid(), pid);
    assert_eq!(home.status()["healthy"], true);
}
