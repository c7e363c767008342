// How far an individual's episode has come.
struct Episode {
    episode_return: f32,
    steps: u32,          // made so far
    terminated: u32,     // 1 where the environment ended it
}
