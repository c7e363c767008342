// What a dispatch of a rollout is asked for.
@group(0) @binding(0) var<storage, read> request: Request;

struct Request {
    population: u32,
    steps: u32,          // an episode ends after so many
    span: u32,           // a dispatch of `fused` makes at most so many of each
}
