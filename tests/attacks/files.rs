//! State that someone else prepared.

use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _, symlink};

use crate::support::home::Home;

/// Links in the place of the proxy's own files lead nowhere: what they point to stays as it was.
#[test]
fn links_in_the_state_folder_are_not_followed() {
    for file in ["proxy.log", "proxy.pid", "proxy.json", "proxy.sock"] {
        let home = Home::new();
        let victim = home.write("victim", "precious");
        std::fs::create_dir_all(home.state("")).unwrap();
        symlink(&victim, home.state(file)).unwrap();
        home.run(&["start"]);
        home.run(&["restart"]);
        home.run(&["stop"]);
        assert_eq!(
            std::fs::read_to_string(&victim).unwrap(),
            "precious",
            "{file}"
        );
        assert_eq!(
            victim.metadata().unwrap().permissions().mode() & 0o777,
            0o644
        );
    }
    // The lock is the one that cannot be replaced: it refuses to start.
    let home = Home::new();
    let victim = home.write("victim", "precious");
    std::fs::create_dir_all(home.state("")).unwrap();
    symlink(&victim, home.state("proxy.lock")).unwrap();
    assert_ne!(home.run(&["start"]).code, Some(0));
    assert_eq!(std::fs::read_to_string(&victim).unwrap(), "precious");
}

#[test]
fn a_folder_open_to_all_is_closed_and_its_files_are_private() {
    let home = Home::new();
    std::fs::create_dir_all(home.state("")).unwrap();
    let open = std::fs::Permissions::from_mode(0o777);
    std::fs::set_permissions(home.state(""), open).unwrap();
    home.write("home/.local/state/codex-plus/proxy.log", "");
    home.ok(&["start"]);
    home.ok(&["restart"]);
    assert_eq!(home.state("").metadata().unwrap().mode() & 0o777, 0o700);
    for entry in std::fs::read_dir(home.state("")).unwrap() {
        let entry = entry.unwrap();
        let mode = entry.metadata().unwrap().mode() & 0o077;
        assert_eq!(mode, 0, "{:?}", entry.path());
    }
}
