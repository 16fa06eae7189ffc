// out = clip(out, −s, s) / s, s = clamp(quantile of |out|, 1, most), over the first len elements
// The quantile lies between the values of ranks `rank` and `rank + 1`, `part` of the way.
// One workgroup for a whole picture, which few models want. Sizes of f32 are in the order of their bits, so the value of a rank
// is found by its digits: four times, count how often each digit of 8 bits follows those that are known, and take the one that
// the rank falls on. Five passes over the data and no sorting; counts are whole numbers, so any order of threads gives the same.
// Saharia et al. 2022, arXiv:2205.11487, section 2.3. Twin: Thresholding::apply.

struct Params {
    len: u32,
    rank: u32,
    part: f32,
    most: f32,
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(7) var<storage, read_write> out: array<f32>;

const THREADS = 256u;

// By digit.
var<workgroup> counts: array<atomic<u32>, 256>;
// The digits that are known, and the rank among the values that have them.
var<workgroup> known: u32;
var<workgroup> left: u32;
// How many values have all the digits of the one of `rank`, and the bits of the least that is larger.
var<workgroup> equal: u32;
var<workgroup> above: atomic<u32>;

fn size_bits(i: u32) -> u32 {
    return bitcast<u32>(abs(out[i]));
}

@compute @workgroup_size(256)
fn main(@builtin(local_invocation_index) thread: u32) {
    if (thread == 0u) {
        known = 0u;
        left = params.rank;
        atomicStore(&above, 0xffffffffu);
    }
    for (var digit = 0u; digit < 4u; digit++) {
        atomicStore(&counts[thread], 0u);
        workgroupBarrier();
        let shift = 24u - 8u * digit;
        let digits = known;
        for (var i = thread; i < params.len; i += THREADS) {
            let bits = size_bits(i);
            // All that comes before this digit; before the first there is nothing, and no shift is 32.
            let follows = digit == 0u || bits >> ((shift + 8u) & 31u) == digits;
            if (follows) {
                atomicAdd(&counts[(bits >> shift) & 255u], 1u);
            }
        }
        workgroupBarrier();
        if (thread == 0u) {
            var found = 0u;
            var rank = left;
            var count = atomicLoad(&counts[0]);
            while (rank >= count && found < 255u) {
                rank -= count;
                found++;
                count = atomicLoad(&counts[found]);
            }
            known = (digits << 8u) | found;
            left = rank;
            equal = count;
        }
        workgroupBarrier();
    }

    let low = known;
    for (var i = thread; i < params.len; i += THREADS) {
        let bits = size_bits(i);
        if (bits > low) {
            atomicMin(&above, bits);
        }
    }
    workgroupBarrier();
    let larger = atomicLoad(&above);
    // The next rank has the same value, or there is none.
    let next = select(larger, low, left + 1u < equal || larger == 0xffffffffu);
    let quantile = mix(bitcast<f32>(low), bitcast<f32>(next), params.part);
    let s = min(max(quantile, 1.0), params.most);
    for (var i = thread; i < params.len; i += THREADS) {
        out[i] = clamp(out[i], -s, s) / s;
    }
}
