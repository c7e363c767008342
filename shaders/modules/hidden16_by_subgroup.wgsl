// A policy of 16 hidden units, shared out.
const HIDDEN: u32 = 16;

#import modules/hidden_shared.wgsl
