// Decoding, any span of it in one dispatch, without optional features: by one workgroup for a sequence, or by WORKGROUPS
// of them. With WORKGROUP_SIZE = 1 this is the arm `fused-scalar`: one thread does everything.

#import modules/generation.wgsl
#import modules/model.wgsl
#import modules/weights.wgsl
#import modules/exchange.wgsl
#import modules/stream.wgsl
#import modules/sums_by_memory.wgsl
#import modules/columns.wgsl
#import modules/attention_by_memory.wgsl
#import modules/prompt_one_by_one.wgsl
#import modules/penalty.wgsl
#import modules/threshold.wgsl
#import modules/choice.wgsl
#import modules/philox.wgsl
