// tanh(x) = 1 - 2 / (e^2x + 1): an absolute error of a few units in the last place of 1, at the cost of one exponential and
// one division. Lanes that are not used cost nothing.
fn tanh4(x: vec4f) -> vec4f {
    return 1.0 - 2.0 / (exp2(min(x * 2.885390, vec4f(64.0))) + 1.0);
}

fn sigmoid3(x: vec3f) -> vec3f {
    return 1.0 / (1.0 + exp2(min(-1.442695 * x, vec3f(64.0))));
}
