// Empty on purpose: only the libblst.a that the dependency builds is linked.
#![no_std]
