//! What may run, and when a change is live.

use std::fs;
use std::os::unix::fs::symlink;

use serde_json::{Value, json};

use crate::stage::{Client, Over, SETTINGS, Stage, hooks, prompt, python, text_of, turn};
use crate::support::home::Home;
use crate::support::until;

fn tag(name: &str, tag: &str) -> String {
    let method = format!("pre_input(self, request, body):\n    body['prompt'] += ' {tag}'");
    python(&format!("name: {name}\ninput: prompt"), &method)
}

/// A client that works in a folder of its own, where the proxy was not started.
struct Away {
    stage: Stage,
    client: Client,
    number: usize,
}

impl Away {
    async fn new(prepare: impl FnOnce(&Home)) -> Self {
        let stage = Stage::prepared("", |home| {
            home.write("away/.git/HEAD", "");
            home.write("away/.codexplus/keep", "");
            prepare(home);
        })
        .await;
        let mut client = stage.client(Over::Stream);
        let folder = stage.proxy.home().path("away");
        let field = format!("x-working-directory: {}\r\n", folder.display());
        client.fields += &field;
        Self {
            stage,
            client,
            number: 0,
        }
    }

    /// The words of a new prompt as the provider gets them.
    async fn words(&mut self) -> String {
        self.number += 1;
        let words = prompt(&format!("p{}", self.number), "words");
        self.client.ask(turn(json!([words]))).await;
        text_of(self.stage.inputs().last().unwrap())
    }

    /// Asks until the words hold something; the limit only keeps a broken test from hanging.
    async fn until(&mut self, wanted: impl Fn(&str) -> bool) {
        for _ in 0..500 {
            if wanted(&self.words().await) {
                return;
            }
            tokio::time::sleep(std::time::Duration::from_millis(10)).await;
        }
        panic!("it never came: {}", self.stage.proxy.log());
    }

    fn trust(&self) {
        let home = self.home();
        let said = home
            .codex_plus()
            .arg("trust")
            .current_dir(home.path("away"))
            .output();
        let said = said.unwrap();
        assert!(said.status.success(), "{said:?}");
    }

    fn home(&self) -> &Home {
        self.stage.proxy.home()
    }

    fn told(&self, what: &str) -> usize {
        let log = self.stage.proxy.log();
        log.lines()
            .filter(|line| line.contains("a hook does not run") && line.contains(what))
            .count()
    }
}

const HOOK: &str = "away/.codexplus/hooks/tag.py";

#[tokio::test(flavor = "multi_thread")]
async fn a_hook_runs_from_the_moment_it_is_trusted_until_it_changes() {
    let command = hooks(&[("UserPromptSubmit", "", "echo from-settings")]);
    let mut away = Away::new(|home| {
        home.write(HOOK, &tag("tag", "of-project"));
        home.write("away/.codexplus/settings.json", &command);
        home.write("home/.codexplus/hooks/tag.py", &tag("tag", "of-home"));
    })
    .await;
    for _ in 0..2 {
        let words = away.words().await;
        assert!(!words.contains("of-project") && !words.contains("from-settings"));
        // The user's own hook of the same name still runs.
        assert!(words.contains("of-home"), "{words}");
    }
    until("the log", || {
        away.told("tag.py") > 0 && away.told("settings.json") > 0
    })
    .await;
    assert_eq!(away.told("tag.py"), 1, "{}", away.stage.proxy.log());
    assert_eq!(away.told("settings.json"), 1);
    away.trust();
    away.until(|words| words.contains("of-project") && words.contains("from-settings"))
        .await;
    assert!(!away.words().await.contains("of-home"));
    away.home().write(HOOK, &tag("tag", "of-stranger"));
    away.until(|words| words.contains("of-home")).await;
    let sent = text_of(&Value::from(away.stage.inputs()));
    assert!(!sent.contains("of-stranger"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_link_or_another_name_does_not_get_around_trust() {
    let mut away = Away::new(|home| {
        home.write(HOOK, &tag("tag", "of-project"));
    })
    .await;
    away.trust();
    away.until(|words| words.contains("of-project")).await;
    let (home, folder) = (away.home(), away.home().path("away/.codexplus/hooks"));
    let elsewhere = home.write("elsewhere.py", &tag("other", "of-stranger"));
    symlink(&elsewhere, folder.join("link.py")).unwrap();
    fs::rename(folder.join("tag.py"), folder.join("moved.py")).unwrap();
    away.until(|words| !words.contains("of-project")).await;
    // A whole folder of hooks behind a link.
    let home = away.home();
    home.write("stash/hooks/tag.py", &tag("stash", "of-stranger"));
    fs::remove_dir_all(home.path("away/.codexplus")).unwrap();
    symlink(home.path("stash"), home.path("away/.codexplus")).unwrap();
    symlink(home.path("stash"), home.path("away/.claude")).unwrap();
    for _ in 0..20 {
        let words = away.words().await;
        assert!(!words.contains("of-stranger"), "{words}");
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn start_trusts_its_folder_as_it_is_then() {
    let hook = tag("tag", "of-project");
    let stage = Stage::with(&[("work/.codexplus/hooks/tag.py", &hook)]).await;
    let mut client = stage.client(Over::Stream);
    client.ask(turn(json!([prompt("p1", "one")]))).await;
    let log = stage.proxy.log();
    assert!(text_of(&stage.inputs()[0]).contains("of-project"), "{log}");
    let hook = tag("late", "of-late");
    stage
        .proxy
        .home()
        .write("work/.codexplus/hooks/late.py", &hook);
    until("the word in the log", || {
        let log = stage.proxy.log();
        log.lines()
            .any(|line| line.contains("a hook does not run") && line.contains("late.py"))
    })
    .await;
    client.ask(turn(json!([prompt("p2", "two")]))).await;
    assert!(!text_of(&stage.inputs()[1]).contains("of-late"));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_edit_is_live_and_a_broken_file_changes_nothing() {
    let hook = "home/.codexplus/hooks/tag.py";
    let mut away = Away::new(|home| {
        home.write(hook, &tag("tag", "version-1"));
    })
    .await;
    assert!(away.words().await.contains("version-1"));
    away.home().write(hook, &tag("tag", "version-2"));
    away.until(|words| words.contains("version-2")).await;
    let broken = [
        (
            tag("tag", "x").replace("input: prompt", "input: nonsense"),
            "tag.py: line 3: ",
        ),
        (
            tag("tag", "x").replace("import os", "import os, ("),
            "tag.py:5)",
        ),
        (
            tag("tag", "x").replace("import os", "\nraise OSError('no')\nimport os"),
            "tag.py:6)",
        ),
    ];
    for (number, (text, place)) in broken.iter().enumerate() {
        away.home().write(hook, text);
        let log = away.stage.proxy.log().len();
        away.until(|words| words.contains("version-2")).await;
        let (mut told, mut words) = (false, String::new());
        for _ in 0..300 {
            words = away.words().await;
            assert!(words.contains("version-2"), "{number} {words}");
            let news = away.stage.proxy.log().split_off(log);
            told = news.lines().any(|line| {
                line.contains("\"WARN\"") || line.contains("\"ERROR\"")
            } && line.contains(place));
            if told {
                break;
            }
            tokio::time::sleep(std::time::Duration::from_millis(10)).await;
        }
        assert!(told, "{number} {words} {}", away.stage.proxy.log());
        away.home().write(hook, &tag("tag", "version-2"));
        tokio::time::sleep(std::time::Duration::from_millis(100)).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn broken_settings_stay_what_they_were_and_the_line_is_told() {
    let mut away = Away::new(|home| {
        home.write(SETTINGS, &hooks(&[("UserPromptSubmit", "", "echo before")]));
    })
    .await;
    assert!(away.words().await.contains("before"));
    away.home()
        .write(SETTINGS, "{\"hooks\": {\n  \"Stop\": [,]\n}}");
    let mut told = false;
    for _ in 0..500 {
        assert!(away.words().await.contains("before"));
        let log = away.stage.proxy.log();
        let mut problems = log.lines().filter(|line| line.contains("settings.json"));
        told = problems.any(|line| line.contains("settings.json:2") || line.contains("line 2"));
        if told {
            break;
        }
        tokio::time::sleep(std::time::Duration::from_millis(10)).await;
    }
    assert!(told, "{}", away.stage.proxy.log());
    let after = hooks(&[("UserPromptSubmit", "", "echo after")]);
    away.home().write(SETTINGS, &after);
    away.until(|words| words.contains("after")).await;
}

/// A connection that was opened when there were no hooks.
#[tokio::test(flavor = "multi_thread")]
async fn a_new_hook_reaches_a_connection_that_is_open() {
    let stage = Stage::with(&[("home/.codexplus/keep", "")]).await;
    stage.proxy.home().write("home/.codexplus/hooks/keep", "");
    let mut warm = stage.client(Over::Stream);
    // The folder is known now to have no hooks.
    warm.ask(turn(json!([prompt("p0", "zero")]))).await;
    let mut client = stage.client(Over::Socket);
    client.ask(turn(json!([prompt("p1", "one")]))).await;
    let hook = tag("tag", "new-hook");
    stage
        .proxy
        .home()
        .write("home/.codexplus/hooks/tag.py", &hook);
    let mut reopened = 0;
    for number in 2..400 {
        let words = prompt(&format!("p{number}"), "words");
        let said = client.ask(turn(json!([words]))).await;
        if said.events.is_empty() {
            // It was ended between two exchanges; the client opens another, as Codex does.
            reopened += 1;
            assert_eq!(reopened, 1);
            client = stage.client(Over::Socket);
            continue;
        }
        if text_of(stage.inputs().last().unwrap()).contains("new-hook") {
            return;
        }
        tokio::time::sleep(std::time::Duration::from_millis(10)).await;
    }
    panic!("it never ran: {}", stage.proxy.log());
}

#[tokio::test(flavor = "multi_thread")]
async fn the_status_tells_what_is_not_trusted_and_what_is_broken() {
    let mut away = Away::new(|home| {
        home.write(HOOK, &tag("tag", "of-project"));
        home.write(
            "home/.codexplus/hooks/odd.py",
            "---\nname: odd\npriority: high\n---\n",
        );
    })
    .await;
    let status = |away: &Away| {
        let said = away.home().ok(&["status"]);
        said.out + &said.err
    };
    assert!(!status(&away).contains("not trusted"), "{}", status(&away));
    away.words().await;
    let told = status(&away);
    let folder = away.home().path("away").display().to_string();
    let expected = format!("1 hooks of {folder} are not trusted");
    assert!(told.contains(&expected), "{told}");
    assert!(told.contains("codex-plus trust --show"), "{told}");
    assert!(told.contains("odd.py: line 3: "), "{told}");
    let facts = &away.home().status()["proxy"]["hooks"];
    assert_eq!(facts["untrusted"][0]["project"], folder.as_str(), "{facts}");
    let name = facts["untrusted"][0]["hooks"][0].as_str().unwrap();
    assert!(name.ends_with("tag.py"), "{facts}");
    away.trust();
    until("trust", || !status(&away).contains("not trusted")).await;
}
