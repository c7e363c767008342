//! A leveraged portfolio of three assets on daily closes, under a recurrent policy 8-16-6: the financial simulation of the
//! preprint, made whole. There two inputs were always 0, one output was unused, renormalising undid the cap on an asset, and
//! slippage could not be reached; here every input, output and rule takes part. The twin of `shaders/rollout/portfolio.wgsl`.
//!
//! On each day the policy sees the day's three returns, the trend of their mean, the drawdown, what is invested, and the two
//! numbers it remembered. Its outputs, each through a sigmoid, are the shares of the assets, the leverage, and what to
//! remember. What is invested in an asset is its part of 1 to 3 times the value, and at most the value; what the cap leaves
//! over stays in cash. Positions within 0.05 of their target are left alone. Buying costs 4 basis points, selling 2, and
//! what is borrowed 1e-5 a day. The reward is the logarithm of the day's growth. Below a twentieth of the first value the
//! portfolio is liquidated, which ends the episode.

use std::sync::LazyLock;

use super::environment::{Action, Component, Environment, Transition, Values};
use super::prices::closes;
use crate::error::Result;

pub const NAME: &str = "portfolio";

/// Where the prices in the binary are from: `data/sources/README.md`.
const PRICES: &str = include_str!(env!("ONEDISPATCH_PRICES"));

const ASSETS: usize = 3;
/// Days whose mean return is the trend.
const TREND_DAYS: usize = 20;
/// Numbers of a day: the returns of the assets since the day before, and the trend.
const DAY: usize = ASSETS + 1;

const CAP: f64 = 1.0;
const BAND: f64 = 0.05;
const BUYING: f64 = 4e-4;
const SELLING: f64 = 2e-4;
const BORROWING: f64 = 1e-5;
const FLOOR: f64 = 0.05;
/// No day may lose more than this leaves.
const LEAST_GROWTH: f64 = 0.01;

const fn component(name: &'static str, initial: f64, scale: f64) -> Component {
    Component { name, initial: (initial, initial), scale, is_angle: false }
}

static COMPONENTS: [Component; 8] = [
    component("value", 1.0, 4.0),
    component("peak", 1.0, 4.0),
    component("first memory", 0.0, 1.0),
    component("second memory", 0.0, 1.0),
    component("first position", 0.0, CAP),
    component("second position", 0.0, CAP),
    component("third position", 0.0, CAP),
    component("day", 0.0, 1000.0),
];

/// On the prices in the binary.
pub static PORTFOLIO: LazyLock<Environment> =
    LazyLock::new(|| on_prices(PRICES).expect("the prices in the binary are whole, which a test holds them to"));

/// On prices of one's own: CSV with a header and one day a line, oldest first; the first three columns are traded in.
///
/// # Errors
///
/// One line that names the line and column of the first cell that is no price; or that there are too few days.
pub fn on_prices(csv: &str) -> Result<Environment> {
    let market = market(&closes(csv, TREND_DAYS + 2)?);
    Ok(Environment {
        name: NAME,
        shader: "rollout/portfolio.wgsl",
        observations: 8,
        hidden: 16,
        outputs: 6,
        action: Action::Shares,
        components: &COMPONENTS,
        // The last day but one can still be traded on.
        steps: (market.len() / DAY - 1).min(1500) as u32,
        most_steps: (market.len() / DAY - 1) as u32,
        reward: 0.01,
        // Observations; shares; positions and what they cost; growth; value, positions and memories after it; return, day.
        physics_multiply_adds: 7 + 6 + 3 + 6 + 4 + 5 + 1 + 6 + 2 + 2,
        observe,
        advance,
        market,
    })
}

/// [`DAY`] numbers for each day that has a trend.
fn market(closes: &[[f64; ASSETS]]) -> Vec<f32> {
    let returns = |day: usize| std::array::from_fn::<f64, ASSETS, _>(|i| closes[day][i] / closes[day - 1][i] - 1.0);
    let mean = |day: usize| returns(day).iter().sum::<f64>() / ASSETS as f64;
    (TREND_DAYS..closes.len())
        .flat_map(|day| {
            let trend = (day + 1 - TREND_DAYS..=day).map(mean).sum::<f64>() / TREND_DAYS as f64;
            returns(day).into_iter().chain([trend]).map(|number| number as f32)
        })
        .collect()
}

fn day_of(environment: &Environment, day: f64) -> [f64; DAY] {
    let first = DAY * day.round() as usize;
    std::array::from_fn(|number| f64::from(environment.market[first + number]))
}

fn observe(environment: &Environment, state: &Values) -> Values {
    let [value, peak, memory1, memory2, held1, held2, held3, day] = *state;
    let [return1, return2, return3, trend] = day_of(environment, day);
    let drawdown = 5.0 * (value / peak - 1.0);
    let invested = (held1 + held2 + held3) / 3.0;
    [50.0 * return1, 50.0 * return2, 50.0 * return3, 200.0 * trend, drawdown, invested, memory1, memory2]
}

fn advance(environment: &Environment, state: &Values, shares: &Values) -> Transition {
    let [value, peak, _, _, held1, held2, held3, day] = *state;
    let held = [held1, held2, held3];
    let returns = day_of(environment, day + 1.0);
    let leverage = 1.0 + 2.0 * shares[ASSETS];
    let all = shares[..ASSETS].iter().sum::<f64>();
    let mut growth = 1.0;
    let mut invested = 0.0;
    let mut positions = [0.0; ASSETS];
    for asset in 0..ASSETS {
        let target = (leverage * shares[asset] / all).min(CAP);
        let change = target - held[asset];
        positions[asset] = if change.abs() < BAND { held[asset] } else { target };
        let traded = positions[asset] - held[asset];
        growth -= BUYING * traded.max(0.0) + SELLING * (-traded).max(0.0);
        growth += positions[asset] * returns[asset];
        invested += positions[asset];
    }
    growth = (growth - BORROWING * (invested - 1.0).max(0.0)).max(LEAST_GROWTH);
    let value = value * growth;
    let drifted = |asset: usize| positions[asset] * (1.0 + returns[asset]) / growth;
    let remembered = |output: usize| 2.0 * shares[output] - 1.0;
    let state =
        [value, peak.max(value), remembered(4), remembered(5), drifted(0), drifted(1), drifted(2), day.round() + 1.0];
    Transition { state, reward: growth.ln(), terminated: value < FLOOR }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn csv(rows: &[&str]) -> String {
        let ordinary = (0..30).map(|day| format!("{},100,{},1\n", 100 + day, 50 + day % 3));
        format!("A,B,C,D\n{}{}", ordinary.collect::<String>(), rows.join("\n"))
    }

    #[test]
    fn the_prices_in_the_binary_are_whole() {
        let environment = on_prices(PRICES).unwrap();
        assert_eq!((environment.steps, environment.most_steps), (1500, 1839));
        assert_eq!(environment.parameters(), 246);
        // Lines 21 and 22 of the file.
        let expected = (1605.75 / 1604.95 - 1.0) as f32;
        assert_eq!(environment.market[0], expected);
    }

    #[test]
    fn gaps_and_zeros_are_named_by_their_line() {
        let fault = |row: &str| on_prices(&csv(&[row])).err().map(|error| error.to_string()).unwrap();
        insta::assert_snapshot!(
            [fault("100,,50,1"), fault("100,0,50,1"), fault("100,-3,50,1"), fault("100,nan,50,1"), fault("100,x,50,1"), fault("1,2,3")].join("\n"), @"
        line 32, column 2 (`B`): a price is missing; fill it in, or leave out the day
        line 32, column 2 (`B`): `0` is no price; expected a number above 0
        line 32, column 2 (`B`): `-3` is no price; expected a number above 0
        line 32, column 2 (`B`): `nan` is no price; expected a number above 0
        line 32, column 2 (`B`): `x` is no price; expected a number above 0
        line 32: 3 prices, expected 4 as in the header
        ");
        assert!(on_prices("A,B\n").is_err() && on_prices("A,B,C\n1,2,3\n").is_err() && on_prices("").is_err());
        assert!(on_prices(&csv(&[])).is_ok());
    }

    /// By hand: all in the first asset at full leverage meets the cap, and pays for it.
    #[test]
    fn a_day_by_hand() {
        let environment = on_prices(&csv(&[])).unwrap();
        let start = [1.0, 1.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0];
        let shares = [1.0, 0.0, 0.0, 1.0, 0.75, 0.5, 0.0, 0.0];
        let Transition { state, reward, terminated } = advance(&environment, &start, &shares);
        let rise = f64::from(environment.market[DAY]);
        let growth = 1.0 - 4e-4 + rise;
        let expected = [growth, growth, 0.5, 0.0, (1.0 + rise) / growth, 0.0, 0.0, 1.0];
        state.iter().zip(expected).for_each(|(there, expected)| assert!((there - expected).abs() < 1e-12, "{state:?}"));
        assert!((reward - growth.ln()).abs() < 1e-12 && !terminated);
        // A target within the band of what is held changes nothing and costs nothing.
        let near = [0.98, 0.0, 0.0, 0.0, 0.5, 0.5, 0.0, 0.0];
        let held = [1.0, 1.0, 0.0, 0.0, 0.97, 0.0, 0.0, 0.0];
        let after = advance(&environment, &held, &near);
        assert!((after.reward - (1.0 + 0.97 * rise).ln()).abs() < 1e-12);
        // Below the floor it ends.
        let poor = [0.049, 1.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0];
        assert!(advance(&environment, &poor, &near).terminated);
    }
}
