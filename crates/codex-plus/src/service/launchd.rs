//! An agent for `launchctl`: a property list (launchd.plist(5)). launchd passes sockets by calls of
//! its own only, so the agent runs from login on.

use std::fmt::Write as _;

use super::job::Job;

/// The agent's label.
pub(super) const LABEL: &str = "codex-plus";
pub(super) const FILE: &str = "codex-plus.plist";

pub(super) fn agent(job: &Job) -> String {
    let mut command = String::new();
    for word in &job.command {
        let _ = writeln!(command, "    <string>{}</string>", escaped(word));
    }
    let mut variables = String::new();
    for (name, value) in &job.variables {
        let (name, value) = (escaped(name), escaped(value));
        let _ = writeln!(
            variables,
            "    <key>{name}</key>\n    <string>{value}</string>"
        );
    }
    let folder = escaped(&job.folder);
    let stop = job.stop.as_secs();
    format!(
        r#"<?xml version="1.0" encoding="UTF-8"?>
<!DOCTYPE plist PUBLIC "-//Apple//DTD PLIST 1.0//EN" "http://www.apple.com/DTDs/PropertyList-1.0.dtd">
<plist version="1.0">
<dict>
  <key>Label</key>
  <string>{LABEL}</string>
  <key>ProgramArguments</key>
  <array>
{command}  </array>
  <key>EnvironmentVariables</key>
  <dict>
{variables}  </dict>
  <key>WorkingDirectory</key>
  <string>{folder}</string>
  <key>RunAtLoad</key>
  <true/>
  <key>KeepAlive</key>
  <dict>
    <key>SuccessfulExit</key>
    <false/>
  </dict>
  <key>ExitTimeOut</key>
  <integer>{stop}</integer>
  <key>ProcessType</key>
  <string>Interactive</string>
  <key>StandardOutPath</key>
  <string>/dev/null</string>
  <key>StandardErrorPath</key>
  <string>/dev/null</string>
</dict>
</plist>
"#
    )
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;")
}
