// The program that the files beside this one are; see README.md.
#![feature(no_core, lang_items)]
#![no_core]
#![no_main]
#![allow(internal_features)]

#[lang = "pointee_sized"]
pub trait PointeeSized {}
#[lang = "meta_sized"]
pub trait MetaSized: PointeeSized {}
#[lang = "sized"]
pub trait Sized: MetaSized {}

#[no_mangle]
pub extern "C" fn _start() -> ! {
    loop {}
}
#[no_mangle]
pub extern "C" fn __start() -> ! {
    loop {}
}
#[no_mangle]
pub extern "C" fn __aeabi_unwind_cpp_pr0() -> ! {
    loop {}
}
