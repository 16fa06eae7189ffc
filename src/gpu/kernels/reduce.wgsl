// The sum of one value a thread over a workgroup of LANES threads, a power of two; a tree of barriers.

var<workgroup> lanes: array<f32, LANES>;

fn sum_over_workgroup(lane: u32, value: f32) -> f32 {
    lanes[lane] = value;
    workgroupBarrier();
    for (var half = LANES / 2u; half > 0u; half /= 2u) {
        if (lane < half) {
            lanes[lane] += lanes[lane + half];
        }
        workgroupBarrier();
    }
    let sum = lanes[0];
    workgroupBarrier();
    return sum;
}
