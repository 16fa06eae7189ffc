//! Ends work that is awaited, by dropping it.

use std::cell::{Cell, RefCell};
use std::future::poll_fn;
use std::pin::pin;
use std::rc::Rc;
use std::task::{Poll, Waker};

#[derive(Default)]
struct Flag {
    is_set: Cell<bool>,
    waker: RefCell<Option<Waker>>,
}

/// A flag that ends what waits on it. Clones share it.
#[derive(Clone, Default)]
pub struct Stop(Rc<Flag>);

impl Stop {
    /// Ends the work at its next await.
    pub fn set(&self) {
        self.0.is_set.set(true);
        if let Some(waker) = self.0.waker.take() {
            waker.wake();
        }
    }

    /// What `work` gives; `None` if it was stopped before.
    pub async fn unless_set<T>(&self, work: impl Future<Output = T>) -> Option<T> {
        let mut work = pin!(work);
        poll_fn(|context| {
            if self.0.is_set.get() {
                return Poll::Ready(None);
            }
            self.0.waker.replace(Some(context.waker().clone()));
            work.as_mut().poll(context).map(Some)
        })
        .await
    }
}
