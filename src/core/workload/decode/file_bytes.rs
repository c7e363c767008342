//! The bytes of a model's file. What is read of them and kept shares them, so that a model is in memory once.

use std::ops::Range;
use std::sync::Arc;

/// Bytes that a model may be read from.
pub trait FileBytes: AsRef<[u8]> {
    /// A part of them, to be kept: a copy, unless these are shared.
    fn part(&self, range: Range<usize>) -> Shared {
        self.as_ref()[range].to_vec().into()
    }
}

impl FileBytes for &[u8] {}
impl FileBytes for Vec<u8> {}

/// Bytes, or a part of them, with as many owners as there are.
#[derive(Clone, Debug)]
pub struct Shared {
    whole: Arc<Vec<u8>>,
    part: Range<usize>,
}

impl From<Vec<u8>> for Shared {
    fn from(whole: Vec<u8>) -> Shared {
        Shared { part: 0..whole.len(), whole: Arc::new(whole) }
    }
}

impl AsRef<[u8]> for Shared {
    fn as_ref(&self) -> &[u8] {
        &self.whole[self.part.clone()]
    }
}

impl FileBytes for Shared {
    fn part(&self, range: Range<usize>) -> Shared {
        let part = self.part.start + range.start..self.part.start + range.end;
        assert!(part.end <= self.part.end, "a part of the bytes");
        Shared { whole: Arc::clone(&self.whole), part }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_part_of_shared_bytes_is_no_copy() {
        let file = Shared::from(vec![0, 1, 2, 3, 4, 5]);
        let part = file.part(1..5).part(1..3);
        assert_eq!(part.as_ref(), [2, 3]);
        assert_eq!(part.as_ref().as_ptr(), file.as_ref()[2..].as_ptr());
        assert_eq!(vec![0u8, 1, 2].part(1..3).as_ref(), [1, 2]);
    }
}
