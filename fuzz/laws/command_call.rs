//! A name never leads to another folder, and quoted arguments come back as they were.

use codex_plus_project::commands::{Invocation, split_arguments};

pub(crate) fn check(data: &[u8]) {
    let prompt = &*String::from_utf8_lossy(data);
    let prefixes = ["/".to_owned(), ":".to_owned()];
    if let Some(call) = Invocation::parse(prompt, &prefixes) {
        assert!(!call.name.contains(['/', '\\', '\0']));
        assert!(
            call.name
                .split(':')
                .all(|word| !word.is_empty() && !word.starts_with('.'))
        );
        assert!(prompt.contains(&call.arguments));
        let _ = split_arguments(&call.arguments);
    }
    let words: Vec<String> = prompt
        .split('\n')
        .map(|word| word.replace('\0', ""))
        .collect();
    let quoted: Vec<String> = words
        .iter()
        .map(|word| format!("'{}'", word.replace('\'', "'\\''")))
        .collect();
    assert_eq!(split_arguments(&quoted.join(" ")), words);
}
