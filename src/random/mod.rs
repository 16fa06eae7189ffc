//! Counter-based noise: the same numbers on every platform, in any order.
//!
//! Philox4x32-10 (Salmon et al. 2011, "Parallel random numbers: as easy as 1, 2, 3", section 3.3) turns a
//! 128-bit counter into four random words under a 64-bit key. The key is the seed; the counter says which
//! words are meant, so that nothing has to be drawn before anything else:
//!
//! | word | holds |
//! | --- | --- |
//! | counter 0 | index of the element, divided by 4 |
//! | counter 1 | step: 0 for the initial latents, `i + 1` for noise that step `i` adds; or node of the path |
//! | counter 2 | sample: number of the picture in its batch |
//! | counter 3 | 0 for a step, 1 for a node of the [`BrownianPath`] |
//! | key 0, 1 | seed, low and high word |
//!
//! Elements of a latent are numbered as PyTorch stores them, `[C, h, w]` with the last axis fastest, so that a
//! script in Python draws the same picture's noise as one flat array.

mod brownian;

pub use brownian::BrownianPath;

/// Multipliers and key increments of Philox4x32; Salmon et al. 2011, Table 2 and section 3.3.
const MULTIPLIERS: [u32; 2] = [0xD251_1F53, 0xCD9E_8D57];
const WEYL: [u32; 2] = [0x9E37_79B9, 0xBB67_AE85];
const ROUNDS: usize = 10;

/// The four words of one counter.
pub fn philox4x32(counter: [u32; 4], key: [u32; 2]) -> [u32; 4] {
    let (mut c, mut k) = (counter, key);
    for _ in 0..ROUNDS {
        let product = |index: usize| u64::from(MULTIPLIERS[index]) * u64::from(c[2 * index]);
        let (p0, p1) = (product(0), product(1));
        c = [(p1 >> 32) as u32 ^ c[1] ^ k[0], p1 as u32, (p0 >> 32) as u32 ^ c[3] ^ k[1], p0 as u32];
        k = [k[0].wrapping_add(WEYL[0]), k[1].wrapping_add(WEYL[1])];
    }
    c
}

/// A stream of noise: one picture, one step.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Noise {
    pub seed: u64,
    /// Number of the picture in its batch.
    pub sample: u32,
    pub of: Of,
}

/// What noise is drawn for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Of {
    /// 0 for the initial latents, `i + 1` for noise that step `i` adds.
    Step(u32),
    /// A node of the Brownian path.
    Node(u32),
}

impl Noise {
    /// The four random words of elements `4 · block ..`.
    pub fn words(&self, block: u32) -> [u32; 4] {
        let (step, kind) = match self.of {
            Of::Step(step) => (step, 0),
            Of::Node(node) => (node, 1),
        };
        philox4x32([block, step, self.sample, kind], [self.seed as u32, (self.seed >> 32) as u32])
    }

    /// Standard normals of elements `4 · block ..`, by Box & Muller 1958. Word `w` stands for the number
    /// `(w + 1/2) / 2³²`; in f64 until the end, with functions that are the same code everywhere.
    pub fn normals(&self, block: u32) -> [f32; 4] {
        let [u0, w0, u1, w1] = self.words(block).map(|word| (f64::from(word) + 0.5) / 4_294_967_296.0);
        let pair = |u: f64, w: f64| {
            let radius = libm::sqrt(-2.0 * libm::log(u));
            let (sine, cosine) = libm::sincos(std::f64::consts::TAU * w);
            [(radius * cosine) as f32, (radius * sine) as f32]
        };
        let ([a, b], [c, d]) = (pair(u0, w0), pair(u1, w1));
        [a, b, c, d]
    }
}

/// Standard normals of one picture's latents `[height, width, channels]`, channels last; their elements are
/// numbered as `[channels, height, width]`.
pub fn normals(noise: Noise, [height, width, channels]: [usize; 3]) -> Vec<f32> {
    let pixels = height * width;
    let mut latents = vec![0.0; pixels * channels];
    for block in 0..latents.len().div_ceil(4) {
        // 2^34 elements are more than any latent has.
        let normals = noise.normals(block as u32);
        for (element, normal) in (4 * block..latents.len()).zip(normals) {
            let (channel, pixel) = (element / pixels, element % pixels);
            latents[pixel * channels + channel] = normal;
        }
    }
    latents
}
