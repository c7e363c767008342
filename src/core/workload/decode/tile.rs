//! The sizes of a kernel for prompts in tiles: see `shaders/modules/prompt.wgsl`.

/// Of `shaders/modules/prompt.wgsl`: rows and members that a thread adds up at a time, and members that a head attends with at a
/// time.
pub const ROWS: u32 = 4;
pub const MEMBERS: u32 = 8;
pub const TOGETHER: u32 = 4;

/// Lanes that share rows at most: as many as halving leaves one member and half of the rows.
const MOST_LANES: u32 = 2 * MEMBERS;

/// Words of inputs that a thread asks for at a time, and so has in workgroup memory at most.
const WORDS: u32 = 16;

/// More workgroups that share rows read weights more often than they save inputs.
const MOST_SPLIT: u32 = 4;

/// What lies in workgroup memory while a tile is fed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Tile {
    /// Tokens that are fed together: a power of two.
    pub members: u32,
    /// Vec4f of each member's input at a time: a power of two.
    pub input4: u32,
    /// Members whose queries a head has at a time.
    pub brought: u32,
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

impl Attention {
    /// Vec4f of `hidden` that queries, keys and values of `brought` members take, and what subgroups have attended to.
    fn hidden4(&self, brought: u32) -> u32 {
        brought * self.teams * (self.shared + 2) * self.head4 + TOGETHER * self.subgroups * (self.lanes + 1)
    }
}

/// A matrix, as it is dealt out: outputs of a workgroup, with their gates, each of so many chunks, and the vec4f of one of these.
pub struct Dealt {
    pub rows: u32,
    pub chunks: u32,
    pub in_chunk: u32,
    /// Workgroups that share out the members.
    pub split: u32,
}

impl Tile {
    /// The largest tile of at most `most` members that `left4` vec4f of workgroup memory have place for, and `threads` threads; none
    /// where there is none of as many members as a thread adds up at a time.
    pub fn fitting(most: u32, left4: u32, threads: u32, gaps: bool, attention: &Attention) -> Option<Tile> {
        // Formats of 4 bits have 8 vec4f in a chunk.
        let least_input4 = if gaps { 8 } else { 1 };
        let halved =
            |from: u32, least: u32| std::iter::successors(Some(from), |x| Some(x / 2)).take_while(move |&x| x >= least);
        let sizes = halved(most.min(threads * MEMBERS), MEMBERS);
        let sizes = sizes.flat_map(|members| {
            halved(WORDS * threads / 4 / members, least_input4).map(move |input4| (members, input4))
        });
        let inputs4 = |(members, input4): (u32, u32)| (members * (spread(input4, gaps) | 1)).max(threads);
        let (members, input4) = sizes.clone().find(|&size| inputs4(size) <= left4)?;
        let brought = halved(members.max(TOGETHER), TOGETHER).find(|&brought| attention.hidden4(brought) <= left4)?;
        Some(Tile { members, input4, brought, hidden4: inputs4((members, input4)).max(attention.hidden4(brought)) })
    }

    /// Workgroups that share out the members of the matrices that have few rows.
    pub fn split(&self, workgroups: u32) -> u32 {
        let most = MOST_SPLIT.min(self.members / MEMBERS).max(1);
        (1..=most).rev().find(|&split| split.is_power_of_two() && workgroups.is_multiple_of(split)).unwrap_or(1)
    }

    /// Lanes that share rows of a matrix, and slices of as many lanes: as many as leave a workgroup one turn, and as fit.
    pub fn lanes(&self, dealt: &Dealt, threads: u32, subgroup: u32) -> (u32, u32) {
        let groups = (self.members / dealt.split).div_ceil(MEMBERS) * dealt.rows.div_ceil(ROWS).next_power_of_two();
        let most = (self.input4 * dealt.split / dealt.in_chunk).min(1 << dealt.chunks.ilog2());
        let all = (threads / groups).clamp(1, most);
        let lanes = all.min(subgroup).min(MOST_LANES);
        // Slices are added up of lanes that have kept one member each.
        (lanes, if lanes >= MEMBERS { all / lanes } else { 1 })
    }
}

/// Vec4f of a region for `count`, with a gap behind every eighth where there are gaps.
pub fn spread(count: u32, gaps: bool) -> u32 {
    if gaps { 9 * count.div_ceil(8) } else { count }
}
