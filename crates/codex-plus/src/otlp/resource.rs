//! Who sends: the resource that all spans and metrics are of.

use opentelemetry_proto::tonic::common::v1::any_value::Value;
use opentelemetry_proto::tonic::common::v1::{AnyValue, InstrumentationScope, KeyValue};
use opentelemetry_proto::tonic::resource::v1::Resource;

use crate::environment::Environment;

/// The resource and the scope, as every request repeats them.
pub(super) struct Origin {
    pub(super) resource: Resource,
    pub(super) scope: InstrumentationScope,
}

impl Origin {
    pub(super) fn new(attributes: Vec<(String, String)>) -> Self {
        let attributes = attributes
            .into_iter()
            .map(|(key, value)| attribute(key, Value::StringValue(value)));
        Self {
            resource: Resource {
                attributes: attributes.collect(),
                ..Resource::default()
            },
            scope: InstrumentationScope {
                name: "codex-plus".to_owned(),
                version: env!("CARGO_PKG_VERSION").to_owned(),
                ..InstrumentationScope::default()
            },
        }
    }
}

/// One attribute.
pub(super) fn attribute(key: impl Into<String>, value: Value) -> KeyValue {
    KeyValue {
        key: key.into(),
        value: Some(AnyValue { value: Some(value) }),
        ..KeyValue::default()
    }
}

/// Our own attributes, then those of `OTEL_RESOURCE_ATTRIBUTES`; `OTEL_SERVICE_NAME` wins.
pub(super) fn attributes(env: &Environment) -> Vec<(String, String)> {
    let text = |name| env.get(name).map(|it| it.to_string_lossy().into_owned());
    let mut all = vec![
        ("service.name".to_owned(), "codex-plus".to_owned()),
        (
            "service.version".to_owned(),
            env!("CARGO_PKG_VERSION").to_owned(),
        ),
        ("process.pid".to_owned(), std::process::id().to_string()),
    ];
    let given = text("OTEL_RESOURCE_ATTRIBUTES").unwrap_or_default();
    let name = text("OTEL_SERVICE_NAME").map(|name| ("service.name".to_owned(), name));
    for (key, value) in pairs(&given).into_iter().chain(name) {
        match all.iter_mut().find(|(known, _)| *known == key) {
            Some((_, old)) => *old = value,
            None => all.push((key, value)),
        }
    }
    all
}

/// `key=value,key=value`, values percent-encoded (W3C Baggage, as OpenTelemetry's variables are).
pub(super) fn pairs(list: &str) -> Vec<(String, String)> {
    let pairs = list.split(',').filter_map(|pair| pair.split_once('='));
    pairs
        .map(|(key, value)| (key.trim().to_owned(), percent_decode(value.trim())))
        .filter(|(key, _)| !key.is_empty())
        .collect()
}

fn percent_decode(text: &str) -> String {
    let mut decoded = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((&first, tail)) = rest.split_first() {
        let digits = tail
            .get(..2)
            .filter(|two| two.iter().all(u8::is_ascii_hexdigit));
        let digits = digits.and_then(|two| std::str::from_utf8(two).ok());
        let byte = digits.and_then(|two| u8::from_str_radix(two, 16).ok());
        match byte {
            Some(byte) if first == b'%' => {
                decoded.push(byte);
                rest = &tail[2..];
            }
            _ => {
                decoded.push(first);
                rest = tail;
            }
        }
    }
    String::from_utf8_lossy(&decoded).into_owned()
}

#[cfg(test)]
mod tests {
    use std::ffi::OsString;

    use super::*;

    #[test]
    fn the_environment_names_the_service() {
        let variables = [
            (
                "OTEL_RESOURCE_ATTRIBUTES",
                "team=a%20b, service.name=x,,=,bad",
            ),
            ("OTEL_SERVICE_NAME", "mine"),
        ];
        let variables = variables.map(|(name, value)| (OsString::from(name), value.into()));
        let env = Environment::new(variables, "/".into());
        let all = attributes(&env);
        let get = |key: &str| all.iter().find(|(known, _)| known == key);
        assert_eq!(get("service.name").unwrap().1, "mine");
        assert_eq!(get("team").unwrap().1, "a b");
        assert_eq!(all.len(), 4);
    }

    #[test]
    fn what_is_no_escape_stays() {
        assert_eq!(percent_decode("100%"), "100%");
        assert_eq!(percent_decode("%zz%41%+1"), "%zzA%+1");
    }
}
