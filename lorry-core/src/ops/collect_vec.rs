//! `collect_vec`: keeps what arrives, for tests and small programs.

use crate::sync::lock;
use crate::{Branch, Stream};
use std::sync::{Arc, Mutex};

/// What has arrived at a [`collect_vec`](Stream::collect_vec) so far.
#[derive(Debug)]
pub struct Collected<T>(Arc<Mutex<Vec<T>>>);

impl<T> Clone for Collected<T> {
    fn clone(&self) -> Self {
        Self(self.0.clone())
    }
}

impl<T: Clone> Collected<T> {
    /// A copy of everything.
    pub fn values(&self) -> Vec<T> {
        lock(&self.0).clone()
    }
}

impl<T> Collected<T> {
    /// Takes everything out.
    pub fn take(&self) -> Vec<T> {
        std::mem::take(&mut lock(&self.0))
    }

    /// How many values there are.
    pub fn len(&self) -> usize {
        lock(&self.0).len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

impl<T: Clone + Send + Sync + 'static> Stream<T> {
    /// Ends in a vector. It grows without bound: for tests, and where one knows what comes.
    ///
    /// ```
    /// # use lorry_core::{Relay, Stream};
    /// # tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap().block_on(async {
    /// let (input, numbers) = Stream::input();
    /// let (branch, doubled) = numbers.map(|n: u32| n * 2).collect_vec();
    /// let running = Relay::new([branch]).spawn();
    /// input.emit(21).await?;
    /// assert_eq!(doubled.values(), [42]);
    /// # drop((input, running)); Ok::<(), lorry_core::Error>(()) }).unwrap();
    /// ```
    pub fn collect_vec(self) -> (Branch, Collected<T>) {
        let collected = Collected(Arc::default());
        let into = collected.clone();
        (self.sink(move |value: &T| lock(&into.0).push(value.clone())), collected)
    }
}
