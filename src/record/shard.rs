//! A share of a run's cases, for several machines: `run --shard I/N` measures one, and `merge` makes one run of all.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::spec::Spec;
use crate::workload::control::case_of_part;

/// The `number`th of `of` shards, from 1 on. Written `2/4`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Shard {
    number: u32,
    of: u32,
}

impl Shard {
    pub fn number(self) -> u32 {
        self.number
    }

    pub fn of(self) -> u32 {
        self.of
    }

    /// All shards that this one is one of.
    pub fn all(self) -> impl Iterator<Item = Shard> {
        (1..=self.of).map(move |number| Shard { number, ..self })
    }

    /// Whether the case in this place of the spec, from 0, is dealt to it: in turns, since cases that are neighbours take about as
    /// long.
    pub fn takes(self, place: usize) -> bool {
        place as u64 % u64::from(self.of) == u64::from(self.number - 1)
    }

    /// The cases of this shard: its own controls, which say what its device did, then those that are dealt to it.
    pub fn cases(self, spec: &Spec) -> Vec<String> {
        let dealt = spec.case_names().into_iter().enumerate().filter(|(place, _)| self.takes(*place));
        std::iter::once(case_of_part(self.number)).chain(dealt.map(|(_, name)| name)).collect()
    }
}

impl fmt::Display for Shard {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.number, self.of)
    }
}

impl FromStr for Shard {
    type Err = String;

    fn from_str(text: &str) -> Result<Shard, String> {
        let numbers = text.split_once('/').and_then(|(number, of)| Some((number.parse().ok()?, of.parse().ok()?)));
        match numbers {
            Some((number, of)) if (1..=of).contains(&number) => Ok(Shard { number, of }),
            _ => Err(format!("`{text}` is no shard; the shards of 4 are 1/4, 2/4, 3/4 and 4/4")),
        }
    }
}

impl TryFrom<String> for Shard {
    type Error = String;

    fn try_from(text: String) -> Result<Shard, String> {
        text.parse()
    }
}

impl From<Shard> for String {
    fn from(shard: Shard) -> String {
        shard.to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_case_is_dealt_to_one_shard() {
        for of in 1..=5 {
            let shards: Vec<Shard> = Shard { number: 1, of }.all().collect();
            assert_eq!(shards.len(), of as usize);
            for place in 0..12 {
                assert_eq!(shards.iter().filter(|shard| shard.takes(place)).count(), 1, "{place} of {of}");
            }
        }
    }

    #[test]
    fn what_is_no_shard_is_refused() {
        assert_eq!("2/4".parse(), Ok(Shard { number: 2, of: 4 }));
        for text in ["", "1", "0/4", "5/4", "1/0", "a/4", "1/4/4", "-1/4"] {
            assert!(text.parse::<Shard>().is_err(), "{text}");
        }
    }
}
