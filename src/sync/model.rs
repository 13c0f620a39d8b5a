//! Types that loom lacks, built from those that it has. Time does not pass here, so a wait ends only when another thread
//! ends it.

use std::ops::{Deref, DerefMut};
use std::sync::PoisonError;
use std::time::Duration;

pub(crate) use loom::sync::atomic::{AtomicBool, AtomicU64};

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

/// Like parking_lot's, as the two below.
#[derive(Default)]
pub(crate) struct Mutex<T>(loom::sync::Mutex<T>);

/// Empty only while its thread waits.
pub(crate) struct MutexGuard<'a, T>(Option<loom::sync::MutexGuard<'a, T>>);

impl<T> Mutex<T> {
    pub(crate) fn new(value: T) -> Self {
        Self(loom::sync::Mutex::new(value))
    }

    pub(crate) fn lock(&self) -> MutexGuard<'_, T> {
        MutexGuard(Some(self.0.lock().unwrap_or_else(PoisonError::into_inner)))
    }
}

impl<T> Deref for MutexGuard<'_, T> {
    type Target = T;

    fn deref(&self) -> &T {
        self.0.as_ref().expect("it does not wait")
    }
}

impl<T> DerefMut for MutexGuard<'_, T> {
    fn deref_mut(&mut self) -> &mut T {
        self.0.as_mut().expect("it does not wait")
    }
}

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
    pub(crate) fn wait_while_for<T>(
        &self,
        guard: &mut MutexGuard<'_, T>,
        mut condition: impl FnMut(&mut T) -> bool,
        _: Duration,
    ) {
        while condition(guard) {
            guard.wait(&self.0);
        }
    }
}

impl<T> MutexGuard<'_, T> {
    fn wait(&mut self, condvar: &loom::sync::Condvar) {
        let waited = self.0.take().map(|guard| condvar.wait(guard).unwrap_or_else(PoisonError::into_inner));
        self.0 = waited;
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
        *self.is_told.lock() = true;
        self.told.notify_one();
    }

    /// Blocks the thread, while tokio's lets the other tasks of the runtime run.
    pub(crate) async fn notified(&self) {
        let mut is_told = self.is_told.lock();
        while !*is_told {
            is_told.wait(&self.told);
        }
        *is_told = false;
    }
}

/// Like crossbeam's.
pub(crate) mod channel {
    use std::collections::VecDeque;
    use std::sync::Arc;

    use super::Mutex;

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
            self.0.lock().push_back(item);
            Ok(())
        }
    }

    impl<T> Receiver<T> {
        pub(crate) fn try_recv(&self) -> Result<T, Unavailable> {
            self.0.lock().pop_front().ok_or(Unavailable)
        }
    }
}
