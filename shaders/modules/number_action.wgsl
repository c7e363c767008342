// An action that is one number.
alias Action = f32;

fn load_action(individual: u32) -> Action {
    return actions[individual];
}
