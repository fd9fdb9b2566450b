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

/// Has the warden stand by, so that it can be told of a group as soon as that begins.
pub(super) fn stand_by() {
    let mut warden = warden();
    let lives = |known: &mut Warden| matches!(known.child.try_wait(), Ok(None));
    if !warden.as_mut().is_some_and(lives) {
        replace(&mut warden);
    }
}

/// A group began: it is not to outlive the proxy.
pub(super) fn began(group: Pid) {
    let mut warden = warden();
    if !told_of(&mut warden, group) {
        // It was killed; the groups it knew of are without one.
        replace(&mut warden);
        told_of(&mut warden, group);
    }
}

fn told_of(warden: &mut Option<Warden>, group: Pid) -> bool {
    let told = warden.as_mut().map(|known| known.tell('+', group));
    told.is_some_and(|told| told.is_ok())
}

fn replace(warden: &mut Option<Warden>) {
    if let Some(mut known) = warden.take() {
        let _ = known.child.kill();
        let _ = known.child.wait();
    }
    match Warden::start() {
        Ok(new) => *warden = Some(new),
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
