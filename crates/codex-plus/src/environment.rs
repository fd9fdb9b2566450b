//! Every environment variable the binary reads, in one table.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};

/// One variable of ours.
pub(crate) struct Variable {
    /// Its name.
    pub(crate) name: &'static str,
    /// The settings key it sets, if it stands for one.
    pub(crate) key: Option<&'static str>,
    /// What it does, in one line of `--help`.
    pub(crate) help: &'static str,
}

const fn setting(name: &'static str, key: &'static str, help: &'static str) -> Variable {
    Variable {
        name,
        key: Some(key),
        help,
    }
}

const fn other(name: &'static str, help: &'static str) -> Variable {
    Variable {
        name,
        key: None,
        help,
    }
}

pub(crate) const CONFIG: &str = "CODEX_PLUS_CONFIG";
pub(crate) const STATE_DIR: &str = "CODEX_PLUS_STATE_DIR";
pub(crate) const CODEX: &str = "CODEX_PLUS_CODEX";
const PREFIX: &str = "CODEX_PLUS_";

/// The variables that set something of ours. An empty value counts as unset.
pub(crate) const VARIABLES: &[Variable] = &[
    setting(
        "CODEX_PLUS_LISTEN",
        "listen",
        "address and port to listen on",
    ),
    setting(
        "CODEX_PLUS_UPSTREAM",
        "upstream",
        "`auto` or the provider's base URL",
    ),
    setting(
        "CODEX_PLUS_PASSTHROUGH",
        "passthrough",
        "true: switch every filter off",
    ),
    setting(
        "CODEX_PLUS_WEBSOCKET",
        "websocket",
        "false: answer WebSocket upgrades with 426",
    ),
    setting(
        "CODEX_PLUS_TOKEN",
        "guard.token",
        "token clients must send (listening beyond loopback)",
    ),
    setting(
        "CODEX_PLUS_CA_FILES",
        "tls.ca_files",
        "PEM files to trust, separated by `:`",
    ),
    setting(
        "CODEX_PLUS_ALLOW_PLAIN_HTTP",
        "tls.allow_plain_http",
        "true: allow http:// upstreams off this machine",
    ),
    setting(
        "CODEX_PLUS_DRAIN",
        "timeouts.drain",
        "how long live streams may finish on stop, such as 10s",
    ),
    setting(
        "CODEX_PLUS_KEEP_HISTORY",
        "keep_history",
        "false: keep no file of what was changed in conversations",
    ),
    setting(
        "CODEX_PLUS_LOG_LEVEL",
        "log.level",
        "error, warn, info, debug or trace",
    ),
    setting("CODEX_PLUS_LOG_FORMAT", "log.format", "text or json"),
    setting(
        "OTEL_EXPORTER_OTLP_ENDPOINT",
        "otlp.endpoint",
        "collector that traces and metrics go to",
    ),
    other(CONFIG, "the user's settings file, in place of the XDG one"),
    other(STATE_DIR, "folder for proxy.pid, proxy.log and the lock"),
    other(CODEX, "the Codex program `codex-plus codex` runs"),
    other(
        "CODEX_PLUS_BIN",
        "the codex-plus program proxy.sh runs (skips building)",
    ),
];

/// Variables of others that we honour.
const FOREIGN: &[(&str, &str)] = &[
    ("RUST_LOG", "log filter; wins over log.level"),
    (
        "OTEL_*",
        "EXPORTER_OTLP_HEADERS, SERVICE_NAME, RESOURCE_ATTRIBUTES, SDK_DISABLED",
    ),
    ("NO_COLOR", "when set, nothing is coloured"),
    (
        "XDG_CONFIG_HOME",
        "where codex-plus/config.toml is looked for (default ~/.config)",
    ),
    (
        "XDG_STATE_HOME",
        "where codex-plus/ keeps its state (default ~/.local/state)",
    ),
    (
        "HTTPS_PROXY, NO_PROXY",
        "the way to the provider through another proxy",
    ),
    (
        "CODEX_HOME",
        "Codex's own folder, read by doctor (default ~/.codex)",
    ),
];

/// Variables of others that a service needs as they are now.
const CARRIED: &[&str] = &[
    "PATH",
    "XDG_CONFIG_HOME",
    "XDG_STATE_HOME",
    "CODEX_HOME",
    "RUST_LOG",
    "OTEL_SERVICE_NAME",
    "OTEL_RESOURCE_ATTRIBUTES",
    "OTEL_SDK_DISABLED",
    "SSL_CERT_FILE",
    "SSL_CERT_DIR",
    "HTTPS_PROXY",
    "https_proxy",
    "ALL_PROXY",
    "all_proxy",
    "NO_PROXY",
    "no_proxy",
];

/// Not to be written into files.
const SECRETS: &[&str] = &["CODEX_PLUS_TOKEN", "OTEL_EXPORTER_OTLP_HEADERS"];

/// The variables a service gets from the environment it is installed in.
pub(crate) fn carried() -> impl Iterator<Item = &'static str> {
    let ours = VARIABLES.iter().map(|variable| variable.name);
    let ours = ours.filter(|name| !SECRETS.contains(name) && *name != "CODEX_PLUS_BIN");
    ours.chain(CARRIED.iter().copied())
}

/// Those it does not get.
pub(crate) fn secrets() -> impl Iterator<Item = &'static str> {
    SECRETS.iter().copied()
}

/// Whether a variable names a path, which may be told from the working directory.
pub(crate) fn is_path(name: &str) -> bool {
    [CONFIG, STATE_DIR, CODEX, "CODEX_HOME"].contains(&name)
}

/// The environment as it was at start: read once, so that tests can make one up.
#[derive(Debug, Clone)]
pub(crate) struct Environment {
    variables: BTreeMap<OsString, OsString>,
    /// The working directory.
    pub(crate) cwd: PathBuf,
}

impl Environment {
    /// The environment of this process.
    pub(crate) fn of_process() -> Self {
        let cwd = std::env::current_dir().unwrap_or_else(|_| PathBuf::from("/"));
        Self::new(std::env::vars_os(), cwd)
    }

    /// An environment of the given variables.
    pub(crate) fn new(
        variables: impl IntoIterator<Item = (OsString, OsString)>,
        cwd: PathBuf,
    ) -> Self {
        let variables = variables.into_iter().collect();
        Self { variables, cwd }
    }

    /// A variable's value; an empty one counts as unset.
    pub(crate) fn get(&self, name: &str) -> Option<&OsString> {
        self.variables
            .get(std::ffi::OsStr::new(name))
            .filter(|value| !value.is_empty())
    }

    /// A path; a relative one is taken from the working directory.
    pub(crate) fn path(&self, name: &str) -> Option<PathBuf> {
        self.get(name).map(|value| self.cwd.join(value))
    }

    /// The home folder, when it is known.
    pub(crate) fn home(&self) -> Option<PathBuf> {
        self.path("HOME")
    }

    /// The user's settings file, whether it exists or not.
    pub(crate) fn user_config(&self) -> Option<PathBuf> {
        self.path(CONFIG).or_else(|| {
            let base = self.config_home()?;
            Some(base.join("codex-plus/config.toml"))
        })
    }

    /// The base folder of the user's configuration files.
    pub(crate) fn config_home(&self) -> Option<PathBuf> {
        self.xdg("XDG_CONFIG_HOME", ".config")
    }

    /// The default folder of the daemon's state.
    pub(crate) fn default_state_dir(&self) -> Option<PathBuf> {
        Some(
            self.xdg("XDG_STATE_HOME", ".local/state")?
                .join("codex-plus"),
        )
    }

    /// Codex's own folder.
    pub(crate) fn codex_home(&self) -> Option<PathBuf> {
        self.path("CODEX_HOME")
            .or_else(|| Some(self.home()?.join(".codex")))
    }

    /// An XDG base folder. Relative values are invalid by that specification and ignored.
    fn xdg(&self, name: &str, under_home: &str) -> Option<PathBuf> {
        self.get(name)
            .map(PathBuf::from)
            .filter(|path| path.is_absolute())
            .or_else(|| Some(self.home()?.join(under_home)))
    }

    /// The program `name` on PATH, leaving out files for which `skip` says so.
    pub(crate) fn find_program(&self, name: &str, skip: impl Fn(&Path) -> bool) -> Option<PathBuf> {
        std::env::split_paths(self.get("PATH")?)
            .map(|folder| self.cwd.join(folder).join(name))
            .find(|path| is_executable(path) && !skip(path))
    }

    /// Variables that look like ours and are not, each with the nearest real name.
    pub(crate) fn unknown(&self) -> Vec<(String, Option<&'static str>)> {
        self.variables
            .keys()
            .filter_map(|name| name.to_str())
            .filter(|name| name.starts_with(PREFIX))
            .filter(|name| !VARIABLES.iter().any(|known| known.name == *name))
            .map(|name| {
                let known = VARIABLES.iter().map(|known| known.name);
                (name.to_owned(), crate::spelling::nearest(name, known))
            })
            .collect()
    }
}

/// Whether `path` is a file someone may execute.
pub(crate) fn is_executable(path: &Path) -> bool {
    use std::os::unix::fs::PermissionsExt as _;
    path.metadata()
        .is_ok_and(|meta| meta.is_file() && meta.permissions().mode() & 0o111 != 0)
}

/// The table as it stands in `--help`.
pub(crate) fn help() -> String {
    let mut text = String::from("Environment:\n");
    let ours = VARIABLES
        .iter()
        .map(|variable| (variable.name, variable.help));
    for (name, help) in ours.chain(FOREIGN.iter().copied()) {
        let _ = writeln!(text, "  {name:<28} {help}");
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn environment(variables: &[(&str, &str)]) -> Environment {
        let variables = variables
            .iter()
            .map(|(name, value)| (OsString::from(name), OsString::from(value)));
        Environment::new(variables, PathBuf::from("/here"))
    }

    #[test]
    fn an_empty_variable_counts_as_unset() {
        let env = environment(&[("CODEX_PLUS_CONFIG", ""), ("HOME", "/home/u")]);
        assert_eq!(
            env.user_config(),
            Some(PathBuf::from("/home/u/.config/codex-plus/config.toml"))
        );
    }

    #[test]
    fn relative_xdg_folders_are_ignored() {
        let env = environment(&[("XDG_STATE_HOME", "state"), ("HOME", "/home/u")]);
        assert_eq!(
            env.default_state_dir(),
            Some(PathBuf::from("/home/u/.local/state/codex-plus"))
        );
    }

    #[test]
    fn a_misspelt_variable_is_found_with_its_nearest() {
        let env = environment(&[("CODEX_PLUS_UPSTREM", "x"), ("CODEX_HOME", "y")]);
        assert_eq!(
            env.unknown(),
            [("CODEX_PLUS_UPSTREM".to_owned(), Some("CODEX_PLUS_UPSTREAM"))]
        );
    }
}
