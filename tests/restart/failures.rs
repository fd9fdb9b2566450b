//! Successors that do not come to serve, and processes that die on the way.

use crate::support::home::{Home, is_alive, signal};
use crate::support::peer::get;
use crate::support::until;
use crate::ticking::{Stream, started, ticking};

#[tokio::test(flavor = "multi_thread")]
async fn a_new_process_that_cannot_start_leaves_the_old_one_serving() {
    let (upstream, end) = ticking().await;
    let (home, address) = started(upstream);
    let old = home.pid();
    let stream = Stream::sse(address).await;
    let holder = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let taken = holder.local_addr().unwrap().to_string();
    home.write("broken.pem", "not a certificate");
    for (args, says) in [
        (&["--listen", taken.as_str()][..], "cannot listen"),
        (&["--upstream", "ftp://nowhere"], "upstream"),
        (&["--listen", "nowhere"], "listen"),
    ] {
        let said = home.run(&[&["restart"], args].concat());
        assert_ne!(said.code, Some(0), "{said:?}");
        assert!(said.err.contains(says), "{said:?}");
        assert_eq!(home.pid(), old);
        assert_eq!(get(address, "/health").await.0.status(), 200);
    }
    // A program that dies at once, or hangs up in the middle, changes nothing.
    {
        use std::io::Write as _;
        let socket = home.state("proxy.sock");
        let mut one = std::os::unix::net::UnixStream::connect(&socket).unwrap();
        one.write_all(b"take over 1\n").unwrap();
        drop(one);
        let mut one = std::os::unix::net::UnixStream::connect(&socket).unwrap();
        one.write_all(b"what?\n").unwrap();
        until("the log", || {
            home.log().matches("did not start").count() >= 2
        })
        .await;
    }
    assert_eq!(home.pid(), old);
    let before = stream.ticks();
    until("it to tick on", || stream.ticks() > before).await;
    // It still can hand over.
    home.ok(&["restart"]);
    assert_ne!(home.pid(), old);
    stream.ticks_on().await;
    end.send_replace(true);
    assert!(stream.end().await > 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn after_kill_9_start_works_at_once() {
    let (upstream, end) = ticking().await;
    let (home, address) = started(upstream);
    let oldest = home.pid();
    let stream = Stream::sse(address).await;
    home.ok(&["restart"]);
    // The one that drains holds neither lock nor port.
    let killed = home.pid();
    signal(killed, "KILL");
    until("its end", || home.status()["running"] == false).await;
    assert!(is_alive(oldest));
    home.ok(&["start", "--upstream", &format!("http://{upstream}/v1")]);
    assert_eq!(get(address, "/health").await.0.status(), 200);
    assert_ne!(home.pid(), killed);
    stream.ticks_on().await;
    end.send_replace(true);
    assert!(stream.end().await > 0);
    until("the end of the first", || !is_alive(oldest)).await;
}

/// Killed while it waits for streams to finish: only its own streams go with it.
#[tokio::test(flavor = "multi_thread")]
async fn a_killed_predecessor_takes_nobody_along() {
    let (upstream, _end) = ticking().await;
    let (home, address) = started(upstream);
    let old = home.pid();
    let _stream = Stream::sse(address).await;
    home.ok(&["restart"]);
    let new = home.pid();
    signal(old, "KILL");
    until("its end", || !is_alive(old)).await;
    assert_eq!(home.pid(), new);
    assert_eq!(get(address, "/health").await.0.status(), 200);
    home.ok(&["stop"]);
}

/// Other users' processes, and files put in the socket's place, get nothing and break nothing.
#[tokio::test(flavor = "multi_thread")]
async fn the_door_is_the_users_own() {
    use std::os::unix::fs::PermissionsExt as _;
    let home = Home::new();
    home.write("home/.local/state/codex-plus/proxy.sock", "not a socket");
    home.ok(&["start"]);
    let meta = home.state("proxy.sock").metadata().unwrap();
    assert_eq!(meta.permissions().mode() & 0o777, 0o600);
    let pid = home.pid();
    // Nobody behind it: the restart says so and the old one goes on.
    std::fs::remove_file(home.state("proxy.sock")).unwrap();
    drop(std::os::unix::net::UnixListener::bind(home.state("proxy.sock")).unwrap());
    let said = home.run(&["restart"]);
    assert_ne!(said.code, Some(0), "{said:?}");
    assert!(said.err.contains("left as it is"), "{said:?}");
    assert_eq!(home.pid(), pid);
    // Without a door it is ended and started, as ever.
    std::fs::remove_file(home.state("proxy.sock")).unwrap();
    home.ok(&["restart"]);
    assert_ne!(home.pid(), pid);
    until("its end", || !is_alive(pid)).await;
}
