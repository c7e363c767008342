"""Acrobot, CartPole and the portfolio in whatever has NumPy's functions: NumPy itself, JAX, PyTorch.

A state is a tuple of components, each an array over individuals (or one number, where a caller maps over them). The
arithmetic is that of the shaders in shaders/rollout, of which src/core/workload/rollout says what each number means.
"""


class Environment:
    """`xp` is the namespace, `one` the number 1 in f32 there (so that truth values become f32), `market` an array [4, days],
    and `index` makes whole numbers of floats, to index it by."""

    def __init__(self, name, xp, one, market=None, index=None):
        self.xp, self.one, self.market, self.index = xp, one, market, index
        self.observe, self.advance = {
            "acrobot": (self.observe_acrobot, self.advance_acrobot),
            "cartpole": (self.xp.stack, self.advance_cartpole),
            "portfolio": (self.observe_portfolio, self.advance_portfolio),
        }[name]

    def step(self, network, carry):
        """A step of each individual whose episode goes on. `network` gives the outputs [output, ...] of what is seen
        [observation, ...]; `carry` is (state, return, length, whether it was terminated)."""
        state, episode_return, length, terminated = carry
        there, reward, ends = self.advance(state, network(self.observe(state)))
        goes_on = ~terminated
        # An episode that has ended keeps its last state.
        state = tuple(self.xp.where(goes_on, new, old) for new, old in zip(there, state))
        return state, episode_return + reward * (goes_on * self.one), length + goes_on, terminated | (goes_on & ends)

    def observe_acrobot(self, state):
        xp, (theta1, theta2, velocity1, velocity2) = self.xp, state
        return xp.stack((xp.cos(theta1), xp.sin(theta1), xp.cos(theta2), xp.sin(theta2), velocity1, velocity2))

    def advance_acrobot(self, state, outputs):
        """One step of the classical Runge-Kutta method in 0.2 s."""
        xp, tau, turn = self.xp, 0.2, 6.283185307179586
        second = (outputs[1] > outputs[0]) * self.one
        third = outputs[2] > xp.maximum(outputs[0], outputs[1])
        torque = xp.where(third, 2 * self.one, second) - 1.0

        def derivative(theta1, theta2, velocity1, velocity2):
            sine2, cosine2 = xp.sin(theta2), xp.cos(theta2)
            d1, d2 = 3.5 + cosine2, 1.25 + 0.5 * cosine2
            phi2 = 4.9 * xp.sin(theta1 + theta2)
            phi1 = 14.7 * xp.sin(theta1) + phi2 - sine2 * velocity2 * (0.5 * velocity2 + velocity1)
            pull = torque - 0.5 * velocity1 * velocity1 * sine2 - phi2
            faster2 = (d1 * pull + d2 * phi1) / (1.25 * d1 - d2 * d2)
            return velocity1, velocity2, -(d2 * faster2 + phi1) / d1, faster2

        def ahead(slope, seconds):
            return tuple(x + seconds * dx for x, dx in zip(state, slope))

        k1 = derivative(*state)
        k2 = derivative(*ahead(k1, tau / 2))
        k3 = derivative(*ahead(k2, tau / 2))
        k4 = derivative(*ahead(k3, tau))
        slope = tuple(a + 2 * (b + c) + d for a, b, c, d in zip(k1, k2, k3, k4))
        theta1, theta2, velocity1, velocity2 = ahead(slope, tau / 6)
        theta1 = theta1 - turn * xp.round(theta1 / turn)
        theta2 = theta2 - turn * xp.round(theta2 / turn)
        velocity1 = xp.clip(velocity1, -12.566371, 12.566371)
        velocity2 = xp.clip(velocity2, -28.274334, 28.274334)
        ends = -xp.cos(theta1) - xp.cos(theta1 + theta2) > 1.0
        return (theta1, theta2, velocity1, velocity2), ends * self.one - 1.0, ends

    def advance_cartpole(self, state, outputs):
        """One step of Euler's method in 0.02 s."""
        xp, (x, velocity, theta, turning) = self.xp, state
        tau, gravity, pole, total, pole_length = 0.02, 9.8, 0.1, 1.1, 0.05
        force = 20.0 * ((outputs[1] > outputs[0]) * self.one) - 10.0
        sine, cosine = xp.sin(theta), xp.cos(theta)
        push = (force + pole_length * turning * turning * sine) / total
        turn = (gravity * sine - cosine * push) / (0.5 * (4 / 3 - pole * cosine * cosine / total))
        slide = push - pole_length * turn * cosine / total
        x, theta = x + tau * velocity, theta + tau * turning
        ends = (xp.abs(x) > 2.4) | (xp.abs(theta) > 0.20943951)
        return (x, velocity + tau * slide, theta, turning + tau * turn), xp.ones_like(x), ends

    def observe_portfolio(self, state):
        value, peak, memory1, memory2, held1, held2, held3, day = state
        return1, return2, return3, trend = self.market[:, self.index(day)]
        drawdown, invested = 5.0 * (value / peak - 1.0), (held1 + held2 + held3) / 3.0
        seen = (50.0 * return1, 50.0 * return2, 50.0 * return3, 200.0 * trend, drawdown, invested, memory1, memory2)
        return self.xp.stack(seen)

    def advance_portfolio(self, state, outputs):
        """A day's trades, and the returns of the next."""
        xp, (value, peak, _, _, *held, day) = self.xp, state
        shares = 1.0 / (1.0 + xp.exp(-outputs))
        returns = self.market[:3, self.index(day) + 1]
        leverage = (1.0 + 2.0 * shares[3]) / (shares[0] + shares[1] + shares[2])
        costs, invested, gained, positions = 0.0, 0.0, 0.0, []
        for asset in range(3):
            target = xp.clip(leverage * shares[asset], None, 1.0)
            position = xp.where(xp.abs(target - held[asset]) < 0.05, held[asset], target)
            traded = position - held[asset]
            costs = costs + 4e-4 * xp.clip(traded, 0.0, None) + 2e-4 * xp.clip(-traded, 0.0, None)
            gained, invested = gained + position * returns[asset], invested + position
            positions.append(position)
        borrowed = xp.clip(invested - 1.0, 0.0, None)
        growth = xp.clip(1.0 + (gained - costs - 1e-5 * borrowed), 0.01, None)
        value = value * growth
        drifted = (position * (1.0 + gain) / growth for position, gain in zip(positions, returns))
        memories = (2.0 * shares[4] - 1.0, 2.0 * shares[5] - 1.0)
        return (value, xp.maximum(peak, value), *memories, *drifted, day + 1.0), xp.log(growth), value < 0.05
