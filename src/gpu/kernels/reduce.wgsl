// The sum of one value a thread over a line of LANES threads, known to all of them, for each of the LINES lines of a workgroup: SHARES
// sums of SHARE lanes each, then one of those. Two barriers instead of a tree's six; between two calls none is needed. Twin: reduce.rs.

// [line][share][lane of it]
var<workgroup> lanes: array<array<array<f32, SHARE>, SHARES>, LINES>;
var<workgroup> shares: array<array<f32, SHARES>, LINES>;

fn sum_over_line(local: vec2<u32>, value: f32) -> f32 {
    lanes[local.y][local.x / SHARE][local.x % SHARE] = value;
    workgroupBarrier();
    if (local.x < SHARES) {
        var sum = 0.0;
#for i SHARE
        sum += lanes[local.y][local.x][$i];
#end
        shares[local.y][local.x] = sum;
    }
    workgroupBarrier();
    var total = 0.0;
#for i SHARES
    total += shares[local.y][$i];
#end
    return total;
}
