//! The GPU's clock: when passes begin and end.

use super::adapter::Gpu;
use super::reading::read_buffer;
use crate::error::Result;

/// Largest number of queries in one set that WebGPU allows.
const QUERIES_PER_SET: u32 = 4096;

/// Timestamps of passes, two each, in as many query sets as they need.
pub struct Stamps {
    sets: Vec<wgpu::QuerySet>,
    passes: u32,
    resolved: wgpu::Buffer,
}

/// Which passes carry timestamps.
#[derive(Clone, Copy, PartialEq)]
pub enum Stamped {
    FirstAndLast,
    Every,
}

impl Stamps {
    pub fn new(gpu: &Gpu, passes: u32) -> Stamps {
        let queries = 2 * passes;
        let sets = (0..queries.div_ceil(QUERIES_PER_SET))
            .map(|set| {
                gpu.device.create_query_set(&wgpu::QuerySetDescriptor {
                    label: None,
                    ty: wgpu::QueryType::Timestamp,
                    count: (queries - set * QUERIES_PER_SET).min(QUERIES_PER_SET),
                })
            })
            .collect();
        let resolved = gpu.device.create_buffer(&wgpu::BufferDescriptor {
            label: None,
            size: 8 * u64::from(queries),
            usage: wgpu::BufferUsages::QUERY_RESOLVE | wgpu::BufferUsages::COPY_SRC,
            mapped_at_creation: false,
        });
        Stamps { sets, passes, resolved }
    }

    /// The timestamps that pass `index` of `count` writes.
    pub fn writes(&self, stamped: Stamped, index: u32, count: u32) -> Option<wgpu::ComputePassTimestampWrites<'_>> {
        let (pair, begin, end) = match stamped {
            Stamped::Every => (index, true, true),
            Stamped::FirstAndLast => (0, index == 0, index + 1 == count),
        };
        let query = 2 * pair;
        (begin || end).then(|| wgpu::ComputePassTimestampWrites {
            query_set: &self.sets[(query / QUERIES_PER_SET) as usize],
            beginning_of_pass_write_index: begin.then_some(query % QUERIES_PER_SET),
            end_of_pass_write_index: end.then_some(query % QUERIES_PER_SET + 1),
        })
    }

    /// (begin, end) of each pass, in ticks.
    pub fn read(&self, gpu: &Gpu) -> Result<Vec<(u64, u64)>> {
        let mut encoder = gpu.device.create_command_encoder(&Default::default());
        for (index, set) in (0u32..).zip(&self.sets) {
            let first = index * QUERIES_PER_SET;
            let count = (2 * self.passes - first).min(QUERIES_PER_SET);
            encoder.resolve_query_set(set, 0..count, &self.resolved, 8 * u64::from(first));
        }
        gpu.queue.submit([encoder.finish()]);
        let bytes = read_buffer(gpu, &self.resolved, 16 * u64::from(self.passes))?;
        let ticks: Vec<u64> =
            bytes.chunks_exact(8).map(|word| u64::from_le_bytes(word.try_into().unwrap_or_default())).collect();
        Ok(ticks.chunks_exact(2).map(|pair| (pair[0], pair[1])).collect())
    }
}

/// A span by the GPU's clock, unless it cannot be.
pub fn plausible((begin, end): (u64, u64), period_ns: f64, wall_ns: u64) -> std::result::Result<u64, &'static str> {
    if begin == 0 || end == 0 || begin == end {
        return Err("zero");
    }
    if end < begin {
        return Err("negative");
    }
    let span_ns = ((end - begin) as f64 * period_ns) as u64;
    if span_ns > wall_ns {
        return Err("longer-than-wall");
    }
    Ok(span_ns)
}

#[cfg(test)]
mod tests {
    use super::plausible;

    #[test]
    fn readings_that_cannot_be_are_flagged() {
        assert_eq!(plausible((10, 1010), 1.0, 2000), Ok(1000));
        assert_eq!(plausible((0, 1010), 1.0, 2000), Err("zero"));
        assert_eq!(plausible((10, 10), 1.0, 2000), Err("zero"));
        assert_eq!(plausible((20, 10), 1.0, 2000), Err("negative"));
        assert_eq!(plausible((10, 10_010), 1.0, 2000), Err("longer-than-wall"));
    }
}
