//! Names of commands and files that lead elsewhere, or to what cannot be read to an end.

use std::os::unix::fs::symlink;
use std::os::unix::net::UnixListener;
use std::path::Path;
use std::process::Command;

use crate::support::home::{Home, Said};

const SECRET: &str = "never-to-be-shown";

/// Expands a prompt, ended by `timeout` should anything block.
fn expand(home: &Home, prompt: &str) -> Said {
    let mut command = home.program(Path::new("timeout"));
    let program = env!("CARGO_BIN_EXE_codex-plus");
    command.args(["20", program, "commands", "expand", prompt]);
    let said = Said::from(command.output().unwrap());
    assert!(
        said.code.is_some_and(|code| code < 100),
        "{prompt:.80} {said:?}"
    );
    said
}

fn pipe(path: &Path) {
    let made = Command::new("mkfifo").arg(path).status();
    assert!(made.unwrap().success());
}

#[test]
fn file_references_read_plain_files_of_the_project_only() {
    let home = Home::new();
    home.write("work/.claude/commands/look.md", "Look at @$1 please");
    home.write("work/plain.txt", "plain words");
    home.write("work/.git/config", SECRET);
    home.write("work/folder/inside.txt", SECRET);
    let secret = home.write("home/secret", SECRET);
    pipe(&home.path("work/pipe"));
    let _socket = UnixListener::bind(home.path("work/socket")).unwrap();
    symlink(&secret, home.path("work/link")).unwrap();
    symlink("/dev/zero", home.path("work/zero")).unwrap();
    symlink("loop", home.path("work/loop")).unwrap();
    symlink(home.path("home"), home.path("work/away")).unwrap();
    let said = expand(&home, "/look plain.txt");
    assert!(said.out.contains("plain words"), "{said:?}");
    let long = "x".repeat(5_000);
    for word in [
        "pipe",
        "socket",
        "link",
        "zero",
        "loop",
        "folder",
        "away/secret",
        "/dev/zero",
        "/dev/stdin",
        "/proc/self/environ",
        "../home/secret",
        "folder/../../home/secret",
        ".git/config",
        "folder/../.git/config",
        "~/secret",
        "plain.txt/",
        "",
        ".",
        "..",
        "/",
        secret.to_str().unwrap(),
        &long,
    ] {
        let said = expand(&home, &format!("/look {word}"));
        assert_eq!(said.code, Some(0), "{word:.80} {said:?}");
        assert!(!said.out.contains("<file"), "{word:.80} {said:?}");
        assert!(!said.out.contains(SECRET), "{word:.80} {said:?}");
    }
}

#[test]
fn command_names_lead_to_plain_files_of_the_command_folders_only() {
    let home = Home::new();
    let commands = home.path("work/.claude/commands");
    home.write("work/.claude/commands/sub/good.md", "good words");
    home.write("work/.claude/outside.md", SECRET);
    home.write("home/outside.md", SECRET);
    pipe(&commands.join("pipe.md"));
    std::fs::create_dir(commands.join("folder.md")).unwrap();
    let _socket = UnixListener::bind(commands.join("socket.md")).unwrap();
    symlink("/dev/zero", commands.join("zero.md")).unwrap();
    symlink(home.path("home/outside.md"), commands.join("link.md")).unwrap();
    symlink(home.path("home"), commands.join("away")).unwrap();
    let said = expand(&home, "/sub:good");
    assert!(said.out.contains("good words"), "{said:?}");
    let long = format!("/{}", "x".repeat(5_000));
    for prompt in [
        "/pipe",
        "/folder",
        "/socket",
        "/zero",
        "/link",
        "/away:outside",
        "/..:outside",
        "/../outside",
        "/sub:..:..:outside",
        "/sub/../../outside",
        "/.:sub:good/../../../outside",
        "/:outside",
        "/outside:",
        "/%2e%2e:outside",
        &long,
    ] {
        let said = expand(&home, prompt);
        let all = format!("{}{}", said.out, said.err);
        assert!(!all.contains(SECRET), "{prompt:.80} {said:?}");
    }
    let mut command = home.program(Path::new("timeout"));
    command.args(["20", env!("CARGO_BIN_EXE_codex-plus"), "commands"]);
    let listed = Said::from(command.output().unwrap());
    assert_eq!(listed.code, Some(0), "{listed:?}");
    assert!(listed.out.contains("sub:good"), "{listed:?}");
}

/// A hard link is the file itself: it cannot be told from it. What it says runs only as it was
/// trusted, through whichever name it is changed.
#[test]
fn trust_is_of_what_a_file_says_whatever_its_names() {
    let home = Home::new();
    let shell =
        |sum: &str| format!("---\nallowed-tools: Bash(expr:*)\n---\nThe sum is !`expr {sum}`");
    let other = home.write("elsewhere.md", &shell("20 + 22"));
    std::fs::create_dir_all(home.path("work/.claude/commands")).unwrap();
    std::fs::hard_link(&other, home.path("work/.claude/commands/sum.md")).unwrap();
    let said = expand(&home, "/sum");
    assert!(!said.out.contains("42"), "{said:?}");
    home.ok(&["trust"]);
    let said = expand(&home, "/sum");
    assert!(said.out.contains("The sum is 42"), "{said:?}");
    std::fs::write(&other, shell("30 + 33")).unwrap();
    let said = expand(&home, "/sum");
    assert!(!said.out.contains("63"), "{said:?}");
}
