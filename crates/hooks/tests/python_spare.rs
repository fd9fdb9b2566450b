//! Workers that start before anybody waits for one.

#![allow(clippy::unwrap_used, reason = "a test ends there")]

mod python_support;

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use codex_plus_hooks::python::{PoolConfig, PythonPool};
use futures_util::future::join_all;
use python_support::{call, config, edited, eventually, named, pool, pre_input, program};
use rustix::process::{Pid, Signal, kill_process};

/// Blocks the worker it is called on when its body says so, for as long as the pool is there.
const BLOCKS: &str = "if body: time.sleep(3600)\nreturn 'free'";

/// Loads a hook, lets a call of it block the worker, and waits until there is another one.
async fn with_spare(pool: PythonPool) -> Arc<PythonPool> {
    let (pool, hook) = (Arc::new(pool), pre_input(BLOCKS));
    assert_eq!(edited(&pool, &hook, "{}").await, "free");
    assert_eq!(pool.status().workers.len(), 1);
    let blocked = Arc::clone(&pool);
    tokio::spawn(async move { blocked.call(&hook, call(r#"{"wait":1}"#)).await });
    eventually("a worker to spare", || pool.status().workers.len() == 2).await;
    pool
}

#[tokio::test]
async fn a_call_that_blocks_its_worker_has_another_one_started() {
    let pool = with_spare(pool()).await;
    let first = pool.status().workers[0];
    let who = named("who", "return os.getpid()");
    assert_ne!(edited(&pool, &who, "{}").await, first);
    assert_eq!(pool.status().started, 2);
    pool.close();
}

#[tokio::test]
async fn no_more_workers_start_than_may() {
    let pool = Arc::new(PythonPool::new(PoolConfig {
        max_workers: 1,
        ..config()
    }));
    let hook = pre_input("time.sleep(body.get('wait', 0))\nreturn 'done'");
    for payload in ["{}", r#"{"wait":0.3}"#] {
        assert_eq!(edited(&pool, &hook, payload).await, "done");
    }
    assert_eq!(pool.status().started, 1);
}

#[tokio::test]
async fn a_version_managers_shim_is_asked_once() {
    let folder = tempfile::tempdir().unwrap();
    let (shims, log) = (folder.path().join("shims"), folder.path().join("log"));
    std::fs::create_dir(&shims).unwrap();
    let shim = shims.join("python3");
    let script = format!(
        "#!/bin/sh\necho asked >> '{}'\nFROM_SHIM=1 exec python3 \"$@\"\n",
        log.display()
    );
    program(&shim, &script);
    let pool = with_spare(PythonPool::new(PoolConfig {
        python: Some(shim),
        ..config()
    }))
    .await;
    let first = pool.status().workers[0];
    let who = named("who", "return [os.getpid(), os.environ.get('FROM_SHIM')]");
    let told = edited(&pool, &who, "{}").await;
    assert_ne!(told[0], first);
    assert_eq!(told[1], "1", "it has the environment that the shim makes");
    assert_eq!(std::fs::read_to_string(&log).unwrap(), "asked\n");
    pool.close();
}

/// Asks one call after the other; who answered. Each calls a hook of its own: a worker that is slow
/// to answer for a hook it knows gets company, and on a busy machine any may be slow.
async fn asked(pool: &PythonPool, times: usize) -> Vec<u32> {
    static ASKED: AtomicUsize = AtomicUsize::new(0);
    let mut told = Vec::new();
    for _ in 0..times {
        let number = ASKED.fetch_add(1, Ordering::Relaxed);
        let who = named(&format!("who{number}"), "return os.getpid()");
        told.push(u32::try_from(edited(pool, &who, "{}").await.as_u64().unwrap()).unwrap());
    }
    told
}

/// A pool that was asked several times, and has one to spare since; the first worker, and that one.
async fn used(config: PoolConfig) -> (Arc<PythonPool>, u32, u32) {
    let pool = Arc::new(PythonPool::new(config));
    let first = asked(&pool, 4).await[0];
    eventually("one to spare", || pool.status().workers.len() == 2).await;
    let workers = pool.status().workers;
    assert_eq!(workers[0], first);
    (pool, first, workers[1])
}

fn kill(worker: u32) {
    let process = Pid::from_raw(i32::try_from(worker).unwrap()).unwrap();
    kill_process(process, Signal::KILL).unwrap();
}

fn short() -> PoolConfig {
    PoolConfig {
        idle_after: Duration::from_millis(200),
        ..config()
    }
}

#[tokio::test]
async fn a_pool_that_is_used_keeps_one_to_spare_which_takes_no_call_that_another_can() {
    let (pool, first, _) = used(config()).await;
    assert_eq!(asked(&pool, 20).await, [first; 20]);
    let waits = named(
        "waits",
        "await __import__('asyncio').sleep(0.01)\nreturn os.getpid()",
    );
    let told = join_all((0..10).map(|_| edited(&pool, &waits, "{}"))).await;
    assert!(told.iter().all(|who| *who == first), "{told:?}");
    assert_eq!(pool.status().started, 2);
}

#[tokio::test]
async fn a_call_behind_one_that_blocks_is_carried_by_the_one_to_spare() {
    let (pool, _, spare) = used(config()).await;
    let (blocked, hook) = (Arc::clone(&pool), pre_input(BLOCKS));
    tokio::spawn(async move { blocked.call(&hook, call(r#"{"wait":1}"#)).await });
    eventually("it blocks", || pool.status().in_flight == 1).await;
    let who = named("who", "return os.getpid()");
    let told = join_all((0..10).map(|_| edited(&pool, &who, "{}"))).await;
    assert!(told.iter().all(|who| *who == spare), "{told:?}");
    pool.close();
}

/// Whoever asks once or twice needs no second interpreter, and one worker is all that may be.
#[tokio::test]
async fn none_is_started_to_spare_for_few_calls_or_beyond_the_most() {
    let few = pool();
    asked(&few, 3).await;
    let one = PythonPool::new(PoolConfig {
        max_workers: 1,
        ..config()
    });
    asked(&one, 10).await;
    // It was asked last of the three.
    used(config()).await;
    assert_eq!((few.status().started, one.status().started), (1, 1));
}

#[tokio::test]
async fn the_one_to_spare_ends_with_the_work_and_comes_again() {
    let (pool, first, spare) = used(short()).await;
    eventually("it has ended", || pool.status().workers == [first]).await;
    asked(&pool, 4).await;
    eventually("another one", || pool.status().workers.len() == 2).await;
    assert_ne!(pool.status().workers[1], spare);
}

#[tokio::test]
async fn one_to_spare_that_is_gone_is_replaced_while_there_is_work() {
    let (pool, first, spare) = used(short()).await;
    kill(spare);
    for _ in 0..1000 {
        assert_eq!(asked(&pool, 1).await, [first]);
        if pool.status().started == 3 {
            return;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    panic!("none came: {:?}", pool.status());
}

#[tokio::test]
async fn the_one_to_spare_takes_the_place_of_a_first_one_that_is_gone() {
    let (pool, first, spare) = used(short()).await;
    kill(first);
    eventually("it is told", || pool.status().workers == [spare]).await;
    // Later than a worker that is one too many would end.
    tokio::time::sleep(Duration::from_secs(1)).await;
    assert_eq!(asked(&pool, 1).await, [spare]);
}
