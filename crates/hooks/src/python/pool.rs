//! Calls of hooks, on whichever worker takes them.

use std::pin::pin;
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::sync::Semaphore;
use tokio::time::error::Elapsed;
use tokio::time::timeout;

use super::call::{Call, PythonError, Reply};
use super::config::PoolConfig;
use super::crew::{Crew, PoolStatus};
use super::hook::PythonHook;
use super::link::Answer;
use super::lock;
use super::reply;
use super::worker::{SILENT_FOR, Worker};

/// A call that takes so long has its worker asked for a sign of life; one that stays silent gets
/// company.
const ASKED_AFTER: Duration = Duration::from_millis(5);

/// Runs Python hooks. Dropping it ends its workers.
#[derive(Debug)]
pub struct PythonPool {
    crew: Arc<Crew>,
    room: Semaphore,
}

impl PythonPool {
    /// A pool without workers yet.
    pub fn new(config: PoolConfig) -> Self {
        let room = config.max_workers.max(1) * config.max_in_flight.max(1);
        Self {
            crew: Arc::new(Crew::new(config.into())),
            room: Semaphore::new(room.min(Semaphore::MAX_PERMITS)),
        }
    }

    /// Calls a method of a hook. Runs on a Tokio runtime; dropping the future cancels the call.
    pub async fn call(&self, hook: &PythonHook, call: Call) -> Result<Reply, PythonError> {
        let name = || hook.metadata.name.clone();
        let length = call.payload.len().max(hook.source.len()) + 64 * 1024;
        let limit = self.crew.config.frame_limit;
        if length > limit {
            return Err(PythonError::TooLarge {
                hook: name(),
                length,
                limit,
            });
        }
        let mut left = call
            .timeout
            .or(hook.metadata.timeout())
            .unwrap_or(self.crew.config.timeout);
        let after = left;
        let late = |at_line| PythonError::Timeout {
            hook: name(),
            after,
            at_line,
        };
        let waited = Instant::now();
        let Ok(Ok(_room)) = timeout(left, self.room.acquire()).await else {
            return Err(late(None));
        };
        left = left.saturating_sub(waited.elapsed());
        let (mut retried, mut moved) = (false, 0);
        loop {
            let began = Instant::now();
            let choosing = self.crew.choose(self.crew.sharing(hook, moved));
            let Ok(seat) = timeout(left, choosing).await else {
                return Err(late(None));
            };
            let seat = seat?;
            let worker = seat.worker();
            left = left.saturating_sub(began.elapsed());
            // Coming up is not the hook's time.
            if let Err(why) = worker.ready().await {
                return Err(self.crew.failed(why));
            }
            let began = Instant::now();
            let answer = self.exchange(worker, hook, &call, left).await;
            let took = began.elapsed();
            left = left.saturating_sub(took);
            match answer {
                Err(_) => return Err(late(lock(&worker.link.stuck_at).clone())),
                Ok(Answer::Reply(kind, payload, logs)) => {
                    self.crew.answered();
                    if took < self.crew.config.blocked_after / 2 {
                        lock(&self.crew.blocking).remove(&hook.hash);
                    }
                    return reply::read(hook, kind, payload, logs, took);
                }
                Ok(Answer::Moved) => moved += 1,
                Ok(Answer::Lost { why, alone }) => {
                    if alone || retried {
                        return Err(PythonError::WorkerLost { hook: name(), why });
                    }
                    retried = true;
                }
            }
        }
    }

    /// Runs a call on this worker; none when its time is over. One that blocks its worker has
    /// another one started, so that calls to come find it up.
    async fn exchange(
        &self,
        worker: &Worker,
        hook: &PythonHook,
        call: &Call,
        mut left: Duration,
    ) -> Result<Answer, Elapsed> {
        // The first call of a hook loads it, which says nothing of the later ones.
        let is_known = worker.link.has(hook);
        let mut exchange = pin!(worker.exchange(hook, call));
        if is_known && left > ASKED_AFTER + SILENT_FOR {
            if let Ok(answer) = timeout(ASKED_AFTER, exchange.as_mut()).await {
                return Ok(answer);
            }
            worker.link.ping_once();
            if let Ok(answer) = timeout(SILENT_FOR, exchange.as_mut()).await {
                return Ok(answer);
            }
            if worker.link.owes_pong() {
                self.crew.keep_company(worker);
            }
            left -= ASKED_AFTER + SILENT_FOR;
        }
        timeout(left, exchange).await
    }

    /// What there is now.
    pub fn status(&self) -> PoolStatus {
        self.crew.status()
    }

    /// Ends all workers; calls in flight fail, and so do later ones.
    pub fn close(&self) {
        self.crew.close();
    }
}

impl Drop for PythonPool {
    fn drop(&mut self) {
        self.close();
    }
}
