//! What a result row says of its samples: the one place where it is worked out, for the runner and for `verify`.

use super::rows::{Key, ResultRow, Sample};
use crate::digest;
use crate::statistics::{Interval, median, median_interval};

/// The statistics of one key's samples.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Summary {
    pub samples: u32,
    /// `None` where there are no samples.
    pub wall_ns: Option<Interval>,
    /// Median of the GPU times that were not flagged; `None` where there are none.
    pub gpu_median_ns: Option<f64>,
}

/// Seed of a key's bootstrap: the first 8 bytes, big-endian, of the SHA-256 of `case/arm/policy/replica`.
pub fn bootstrap_seed(key: &Key) -> u64 {
    digest::seed(&format!("{}/{}/{}/{}", key.case, key.arm, key.policy, key.replica))
}

/// Summarises the samples of `key`, which are all of that key.
pub fn summarise(key: &Key, samples: &[Sample]) -> Summary {
    Summary::of(key, samples.iter())
}

impl Summary {
    /// As [`summarise`], of samples that lie among others.
    pub fn of<'a>(key: &Key, samples: impl Iterator<Item = &'a Sample>) -> Summary {
        let (mut wall, mut gpu) = (Vec::new(), Vec::new());
        for sample in samples {
            wall.push(sample.wall_ns as f64);
            gpu.extend(sample.gpu_ns.map(|ns| ns as f64));
        }
        Summary {
            samples: wall.len() as u32,
            wall_ns: median_interval(&wall, bootstrap_seed(key)),
            gpu_median_ns: median(&gpu),
        }
    }

    /// Writes every column of a result that comes from its samples; `row.units` must be set.
    pub fn write_into(&self, row: &mut ResultRow) {
        row.samples = self.samples;
        row.wall_median_ns = self.wall_ns.map(|wall| wall.mid);
        row.wall_low_ns = self.wall_ns.map(|wall| wall.low);
        row.wall_high_ns = self.wall_ns.map(|wall| wall.high);
        row.units_per_s = self.wall_ns.map(|wall| row.units as f64 / wall.mid * 1e9);
        row.gpu_median_ns = self.gpu_median_ns;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_seed_rule() {
        // printf 'd32-l1-t64/stepwise/wait-each/0' | sha256sum
        let key = Key { case: "d32-l1-t64".into(), arm: "stepwise".into(), policy: "wait-each".into(), replica: 0 };
        let digest = digest::sha256_hex(b"d32-l1-t64/stepwise/wait-each/0");
        assert_eq!(format!("{:016x}", bootstrap_seed(&key)), digest[..16]);
    }

    #[test]
    fn nothing_gives_no_times() {
        let key = Key { case: "c".into(), arm: "a".into(), policy: "p".into(), replica: 0 };
        assert_eq!(summarise(&key, &[]), Summary { samples: 0, wall_ns: None, gpu_median_ns: None });
    }
}
