//! Hooks that fail in every way: the exchange goes on, the log names them, the next one works.

use std::fs;
use std::io::{Read as _, Write as _};
use std::net::TcpStream;

use serde_json::json;

use crate::stage::{ALL, Over, SETTINGS, Stage, hooks, prompt, python, text_of, turn};
use crate::support::home::signal;
use crate::support::until;

const FILE: &str = "home/.codexplus/hooks/bad.py";

/// Goes wrong for the first prompt, and edits the second.
fn bad(metadata: &str, lines: &str) -> String {
    python(
        &format!("name: bad-one\ninput: prompt\n{metadata}"),
        &format!(
            "pre_input(self, request, body):\n    if body['prompt'] == 'one':\n        {lines}\n    \
             body['prompt'] += ' edited'"
        ),
    )
}

#[tokio::test(flavor = "multi_thread")]
async fn the_exchange_goes_on_without_a_hook_that_fails() {
    let cases = [
        ("", "raise ValueError('so it is')"),
        ("timeout: 0.3", "time.sleep(60)"),
        ("timeout: 0.3", "await asyncio.sleep(60)"),
        ("", "os._exit(3)"),
        ("", "os.write(0, b'garbage' * 99)"),
        ("", "os.kill(os.getpid(), 9)"),
        (
            "timeout: 20",
            "x = [bytearray(1 << 20) for _ in range(4096)]; time.sleep(60)",
        ),
    ];
    for (metadata, lines) in cases {
        let files = bad(metadata, lines);
        let stage = Stage::prepared("hooks.worker_memory = \"200MiB\"", |home| {
            home.write(FILE, &files);
        })
        .await;
        let mut client = stage.client(Over::Stream);
        client.ask(turn(json!([prompt("p1", "one")]))).await;
        client.ask(turn(json!([prompt("p2", "two")]))).await;
        let inputs = stage.inputs();
        assert_eq!(inputs.len(), 2, "{lines} {}", stage.proxy.log());
        assert_eq!(inputs[0][0], prompt("p1", "one"), "{lines}");
        assert!(
            text_of(&inputs[1]).contains("two edited"),
            "{lines} {}",
            stage.proxy.log()
        );
        until("the log", || stage.proxy.log().contains("a hook failed")).await;
        let log = stage.proxy.log();
        let told = log.lines().filter(|line| line.contains("a hook failed"));
        let told: Vec<_> = told.collect();
        assert!(
            told.len() == 1 && told[0].contains("bad-one"),
            "{lines} {log}"
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn command_hooks_that_fail_are_passed_over() {
    for over in ALL {
        let settings = hooks(&[
            ("UserPromptSubmit", "", "exit 7"),
            ("UserPromptSubmit", "", "echo '{not json'"),
            ("UserPromptSubmit", "", "kill -9 $$"),
            ("UserPromptSubmit", "", "/no/such/program"),
            ("UserPromptSubmit", "", "echo fine"),
        ]);
        let stage = Stage::with(&[(SETTINGS, &settings)]).await;
        stage
            .client(over)
            .ask(turn(json!([prompt("p1", "one")])))
            .await;
        let sent = stage.inputs().pop().unwrap();
        assert_eq!(sent.as_array().unwrap().len(), 2, "{over:?} {sent:#}");
        assert_eq!(sent[1]["content"][0]["text"], "fine");
        let told = || stage.proxy.log().matches("was passed over").count();
        until("the log", || told() >= 4).await;
        assert_eq!(told(), 4, "{}", stage.proxy.log());
    }
}

/// All ten are inside the hook at once: each waits until it sees the others.
#[tokio::test(flavor = "multi_thread")]
async fn exchanges_do_not_queue_behind_a_slow_hook() {
    for wait in ["await asyncio.sleep(0.01)", "time.sleep(0.01)"] {
        let hook = python(
            "name: slow\ninput: prompt\ntimeout: 30",
            &format!(
                "pre_input(self, request, body):\n    \
                 open(os.environ['HOME'] + '/../in-' + body['prompt'], 'w').close()\n    \
                 while sum(n.startswith('in-') for n in os.listdir(os.environ['HOME'] + '/..')) \
                 < 10:\n        {wait}\n    body['prompt'] += ' through'"
            ),
        );
        let stage = Stage::with(&[("home/.codexplus/hooks/slow.py", &hook)]).await;
        let mut asking = tokio::task::JoinSet::new();
        for number in 0..10 {
            let mut client = stage.client(Over::Stream);
            asking.spawn(async move {
                let words = prompt(&format!("p{number}"), &format!("w{number}"));
                client.ask(turn(json!([words]))).await
            });
        }
        asking.join_all().await;
        let through = text_of(&json!(stage.inputs())).matches(" through").count();
        assert_eq!(through, 10, "{wait} {}", stage.proxy.log());
    }
}

/// Three block their workers until a file appears, which is made when the others are answered.
#[tokio::test(flavor = "multi_thread")]
async fn exchanges_pass_those_whose_hook_blocks() {
    let hook = python(
        "name: slow\ninput: prompt\ntimeout: 60",
        "pre_input(self, request, body):\n    \
         while 'slow' in body['prompt'] and not os.path.exists(os.environ['HOME'] + '/../gate'):\n        \
         time.sleep(0.01)\n    body['prompt'] += ' through'",
    );
    let stage = Stage::with(&[("home/.codexplus/hooks/slow.py", &hook)]).await;
    let ask = |number: usize, word: &'static str| {
        let mut client = stage.client(Over::Stream);
        async move {
            let words = prompt(&format!("p{number}"), word);
            client.ask(turn(json!([words]))).await
        }
    };
    let mut slow = tokio::task::JoinSet::new();
    for number in 0..3 {
        slow.spawn(ask(number, "slow"));
    }
    let mut quick = tokio::task::JoinSet::new();
    for number in 3..10 {
        quick.spawn(ask(number, "quick"));
    }
    quick.join_all().await;
    let sent = text_of(&json!(stage.inputs()));
    assert_eq!(sent.matches("quick through").count(), 7, "{sent}");
    assert_eq!(sent.matches("slow").count(), 0, "{sent}");
    stage.proxy.home().write("gate", "");
    slow.join_all().await;
    let sent = text_of(&json!(stage.inputs()));
    assert_eq!(sent.matches("slow through").count(), 3, "{sent}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_killed_proxy_leaves_no_worker_and_no_command() {
    let hook = python(
        "name: slow\ninput: prompt\ntimeout: 600",
        "pre_input(self, request, body):\n    \
         open(os.environ['HOME'] + '/../worker', 'w').write(str(os.getpid()) + '\\n')\n    \
         time.sleep(600)",
    );
    let wait = "sleep 600 & echo \"$$ $!\" > \"$HOME/../draft\"; mv \"$HOME/../draft\" \
        \"$HOME/../pids\"; wait";
    let stage = Stage::with(&[
        ("home/.codexplus/hooks/slow.py", &hook),
        (
            SETTINGS,
            &hooks(&[("SessionEnd", "", "true"), ("Stop", "", wait)]),
        ),
    ])
    .await;
    let home = stage.proxy.home();
    let read = |name: &str| fs::read_to_string(home.path(name)).unwrap_or_default();
    let mut client = stage.client(Over::Stream);
    tokio::spawn(async move { client.ask(turn(json!([prompt("p1", "one")]))).await });
    until("the worker", || read("worker").ends_with('\n')).await;
    let mut client = stage.client(Over::Stream);
    // Not a prompt: the Python hook has nothing to do with it.
    let output = crate::stage::output("c1", "ok");
    tokio::spawn(async move { client.ask(turn(json!([output]))).await });
    until("the command", || !read("pids").is_empty()).await;
    let pids: Vec<u32> = format!("{} {}", read("worker"), read("pids"))
        .split_whitespace()
        .map(|pid| pid.parse().unwrap())
        .collect();
    assert_eq!(pids.len(), 3);
    // A thread that answers has gone on from the command's start, whose end is seen to from then on.
    let threads = 2 * std::thread::available_parallelism().map_or(2, usize::from);
    let connect = || TcpStream::connect(stage.proxy.address).unwrap();
    let mut open: Vec<_> = (0..threads).map(|_| connect()).collect();
    for stream in &mut open {
        stream
            .write_all(b"GET /health HTTP/1.1\r\nhost: localhost\r\n\r\n")
            .unwrap();
        stream.read_exact(&mut [0; 12]).unwrap();
    }
    let runs = |pid: &u32| {
        let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
        !stat.is_empty() && !stat.contains(") Z ")
    };
    assert!(pids.iter().all(runs));
    let children = stage.proxy.children();
    signal(stage.proxy.pid(), "KILL");
    until("their end", || !pids.iter().any(runs)).await;
    until("the end of all", || !children.iter().any(runs)).await;
}
