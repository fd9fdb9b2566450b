//! The branch's pull request, as `gh` tells it.

use std::ffi::OsString;
use std::path::Path;
use std::time::Duration;

use serde::Deserialize;
use tokio::process::Command;

use crate::git::PullRequest;
use crate::process::{self, Bounds};

const LARGEST_OUTPUT: usize = 64 << 10;

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Told {
    number: u64,
    state: String,
    #[serde(default)]
    is_draft: bool,
}

/// Asks `program` (`gh`) for the pull request of a branch. What cannot be told is not asked.
pub(super) async fn ask(
    program: &OsString,
    root: &Path,
    branch: &str,
    time: Duration,
) -> PullRequest {
    let mut command = Command::new(program);
    // A folder given by argument is not offered. This one was read a moment ago, so it is there.
    command
        .args(["pr", "list", "--state", "all", "--limit", "1"])
        .args(["--json", "number,state,isDraft", "--head", branch])
        .current_dir(root)
        .env("GH_PROMPT_DISABLED", "1")
        .env("GH_NO_UPDATE_NOTIFIER", "1")
        .env("NO_COLOR", "1");
    let bounds = Bounds {
        time,
        output: LARGEST_OUTPUT,
    };
    match process::run(command, &[], bounds).await {
        Ok(ended) if ended.code == Some(0) => read(&ended.output),
        Ok(_) => PullRequest::NotAsked,
        Err(error) => {
            tracing::debug!(%error, "gh gave no answer");
            PullRequest::NotAsked
        }
    }
}

fn read(output: &[u8]) -> PullRequest {
    match serde_json::from_slice::<Vec<Told>>(output) {
        Ok(mut told) => match told.pop() {
            None => PullRequest::None,
            Some(told) => PullRequest::Found {
                number: told.number,
                state: if told.is_draft && told.state == "OPEN" {
                    "draft".to_owned()
                } else {
                    told.state.to_lowercase()
                },
            },
        },
        Err(_) => PullRequest::NotAsked,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers_of_gh() {
        let found = |number, state: &str| PullRequest::Found {
            number,
            state: state.into(),
        };
        for (output, wanted) in [
            ("[]", PullRequest::None),
            (
                r#"[{"number":7,"state":"OPEN","isDraft":false}]"#,
                found(7, "open"),
            ),
            (
                r#"[{"number":7,"state":"OPEN","isDraft":true}]"#,
                found(7, "draft"),
            ),
            (r#"[{"number":9,"state":"MERGED"}]"#, found(9, "merged")),
            ("not found", PullRequest::NotAsked),
        ] {
            assert_eq!(read(output.as_bytes()), wanted, "{output}");
        }
    }
}
