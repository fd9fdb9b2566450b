//! The body of a command file is the end of its text, and no line runs that is not permitted.

use codex_plus_project::commands::{AllowedTools, Body, Frontmatter};

pub(crate) fn check(data: &[u8]) {
    let text = &*String::from_utf8_lossy(data);
    let (head, body) = Frontmatter::split(text);
    assert!(text.ends_with(body));
    let parsed = Body::parse(body);
    assert_eq!(parsed, Body::parse(body));
    assert!(!parsed.runs_shell() || body.contains("!`"));
    if head == Frontmatter::default() {
        assert!(!head.allowed_tools.permits_shell(body));
    }
    let tools = AllowedTools::parse("Bash(git:*)");
    if tools.permits_shell(body) {
        assert!(
            body.trim_start()
                .trim_start_matches([';', '&', '|', '\n'])
                .trim_start()
                .starts_with("git")
        );
    }
}
