//! Hooks that crash, hang, leak or garble: the call fails, the others and the machine do not.

#![allow(clippy::expect_used, clippy::unwrap_used, reason = "a test ends there")]

mod python_support;

use std::sync::Arc;
use std::time::Duration;

use codex_plus_hooks::python::{PoolConfig, PythonError, PythonHook, PythonPool};
use futures_util::future::join_all;
use python_support::{
    call, config, edited, error, eventually, named, pool, pre_input, runs, within,
};

async fn still_works(pool: &PythonPool) {
    assert_eq!(edited(pool, &named("well", "return 7"), "{}").await, 7);
}

#[tokio::test]
async fn ten_awaiting_calls_overlap() {
    let pool = pool();
    let lines = "self.n = getattr(self, 'n', 0) + 1\nmost = self.n\nawait __import__('asyncio')\
                 .sleep(0.05)\nseen = self.n\nself.n -= 1\nreturn [most, seen]";
    let hook = pre_input(lines);
    let one = PythonPool::new(PoolConfig {
        max_workers: 1,
        ..config()
    });
    drop(pool);
    let calls = (0..10).map(|_| edited(&one, &hook, "{}"));
    let seen = join_all(calls).await;
    // Counted inside the hook: all ten had begun before the first ended.
    assert!(seen.iter().any(|counts| counts[0] == 10), "{seen:?}");
    assert_eq!(one.status().started, 1);
}

/// Blocks its worker until a file is there.
fn waits_for(gate: &std::path::Path) -> PythonHook {
    let gate = gate.display();
    named(
        "waits",
        &format!("while not os.path.exists('{gate}'): time.sleep(0.002)\nreturn 'waited'"),
    )
}

#[tokio::test]
async fn calls_pass_those_that_block_their_workers() {
    let folder = tempfile::tempdir().unwrap();
    for blocking in [1, 5] {
        let pool = pool();
        let gate = folder.path().join(blocking.to_string());
        let (slow, quick) = (waits_for(&gate), named("quick", "return 'passed'"));
        let slow = join_all((0..blocking).map(|_| edited(&pool, &slow, "{}")));
        let quick = async {
            // Among them and behind them.
            for _ in 0..3 {
                let quick = (0..10).map(|_| edited(&pool, &quick, "{}"));
                let answers = join_all(quick).await;
                assert!(answers.iter().all(|answer| answer == "passed"));
            }
            // Only now may the others end: had one of these waited for them, none would.
            std::fs::write(&gate, "").unwrap();
        };
        let (waited, ()) = tokio::join!(slow, quick);
        assert!(waited.iter().all(|answer| answer == "waited"), "{blocking}");
    }
}

#[tokio::test]
async fn ten_calls_that_block_are_carried_at_once_and_their_workers_end() {
    let folder = tempfile::tempdir().unwrap();
    let pool = PythonPool::new(PoolConfig {
        idle_after: Duration::from_millis(200),
        ..config()
    });
    let place = folder.path().display();
    let lines = format!(
        "open('{place}/' + body, 'w').close()\n\
         while len(os.listdir('{place}')) < 10: time.sleep(0.002)\nreturn 'met'"
    );
    let hook = pre_input(&lines);
    let words: Vec<String> = (0..10).map(|n| format!("\"{n}\"")).collect();
    let met = join_all(words.iter().map(|word| edited(&pool, &hook, word))).await;
    assert!(met.iter().all(|answer| answer == "met"), "{met:?}");
    // The first may be ended again by now.
    assert!(pool.status().started >= 10);
    eventually("all but one have ended", || {
        pool.status().workers.len() == 1
    })
    .await;
    still_works(&pool).await;
}

#[tokio::test]
async fn calls_wait_when_every_worker_is_blocked_and_are_carried_then() {
    let folder = tempfile::tempdir().unwrap();
    let pool = PythonPool::new(PoolConfig {
        max_workers: 2,
        ..config()
    });
    let gate = folder.path().join("gate");
    let (slow, quick) = (waits_for(&gate), named("quick", "return 'passed'"));
    let open = async {
        eventually("both are blocked", || pool.status().workers.len() == 2).await;
        tokio::time::sleep(Duration::from_millis(200)).await;
        std::fs::write(&gate, "").unwrap();
    };
    let slow = join_all((0..4).map(|_| edited(&pool, &slow, "{}")));
    let (waited, passed, ()) = tokio::join!(slow, edited(&pool, &quick, "{}"), open);
    assert!(waited.iter().all(|answer| answer == "waited"));
    assert_eq!(passed, "passed");
    assert_eq!(pool.status().started, 2);
}

#[tokio::test]
async fn sys_exit_is_an_error_of_the_call() {
    let pool = pool();
    assert!(matches!(
        error(&pool, &pre_input("sys.exit(3)")).await,
        PythonError::Raised { .. }
    ));
    still_works(&pool).await;
    assert_eq!(pool.status().started, 1);
}

#[tokio::test]
async fn a_worker_that_ends_is_replaced() {
    let pool = pool();
    let lost = error(&pool, &pre_input("os._exit(3)")).await;
    assert!(matches!(lost, PythonError::WorkerLost { .. }), "{lost}");
    still_works(&pool).await;
    assert_eq!(pool.status().started, 2);
}

#[tokio::test]
async fn garbage_on_the_socket_replaces_the_worker() {
    let pool = pool();
    let lines = "for fd in range(3, 20):\n    try:\n        socket.socket(fileno=os.dup(fd)).send(b'\\xee garbage')\n    \
                 except OSError: pass\nawait __import__('asyncio').sleep(60)";
    let lost = error(&pool, &pre_input(lines)).await;
    assert!(matches!(lost, PythonError::WorkerLost { .. }), "{lost}");
    still_works(&pool).await;
}

async fn hangs(lines: &str) {
    let pool = pool();
    still_works(&pool).await;
    let stuck = pool.status().workers[0];
    let hook = pre_input(lines);
    let slow = pool.call(&hook, within("{}", Duration::from_millis(400)));
    let (late, ()) = tokio::join!(slow, async {
        tokio::time::sleep(Duration::from_millis(30)).await;
        // Sent while the loop is blocked: moved to another worker, and answered.
        still_works(&pool).await;
    });
    let late = late.expect_err("a timeout");
    assert!(matches!(late, PythonError::Timeout { .. }), "{late}");
    eventually("the stuck worker is killed", || !runs(stuck)).await;
    still_works(&pool).await;
}

#[tokio::test]
async fn a_hook_that_spins_is_killed_and_the_others_are_moved() {
    hangs("while True: pass").await;
}

#[tokio::test]
async fn a_hook_that_sleeps_is_killed_and_the_others_are_moved() {
    hangs("time.sleep(3600)").await;
}

/// Neither signals nor threads of Python run while C code like this does.
const IN_C: [&str; 2] = [
    "import ctypes\nctypes.PyDLL(None).sleep(3600)",
    "import re\nre.match('(a+)+$', 'a' * 64 + 'b')",
];

#[tokio::test]
async fn calls_pass_one_that_is_stuck_in_c_code() {
    for lines in IN_C {
        let pool = pool();
        still_works(&pool).await;
        let stuck = pool.status().workers[0];
        let (slow, quick) = (named("slow", lines), named("quick", "return 'passed'"));
        let mut slow = Box::pin(pool.call(&slow, within("{}", Duration::from_secs(15))));
        let quick = join_all((0..10).map(|_| edited(&pool, &quick, "{}")));
        tokio::select! {
            biased;
            ended = &mut slow => panic!("they waited for it: {ended:?}"),
            passed = quick => assert!(passed.iter().all(|answer| answer == "passed")),
        }
        // A second later, others still pass it; then it is given up.
        still_works(&pool).await;
        drop(slow);
        eventually("the stuck worker is killed", || !runs(stuck)).await;
        still_works(&pool).await;
    }
}

#[tokio::test]
async fn what_times_out_in_c_code_is_killed_and_named() {
    let pool = pool();
    still_works(&pool).await;
    let stuck = pool.status().workers[0];
    let hook = pre_input(IN_C[1]);
    let late = pool.call(&hook, within("{}", Duration::from_secs(1))).await;
    let late = late.expect_err("a timeout").to_string();
    assert!(late.contains("1000 ms; it was at C code"), "{late}");
    eventually("the stuck worker is killed", || !runs(stuck)).await;
}

#[tokio::test]
async fn calls_that_passed_one_in_c_code_run_once() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("runs");
    let shown = file.display();
    let pool = pool();
    still_works(&pool).await;
    let slow = named(
        "slow",
        "import ctypes\nctypes.PyDLL(None).sleep(2)\nreturn 'slept'",
    );
    let quick = named(
        "quick",
        &format!("open('{shown}', 'a').write(body + '\\n')\nreturn 'passed'"),
    );
    let words: Vec<String> = (0..10).map(|n| format!("\"{n}\"")).collect();
    let quick = join_all(words.iter().map(|word| edited(&pool, &quick, word)));
    let (slept, passed) = tokio::join!(edited(&pool, &slow, "{}"), quick);
    assert_eq!(slept, "slept");
    assert!(passed.iter().all(|answer| answer == "passed"));
    // The first worker goes on, and reads what it had been sent.
    let other = named("other", "return 1");
    let calls = (0..40).map(|_| edited(&pool, &other, "{}"));
    assert_eq!(join_all(calls).await.len(), 40);
    let runs = std::fs::read_to_string(&file).unwrap();
    let mut runs: Vec<_> = runs.lines().collect();
    runs.sort_unstable();
    assert_eq!(runs, ["0", "1", "2", "3", "4", "5", "6", "7", "8", "9"]);
}

#[tokio::test]
async fn a_timeout_of_an_awaiting_hook_leaves_its_worker() {
    let pool = PythonPool::new(PoolConfig {
        max_workers: 1,
        ..PoolConfig::default()
    });
    let hook = pre_input("await __import__('asyncio').sleep(3600)");
    for _ in 0..50 {
        let late = pool
            .call(&hook, within("{}", Duration::from_millis(5)))
            .await;
        assert!(matches!(late, Err(PythonError::Timeout { .. })), "{late:?}");
        // A worker that a busy machine holds up would have too many calls to give up.
        still_works(&pool).await;
    }
    assert_eq!(pool.status().started, 1);
}

/// Resident memory of a process in pages.
fn resident(process: u32) -> usize {
    let text = std::fs::read_to_string(format!("/proc/{process}/statm")).unwrap();
    text.split(' ').nth(1).unwrap().parse().unwrap()
}

#[tokio::test]
async fn ten_thousand_timeouts_leave_no_call_and_no_growth() {
    let pool = PythonPool::new(PoolConfig {
        idle_after: Duration::from_millis(200),
        ..config()
    });
    let hook = pre_input("await __import__('asyncio').sleep(3600)");
    still_works(&pool).await;
    // A busy machine may have workers replaced that are late to say that a call was given up.
    let workers = || pool.status().workers;
    let (own, fresh) = (std::process::id(), resident(workers()[0]));
    let mut before = 0;
    for round in 0..1_000 {
        let limit = Duration::from_millis(3);
        let calls = (0..10).map(|_| pool.call(&hook, within("{}", limit)));
        let late = join_all(calls).await;
        let is_late = |one: &Result<_, _>| matches!(one, Err(PythonError::Timeout { .. }));
        assert!(late.iter().all(is_late), "{late:?}");
        if round == 100 {
            before = resident(own);
        }
    }
    still_works(&pool).await;
    eventually("one is enough", || workers().len() == 1).await;
    assert_eq!(pool.status().in_flight, 0);
    let (after, worn) = (resident(own), resident(workers()[0]));
    assert!(after < before + 2048, "pages: {before} grew to {after}");
    assert!(
        worn < fresh + 2048,
        "pages of a worker: {fresh} grew to {worn}"
    );
}

#[tokio::test]
async fn a_memory_hog_gets_a_memory_error() {
    let limit = Some(256 * 1024 * 1024);
    let pool = PythonPool::new(PoolConfig {
        memory_limit: limit,
        ..config()
    });
    let told = error(&pool, &pre_input("x = bytearray(1 << 30)")).await;
    assert!(told.to_string().contains("MemoryError"), "{told}");
    still_works(&pool).await;
}

#[tokio::test]
async fn kill_9_in_mid_call_fails_that_call_alone() {
    let pool = Arc::new(pool());
    still_works(&pool).await;
    let worker = pool.status().workers[0];
    let waiting: PythonHook = pre_input("await __import__('asyncio').sleep(3600)");
    let running = tokio::spawn({
        let pool = Arc::clone(&pool);
        async move { pool.call(&waiting, call("{}")).await }
    });
    eventually("the call is in flight", || pool.status().in_flight == 1).await;
    kill(worker);
    let lost = running.await.unwrap();
    assert!(
        matches!(lost, Err(PythonError::WorkerLost { .. })),
        "{lost:?}"
    );
    still_works(&pool).await;
    assert!(
        !std::path::Path::new(&format!("/proc/{worker}")).exists(),
        "a zombie"
    );
}

fn kill(process: u32) {
    let pid = rustix::process::Pid::from_raw(i32::try_from(process).unwrap()).unwrap();
    rustix::process::kill_process(pid, rustix::process::Signal::KILL).unwrap();
}

#[tokio::test]
async fn a_dropped_pool_leaves_no_process_and_no_descriptor() {
    let descriptors = || std::fs::read_dir("/proc/self/fd").unwrap().count();
    // The runtime's own descriptors for children come with the first.
    still_works(&pool()).await;
    tokio::time::sleep(Duration::from_millis(300)).await;
    let before = descriptors();
    for _ in 0..5 {
        let pool = pool();
        let lines = "import subprocess\nreturn subprocess.Popen(['sleep', '3600']).pid";
        let child = edited(&pool, &pre_input(lines), "{}")
            .await
            .as_u64()
            .unwrap();
        let worker = pool.status().workers[0];
        drop(pool);
        eventually("worker and its child are gone", || {
            !runs(worker) && !runs(u32::try_from(child).unwrap())
        })
        .await;
    }
    eventually("descriptors are back", || descriptors() <= before).await;
}

#[tokio::test]
async fn an_interpreter_that_is_none_says_so() {
    for python in ["/nonexistent/python", "/bin/false"] {
        let pool = PythonPool::new(PoolConfig {
            python: Some(python.into()),
            ..config()
        });
        let told = error(&pool, &pre_input("pass")).await;
        assert!(matches!(told, PythonError::Start { .. }), "{told}");
        assert!(told.to_string().contains(python), "{told}");
    }
}
