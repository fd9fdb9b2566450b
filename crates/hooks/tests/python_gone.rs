//! Workers that are killed, ended or stopped while they start, wait, or have just answered: they
//! are replaced or woken, and nothing is left of them.

#![allow(clippy::expect_used, clippy::unwrap_used, reason = "a test ends there")]

mod python_support;

use std::time::Duration;

use codex_plus_hooks::python::{PoolConfig, PythonPool};
use python_support::{call, config, edited, eventually, named, pool, pre_input, program, runs};
use rustix::process::{Pid, Signal, kill_process};

fn send(process: u32, signal: Signal) {
    let pid = Pid::from_raw(i32::try_from(process).unwrap()).unwrap();
    kill_process(pid, signal).unwrap();
}

async fn still_works(pool: &PythonPool) {
    assert_eq!(edited(pool, &named("well", "return 7"), "{}").await, 7);
}

#[tokio::test]
async fn an_idle_worker_that_ends_is_reaped_at_once_and_replaced() {
    for signal in [Signal::KILL, Signal::TERM] {
        let pool = pool();
        still_works(&pool).await;
        let worker = pool.status().workers[0];
        send(worker, signal);
        // No call is needed to find out.
        eventually("it is reaped", || {
            !std::path::Path::new(&format!("/proc/{worker}")).exists()
        })
        .await;
        assert!(pool.status().workers.is_empty());
        still_works(&pool).await;
        assert_eq!(pool.status().started, 2);
    }
}

#[tokio::test]
async fn an_idle_worker_that_was_stopped_is_woken_by_the_next_call() {
    let pool = pool();
    still_works(&pool).await;
    let worker = pool.status().workers[0];
    let stopped = || {
        let stat = std::fs::read_to_string(format!("/proc/{worker}/stat"));
        stat.is_ok_and(|stat| stat.contains(") T "))
    };
    send(worker, Signal::STOP);
    eventually("it is stopped", stopped).await;
    // While it does not answer another may take the call: nothing is lost either way.
    still_works(&pool).await;
    eventually("it runs again", || !stopped()).await;
    assert!(pool.status().workers.contains(&worker));
}

#[tokio::test]
async fn a_worker_that_was_stopped_in_mid_call_is_woken() {
    let pool = pool();
    let stops = pre_input("os.kill(os.getpid(), 19)\nreturn 'went on'");
    assert_eq!(edited(&pool, &stops, "{}").await, "went on");
    still_works(&pool).await;
}

/// Its call is answered, so no call will ever time out on it; and it takes no others.
#[tokio::test]
async fn a_worker_that_answers_no_more_after_its_answer_is_ended() {
    let pool = pool();
    // Long enough to be asked for a sign of life, which it then does not give.
    let stuck = pre_input(
        "time.sleep(0.15)\n\
         __import__('asyncio').get_running_loop().call_soon(time.sleep, 3600)\nreturn os.getpid()",
    );
    let worker = edited(&pool, &stuck, "{}").await.as_u64().unwrap();
    let worker = u32::try_from(worker).unwrap();
    eventually("it is ended", || !runs(worker)).await;
    still_works(&pool).await;
    assert_eq!(pool.status().workers.len(), 1);
}

/// Whoever asked for it has left.
#[tokio::test]
async fn a_worker_that_never_comes_up_is_ended_though_nobody_waits() {
    let folder = tempfile::tempdir().unwrap();
    let python = folder.path().join("python");
    program(&python, "#!/bin/sh\nexec sleep 3600\n");
    let pool = PythonPool::new(PoolConfig {
        python: Some(python),
        start_timeout: Duration::from_millis(500),
        ..config()
    });
    let hook = named("well", "return 7");
    let asked = tokio::time::timeout(Duration::from_millis(100), pool.call(&hook, call("{}")));
    assert!(asked.await.is_err(), "it answered");
    let worker = pool.status().workers[0];
    eventually("it is ended", || !runs(worker)).await;
    // Its process is gone before whoever ended it can say so.
    eventually("it is told", || pool.status().workers.is_empty()).await;
}
