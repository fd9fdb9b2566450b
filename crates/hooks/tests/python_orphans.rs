//! A proxy that is killed leaves no worker, whatever the worker is doing.

mod python_support;

use std::io::{BufRead, BufReader};
use std::process::{Command, Stdio};

use python_support::{call, eventually, pool, pre_input, runs};

/// Set in the process that plays the proxy.
const ROLE: &str = "PYTHON_ORPHANS_HOOK";

/// Prints the ids of its worker and the worker's child, then blocks: in Python code, and in C code
/// that holds the interpreter, so that no thread of the worker can run either.
const BLOCKED: [&str; 3] = [
    "while True: pass",
    "__import__('re').match('(a*)*b', 'a' * 64)",
    "await __import__('asyncio').sleep(3600)",
];

#[tokio::test]
async fn a_killed_proxy_leaves_no_worker_and_no_child_of_it() {
    let name = "a_killed_proxy_leaves_no_worker_and_no_child_of_it";
    if let Ok(lines) = std::env::var(ROLE) {
        let before = "import subprocess\nos.write(int(body), f'{os.getpid()} {subprocess.Popen([\"sleep\", \"3600\"]).pid}\\n'.encode())\n";
        // The worker's descriptor 1 is ours to log; its ids go out over a descriptor of our own.
        let before = before.replace("int(body)", "os.open(body, os.O_WRONLY)");
        let out = format!("\"/proc/{}/fd/2\"", std::process::id());
        let _ = pool()
            .call(&pre_input(&format!("{before}{lines}")), call(&out))
            .await;
        return;
    }
    for lines in BLOCKED {
        let mut proxy = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", name, "--nocapture"])
            .env(ROLE, lines)
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut told = String::new();
        BufReader::new(proxy.stderr.take().unwrap())
            .read_line(&mut told)
            .unwrap();
        let ids: Vec<u32> = told
            .split_whitespace()
            .map(|id| id.parse().expect(&told))
            .collect();
        assert!(ids.len() == 2 && ids.iter().all(|id| runs(*id)), "{told:?}");
        proxy.kill().unwrap();
        proxy.wait().unwrap();
        eventually(lines, || !ids.iter().any(|id| runs(*id))).await;
    }
}
