//! The document, taken apart: what to run under each heading, and the checklist at its end.

use std::path::Path;

/// The steps and the checklist.
pub(crate) struct Document {
    /// Headings and their commands, in order.
    steps: Vec<(String, String)>,
    /// What has to hold in the end, in the document's words.
    pub(crate) checklist: Vec<String>,
}

impl Document {
    pub(crate) fn read() -> Self {
        let file = concat!(
            env!("CARGO_MANIFEST_DIR"),
            "/../../docs/performance_test.md"
        );
        Self::parse(&std::fs::read_to_string(Path::new(file)).unwrap())
    }

    fn parse(text: &str) -> Self {
        let (mut steps, mut checklist) = (Vec::new(), Vec::new());
        let mut heading = "";
        let mut code: Option<String> = None;
        for line in text.lines() {
            if let Some(commands) = &mut code {
                if line == "```" {
                    steps.push((heading.to_owned(), code.take().unwrap()));
                } else {
                    commands.push_str(line);
                    commands.push('\n');
                }
            } else if line == "```bash" {
                code = Some(String::new());
            } else if let Some(item) = line.strip_prefix("- [ ] ") {
                checklist.push(item.to_owned());
            } else if line.starts_with('#') {
                heading = line.trim_start_matches(['#', ' ']);
            }
        }
        assert!(code.is_none(), "a block of commands has no end");
        Self { steps, checklist }
    }

    /// The commands under the heading that begins so.
    pub(crate) fn commands(&self, heading: &str) -> &str {
        let mut found = self.steps.iter().filter(|step| step.0.starts_with(heading));
        let step = found.next().expect(heading);
        assert!(found.next().is_none(), "{heading} has more than one block");
        &step.1
    }

    /// How many blocks of commands there are.
    pub(crate) fn len(&self) -> usize {
        self.steps.len()
    }
}
