// The sum of one value a thread over a line of LANES threads, known to all of them, for each of the LINES lines of a workgroup: SHARES
// sums of SHARE lanes each, then one of those. Two barriers instead of a tree's six; between two calls none is needed.
// SUBGROUPS: BLOCK threads that follow each other exchange values without memory, in STEPS steps of a butterfly, so that the order of a sum
// is ours and not the device's; one barrier if a line has several such blocks, and none else. Calls take turns, 0 and 1. Twin: reduce.rs.

#if SUBGROUPS
// [turn][line][block]
var<workgroup> blocks: array<array<array<f32, BLOCKS>, LINES>, 2>;

fn sum_over_line(local: vec2<u32>, value: f32, turn: u32) -> f32 {
    var sum = value;
#for s STEPS
    sum += subgroupShuffleXor(sum, 1u << $su);
#end
    if (BLOCKS == 1u) {
        return sum;
    }
    if (local.x % BLOCK == 0u) {
        blocks[turn][local.y][local.x / BLOCK] = sum;
    }
    workgroupBarrier();
    sum = 0.0;
#for i BLOCKS
    sum += blocks[turn][local.y][$i];
#end
    return sum;
}
#else
// [line][share][lane of it]
var<workgroup> lanes: array<array<array<f32, SHARE>, SHARES>, LINES>;
var<workgroup> shares: array<array<f32, SHARES>, LINES>;

fn sum_over_line(local: vec2<u32>, value: f32, turn: u32) -> f32 {
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
#endif
