//! What starting, restarting and `codex-plus codex` trust.

use codex_plus_stand_in::{Config, StandIn};
use serde_json::json;

use crate::stage::{Client, Over, prompt, python, text_of, turn};
use crate::support::home::Home;
use crate::support::until;

const HOOK: &str = "work/.codexplus/hooks/tag.py";

fn tag(tag: &str) -> String {
    let method = format!("pre_input(self, request, body):\n    body['prompt'] += ' {tag}'");
    python("name: tag\ninput: prompt", &method)
}

struct Daemon {
    provider: StandIn,
    home: Home,
    number: usize,
}

impl Daemon {
    async fn new() -> Self {
        let provider = StandIn::start(Config::default()).await.unwrap();
        let home = Home::new();
        home.write(HOOK, &tag("version-1"));
        Self {
            provider,
            home,
            number: 0,
        }
    }

    /// Runs a command in a folder.
    async fn run(&self, folder: &str, args: &[&str]) {
        let mut command = self.home.codex_plus();
        command.args(args).current_dir(self.home.path(folder));
        command.env("CODEX_PLUS_UPSTREAM", self.provider.base_url());
        let said = tokio::task::spawn_blocking(move || command.output());
        let said = said.await.unwrap().unwrap();
        assert!(said.status.success(), "{args:?} {said:?}");
    }

    /// The words of a new prompt as the provider gets them. The client does not say where it works.
    async fn words(&mut self) -> String {
        self.number += 1;
        let words = prompt(&format!("p{}", self.number), "words");
        let mut client = Client::at(self.home.listen.parse().unwrap(), Over::Stream);
        client.ask(turn(json!([words]))).await;
        let sent = self.provider.received().pop().unwrap().json.unwrap();
        text_of(&sent["input"])
    }

    async fn until(&mut self, wanted: &str) {
        for _ in 0..500 {
            if self.words().await.contains(wanted) {
                return;
            }
            tokio::time::sleep(std::time::Duration::from_millis(10)).await;
        }
        panic!("{wanted} never came: {}", self.home.log());
    }

    async fn told_off(&self, times: usize) {
        let home = &self.home;
        let told = || {
            let log = home.log();
            let lines = log.lines();
            lines
                .filter(|line| line.contains("a hook does not run") && line.contains("tag.py"))
                .count()
        };
        until("the word in the log", || told() >= times).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_changed_since_start_stays_off_over_a_restart_elsewhere() {
    let mut daemon = Daemon::new().await;
    daemon.home.write("elsewhere/keep", "");
    daemon.run("work", &["start"]).await;
    assert!(
        daemon.words().await.contains("version-1"),
        "{}",
        daemon.home.log()
    );
    daemon.home.write(HOOK, &tag("version-2"));
    daemon.told_off(1).await;
    assert!(!daemon.words().await.contains("version-"));
    let old = daemon.home.pid();
    daemon.run("elsewhere", &["restart"]).await;
    assert_ne!(daemon.home.pid(), old);
    assert!(!daemon.words().await.contains("version-"));
    daemon.told_off(2).await;
    // In its own folder it is the user's word for what is there now.
    daemon.run("work", &["restart"]).await;
    assert!(
        daemon.words().await.contains("version-2"),
        "{}",
        daemon.home.log()
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn starting_codex_trusts_nothing() {
    let mut daemon = Daemon::new().await;
    daemon.home.script("bin/codex", "#!/bin/sh\nexit 0\n");
    daemon.run("work", &["codex"]).await;
    assert!(!daemon.words().await.contains("version-1"));
    daemon.told_off(1).await;
    daemon.run("work", &["trust"]).await;
    daemon.until("version-1").await;
    // What was looked at stays so, whoever restarts it.
    daemon.home.write("elsewhere/keep", "");
    daemon.run("elsewhere", &["restart"]).await;
    assert!(
        daemon.words().await.contains("version-1"),
        "{}",
        daemon.home.log()
    );
}
