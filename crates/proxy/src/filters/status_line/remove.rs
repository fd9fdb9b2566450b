//! Takes lines out that are not known by their item's id: the client sends none, or the proxy was
//! started anew since.

use codex_plus_project::status_line::Template;
use codex_plus_wire::request::Role;

use crate::inspection::Inspection;

/// Takes every line that can be told by its look out of the assistant's messages.
pub(super) fn recognised(request: &mut Inspection<'_>, template: &Template) {
    let mut found = Vec::new();
    for item in request.items() {
        if item.role() != Role::Assistant {
            continue;
        }
        let parts = item.text_parts();
        let Some(first) = parts.first() else { continue };
        if let Some((line, rest)) = first.text.split_once("\n\n")
            && template.recognises(line)
        {
            found.push((first.span.clone(), rest.to_owned()));
        }
    }
    let Some(body) = request.body.as_mut().filter(|_| !found.is_empty()) else {
        return;
    };
    for (span, text) in found {
        if let Err(error) = body.set_text(span, &text) {
            tracing::debug!(%error, "a status line stays in the history");
        }
    }
}
