// Decoding, any span of it in one dispatch, with subgroup operations: by one workgroup for a sequence, or by WORKGROUPS
// of them. A dispatch of more workgroups decodes as many sequences as that makes, each by its own request.

// Every thread of the workgroup reaches every shuffle; the analysis cannot see it.
diagnostic(off, subgroup_uniformity);

#import modules/generation.wgsl
#import modules/model.wgsl
#import modules/weights.wgsl
#import modules/scales.wgsl
#import modules/exchange.wgsl
#import modules/stream.wgsl
#import modules/sums_by_subgroup.wgsl
#import modules/formats.wgsl
#import modules/rows.wgsl
#import modules/attention_by_subgroup.wgsl
#import modules/prompt.wgsl
#import modules/penalty.wgsl
#import modules/threshold.wgsl
#import modules/choice.wgsl
#import modules/philox.wgsl
