//! HTTP hooks: a POST of the same JSON that a command reads.

use std::collections::BTreeMap;
use std::error::Error as _;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::header::{ACCEPT, CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue};
use http::{Method, Request, Uri};
use http_body_util::{BodyExt as _, Full, Limited};
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::{TokioExecutor, TokioTimer};
use rustls::{ClientConfig, RootCertStore};
use tokio::sync::OnceCell;

use crate::output::{HookFailure, RawOutput};

/// Idle connections are kept this long, and this many to each server.
const IDLE_FOR: Duration = Duration::from_secs(30);
const IDLE_CONNECTIONS: usize = 8;

type Pool<C> = Client<C, Full<Bytes>>;

/// Asks HTTP hooks, over connections that are kept.
#[derive(Debug)]
pub struct HttpRunner {
    plain: Pool<HttpConnector>,
    /// Made when first needed: reading the system's authorities takes milliseconds.
    tls: OnceCell<Pool<HttpsConnector<HttpConnector>>>,
}

/// Everything an HTTP hook is run with.
#[derive(Debug, Clone)]
pub struct HttpRun<'a> {
    /// Where to.
    pub url: &'a str,
    /// Header values, in which `$NAME` and `${NAME}` stand for allowed variables.
    pub headers: &'a BTreeMap<String, String>,
    /// The environment variables that may be sent.
    pub allowed_env_vars: &'a [String],
    /// The JSON.
    pub input: Bytes,
    /// How long it may take, connecting included.
    pub timeout: Duration,
    /// Largest answer, in bytes.
    pub output_limit: usize,
}

impl Default for HttpRunner {
    fn default() -> Self {
        let mut connector = HttpConnector::new();
        connector.set_nodelay(true);
        Self {
            plain: pool(connector),
            tls: OnceCell::new(),
        }
    }
}

impl HttpRunner {
    /// Asks a hook. Redirects are not followed: the input is for the server that was named.
    pub async fn run(&self, run: HttpRun<'_>) -> Result<RawOutput, HookFailure> {
        let timeout = run.timeout;
        tokio::time::timeout(timeout, self.ask(run))
            .await
            .unwrap_or(Err(HookFailure::Timeout(timeout)))
    }

    async fn ask(&self, run: HttpRun<'_>) -> Result<RawOutput, HookFailure> {
        let unusable = |_| HookFailure::Unreachable("its url is not usable");
        let uri: Uri = run.url.parse().map_err(unusable)?;
        let scheme = uri.scheme_str().map(str::to_owned);
        let mut request = Request::new(Full::new(run.input));
        *request.method_mut() = Method::POST;
        *request.uri_mut() = uri;
        *request.headers_mut() = headers(run.headers, run.allowed_env_vars)?;
        let sent = match scheme.as_deref() {
            Some("http") => self.plain.request(request).await,
            Some("https") => {
                let made = self.tls.get_or_try_init(secure).await;
                let failed = |()| HookFailure::Unreachable("TLS cannot be set up");
                made.map_err(failed)?.request(request).await
            }
            _ => {
                return Err(HookFailure::Unreachable(
                    "its url is neither http nor https",
                ));
            }
        };
        let answer = sent.map_err(|error| HookFailure::Unreachable(broken(&error)))?;
        let status = answer.status();
        if !status.is_success() {
            return Err(HookFailure::Status(status.as_u16()));
        }
        let body = Limited::new(answer.into_body(), run.output_limit);
        let body = body.collect().await.map_err(|error| {
            if error.is::<http_body_util::LengthLimitError>() {
                HookFailure::TooLarge
            } else {
                HookFailure::Unreachable("the answer broke off")
            }
        })?;
        json(body.to_bytes())
    }
}

/// What became of a request without an answer.
fn broken(error: &hyper_util::client::legacy::Error) -> &'static str {
    let cause = error
        .source()
        .and_then(|e| e.downcast_ref::<hyper::Error>());
    if error.is_connect() {
        "no connection"
    } else if cause.is_some_and(hyper::Error::is_parse) {
        "its answer is not HTTP"
    } else {
        "the connection broke"
    }
}

/// A URL as logs may show it: user information, query and fragment often hold keys.
pub(crate) fn without_secrets(url: &str) -> String {
    let shown = url.split(['?', '#']).next().unwrap_or_default();
    let Some((scheme, rest)) = shown.split_once("://") else {
        return shown.to_owned();
    };
    let end = rest.find('/').unwrap_or(rest.len());
    let (authority, path) = rest.split_at(end);
    let host = authority.rsplit('@').next().unwrap_or_default();
    format!("{scheme}://{host}{path}")
}

/// An answer is empty or a JSON object; text is not taken for context here.
fn json(body: Bytes) -> Result<RawOutput, HookFailure> {
    let text = body.trim_ascii();
    if !text.is_empty() && !text.starts_with(b"{") {
        return Err(HookFailure::Json { line: 1, column: 1 });
    }
    Ok(RawOutput {
        code: Some(0),
        stdout: body.into(),
        ..RawOutput::default()
    })
}

fn headers(
    written: &BTreeMap<String, String>,
    allowed: &[String],
) -> Result<HeaderMap, HookFailure> {
    let mut headers = HeaderMap::new();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    headers.insert(ACCEPT, HeaderValue::from_static("application/json"));
    for (name, value) in written {
        let unusable = HookFailure::Unreachable("one of its headers is not usable");
        let value = expand(value, allowed, |name| std::env::var(name).ok());
        let (Ok(name), Ok(mut value)) = (name.parse::<HeaderName>(), value.parse::<HeaderValue>())
        else {
            return Err(unusable);
        };
        value.set_sensitive(true);
        headers.insert(name, value);
    }
    Ok(headers)
}

/// Puts in the allowed variables; any other one becomes nothing.
fn expand(text: &str, allowed: &[String], env: impl Fn(&str) -> Option<String>) -> String {
    let mut expanded = String::new();
    let mut rest = text;
    while let Some((before, after)) = rest.split_once('$') {
        expanded.push_str(before);
        let braced = after.strip_prefix('{').and_then(|s| s.split_once('}'));
        let (name, tail) = braced.unwrap_or_else(|| {
            let is_name = |c: char| c.is_ascii_alphanumeric() || c == '_';
            after.split_at(after.find(|c| !is_name(c)).unwrap_or(after.len()))
        });
        if name.is_empty() {
            expanded.push('$');
        } else if allowed.iter().any(|allowed| allowed == name) {
            expanded.push_str(&env(name).unwrap_or_default());
        }
        rest = tail;
    }
    expanded + rest
}

fn pool<C>(connector: C) -> Pool<C>
where
    C: hyper_util::client::legacy::connect::Connect + Clone,
{
    Client::builder(TokioExecutor::new())
        .pool_timer(TokioTimer::new())
        .pool_idle_timeout(IDLE_FOR)
        .pool_max_idle_per_host(IDLE_CONNECTIONS)
        .build(connector)
}

async fn secure() -> Result<Pool<HttpsConnector<HttpConnector>>, ()> {
    let config = tokio::task::spawn_blocking(tls).await.map_err(drop)??;
    let mut connector = HttpConnector::new();
    connector.enforce_http(false);
    connector.set_nodelay(true);
    let connector = HttpsConnectorBuilder::new()
        .with_tls_config(config)
        .https_only()
        .enable_http1()
        .enable_http2()
        .wrap_connector(connector);
    Ok(pool(connector))
}

fn tls() -> Result<ClientConfig, ()> {
    let mut roots = RootCertStore::empty();
    roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let config =
        ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions();
    Ok(config
        .map_err(drop)?
        .with_root_certificates(roots)
        .with_no_client_auth())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn urls_are_shown_without_what_may_be_a_key() {
        for (url, shown) in [
            ("http://localhost:8080/a/b", "http://localhost:8080/a/b"),
            ("https://me:key@host/a?key=1#2", "https://host/a"),
            ("https://me:k@y@host?at=a/b@c", "https://host"),
            ("http://host/@user?x", "http://host/@user"),
            ("nothing?key", "nothing"),
            ("", ""),
        ] {
            assert_eq!(without_secrets(url), shown);
        }
    }

    #[test]
    fn only_allowed_variables_are_put_in() {
        let env = |name: &str| Some(format!("<{name}>"));
        let cases = [
            ("Bearer $A", "Bearer <A>"),
            ("${A}x$A", "<A>x<A>"),
            ("$B|${B}|$AB", "||"),
            ("$ 5$", "$ 5$"),
            ("${A", "${A"),
            ("plain", "plain"),
        ];
        for (text, wanted) in cases {
            assert_eq!(expand(text, &["A".to_owned()], env), wanted, "{text}");
        }
    }
}
