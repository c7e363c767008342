// A prompt that is fed one token after another, like the new ones.
const TILE: u32 = 1u;

fn read_prompt(own: u32, to_do: Request, since: u32, ends_within: bool) -> u32 {
    return to_do.first_step;
}
