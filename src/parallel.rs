//! The same work on each of several things at a time.

use std::sync::OnceLock;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

/// What `work` makes of each item, in the order of the items: as many at a time as there are cores.
pub fn map<T: Sync, R: Send + Sync>(items: &[T], work: impl Fn(&T) -> R + Sync) -> Vec<R> {
    let results: Vec<OnceLock<R>> = items.iter().map(|_| OnceLock::new()).collect();
    let next = AtomicUsize::new(0);
    let take_turns = || {
        while let Some((item, result)) = {
            let index = next.fetch_add(1, Ordering::Relaxed);
            items.get(index).zip(results.get(index))
        } {
            let _ = result.set(work(item));
        }
    };
    let cores = thread::available_parallelism().map_or(1, usize::from);
    thread::scope(|scope| {
        // This thread works too.
        for _ in 1..cores.min(items.len()) {
            scope.spawn(take_turns);
        }
        take_turns();
    });
    results.into_iter().map(|result| result.into_inner().expect("each item was taken")).collect()
}

/// As [`map`], with all of them under way at once: what they wait for is not a core.
pub fn at_once<T: Sync, R: Send>(items: &[T], work: impl Fn(&T) -> R + Sync) -> Vec<R> {
    let Some((first, others)) = items.split_first() else { return Vec::new() };
    thread::scope(|scope| {
        let others: Vec<_> = others.iter().map(|item| scope.spawn(|| work(item))).collect();
        // This thread works too.
        let mut results = vec![work(first)];
        for other in others {
            results.push(other.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic)));
        }
        results
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn results_are_in_the_order_of_the_items() {
        let items: Vec<u32> = (0..1000).collect();
        assert_eq!(map(&items, |item| item * 2), items.iter().map(|item| item * 2).collect::<Vec<_>>());
        assert_eq!(map(&[] as &[u32], |item| *item), [] as [u32; 0]);
        assert_eq!(at_once(&items[..9], |item| item * 2), map(&items[..9], |item| item * 2));
        assert_eq!(at_once(&[] as &[u32], |item| *item), [] as [u32; 0]);
    }
}
