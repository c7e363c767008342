//! Ctrl-C while an answer comes: pressed once it ends the answer, pressed twice the program.

use std::sync::atomic::{AtomicBool, Ordering};

static ASKED: AtomicBool = AtomicBool::new(false);

/// As long as it lives, Ctrl-C is only remembered. Where there are no signals, Ctrl-C ends the program as ever.
pub struct Watch {
    #[cfg(unix)]
    before: usize,
}

impl Watch {
    pub fn begin() -> Watch {
        ASKED.store(false, Ordering::Relaxed);
        Watch {
            #[cfg(unix)]
            before: unix::remember(),
        }
    }

    pub fn was_asked(&self) -> bool {
        ASKED.load(Ordering::Relaxed)
    }
}

#[cfg(unix)]
impl Drop for Watch {
    fn drop(&mut self) {
        unix::set(self.before);
    }
}

#[cfg(unix)]
mod unix {
    use std::sync::atomic::Ordering;

    unsafe extern "C" {
        fn signal(signal: i32, handler: usize) -> usize;
    }

    const SIGINT: i32 = 2;
    const SIG_DFL: usize = 0;
    const SIG_IGN: usize = 1;

    pub fn set(handler: usize) -> usize {
        // SAFETY: the C library's own function, given a signal that exists and a handler that is one: of the system, or below.
        unsafe { signal(SIGINT, handler) }
    }

    /// The handler from before.
    pub fn remember() -> usize {
        let before = set(asked as *const () as usize);
        // Whoever started the program in the background does not want it to be stopped.
        if before == SIG_IGN {
            set(SIG_IGN);
        }
        before
    }

    /// Only an atomic store and `signal`, both of which a handler may call.
    extern "C" fn asked(_: i32) {
        super::ASKED.store(true, Ordering::Relaxed);
        set(SIG_DFL);
    }
}

#[cfg(all(test, unix))]
mod tests {
    use super::*;

    unsafe extern "C" {
        fn raise(signal: i32) -> i32;
    }

    #[test]
    fn it_is_remembered() {
        let watch = Watch::begin();
        assert!(!watch.was_asked());
        // SAFETY: the C library's own function, given a signal that is taken care of.
        unsafe { raise(2) };
        assert!(watch.was_asked());
    }
}
