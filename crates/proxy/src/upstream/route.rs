//! Where an exchange goes: which provider, and what its path is called there.

use std::net::{IpAddr, SocketAddr};

use http::request::Parts;
use http::uri::{Authority, PathAndQuery, Scheme};
use http::{HeaderMap, Uri};

/// The provider of API keys.
const API_BASE: &str = "https://api.openai.com/v1";
/// The provider of `ChatGPT` logins (seen with Codex 0.169.0).
const CHATGPT_BASE: &str = "https://chatgpt.com/backend-api/codex";
/// Sent by Codex with a `ChatGPT` login only (seen with 0.169.0).
const CHATGPT_HEADER: &str = "chatgpt-account-id";

/// An upstream setting that cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum UpstreamError {
    /// Not a URL we can send to.
    #[error("upstream {0:?} is not a usable URL; write `auto` or a base URL such as {API_BASE}")]
    Url(String),
    /// Keys would travel unencrypted.
    #[error(
        "upstream {0:?} is plain http beyond this machine: use https, or set `tls.allow_plain_http = true`"
    )]
    PlainHttp(String),
    /// Every request would come straight back.
    #[error("upstream {0:?} is this proxy itself; set `upstream` to the provider, or to `auto`")]
    Itself(String),
}

/// One base URL.
#[derive(Debug, Clone)]
pub(crate) struct BaseUrl {
    scheme: Scheme,
    authority: Authority,
    /// Without a trailing slash; empty for the root.
    path: String,
}

/// Which base URL an exchange goes to.
#[derive(Debug, Clone)]
pub(crate) enum Route {
    /// By the kind of login.
    Auto { api: BaseUrl, chatgpt: BaseUrl },
    /// Always the same.
    Fixed(BaseUrl),
}

impl Route {
    /// Reads the `upstream` setting; `listen` is the proxy's own address.
    pub(crate) fn new(
        setting: &str,
        listen: SocketAddr,
        allow_plain_http: bool,
    ) -> Result<Self, UpstreamError> {
        if setting == "auto" {
            return Ok(Self::Auto {
                api: base(API_BASE)?,
                chatgpt: base(CHATGPT_BASE)?,
            });
        }
        let fixed = base(setting)?;
        let host = fixed.authority.host();
        if fixed.scheme == Scheme::HTTP && !is_loopback(host) && !allow_plain_http {
            return Err(UpstreamError::PlainHttp(setting.to_owned()));
        }
        if is_own(&fixed, listen) {
            return Err(UpstreamError::Itself(setting.to_owned()));
        }
        Ok(Self::Fixed(fixed))
    }

    /// Whether TLS is ever needed.
    pub(crate) fn needs_tls(&self) -> bool {
        match self {
            Self::Auto { .. } => true,
            Self::Fixed(base) => base.scheme == Scheme::HTTPS,
        }
    }

    /// The URL upstream of a request to the proxy.
    pub(crate) fn target(&self, parts: &Parts) -> Result<Uri, UpstreamError> {
        let base = self.base(&parts.headers);
        let path = without_client_base(parts.uri.path());
        let query = parts.uri.query().map(|q| ("?", q)).unwrap_or_default();
        let target = [base.path.as_str(), path, query.0, query.1].concat();
        let target = if target.is_empty() {
            "/".to_owned()
        } else {
            target
        };
        let bad = || UpstreamError::Url(parts.uri.path().to_owned());
        let path_and_query = PathAndQuery::from_maybe_shared(target).map_err(|_| bad())?;
        Uri::builder()
            .scheme(base.scheme.clone())
            .authority(base.authority.clone())
            .path_and_query(path_and_query)
            .build()
            .map_err(|_| bad())
    }

    fn base(&self, headers: &HeaderMap) -> &BaseUrl {
        match self {
            Self::Fixed(base) => base,
            Self::Auto { chatgpt, .. } if headers.contains_key(CHATGPT_HEADER) => chatgpt,
            Self::Auto { api, .. } => api,
        }
    }
}

fn base(url: &str) -> Result<BaseUrl, UpstreamError> {
    let bad = || UpstreamError::Url(without_login(url));
    let parts = url.parse::<Uri>().map_err(|_| bad())?.into_parts();
    let (Some(scheme), Some(authority)) = (parts.scheme, parts.authority) else {
        return Err(bad());
    };
    let path = parts
        .path_and_query
        .map(|p| (p.path().to_owned(), p.query().is_some()));
    let (path, has_query) = path.unwrap_or_default();
    let known = scheme == Scheme::HTTP || scheme == Scheme::HTTPS;
    // A login in the URL would end up in logs, and HTTP clients drop it anyway.
    if !known || has_query || authority.as_str().contains('@') || authority.host().is_empty() {
        return Err(bad());
    }
    Ok(BaseUrl {
        scheme,
        authority,
        path: path.trim_end_matches('/').to_owned(),
    })
}

/// A URL as it may be shown: a login in it stays out of terminals and logs.
fn without_login(url: &str) -> String {
    match (url.find("://"), url.rfind('@')) {
        (Some(scheme), Some(at)) if scheme + 3 <= at => {
            [&url[..scheme + 3], "***", &url[at..]].concat()
        }
        (None, Some(at)) => ["***", &url[at..]].concat(),
        _ => url.to_owned(),
    }
}

/// A leading `/v1` is part of the base URL the client was given, not of the provider's path.
fn without_client_base(path: &str) -> &str {
    match path.strip_prefix("/v1") {
        Some(rest) if rest.is_empty() || rest.starts_with('/') => rest,
        _ if path == "/" => "",
        _ => path,
    }
}

fn is_own(base: &BaseUrl, listen: SocketAddr) -> bool {
    let default = if base.scheme == Scheme::HTTPS {
        443
    } else {
        80
    };
    let same_port = base.authority.port_u16().unwrap_or(default) == listen.port();
    let host = base.authority.host().trim_matches(['[', ']']);
    let same_host = is_loopback(host)
        || host
            .parse::<IpAddr>()
            .is_ok_and(|ip| ip == listen.ip() || ip.is_unspecified());
    same_port && same_host
}

/// Whether a host name can only be this machine.
pub(crate) fn is_loopback(host: &str) -> bool {
    host.eq_ignore_ascii_case("localhost")
        || host
            .trim_matches(['[', ']'])
            .parse::<IpAddr>()
            .is_ok_and(|ip| ip.is_loopback())
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::Request;

    const LISTEN: SocketAddr = SocketAddr::new(IpAddr::V4(std::net::Ipv4Addr::LOCALHOST), 10_000);

    fn target(upstream: &str, path: &str, header: Option<&str>) -> String {
        let mut request = Request::get(path);
        if let Some(name) = header {
            request = request.header(name, "x");
        }
        let parts = request.body(()).unwrap().into_parts().0;
        Route::new(upstream, LISTEN, false)
            .unwrap()
            .target(&parts)
            .unwrap()
            .to_string()
    }

    #[test]
    fn the_login_decides_and_v1_is_the_clients() {
        for path in ["/responses", "/v1/responses"] {
            assert_eq!(
                target("auto", path, None),
                "https://api.openai.com/v1/responses"
            );
            assert_eq!(
                target("auto", path, Some("chatgpt-account-id")),
                "https://chatgpt.com/backend-api/codex/responses"
            );
        }
        assert_eq!(
            target("auto", "/v1/models?a=b&c", None),
            "https://api.openai.com/v1/models?a=b&c"
        );
        assert_eq!(
            target("auto", "/v10/x", None),
            "https://api.openai.com/v1/v10/x"
        );
    }

    #[test]
    fn a_fixed_upstream_keeps_its_path() {
        assert_eq!(
            target("http://127.0.0.1:9/v1/", "/v1/responses", None),
            "http://127.0.0.1:9/v1/responses"
        );
        assert_eq!(
            target("http://127.0.0.1:9", "/v1/responses", None),
            "http://127.0.0.1:9/responses"
        );
        assert_eq!(
            target("http://localhost:9", "/", None),
            "http://localhost:9/"
        );
        assert_eq!(
            target("https://host/base", "/v1", None),
            "https://host/base"
        );
        assert_eq!(
            target("https://host/b", "//a//b/", None),
            "https://host/b//a//b/"
        );
    }

    #[test]
    fn refuses_upstreams_that_cannot_work() {
        let new = |url: &str| Route::new(url, LISTEN, false).map(|_| ());
        for url in [
            "",
            "api.openai.com",
            "ftp://host",
            "https://user:pw@host",
            "https://host/?q=1",
            "/v1",
        ] {
            assert!(matches!(new(url), Err(UpstreamError::Url(_))), "{url}");
        }
        let login = new("https://user:pw@host/v1").unwrap_err().to_string();
        assert!(
            login.contains("https://***@host") && !login.contains("pw"),
            "{login}"
        );
        assert!(matches!(
            new("http://api.openai.com/v1"),
            Err(UpstreamError::PlainHttp(_))
        ));
        for url in [
            "http://127.0.0.1:10000",
            "http://localhost:10000/v1",
            "http://[::1]:10000",
            "https://127.9.9.9:10000",
        ] {
            assert!(matches!(new(url), Err(UpstreamError::Itself(_))), "{url}");
        }
        assert!(Route::new("http://host.lan", LISTEN, true).is_ok());
    }
}
