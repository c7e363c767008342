// Test functions of optimisation at many points: work without an order, which one dispatch can do as well as another.
//
// A workgroup sums up one point after another's terms.
// `fused` makes the terms as it adds them; `map` and `reduce` are the two operations of a framework, with all terms in
// memory in between.

override FUNCTION: u32 = 0;          // sphere, rastrigin, ackley, schwefel, griewank
override POINTS: u32 = 4096;
override DIMENSION: u32 = 2000;

const TURN: f32 = 6.2831855;

@group(0) @binding(0) var<storage, read> points: array<f32>;              // [point][coordinate]
@group(0) @binding(1) var<storage, read_write> values: array<f32>;        // of `fused`, `reduce`: [point]
@group(0) @binding(1) var<storage, read_write> terms: array<vec2f>;       // of `map`: [point][coordinate]
@group(0) @binding(0) var<storage, read_write> made: array<vec2f>;        // of `reduce`: the same

alias Sum = vec2f;

@compute @workgroup_size(WORKGROUP_SIZE)
fn fused(
    @builtin(local_invocation_index) thread: u32,
    @builtin(workgroup_id) group: vec3u,
    @builtin(num_workgroups) groups: vec3u,
) {
    for (var point = group.x; point < POINTS; point += groups.x) {
        var sum = none();
        for (var coordinate = thread; coordinate < DIMENSION; coordinate += WORKGROUP_SIZE) {
            sum = added(sum, term(points[point * DIMENSION + coordinate], coordinate));
        }
        finish(thread, point, sum);
    }
}

@compute @workgroup_size(WORKGROUP_SIZE)
fn map(@builtin(global_invocation_id) id: vec3u, @builtin(num_workgroups) groups: vec3u) {
    for (var place = id.x; place < POINTS * DIMENSION; place += WORKGROUP_SIZE * groups.x) {
        terms[place] = term(points[place], place % DIMENSION);
    }
}

@compute @workgroup_size(WORKGROUP_SIZE)
fn reduce(
    @builtin(local_invocation_index) thread: u32,
    @builtin(workgroup_id) group: vec3u,
    @builtin(num_workgroups) groups: vec3u,
) {
    for (var point = group.x; point < POINTS; point += groups.x) {
        var sum = none();
        for (var coordinate = thread; coordinate < DIMENSION; coordinate += WORKGROUP_SIZE) {
            sum = added(sum, made[point * DIMENSION + coordinate]);
        }
        finish(thread, point, sum);
    }
}

fn finish(thread: u32, point: u32, own: Sum) {
    let sum = total(thread, own);
    if thread == 0u {
        values[point] = value(sum);
    }
}

// The second sum of griewank is a product.
fn none() -> Sum {
    return vec2f(0.0, select(0.0, 1.0, FUNCTION == 4u));
}

fn added(a: Sum, b: Sum) -> Sum {
    return vec2f(a.x + b.x, select(a.y + b.y, a.y * b.y, FUNCTION == 4u));
}

fn term(x: f32, coordinate: u32) -> Sum {
    switch FUNCTION {
        case 1u: {
            return vec2f(x * x - 10.0 * cos(TURN * x) + 10.0, 0.0);
        }
        case 2u: {
            return vec2f(x * x, cos(TURN * x));
        }
        case 3u: {
            return vec2f(418.9829 - x * sin(sqrt(abs(x))), 0.0);
        }
        case 4u: {
            return vec2f(x * x / 4000.0, cos(x * inverseSqrt(f32(coordinate + 1u))));
        }
        default: {
            return vec2f(x * x, 0.0);
        }
    }
}

fn value(sum: Sum) -> f32 {
    let mean = sum / f32(DIMENSION);
    switch FUNCTION {
        case 2u: {
            return 22.718282 - 20.0 * exp(-0.2 * sqrt(mean.x)) - exp(mean.y);
        }
        case 4u: {
            return 1.0 + sum.x - sum.y;
        }
        default: {
            return sum.x;
        }
    }
}

#import modules/side_by_side.wgsl
