//! What was said so far, and how much of it the key-value cache holds.

use crate::workload::decode::chat_template::Message;

/// Messages in their order, with the tokens whose keys and values are in the cache.
pub struct Conversation {
    system: Option<Message>,
    turns: Vec<Message>,
    cached: Vec<u32>,
}

impl Conversation {
    /// One where nothing was said but, maybe, what the model is told beforehand.
    pub fn new(system: Option<&str>) -> Conversation {
        let system = system.map(|text| Message::of("system", text));
        Conversation { system, turns: Vec::new(), cached: Vec::new() }
    }

    /// All messages, with another one of the user.
    pub fn with(&self, message: &str) -> Vec<Message> {
        let asked = Message::of("user", message);
        self.system.iter().chain(&self.turns).cloned().chain([asked]).collect()
    }

    /// How many tokens of `prompt` need not be fed again. One is left in any case: the logits behind it choose the answer's first.
    pub fn cached(&self, prompt: &[u32]) -> usize {
        let common = self.cached.iter().zip(prompt).take_while(|(cached, token)| cached == token).count();
        common.min(prompt.len().saturating_sub(1))
    }

    /// How many answers there are.
    pub fn answers(&self) -> u64 {
        self.turns.len() as u64 / 2
    }

    /// Keeps an answer, and what was fed for it: all but the last of its `tokens`.
    pub fn answered(&mut self, message: &str, answer: &str, prompt: &[u32], tokens: &[u32]) {
        self.turns.extend([Message::of("user", message), Message::of("assistant", answer)]);
        let (_, fed) = tokens.split_last().expect("an answer has a token");
        self.cached = [prompt, fed].concat();
    }

    /// Keeps no answer, since there is none. Behind the `kept` first tokens the cache may hold what was fed for it.
    pub fn unanswered(&mut self, kept: usize) {
        self.cached.truncate(kept);
    }

    /// Forgets what was said.
    pub fn reset(&mut self) {
        *self = Conversation { system: self.system.take(), turns: Vec::new(), cached: Vec::new() };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_cached_is_not_fed_again() {
        let mut conversation = Conversation::new(None);
        assert_eq!(conversation.cached(&[1, 2, 3]), 0);
        conversation.answered("a", "b", &[1, 2, 3], &[4, 5]);
        // The last token of an answer was not fed.
        assert_eq!(conversation.cached(&[1, 2, 3, 4, 5, 6]), 4);
        assert_eq!(conversation.cached(&[1, 2, 9, 4, 5, 6]), 2);
        assert_eq!(conversation.cached(&[9, 2]), 0);
        // One token is left to be fed.
        assert_eq!(conversation.cached(&[1, 2, 3]), 2);
        assert_eq!(conversation.cached(&[1]), 0);
        conversation.answered("c", "d", &[1, 2, 9], &[7]);
        assert_eq!(conversation.cached(&[1, 2, 9, 7]), 3);
        assert_eq!(conversation.cached(&[1, 2, 3, 4]), 2);
        conversation.unanswered(2);
        assert_eq!(conversation.cached(&[1, 2, 9, 7]), 2);
    }

    #[test]
    fn messages_are_kept_in_their_order() {
        let mut conversation = Conversation::new(Some("Be brief."));
        let roles =
            |conversation: &Conversation| conversation.with("x").iter().map(|said| said.role).collect::<Vec<_>>();
        assert_eq!(roles(&conversation), ["system", "user"]);
        conversation.answered("Hi", "Hello", &[1], &[2]);
        assert_eq!(roles(&conversation), ["system", "user", "assistant", "user"]);
        assert_eq!(conversation.answers(), 1);
        conversation.unanswered(1);
        assert_eq!(conversation.answers(), 1);
        conversation.reset();
        assert_eq!(roles(&conversation), ["system", "user"]);
        assert_eq!((conversation.answers(), conversation.cached(&[1, 2])), (0, 0));
        assert_eq!(conversation.with("x")[0], Message::of("system", "Be brief."));
    }
}
