//! Units for `systemctl --user`: a socket that listens from login on, and the service its first
//! connection starts (systemd.socket(5), systemd.service(5)).

use std::fmt::Write as _;

use super::job::Job;

pub(super) const SOCKET: &str = "codex-plus.socket";
pub(super) const SERVICE: &str = "codex-plus.service";

pub(super) fn socket(job: &Job) -> String {
    let listen = job.listen;
    format!(
        "[Unit]
Description=Codex-Plus, a local proxy for the OpenAI Responses API (socket)

[Socket]
ListenStream={listen}
Backlog=4096

[Install]
WantedBy=sockets.target
"
    )
}

pub(super) fn service(job: &Job) -> String {
    let mut command = job.command.iter();
    // The program's own path is not searched for variables, the arguments are.
    let mut line = command.next().map(|path| quoted(path)).unwrap_or_default();
    for word in command {
        let _ = write!(line, " {}", quoted(word).replace('$', "$$"));
    }
    let mut variables = String::new();
    for (name, value) in &job.variables {
        let _ = writeln!(
            variables,
            "Environment={}",
            quoted(&format!("{name}={value}"))
        );
    }
    // This one takes the rest of its line as it is.
    let folder = job.folder.replace('%', "%%");
    let stop = job.stop.as_secs();
    format!(
        "[Unit]
Description=Codex-Plus, a local proxy for the OpenAI Responses API
Requires={SOCKET}
After={SOCKET}

[Service]
Type=exec
ExecStart={line}
ExecReload=/bin/kill -HUP $MAINPID
WorkingDirectory={folder}
{variables}Restart=on-failure
RestartSec=1
KillMode=mixed
TimeoutStopSec={stop}
"
    )
}

/// A word in systemd's quotes, with its specifiers (`%`) switched off.
fn quoted(word: &str) -> String {
    let mut text = String::from("\"");
    for character in word.chars() {
        match character {
            '"' | '\\' => text.extend(['\\', character]),
            '%' => text.push_str("%%"),
            '\n' => text.push_str("\\n"),
            '\t' => text.push_str("\\t"),
            other if other.is_control() => {
                for byte in other.to_string().bytes() {
                    let _ = write!(text, "\\x{byte:02x}");
                }
            }
            other => text.push(other),
        }
    }
    text.push('"');
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_systemd_would_read_into_a_word_is_switched_off() {
        assert_eq!(quoted("/a b/%h\"\\\n\u{1}"), "\"/a b/%%h\\\"\\\\\\n\\x01\"");
    }

    #[test]
    fn the_units_say_what_runs() {
        let job = Job {
            command: [
                "/opt/$x/codex-plus",
                "start",
                "--service",
                "--upstream",
                "http://h/$v",
            ]
            .map(str::to_owned)
            .to_vec(),
            listen: "[::1]:10000".parse().unwrap(),
            folder: "/home/100% me".to_owned(),
            variables: vec![("PATH".to_owned(), "/usr/bin:/opt/$x".to_owned())],
            stop: std::time::Duration::from_secs(20),
        };
        assert!(socket(&job).contains("\nListenStream=[::1]:10000\n"));
        let text = service(&job);
        let line = "\nExecStart=\"/opt/$x/codex-plus\" \"start\" \"--service\" \"--upstream\" \"http://h/$$v\"\n";
        assert!(text.contains(line), "{text}");
        assert!(
            text.contains("\nWorkingDirectory=/home/100%% me\n"),
            "{text}"
        );
        assert!(
            text.contains("\nEnvironment=\"PATH=/usr/bin:/opt/$x\"\n"),
            "{text}"
        );
        assert!(text.contains("\nTimeoutStopSec=20\n"), "{text}");
    }
}
