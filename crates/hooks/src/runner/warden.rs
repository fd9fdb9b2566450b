//! Ends what command hooks run when the proxy dies, however it dies.
//!
//! One small process beside the proxy is told of each process group that begins and ends. It reads
//! that from a pipe whose other end only the proxy has; the kernel closes it with the proxy, and
//! what is running then is killed.

use std::io::{self, PipeWriter, Write as _};
use std::os::unix::process::CommandExt as _;
use std::process::{Child, Command, Stdio};
use std::sync::{Mutex, MutexGuard, PoisonError};

use rustix::process::Pid;

/// Keeps the groups in a list between spaces; a terminal's signals are not for it.
const SCRIPT: &str = r#"trap '' HUP INT QUIT TERM
groups=' '
while read -r sign group; do
    case $sign in
    +) groups="$groups$group " ;;
    -) groups="${groups%% $group *} ${groups#* $group }" ;;
    esac
done
for group in $groups; do kill -KILL "-$group"; done"#;

static WARDEN: Mutex<Option<Warden>> = Mutex::new(None);

struct Warden {
    child: Child,
    told: PipeWriter,
}

impl Warden {
    fn start() -> io::Result<Self> {
        let (read, told) = io::pipe()?;
        // One that does not read must not hold up an exchange.
        rustix::io::ioctl_fionbio(&told, true)?;
        let child = Command::new("/bin/sh")
            .args(["-c", SCRIPT])
            .current_dir("/")
            .stdin(read)
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .process_group(0)
            .spawn()?;
        Ok(Self { child, told })
    }

    fn tell(&mut self, sign: char, group: Pid) -> io::Result<()> {
        // Short enough to be written whole or not at all.
        let line = format!("{sign} {}\n", group.as_raw_nonzero());
        self.told.write_all(line.as_bytes())
    }
}

/// A group began: it is not to outlive the proxy.
pub(super) fn began(group: Pid) {
    let mut warden = warden();
    if let Some(known) = &mut *warden {
        if known.tell('+', group).is_ok() {
            return;
        }
        // It was killed; the groups it knew of are without one.
        let _ = known.child.kill();
        let _ = known.child.wait();
        *warden = None;
    }
    match Warden::start() {
        Ok(mut new) => {
            let _ = new.tell('+', group);
            *warden = Some(new);
        }
        Err(error) => {
            tracing::warn!(%error, "a hook would outlive a killed proxy: nothing can watch over it");
        }
    }
}

/// A group's leader was reaped or killed: its number may soon be a stranger's.
pub(super) fn ended(group: Pid) {
    if let Some(known) = &mut *warden() {
        // One that is gone is noticed at the next beginning.
        let _ = known.tell('-', group);
    }
}

fn warden() -> MutexGuard<'static, Option<Warden>> {
    WARDEN.lock().unwrap_or_else(PoisonError::into_inner)
}
