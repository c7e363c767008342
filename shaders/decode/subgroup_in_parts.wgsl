// Decoding as `subgroup.wgsl` does it, of models whose weights are more than one binding holds.

// Every thread of the workgroup reaches every shuffle; the analysis cannot see it.
diagnostic(off, subgroup_uniformity);

#import modules/generation.wgsl
#import modules/model.wgsl
#import modules/weights_in_parts.wgsl
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
