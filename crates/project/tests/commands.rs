//! Command files as agents' users write them, and what becomes of a prompt that calls one.
#![allow(
    clippy::unwrap_used,
    reason = "a test that cannot set up its folder fails"
)]

mod support;

use std::path::{Path, PathBuf};
use std::sync::Arc;

use codex_plus_project::commands::{Commands, Config, Expansion};
use codex_plus_project::settings::ProjectSettings;
use codex_plus_project::trust::{Trust, TrustNone};
use support::Folder;

/// A project and a home folder.
struct Place {
    _folder: Folder,
    project: PathBuf,
    home: PathBuf,
    config: Config,
}

/// Trusts one content.
struct TrustContent(&'static str);

impl Trust for TrustContent {
    fn status_line(&self, _: &ProjectSettings) -> Option<String> {
        None
    }

    fn command_file(&self, _: &Path, _: &Path, content: &[u8]) -> bool {
        content == self.0.as_bytes()
    }
}

impl Place {
    fn new() -> Self {
        let folder = Folder::new();
        let (project, home) = (folder.path("project"), folder.path("home"));
        std::fs::create_dir_all(project.join(".git")).unwrap();
        std::fs::create_dir_all(&home).unwrap();
        let config = Config::default();
        Self {
            _folder: folder,
            project,
            home,
            config,
        }
    }

    fn write(root: &Path, file: &str, text: &str) {
        let path = root.join(file);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
    }

    fn project(&self, file: &str, text: &str) {
        Self::write(&self.project, file, text);
    }

    fn home(&self, file: &str, text: &str) {
        Self::write(&self.home, file, text);
    }

    fn commands(&self, trust: impl Trust) -> Commands {
        Commands::new(&self.config, Some(self.home.clone()), Arc::new(trust))
    }

    async fn expansion(&self, trust: impl Trust, prompt: &str) -> Option<Expansion> {
        let commands = self.commands(trust);
        let call = commands.invocation(prompt)?;
        commands.expand(&self.project, &call).await.unwrap()
    }

    async fn expand(&self, prompt: &str) -> Option<String> {
        Some(self.expansion(TrustNone, prompt).await?.text)
    }
}

#[tokio::test]
async fn the_first_folder_wins_and_subfolders_are_namespaces() {
    let place = Place::new();
    place.home(".claude/commands/which.md", "home claude");
    assert_eq!(place.expand("/which").await.unwrap(), "home claude");
    place.home(".codexplus/commands/which.md", "home codexplus");
    assert_eq!(place.expand("/which").await.unwrap(), "home codexplus");
    place.project(".claude/commands/which.md", "project claude");
    assert_eq!(place.expand("/which").await.unwrap(), "project claude");
    place.project(".codexplus/commands/which.md", "project codexplus");
    assert_eq!(place.expand(" /which").await.unwrap(), "project codexplus");
    place.project(".claude/commands/git/deep/sync.md", "namespaced");
    assert_eq!(place.expand(":git:deep:sync").await.unwrap(), "namespaced");
    // From a folder below, up to the git root.
    let below = place.project.join("src");
    std::fs::create_dir(&below).unwrap();
    let commands = place.commands(TrustNone);
    let call = commands.invocation("/which").unwrap();
    assert_eq!(
        commands.expand(&below, &call).await.unwrap().unwrap().text,
        "project codexplus"
    );
}

#[tokio::test]
async fn unknown_names_and_other_slashes_are_left_alone() {
    let mut place = Place::new();
    place.project(".claude/commands/known.md", "text");
    for prompt in [
        "/unknown",
        "/usr/bin",
        "see /known",
        "/../known",
        "known",
        "/known:more",
        "/",
    ] {
        assert_eq!(place.expand(prompt).await, None, "{prompt}");
    }
    place.config.prefixes = vec!["!!".into()];
    assert_eq!(place.expand("/known").await, None);
    assert_eq!(place.expand("!!known").await.unwrap(), "text");
    place.config.enabled = false;
    assert_eq!(place.expand("!!known").await, None);
}

#[tokio::test]
async fn arguments_go_where_the_file_says() {
    let place = Place::new();
    let file = "---\ndescription: Review\nargument-hint: [pr] [priority]\n---\n\nReview #$1 with ${2:-normal} care for ${3:-all}. All: $ARGUMENTS.\n";
    place.project(".claude/commands/review.md", file);
    for (prompt, wanted) in [
        (
            "/review 12 'very high'",
            "Review #12 with very high care for all. All: 12 'very high'.",
        ),
        ("/review", "Review # with normal care for all. All: ."),
        ("/review $2 x", "Review #$2 with x care for all. All: $2 x."),
        (
            "/review don't",
            "Review #don't with normal care for all. All: don't.",
        ),
    ] {
        assert_eq!(place.expand(prompt).await.unwrap(), wanted, "{prompt}");
    }
    place.project(".claude/commands/plain.md", "Do it.");
    assert_eq!(place.expand("/plain").await.unwrap(), "Do it.");
    assert_eq!(
        place.expand("/plain now").await.unwrap(),
        "Do it.\n\nARGUMENTS: now"
    );
}

#[tokio::test]
async fn files_inside_the_project_go_along() {
    let mut place = Place::new();
    place.project("src/a.rs", "fn a() {}\n");
    place.project("with space.txt", "spaced");
    place.project("binary", "\u{0}");
    std::fs::write(place.project.join("binary"), [0xff, 0xfe]).unwrap();
    place.home("secret", "s");
    place.project(".git/config", "[remote]");
    std::os::unix::fs::symlink(place.home.join("secret"), place.project.join("link")).unwrap();
    let secret = place.home.join("secret").display().to_string();
    let text = format!(
        "Look at @src/a.rs, @\"with space.txt\" (@$1). Not @nobody, me@src/a.rs, @../home/secret, @link, @binary, @.git/config, @{secret}, @src."
    );
    place.project(".claude/commands/look.md", &text);
    let expanded = place.expand("/look src/a.rs").await.unwrap();
    let attached = expanded
        .strip_prefix(&text.replace("$1", "src/a.rs"))
        .unwrap();
    assert_eq!(
        attached,
        "\n\n<file path=\"src/a.rs\">\nfn a() {}\n</file>\n\n<file path=\"with space.txt\">\nspaced\n</file>"
    );
    place.config.reference = codex_plus_project::quantity::ByteSize::bytes(4);
    let cut = place.expand("/look").await.unwrap();
    assert!(
        cut.contains(
            "<file path=\"src/a.rs\" cut=\"longer than commands.reference\">\nfn a\n</file>"
        ),
        "{cut}"
    );
}

const SHELL: &str = "---\nallowed-tools: Bash(echo:*), Bash(printf:*)\n---\nSay !`echo \"one $1\" \"$ARGUMENTS\"` and !`rm -rf x`.";

#[tokio::test]
async fn shell_lines_take_permission_and_trust() {
    let place = Place::new();
    place.project(".claude/commands/say.md", SHELL);
    let distrusted = place.expansion(TrustNone, "/say hi").await.unwrap();
    assert_eq!(
        distrusted.text,
        "Say !`echo \"one $1\" \"$ARGUMENTS\"` and !`rm -rf x`."
    );
    assert_eq!(distrusted.left.len(), 2);

    // What is in an argument stays an argument.
    let trusted = place
        .expansion(TrustContent(SHELL), "/say 'hi; $(id)' there")
        .await
        .unwrap();
    assert_eq!(
        trusted.text,
        "Say one hi; $(id) 'hi; $(id)' there and !`rm -rf x`."
    );
    assert!(
        trusted.left[0].contains("allowed-tools"),
        "{:?}",
        trusted.left
    );

    // The user's own need no trust; a changed file of a project does.
    place.home(".claude/commands/mine.md", SHELL);
    assert!(
        place
            .expand("/mine x")
            .await
            .unwrap()
            .starts_with("Say one x x and")
    );
    let changed = format!("{SHELL} ");
    place.project(".claude/commands/say.md", &changed);
    let again = place
        .expansion(TrustContent(SHELL), "/say hi")
        .await
        .unwrap();
    assert_eq!(again.left.len(), 2);
}

#[tokio::test]
async fn shell_lines_are_bounded() {
    let mut place = Place::new();
    place.config.timeout = "300ms".parse().unwrap();
    place.config.output = codex_plus_project::quantity::ByteSize::bytes(10);
    let head = "---\nallowed-tools: Bash\n---\n";
    for (name, line, wanted) in [
        ("much", "yes", "!`yes`"),
        (
            "long",
            "printf 123456789012345",
            "1234567890\n(cut: longer than commands.output)",
        ),
        (
            "fails",
            "echo out; echo err >&2; exit 3",
            "out\nerr\n(exit code 3)",
        ),
        ("where", "test -d .claude -o -d .git && echo here", "here"),
    ] {
        place.home(
            &format!(".claude/commands/{name}.md"),
            &format!("{head}!`{line}`"),
        );
        assert_eq!(
            place.expand(&format!("/{name}")).await.unwrap(),
            wanted,
            "{name}"
        );
    }
}

#[tokio::test]
async fn the_output_of_a_shell_line_is_not_expanded_again() {
    let place = Place::new();
    place.project("secret.txt", "s");
    place.home(
        ".claude/commands/x.md",
        "---\nallowed-tools: Bash\n---\n!`echo '$1 @secret.txt ${HOME:-x}'`",
    );
    let text = place.expand("/x argument").await.unwrap();
    assert!(text.starts_with("$1 @secret.txt ${HOME:-x}"), "{text}");
    assert!(!text.contains("<file"), "{text}");
}

#[tokio::test]
async fn a_strangers_file_is_not_told_the_environment() {
    let place = Place::new();
    place.project(".claude/commands/x.md", "${PATH:-nothing}");
    assert_eq!(place.expand("/x").await.unwrap(), "nothing");
    place.home(
        ".claude/commands/y.md",
        "${PATH:-nothing} ${NO_SUCH_VARIABLE:-nothing}",
    );
    let path = std::env::var("PATH").unwrap();
    assert_eq!(place.expand("/y").await.unwrap(), format!("{path} nothing"));
}

#[tokio::test]
async fn what_cannot_be_used_says_so() {
    let mut place = Place::new();
    place.config.file = codex_plus_project::quantity::ByteSize::bytes(100);
    place.config.prompt = codex_plus_project::quantity::ByteSize::bytes(50);
    place.project(".claude/commands/large.md", &"x".repeat(101));
    place.project(".claude/commands/prompt.md", &"x".repeat(60));
    std::fs::write(place.project.join(".claude/commands/latin.md"), [0xe9]).unwrap();
    let commands = place.commands(TrustNone);
    for (prompt, says) in [
        ("/large", "commands.file"),
        ("/prompt", "commands.prompt"),
        ("/latin", "UTF-8"),
    ] {
        let call = commands.invocation(prompt).unwrap();
        let error = commands.expand(&place.project, &call).await.unwrap_err();
        assert!(error.to_string().contains(says), "{error}");
    }
    let (listed, problems) = commands.list(&place.project);
    assert_eq!(listed.len(), 1);
    assert_eq!(problems.len(), 2);
}

#[tokio::test]
async fn links_of_a_project_lead_nowhere() {
    let place = Place::new();
    place.home("outside/x.md", "outside");
    place.project(".claude/commands/keep.md", "kept");
    let commands = place.project.join(".claude/commands");
    std::os::unix::fs::symlink(place.home.join("outside"), commands.join("dir")).unwrap();
    std::os::unix::fs::symlink(place.home.join("outside/x.md"), commands.join("file.md")).unwrap();
    let all = place.commands(TrustNone);
    for prompt in ["/dir:x", "/file"] {
        let call = all.invocation(prompt).unwrap();
        assert!(
            !matches!(all.expand(&place.project, &call).await, Ok(Some(_))),
            "{prompt}"
        );
    }
    let names: Vec<String> = all
        .list(&place.project)
        .0
        .into_iter()
        .map(|it| it.name)
        .collect();
    assert_eq!(names, ["keep"]);
    // One's own may lead into a folder of dotfiles.
    std::fs::create_dir_all(place.home.join(".claude")).unwrap();
    std::os::unix::fs::symlink(
        place.home.join("outside"),
        place.home.join(".claude/commands"),
    )
    .unwrap();
    assert_eq!(place.expand("/x").await.unwrap(), "outside");
}

#[test]
fn commands_are_listed_with_what_they_say() {
    let place = Place::new();
    place.project(".claude/commands/say.md", SHELL);
    place.project(
        ".claude/commands/git/sync.md",
        "---\ndescription: Sync\nargument-hint: [branch]\nmodel: m\n---\nx",
    );
    place.home(".claude/commands/say.md", "hidden by the project's");
    let (listed, problems) = place.commands(TrustNone).list(&place.project);
    assert!(problems.is_empty());
    assert_eq!(listed.len(), 2);
    assert_eq!(
        (listed[0].name.as_str(), listed[0].description.as_deref()),
        ("git:sync", Some("Sync"))
    );
    assert_eq!(listed[0].argument_hint.as_deref(), Some("[branch]"));
    assert!(listed[0].trusted && listed[1].runs_shell && !listed[1].trusted);
    let (listed, _) = place.commands(TrustContent(SHELL)).list(&place.project);
    assert!(listed[1].trusted);
}
