//! The end of it all, without a trace.

use std::collections::BTreeMap;

use crate::home::Home;
use crate::{BINARY, everything, lived_in};

#[test]
fn uninstall_leaves_the_home_as_it_was() {
    let home = lived_in();
    home.write("work/.codexplus/settings.json", "{\"hooks\": {}}\n");
    let before = everything(&home.path("home"));
    home.ok(&["start"]);
    home.ok(&["trust"]);
    home.ok(&["service", "install"]);
    // Its port went to the service.
    assert_eq!(home.status()["running"], false);
    home.ok(&["start"]);
    let config = home.write(
        "home/.config/codex-plus/config.toml",
        "passthrough = true\n",
    );
    let there = everything(&home.path("home"));
    let said = home.run(&["uninstall"]);
    assert_eq!(said.code, Some(1), "{said:?}");
    assert!(said.err.contains("--yes"), "{said:?}");
    assert!(there.keys().all(|path| path.symlink_metadata().is_ok()));
    assert_eq!(home.status()["healthy"], true);

    let said = home.ok(&["uninstall", "--yes"]);
    assert!(said.out.contains("codex-plus stopped"), "{said:?}");
    for left in [
        config.clone(),
        home.path("home/.codex"),
        home.path("home/.codexplus"),
        home.path("home/.bashrc"),
        BINARY.into(),
    ] {
        assert!(
            said.out.contains(&format!("{}:", left.display())),
            "{said:?}"
        );
    }
    let mut left = everything(&home.path("home"));
    assert!(left.remove(&config).is_some());
    left.remove(config.parent().unwrap());
    // Ours to write in this test, not the program's.
    left.remove(&home.path("home/.config"));
    assert_eq!(left, before);

    home.ok(&["uninstall", "--yes", "--purge"]);
    assert!(!config.parent().unwrap().exists());
}

#[test]
fn uninstall_takes_nothing_but_its_own_out_of_a_folder_the_user_chose() {
    let home = Home::new();
    home.write("other/notes.txt", "mine\n");
    home.write("other/proxy.log.bak", "mine\n");
    let before = everything(&home.path("other"));
    let other = home.path("other");
    let other = other.to_str().unwrap();
    home.ok(&["start", "--state-dir", other]);
    home.ok(&["uninstall", "--yes", "--state-dir", other]);
    assert_eq!(everything(&home.path("other")), before);
    assert_eq!(everything(&home.path("home")), BTreeMap::new());
}
