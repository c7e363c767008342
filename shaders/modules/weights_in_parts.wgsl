// Weights in several bindings, where one may not be as large as all of them. A stage always reads the same one, so that the compiler
// knows which.

@group(0) @binding(0) var<storage, read> weights: array<vec4u>;   // vectors, positions and the embedding
@group(0) @binding(7) var<storage, read> attention_weights: array<vec4u>;
@group(0) @binding(8) var<storage, read> fc_weights: array<vec4u>;
@group(0) @binding(9) var<storage, read> mlp_weights: array<vec4u>;
@group(0) @binding(10) var<storage, read> head_weights: array<vec4u>;

// Of the matrix of a stage.
fn weight(stage: u32, at: u32) -> vec4u {
    switch stage {
        case QUERY_KEY_VALUE, PROJECTION: { return attention_weights[at]; }
        case FC: { return fc_weights[at]; }
        case MLP: { return mlp_weights[at]; }
        case LOGITS: {
            if TIED {
                return weights[at];
            }
            return head_weights[at];
        }
        default: { return weights[at]; }
    }
}

fn weight_word(stage: u32, at: u32) -> u32 {
    return weight(stage, at / 4u)[at % 4u];
}
