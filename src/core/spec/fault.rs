//! What can be wrong with a spec that is well formed.

/// What is wrong with a spec that is well formed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fault {
    /// The key's name; the last part of it for a key in a table.
    pub key: &'static str,
    /// Which element of its list, where it is one.
    pub element: Option<usize>,
    /// What is wrong, as the continuation of the key's name.
    pub problem: String,
}

pub(super) fn fault(key: &'static str, problem: impl Into<String>) -> Option<Fault> {
    Some(Fault { key, element: None, problem: problem.into() })
}

pub(super) fn repeated<T: PartialEq + std::fmt::Display>(key: &'static str, list: &[T]) -> Option<Fault> {
    let element = (1..list.len()).find(|&i| list[..i].contains(&list[i]))?;
    Some(Fault { key, element: Some(element), problem: format!("holds {} twice", list[element]) })
}
