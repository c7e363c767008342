//! How each way of computing looks, the same in every figure.
//!
//! Colours are Okabe and Ito's ("Color Universal Design", 2008), told apart in any common colour blindness. In grey
//! the markers and lines tell: dashed for one dispatch per operation, solid and heavier for fused.

use plotters::style::RGBColor;

use super::canvas::{Marker, Stroke};
use crate::analysis::measured::{STEPWISE, label};
use crate::program::{Checks, Policy};
use crate::record::rows::Key;
use crate::workload::decode::Algorithm;
use crate::workload::decode::arm::{ALGORITHMS, About, checks_of};
use crate::workload::decode::format::Format;

#[derive(Clone, Debug)]
pub struct Look {
    pub label: String,
    /// Stepwise policies first, as in [`Policy::ALL`], then the fused arms.
    pub rank: usize,
    pub color: RGBColor,
    pub marker: Marker,
    pub width: f64,
    pub dash: Option<(f64, f64)>,
}

impl Look {
    pub fn stroke(&self) -> Stroke {
        Stroke { color: self.color, width: self.width, dash: self.dash }
    }

    /// The colour, dark enough for text on white.
    pub fn ink(&self) -> RGBColor {
        let RGBColor(r, g, b) = self.color;
        let luminance = 0.299 * f64::from(r) + 0.587 * f64::from(g) + 0.114 * f64::from(b);
        let keep = (95.0 / luminance).min(1.0);
        let darken = |channel: u8| (f64::from(channel) * keep).round() as u8;
        RGBColor(darken(r), darken(g), darken(b))
    }
}

type Known = (&'static str, RGBColor, Marker, Option<(f64, f64)>);

const POLICIES: [Known; Policy::ALL.len()] = [
    ("wait-each", RGBColor(0xd5, 0x5e, 0x00), Marker::Circle, Some((4.0, 5.0))),
    ("submit-each", RGBColor(0xe6, 0x9f, 0x00), Marker::Square, Some((10.0, 6.0))),
    ("submit-per-token", RGBColor(0xcc, 0x79, 0xa7), Marker::Up, Some((18.0, 7.0))),
    ("submit-ahead", RGBColor(0x77, 0x77, 0x22), Marker::Down, Some((24.0, 4.0))),
    ("one-submit", RGBColor(0x33, 0x33, 0x33), Marker::Diamond, Some((30.0, 7.0))),
];

/// Of rollouts, and of work without a policy.
const FUSED: Known = ("fused", RGBColor(0x00, 0x72, 0xb2), Marker::Circle, None);

/// The arms that are one dispatch unless they are cut: those of decoding as their own table draws them.
fn arms() -> Vec<Known> {
    let fused = ALGORITHMS.iter().filter(|about| about.algorithm != Algorithm::Stepwise);
    let known = fused.map(|About { name, color: [r, g, b], marker, .. }| {
        (*name, RGBColor(*r, *g, *b), Marker::by_letter(*marker), None)
    });
    known.chain([FUSED]).collect()
}

/// For arms that are not named above, in turn by a stable digest of their name.
const OTHERS: [(RGBColor, Marker); 4] = [
    (RGBColor(0x33, 0x22, 0x88), Marker::Cross),
    (RGBColor(0x88, 0x22, 0x55), Marker::Diamond),
    (RGBColor(0x7a, 0x6a, 0x00), Marker::Up),
    (RGBColor(0x66, 0x66, 0x66), Marker::Down),
];

const PEERS: [(&str, RGBColor, Marker); 8] = [
    ("pytorch", RGBColor(0x88, 0x22, 0x55), Marker::Diamond),
    ("jax", RGBColor(0x33, 0x22, 0x88), Marker::Cross),
    ("cuda", RGBColor(0x7a, 0x6a, 0x00), Marker::Up),
    ("triton", RGBColor(0x11, 0x77, 0x66), Marker::Down),
    ("transformers", RGBColor(0xcc, 0x66, 0x77), Marker::Square),
    ("onnxruntime", RGBColor(0x66, 0x66, 0x66), Marker::Cross),
    ("burn", RGBColor(0xb0, 0x3a, 0x1a), Marker::Circle),
    ("llama-cpp", RGBColor(0x1a, 0x5f, 0x8a), Marker::Square),
];

/// How another framework is drawn, under `label`: thin, and dashed where it waits for every token.
pub fn peer_look(peer: &str, label: String, is_weak: bool) -> Look {
    let place = PEERS.iter().position(|(name, ..)| *name == peer);
    let (color, marker) = place.map_or(OTHERS[3], |place| (PEERS[place].1, PEERS[place].2));
    let rank = POLICIES.len() + arms().len() + 1 + place.unwrap_or(PEERS.len());
    Look { label, rank, color, marker, width: 2.0, dash: is_weak.then_some((4.0, 5.0)) }
}

/// How what the device would allow is drawn, behind everything.
pub fn bound_look() -> Look {
    let (color, marker) = (RGBColor(0x99, 0x99, 0x99), Marker::Square);
    Look { label: "physical bound".into(), rank: usize::MAX, color, marker, width: 3.0, dash: Some((14.0, 10.0)) }
}

/// The algorithm in an arm's name, the marker of its variant, and the width of its line as a share of the algorithm's.
///
/// Variants keep the colour of their algorithm: without WebGPU's checks the line is half as wide, with a diamond,
/// and with more of them three quarters, with a triangle that points up; of weights
/// in two bytes, f16 has a cross and bf16 a triangle.
fn variant(label: &str) -> (&str, Option<Marker>, f64) {
    let (name, checks) = checks_of(label);
    let (share, marker) = match checks {
        Checks::None => (0.5, Some(Marker::Diamond)),
        Checks::Bounds => (1.0, None),
        Checks::BoundsAndLoops => (0.75, Some(Marker::Up)),
    };
    for format in Format::ALL {
        let algorithm = name.strip_suffix(format.name()).and_then(|name| name.strip_suffix('-'));
        if let (Some(algorithm), Some(marker)) = (algorithm, format.marker()) {
            return (algorithm, Some(Marker::by_letter(marker)), share);
        }
    }
    (name, marker, share)
}

/// How a row is drawn.
pub fn look(key: &Key) -> Look {
    let label = label(key);
    let policies = POLICIES.iter().map(|known| (known, 3.0));
    let known_arms = arms();
    let arms = known_arms.iter().map(|known| (known, 5.0));
    let (algorithm, of_variant, share) = variant(&label);
    let known = policies.chain(arms).enumerate().find(|(_, ((name, ..), _))| *name == algorithm);
    match known {
        Some((rank, (&(_, color, marker, dash), width))) => {
            let (marker, width) = (of_variant.unwrap_or(marker), width * share);
            Look { label, rank, color, marker, width, dash }
        }
        None => {
            let digest = label.bytes().fold(0usize, |sum, byte| sum.wrapping_mul(31).wrapping_add(byte.into()));
            let (color, marker) = OTHERS[digest % OTHERS.len()];
            let rank = POLICIES.len() + known_arms.len();
            Look { label, rank, color, marker, width: 5.0, dash: None }
        }
    }
}

/// How a stepwise policy is drawn.
pub fn policy_look(policy: Policy) -> Look {
    look_of(STEPWISE, policy)
}

/// How an arm of one dispatch is drawn.
pub fn arm_look(arm: &str) -> Look {
    look_of(arm, Policy::OneSubmit)
}

fn look_of(arm: &str, policy: Policy) -> Look {
    look(&Key { arm: arm.into(), policy: policy.name().into(), ..Key::default() })
}
