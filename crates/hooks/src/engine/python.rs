//! Calls of Python hooks, with their record.

use std::sync::Arc;
use std::time::{Duration, Instant};

use super::{Book, Engine, lock};
use crate::python::{Call, PythonError, PythonHook, Reply};

impl Engine {
    /// Calls a method of a Python hook; `None` when it failed, which the log tells.
    pub async fn call(&self, book: &Book, hook: &PythonHook, call: Call) -> Option<Reply> {
        let begun = Instant::now();
        match book.pool.call(hook, call.clone()).await {
            Ok(reply) => {
                self.dispatcher.count(&hook.metadata.name, reply.took, None);
                self.is_good(hook);
                Some(reply)
            }
            Err(error) => {
                self.failed(hook, begun.elapsed(), &error);
                let before = self.good_before(hook, &error)?;
                let reply = book.pool.call(&before, call).await.ok()?;
                self.dispatcher.count(&hook.metadata.name, reply.took, None);
                Some(reply)
            }
        }
    }

    fn failed(&self, hook: &PythonHook, took: Duration, error: &PythonError) {
        let name = hook.metadata.name.as_str();
        let place = match error {
            PythonError::Raised {
                line: Some(line), ..
            } => format!(" ({}:{line})", hook.path.display()),
            _ => String::new(),
        };
        let told = format!("{error}{place}");
        match error {
            PythonError::Raised {
                traceback,
                unusable: true,
                ..
            } => {
                // Said once for each version of the file, not with every exchange.
                let key = format!("{}{:?}", hook.path.display(), hook.hash);
                self.tell_once(key, || {
                    tracing::error!(hook = name, traceback, "a hook cannot be loaded: {told}");
                });
            }
            PythonError::Raised { traceback, .. } => {
                tracing::error!(
                    hook = name,
                    traceback,
                    "a hook failed and was passed over: {told}"
                );
            }
            _ => tracing::error!(hook = name, "a hook failed and was passed over: {told}"),
        }
        self.dispatcher.count(name, took, Some(told));
    }

    /// This version of a hook file can be loaded.
    fn is_good(&self, hook: &PythonHook) {
        let mut good = lock(&self.good);
        let known = good.get(&hook.path);
        if known.is_none_or(|known| known.hash != hook.hash) {
            good.insert(hook.path.clone(), hook.clone());
        }
    }

    /// The version before one that cannot be loaded.
    fn good_before(&self, hook: &PythonHook, error: &PythonError) -> Option<PythonHook> {
        let PythonError::Raised { unusable: true, .. } = error else {
            return None;
        };
        let good = lock(&self.good);
        good.get(&hook.path)
            .filter(|known| known.hash != hook.hash)
            .cloned()
    }

    /// Ends every Python worker; what they run fails.
    pub fn close(&self) {
        let books: Vec<Arc<Book>> = lock(&self.books)
            .books
            .values()
            .map(|(book, _)| Arc::clone(book))
            .collect();
        for book in books {
            book.pool.close();
        }
    }
}
