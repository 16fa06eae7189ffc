// Element-wise nonlinearities, chosen by the override constants of the kernel that includes this file.
//
// The numbers are those of `activation_code` in kernels/mod.rs. Arguments of exp and tanh are clamped, because WGSL
// leaves overflow undefined; the clamped values differ from the true ones by less than f32 can hold.

const SQRT_HALF = 0.7071067811865476;
const SQRT_TWO_OVER_PI = 0.7978845608028654;

fn sigmoid(x: vec4<f32>) -> vec4<f32> {
    return 1.0 / (1.0 + exp(min(-x, vec4(80.0))));
}

fn bounded_tanh(x: vec4<f32>) -> vec4<f32> {
    return tanh(clamp(x, vec4(-10.0), vec4(10.0)));
}

// Abramowitz & Stegun 1964, 7.1.26: absolute error at most 1.5e-7.
fn erf(x: vec4<f32>) -> vec4<f32> {
    let a = abs(x);
    let t = 1.0 / (1.0 + 0.3275911 * a);
    let p = t * (0.254829592 + t * (-0.284496736 + t * (1.421413741 + t * (-1.453152027 + t * 1.061405429))));
    return sign(x) * (1.0 - p * exp(max(-a * a, vec4(-80.0))));
}

fn gelu(x: vec4<f32>) -> vec4<f32> {
    return 0.5 * x * (1.0 + erf(x * SQRT_HALF));
}

fn activate(code: u32, x: vec4<f32>) -> vec4<f32> {
    switch code {
        case 1u: { return x * sigmoid(x); }
        case 2u: { return gelu(x); }
        case 3u: { return 0.5 * x * (1.0 + bounded_tanh(SQRT_TWO_OVER_PI * (x + 0.044715 * x * x * x))); }
        case 4u: { return x * sigmoid(1.702 * x); }
        case 5u: { return max(x, vec4(0.0)); }
        case 6u: { return bounded_tanh(x); }
        default: { return x; }
    }
}
