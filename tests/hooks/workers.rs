//! Python workers that are killed, stopped, ended or cut off at every stage of their life: the
//! exchange goes on, the log names the hook or the interpreter, the next request is edited, and no
//! process is left.

use std::path::Path;

use serde_json::json;

use crate::stage::{Over, Stage, prompt, text_of, turn};
use crate::support::home::{is_alive, signal};
use crate::support::until;

const FILE: &str = "home/.codexplus/hooks/test.py";

/// How a worker goes.
const WAYS: [(&str, &str); 4] = [
    ("killed", "os.kill(os.getpid(), 9)"),
    ("stopped", "os.kill(os.getpid(), signal.SIGSTOP)"),
    ("ended", "os._exit(0)"),
    ("cut off", "link().shutdown(2), time.sleep(60)"),
];

/// Where: module level, and the lines of the method before and after the edit.
const PLACES: [(&str, [&str; 3]); 4] = [
    ("while it loads", ["once()", "pass", "pass"]),
    ("before it edits", ["pass", "once()", "pass"]),
    ("half-way through its answer", ["pass", "pass", "half()"]),
    ("after its answer", ["pass", "pass", "later()"]),
];

/// A hook that edits every prompt, and goes `way` the first time it comes to the place.
fn hook(way: &str, [module, before, after]: [&str; 3]) -> String {
    format!(
        "---\nname: test\ninput: prompt\ntimeout: 0.5\n---\n\
         import os, signal, socket, struct, threading, time\nfrom codex_plus.hooks import Hook\n\n\
         MARK = os.environ['HOME'] + '/../mark'\n\n\
         def link():\n    for fd in range(3, 20):\n        try: return socket.socket(fileno=os.dup(fd))\n        \
         except OSError: pass\n\n\
         def go():\n    {way}\n\n\
         def once():\n    if not os.path.exists(MARK):\n        open(MARK, 'w').close()\n        go()\n\n\
         def half():\n    if not os.path.exists(MARK):\n        link().send(struct.pack('>BQI', 18, 1, 999) + b'half')\n    once()\n\n\
         def later():\n    if not os.path.exists(MARK):\n        threading.Timer(0.2, once).start()\n\n\
         {module}\n\nclass Test(Hook):\n    async def pre_input(self, request, body):\n        \
         {before}\n        body['prompt'] += ' edited'\n        {after}\n"
    )
}

/// Every process of the hooks is gone but so many workers at the most.
async fn settled(stage: &Stage, what: &str, most: usize) {
    until(&format!("the processes after {what}"), || {
        let children = stage.proxy.children();
        children
            .iter()
            .filter(|pid| command(**pid).contains("-c"))
            .count()
            <= most
    })
    .await;
}

fn command(pid: u32) -> String {
    let words = std::fs::read_to_string(Path::new("/proc").join(pid.to_string()).join("cmdline"));
    words.unwrap_or_default().replace('\0', " ")
}

/// Asks until the prompt is edited; a worker that failed is not started again in the same moment.
async fn edited_again(stage: &Stage, what: &str) {
    for number in 0..300 {
        let words = prompt(&format!("again-{number}"), "two");
        let said = stage.client(Over::Stream).ask(turn(json!([words]))).await;
        assert_eq!(said.status, 200, "{what}");
        if text_of(stage.inputs().last().unwrap()).contains("two edited") {
            return;
        }
        tokio::time::sleep(std::time::Duration::from_millis(50)).await;
    }
    panic!("no prompt is edited any more: {what} {}", stage.proxy.log());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_worker_gone_at_any_stage_holds_up_one_call_at_most() {
    for (way, line) in WAYS {
        for (place, lines) in PLACES {
            let what = format!("{way} {place}");
            let stage = Stage::with(&[(FILE, &hook(line, lines))]).await;
            let said = stage
                .client(Over::Stream)
                .ask(turn(json!([prompt("p1", "one")])))
                .await;
            assert_eq!(said.status, 200, "{what}");
            let sent = text_of(stage.inputs().last().unwrap());
            let mark = stage.proxy.home().path("mark");
            until(&format!("the mark of {what}"), || mark.exists()).await;
            if place == "after its answer" {
                assert!(sent.contains("one edited"), "{what} {}", stage.proxy.log());
            } else if way == "stopped" && place != "half-way through its answer" {
                // It is woken, and goes on.
                assert!(sent.contains("one edited"), "{what} {}", stage.proxy.log());
            } else {
                assert!(!sent.contains("edited"), "{what} {}", stage.proxy.log());
                until(&format!("the log of {what}"), || {
                    stage.proxy.log().contains("a hook failed")
                })
                .await;
                assert!(stage.proxy.log().contains("test"), "{what}");
            }
            edited_again(&stage, &what).await;
            // While one is stopped, another may have been started for its call; it rests later.
            settled(&stage, &what, usize::from(way == "stopped") + 1).await;
        }
    }
}

/// Between two calls: the next one is edited all the same. One that was stopped is woken for it.
#[tokio::test(flavor = "multi_thread")]
async fn an_idle_worker_that_goes_is_replaced() {
    for name in ["KILL", "STOP", "TERM"] {
        let stage = Stage::with(&[(FILE, &hook("pass", ["pass", "pass", "pass"]))]).await;
        edited_again(&stage, name).await;
        let workers = stage.proxy.children();
        let workers: Vec<_> = workers
            .into_iter()
            .filter(|pid| command(*pid).contains("-c"))
            .collect();
        assert_eq!(workers.len(), 1, "{name}");
        signal(workers[0], name);
        if name != "STOP" {
            until("the old one's end", || !is_alive(workers[0])).await;
        }
        let ask = turn(json!([prompt("next", "next")]));
        stage.client(Over::Stream).ask(ask).await;
        let sent = text_of(stage.inputs().last().unwrap());
        assert!(sent.contains("next edited"), "{name} {}", stage.proxy.log());
        // While one is stopped, another may have been started for its call; it rests later.
        settled(&stage, name, usize::from(name == "STOP") + 1).await;
    }
}

/// Interpreters that are none: they end, hang or babble before they say hello.
#[tokio::test(flavor = "multi_thread")]
async fn a_worker_that_never_comes_up_is_named_and_tried_again() {
    for (way, first) in [
        ("ends", "exit 0"),
        ("is killed", "kill -9 $$"),
        ("babbles", "echo garbage >&0; exec sleep 60"),
    ] {
        let stage = Stage::prepared("", |home| {
            home.write(FILE, &hook("pass", ["pass", "pass", "pass"]));
            let script = format!(
                "#!/bin/sh\nmark=\"$HOME/../tried\"\nif [ ! -e \"$mark\" ]; then\n: > \"$mark\"\n{first}\nfi\n\
                 PATH=${{PATH#*:}} exec python3 \"$@\"\n"
            );
            home.script("bin/python3", &script);
        })
        .await;
        let said = stage
            .client(Over::Stream)
            .ask(turn(json!([prompt("p1", "one")])))
            .await;
        assert_eq!(said.status, 200, "{way}");
        assert!(!text_of(stage.inputs().last().unwrap()).contains("edited"));
        until(&format!("the log, when it {way}"), || {
            let log = stage.proxy.log();
            log.contains("cannot run Python hooks with python3")
        })
        .await;
        edited_again(&stage, way).await;
        settled(&stage, way, 1).await;
    }
}

/// A client that leaves while its hook runs: the call is given up, and nothing goes upstream.
#[tokio::test(flavor = "multi_thread")]
async fn a_client_that_leaves_while_its_hook_runs_asks_for_nothing() {
    let slow = hook("pass", ["pass", "pass", "pass"])
        .replace("timeout: 0.5", "timeout: 30")
        .replace(
            "body['prompt'] += ' edited'",
            "open(MARK, 'a').close()\n        import asyncio\n        await asyncio.sleep(2 if 'one' in body['prompt'] else 0)\n        body['prompt'] += ' edited'",
        );
    let stage = Stage::with(&[(FILE, &slow)]).await;
    for reset in [false, true] {
        let mark = stage.proxy.home().path("mark");
        let _ = std::fs::remove_file(&mark);
        let mut peer = crate::support::peer::Peer::connect(stage.proxy.address).await;
        let body = turn(json!([prompt(&format!("p-{reset}"), "one")])).to_string();
        peer.send(crate::support::peer::post(
            "/v1/responses",
            "",
            body.as_bytes(),
        ))
        .await;
        until("the hook", || mark.exists()).await;
        if reset {
            peer.stream.set_zero_linger().unwrap();
        }
        drop(peer);
        let expected = if reset { 2 } else { 1 };
        let log = stage.proxy.logged(expected).await;
        assert_eq!(log.last().unwrap()["outcome"], "client_left");
        assert_eq!(stage.provider.received_count(), 0);
    }
    edited_again(&stage, "clients that left").await;
    stage.proxy.idle().await;
}
