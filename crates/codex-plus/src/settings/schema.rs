//! The JSON schema of the settings file, as published in `docs/config.schema.json`.

use serde_json::Value;

use super::Settings;

/// The schema's text.
pub(crate) fn schema_text() -> String {
    let schema = schemars::generate::SchemaSettings::draft07()
        .into_generator()
        .into_root_schema_for::<Settings>();
    let mut schema = schema.to_value();
    if let Value::Object(root) = &mut schema {
        root.insert("title".into(), "Codex-Plus settings".into());
        root.remove("required");
        root.remove("unevaluatedProperties");
        root.insert("additionalProperties".into(), Value::Bool(false));
    }
    let mut text = format!("{schema:#}");
    text.push('\n');
    text
}
