//! Refuses what must not enter: before anything is read, dialled or logged as an exchange.
//!
//! The proxy adds a user's network position to every request, so a web page (a plain cross-site
//! POST, or DNS rebinding) must not be able to speak to it, and a path must mean upstream what it
//! means here.

use std::net::{IpAddr, SocketAddr};

use http::request::Parts;
use http::{HeaderMap, Method, StatusCode, Version, header};

use crate::config;
use crate::headers::TOKEN_HEADER;

/// Why a request was kept out.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Refusal {
    #[error(
        "Codex-Plus is not a forward proxy: CONNECT is refused. Use its address as the base URL instead."
    )]
    Connect,
    #[error(
        "Codex-Plus takes a path, not a whole URL, in the request line. Use its address as the base URL instead of as an HTTP proxy."
    )]
    AbsoluteForm,
    #[error("The request path holds {0}, which could mean another path to the upstream.")]
    Path(&'static str),
    #[error("The transfer coding {0:?} is not known here; send the body plain or `chunked`.")]
    TransferCoding(String),
    #[error("The request must carry exactly one Host header.")]
    HostCount,
    #[error("Host {0:?} is not this proxy; add it to `guard.allowed_hosts` if it is meant.")]
    Host(String),
    #[error(
        "Web pages from {0:?} may not call this proxy; add the origin to `guard.allowed_origins` if it is meant."
    )]
    Origin(String),
    #[error(
        "This proxy listens beyond loopback: send its token in the `x-codex-plus-token` header."
    )]
    Token,
}

impl Refusal {
    pub(crate) fn status(&self) -> StatusCode {
        match self {
            Self::Host(_) | Self::Origin(_) | Self::Token => StatusCode::FORBIDDEN,
            // RFC 9112, 6.1.
            Self::TransferCoding(_) => StatusCode::NOT_IMPLEMENTED,
            _ => StatusCode::BAD_REQUEST,
        }
    }

    /// Whether others could see the end of the request elsewhere than we do.
    pub(crate) fn leaves_end_in_doubt(&self) -> bool {
        matches!(self, Self::TransferCoding(_) | Self::Connect)
    }

    pub(crate) fn code(&self) -> &'static str {
        match self {
            Self::Connect => "connect_refused",
            Self::AbsoluteForm => "absolute_form_refused",
            Self::Path(_) => "path_refused",
            Self::TransferCoding(_) => "transfer_coding_refused",
            Self::HostCount => "host_count",
            Self::Host(_) => "host_refused",
            Self::Origin(_) => "origin_refused",
            Self::Token => "token_required",
        }
    }
}

/// The rules, made once from the configuration.
#[derive(Debug, Clone)]
pub(crate) struct Guard {
    token: Option<String>,
    hosts: Vec<String>,
    origins: Vec<String>,
}

impl Guard {
    /// `listen` is the bound address: pages served from it count as our own.
    pub(crate) fn new(config: &config::Guard, listen: SocketAddr) -> Self {
        let port = listen.port();
        let own = ["localhost", "127.0.0.1", "[::1]"];
        let mut origins: Vec<String> = own.iter().map(|h| format!("http://{h}:{port}")).collect();
        origins.extend(
            config
                .allowed_origins
                .iter()
                .map(|o| o.trim_end_matches('/').to_owned()),
        );
        Self {
            // An empty token is known to everyone: it is none.
            token: config.token.clone().filter(|token| !token.is_empty()),
            hosts: config
                .allowed_hosts
                .iter()
                .map(|h| h.to_ascii_lowercase())
                .collect(),
            origins,
        }
    }

    /// Lets a request in or says why not.
    pub(crate) fn admit(&self, parts: &Parts) -> Result<(), Refusal> {
        if parts.method == Method::CONNECT {
            return Err(Refusal::Connect);
        }
        // An HTTP/2 target always has scheme and authority (RFC 9113, 8.3.1).
        if parts.version < Version::HTTP_2 && parts.uri.scheme().is_some() {
            return Err(Refusal::AbsoluteForm);
        }
        check_path(parts.uri.path())?;
        check_transfer_coding(&parts.headers)?;
        // Whoever knows the token is not a web page: Host and Origin say nothing more.
        if let Some(token) = &self.token {
            return check_token(token, &parts.headers);
        }
        self.check_host(parts)?;
        self.check_origin(&parts.headers)
    }

    fn check_host(&self, parts: &Parts) -> Result<(), Refusal> {
        let mut hosts = parts.headers.get_all(header::HOST).iter();
        let named = match (hosts.next(), hosts.next(), parts.uri.authority()) {
            (Some(host), None, _) => host.to_str().map_err(|_| Refusal::HostCount)?,
            (None, None, Some(authority)) => authority.as_str(),
            _ => return Err(Refusal::HostCount),
        };
        let name = without_port(named);
        if is_loopback_name(name) || self.hosts.iter().any(|h| h.eq_ignore_ascii_case(name)) {
            return Ok(());
        }
        Err(Refusal::Host(named.chars().take(100).collect()))
    }

    fn check_origin(&self, headers: &HeaderMap) -> Result<(), Refusal> {
        for origin in headers.get_all(header::ORIGIN) {
            let origin = origin.to_str().unwrap_or("not readable");
            if !self.origins.iter().any(|o| o.eq_ignore_ascii_case(origin)) {
                return Err(Refusal::Origin(origin.chars().take(100).collect()));
            }
        }
        // Browsers leave Origin out of plain GETs but say so here (Fetch Metadata).
        if !headers.contains_key(header::ORIGIN)
            && let Some(site) = headers.get("sec-fetch-site")
            && !matches!(site.as_bytes(), b"none" | b"same-origin")
        {
            return Err(Refusal::Origin("another site".to_owned()));
        }
        Ok(())
    }
}

/// Compares without telling, by its time, how much of the token was right.
fn check_token(token: &str, headers: &HeaderMap) -> Result<(), Refusal> {
    let given = headers
        .get(&TOKEN_HEADER)
        .map_or(&b""[..], |v| v.as_bytes());
    let differs = given.len() != token.len()
        || token
            .bytes()
            .zip(given)
            .fold(0, |sum, (a, b)| sum | (a ^ b))
            != 0;
    if differs { Err(Refusal::Token) } else { Ok(()) }
}

/// Transfer codings end with us, so what we cannot undo would be lost on the upstream.
fn check_transfer_coding(headers: &HeaderMap) -> Result<(), Refusal> {
    let mut codings = headers.get_all(header::TRANSFER_ENCODING).iter();
    match (codings.next(), codings.next()) {
        (None, _) => Ok(()),
        (Some(coding), None) if coding.as_bytes().eq_ignore_ascii_case(b"chunked") => Ok(()),
        (Some(coding), _) => {
            let shown = coding.to_str().unwrap_or("not readable");
            Err(Refusal::TransferCoding(shown.chars().take(100).collect()))
        }
    }
}

fn check_path(path: &str) -> Result<(), Refusal> {
    if !path.starts_with('/') {
        return Err(Refusal::Path("no leading slash"));
    }
    if !path
        .bytes()
        .any(|b| matches!(b, b'%' | b'.' | b'\\') || b.is_ascii_control())
    {
        return Ok(());
    }
    let decoded = percent_decode(path.as_bytes());
    if decoded.iter().any(u8::is_ascii_control) {
        return Err(Refusal::Path("a control character"));
    }
    let mut segments = decoded.split(|b| matches!(b, b'/' | b'\\'));
    if segments.any(|s| s == b"." || s == b"..") {
        return Err(Refusal::Path("a dot segment"));
    }
    Ok(())
}

/// One round of percent-decoding, as an upstream would do; what is no escape stays.
fn percent_decode(path: &[u8]) -> Vec<u8> {
    let mut decoded = Vec::with_capacity(path.len());
    let mut rest = path;
    while let Some((&first, tail)) = rest.split_first() {
        if first == b'%'
            && let [high, low, after @ ..] = tail
            && let (Some(high), Some(low)) = (hex(*high), hex(*low))
        {
            decoded.push(high << 4 | low);
            rest = after;
        } else {
            decoded.push(first);
            rest = tail;
        }
    }
    decoded
}

fn hex(digit: u8) -> Option<u8> {
    char::from(digit)
        .to_digit(16)
        .and_then(|d| u8::try_from(d).ok())
}

fn without_port(host: &str) -> &str {
    match host.rsplit_once(':') {
        Some((name, port)) if port.bytes().all(|b| b.is_ascii_digit()) && !name.ends_with(':') => {
            if name.contains(':') && !name.ends_with(']') {
                host
            } else {
                name
            }
        }
        _ => host,
    }
}

fn is_loopback_name(name: &str) -> bool {
    name.eq_ignore_ascii_case("localhost")
        || name
            .trim_start_matches('[')
            .trim_end_matches(']')
            .parse::<IpAddr>()
            .is_ok_and(|ip| ip.is_loopback())
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::Request;

    fn admit(request: http::request::Builder) -> Result<(), Refusal> {
        let guard = Guard::new(
            &config::Guard::default(),
            "127.0.0.1:10000".parse().unwrap(),
        );
        guard.admit(&request.body(()).unwrap().into_parts().0)
    }

    fn with_host(host: &str) -> Result<(), Refusal> {
        admit(Request::post("/responses").header("host", host))
    }

    #[test]
    fn knows_its_own_names() {
        for host in [
            "localhost",
            "localhost:10000",
            "127.0.0.1:1",
            "127.8.8.8",
            "[::1]:10000",
            "LOCALHOST",
        ] {
            assert_eq!(with_host(host), Ok(()), "{host}");
        }
        for host in [
            "evil.example",
            "localhost.evil.example",
            "127.0.0.1.nip.io",
            "192.168.0.1",
            "",
            "10.0.0.1:10000",
        ] {
            assert!(matches!(with_host(host), Err(Refusal::Host(_))), "{host}");
        }
        assert_eq!(admit(Request::get("/")), Err(Refusal::HostCount));
        let twice = Request::get("/")
            .header("host", "localhost")
            .header("host", "localhost");
        assert_eq!(admit(twice), Err(Refusal::HostCount));
    }

    #[test]
    fn refuses_paths_that_could_be_read_twice() {
        for path in [
            "/a/../b",
            "/..",
            "/./a",
            "/%2e%2e/a",
            "/a/%2E",
            "/a%2f..%2fb",
            "/a%5c..",
            "/%00",
            "/a%0d%0ab",
            "/%7f",
        ] {
            let request = Request::get(path).header("host", "localhost");
            assert!(matches!(admit(request), Err(Refusal::Path(_))), "{path}");
        }
        for path in [
            "/",
            "/v1/responses",
            "/a.b/..c/%20",
            "/models?x=%0a..",
            "/100%",
            "/%zz",
        ] {
            assert_eq!(
                admit(Request::get(path).header("host", "localhost")),
                Ok(()),
                "{path}"
            );
        }
    }

    #[test]
    fn knows_one_transfer_coding() {
        let with = |coding: &str| {
            let request = Request::post("/responses").header("host", "localhost");
            admit(request.header("transfer-encoding", coding))
        };
        assert_eq!((with("chunked"), with("Chunked")), (Ok(()), Ok(())));
        for coding in ["gzip, chunked", "gzip", "identity", "chunked, chunked"] {
            assert!(
                matches!(with(coding), Err(Refusal::TransferCoding(_))),
                "{coding}"
            );
        }
    }

    #[test]
    fn keeps_web_pages_out() {
        let from = |name: &str, value: &str| {
            admit(
                Request::post("/responses")
                    .header("host", "localhost")
                    .header(name, value),
            )
        };
        for origin in [
            "http://evil.example",
            "null",
            "http://localhost:3000",
            "https://localhost:10000",
        ] {
            assert!(
                matches!(from("origin", origin), Err(Refusal::Origin(_))),
                "{origin}"
            );
        }
        assert_eq!(from("origin", "http://localhost:10000"), Ok(()));
        assert!(from("sec-fetch-site", "cross-site").is_err());
        assert_eq!(from("sec-fetch-site", "none"), Ok(()));
    }

    #[test]
    fn an_empty_token_opens_nothing() {
        let config = config::Guard {
            token: Some(String::new()),
            ..Default::default()
        };
        let guard = Guard::new(&config, "127.0.0.1:10000".parse().unwrap());
        let request = Request::get("/").header("host", "evil.example");
        let head = request.body(()).unwrap().into_parts().0;
        assert!(matches!(guard.admit(&head), Err(Refusal::Host(_))));
    }

    #[test]
    fn asks_for_the_token_when_there_is_one() {
        let config = config::Guard {
            token: Some("s3cret".into()),
            ..Default::default()
        };
        let guard = Guard::new(&config, "0.0.0.0:10000".parse().unwrap());
        let given = |token: &str| {
            let request = Request::get("/")
                .header("host", "box.lan")
                .header(&TOKEN_HEADER, token);
            guard.admit(&request.body(()).unwrap().into_parts().0)
        };
        assert_eq!(given("s3cret"), Ok(()));
        for wrong in ["", "s3cre", "s3creT", "s3cret1"] {
            assert_eq!(given(wrong), Err(Refusal::Token));
        }
    }
}
