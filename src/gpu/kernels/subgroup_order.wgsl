// y[i] = 1 if thread i of a workgroup exchanges values with threads i ^ 1, i ^ 2, i ^ 4, … of it where it means to, else 0
// y [256]
// WGSL leaves open which threads make a subgroup; reduce.wgsl relies on that they follow each other. Twin: subgroup_order.rs.

@group(0) @binding(0) var<uniform> params: u32;
@group(0) @binding(1) var<storage, read_write> y: array<f32>;

@compute @workgroup_size(16, 16)
fn main(@builtin(local_invocation_index) thread: u32) {
    var in_order = true;
#for s STEPS
    in_order = (subgroupShuffleXor(thread, 1u << $su) == (thread ^ (1u << $su))) && in_order;
#end
    y[thread] = select(0.0, f32(params), in_order);
}
