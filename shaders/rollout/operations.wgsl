// The policy network one operation at a time, for every environment: the way a framework runs a batch of networks, each
// individual's own.
//
// One thread makes one element after another, at a stride of all threads. Everything is [element][individual], so
// neighbouring threads read neighbouring words. No thread waits for another: there are no barriers.

override WORKGROUP_SIZE: u32 = 64;
override INPUTS: u32 = 4;
override OUTPUTS: u32 = 8;
override FIRST_PARAMETER: u32 = 0;   // W[output][input] starts there in a genome, and the biases follow it

@group(0) @binding(1) var<storage, read> inputs: array<f32>;          // of all but `activate`
@group(0) @binding(2) var<storage, read> genomes: array<f32>;
@group(0) @binding(3) var<storage, read_write> outputs: array<f32>;
@group(0) @binding(1) var<storage, read_write> hidden: array<f32>;    // of `activate`
@group(0) @binding(2) var<storage, read_write> actions: array<f32>;   // of what comes last: [number][individual]

// Matrix and bias.
@compute @workgroup_size(WORKGROUP_SIZE)
fn linear(@builtin(global_invocation_id) id: vec3u, @builtin(num_workgroups) workgroups: vec3u) {
    let population = request.population;
    for (var element = id.x; element < OUTPUTS * population; element += WORKGROUP_SIZE * workgroups.x) {
        let output = element / population;
        let individual = element % population;
        var sum = genomes[(FIRST_PARAMETER + OUTPUTS * INPUTS + output) * population + individual];
        for (var input = 0u; input < INPUTS; input++) {
            let weight = genomes[(FIRST_PARAMETER + output * INPUTS + input) * population + individual];
            sum += weight * inputs[input * population + individual];
        }
        outputs[element] = sum;
    }
}

@compute @workgroup_size(WORKGROUP_SIZE)
fn activate(@builtin(global_invocation_id) id: vec3u, @builtin(num_workgroups) workgroups: vec3u) {
    for (var element = id.x; element < OUTPUTS * request.population; element += WORKGROUP_SIZE * workgroups.x) {
        hidden[element] = tanh4(vec4f(hidden[element])).x;
    }
}

// The action that the network chooses: the first of the largest outputs.
@compute @workgroup_size(WORKGROUP_SIZE)
fn choose(@builtin(global_invocation_id) id: vec3u, @builtin(num_workgroups) workgroups: vec3u) {
    for (var individual = id.x; individual < request.population; individual += WORKGROUP_SIZE * workgroups.x) {
        var best = 0u;
        for (var other = 1u; other < INPUTS; other++) {
            if inputs[other * request.population + individual] > inputs[best * request.population + individual] {
                best = other;
            }
        }
        actions[individual] = f32(best);
    }
}

// A torque within the pendulum's limits.
@compute @workgroup_size(WORKGROUP_SIZE)
fn squash(@builtin(global_invocation_id) id: vec3u, @builtin(num_workgroups) workgroups: vec3u) {
    for (var individual = id.x; individual < request.population; individual += WORKGROUP_SIZE * workgroups.x) {
        actions[individual] = 2.0 * tanh4(vec4f(inputs[individual])).x;
    }
}

// Each output as a share: a sigmoid.
@compute @workgroup_size(WORKGROUP_SIZE)
fn share(@builtin(global_invocation_id) id: vec3u, @builtin(num_workgroups) workgroups: vec3u) {
    for (var element = id.x; element < OUTPUTS * request.population; element += WORKGROUP_SIZE * workgroups.x) {
        actions[element] = sigmoid3(vec3f(inputs[element])).x;
    }
}

#import modules/hyperbolic.wgsl
#import modules/population.wgsl
