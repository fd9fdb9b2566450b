//! `codex-plus codex` and the shell function, with a script in Codex's place.

use std::path::Path;
use std::process::Command;

use crate::home::{Home, Said};

/// Writes down its arguments, one a line, and ends with 7.
const FAKE: &str = "#!/bin/sh\nprintf '%s\\n' \"$@\"\nexit 7\n";

fn expected(home: &Home, rest: &[&str]) -> String {
    let url = format!("openai_base_url=\"http://{}\"", home.listen);
    let lines: Vec<&str> = ["-c", &url]
        .into_iter()
        .chain(rest.iter().copied())
        .collect();
    lines.join("\n") + "\n"
}

#[test]
fn codex_gets_the_proxy_first_and_its_own_arguments_untouched() {
    let home = Home::new();
    home.script("bin/codex", FAKE);
    let args = ["exec", "--help", "--", "-x", "two words", "--state-dir"];
    let said = home.run(&[&["codex"], &args[..]].concat());
    assert_eq!(said.code, Some(7), "{said:?}");
    assert_eq!(said.out, expected(&home, &args));
    assert_eq!(said.err, "");
    // The proxy was started on the way, and stays.
    assert_eq!(home.status()["healthy"], true);
    let pid = home.pid();
    let said = home.run(&["codex"]);
    assert_eq!(said.out, expected(&home, &[]));
    assert_eq!(home.pid(), pid);
    assert!(!home.path("home/.codex").exists());
}

#[test]
fn another_codex_can_be_named() {
    let home = Home::new();
    let other = home.script("elsewhere/my codex", FAKE);
    let mut command = home.codex_plus();
    command
        .args(["codex", "login"])
        .env("CODEX_PLUS_CODEX", &other);
    let said = Said::from(command.output().unwrap());
    assert_eq!(said.out, expected(&home, &["login"]));
}

#[test]
fn a_missing_codex_is_named_with_how_to_get_it() {
    let home = Home::new();
    let mut command = home.codex_plus();
    command.arg("codex").env("PATH", home.path("bin"));
    let said = Said::from(command.output().unwrap());
    assert_eq!(said.code, Some(1));
    assert!(
        said.err.contains("npm install -g @openai/codex"),
        "{said:?}"
    );
    assert_eq!(home.status()["running"], false);
}

#[test]
fn a_token_codex_cannot_send_is_told_before_codex_starts() {
    let home = Home::new();
    home.script("bin/codex", FAKE);
    let mut command = home.codex_plus();
    command.arg("codex").env("CODEX_PLUS_TOKEN", "s3cret");
    let said = Said::from(command.output().unwrap());
    assert_eq!(said.code, Some(1), "{said:?}");
    assert!(
        said.err.contains("guard.token") && !said.err.contains("s3cret"),
        "{said:?}"
    );
}

/// Runs `text` in a real shell.
fn in_shell(home: &Home, shell: &str, text: &str) -> Said {
    let found = Command::new("sh")
        .args(["-c", &format!("command -v {shell}")])
        .output()
        .unwrap();
    let path = String::from_utf8(found.stdout).unwrap();
    assert!(
        found.status.success(),
        "{shell} is missing: ./run_tests.sh installs it"
    );
    let mut command = home.program(Path::new(path.trim()));
    command.args(["-c", text]).output().unwrap().into()
}

#[test]
fn the_shell_function_sends_a_plain_codex_through_the_proxy() {
    for shell in ["bash", "zsh", "fish"] {
        let home = Home::new();
        home.script("bin/codex", FAKE);
        let init = home.ok(&["shell-init", shell]).out;
        let text = format!("{init}\ncodex exec 'a \"b\" c' ''");
        let said = in_shell(&home, shell, &text);
        assert_eq!(said.code, Some(7), "{shell}: {said:?}");
        assert_eq!(
            said.out,
            expected(&home, &["exec", "a \"b\" c", ""]),
            "{shell}"
        );
    }
}

#[test]
fn the_shell_function_can_be_evaluated_and_replaces_an_alias() {
    let home = Home::new();
    home.script("bin/codex", FAKE);
    let program = env!("CARGO_BIN_EXE_codex-plus");
    let text = format!(
        "set -e\nshopt -s expand_aliases\nalias codex='codex --yes'\n\
         eval \"$('{program}' shell-init bash)\"\ntype -t codex\n\
         codex hi || echo ended with $?"
    );
    let said = in_shell(&home, "bash", &text);
    let expected = format!("function\n{}ended with 7\n", expected(&home, &["hi"]));
    assert_eq!(said.out, expected, "{said:?}");
}
