// The sum of one value a thread over a workgroup of LANES = 64 threads, known to all: eight sums of eight, then one of eight.
// Two barriers instead of a tree's six; between two calls none is needed.

const LANES = 64u;

var<workgroup> lanes: array<f32, LANES>;
var<workgroup> eighths: array<f32, 8>;

fn sum_over_workgroup(lane: u32, value: f32) -> f32 {
    lanes[lane] = value;
    workgroupBarrier();
    if (lane < 8u) {
        var sum = 0.0;
        for (var i = 0u; i < 8u; i++) {
            sum += lanes[8u * lane + i];
        }
        eighths[lane] = sum;
    }
    workgroupBarrier();
    var total = 0.0;
    for (var i = 0u; i < 8u; i++) {
        total += eighths[i];
    }
    return total;
}
