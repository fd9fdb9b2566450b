//! Connections that wait for the next hook.
//!
//! A connection belongs to the runtime that opened it: only that one is told when something
//! arrives, and another would have to be woken by it. So each runtime keeps its own.

use std::collections::HashMap;
use std::io::ErrorKind;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::{Duration, Instant};

use tokio::net::TcpStream;
use tokio::runtime::{Handle, Id};

use super::{IDLE_CONNECTIONS, IDLE_FOR};

/// How often waiting connections are looked through.
const SWEEP: Duration = Duration::from_secs(2);

/// Every connection that waits. Where a runtime has an entry, a task of it sweeps that.
#[derive(Debug, Default)]
pub(super) struct Kept(Mutex<HashMap<Id, Vec<Idle>>>);

#[derive(Debug)]
struct Idle {
    /// Host and port, as they are written.
    server: String,
    stream: TcpStream,
    since: Instant,
}

impl Kept {
    /// A connection to a server that nobody uses and the server did not close.
    pub(super) fn take(&self, server: &str) -> Option<TcpStream> {
        let runtime = Handle::try_current().ok()?.id();
        let mut kept = self.lock();
        let idle = kept.get_mut(&runtime)?;
        loop {
            // The one that came last is the likeliest to be alive.
            let at = idle.iter().rposition(|idle| idle.server == server)?;
            let found = idle.remove(at);
            if found.is_quiet() {
                return Some(found.stream);
            }
        }
    }

    /// Keeps a connection whose answer was read to its end.
    pub(super) fn put(self: &Arc<Self>, server: &str, stream: TcpStream) {
        // Without a runtime the process is ending.
        let Ok(runtime) = Handle::try_current() else {
            return;
        };
        let idle = Idle {
            server: server.to_owned(),
            stream,
            since: Instant::now(),
        };
        let mut kept = self.lock();
        if let Some(others) = kept.get_mut(&runtime.id()) {
            let same = others.iter().filter(|other| other.server == server);
            if same.count() < IDLE_CONNECTIONS {
                others.push(idle);
            }
        } else {
            kept.insert(runtime.id(), vec![idle]);
            runtime.spawn(sweep(Arc::downgrade(self), runtime.id()));
        }
    }

    /// Closes what has waited too long by now or was closed by its server; whether anything still
    /// waits.
    fn sweep(&self, runtime: Id, now: Instant) -> bool {
        let mut kept = self.lock();
        let Some(idle) = kept.get_mut(&runtime) else {
            return false;
        };
        let waited = |idle: &Idle| now.saturating_duration_since(idle.since);
        idle.retain(|idle| waited(idle) < IDLE_FOR && idle.is_quiet());
        let waits = !idle.is_empty();
        if !waits {
            kept.remove(&runtime);
        }
        waits
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<Id, Vec<Idle>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Sweeps until nothing waits.
async fn sweep(kept: Weak<Kept>, runtime: Id) {
    loop {
        tokio::time::sleep(SWEEP).await;
        let waits = kept
            .upgrade()
            .is_some_and(|kept| kept.sweep(runtime, Instant::now()));
        if !waits {
            return;
        }
    }
}

impl Idle {
    /// Whether the server neither closed it nor spoke unasked.
    fn is_quiet(&self) -> bool {
        let read = self.stream.try_read(&mut [0]);
        read.is_err_and(|error| error.kind() == ErrorKind::WouldBlock)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::net::TcpListener;

    async fn pair() -> (TcpStream, TcpStream) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let ours = TcpStream::connect(listener.local_addr().unwrap());
        let (ours, theirs) = tokio::join!(ours, listener.accept());
        (ours.unwrap(), theirs.unwrap().0)
    }

    #[tokio::test]
    async fn a_connection_that_nobody_uses_is_closed() {
        let kept = Arc::new(Kept::default());
        let runtime = Handle::current().id();
        let (ours, theirs) = pair().await;
        let (dead, _) = pair().await;
        dead.readable().await.unwrap();
        kept.put("a", ours);
        kept.put("b", dead);
        let now = Instant::now();
        assert!(kept.sweep(runtime, now));
        assert!(kept.take("b").is_none(), "its server closed it");
        assert!(kept.take("c").is_none(), "another server's");
        assert!(!kept.sweep(runtime, now + IDLE_FOR));
        theirs.readable().await.unwrap();
        assert_eq!(theirs.try_read(&mut [0]).unwrap(), 0);
    }
}
