//! The sizes of a kernel for prompts in tiles: see `shaders/modules/prompt.wgsl`.

use super::format::Format;
use super::packing::chunks;

/// Of `shaders/modules/prompt.wgsl`: rows and members that a thread adds up at a time, members that a head attends with at a time, and
/// the most lanes that share rows.
pub const ROWS: u32 = 4;
pub const MEMBERS: u32 = 8;
pub const TOGETHER: u32 = 4;
const MOST_LANES: u32 = 16;

/// More of an input at a time has hardly fewer barriers.
const MOST_INPUT4: u32 = 64;

/// What lies in workgroup memory while a tile is fed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Tile {
    /// Tokens that are fed together: a power of two.
    pub members: u32,
    /// Vec4f of each member's input at a time, a power of two; and how far apart those of two members are.
    pub input4: u32,
    pub member4: u32,
    /// Vec4f of `hidden` that it takes.
    pub hidden4: u32,
}

/// How a kernel attends: groups of heads at a time, heads of a group, vec4f of a head, lanes that share a position, and subgroups.
pub struct Attention {
    pub teams: u32,
    pub shared: u32,
    pub head4: u32,
    pub lanes: u32,
    pub subgroups: u32,
}

impl Tile {
    /// The largest tile of at most `most` members that `left4` vec4f of workgroup memory have place for, and `threads` threads; none
    /// where there is none of two or more.
    pub fn fitting(most: u32, left4: u32, threads: u32, gaps: bool, attention: &Attention) -> Option<Tile> {
        let Attention { teams, shared, head4, lanes, subgroups } = *attention;
        let together4 = TOGETHER * (teams * (shared + 2) * head4 + subgroups * (lanes + 1));
        // Formats of 4 bits have 8 vec4f in a chunk.
        let least_input4 = if gaps { 8 } else { 1 };
        let mut members = most.min(threads * MEMBERS);
        while members > 1 {
            let mut input4 = MOST_INPUT4;
            while input4 >= least_input4 {
                let member4 = spread(input4, gaps) | 1;
                let hidden4 = (members * member4).max(together4);
                if hidden4 <= left4 {
                    return Some(Tile { members, input4, member4, hidden4 });
                }
                input4 /= 2;
            }
            members /= 2;
        }
        None
    }

    /// Lanes that share rows of a matrix, of which a workgroup has `rows`: as many as leave it one turn, and as fit.
    pub fn lanes(&self, format: Format, in4: u32, rows: u32, threads: u32, subgroup: u32) -> u32 {
        let groups = self.members.div_ceil(MEMBERS);
        let most = [MOST_LANES, subgroup, self.input4 / format.vec4_in_chunk(), threads / groups, chunks(format, in4)];
        let mut lanes = 1 << most.into_iter().min().unwrap_or(1).max(1).ilog2();
        while lanes > 1 && ROWS * (threads / lanes / groups) < rows {
            lanes /= 2;
        }
        lanes
    }
}

/// Vec4f of a region for `count`, with a gap behind every eighth where there are gaps.
pub fn spread(count: u32, gaps: bool) -> u32 {
    if gaps { 9 * count.div_ceil(8) } else { count }
}
