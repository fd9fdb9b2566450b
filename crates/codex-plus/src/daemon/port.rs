//! Which process listens on a port.

use std::collections::HashSet;
use std::fmt;
use std::net::SocketAddr;
use std::path::Path;

/// The process that holds a port, as far as the system tells us.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Owner {
    pub(crate) pid: u32,
    pub(crate) program: String,
}

impl fmt::Display for Owner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} (pid {})", self.program.escape_default(), self.pid)
    }
}

/// The owner of the listening socket at `address`; `None` when it belongs to another user or
/// cannot be found.
pub(crate) fn owner(address: SocketAddr) -> Option<Owner> {
    from_proc(address.port()).or_else(|| from_lsof(address.port()))
}

/// Linux: the socket's inode from the TCP tables, then the process that has it open.
fn from_proc(port: u16) -> Option<Owner> {
    let mut inodes = HashSet::new();
    for table in ["/proc/net/tcp", "/proc/net/tcp6"] {
        let text = std::fs::read_to_string(table).unwrap_or_default();
        inodes.extend(text.lines().filter_map(|line| listening_inode(line, port)));
    }
    if inodes.is_empty() {
        return None;
    }
    for entry in std::fs::read_dir("/proc").ok()?.flatten() {
        let Some(pid) = entry
            .file_name()
            .to_str()
            .and_then(|name| name.parse().ok())
        else {
            continue;
        };
        if has_socket(&entry.path(), &inodes) {
            let program = program_name(&entry.path());
            return Some(Owner { pid, program });
        }
    }
    None
}

/// The inode in a line of `/proc/net/tcp`, if it is a listener (state 0A) on `port`.
fn listening_inode(line: &str, port: u16) -> Option<u64> {
    let fields: Vec<&str> = line.split_ascii_whitespace().collect();
    let (_, local_port) = fields.get(1)?.rsplit_once(':')?;
    let listens = *fields.get(3)? == "0A" && u16::from_str_radix(local_port, 16) == Ok(port);
    listens.then(|| fields.get(9)?.parse().ok()).flatten()
}

fn has_socket(process: &Path, inodes: &HashSet<u64>) -> bool {
    let Ok(descriptors) = std::fs::read_dir(process.join("fd")) else {
        return false;
    };
    descriptors.flatten().any(|descriptor| {
        std::fs::read_link(descriptor.path())
            .ok()
            .and_then(|link| {
                let inode = link.to_str()?.strip_prefix("socket:[")?.strip_suffix(']')?;
                inode.parse().ok()
            })
            .is_some_and(|inode: u64| inodes.contains(&inode))
    })
}

/// The program's file name, with the script's for an interpreter, as `ps` would show it.
fn program_name(process: &Path) -> String {
    let command = std::fs::read(process.join("cmdline")).unwrap_or_default();
    let first = command.split(|byte| *byte == 0).next().unwrap_or_default();
    let first = String::from_utf8_lossy(first);
    let name = first.rsplit('/').next().unwrap_or_default();
    if name.is_empty() {
        let name = std::fs::read_to_string(process.join("comm")).unwrap_or_default();
        return name.trim().to_owned();
    }
    name.to_owned()
}

/// Elsewhere: `lsof`, in its machine-readable form (`p<pid>`, `c<command>`).
fn from_lsof(port: u16) -> Option<Owner> {
    let output = std::process::Command::new("lsof")
        .args(["-nP", "-Fpc", "-sTCP:LISTEN", &format!("-iTCP:{port}")])
        .output()
        .ok()?;
    parse_lsof(&String::from_utf8_lossy(&output.stdout))
}

fn parse_lsof(text: &str) -> Option<Owner> {
    let mut pid = None;
    for line in text.lines() {
        if let Some(number) = line.strip_prefix('p') {
            pid = number.parse().ok();
        } else if let (Some(pid), Some(program)) = (pid, line.strip_prefix('c')) {
            let program = program.to_owned();
            return Some(Owner { pid, program });
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finds_this_process_behind_its_own_listener() {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let owner = owner(listener.local_addr().unwrap()).unwrap();
        assert_eq!(owner.pid, std::process::id());
    }

    #[test]
    fn reads_what_lsof_writes() {
        let owner = parse_lsof("p4711\ncnode\nf21\n").unwrap();
        assert_eq!(owner.to_string(), "node (pid 4711)");
        assert_eq!(parse_lsof(""), None);
    }
}
