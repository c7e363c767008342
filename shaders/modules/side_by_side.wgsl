// Work whose parts need nothing of each other: a workgroup takes one after another, its threads side by side, and meets at
// barriers to add up what they found. What uses it says what a `Sum` is, and how two of them are `added`, and takes its
// built-in values one by one: in a struct, a workgroup's index would count as no more uniform than a thread's.
override WORKGROUP_SIZE: u32 = 64;

var<workgroup> sums: array<Sum, WORKGROUP_SIZE>;

// The sum of all threads' own, for each of them. All of a workgroup have to come here.
fn total(thread: u32, own: Sum) -> Sum {
    sums[thread] = own;
    workgroupBarrier();
    for (var half = WORKGROUP_SIZE / 2u; half > 0u; half /= 2u) {
        if thread < half {
            sums[thread] = added(sums[thread], sums[thread + half]);
        }
        workgroupBarrier();
    }
    let all = sums[0];
    workgroupBarrier();
    return all;
}
