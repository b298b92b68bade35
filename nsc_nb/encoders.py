
#| export
import math

import torch
from torch import nn
from fastcore.basics import patch

from .core import ConfigError, nearest



#| export
class Frequency(nn.Module):
    "Sines and cosines of the input at `octaves` powers of two (NeRF, equation 4, without the factor pi)."
    def __init__(self,
        octaves,             # K, frequencies 2^0 … 2^(K-1)
        include_input=True,  # put the input itself first
        n_in=3,              # dimensions of the input, only to know `n_out`
    ):
        super().__init__()
        self.octaves, self.include_input, self.n_in = octaves, include_input, n_in
        self.n_out = n_in * (2 * octaves + include_input)

    def forward(self,
        x,  # (..., n_in)
    ):      # (..., n_out): x, then sin and cos per frequency
        "Encode the last dimension."
        parts = [x] if self.include_input else []
        for k in range(self.octaves): parts += [torch.sin(x * 2.**k), torch.cos(x * 2.**k)]  # (..., n_in) each
        return torch.cat(parts, -1) if parts else x[..., :0]



#| export
def soft_step(
    t,           # (..., 1) times
    mu,          # (N,) dates of the steps
    beta,        # (N,) widths, any sign
    floor=1e-3,  # smallest width
):               # (..., N) in (0, 1)
    "Distribution function of the Laplace law at `mu` of width `max(|beta|, floor)`."
    d = t - mu
    tail = .5 * torch.exp(torch.where(d <= 0, d, -d) / beta.abs().clamp(min=floor))  # not -|d|: its slope at 0 would be 0
    return torch.where(d <= 0, tail, 1 - tail)



#| export
class _HardStep(torch.autograd.Function):
    "Forward 1[t > mu], backward the slopes of `soft_step`."
    @staticmethod
    def forward(ctx, t, mu, beta, floor):
        ctx.save_for_backward(t, mu, beta); ctx.floor = floor
        return (t > mu).to(mu.dtype)  # (..., N)

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx, grad):
        t, mu, beta = ctx.saved_tensors
        b, d, N = beta.abs().clamp(min=ctx.floor), t - mu, len(mu)      # (N,), (..., N)
        slope = grad * torch.exp(-d.abs() / b) / (2 * b)                # (..., N)
        live = beta.sign() * (beta.abs() > ctx.floor)                   # (N,)
        d_beta = (-slope * d / b).reshape(-1, N).sum(0) * live
        return slope.sum(-1, keepdim=True), -slope.reshape(-1, N).sum(0), d_beta, None



#| export
class StepTime(nn.Module):
    "Learned step functions of time, hard forward and soft backward (Lin et al. 2023)."
    def __init__(self,
        n=16,            # N, number of steps
        beta=.3,         # starting width of every step, in units of the whole time range
        floor=1e-3,      # smallest width the backward pass uses
        init="uniform",  # dates at the start: "uniform" (random) or "even"
    ):
        super().__init__()
        if init not in ("uniform", "even"): raise ConfigError(f"no start `{init}` of the steps", "uniform or even")
        mu = torch.rand(n) if init == "uniform" else (torch.arange(n) + .5) / n
        self.mu, self.beta = nn.Parameter(mu), nn.Parameter(torch.full((n,), float(beta)))  # (N,), (N,)
        self.floor, self.n_out = floor, n



#| export
@patch
def soft(self: StepTime,
    t,  # (..., 1) times in [0, 1]
):      # (..., N)
    "The soft steps, whose slope the backward pass uses."
    return soft_step(t, self.mu, self.beta, self.floor)



#| export
@patch
def hard(self: StepTime,
    t,  # (..., 1) times in [0, 1]
):      # (..., N) of 0 and 1
    "The hard steps, without gradients; exactly at its date a step is still off."
    return (t > self.mu).to(self.mu.dtype).detach()



#| export
@patch
def forward(self: StepTime,
    t,  # (..., 1) times in [0, 1]
):      # (..., N) of 0 and 1
    "Hard steps with the gradient of the soft ones."
    return _HardStep.apply(t, self.mu, self.beta, self.floor)



#| export
@patch
def dead(self: StepTime):  # (N,) bool
    "Steps whose date lies outside (0, 1): they never switch."
    return (self.mu.detach() <= 0) | (self.mu.detach() >= 1)

@patch
def order(self: StepTime):  # (N,) int64
    "Indices that sort the steps by date."
    return self.mu.detach().argsort()



#| export
class PlainTime(nn.Module):
    "Time as it is."
    n_out = 1
    def forward(self,
        t,  # (..., 1) times in [0, 1]
    ):      # the same
        "Pass the time on."
        return t

class FrequencyTime(Frequency):
    "Sines and cosines of time, and time itself."
    def __init__(self,
        octaves,  # frequencies 2^0 … 2^(octaves-1), in radians over the whole time range
    ): super().__init__(octaves, n_in=1)



#| export
class NoTime(nn.Module):
    "No time at all."
    n_out = 0
    def forward(self,
        t,  # (..., 1) times in [0, 1]
    ):      # (..., 0)
        "Forget the time."
        return t[..., :0]



#| export
TIME_ENCODERS = dict(step=lambda n: StepTime(n), plain=lambda n: PlainTime(), frequency=lambda n: FrequencyTime(n // 2), none=lambda n: NoTime())

def time_encoder(
    kind="step",  # step | plain | frequency | none
    n=16,         # steps, or twice the octaves; the others have no size
) -> nn.Module:   # maps (..., 1) to (..., n_out)
    "A time encoder by name; `ConfigError` on an unknown one."
    if kind not in TIME_ENCODERS: raise ConfigError(f"no time encoder `{kind}`", nearest(kind, list(TIME_ENCODERS)))
    return TIME_ENCODERS[kind](n)



#| export
def rise_width(
    t,            # (P,) times, ascending
    y,            # (P,) values around one change
    before=None,  # level before it; the median of the first quarter when None
    after=None,   # level after it; the median of the last quarter when None
) -> float:       # in units of t; 0 for a jump between two samples
    "10–90 % width of a change: from when it first passes 10 % to when it last stays below 90 %."
    t, y, q = torch.as_tensor(t).flatten(), torch.as_tensor(y).flatten(), max(len(t) // 4, 1)
    before = y[:q].median() if before is None else before
    after = y[-q:].median() if after is None else after
    v = (y - before) / (after - before)
    begun, unfinished = (v > .1).nonzero(), (v < .9).nonzero()
    if not len(begun) or not len(unfinished): return float("nan")
    return max(float(t[unfinished[-1, 0]] - t[begun[0, 0]]), 0.)



#| export
def spherical_harmonics(
    d,       # (..., 3) unit vectors
    degree,  # highest degree, 0 … 4
):           # (..., (degree+1)^2)
    "Real spherical harmonics up to a degree, orthonormal over the sphere; `ConfigError` beyond degree 4."
    if not 0 <= degree <= 4: raise ConfigError(f"spherical harmonics of degree {degree} are not written out", "0 to 4")
    x, y, z = d.unbind(-1); xx, yy, zz = x * x, y * y, z * z
    s, pi = math.sqrt, math.pi
    Y = [torch.full_like(x, s(1 / pi) / 2)]
    Y += [s(3 / pi) / 2 * v for v in (y, z, x)]
    Y += [s(15 / pi) / 2 * x * y, s(15 / pi) / 2 * y * z, s(5 / pi) / 4 * (3 * zz - 1), s(15 / pi) / 2 * x * z, s(15 / pi) / 4 * (xx - yy)]
    Y += [s(35 / 2 / pi) / 4 * y * (3 * xx - yy), s(105 / pi) / 2 * x * y * z, s(21 / 2 / pi) / 4 * y * (5 * zz - 1), s(7 / pi) / 4 * z * (5 * zz - 3),
          s(21 / 2 / pi) / 4 * x * (5 * zz - 1), s(105 / pi) / 4 * z * (xx - yy), s(35 / 2 / pi) / 4 * x * (xx - 3 * yy)]
    Y += [s(35 / pi) * 3 / 4 * x * y * (xx - yy), s(35 / 2 / pi) * 3 / 4 * y * z * (3 * xx - yy), s(5 / pi) * 3 / 4 * x * y * (7 * zz - 1),
          s(5 / 2 / pi) * 3 / 4 * y * z * (7 * zz - 3), 3 / 16 / s(pi) * (35 * zz * zz - 30 * zz + 3), s(5 / 2 / pi) * 3 / 4 * x * z * (7 * zz - 3),
          s(5 / pi) * 3 / 8 * (xx - yy) * (7 * zz - 1), s(35 / 2 / pi) * 3 / 4 * x * z * (xx - 3 * yy), s(35 / pi) * 3 / 16 * (xx * (xx - 3 * yy) - yy * (3 * xx - yy))]
    return torch.stack(Y[:(degree + 1)**2], -1)



#| export
class SphericalHarmonics(nn.Module):
    "Real spherical harmonics of directions."
    def __init__(self,
        degree=3,  # highest degree, 0 … 4
    ):
        super().__init__()
        self.degree, self.n_out = degree, (degree + 1)**2

    def forward(self,
        d,  # (..., 3) directions, of any length
    ):      # (..., (degree+1)^2)
        "Harmonics of the normalised directions."
        return spherical_harmonics(torch.nn.functional.normalize(d, dim=-1), self.degree)

