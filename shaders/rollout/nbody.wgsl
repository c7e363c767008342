// Bodies under each other's gravity, softened, by semi-implicit Euler: every body needs every other at every step.
//
// `fused`: one workgroup runs all steps, with positions in workgroup memory and velocities in registers, so that it is fused
// without leaving anything out. Two barriers a step: nobody moves before all have looked, nobody looks before all have
// moved. `one_step`: a thread for each body, from one buffer of positions to another, so that there are no barriers.

override WORKGROUP_SIZE: u32 = 64;
override BODIES: u32 = 512;
override STEPS: u32 = 200;           // of `fused`
override EACH: u32 = 8;              // of `fused`: bodies of a thread, BODIES / WORKGROUP_SIZE rounded up

const STEP_S: f32 = 0.01;
const SOFTENING: f32 = 0.01;         // square of a length

@group(0) @binding(0) var<storage, read_write> positions: array<vec4f>;   // [body]: position and mass
@group(0) @binding(1) var<storage, read_write> velocities: array<vec4f>;  // [body]
@group(0) @binding(2) var<storage, read_write> moved: array<vec4f>;       // of `one_step`: positions after it

var<workgroup> places: array<vec4f, BODIES>;

@compute @workgroup_size(WORKGROUP_SIZE)
fn fused(@builtin(local_invocation_index) thread: u32) {
    var own: array<vec4f, 64>;
    for (var nth = 0u; nth < EACH; nth++) {
        let body = thread + nth * WORKGROUP_SIZE;
        if body < BODIES {
            places[body] = positions[body];
            own[nth] = velocities[body];
        }
    }
    workgroupBarrier();
    for (var step = 0u; step < STEPS; step++) {
        for (var nth = 0u; nth < EACH; nth++) {
            let body = thread + nth * WORKGROUP_SIZE;
            if body < BODIES {
                var pull = vec3f(0.0);
                let place = places[body].xyz;
                for (var other = 0u; other < BODIES; other++) {
                    pull += attraction(place, places[other]);
                }
                own[nth] += vec4f(STEP_S * pull, 0.0);
            }
        }
        workgroupBarrier();
        for (var nth = 0u; nth < EACH; nth++) {
            let body = thread + nth * WORKGROUP_SIZE;
            if body < BODIES {
                places[body] += STEP_S * own[nth];
            }
        }
        workgroupBarrier();
    }
    for (var nth = 0u; nth < EACH; nth++) {
        let body = thread + nth * WORKGROUP_SIZE;
        if body < BODIES {
            positions[body] = places[body];
            velocities[body] = own[nth];
        }
    }
}

@compute @workgroup_size(WORKGROUP_SIZE)
fn one_step(@builtin(global_invocation_id) id: vec3u) {
    let body = id.x;
    if body >= BODIES {
        return;
    }
    var pull = vec3f(0.0);
    let place = positions[body];
    for (var other = 0u; other < BODIES; other++) {
        pull += attraction(place.xyz, positions[other]);
    }
    let velocity = velocities[body] + vec4f(STEP_S * pull, 0.0);
    velocities[body] = velocity;
    moved[body] = place + STEP_S * velocity;
}

// Acceleration towards a body of this mass; of a body towards itself none.
fn attraction(place: vec3f, other: vec4f) -> vec3f {
    let way = other.xyz - place;
    let nearness = inverseSqrt(dot(way, way) + SOFTENING);
    return other.w * nearness * nearness * nearness * way;
}
