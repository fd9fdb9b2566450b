//! Codex: found, its version, and what its configuration says about the way to the provider.
//! Everything is read; nothing is written.

use std::net::SocketAddr;
use std::path::Path;

use crate::environment::Environment;

use super::Check;
use super::machine::version;

pub(super) fn codex(env: &Environment, listen: SocketAddr) -> Vec<Check> {
    let program = match crate::commands::codex::find(env) {
        Ok(program) => program,
        Err(error) => return vec![Check::odd("codex", "not found", format!("{error:#}"))],
    };
    let shown = program.display();
    let mut checks = vec![match version(&program) {
        Some(version) => Check::good("codex", format!("{version} at {shown}")),
        None => Check::odd(
            "codex",
            format!("{shown} does not tell its version"),
            "run it by hand, or install it again with `npm install -g @openai/codex`",
        ),
    }];
    if let Some(home) = env.codex_home() {
        checks.extend(configuration(&home.join("config.toml"), listen));
    }
    checks
}

fn configuration(path: &Path, listen: SocketAddr) -> Vec<Check> {
    let shown = path.display();
    let Ok(text) = std::fs::read_to_string(path) else {
        return vec![Check::good(
            "config",
            format!("{shown} is not there; Codex uses its defaults"),
        )];
    };
    match text.parse::<toml::Table>() {
        Ok(config) => judge(&config, listen),
        Err(_) => vec![Check::odd(
            "config",
            format!("{shown} is not valid TOML"),
            "correct it; Codex will refuse it too",
        )],
    }
}

/// What in Codex's configuration decides where its requests go.
fn judge(config: &toml::Table, listen: SocketAddr) -> Vec<Check> {
    let text = |key: &str| config.get(key).and_then(toml::Value::as_str);
    let mut checks = Vec::new();
    match text("openai_base_url") {
        // With such a base a ChatGPT login first asks the provider for its origin and may then
        // go around the proxy (seen with Codex 0.169.0).
        Some(url) if url.trim_end_matches('/').ends_with("/backend-api/codex") => {
            checks.push(Check::broken(
                "config",
                format!("openai_base_url = {url:?} makes Codex go around the proxy"),
                format!("write openai_base_url = \"http://{listen}\", or leave the key out"),
            ));
        }
        Some(url) if goes_to(url, listen) => {
            checks.push(Check::good("config", format!("openai_base_url = {url:?}")));
        }
        Some(url) => checks.push(Check::odd(
            "config",
            format!("openai_base_url = {url:?}: a plain `codex` does not use the proxy"),
            format!("start it with `codex-plus codex`; for that URL as provider, `codex-plus restart --upstream {url}`"),
        )),
        None => checks.push(Check::good(
            "config",
            "openai_base_url is not set; `codex-plus codex` passes it",
        )),
    }
    if let Some(url) = text("chatgpt_base_url") {
        checks.push(Check::odd(
            "config",
            format!("chatgpt_base_url = {url:?} decides where ChatGPT logins are checked"),
            "leave it out, unless your provider told you to set it",
        ));
    }
    checks.extend(provider(config, listen));
    checks
}

/// A custom provider does not heed `openai_base_url`.
fn provider(config: &toml::Table, listen: SocketAddr) -> Option<Check> {
    let profile = config
        .get("profile")
        .and_then(toml::Value::as_str)
        .and_then(|name| config.get("profiles")?.get(name)?.get("model_provider"));
    let name = profile.or_else(|| config.get("model_provider"))?.as_str()?;
    if name == "openai" {
        return None;
    }
    let url = config
        .get("model_providers")
        .and_then(|all| all.get(name)?.get("base_url")?.as_str())
        .unwrap_or_default();
    Some(if goes_to(url, listen) {
        Check::good("config", format!("provider {name} goes through the proxy"))
    } else {
        Check::odd(
            "config",
            format!("provider {name} at {url:?} does not go through the proxy"),
            format!(
                "run `codex-plus restart --upstream {url}` and `codex -c \
                 'model_providers.{name}.base_url=\"http://{listen}\"'`"
            ),
        )
    })
}

/// Whether a base URL leads to the proxy on this machine.
fn goes_to(url: &str, listen: SocketAddr) -> bool {
    let Ok(uri) = url.parse::<http::Uri>() else {
        return false;
    };
    let host = uri.host().unwrap_or_default().trim_matches(['[', ']']);
    let here = host == "localhost"
        || host
            .parse::<std::net::IpAddr>()
            .is_ok_and(|ip| ip.is_loopback() || ip == listen.ip());
    here && uri.port_u16() == Some(listen.port())
}

#[cfg(test)]
mod tests {
    use super::super::Mark;
    use super::*;

    fn marks(config: &str) -> Vec<Mark> {
        let listen = "127.0.0.1:10000".parse().unwrap();
        judge(&config.parse().unwrap(), listen)
            .iter()
            .map(|check| check.mark)
            .collect()
    }

    #[test]
    fn a_base_that_makes_codex_go_around_is_broken() {
        let config = "openai_base_url = 'http://127.0.0.1:10000/backend-api/codex/'";
        assert_eq!(marks(config), [Mark::Broken]);
        assert_eq!(
            marks("openai_base_url = 'http://localhost:10000/v1'"),
            [Mark::Good]
        );
        assert_eq!(
            marks("openai_base_url = 'https://example.com/v1'"),
            [Mark::Odd]
        );
        assert_eq!(marks(""), [Mark::Good]);
    }

    #[test]
    fn a_custom_provider_beside_the_proxy_is_noticed() {
        let provider = "model_provider = 'x'\n[model_providers.x]\nbase_url = ";
        assert_eq!(
            marks(&format!("{provider}'https://x.example/v1'")),
            [Mark::Good, Mark::Odd]
        );
        assert_eq!(
            marks(&format!("{provider}'http://[::1]:10000/v1'")),
            [Mark::Good, Mark::Good]
        );
    }
}
