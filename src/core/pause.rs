//! Long work that can be left and gone on with, as a page has to do it: a future that waits for nothing but its turn.

use std::future::poll_fn;
use std::pin::pin;
use std::task::{Context, Poll, Waker};

/// Leaves the work at hand; the next poll goes on with it.
pub async fn pause() {
    let mut was_left = false;
    poll_fn(|_| if std::mem::replace(&mut was_left, true) { Poll::Ready(()) } else { Poll::Pending }).await;
}

/// Goes on with work up to where it is left next; its result once it is done.
pub fn go_on<T>(work: std::pin::Pin<&mut (impl Future<Output = T> + ?Sized)>) -> Option<T> {
    match work.poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(result) => Some(result),
        Poll::Pending => None,
    }
}

/// Does the work without a rest.
pub fn at_once<T>(work: impl Future<Output = T>) -> T {
    let mut work = pin!(work);
    loop {
        if let Some(result) = go_on(work.as_mut()) {
            return result;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn three_parts() -> u32 {
        for _ in 0..2 {
            pause().await;
        }
        3
    }

    #[test]
    fn work_is_left_at_each_pause_and_comes_to_its_end() {
        let mut work = pin!(three_parts());
        assert_eq!([go_on(work.as_mut()), go_on(work.as_mut()), go_on(work.as_mut())], [None, None, Some(3)]);
        assert_eq!(at_once(three_parts()), 3);
    }
}
