//! Types that loom lacks, built from those that it has. Time does not pass here, so a wait ends only when another thread
//! ends it.

use std::sync::{LockResult, PoisonError};
use std::time::Duration;

pub(crate) use loom::sync::atomic::{AtomicBool, AtomicU64};
pub(crate) use loom::sync::{Mutex, MutexGuard};

/// Like std's; loom's does not support `const`.
macro_rules! per_thread {
    ($(#[$attribute:meta])* static $name:ident: $kind:ty = const { $value:expr };) => {
        loom::thread_local! {
            $(#[$attribute])*
            static $name: $kind = $value;
        }
    };
}
pub(crate) use per_thread as thread_local;

#[derive(Default)]
pub(crate) struct Condvar(loom::sync::Condvar);

impl Condvar {
    pub(crate) fn new() -> Self {
        Self::default()
    }

    pub(crate) fn notify_all(&self) {
        self.0.notify_all();
    }

    /// Waits without a timeout.
    pub(crate) fn wait_timeout_while<'a, T>(
        &self,
        mut guard: MutexGuard<'a, T>,
        _: Duration,
        mut condition: impl FnMut(&mut T) -> bool,
    ) -> LockResult<(MutexGuard<'a, T>, ())> {
        while condition(&mut guard) {
            guard = self.0.wait(guard).unwrap_or_else(PoisonError::into_inner);
        }
        Ok((guard, ()))
    }
}

/// Like tokio's, for one waiter.
#[derive(Default)]
pub(crate) struct Notify {
    is_told: Mutex<bool>,
    told: loom::sync::Condvar,
}

impl Notify {
    pub(crate) fn new() -> Self {
        Self::default()
    }

    pub(crate) fn notify_one(&self) {
        *lock(&self.is_told) = true;
        self.told.notify_one();
    }

    /// Blocks the thread, while tokio's lets the other tasks of the runtime run.
    pub(crate) async fn notified(&self) {
        let mut is_told = lock(&self.is_told);
        while !*is_told {
            is_told = self.told.wait(is_told).unwrap_or_else(PoisonError::into_inner);
        }
        *is_told = false;
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Like crossbeam's.
pub(crate) mod channel {
    use std::collections::VecDeque;
    use std::sync::Arc;

    use super::{Mutex, lock};

    pub(crate) struct Sender<T>(Arc<Mutex<VecDeque<T>>>);
    pub(crate) struct Receiver<T>(Arc<Mutex<VecDeque<T>>>);

    #[derive(Debug)]
    pub(crate) struct Unavailable;

    pub(crate) fn unbounded<T>() -> (Sender<T>, Receiver<T>) {
        let waiting = Arc::new(Mutex::default());
        (Sender(waiting.clone()), Receiver(waiting))
    }

    impl<T> Sender<T> {
        pub(crate) fn send(&self, item: T) -> Result<(), Unavailable> {
            lock(&self.0).push_back(item);
            Ok(())
        }
    }

    impl<T> Receiver<T> {
        pub(crate) fn try_recv(&self) -> Result<T, Unavailable> {
            lock(&self.0).pop_front().ok_or(Unavailable)
        }
    }
}
