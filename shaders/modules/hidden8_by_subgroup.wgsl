// A policy of 8 hidden units, shared out.
const HIDDEN: u32 = 8;

#import modules/hidden_shared.wgsl
