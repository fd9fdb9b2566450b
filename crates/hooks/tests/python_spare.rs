//! Workers that start before anybody waits for one.

mod python_support;

use std::os::unix::fs::PermissionsExt as _;
use std::sync::Arc;

use codex_plus_hooks::python::{PoolConfig, PythonPool};
use python_support::{call, config, edited, eventually, named, pool, pre_input};

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
    std::fs::write(&shim, script).unwrap();
    std::fs::set_permissions(&shim, std::fs::Permissions::from_mode(0o755)).unwrap();
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
