//! A name never leads to another folder, and quoted arguments come back as they were.
#![no_main]

use codex_plus_project::commands::{Invocation, split_arguments};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|prompt: &str| {
    let prefixes = ["/".to_owned(), ":".to_owned()];
    if let Some(call) = Invocation::parse(prompt, &prefixes) {
        assert!(!call.name.contains(['/', '\\', '\0']));
        assert!(call.name.split(':').all(|word| !word.is_empty() && !word.starts_with('.')));
        assert!(prompt.contains(&call.arguments));
        let _ = split_arguments(&call.arguments);
    }
    let words: Vec<String> = prompt.split('\n').map(|word| word.replace('\0', "")).collect();
    let quoted: Vec<String> = words.iter().map(|word| format!("'{}'", word.replace('\'', "'\\''"))).collect();
    assert_eq!(split_arguments(&quoted.join(" ")), words);
});
