// The sum of one value a thread over a line of LANES threads, known to all of them, for each of the LINES lines of a workgroup: SHARES
// sums of as many lanes each, then one of those. Two barriers instead of a tree's six; between two calls none is needed. Twin: reduce.rs.

const SHARE = LANES / SHARES;

var<workgroup> lanes: array<f32, LANES * LINES>;
var<workgroup> shares: array<f32, SHARES * LINES>;

fn sum_over_line(local: vec2<u32>, value: f32) -> f32 {
    lanes[local.y * LANES + local.x] = value;
    workgroupBarrier();
    if (local.x < SHARES) {
        var sum = 0.0;
        for (var i = 0u; i < SHARE; i++) {
            sum += lanes[local.y * LANES + local.x * SHARE + i];
        }
        shares[local.y * SHARES + local.x] = sum;
    }
    workgroupBarrier();
    var total = 0.0;
    for (var i = 0u; i < SHARES; i++) {
        total += shares[local.y * SHARES + i];
    }
    return total;
}
