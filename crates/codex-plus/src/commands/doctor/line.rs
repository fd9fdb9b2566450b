//! Settings, port and upstream.

use std::net::{TcpStream, ToSocketAddrs as _};
use std::time::{Duration, Instant};

use crate::daemon::{self, Health, Instance, Probe};
use crate::settings::Loaded;

use super::Check;

/// The providers `upstream = "auto"` chooses between: one for keys, one for logins.
const AUTO: [(&str, &str); 2] = [("api.openai.com", "443"), ("chatgpt.com", "443")];
const PATIENCE: Duration = Duration::from_secs(10);

pub(super) fn settings(loaded: &Loaded) -> Vec<Check> {
    let files: Vec<String> = loaded
        .files
        .iter()
        .map(|file| file.display().to_string())
        .collect();
    let found = if files.is_empty() {
        "no file; everything not set by variables is at its default".to_owned()
    } else {
        files.join(", ")
    };
    let ignored = loaded.ignored.iter().map(|ignored| {
        Check::odd(
            "settings",
            ignored.to_string(),
            "set the key in your own settings file, or trust the folder there",
        )
    });
    std::iter::once(Check::good("settings", found))
        .chain(ignored)
        .collect()
}

pub(super) fn port(loaded: &Loaded, instance: Option<&Instance>) -> Check {
    let proxy = &loaded.settings.proxy;
    let token = proxy.guard.token.as_deref();
    if let Some(instance) = instance {
        let Instance { listen, pid, .. } = instance;
        return if Probe::new(*listen, token).is_healthy() {
            Check::good(
                "port",
                format!("{listen} is served by codex-plus (pid {pid})"),
            )
        } else {
            Check::broken(
                "port",
                format!("codex-plus (pid {pid}) does not answer on {listen}"),
                "run `codex-plus restart`, then look at `codex-plus logs`",
            )
        };
    }
    let listen = proxy.listen;
    if listen.port() == 0 {
        return Check::good("port", format!("{listen}: the system chooses a free one"));
    }
    match Probe::new(listen, token).ask() {
        Health::Free => Check::good(
            "port",
            format!("{listen} is free; `codex-plus start` takes it"),
        ),
        Health::CodexPlus(status) => {
            let pid = status
                .get("pid")
                .map(ToString::to_string)
                .unwrap_or_default();
            Check::odd(
                "port",
                format!("{listen} is served by a codex-plus of another state folder (pid {pid})"),
                "use that one, or choose another port with --listen or CODEX_PLUS_LISTEN",
            )
        }
        Health::Other => {
            let holder = daemon::owner(listen).map_or_else(
                || "a program of another user".to_owned(),
                |owner| owner.to_string(),
            );
            Check::broken(
                "port",
                format!("{listen} is held by {holder}"),
                "end that program, or choose another port with --listen or CODEX_PLUS_LISTEN",
            )
        }
    }
}

/// Tries the way to the provider: by TCP, and through the running proxy when there is one, which
/// also shows TLS and a proxy in between. No credentials are sent; a 401 is a good answer.
pub(super) fn upstream(loaded: &Loaded, instance: Option<&Instance>) -> Vec<Check> {
    let upstream = &loaded.settings.proxy.upstream;
    if let Some(instance) = instance {
        let token = loaded.settings.proxy.guard.token.as_deref();
        let probe = Probe::new(instance.listen, token);
        let found = probe.status_of("/models?client_version=0.0.0", PATIENCE);
        return vec![match found {
            Some(status @ (502 | 504)) => Check::broken(
                "upstream",
                format!("the proxy could not reach {} ({status})", instance.upstream),
                "check the network, HTTPS_PROXY and the URL; `codex-plus logs` has the reason",
            ),
            Some(status) => Check::good(
                "upstream",
                format!("{} answers through the proxy ({status})", instance.upstream),
            ),
            None => Check::broken(
                "upstream",
                format!("no answer from {} through the proxy", instance.upstream),
                "look at `codex-plus logs`",
            ),
        }];
    }
    let hosts: Vec<(String, String)> = match host_and_port(upstream) {
        Some(host) => vec![host],
        None => AUTO
            .map(|(host, port)| (host.to_owned(), port.to_owned()))
            .to_vec(),
    };
    hosts.iter().map(|(host, port)| reach(host, port)).collect()
}

fn reach(host: &str, port: &str) -> Check {
    let began = Instant::now();
    let advice = "check the network; behind a company proxy set HTTPS_PROXY and try again with \
                  the proxy running";
    let addresses = match format!("{host}:{port}").to_socket_addrs() {
        Ok(addresses) => addresses,
        Err(error) => {
            return Check::broken(
                "upstream",
                format!("{host} has no address: {error}"),
                advice,
            );
        }
    };
    for address in addresses {
        if TcpStream::connect_timeout(&address, PATIENCE).is_ok() {
            let time = crate::log::human_time(began.elapsed());
            return Check::good("upstream", format!("{host}:{port} reached in {time} (TCP)"));
        }
    }
    Check::broken(
        "upstream",
        format!("{host}:{port} cannot be reached"),
        advice,
    )
}

/// Host and port of a base URL; `None` for `auto`.
fn host_and_port(upstream: &str) -> Option<(String, String)> {
    let uri: http::Uri = upstream.parse().ok()?;
    let scheme = uri.scheme_str()?;
    let port = uri
        .port_u16()
        .unwrap_or(if scheme == "http" { 80 } else { 443 });
    Some((uri.host()?.to_owned(), port.to_string()))
}
