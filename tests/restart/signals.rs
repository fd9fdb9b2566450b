//! SIGTERM drains, SIGHUP reloads, a second signal ends.

use crate::support::home::{Home, is_alive, signal};
use crate::support::peer::{Peer, get, post};
use crate::support::until;
use crate::ticking::{Stream, started, ticking};

#[tokio::test(flavor = "multi_thread")]
async fn sigterm_lets_streams_finish() {
    let (upstream, end) = ticking().await;
    let (home, address) = started(upstream);
    let pid = home.pid();
    let streams = [Stream::sse(address).await, Stream::websocket(address).await];
    signal(pid, "TERM");
    until("the door to close", || {
        std::net::TcpStream::connect(address).is_err()
    })
    .await;
    end.send_replace(true);
    for stream in streams {
        stream.end().await;
    }
    until("its end", || !is_alive(pid)).await;
    assert!(home.log().contains("cut=0"), "{}", home.log());
    assert!(!home.state("proxy.pid").exists());
    assert!(!home.state("proxy.sock").exists());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_second_signal_ends_it_at_once() {
    let (upstream, _end) = ticking().await;
    let home = Home::new();
    home.write(
        "home/.config/codex-plus/config.toml",
        "[timeouts]\ndrain = '1h'\n",
    );
    let mut command = home.codex_plus();
    command.env_remove("CODEX_PLUS_DRAIN");
    command.args(["start", "--upstream", &format!("http://{upstream}/v1")]);
    assert!(command.output().unwrap().status.success());
    let (pid, address) = (home.pid(), home.listen.parse().unwrap());
    let _stream = Stream::sse(address).await;
    signal(pid, "TERM");
    until("it to say so", || home.log().contains("signal=SIGTERM")).await;
    assert!(is_alive(pid));
    signal(pid, "TERM");
    until("its end", || !is_alive(pid)).await;
    home.ok(&["start"]);
}

/// A stop reaches the processes that still finish streams for an earlier restart.
#[tokio::test(flavor = "multi_thread")]
async fn a_stop_ends_the_whole_line() {
    let (upstream, _end) = ticking().await;
    let (home, address) = started(upstream);
    let mut pids = Vec::new();
    let mut streams = Vec::new();
    for _ in 0..3 {
        streams.push(Stream::sse(address).await);
        pids.push(home.pid());
        home.ok(&["restart"]);
    }
    pids.push(home.pid());
    assert!(pids.iter().all(|&pid| is_alive(pid)));
    home.ok(&["stop"]);
    until("all ends", || !pids.iter().any(|&pid| is_alive(pid))).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn sighup_reloads_what_can_be_swapped() {
    let (upstream, end) = ticking().await;
    let (home, address) = started(upstream);
    let pid = home.pid();
    let stream = Stream::sse(address).await;
    // A connection from before is held to the new settings as well.
    let mut kept = Peer::connect(address).await;
    let body = [b'x'; 100];
    let status = async |peer: &mut Peer| {
        let _ = peer.try_send(post("/v1/models", "", &body)).await;
        peer.head().await.status()
    };
    let request = "GET /v1/models HTTP/1.1\r\nhost: localhost\r\n\r\n";
    assert_eq!(kept.ask(request).await.0.status(), 200);
    home.write(
        "home/.config/codex-plus/config.toml",
        "[log]\nlevel = 'debug'\nformat = 'json'\n[limits]\nbody = 50\nconnections = 7\n\
         [guard]\nallowed_hosts = ['box.lan']\n[hooks]\ntimeout = '7s'\n[status_line]\nmode = 'response'\n",
    );
    signal(pid, "HUP");
    until("the reload", || home.log().contains("reloaded")).await;
    let log = home.log();
    assert!(
        log.contains("limits.connections, log.format, hooks, status_line"),
        "{log}"
    );
    assert_eq!(status(&mut kept).await, 413);
    let (head, _) =
        crate::support::peer::ask(address, "GET /v1/models HTTP/1.1\r\nhost: box.lan\r\n\r\n")
            .await;
    assert_eq!(head.status(), 200);
    assert_eq!(get(address, "/health").await.0.status(), 200);
    let files = home.status()["settings_files"].to_string();
    assert!(files.contains("config.toml"), "{files}");
    // Settings that cannot be used change nothing.
    home.write(
        "home/.config/codex-plus/config.toml",
        "[limits]\nbody = 'x'\n",
    );
    signal(pid, "HUP");
    until("the refusal", || home.log().contains("not reloaded")).await;
    assert_eq!(status(&mut Peer::connect(address).await).await, 413);
    stream.ticks_on().await;
    end.send_replace(true);
    assert!(stream.end().await > 0);
    assert_eq!(home.pid(), pid);
}
